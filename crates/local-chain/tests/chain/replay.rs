//! The state is a function of the journal, and nothing else is taken for it.

use crate::support::{SOL, START_MS, clock, open, state, still, transfer};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use solana_address::Address;
use solana_keypair::Keypair;
use solana_message::{Message, VersionedMessage};
use solana_signer::Signer;
use solana_transaction::versioned::VersionedTransaction;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tessera_local_chain::record::{Event, Record};
use tessera_local_chain::time::Moment;
use tessera_local_chain::{Config, LocalChain, OpenError, own_programs, rpc};

/// A chain with some history, closed: its last state hash, and how many records there are.
fn history(folder: &Path, transfers: u64) -> [u8; 32] {
    let time = Arc::new(AtomicU64::new(START_MS));
    let chain = open(folder, clock(&time)).unwrap();
    let wallet = Keypair::new();
    chain.airdrop(&wallet.pubkey(), 100 * SOL).unwrap();
    chain.hand_out(&wallet.pubkey(), 5_000_000).unwrap();
    for n in 0..transfers {
        time.fetch_add(90, std::sync::atomic::Ordering::SeqCst);
        let hash = latest(&chain);
        // Each third one fails and pays its fee.
        let lamports = if n % 3 == 2 { 1_000 * SOL + n } else { SOL / 1_000 + n };
        let sent = transfer(&wallet, &Address::new_from_array([9; 32]), lamports, hash);
        chain.execute(&wincode::serialize(&sent).unwrap()).unwrap();
    }
    chain.state_hash()
}

fn latest(chain: &LocalChain) -> solana_hash::Hash {
    let answer = rpc::call(chain, "getLatestBlockhash", &serde_json::Value::Null);
    answer.unwrap()["value"]["blockhash"].as_str().unwrap().parse().unwrap()
}

#[test]
fn a_replay_has_every_account_as_before() {
    let folder = tempfile::tempdir().unwrap();
    // Enough for a hash between the records.
    let before = history(folder.path(), 600);
    for _ in 0..3 {
        let chain = open(folder.path(), still()).unwrap();
        assert_eq!(chain.state_hash(), before);
    }
    let chain = open(folder.path(), still()).unwrap();
    chain.airdrop(&Address::new_from_array([8; 32]), SOL).unwrap();
    let other = chain.state_hash();
    assert_ne!(other, before);
    drop(chain);
    assert_eq!(open(folder.path(), still()).unwrap().state_hash(), other);
}

#[test]
fn a_folder_has_one_chain_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let chain = open(folder.path(), still()).unwrap();
    let error = open(folder.path(), still()).err().unwrap();
    assert!(matches!(error, OpenError::Busy { .. }), "{error}");
    drop(chain);
    open(folder.path(), still()).unwrap();
    for name in ["faucet.json", "journal-1"] {
        let mode = state(folder.path()).join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_torn_end_loses_only_what_was_not_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    history(folder.path(), 3);
    let path = state(folder.path()).join("journal-1");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let torn = open(folder.path(), still()).unwrap().state_hash();
    // The same without the last record.
    let after = std::fs::read(&path).unwrap();
    assert!(after.len() < whole.len() - 1);
    assert_eq!(open(folder.path(), still()).unwrap().state_hash(), torn);
}

#[test]
fn a_damaged_journal_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    history(folder.path(), 3);
    let path = state(folder.path()).join("journal-1");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let error = open(folder.path(), still()).err().unwrap().to_string();
    assert!(error.contains("journal-1 is damaged at byte") && error.contains("copy"), "{error}");
}

/// Well-formed records that did not happen on this chain.
#[test]
fn a_record_that_leads_elsewhere_is_refused() {
    let events = [
        (Event::StateHash([7; 32]), "not those that there were"),
        (Event::Transaction(vec![1, 2, 3]), "no transaction"),
        (Event::Genesis { hash: [1; 32], faucet: Address::new_from_array([1; 32]) }, "second one"),
        (
            Event::Program { address: Address::new_from_array([1; 32]), elf: b"x".to_vec() },
            "does not load",
        ),
        (
            {
                let nobody = Keypair::new();
                let sent = transfer(&nobody, &nobody.pubkey(), 1, solana_hash::Hash::default());
                Event::Transaction(wincode::serialize(&sent).unwrap())
            },
            "does not execute",
        ),
    ];
    for (event, words) in events {
        let folder = tempfile::tempdir().unwrap();
        history(folder.path(), 0);
        let path = state(folder.path()).join("journal-1");
        let mut bytes = std::fs::read(&path).unwrap();
        let (mut at, mut number) = (0, 0);
        while let Some((_, length)) = Record::decode(&bytes[at..]) {
            at += length;
            number += 1;
        }
        let moment = Moment { unix_ms: START_MS, slot: tessera_local_chain::time::FIRST_SLOT };
        bytes.extend(Record { number, at: moment, event }.encode());
        std::fs::write(&path, &bytes).unwrap();
        let error = open(folder.path(), still()).err().unwrap().to_string();
        assert!(error.contains(words) && error.contains(&format!("record {number}")), "{error}");
    }
}

#[test]
fn another_faucet_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    history(folder.path(), 0);
    let path = state(folder.path()).join("faucet.json");
    std::fs::write(&path, format!("{:?}", Keypair::new().to_bytes())).unwrap();
    let error = open(folder.path(), still()).err().unwrap();
    assert!(matches!(error, OpenError::OtherFaucet), "{error}");
}

#[test]
fn a_program_that_does_not_load_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let address = Address::new_from_array([3; 32]);
    let programs = vec![(address, b"no program".to_vec())];
    let config = Config { state: state(folder.path()), clock: still(), programs };
    let error = LocalChain::open(config).err().unwrap().to_string();
    assert!(error.contains(&address.to_string()), "{error}");
}

#[test]
fn a_program_is_replaced_by_another_build_and_both_are_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let address = Address::new_from_array([3; 32]);
    let open_with = |elf: Option<&[u8]>| {
        let programs = elf.map(|elf| (address, elf.to_vec())).into_iter().collect();
        let config = Config { state: state(folder.path()), clock: still(), programs };
        LocalChain::open(config).unwrap()
    };
    let wallet = Keypair::new();
    // The program is asked to take four bytes as a memo: only one of the two does.
    let say = |chain: &LocalChain, word: &[u8]| {
        let accounts = vec![];
        let data = word.to_vec();
        let program = solana_instruction::Instruction { program_id: address, accounts, data };
        let hash = latest(chain);
        let payer = wallet.pubkey();
        let message = Message::new_with_blockhash(&[program], Some(&payer), &hash);
        let message = VersionedMessage::Legacy(message);
        let sent = VersionedTransaction::try_new(message, &[&wallet]).unwrap();
        let signature = chain.execute(&wincode::serialize(&sent).unwrap()).unwrap();
        let params = serde_json::json!([[signature.to_string()]]);
        let told = rpc::call(chain, "getSignatureStatuses", &params).unwrap();
        told["value"][0]["err"].is_null()
    };
    let settlement = own_programs().remove(0).1;
    let chain = open_with(Some(&settlement));
    chain.airdrop(&wallet.pubkey(), SOL).unwrap();
    assert!(!say(&chain, b"one"));
    let params = serde_json::json!(["MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"]);
    let memo = rpc::call(&chain, "getAccountInfo", &params).unwrap();
    let memo = BASE64_STANDARD.decode(memo["value"]["data"][0].as_str().unwrap()).unwrap();
    drop(chain);

    let chain = open_with(Some(&memo));
    assert!(say(&chain, b"two"));
    let before = chain.state_hash();
    drop(chain);
    // Who names no program finds the one that is there.
    let chain = open_with(None);
    assert_eq!(chain.state_hash(), before);
    assert!(say(&chain, b"three"));
    let records = std::fs::read(state(folder.path()).join("journal-2")).unwrap();
    drop(chain);
    open_with(Some(&memo));
    assert!(records.len() > memo.len(), "the new build is in the journal");
    let grown = std::fs::metadata(state(folder.path()).join("journal-4")).unwrap().len();
    assert!(grown < 1_000, "the same build is not put in place again");
}
