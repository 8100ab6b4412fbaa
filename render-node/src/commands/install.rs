//! `render-node install` and `uninstall`: the node as a service that systemd starts with the machine.

use crate::install::{Layout, SERVICE, Wish};
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tessera_client::MasterArguments;
use tessera_protocol::ReleaseKey;

/// What the service is to be.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    master: MasterArguments,
    /// What people call this node; the machine's name by default.
    #[arg(long)]
    name: Option<String>,
    /// Write the files below this folder, and start nothing: for packages and images.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// The key whose releases the service takes in place of its program, as the farm's script names it.
    #[arg(long, value_name = "KEY")]
    update_key: Option<ReleaseKey>,
    /// Stay with the program that is installed, whatever the farm offers.
    #[arg(long)]
    no_updates: bool,
    /// Further options of `render-node run`, after `--`.
    #[arg(last = true, value_name = "OPTION")]
    options: Vec<String>,
}

/// What is to be removed.
#[derive(Debug, clap::Args)]
pub struct Removal {
    /// Delete the node's key and all it keeps as well: what it earned and did not take is lost.
    #[arg(long)]
    purge: bool,
    /// The files lie below this folder.
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

/// Installs the service and starts it.
pub fn install(arguments: &Arguments) -> anyhow::Result<()> {
    let master = arguments.master.address()?.to_string();
    let mut options = arguments.options.clone();
    if arguments.master.allows_plain_http() {
        options.insert(0, "--allow-plain-http".to_owned());
    }
    let wish = Wish {
        master,
        token: arguments.master.token()?,
        name: arguments.name.clone(),
        update_key: arguments.update_key.filter(|_| !arguments.no_updates),
        options,
    };
    need_root(&arguments.root)?;
    let own = std::env::current_exe().context("could not find this program's own file")?;
    let layout = Layout::new(&arguments.root, &own);
    layout.install(&wish, &own)?;
    println!("{SERVICE} is installed: it works for {}.", wish.master);
    if !is_the_system(&arguments.root) {
        return Ok(());
    }
    if !systemd_runs() {
        // In an image or a container: it starts with the machine that it becomes.
        let _ = systemctl(&["enable", SERVICE]);
        println!("systemd does not run here; the service starts with the machine.");
        return Ok(());
    }
    systemctl(&["daemon-reload"])?;
    systemctl(&["enable", SERVICE])?;
    println!("Starting it: it tests the device and joins, which may take minutes.");
    systemctl(&["restart", SERVICE]).with_context(|| {
        format!("it did not join; what it said is shown by: journalctl -u {SERVICE} -n 50")
    })?;
    println!(
        "It has joined and takes work.\n  journalctl -fu {SERVICE}      what it does\n  \
         systemctl stop {SERVICE}        pause it\n  render-node uninstall             remove it"
    );
    Ok(())
}

/// Stops the service and removes it.
pub fn uninstall(arguments: &Removal) -> anyhow::Result<()> {
    need_root(&arguments.root)?;
    let own = std::env::current_exe().context("could not find this program's own file")?;
    let layout = Layout::new(&arguments.root, &own);
    let lives = is_the_system(&arguments.root) && systemd_runs();
    if lives && layout.unit().exists() {
        systemctl(&["disable", "--now", SERVICE])?;
    }
    layout.uninstall(arguments.purge)?;
    if lives {
        systemctl(&["daemon-reload"])?;
    }
    println!("{SERVICE} is removed.");
    if layout.has_state() {
        println!(
            "Its key stays in {}: it opens what the node earned. render-node uninstall --purge \
             deletes that as well.",
            layout.state()[0].display()
        );
    }
    Ok(())
}

/// Whether the service is one of this machine, and systemd here to ask.
pub(super) fn service_lives() -> bool {
    systemd_runs() && Layout::of_this_machine().unit().exists()
}

fn is_the_system(root: &Path) -> bool {
    root == Path::new("/")
}

/// As sd_booted(3) finds it out.
fn systemd_runs() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

fn need_root(root: &Path) -> anyhow::Result<()> {
    if is_the_system(root) && !rustix::process::geteuid().is_root() {
        bail!("only root may do that: run it with sudo");
    }
    Ok(())
}

pub(super) fn systemctl(arguments: &[&str]) -> anyhow::Result<()> {
    let asked = || format!("systemctl {}", arguments.join(" "));
    let status = Command::new("systemctl")
        .args(arguments)
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("could not run {}", asked()))?;
    if status.success() { Ok(()) } else { bail!("{} failed: {status}", asked()) }
}
