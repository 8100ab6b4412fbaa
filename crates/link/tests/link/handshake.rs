//! Who is let in, who is not, and what a stranger can cost.

use crate::world::{GATEWAY, LEASE, Liar, dial_as, gateway, only_the_worker, worker};
use serde_json::json;
use std::time::Duration;
use tessera_link::{
    Acceptor, AcceptorConfig, AcceptorError, Certificate, DialError, MAX_STRANGERS,
    MAX_STRANGERS_OF_ONE, dial,
};
use tessera_media::wire::{Body, Lane, Message};
use tessera_protocol::commit::NodeKey;
use tessera_protocol::stream::claim::dial_message;
use tessera_protocol::{GatewayId, LeaseId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn refusal(whom: tessera_link::Dial<'_>) -> DialError {
    match dial(whom).await {
        Ok(_) => panic!("it was let in"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn the_holder_of_a_lease_is_let_in_plain_and_encrypted() {
    for certificate in [None, Some(Certificate::generate().unwrap())] {
        let mut gateway = gateway(certificate).await;
        let (address, pin) = (gateway.address().to_string(), gateway.pin());
        let _line = dial(dial_as(&address, pin, &worker())).await.unwrap();
        let peer = gateway.next().await.unwrap();
        assert_eq!((peer.node, peer.lease), (worker().node(), LEASE));
    }
}

#[tokio::test]
async fn another_lease_or_another_node_is_refused_with_the_reason() {
    let gateway = gateway(None).await;
    let address = gateway.address().to_string();
    let key = worker();
    let other_lease =
        tessera_link::Dial { lease: LeaseId([9; 16]), ..dial_as(&address, None, &key) };
    let error = refusal(other_lease).await.to_string();
    assert!(error.contains("does not hold lease 0909"), "{error}");

    let stranger = NodeKey::from_secret(&[8; 32]);
    let error = refusal(dial_as(&address, None, &stranger)).await.to_string();
    assert!(error.contains("does not hold lease 0303"), "{error}");
}

#[tokio::test]
async fn a_signature_of_another_key_is_refused() {
    let gateway = gateway(None).await;
    let mut liar = Liar::dial(gateway.address()).await;
    let nonce = liar.nonce().await;
    let message = dial_message(worker().node(), GATEWAY, LEASE, &nonce);
    let signature = NodeKey::from_secret(&[8; 32]).sign(&message);
    liar.say(&json!({"proof": {"signature": signature}})).await;
    let answer = liar.hear().await.unwrap().to_string();
    assert!(answer.contains("not that of node"), "{answer}");
    assert_eq!(liar.hear().await, None);
}

#[tokio::test]
async fn a_proof_that_was_overheard_is_of_no_use_later() {
    let mut gateway = gateway(None).await;
    let mut first = Liar::dial(gateway.address()).await;
    let nonce = first.nonce().await;
    let signature = worker().sign(&dial_message(worker().node(), GATEWAY, LEASE, &nonce));
    let proof = json!({"proof": {"signature": signature}});
    first.say(&proof).await;
    assert_eq!(first.hear().await, Some(json!("welcome")));
    gateway.next().await.unwrap();

    let mut second = Liar::dial(gateway.address()).await;
    assert_ne!(second.nonce().await, nonce);
    second.say(&proof).await;
    assert!(second.hear().await.unwrap().to_string().contains("not that of node"));
}

#[tokio::test]
async fn another_certificate_than_the_lease_s_is_not_spoken_to() {
    let gateway = gateway(Some(Certificate::generate().unwrap())).await;
    let address = gateway.address().to_string();
    let other = Certificate::generate().unwrap().pin();
    let error = refusal(dial_as(&address, Some(other), &worker())).await;
    assert!(matches!(error, DialError::Pin(_)), "{error}");
}

#[tokio::test]
async fn a_plain_gateway_is_not_taken_for_one_with_a_pin_nor_the_other_way_round() {
    let (plain, secure) =
        (gateway(None).await, gateway(Some(Certificate::generate().unwrap())).await);
    let error = refusal(dial_as(&plain.address().to_string(), secure.pin(), &worker())).await;
    assert!(matches!(error, DialError::Reach { .. }), "{error}");
    let error = refusal(dial_as(&secure.address().to_string(), None, &worker())).await;
    assert!(matches!(error, DialError::Reach { .. } | DialError::Stranger { .. }), "{error}");
}

#[tokio::test]
async fn nothing_plain_leaves_the_machine() {
    // An address that documentation has to itself.
    let error = refusal(dial_as("192.0.2.1:9", None, &worker())).await;
    assert!(matches!(error, DialError::Plain(_)), "{error}");

    let config = AcceptorConfig { gateway: GATEWAY, certificate: None };
    let everywhere = "0.0.0.0:0".parse().unwrap();
    let bound = Acceptor::bind(everywhere, config, only_the_worker()).await;
    assert!(matches!(bound, Err(AcceptorError::Plain(_))));
}

#[tokio::test]
async fn another_gateway_behind_the_address_gets_no_proof() {
    let gateway = gateway(None).await;
    let (address, key) = (gateway.address().to_string(), worker());
    let whom = tessera_link::Dial { gateway: GatewayId([7; 32]), ..dial_as(&address, None, &key) };
    let error = refusal(whom).await;
    assert!(matches!(error, DialError::Stranger { .. }), "{error}");
}

#[tokio::test]
async fn another_version_is_told_what_to_do() {
    let gateway = gateway(None).await;
    let mut liar = Liar::dial(gateway.address()).await;
    liar.say(&json!({"hello": {"version": 2, "node": worker().node(), "lease": LEASE}})).await;
    let answer = liar.hear().await.unwrap().to_string();
    assert!(answer.contains("install the same release"), "{answer}");
}

#[tokio::test]
async fn what_is_no_handshake_ends_the_line_and_holds_nothing() {
    let mut gateway = gateway(None).await;
    let unit = Message { lane: Lane(1), body: Body::Bytes(vec![0; 100].into()) };
    let mut liar = Liar::dial(gateway.address()).await;
    liar.send(unit).await;
    assert_eq!(liar.hear().await, None);

    // 16 MB announced, which a worker that is known might send.
    for lie in [&[1, 0, 0, 0, 6][..], &u32::MAX.to_be_bytes(), b"GET / HTTP/1.1\r\n\r\n", &[0; 64]]
    {
        let mut liar = Liar::dial(gateway.address()).await;
        liar.tcp.write_all(lie).await.unwrap();
        let mut rest = vec![];
        // An end or a reset: in any case no word, and at once.
        let read = liar.tcp.read_to_end(&mut rest);
        let _ = tokio::time::timeout(Duration::from_secs(4), read).await.expect("it is closed");
        assert!(rest.is_empty(), "{lie:?}");
    }
    let address = gateway.address().to_string();
    let _line = dial(dial_as(&address, None, &worker())).await.unwrap();
    gateway.next().await.unwrap();
}

#[tokio::test]
async fn strangers_who_say_nothing_take_a_bounded_number_of_places() {
    let mut gateway = gateway(None).await;
    let mut silent = vec![];
    for n in 0..MAX_STRANGERS {
        let house = 2 + (n / MAX_STRANGERS_OF_ONE) as u8;
        let mut liar = Liar::dial_from(house, gateway.address()).await;
        // Heard, so it has a place.
        liar.nonce().await;
        silent.push(liar);
    }
    assert_is_closed(Liar::dial(gateway.address()).await).await;
    drop(silent);
    let address = gateway.address().to_string();
    loop {
        // Each place is free once its task has seen the end of its line.
        if dial(dial_as(&address, None, &worker())).await.is_ok() {
            break;
        }
    }
    gateway.next().await.unwrap();
}

#[tokio::test]
async fn strangers_of_one_address_leave_places_to_others() {
    let mut gateway = gateway(None).await;
    let mut silent = vec![];
    for _ in 0..MAX_STRANGERS_OF_ONE {
        let mut liar = Liar::dial_from(2, gateway.address()).await;
        liar.nonce().await;
        silent.push(liar);
    }
    assert_is_closed(Liar::dial_from(2, gateway.address()).await).await;
    let address = gateway.address().to_string();
    let _line = dial(dial_as(&address, None, &worker())).await.unwrap();
    gateway.next().await.unwrap();
}

async fn assert_is_closed(mut liar: Liar) {
    let kind = liar.tcp.read_u8().await.unwrap_err().kind();
    assert_eq!(kind, std::io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_certificate_stays_the_same_and_is_its_owner_s_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("link.pem");
    let first = Certificate::load_or_generate(&path).unwrap().pin();
    assert_eq!(Certificate::load_or_generate(&path).unwrap().pin(), first);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(first.to_string().parse(), Ok(first));

    std::fs::write(&path, "half a certifi").unwrap();
    let error = Certificate::load_or_generate(&path).unwrap_err().to_string();
    assert!(error.contains("holds no certificate"), "{error}");
    assert!("abc".parse::<tessera_link::Pin>().is_err());
}
