//! Updates of a node's program: signed, in two slots, on trial until it has joined, and rolled back.
//!
//! The program that was installed belongs to root, is what systemd starts, and is never changed here. At its
//! start it chooses (`start`): itself, or a release in the state folder that is higher, and becomes that one.
//! While a node works it asks for releases ([`ask`]), and ends when one lies ready, to be started again.
//!
//! | in the state folder | what |
//! |---|---|
//! | `program/a`, `program/b` | a program each, under no name that anything else would start |
//! | `program/slots.json` | which one is good, which one is on trial, which one failed ([`slots`]) |
//!
//! # Contract
//! - A program out of the state folder runs only as the bytes that its operator's key signed, checked at each
//!   start: whoever may write there may not thereby decide what runs. The key is pinned beside the unit.
//! - Only a higher version than the running one is fetched, and never more bytes than the release says; only a
//!   higher one than the installed one is run.
//! - A release that was started [`slots::STARTS_ALLOWED`] times and never joined is not started again, nor
//!   fetched again. The good one is not touched before another one is good.
//! - What the installed program and a release have to agree on is `slots.json`, [`RELEASE_VARIABLE`] and the
//!   command line of the unit. They change by addition only: the installed program may be years old. What a
//!   release leaves in the state folder, the one before has to be able to read, since it may be rolled back.
//!
//! Only Linux has memory that can be sealed and become a program, so nodes elsewhere renew nothing by themselves.
//!
//! Reading order: [`slots`] (the rule) → [`program`] (is it signed, and for here) → [`folder`] → `sealed` (how it
//! is run) → `start` → [`ask`].

pub mod ask;
pub mod folder;
pub mod program;
#[cfg(target_os = "linux")]
pub mod sealed;
pub mod slots;
#[cfg(target_os = "linux")]
pub mod start;

use std::path::PathBuf;
use tessera_client::ClientError;
use tessera_protocol::ReleaseKey;
use tessera_protocol::release::ReleaseVersion;

pub use ask::Updates;

/// Says to a program that was started out of a slot which release it is.
pub const RELEASE_VARIABLE: &str = "TESSERA_NODE_RELEASE";
/// How a node ends that wants to be started again, as another program: "try again" of sysexits(3).
pub const RESTART: u8 = 75;

/// The version of the program that was installed.
pub fn installed() -> ReleaseVersion {
    env!("CARGO_PKG_VERSION").parse().expect("this workspace's version is three numbers")
}

/// What this program runs on, and what releases for it have to be for.
pub fn target() -> String {
    let system = match (std::env::consts::OS, cfg!(target_env = "musl")) {
        ("macos", _) => "apple-darwin",
        ("windows", _) => "pc-windows",
        (_, true) => "unknown-linux-musl",
        (_, false) => "unknown-linux-gnu",
    };
    format!("{}-{system}", std::env::consts::ARCH)
}

/// What this process is.
#[derive(Debug, Clone, Copy)]
pub struct Running {
    /// As which version.
    pub version: ReleaseVersion,
    /// Whose releases it takes.
    pub key: ReleaseKey,
}

/// Why there is no update, or why a program is not run.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// The master, or the way to it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A file that was to be written durably.
    #[error(transparent)]
    Durable(#[from] tessera_durable::Error),
    /// A file or a call of the system.
    #[error("could not {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Not who is trusted.
    #[error(
        "release {version} is signed by {found}, and this machine trusts {pinned} only; if the operator has a \
         new key, install the node again"
    )]
    OtherKey {
        /// Which release.
        version: ReleaseVersion,
        /// Who signed it.
        found: ReleaseKey,
        /// Who may.
        pinned: ReleaseKey,
    },
    /// A signature that is none.
    #[error("the signature of release {0} is wrong")]
    NotSigned(ReleaseVersion),
    /// For another kind of machine.
    #[error("release {version} is for {found}, and this is {}", target())]
    OtherTarget {
        /// Which release.
        version: ReleaseVersion,
        /// What it is for.
        found: String,
    },
    /// Too long to be taken.
    #[error("release {version} has {bytes} bytes, which is more than any program of a node")]
    TooLarge {
        /// Which release.
        version: ReleaseVersion,
        /// How many.
        bytes: u64,
    },
    /// The bytes in a slot.
    #[error("{} is not the program that was signed as release {version}", path.display())]
    OtherBytes {
        /// Where.
        path: PathBuf,
        /// As which one.
        version: ReleaseVersion,
    },
    /// A file that should hold a key.
    #[error("{} holds no release key; one is 64 hexadecimal digits", path.display())]
    NotAKey {
        /// Where.
        path: PathBuf,
    },
}

impl UpdateError {
    fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
