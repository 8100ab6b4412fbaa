//! How a process ended, in words.

use rustix::process::Signal;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// The end of a sentence that begins with "the engine".
pub(super) fn words(status: ExitStatus) -> String {
    let Some(number) = status.signal() else {
        return match status.code() {
            Some(0) => "ended in the middle of its work".to_owned(),
            code => format!("gave up with exit code {}", code.unwrap_or(-1)),
        };
    };
    let told = |name: &str, why: &str| format!("was ended by {name}{why}");
    match Signal::from_named_raw(number) {
        Some(Signal::XCPU) => {
            "used more CPU time than it was given, without reading or writing (SIGXCPU)".to_owned()
        }
        Some(Signal::KILL) => told("SIGKILL", ""),
        Some(Signal::TERM) => told("SIGTERM", ""),
        Some(Signal::ABORT) => told("SIGABRT", ": it gave itself up, maybe for want of memory"),
        Some(Signal::SEGV) => told("SIGSEGV", ": it touched memory that is not its own"),
        Some(Signal::BUS) => told("SIGBUS", ": it touched memory that is not there"),
        Some(Signal::ILL) => told("SIGILL", ": this processor does not know an instruction of it"),
        Some(Signal::FPE) => told("SIGFPE", ": it divided by zero"),
        Some(Signal::SYS) => told("SIGSYS", ": it tried what it may not"),
        Some(Signal::XFSZ) => told("SIGXFSZ", ": it tried to write a file"),
        _ => told(&format!("signal {number}"), ""),
    }
}
