//! What can go wrong between a program and the master, each as a sentence that says what to do.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tessera_protocol::BlobHash;
use tessera_protocol::problem::Problem;

/// A call that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers there.
    #[error(
        "cannot reach the master at {master} ({cause}); check that it runs and that the address \
         is right"
    )]
    Unreachable {
        /// The address that was tried.
        master: String,
        /// What the system said.
        cause: String,
    },
    /// The connection was made and then lost.
    #[error("the connection to the master at {master} broke ({cause}); try again")]
    Interrupted {
        /// The other side.
        master: String,
        /// What the system said.
        cause: String,
    },
    /// No token, or one that the master does not know.
    #[error("the master at {master} does not know this token: {}", problem.detail)]
    Unauthorised {
        /// Who refused.
        master: String,
        /// In its own words.
        problem: Problem,
    },
    /// The master understood and said no; its detail is the sentence.
    #[error("{}", problem.detail)]
    Refused {
        /// In its own words.
        problem: Problem,
        /// When it asked to be tried again.
        retry_after: Option<Duration>,
    },
    /// Something answers there, in another language.
    #[error(
        "what answers at {master} does not speak this version of the farm's interface ({cause}); \
         check the address, and that master and client are of one version"
    )]
    NotUnderstood {
        /// Who answered.
        master: String,
        /// What was odd about it.
        cause: String,
    },
    /// A file of this machine could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// `read`, `write`, …
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Bytes came, and they are not the ones asked for.
    #[error("asked for the file {expected}, and what came has the hash {found}; try again")]
    WrongBytes {
        /// The hash that was asked for.
        expected: BlobHash,
        /// The hash of what came.
        found: BlobHash,
    },
    /// More bytes than the caller has room for.
    #[error("the file {blob} is larger than the {limit} bytes that are allowed for it here")]
    TooLarge {
        /// Which file.
        blob: BlobHash,
        /// The limit.
        limit: u64,
    },
    /// The system's TLS could not be set up.
    #[error("cannot set up secure connections on this machine: {0}")]
    Tls(String),
}

impl ClientError {
    /// Whether the same call may succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Interrupted { .. } => true,
            Self::Refused { problem, .. } => matches!(problem.status, 429 | 502..=504),
            _ => false,
        }
    }

    /// The HTTP status with which the master refused, if it did.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Unauthorised { problem, .. } | Self::Refused { problem, .. } => {
                Some(problem.status)
            }
            _ => None,
        }
    }

    /// When the master asked to be tried again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { action, path: path.to_path_buf(), source }
    }
}

/// What lies at the bottom of an error: `Connection refused (os error 111)` and not the four
/// layers above it.
pub(crate) fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
