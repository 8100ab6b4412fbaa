//! Why a lane ends early.

use ffmpeg_next as ffmpeg;

/// Why a lane ends before its work is done. The process goes on with the next lane, except where
/// nobody is left to talk to.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// What came is not what its task promised: damaged media, or a task that cannot be done. In
    /// words for the people whose stream it is.
    #[error("{0}")]
    Refused(String),
    /// FFmpeg could not do its part.
    #[error("could not {action}: {source}")]
    Ffmpeg {
        /// What was tried, in words that read after "could not".
        action: &'static str,
        /// FFmpeg's reason.
        #[source]
        source: ffmpeg::Error,
    },
    /// Whoever asked wants it no longer.
    #[error("the task was cancelled")]
    Cancelled,
    /// The other end of a pipe is closed.
    #[error("whoever started the engine is gone")]
    Gone,
}

impl Trouble {
    /// Something that came cannot be used.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self::Refused(reason.into())
    }
}

/// Names what was tried.
pub(crate) fn trying<T>(
    action: &'static str,
    result: Result<T, ffmpeg::Error>,
) -> Result<T, Trouble> {
    result.map_err(|source| Trouble::Ffmpeg { action, source })
}
