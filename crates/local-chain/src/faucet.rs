//! Where play money comes from: a key that holds all lamports, and mints a token of six decimals.

use solana_account::Account;
use solana_address::Address;
use solana_hash::Hash;
use solana_instruction::{AccountMeta, Instruction};
use solana_keypair::Keypair;
use solana_message::{Message, VersionedMessage};
use solana_signer::{Signer, SignerError};
use solana_transaction::versioned::VersionedTransaction;
use std::path::Path;
use tessera_durable::{Access, OsDisk, exists_durably, write_file};

/// What the faucet begins with: about as much as there is on the main network.
pub const LAMPORTS: u64 = 500_000_000 * 1_000_000_000;
/// Digits behind the point of the play token.
pub const DECIMALS: u8 = 6;

const TOKEN_PROGRAM: Address = spl_token_interface::ID;
const ASSOCIATED_TOKEN_PROGRAM: Address =
    Address::from_str_const("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL");
const MEMO_PROGRAM: Address =
    Address::from_str_const("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr");
const SYSTEM_PROGRAM: Address = Address::from_str_const("11111111111111111111111111111111");

/// Why the faucet's key could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] tessera_durable::Error),
    /// The file does not hold what it should.
    #[error("{path} does not hold a key: {why}. Put it back from a copy")]
    Unreadable {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The system gave no randomness.
    #[error("no randomness for a key: {0}")]
    Randomness(String),
}

/// Reads the key of `path`, 64 numbers as the usual wallets write them; makes one where there is
/// no such file.
pub fn key(path: &Path) -> Result<Keypair, KeyError> {
    if !exists_durably(&OsDisk, path)? {
        let key = Keypair::new_from_array(random()?);
        let text = format!("{:?}", key.to_bytes());
        write_file(&OsDisk, path, text.as_bytes(), Access::OwnerOnly)?;
    }
    let unreadable = |why: String| KeyError::Unreadable { path: path.display().to_string(), why };
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let bytes: Vec<u8> =
        serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
    Keypair::try_from(bytes.as_slice()).map_err(|error| unreadable(error.to_string()))
}

/// 32 bytes that nobody can guess.
pub fn random() -> Result<[u8; 32], KeyError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| KeyError::Randomness(error.to_string()))?;
    Ok(bytes)
}

/// The play token's mint: an address that belongs to the faucet, without a key of its own.
pub fn mint(faucet: &Address) -> Address {
    Address::find_program_address(&[b"tUSD", faucet.as_ref()], &TOKEN_PROGRAM).0
}

/// The mint's account: the faucet mints, and may freeze accounts as issuers of dollars do.
pub fn mint_account(faucet: &Address, lamports: u64) -> Account {
    let mut data = Vec::with_capacity(82);
    let some = 1_u32.to_le_bytes();
    data.extend_from_slice(&some);
    data.extend_from_slice(faucet.as_ref());
    data.extend_from_slice(&0_u64.to_le_bytes());
    data.push(DECIMALS);
    data.push(1);
    data.extend_from_slice(&some);
    data.extend_from_slice(faucet.as_ref());
    Account { lamports, data, owner: TOKEN_PROGRAM, executable: false, rent_epoch: u64::MAX }
}

/// A wallet's usual account for a token.
pub fn token_account(wallet: &Address, mint: &Address) -> Address {
    let seeds = [wallet.as_ref(), TOKEN_PROGRAM.as_ref(), mint.as_ref()];
    Address::find_program_address(&seeds, &ASSOCIATED_TOKEN_PROGRAM).0
}

/// A transfer of lamports from the faucet. `number` makes it unlike all others.
pub fn airdrop(
    faucet: &Keypair,
    to: &Address,
    lamports: u64,
    number: u64,
    blockhash: Hash,
) -> Result<VersionedTransaction, SignerError> {
    let transfer = solana_system_interface::instruction::transfer(&faucet.pubkey(), to, lamports);
    sign(faucet, &[transfer, memo(number)], blockhash)
}

/// Makes the wallet's token account if it has none, and mints `amount` base units to it.
pub fn hand_out(
    faucet: &Keypair,
    wallet: &Address,
    amount: u64,
    number: u64,
    blockhash: Hash,
) -> Result<VersionedTransaction, SignerError> {
    let payer = faucet.pubkey();
    let mint = mint(&payer);
    let account = token_account(wallet, &mint);
    let create = Instruction {
        program_id: ASSOCIATED_TOKEN_PROGRAM,
        accounts: vec![
            AccountMeta::new(payer, true),
            AccountMeta::new(account, false),
            AccountMeta::new_readonly(*wallet, false),
            AccountMeta::new_readonly(mint, false),
            AccountMeta::new_readonly(SYSTEM_PROGRAM, false),
            AccountMeta::new_readonly(TOKEN_PROGRAM, false),
        ],
        // Create, unless it is there.
        data: vec![1],
    };
    // MintTo.
    let mut data = vec![7];
    data.extend_from_slice(&amount.to_le_bytes());
    let mint_to = Instruction {
        program_id: TOKEN_PROGRAM,
        accounts: vec![
            AccountMeta::new(mint, false),
            AccountMeta::new(account, false),
            AccountMeta::new_readonly(payer, true),
        ],
        data,
    };
    sign(faucet, &[create, mint_to, memo(number)], blockhash)
}

/// Twice the same gift within a slot would be one transaction, and refused as sent already.
fn memo(number: u64) -> Instruction {
    let data = format!("play money {number}").into_bytes();
    Instruction { program_id: MEMO_PROGRAM, accounts: Vec::new(), data }
}

fn sign(
    faucet: &Keypair,
    instructions: &[Instruction],
    blockhash: Hash,
) -> Result<VersionedTransaction, SignerError> {
    let message = Message::new_with_blockhash(instructions, Some(&faucet.pubkey()), &blockhash);
    VersionedTransaction::try_new(VersionedMessage::Legacy(message), &[faucet])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_nobody_else_reads_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("faucet.json");
        let made = key(&path).unwrap();
        assert_eq!(key(&path).unwrap().pubkey(), made.pubkey());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        for text in ["", "[1,2,3]", "no key"] {
            std::fs::write(&path, text).unwrap();
            let error = key(&path).unwrap_err().to_string();
            assert!(error.contains("faucet.json does not hold a key"), "{error}");
        }
    }
}
