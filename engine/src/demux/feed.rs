//! A lane's bytes as something that FFmpeg can read from.

use crate::error::Trouble;
use crate::exchange::Inbox;
use bytes::{Buf, Bytes};
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use tessera_media::wire::Body;

/// Waits for bytes whenever more are wanted than came.
pub(super) struct Feed {
    inbox: Inbox,
    rest: Bytes,
    over: bool,
    ended: Ended,
}

/// How the lane's bytes ended, if it was not by `End`.
#[derive(Clone, Default)]
pub(super) struct Ended(Arc<Mutex<Option<Trouble>>>);

impl Feed {
    pub(super) fn new(inbox: Inbox) -> (Self, Ended) {
        let ended = Ended::default();
        (Self { inbox, rest: Bytes::new(), over: false, ended: ended.clone() }, ended)
    }
}

impl Ended {
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Read for Feed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() && !self.over {
            let trouble = match self.inbox.next() {
                Ok(Body::Bytes(bytes)) => {
                    self.rest = bytes;
                    continue;
                }
                Ok(Body::End) => None,
                Ok(_) => Some(Trouble::refused("a container is made of bytes, and nothing else")),
                Err(trouble) => Some(trouble),
            };
            self.over = true;
            *self.ended.0.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
        }
        let length = buffer.len().min(self.rest.len());
        self.rest.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
