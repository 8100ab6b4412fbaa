//! Why a wallet did not do as told.

use solana_address::Address;
use std::path::PathBuf;
use tessera_protocol::{Amount, EscrowId};
use tessera_settlement::chain::{ChainError, Refused, SendError};

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// The farm has none.
    #[error("this farm settles on no chain: nobody pays and nobody is paid")]
    NoChain,
    /// The master has not come to it.
    #[error("the farm has not made its accounts on the chain yet: try again in a minute")]
    NoFarm,
    /// The chain does not answer.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// It is not known how a transaction ended.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The chain has no faucet.
    #[error("there is no play money on this chain, only `farm up`'s own has a faucet: {0}")]
    NoPlayMoney(#[source] ChainError),
    /// The wallet cannot pay fees.
    #[error("the wallet {0} has no lamports to pay fees with: send some SOL there")]
    NoLamports(Address),
    /// The wallet has too few tokens.
    #[error(
        "{wanted} are wanted and the wallet {wallet} has {has}: bring the rest to its token account \
         {account}"
    )]
    TooLittle {
        /// The wallet.
        wallet: Address,
        /// Where its tokens lie.
        account: Address,
        /// How many it has.
        has: Amount,
        /// How many are wanted.
        wanted: Amount,
    },
    /// The program refuses it.
    #[error("the chain refuses to {what}: {refused}")]
    Refused {
        /// What was to be done.
        what: String,
        /// Why not.
        refused: Refused,
    },
    /// The network did not take it in time.
    #[error("the chain did not {what} in time: try again")]
    Late {
        /// What was to be done.
        what: String,
    },
    /// The escrow holds less than a quote's ceiling.
    #[error(
        "the escrow of this quote holds {has}, and its ceiling is {wanted}: ask for a new quote, and take \
         this deposit back with `farm reclaim` when it has expired"
    )]
    OtherDeposit {
        /// What it holds.
        has: Amount,
        /// The ceiling.
        wanted: Amount,
    },
    /// There is nothing to take back.
    #[error("there is no escrow {0}: it was never made, or what lay in it has returned")]
    NoEscrow(EscrowId),
    /// Somebody else made it.
    #[error(
        "the escrow {0} is another wallet's, to which its rest returns: deposit with that wallet, or make \
         a new stream"
    )]
    OthersEscrow(EscrowId),
    /// It cannot be taken back yet.
    #[error(
        "this escrow stands for {days} days more. A job's is returned when the job is over, a stream's when \
         that is ended; a quote's can still be used, as long as it is good, by `farm accept`"
    )]
    EscrowStands {
        /// For how long, begun ones included.
        days: i64,
    },
    /// The node has no account on the chain.
    #[error("this node vouches with nothing yet")]
    NoStake,
    /// What was asked back is not free yet.
    #[error("what was asked back is free in {seconds} s: a cheat may show itself until then")]
    Cooling {
        /// For how long.
        seconds: i64,
    },
    /// The key file holds something else.
    #[error("{} is no wallet's key file: {why}", path.display())]
    NotAKey {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The key file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The key file cannot be made.
    #[error(transparent)]
    Durable(#[from] tessera_durable::Error),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers for a key: {0}")]
    Randomness(getrandom::Error),
}
