//! Making accounts at addresses that derive from seeds.

use pinocchio::cpi::{Seed, Signer};
use pinocchio::{AccountView, Address};
use tessera_settlement_abi::error::Refusal;

use super::accounts::signed;
use super::{Outcome, ensure};

/// Most seeds of an address, its bump included.
const SEEDS_MAX: usize = 6;

/// An account that is to be made.
pub struct New<'a> {
    /// This program, from which the address derives.
    pub program: &'a Address,
    /// What the address derives from.
    pub seeds: &'a [&'a [u8]],
    /// Pays the rent, and must sign.
    pub payer: &'a AccountView,
    /// The program that will own it.
    pub owner: &'a Address,
    /// Bytes, all zero at first.
    pub space: usize,
}

impl New<'_> {
    /// Makes the account and returns its bump, the first that works: with any bump, one thing could
    /// have several accounts.
    ///
    /// Anyone may send lamports to an address before; that does not hinder it.
    #[inline(never)]
    pub fn make(&self, account: &mut AccountView) -> Outcome<u8> {
        signed(self.payer)?;
        ensure(self.payer.is_writable() && account.is_writable(), Refusal::NotWritable)?;
        let found = Address::try_find_program_address(self.seeds, self.program);
        let (address, bump) = found.ok_or(Refusal::WrongAddress)?;
        ensure(account.address() == &address, Refusal::WrongAddress)?;
        let unused = account.owned_by(&pinocchio_system::ID) && account.is_data_empty();
        ensure(unused, Refusal::AlreadyExists)?;

        let bump_seed = [bump];
        let seeds: [Seed<'_>; SEEDS_MAX] = core::array::from_fn(|at| match self.seeds.get(at) {
            Some(seed) => Seed::from(*seed),
            None => Seed::from(&bump_seed),
        });
        let used = seeds.get(..=self.seeds.len()).ok_or(Refusal::WrongAddress)?;
        pinocchio_system::create_account_with_minimum_balance_signed(
            account,
            self.space,
            self.owner,
            self.payer,
            None,
            &[Signer::from(used)],
        )?;
        Ok(bump)
    }
}
