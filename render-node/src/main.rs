//! The program `render-node`.

use clap::{Parser, Subcommand};
use render_node::commands::{check, render, run};
use std::process::ExitCode;

/// Renders glTF scenes, alone or for a farm.
#[derive(Debug, Parser)]
#[command(name = "render-node", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Render one frame, or a part of one, of a .glb file; needs no master.
    Render(render::Arguments),
    /// Show this machine's devices, what work they may have, and their conformance hashes.
    Check(check::Arguments),
    /// Work for a master until told to stop.
    Run(run::Arguments),
}

fn main() -> ExitCode {
    quiet_the_device_chooser();
    let result = match Arguments::parse().command {
        Command::Render(arguments) => render::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("render-node: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Mesa's Vulkan layer that orders devices asks a display server which one it uses, and complains
/// on stderr where there is none, as on most farms.
fn quiet_the_device_chooser() {
    let has_display = ["WAYLAND_DISPLAY", "DISPLAY"].iter().any(|v| std::env::var_os(v).is_some());
    if !has_display {
        // SAFETY: no other thread has started yet that could read the environment meanwhile.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}
