//! What a real client sees over a real socket.

use crate::support::{Running, SOL, START_MS, transfer};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use solana_keypair::Keypair;
use solana_rpc_client::api::client_error::Error as ClientError;
use solana_rpc_client::api::config::{
    RpcAccountInfoConfig, RpcProgramAccountsConfig, RpcSendTransactionConfig, RpcTransactionConfig,
    UiAccountEncoding,
};
use solana_rpc_client::api::filter::{Memcmp, RpcFilterType};
use solana_rpc_client::rpc_client::SerializableTransaction;
use solana_signer::Signer;
use solana_transaction::versioned::VersionedTransaction;
use solana_transaction_error::TransactionError;
use solana_transaction_status_client_types::UiTransactionEncoding;
use std::sync::atomic::Ordering;

fn skip() -> RpcSendTransactionConfig {
    RpcSendTransactionConfig { skip_preflight: true, ..Default::default() }
}

fn error_of(result: Result<impl std::fmt::Debug, ClientError>) -> TransactionError {
    let error = result.unwrap_err();
    error.get_transaction_error().unwrap_or_else(|| panic!("another error: {error}"))
}

async fn post(url: &str, body: Vec<u8>) -> (u16, Value) {
    let address = url.strip_prefix("http://").unwrap().to_string();
    tokio::task::spawn_blocking(move || {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let head = format!(
            "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        // A server that refuses by length need not read to the end.
        let _ = stream.write_all(&body);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn lamports_move_and_the_client_reads_how() {
    let running = Running::start().await;
    let client = &running.client;
    client.get_health().await.unwrap();
    assert_eq!(client.get_version().await.unwrap().to_string(), "4.2.1");
    let (from, to) = (running.wallet().await, Keypair::new());
    let (hash, last) =
        client.get_latest_blockhash_with_commitment(client.commitment()).await.unwrap();
    let height = client.get_block_height().await.unwrap();
    assert_eq!(last, height + 150);
    assert_eq!(client.get_epoch_info().await.unwrap().absolute_slot, height);
    let sent = transfer(&from, &to.pubkey(), 3 * SOL, hash);
    let signature = client.send_transaction(&sent).await.unwrap();
    let asked = [signature, Keypair::new().sign_message(b"x")];
    let status = client.get_signature_statuses(&asked).await.unwrap().value;
    assert!(status[0].as_ref().unwrap().satisfies_commitment(client.commitment()));
    assert_eq!((status[0].as_ref().unwrap().err.clone(), &status[1]), (None, &None));
    assert_eq!(client.get_balance(&to.pubkey()).await.unwrap(), 3 * SOL);
    assert_eq!(client.get_balance(&from.pubkey()).await.unwrap(), 7 * SOL - 5_000);
    let message = sent.clone().into_legacy_transaction().unwrap().message;
    assert_eq!(client.get_fee_for_message(&message).await.unwrap(), 5_000);

    let config = RpcTransactionConfig {
        encoding: Some(UiTransactionEncoding::Base64),
        commitment: Some(client.commitment()),
        max_supported_transaction_version: Some(0),
    };
    let told = client.get_transaction_with_config(&signature, config).await.unwrap();
    assert_eq!((told.slot, told.block_time), (height, Some(START_MS as i64 / 1000)));
    assert_eq!(told.transaction.transaction.decode().unwrap(), sent);
    let meta = told.transaction.meta.unwrap();
    assert_eq!((meta.fee, meta.err), (5_000, None));
    assert_eq!(meta.compute_units_consumed.unwrap(), 150);
    assert_eq!(meta.post_balances[..2], [7 * SOL - 5_000, 3 * SOL]);
    assert!(meta.log_messages.unwrap()[0].contains("invoke"));
    let told = client.get_signatures_for_address(&to.pubkey()).await.unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].signature, signature.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_read_alone_together_and_by_filter() {
    let running = Running::start().await;
    let (client, chain) = (&running.client, &running.chain);
    let wallets = [Keypair::new().pubkey(), Keypair::new().pubkey()];
    let accounts = wallets.map(|wallet| chain.hand_out(&wallet, 1_500_000).unwrap().1);
    let account = client.get_account(&accounts[0]).await.unwrap();
    assert_eq!((account.owner, account.data.len()), (spl_token_interface::ID, 165));
    let nobody = Keypair::new().pubkey();
    let read = client.get_multiple_accounts(&[accounts[0], nobody]).await.unwrap();
    assert_eq!(read, [Some(account), None]);
    let config = RpcAccountInfoConfig {
        encoding: Some(UiAccountEncoding::JsonParsed),
        ..Default::default()
    };
    let error = client.get_ui_account_with_config(&nobody, config).await.unwrap_err();
    assert!(error.to_string().contains("base64"), "{error}");

    let filters = vec![
        RpcFilterType::DataSize(165),
        RpcFilterType::Memcmp(Memcmp::new_base58_encoded(32, wallets[1].as_ref())),
    ];
    let account_config =
        RpcAccountInfoConfig { encoding: Some(UiAccountEncoding::Base64), ..Default::default() };
    let config =
        RpcProgramAccountsConfig { filters: Some(filters), account_config, ..Default::default() };
    let program = &spl_token_interface::ID;
    let found = client.get_program_ui_accounts_with_config(program, config).await.unwrap();
    assert_eq!(found.iter().map(|(address, _)| *address).collect::<Vec<_>>(), [accounts[1]]);
    assert_eq!(client.get_minimum_balance_for_rent_exemption(165).await.unwrap(), 2_039_280);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_faucet_mints_to_a_wallets_usual_account() {
    let running = Running::start().await;
    let wallet = Keypair::new().pubkey();
    for gift in 1..=2 {
        // Twice the same within one slot.
        let ask = json!([wallet.to_string(), 25_500_000]);
        let request = json!({ "id": 1, "method": "tessera_faucet", "params": ask });
        let (_, answer) = post(&running.url, request.to_string().into_bytes()).await;
        let account = answer["result"]["tokenAccount"].as_str().unwrap().parse().unwrap();
        let balance = running.client.get_token_account_balance(&account).await.unwrap();
        assert_eq!(balance.amount, (gift * 25_500_000_u64).to_string());
        assert_eq!((balance.decimals, balance.ui_amount), (6, None));
        assert_eq!(balance.ui_amount_string, ["25.5", "51"][gift as usize - 1]);
        assert_eq!(answer["result"]["mint"], running.chain.mint().to_string());
    }
    let error = running.client.get_token_account_balance(&wallet).await.unwrap_err();
    assert!(error.to_string().contains("no token account"), "{error}");
    let error = running.chain.hand_out(&wallet, u64::MAX).unwrap_err();
    assert!(error.to_string().contains("custom program error"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blockhash_lives_for_150_slots() {
    let running = Running::start().await;
    let (client, to) = (&running.client, Keypair::new().pubkey());
    let from = running.wallet().await;
    let hash = client.get_latest_blockhash().await.unwrap();
    running.pass_ms(150 * 400);
    assert!(client.is_blockhash_valid(&hash, client.commitment()).await.unwrap());
    client.send_transaction(&transfer(&from, &to, SOL, hash)).await.unwrap();
    running.pass_ms(400);
    assert!(!client.is_blockhash_valid(&hash, client.commitment()).await.unwrap());
    let late = transfer(&from, &to, 2 * SOL, hash);
    for config in [Default::default(), skip()] {
        let refused = client.send_transaction_with_config(&late, config).await;
        assert_eq!(error_of(refused), TransactionError::BlockhashNotFound);
    }
    assert_eq!(client.get_balance(&to).await.unwrap(), SOL);
    let fresh = client.get_latest_blockhash().await.unwrap();
    assert_ne!(fresh, hash);
    client.send_transaction(&transfer(&from, &to, 2 * SOL, fresh)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_executed_once_also_after_a_restart() {
    let running = Running::start().await;
    let (from, to) = (running.wallet().await, Keypair::new().pubkey());
    let hash = running.client.get_latest_blockhash().await.unwrap();
    let sent = transfer(&from, &to, SOL, hash);
    running.client.send_transaction(&sent).await.unwrap();
    let again = async |running: &Running| {
        let refused = running.client.send_transaction(&sent).await;
        assert_eq!(error_of(refused), TransactionError::AlreadyProcessed);
        // Without preflight the same bytes may be sent freely.
        let answer = running.client.send_transaction_with_config(&sent, skip()).await.unwrap();
        assert_eq!(answer, *sent.get_signature());
        assert_eq!(running.client.get_balance(&to).await.unwrap(), SOL);
    };
    again(&running).await;
    let running = Running::start_in(running.stop().await, START_MS + 1_000).await;
    again(&running).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_in_execution_pays_and_what_fails_before_does_not() {
    let running = Running::start().await;
    let client = &running.client;
    let (from, to) = (running.wallet().await, Keypair::new().pubkey());
    let hash = client.get_latest_blockhash().await.unwrap();
    let too_much = transfer(&from, &to, 11 * SOL, hash);
    let error = error_of(client.send_transaction(&too_much).await);
    assert!(matches!(error, TransactionError::InstructionError(0, _)), "{error}");
    assert_eq!(client.get_balance(&from.pubkey()).await.unwrap(), 10 * SOL);
    let simulated = client.simulate_transaction(&too_much).await.unwrap().value;
    assert!(simulated.err.is_some() && simulated.logs.unwrap().len() > 1);

    let signature = client.send_transaction_with_config(&too_much, skip()).await.unwrap();
    assert_eq!(client.get_balance(&from.pubkey()).await.unwrap(), 10 * SOL - 5_000);
    let status = client.get_signature_statuses(&[signature]).await.unwrap().value.remove(0);
    assert!(status.unwrap().err.is_some());

    // Nobody to pay the fee: not executed at all.
    let poor = Keypair::new();
    let unpaid = transfer(&poor, &to, 1, hash);
    let refused = client.send_transaction_with_config(&unpaid, skip()).await;
    assert_eq!(error_of(refused), TransactionError::AccountNotFound);
    let status = client.get_signature_statuses(&[*unpaid.get_signature()]).await.unwrap();
    assert_eq!(status.value, [None]);

    let mut forged = transfer(&from, &to, 1, hash);
    forged.signatures[0] = poor.sign_message(&forged.message.serialize());
    for config in [Default::default(), skip()] {
        let error = client.send_transaction_with_config(&forged, config).await.unwrap_err();
        assert!(error.to_string().contains("verification failure"), "{error}");
    }
    assert_eq!(client.get_balance(&to).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn time_follows_the_clock_and_never_goes_back() {
    let running = Running::start().await;
    let client = &running.client;
    let first = client.get_slot().await.unwrap();
    running.pass_ms(4_000);
    assert_eq!(client.get_slot().await.unwrap(), first + 10);
    running.time_ms.store(START_MS - 1_000_000, Ordering::SeqCst);
    assert_eq!(client.get_slot().await.unwrap(), first + 10);
    running.wallet().await;
    let running = Running::start_in(running.stop().await, START_MS - 1_000_000).await;
    assert_eq!(running.client.get_slot().await.unwrap(), first + 10);
    let clock = "SysvarC1ock11111111111111111111111111111111".parse().unwrap();
    let data = running.client.get_account(&clock).await.unwrap().data;
    let unix_s = i64::from_le_bytes(data[32..40].try_into().unwrap());
    assert_eq!(unix_s, (START_MS as i64 + 4_000) / 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request_is_refused_in_words() {
    let running = Running::start().await;
    let ask = async |request: Value| post(&running.url, request.to_string().into_bytes()).await.1;
    let cases = [
        (json!({ "id": 7, "method": "getVoteAccounts" }), -32601, "getVoteAccounts"),
        (json!({ "id": 7, "method": "getBalance" }), -32602, "address"),
        (json!({ "id": 7, "method": "getBalance", "params": ["0"] }), -32602, "address"),
        (json!({ "id": 7, "method": "getBalance", "params": {} }), -32602, "list"),
        (
            json!({ "id": 7, "method": "getSignatureStatuses", "params": [[1]] }),
            -32602,
            "signature",
        ),
        (json!({ "id": 7, "method": "sendTransaction", "params": ["1"] }), -32602, "transaction"),
        (
            json!({ "id": 7, "method": "getSlot", "params": [{ "minContextSlot": u64::MAX }] }),
            -32016,
            "context slot",
        ),
        (json!({ "id": 7 }), -32600, "method"),
        (json!(7), -32600, "method"),
        (json!([]), -32600, "1 to 100"),
        (json!(vec![json!({}); 101]), -32600, "1 to 100"),
    ];
    for (request, code, word) in cases {
        let answer = ask(request.clone()).await;
        let error = &answer["error"];
        assert_eq!(error["code"], code, "{request} → {answer}");
        assert!(error["message"].as_str().unwrap().contains(word), "{request} → {answer}");
    }
    let (_, answer) = post(&running.url, b"{".to_vec()).await;
    assert_eq!(answer["error"]["code"], -32700);
    let (status, _) = post(&running.url, vec![b' '; 300 << 10]).await;
    assert_eq!(status, 413);
    let slot = json!({ "id": 1, "method": "getSlot" });
    let answer = ask(json!([slot, { "id": 2, "method": "nothing" }])).await;
    assert!(answer[0]["result"].is_u64() && answer[1]["error"]["code"] == -32601, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_longer_than_a_packet_is_refused() {
    let running = Running::start().await;
    let from = running.wallet().await;
    let hash = running.client.get_latest_blockhash().await.unwrap();
    let long = |bytes: usize| -> VersionedTransaction {
        let mut transaction = transfer(&from, &from.pubkey(), 1, hash);
        let memo = solana_instruction::Instruction {
            program_id: "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr".parse().unwrap(),
            accounts: vec![],
            data: vec![b'x'; bytes],
        };
        let message =
            solana_message::Message::new_with_blockhash(&[memo], Some(&from.pubkey()), &hash);
        transaction.message = solana_message::VersionedMessage::Legacy(message);
        VersionedTransaction::try_new(transaction.message, &[&from]).unwrap()
    };
    let (fits, too_long) = (long(1_000), long(1_100));
    running.client.send_transaction(&fits).await.unwrap();
    let encoded = BASE64_STANDARD.encode(wincode::serialize(&too_long).unwrap());
    let params = json!([encoded, { "encoding": "base64" }]);
    let request = json!({ "id": 1, "method": "sendTransaction", "params": params });
    let (_, answer) = post(&running.url, request.to_string().into_bytes()).await;
    assert!(answer["error"]["message"].as_str().unwrap().contains("1232"), "{answer}");
}
