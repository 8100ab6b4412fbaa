//! `render-node pause`, `drain` and `resume`: what its owner wants of the node, said to the master, so that
//! it holds wherever the node is started next.

use super::stake::Arguments;
use crate::agent::identity;
use anyhow::Context as _;
use tessera_client::Client;
use tessera_protocol::node::NodeWish;

/// Tells the master, and prints what follows.
pub fn run(arguments: &Arguments, wish: NodeWish) -> anyhow::Result<()> {
    let key = identity::read_key(&arguments.state)
        .with_context(|| format!("no node has worked from {} yet", arguments.state.display()))?;
    let client = Client::new(arguments.master.address()?, Some(arguments.master.token()?))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let node = runtime.block_on(client.wish_node(key.node(), wish))?;
    let follows = match wish {
        NodeWish::Pause => "is paused: its leases are taken back, and it gets none",
        NodeWish::Drain => "drains: it ends what it has, and gets no new lease",
        NodeWish::Work => "works again",
    };
    println!("{} {follows}.", node.name);
    Ok(())
}
