//! What every store must do with live streams, written against the trait.

use crate::store::open;
use crate::studio::{doors, stream_spec};
use tempfile::TempDir;
use tessera_farm_master::auth::{Token, TokenId};
use tessera_farm_master::store::LiveStore;
use tessera_farm_master::store::live::{
    GatewayJoining, KeyHash, NewStream, SessionAnswer, SessionAsk, SessionPlan, StreamCreation,
    StreamLeaseAsk, WorkerJoining,
};
use tessera_protocol::stream::view::StreamSpec;
use tessera_protocol::stream::worker::WorkerAbility;
use tessera_protocol::stream::{Ladder, VideoCodec};
use tessera_protocol::token::TokenScope;
use tessera_protocol::{GatewayId, LeaseId, NodeId, PixelPrice, PlaybackId, SessionId, StreamId};

pub(crate) const GATEWAY: GatewayId = GatewayId([2; 32]);

/// A stream of this number, and its session at [`GATEWAY`].
pub(crate) async fn begin_session(
    store: &impl LiveStore,
    number: u8,
    ladder: &Ladder,
) -> SessionId {
    let (_, token) = Token::generate(TokenScope::Gateway, Some(NodeId(GATEWAY.0))).unwrap();
    let joining =
        GatewayJoining { gateway: GATEWAY, name: "g".into(), doors: doors(1), token, now_ms: 1000 };
    store.gateway_join(joining).await.unwrap();
    let (stream, key) = (StreamId([number; 16]), KeyHash([number; 32]));
    let new = NewStream {
        id: stream,
        playback: PlaybackId([number; 16]),
        owner: TokenId([1; 8]),
        spec: StreamSpec { ladder: ladder.clone(), ..stream_spec() },
        key,
        idempotency: None,
        now_ms: 1000,
    };
    assert!(matches!(store.create_stream(new).await.unwrap(), StreamCreation::Created(_)));
    let session = SessionId([number; 16]);
    let ask = SessionAsk {
        stream,
        key,
        session: SessionPlan::New(session),
        gateway: GATEWAY,
        protocol: "rtmp".into(),
        now_ms: 1000,
    };
    let granted = store.grant_session(ask).await.unwrap();
    assert!(matches!(granted, SessionAnswer::Granted { .. }));
    session
}

#[tokio::test]
async fn sums_stop_at_the_largest_number_and_stay_readable() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let node = NodeId([5; 32]);
    let able = WorkerAbility {
        pixels_per_s: 1,
        codecs: vec![VideoCodec::H264],
        encoders: String::new(),
        price: PixelPrice(1),
        uplink_bits_per_s: None,
    };
    let (_, token) = Token::generate(TokenScope::Node, Some(node)).unwrap();
    let joining = WorkerJoining { node, name: "w".into(), able, token, now_ms: 1000 };
    store.worker_join(joining).await.unwrap();
    for number in [1, 2] {
        let session = begin_session(&store, number, &Ladder::standard()).await;
        let id = LeaseId([number; 16]);
        let ask = StreamLeaseAsk {
            id,
            session,
            node,
            price: PixelPrice(1),
            pixels_per_s: u64::MAX,
            bits_per_s: u64::MAX,
            now_ms: 1000,
        };
        assert!(store.grant_stream_lease(ask).await.unwrap().is_some());
        store.note_failures(id, u64::MAX).await.unwrap();
        assert_eq!(store.leases_of_session(session).await.unwrap().len(), 1);
    }
    let most = i64::MAX.unsigned_abs();
    let candidate = store.candidates(vec![node]).await.unwrap().remove(0);
    assert_eq!((candidate.held, candidate.held_bits), (most, most));
    assert_eq!(candidate.record.failures, most);
    assert_eq!(store.workers(None, 10).await.unwrap()[0].failures, most);
    assert_eq!(store.standing_stream_leases().await.unwrap().len(), 2);
}
