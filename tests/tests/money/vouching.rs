//! What a GPU owner does with money, by the node's own program.

use crate::HEARTBEAT;
use std::path::Path;
use std::process::Command;
use tessera_protocol::Amount;
use tessera_protocol::commit::NodeKey;
use world::bank::Bank;
use world::farm::Farm;
use world::process::program;

/// Runs `render-node` for the node of this folder; what it says, or why it fails.
fn node(farm: &Farm, state: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program("render-node"))
        .args(arguments)
        .args(["--master", &farm.url(), "--state"])
        .arg(state)
        .output()
        .expect("render-node runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_vouches_asks_back_and_is_paid_elsewhere() {
    let farm = Farm::new(HEARTBEAT);
    let bank = Bank::open(&farm).await;
    let _master = farm.start_master_with(&bank.arguments());
    let client = farm.client().await;
    let view = client.farm().await.unwrap();
    bank.ready(&view).await;
    let state = farm.path().join("node");
    let nobody = node(&farm, &state, &["wallet"]).unwrap_err();
    assert!(nobody.contains("no node has worked from"), "{nobody}");
    let key = NodeKey::generate().unwrap();
    std::fs::create_dir(&state).unwrap();
    std::fs::write(state.join("node.key"), hex(&key.secret())).unwrap();
    let poor = node(&farm, &state, &["stake", "20"]).unwrap_err();
    assert!(poor.contains("20.000000 are wanted") && poor.contains("has 0.000000"), "{poor}");

    bank.give(key.node().0, Amount(50_000_000)).await;
    assert!(node(&farm, &state, &["wallet"]).unwrap().contains("stake          none"));
    node(&farm, &state, &["stake", "20"]).unwrap();
    node(&farm, &state, &["stake", "5"]).unwrap();
    assert_eq!(bank.stake(&view, key.node()).await, Amount(25_000_000));
    assert_eq!(bank.holds(&view, key.node()).await, Amount(25_000_000));
    let nothing = node(&farm, &state, &["unstake", "26"]).unwrap_err();
    assert!(nothing.contains("the chain refuses to note what is asked back"), "{nothing}");
    node(&farm, &state, &["unstake", "10"]).unwrap();
    let shown = node(&farm, &state, &["wallet"]).unwrap();
    assert!(shown.contains("stake          15") && shown.contains("asked back     10"), "{shown}");
    // The cooldown of a farm whose epochs can be challenged for a second.
    let returned = loop {
        match node(&farm, &state, &["withdraw"]) {
            Ok(returned) => break returned,
            Err(cooling) => assert!(cooling.contains("is free in"), "{cooling}"),
        }
    };
    assert!(returned.contains("10.000000 returned"), "{returned}");
    assert_eq!(bank.holds(&view, key.node()).await, Amount(35_000_000));

    let owner = NodeKey::generate().unwrap().node();
    let address = solana_address::Address::new_from_array(owner.0).to_string();
    node(&farm, &state, &["pay-to", &address]).unwrap();
    let shown = node(&farm, &state, &["wallet"]).unwrap();
    assert_eq!(bank.holds(&view, owner).await, Amount::ZERO, "its account is made");
    let mint = solana_address::Address::new_from_array(view.chain.unwrap().mint.0);
    let account = tessera_settlement::tokens::associated(&address.parse().unwrap(), &mint);
    assert!(shown.contains(&format!("paid to        {account}")), "{shown}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
