//! The engine: decodes, scales, encodes and demuxes in a process without network or files.

use std::process::ExitCode;
use tessera_engine::exchange;
use tessera_engine_host::jail::{self, Limits};
use tessera_engine_host::probe;

/// How the process ends when it could not be shut in, or was started wrongly.
const NOT_BEGUN: u8 = 3;

fn main() -> ExitCode {
    let begun = Limits::from_args(std::env::args_os().skip(1))
        .map_err(|error| error.to_string())
        .and_then(|(limits, rest)| {
            start_libraries()?;
            let jail = jail::enter(&limits).map_err(|error| error.to_string())?;
            Ok((jail, rest))
        });
    let (jail, rest) = match begun {
        Ok(begun) => begun,
        Err(because) => {
            eprintln!("{because}");
            return NOT_BEGUN.into();
        }
    };
    if rest.first().is_some_and(|word| word == "probe") {
        return probe::run(&rest[1..]);
    }
    match exchange::serve(std::io::stdin(), std::io::stdout(), jail.input.as_ref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the engine ends: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Before the jail: what libraries read of the machine when they start, they read now.
fn start_libraries() -> Result<(), String> {
    // SAFETY: no other thread exists that could look at the environment.
    unsafe { std::env::set_var("SVT_LOG", "0") };
    tessera_engine::start_ffmpeg().map_err(|error| format!("could not start FFmpeg: {error}"))
}
