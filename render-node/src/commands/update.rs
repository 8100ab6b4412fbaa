//! `render-node update`: asks at once what the service asks each hour.

use super::install::{service_lives, systemctl};
use crate::install::SERVICE;
use crate::update::folder::Folder;
use crate::update::slots::Offer;
use crate::update::{installed, program, start::read_key};
use anyhow::Context as _;
use std::path::PathBuf;
use tessera_client::{MasterArguments, Releases};

/// Of which node.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    master: MasterArguments,
    /// The node's own folder.
    #[arg(long, value_name = "DIR", env = "TESSERA_NODE_STATE", default_value = ".tessera-node")]
    state: PathBuf,
    /// The key whose releases it takes.
    #[arg(long, value_name = "FILE", env = "TESSERA_UPDATE_KEY")]
    update_key: Option<PathBuf>,
    /// Only say what there is.
    #[arg(long)]
    check: bool,
}

/// Says what runs and what is offered, and has the service fetch it.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let key = arguments.update_key.as_deref().context(
        "this node takes no releases: install it by a farm's script that names a key, or name one's file",
    )?;
    let key = read_key(key)?;
    let releases = Releases::new(arguments.master.address()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let offered = runtime.block_on(releases.offered())?;
    let slots = Folder::of(&arguments.state).slots()?;
    let good = slots.good.as_ref().map(|good| good.release.version);
    let runs = good.map_or(installed(), |good| good.max(installed()));
    println!("This node runs {runs}.");
    let Some(release) = offered else {
        println!("The farm offers no release.");
        return Ok(());
    };
    program::check(&release, key)?;
    let version = release.version;
    match slots.offered(&release, runs) {
        Offer::NotHigher => println!("The farm offers {version}: there is nothing to do."),
        Offer::Failed => println!("The farm offers {version}, which did not join here."),
        Offer::Waits => println!("The farm offers {version}, which is here and on trial."),
        Offer::Wanted(_) if arguments.check => println!("The farm offers {version}."),
        Offer::Wanted(_) if service_lives() => {
            systemctl(&["reload", SERVICE])?;
            println!(
                "The farm offers {version}: the service fetches it, and runs it once no lease is in hand.\n  \
                 journalctl -fu {SERVICE}      what it does"
            );
        }
        Offer::Wanted(_) => println!(
            "The farm offers {version}. A node that runs asks for it within the hour, and at once on SIGHUP."
        ),
    }
    Ok(())
}
