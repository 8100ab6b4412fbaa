//! The program `render-node`.

use clap::{Parser, Subcommand};
use render_node::commands::{
    BackendArguments, check, house, release, render, renderer, run, stake, status, wish,
};
#[cfg(target_os = "linux")]
use render_node::commands::{install, update};
use std::process::ExitCode;
use tessera_protocol::node::NodeWish;

/// Renders glTF scenes, alone or for a farm.
#[derive(Debug, Parser)]
#[command(name = "render-node", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Render one frame, or a part of one, of a scene's file; needs no master.
    Render(render::Arguments),
    /// Show this machine's devices, what work they may have, and their conformance hashes.
    Check(check::Arguments),
    /// Work for a master until told to stop.
    Run(run::Arguments),
    /// Render what a node says on standard input.
    #[command(hide = true)]
    Renderer(BackendArguments),
    #[cfg(target_os = "linux")]
    /// Make the node a service of this machine, which starts with it.
    Install(install::Arguments),
    #[cfg(target_os = "linux")]
    /// Stop the service and remove it.
    Uninstall(install::Removal),
    #[cfg(target_os = "linux")]
    /// Ask the farm for another release of the service's program at once; the service does each hour.
    Update(update::Arguments),
    /// Make releases that nodes take: for a farm's operator.
    #[command(subcommand)]
    Release(release::Order),
    /// Show what the node of this machine has earned, and why it waits.
    Status(status::Arguments),
    /// Have the node's leases taken back and get no work until it is resumed.
    Pause(stake::Arguments),
    /// Let the node end what it has and get no new work until it is resumed.
    Drain(stake::Arguments),
    /// Have the node work again.
    Resume(stake::Arguments),
    /// Show or change the hours in which the node may work.
    Schedule(house::Schedule),
    /// Show or change what else the node has to mind on this machine.
    Config(house::Config),
    /// Show what lies under the node's key on the farm's chain, and what it vouches with.
    Wallet(stake::Arguments),
    /// Vouch for the node with tokens of its key: whoever signs two results for one lease loses them.
    Stake(stake::OfAmount),
    /// Ask stake back; it is free after the farm's cooldown.
    Unstake(stake::OfAmount),
    /// Take stake that was asked back and is free.
    Withdraw(stake::Arguments),
    /// Have the node's earnings paid to another wallet.
    PayTo(stake::PayTo),
}

fn main() -> ExitCode {
    quiet_the_device_chooser();
    #[cfg(target_os = "linux")]
    speak_for_the_service();
    let result = match Arguments::parse().command {
        Command::Render(arguments) => render::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Renderer(arguments) => renderer::run(&arguments),
        #[cfg(target_os = "linux")]
        Command::Install(arguments) => install::install(&arguments),
        #[cfg(target_os = "linux")]
        Command::Uninstall(arguments) => install::uninstall(&arguments),
        #[cfg(target_os = "linux")]
        Command::Update(arguments) => update::run(&arguments),
        Command::Release(order) => release::run(&order),
        Command::Status(arguments) => status::run(&arguments),
        Command::Pause(arguments) => wish::run(&arguments, NodeWish::Pause),
        Command::Drain(arguments) => wish::run(&arguments, NodeWish::Drain),
        Command::Resume(arguments) => wish::run(&arguments, NodeWish::Work),
        Command::Schedule(arguments) => house::schedule(&arguments),
        Command::Config(arguments) => house::config(&arguments),
        Command::Wallet(arguments) => stake::wallet(&arguments),
        Command::Stake(arguments) => stake::stake(&arguments),
        Command::Unstake(arguments) => stake::unstake(&arguments),
        Command::Withdraw(arguments) => stake::withdraw(&arguments),
        Command::PayTo(arguments) => stake::pay_to(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("render-node: {error:#}");
            run::exit_code(&error)
        }
    }
}

/// Where the node of this machine is a service, what is asked and said without further words is of it, if the
/// user may read whom it works for. The service itself is told everything.
#[cfg(target_os = "linux")]
fn speak_for_the_service() {
    let command = std::env::args().nth(1);
    let is_told = std::env::var_os("TESSERA_MASTER").is_some()
        || std::env::args().any(|word| word.starts_with("--master"));
    // Another master than the service's must not get the service's token.
    if is_told || matches!(command.as_deref(), Some("run" | "renderer" | "install" | "uninstall")) {
        return;
    }
    for (name, value) in render_node::install::Layout::of_this_machine().words() {
        if std::env::var_os(name).is_none() {
            // SAFETY: no other thread has started yet that could read the environment meanwhile.
            unsafe { std::env::set_var(name, value) };
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
