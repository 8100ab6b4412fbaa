//! Deaths at named steps, for tests of the whole system: a gateway that is killed just there must
//! lose nothing.
//!
//! `TESSERA_STOP_AT=after-journal@2` ends the process the second time that it gets to the step
//! `after-journal`, as abruptly as SIGKILL does: nothing is flushed, nothing is told to anybody.
//! Whoever can set a process's environment could end it anyway.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

struct Stop {
    step: String,
    /// Passages that are let through before.
    left: AtomicU32,
}

/// Ends the process if it is told to end here.
pub fn at(step: &str) {
    static STOP: OnceLock<Option<Stop>> = OnceLock::new();
    let stop = STOP.get_or_init(|| read(&std::env::var("TESSERA_STOP_AT").ok()?));
    if let Some(stop) = stop.as_ref().filter(|stop| stop.step == step)
        && stop.left.fetch_sub(1, Ordering::AcqRel) == 1
    {
        std::process::abort();
    }
}

fn read(text: &str) -> Option<Stop> {
    let (step, times) = text.split_once('@').unwrap_or((text, "1"));
    let times = times.parse().ok().filter(|&times| times > 0)?;
    Some(Stop { step: step.to_owned(), left: AtomicU32::new(times) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_read_with_its_count() {
        let of = |text| read(text).map(|stop| (stop.step, stop.left.into_inner()));
        assert_eq!(of("after-journal@2"), Some(("after-journal".to_owned(), 2)));
        assert_eq!(of("after-journal"), Some(("after-journal".to_owned(), 1)));
        for text in ["x@0", "x@", "x@y", "x@-1"] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
