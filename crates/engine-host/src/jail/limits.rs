//! What an engine may use, and how its parent tells it.

use std::ffi::{OsStr, OsString};
use std::os::fd::RawFd;

/// What an engine may use. Travels on its command line: its environment is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory of its own.
    pub memory: u64,
    /// How far its priority is lowered, 0 to 19.
    pub nice: u8,
    /// Whether it may run where the kernel has no seccomp.
    pub without_seccomp: bool,
    /// A file that was opened for it.
    pub input: Option<RawFd>,
}

impl Default for Limits {
    /// Enough for a ladder from 2160p; at normal priority.
    fn default() -> Self {
        Self { memory: 3 << 30, nice: 0, without_seccomp: false, input: None }
    }
}

/// A command line that is not what [`Limits::to_args`] gives.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no limit that the engine knows, or lacks its number")]
pub struct LimitsError(String);

impl Limits {
    /// Allows an engine to run without seccomp.
    pub const WITHOUT_SECCOMP: &str = "--without-seccomp";
    const MEMORY: &str = "--memory-bytes";
    const NICE: &str = "--nice";
    const INPUT: &str = "--input-fd";

    /// The arguments that tell a child.
    pub fn to_args(&self) -> Vec<OsString> {
        let mut args = vec![
            Self::MEMORY.into(),
            self.memory.to_string().into(),
            Self::NICE.into(),
            self.nice.to_string().into(),
        ];
        if self.without_seccomp {
            args.push(Self::WITHOUT_SECCOMP.into());
        }
        if let Some(fd) = self.input {
            args.extend([Self::INPUT.into(), fd.to_string().into()]);
        }
        args
    }

    /// The limits at the front of a command line without the program's name, and what follows them
    /// from the first word on that isn't a flag.
    pub fn from_args(
        args: impl IntoIterator<Item = OsString>,
    ) -> Result<(Self, Vec<OsString>), LimitsError> {
        let mut limits = Self::default();
        let mut args = args.into_iter().peekable();
        while let Some(flag) = args.next_if(|word| word.as_encoded_bytes().starts_with(b"--")) {
            let refused = || LimitsError(flag.to_string_lossy().into_owned());
            match flag.to_str().ok_or_else(refused)? {
                Self::WITHOUT_SECCOMP => limits.without_seccomp = true,
                Self::MEMORY => limits.memory = number(args.next().as_ref()).ok_or_else(refused)?,
                Self::NICE => limits.nice = number(args.next().as_ref()).ok_or_else(refused)?,
                Self::INPUT => {
                    limits.input = Some(number(args.next().as_ref()).ok_or_else(refused)?);
                }
                _ => return Err(refused()),
            }
        }
        Ok((limits, args.collect()))
    }
}

fn number<N: std::str::FromStr>(word: Option<&OsString>) -> Option<N> {
    word.map(OsString::as_os_str).and_then(OsStr::to_str)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_survive_a_command_line_and_leave_the_rest() {
        let limits = Limits { memory: 7 << 20, nice: 5, without_seccomp: true, input: Some(9) };
        let args = limits.to_args().into_iter().chain(["probe".into(), "--x".into()]);
        let rest: Vec<OsString> = vec!["probe".into(), "--x".into()];
        assert_eq!(Limits::from_args(args), Ok((limits, rest)));
    }

    #[test]
    fn a_flag_that_is_unknown_or_lacks_its_number_is_refused() {
        for line in [&["--memory"][..], &["--nice", "x"], &["--nice", "-1"], &["--input-fd"]] {
            let args = line.iter().map(OsString::from);
            assert!(Limits::from_args(args).is_err(), "{line:?}");
        }
    }
}
