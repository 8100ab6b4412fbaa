//! Token accounts: where a wallet's tokens of a mint lie, and how such an account is made.

use crate::instruction::{SYSTEM, TOKEN};
use solana_address::Address;
use solana_instruction::{AccountMeta, Instruction};

/// The program that gives each wallet one usual account for each mint.
pub const ASSOCIATED: Address =
    Address::from_str_const("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL");

/// What makes such an account, and does nothing where there is one.
const CREATE_IDEMPOTENT: u8 = 1;

/// A token account, as far as payments go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenAccount {
    /// What it holds tokens of.
    pub mint: Address,
    /// Who may spend them.
    pub owner: Address,
    /// How many, in base units.
    pub amount: u64,
    /// Whether it takes tokens: it is made, and not frozen.
    pub is_open: bool,
}

/// Where a wallet's tokens of a mint usually lie.
#[must_use]
pub fn associated(wallet: &Address, mint: &Address) -> Address {
    let seeds: [&[u8]; 3] = [wallet.as_array(), TOKEN.as_array(), mint.as_array()];
    Address::find_program_address(&seeds, &ASSOCIATED).0
}

/// Makes a wallet's usual account of a mint, where it is missing; `payer` pays its rent.
#[must_use]
pub fn make_associated(payer: Address, wallet: &Address, mint: &Address) -> Instruction {
    let accounts = vec![
        AccountMeta::new(payer, true),
        AccountMeta::new(associated(wallet, mint), false),
        AccountMeta::new_readonly(*wallet, false),
        AccountMeta::new_readonly(*mint, false),
        AccountMeta::new_readonly(SYSTEM, false),
        AccountMeta::new_readonly(TOKEN, false),
    ];
    Instruction { program_id: ASSOCIATED, accounts, data: vec![CREATE_IDEMPOTENT] }
}

/// Where a token account says in which state it is, and what it says unless it is frozen.
const STATE_AT: usize = 108;
const INITIALISED: u8 = 1;

/// Reads a token account's bytes; `None` if they are none.
#[must_use]
pub fn read(data: &[u8]) -> Option<TokenAccount> {
    // The first fields are the same whatever extensions follow.
    let field = |at: usize| data.get(at..at + 32)?.try_into().ok().map(Address::new_from_array);
    let amount = data.get(64..72)?.try_into().ok().map(u64::from_le_bytes)?;
    (data.len() >= 165).then_some(())?;
    let is_open = data.get(STATE_AT) == Some(&INITIALISED);
    Some(TokenAccount { mint: field(0)?, owner: field(32)?, amount, is_open })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_account_is_read_and_a_short_one_is_none() {
        let mut data = vec![0; 165];
        data[..32].fill(1);
        data[32..64].fill(2);
        data[64..72].copy_from_slice(&77u64.to_le_bytes());
        let read_back = read(&data).unwrap();
        assert_eq!(read_back.mint, Address::new_from_array([1; 32]));
        assert_eq!(read_back.owner, Address::new_from_array([2; 32]));
        assert_eq!(read_back.amount, 77);
        for (state, is_open) in [(0, false), (1, true), (2, false)] {
            data[STATE_AT] = state;
            assert_eq!(read(&data).unwrap().is_open, is_open);
        }
        assert_eq!(read(&data[..164]), None);
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn a_wallet_has_one_account_for_each_mint() {
        let [one, two] = [1, 2].map(|n| Address::new_from_array([n; 32]));
        assert_ne!(associated(&one, &two), associated(&two, &one));
        assert_eq!(associated(&one, &two), associated(&one, &two));
    }
}
