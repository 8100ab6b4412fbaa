//! How things are shown: to people as text, to programs as JSON.

pub(crate) mod numbers;
pub(crate) mod progress;
pub(crate) mod rate;
pub(crate) mod table;

use indicatif::ProgressDrawTarget;
use serde::Serialize;
use std::io::{IsTerminal, Write};

/// How this run speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Voice {
    json: bool,
    terminal: bool,
}

impl Voice {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, terminal: std::io::stderr().is_terminal() }
    }

    /// Whether the output is for a program.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Whether bars can be drawn: on a terminal, for a person.
    pub(crate) fn draws(self) -> bool {
        self.terminal && !self.json
    }

    /// Where bars are drawn.
    pub(crate) fn draw_target(self) -> ProgressDrawTarget {
        if self.draws() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
    }

    /// A result: `text` for people, `value` for programs.
    pub(crate) fn result<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        let mut line = if self.json { serde_json::to_string(value)? } else { text() };
        if !line.ends_with('\n') {
            line.push('\n');
        }
        let mut output = std::io::stdout().lock();
        match output.write_all(line.as_bytes()).and_then(|()| output.flush()) {
            // The reader has seen enough (`farm jobs | head`).
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            outcome => Ok(outcome?),
        }
    }

    /// A remark on what is going on; on the error stream, so that it never mixes with results.
    pub(crate) fn remark(self, text: &str) {
        // Nobody is left to be told that the error stream is closed.
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}
