//! What is asked of a master, one command a file.

pub(crate) mod download;
pub(crate) mod inspect;
pub(crate) mod submit;
pub(crate) mod watch;
