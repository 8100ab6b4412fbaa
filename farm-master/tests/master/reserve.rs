//! The operator's reserve, on a chain in this process.

use crate::money::nowhere;
use crate::world::{Farm, eventually, read};
use reqwest::StatusCode;
use solana_address::Address;
use solana_keypair::Keypair;
use solana_signer::Signer as _;
use std::time::Duration;
use tempfile::TempDir;
use tessera_farm_master::settlement::ChainConfig;
use tessera_farm_master::store::MoneyStore as _;
use tessera_ledger::{Account, Checker};
use tessera_local_chain::{
    Config, LocalChain, SETTLEMENT_PROGRAM, own_programs, serve, system_clock,
};
use tessera_protocol::Amount;
use tessera_protocol::finance::{ChainAddress, FarmView, LedgerView};
use tessera_settlement::chain::{Chain, MemoryOutbox, Outcome, Sender, Step};
use tessera_settlement::instruction::{FarmAddresses, Source};
use tessera_settlement::tokens;

/// The id of the reserve's escrow.
const RESERVE: [u8; 16] = [0xff; 16];
const LAMPORTS: u64 = 1_000_000_000;

/// A chain of this process: where it is asked, and its mint.
async fn chain(folder: &TempDir) -> (String, Address) {
    let state = folder.path().join("chain");
    let config = Config { state, clock: system_clock(), programs: own_programs() };
    let chain =
        tokio::task::spawn_blocking(move || LocalChain::open(config)).await.unwrap().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, mint) = (format!("http://{}", listener.local_addr().unwrap()), chain.mint());
    tokio::spawn(serve(chain, listener, std::future::pending()));
    (url, mint)
}

/// What the books have in the reserve, and how often it was added to.
async fn reserve(farm: &Farm) -> (i64, usize) {
    let books: LedgerView = read(farm.get("/v1/ledger").await, StatusCode::OK).await;
    assert_eq!(books.violations, [""; 0]);
    let balance = books.balances.iter().find(|balance| balance.account == "reserve");
    let funded = books.entries.iter().filter(|entry| entry.cause.starts_with("reserve_funded/"));
    (balance.map_or(0, |balance| balance.balance), funded.count())
}

#[tokio::test]
async fn what_is_added_to_the_reserve_on_the_chain_is_booked_once() {
    let folder = TempDir::new().unwrap();
    let (rpc_url, mint) = chain(&folder).await;
    let bank = Chain::new(&rpc_url);
    let mut farm = Farm::start_with(|config| {
        config.chain = Some(ChainConfig {
            rpc_url,
            program: ChainAddress(SETTLEMENT_PROGRAM.to_bytes()),
            mint: ChainAddress(mint.to_bytes()),
            every: Duration::from_millis(50),
            reserve: Amount(5_000),
            ..nowhere()
        });
    })
    .await;
    let view: FarmView = read(farm.get("/v1/farm").await, StatusCode::OK).await;
    let master = Address::new_from_array(view.master.0);
    bank.play_money(&master, 5_000, LAMPORTS).await.unwrap();
    eventually(async || (reserve(&farm).await == (5_000, 1)).then_some(())).await;

    // Anybody may add to it: here it is not the master's own key.
    let operator = Keypair::new_from_array([7; 32]);
    bank.play_money(&operator.pubkey(), 10_000, LAMPORTS).await.unwrap();
    let addresses = FarmAddresses::new(SETTLEMENT_PROGRAM, master, mint);
    let account = tokens::associated(&operator.pubkey(), &mint);
    let source = Source { owner: operator.pubkey(), account };
    let sender = Sender::new(MemoryOutbox::default(), SETTLEMENT_PROGRAM);
    let add = async |name: &str, amount| {
        let instructions = vec![addresses.top_up(source, &RESERVE, amount)];
        let step = Step { name: name.to_owned(), instructions, signers: vec![&operator] };
        let outcome = sender.send(&bank, &step).await.unwrap();
        assert!(matches!(outcome, Outcome::Finalised(_)), "{outcome:?}");
    };
    add("first", 300).await;
    eventually(async || (reserve(&farm).await == (5_300, 2)).then_some(())).await;
    // What comes while the master is away is booked when it is back, as one; the rounds between have booked
    // nothing a second time.
    farm.stop().await;
    add("second", 40).await;
    add("third", 2).await;
    farm.begin().await;
    eventually(async || (reserve(&farm).await == (5_342, 3)).then_some(())).await;
    farm.stop().await;

    let database = farm.config.state.join("farm.sqlite");
    let store = tessera_farm_master::store::sqlite::Sqlite::open(&database).unwrap();
    let mut checker = Checker::default();
    for entry in store.entries_after(0, 100).await.unwrap() {
        assert_eq!(checker.next(&entry, |_| true), []);
    }
    let on_chain = bank.account(&addresses.job(&RESERVE)).await.unwrap().unwrap();
    let Ok(tessera_settlement::accounts::Account::Job(escrow)) =
        tessera_settlement::accounts::decode(&on_chain.data)
    else {
        panic!("the reserve is an escrow");
    };
    assert_eq!(
        i64::try_from(escrow.deposited).unwrap(),
        store.balance(Account::Reserve).await.unwrap()
    );
    // Less than is known is never booked.
    assert_eq!(store.note_reserve(Amount(5_341), 1).await.unwrap(), Amount::ZERO);
    assert_eq!(store.note_reserve(Amount(5_342), 1).await.unwrap(), Amount::ZERO);
}
