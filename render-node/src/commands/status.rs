//! `render-node status`: what the node here has earned, and why it waits.

use std::path::PathBuf;
use tessera_client::Status;

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
    let status = Status::read(&arguments.state)?;
    match arguments.json {
        true => println!("{}", serde_json::to_string(&status)?),
        false => println!("{status}"),
    }
    Ok(())
}
