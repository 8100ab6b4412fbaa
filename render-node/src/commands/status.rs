//! `render-node status`: what the node here has earned, and why it waits.

use crate::agent::status::Status;
use anyhow::anyhow;
use std::path::PathBuf;

/// Which node.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The node's own folder.
    #[arg(long, value_name = "DIR", env = "TESSERA_NODE_STATE", default_value = ".tessera-node")]
    state: PathBuf,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

/// Prints what the node was told last.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let status = Status::read(&arguments.state).map_err(|reason| anyhow!(reason))?;
    if arguments.json {
        println!("{}", serde_json::to_string(&status)?);
        return Ok(());
    }
    let Status { node, name, master, earnings, why, .. } = status;
    println!("{name} ({node}), at work for {master}");
    println!("  pending   {:>14}   brought, and not judged finally", earnings.pending);
    println!("  earned    {:>14}   counts, and is not settled yet", earnings.earned);
    println!("  settling  {:>14}   in an epoch on its way, or claimable", earnings.settling);
    println!("  paid      {:>14}", earnings.paid);
    println!("  rejected  {:>14}   was wrong, and is not paid", earnings.rejected);
    for note in &earnings.notes {
        println!("  note: {note}");
    }
    for why in &why {
        println!("  waits: {}", why.sentence);
    }
    Ok(())
}
