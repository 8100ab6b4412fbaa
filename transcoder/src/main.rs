//! The program `transcoder`.

use clap::{Parser, Subcommand};
use std::io::IsTerminal;
use std::process::ExitCode;
use tessera_transcoder::{file, gateway, work};
use tracing_subscriber::EnvFilter;

/// Takes live streams in, and transcodes them.
#[derive(Debug, Parser)]
#[command(name = "transcoder", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take streams from broadcasters, have workers transcode them, and publish them.
    Gateway(Box<gateway::Arguments>),
    /// Transcode for the gateways of a master until told to stop.
    Work(work::Arguments),
    /// Say what the worker here has earned, and why it gets no sessions.
    Status(work::status::Arguments),
    /// Make a ladder of a file, with no master.
    File(file::Arguments),
}

fn main() -> ExitCode {
    log_to_stderr();
    let result = match Arguments::parse().command {
        Command::Gateway(arguments) => gateway::run(&arguments),
        Command::Work(arguments) => work::run(&arguments),
        Command::Status(arguments) => work::status::run(&arguments),
        Command::File(arguments) => file::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("transcoder: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}
