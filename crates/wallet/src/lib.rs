//! A wallet: a key, and what it does on a farm's chain.
//!
//! Artists' wallets pay ceilings into escrows ([`job`]), nodes' keys vouch with stake ([`node`]). It
//! decides nothing about money: the program and the master do. It keeps no list of what it did: the chain
//! is asked each time, so whoever was interrupted does the same again.
//!
//! # Contract
//! - A method returns after its transaction is final, or says why it is not: [`WalletError`], in words for
//!   whoever owns the wallet.
//! - A key file is made once, for its owner only, and durable before it is used.
//!
//! Reading order: this page → [`key`] → [`job`] → [`node`].
#![forbid(unsafe_code)]

pub mod error;
pub mod job;
pub mod key;
pub mod node;

pub use error::WalletError;

use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer as _;
use std::path::Path;
use tessera_protocol::Amount;
use tessera_protocol::finance::FarmView;
use tessera_settlement::chain::{Chain, MemoryOutbox, Outcome, Sender, Step};
use tessera_settlement::instruction::{FarmAddresses, Source};
use tessera_settlement::tokens;

/// Lamports with which rent and fees are paid for a while.
const LAMPORTS_FOR_FEES: u64 = 1_000_000_000;

/// See the crate.
pub struct Wallet {
    key: Keypair,
    chain: Chain,
    farm: FarmAddresses,
}

/// What lies in a wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Holdings {
    /// Tokens, in base units.
    pub tokens: Amount,
    /// Lamports, which fees are paid with.
    pub lamports: u64,
}

impl Wallet {
    /// The wallet whose key is in this file, which is made where it is missing.
    pub fn open(file: &Path, farm: &FarmView) -> Result<Self, WalletError> {
        // Before the file: where there is no chain, none is made.
        addresses(farm)?;
        Self::of(key::read_or_make(file)?, farm)
    }

    /// The wallet of a key.
    pub fn of(key: Keypair, farm: &FarmView) -> Result<Self, WalletError> {
        let addresses = addresses(farm)?;
        let url = farm.chain.as_ref().map(|view| view.rpc_url.clone()).unwrap_or_default();
        Ok(Self { key, chain: Chain::new(url), farm: addresses })
    }

    /// Its address.
    pub fn address(&self) -> Address {
        self.key.pubkey()
    }

    /// Where its tokens lie.
    pub fn account(&self) -> Address {
        tokens::associated(&self.address(), &self.farm.mint)
    }

    /// What lies in it.
    pub async fn holdings(&self) -> Result<Holdings, WalletError> {
        let tokens = self.chain.tokens(&self.account()).await?.unwrap_or(0);
        let lamports = self.chain.lamports(&self.address()).await?;
        Ok(Holdings { tokens: Amount(tokens), lamports })
    }

    /// Play money of the local chain, for this wallet.
    pub async fn take_play_money(&self, amount: Amount) -> Result<(), WalletError> {
        give_play_money(&self.chain, &self.address(), amount).await
    }

    fn source(&self) -> Source {
        Source { owner: self.address(), account: self.account() }
    }

    async fn need_tokens(&self, wanted: Amount) -> Result<(), WalletError> {
        let has = self.holdings().await?.tokens;
        if has >= wanted {
            return Ok(());
        }
        let (wallet, account) = (self.address(), self.account());
        Err(WalletError::TooLittle { wallet, account, has, wanted })
    }

    /// Does something for good. `what` completes "the chain refuses to …".
    async fn send(&self, what: String, instructions: Vec<Instruction>) -> Result<(), WalletError> {
        if self.chain.lamports(&self.address()).await? == 0 {
            return Err(WalletError::NoLamports(self.address()));
        }
        let step = Step { name: what.clone(), instructions, signers: vec![&self.key] };
        let sender = Sender::new(MemoryOutbox::default(), self.farm.program);
        match sender.send(&self.chain, &step).await? {
            Outcome::Finalised(_) => Ok(()),
            Outcome::Refused(refused) => Err(WalletError::Refused { what, refused }),
            Outcome::Expired => Err(WalletError::Late { what }),
        }
    }
}

/// Where a farm's accounts are on its chain.
pub fn addresses(farm: &FarmView) -> Result<FarmAddresses, WalletError> {
    let view = farm.chain.as_ref().ok_or(WalletError::NoChain)?;
    let address = Address::new_from_array;
    let (program, mint) = (address(view.program.0), address(view.mint.0));
    Ok(FarmAddresses::new(program, address(farm.master.0), mint))
}

/// Has the local chain's faucet give tokens, and lamports for fees.
pub async fn give_play_money(
    chain: &Chain,
    wallet: &Address,
    amount: Amount,
) -> Result<(), WalletError> {
    let given = chain.play_money(wallet, amount.0, LAMPORTS_FOR_FEES).await;
    given.map_err(WalletError::NoPlayMoney)
}
