//! No refusal is there for nothing: each is provoked by a test. And what is tested is the program
//! whose hash lies beside it.

use tessera_settlement::abi::error::Refusal;
use tessera_settlement::tree::sha256;

use crate::world::PROGRAM;

const TESTS: [&str; 8] = [
    include_str!("accounts.rs"),
    include_str!("accusations.rs"),
    include_str!("challenges.rs"),
    include_str!("channels.rs"),
    include_str!("epochs.rs"),
    include_str!("guardians.rs"),
    include_str!("payment.rs"),
    include_str!("standing.rs"),
];

#[test]
fn every_refusal_is_provoked() {
    let missing: Vec<Refusal> = Refusal::ALL
        .iter()
        .copied()
        .filter(|refusal| {
            let name = format!("Refusal::{refusal:?}");
            let named = |test: &str| {
                test.match_indices(&name).any(|(at, _)| {
                    let next = test[at + name.len()..].chars().next();
                    !next.is_some_and(char::is_alphanumeric)
                })
            };
            !TESTS.iter().any(|test| named(test))
        })
        .collect();
    assert_eq!(missing, []);
}

#[test]
fn the_program_is_the_one_whose_hash_lies_beside_it() {
    let bytes = std::fs::read(PROGRAM).unwrap();
    let hash: String = sha256(&[&bytes]).iter().map(|byte| format!("{byte:02x}")).collect();
    let written = std::fs::read_to_string(format!("{PROGRAM}.sha256")).unwrap();
    assert_eq!(written, format!("{hash}  tessera_settlement.so\n"));
}
