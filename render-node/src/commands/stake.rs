//! `render-node wallet`, `stake`, `unstake`, `withdraw`, `pay-to`: what the node's key does on the farm's chain.

use crate::agent::identity;
use anyhow::Context;
use solana_address::Address;
use solana_keypair::Keypair;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};
use tessera_client::{Client, MasterArguments};
use tessera_protocol::Amount;
use tessera_wallet::Wallet;

/// Whose key, on which farm's chain.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    pub(super) master: MasterArguments,
    /// The node's own folder.
    #[arg(long, value_name = "DIR", env = "TESSERA_NODE_STATE", default_value = ".tessera-node")]
    pub(super) state: PathBuf,
}

/// The same, and how much.
#[derive(Debug, clap::Args)]
pub struct OfAmount {
    /// How much, in tokens.
    #[arg(value_name = "TOKENS")]
    amount: Amount,
    #[command(flatten)]
    of: Arguments,
}

/// The same, and to whom.
#[derive(Debug, clap::Args)]
pub struct PayTo {
    /// The wallet that is to be paid from now on.
    #[arg(value_name = "ADDRESS")]
    wallet: Address,
    #[command(flatten)]
    of: Arguments,
}

/// `render-node wallet`.
pub fn wallet(arguments: &Arguments) -> anyhow::Result<()> {
    with(arguments, async |wallet| {
        let holdings = wallet.holdings().await?;
        println!("address        {}", wallet.address());
        println!("token account  {}", wallet.account());
        println!("tokens         {}", holdings.tokens);
        println!("lamports       {}, which fees are paid with", holdings.lamports);
        let Some(standing) = wallet.standing().await? else {
            println!("stake          none: `render-node stake TOKENS` vouches for this node");
            return Ok(());
        };
        println!("paid to        {}", standing.payout);
        println!("stake          {}", standing.stake);
        if !standing.unlocking.is_zero() {
            let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() as i64;
            let left_s = (standing.free_at_s - now_s).max(0);
            println!("asked back     {}, free in {left_s} s", standing.unlocking);
        }
        Ok(())
    })
}

/// `render-node stake`.
pub fn stake(arguments: &OfAmount) -> anyhow::Result<()> {
    with(&arguments.of, async |wallet| {
        wallet.stake(arguments.amount).await?;
        println!("this node vouches with {} more", arguments.amount);
        Ok(())
    })
}

/// `render-node unstake`.
pub fn unstake(arguments: &OfAmount) -> anyhow::Result<()> {
    with(&arguments.of, async |wallet| {
        wallet.unstake(arguments.amount).await?;
        println!(
            "{} are asked back; `render-node withdraw` takes them when they are free",
            arguments.amount
        );
        Ok(())
    })
}

/// `render-node withdraw`.
pub fn withdraw(arguments: &Arguments) -> anyhow::Result<()> {
    with(arguments, async |wallet| {
        let amount = wallet.withdraw().await?;
        println!("{amount} returned to {}", wallet.account());
        Ok(())
    })
}

/// `render-node pay-to`.
pub fn pay_to(arguments: &PayTo) -> anyhow::Result<()> {
    with(&arguments.of, async |wallet| {
        wallet.pay_to(&arguments.wallet).await?;
        println!("this node is paid to {} from the next epoch on", arguments.wallet);
        Ok(())
    })
}

/// Opens the wallet of the node's key, whether the node runs or not.
fn with(
    arguments: &Arguments,
    act: impl AsyncFnOnce(Wallet) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Everybody may know of a farm where it settles.
        let farm = Client::new(arguments.master.address()?, None)?.farm().await?;
        let key = identity::read_key(&arguments.state).with_context(|| {
            format!("no node has worked from {} yet", arguments.state.display())
        })?;
        act(Wallet::of(Keypair::new_from_array(key.secret()), &farm)?).await
    })
}
