//! Tokens into the farm's vaults and out of them.
//!
//! Each movement changes the vault and the total that it must cover by the same amount; who calls
//! does the second, in the account of the farm. After a payment the vault is looked at again.

use pinocchio::cpi::Signer;
use pinocchio::instruction::seeds as signer_seeds;
use pinocchio::{AccountView, Address};
use pinocchio_token::ID as TOKEN;
use pinocchio_token::instructions::{Burn, Transfer};
use pinocchio_token::state::Account as TokenAccount;
use tessera_settlement_abi::account::Farm;
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::{Key, seeds};

pub use tessera_settlement_abi::seeds::Vault;

use super::accounts::{is_program, key, signed};
use super::{Outcome, ensure, less, sum};

/// A farm's account, what it holds, and the two accounts that money moves with.
pub struct Till<'a> {
    /// This program.
    pub program: &'a Address,
    /// The farm's account, which owns the vaults.
    pub account: &'a AccountView,
    /// What the farm's account holds.
    pub farm: &'a mut Farm,
    /// The token program.
    pub token: &'a AccountView,
}

/// Where a deposit comes from.
pub struct Source<'a> {
    /// Owner of the token account, or its delegate; must sign.
    pub owner: &'a AccountView,
    /// The token account.
    pub account: &'a AccountView,
}

impl Till<'_> {
    /// Refuses unless this is the farm's vault of that kind.
    pub fn is_vault(&self, vault: &AccountView, kind: Vault) -> Outcome {
        let farm = key(self.account);
        let bump = self.farm.vault_bumps[kind as usize];
        let number = [kind as u8];
        let seeds = seeds::vault(farm, &number);
        let address = Address::derive_address(&seeds, Some(bump), self.program);
        ensure(vault.address() == &address, Refusal::WrongVault)
    }

    /// What a vault must cover.
    pub fn owed(&self, kind: Vault) -> Outcome<u64> {
        match kind {
            Vault::Escrow => Ok(self.farm.escrow_total),
            Vault::Stake => Ok(self.farm.stake_total),
            Vault::Bond => {
                sum(sum(self.farm.bond, self.farm.unbonding)?, self.farm.challenges_held)
            }
            Vault::Channels => Ok(self.farm.channels_total),
        }
    }

    /// Takes an amount from an account of who signs.
    #[inline(never)]
    pub fn take(
        &self,
        kind: Vault,
        vault: &AccountView,
        source: &Source<'_>,
        amount: u64,
    ) -> Outcome {
        let Source { owner, account } = *source;
        ensure(amount > 0, Refusal::ZeroAmount)?;
        signed(owner)?;
        is_program(self.token, &TOKEN)?;
        self.is_vault(vault, kind)?;
        of_mint(account, &self.farm.mint)?;
        ensure(account.is_writable() && vault.is_writable(), Refusal::NotWritable)?;
        Transfer::new(account, vault, owner, amount).invoke()?;
        Ok(())
    }

    /// Pays an amount out, to an account that was found [`payable`] or to another vault. The total
    /// must be lowered already.
    #[inline(never)]
    pub fn pay(&self, kind: Vault, vault: &AccountView, to: &AccountView, amount: u64) -> Outcome {
        is_program(self.token, &TOKEN)?;
        self.is_vault(vault, kind)?;
        ensure(vault.is_writable() && to.is_writable(), Refusal::NotWritable)?;
        let bump = [self.farm.bump];
        let seeds = signer_seeds!(b"farm", &self.farm.authority, &bump);
        Transfer::new(vault, to, self.account, amount).invoke_signed(&[Signer::from(&seeds)])?;
        self.covers(kind, vault)
    }

    /// Burns an amount of a vault's. The total must be lowered already.
    #[inline(never)]
    pub fn burn(
        &self,
        kind: Vault,
        vault: &AccountView,
        mint: &AccountView,
        amount: u64,
    ) -> Outcome {
        is_program(self.token, &TOKEN)?;
        self.is_vault(vault, kind)?;
        ensure(key(mint) == &self.farm.mint, Refusal::WrongMint)?;
        ensure(vault.is_writable() && mint.is_writable(), Refusal::NotWritable)?;
        let bump = [self.farm.bump];
        let seeds = signer_seeds!(b"farm", &self.farm.authority, &bump);
        Burn::new(vault, mint, self.account, amount).invoke_signed(&[Signer::from(&seeds)])?;
        self.covers(kind, vault)
    }

    /// Refuses if a vault holds less than it must cover.
    fn covers(&self, kind: Vault, vault: &AccountView) -> Outcome {
        let held = TokenAccount::from_account_view(vault)?.amount();
        less(held, self.owed(kind)?).map(|_| ())
    }
}

/// Refuses unless this is an initialised token account of that mint.
pub fn of_mint(account: &AccountView, mint: &Key) -> Outcome {
    let token = TokenAccount::from_account_view(account).map_err(|_| Refusal::NotATokenAccount)?;
    ensure(token.is_initialized(), Refusal::NotATokenAccount)?;
    ensure(token.mint().as_array() == mint, Refusal::WrongMint)
}

/// Refuses unless an account may be named as one that the farm pays to: of its mint, and none of
/// its own.
pub fn of_mint_elsewhere(
    account: &AccountView,
    farm: &Farm,
    farm_account: &AccountView,
) -> Outcome {
    of_mint(account, &farm.mint)?;
    let token = TokenAccount::from_account_view(account).map_err(|_| Refusal::NotATokenAccount)?;
    ensure(token.owner() != farm_account.address(), Refusal::FarmOwned)
}

/// Whether an account can be paid right now. One of the farm's own counts as one that cannot: its
/// money would be in a vault and belong to nobody.
pub fn payable(account: &AccountView, farm: &Farm, farm_account: &AccountView) -> bool {
    let frozen = || TokenAccount::from_account_view(account).map_or(true, |it| it.is_frozen());
    of_mint_elsewhere(account, farm, farm_account).is_ok() && !frozen()
}

/// Refuses unless an account is the expected one and can be paid.
pub fn payable_as(
    account: &AccountView,
    expected: &Key,
    otherwise: Refusal,
    (farm, farm_account): (&Farm, &AccountView),
) -> Outcome {
    ensure(key(account) == expected, otherwise)?;
    ensure(payable(account, farm, farm_account), Refusal::PayeeUnpayable)
}

/// The account that a refund goes to: the one named at the deposit, or any if the depositor signs.
pub fn refund_to(
    account: &AccountView,
    named: &Key,
    depositor_signed: bool,
    (farm, farm_account): (&Farm, &AccountView),
) -> Outcome {
    ensure(depositor_signed || key(account) == named, Refusal::WrongRefund)?;
    ensure(payable(account, farm, farm_account), Refusal::PayeeUnpayable)
}
