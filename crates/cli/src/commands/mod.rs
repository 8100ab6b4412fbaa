//! What is asked of a master, one command a file.

pub(crate) mod approval;
pub(crate) mod download;
pub(crate) mod inspect;
pub(crate) mod money;
pub(crate) mod receipt;
pub(crate) mod stream;
pub(crate) mod submit;
pub(crate) mod watch;
pub(crate) mod webhook;
