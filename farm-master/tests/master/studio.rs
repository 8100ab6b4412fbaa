//! Broadcasters, gateways and workers that speak to a farm by the real client, about segments that
//! are made up.

use crate::world::Farm;
use std::time::Duration;
use tessera_client::{
    Client, ClientError, Enrolment, GatewayClient, MasterAddress, PlainHttp, WorkerClient,
};
use tessera_protocol::commit::NodeKey;
use tessera_protocol::stream::claim::RenditionResult;
use tessera_protocol::stream::gateway::{
    GatewayDoors, SegmentReport, SegmentReports, SessionBeat, SessionBeatView, SessionGrant,
    SessionRequest, WorkerReport,
};
use tessera_protocol::stream::view::{HealthLevel, HealthNote, StreamKeyView, StreamSpec};
use tessera_protocol::stream::worker::{StreamLeaseGrant, StreamLeaseRequest, WorkerAbility};
use tessera_protocol::stream::{ClaimReceipt, Ladder, SegmentClaim, SegmentNumber, VideoCodec};
use tessera_protocol::token::TokenScope;
use tessera_protocol::{GatewayId, Generation, LeaseId, MediaHash, PixelPrice, SessionId};

/// More than any test's sessions need.
pub(crate) const FAST: u64 = 1_000_000_000;

impl Farm {
    /// A farm in which nobody falls silent while a test is at work.
    pub(crate) async fn steady() -> Self {
        Self::start_with(|config| config.session_lease = Duration::from_secs(600)).await
    }

    fn address(&self) -> MasterAddress {
        MasterAddress::parse(&self.url, PlainHttp::LoopbackOnly).unwrap()
    }

    /// A person's client, with any token.
    pub(crate) fn client(&self, token: &str) -> Client {
        let client = Client::new(self.address(), Some(token.to_owned())).unwrap();
        client.with_patience(Duration::ZERO)
    }

    pub(crate) fn operator(&self) -> Client {
        self.client(&self.token)
    }

    pub(crate) async fn broadcaster(&self) -> Client {
        let token = self.operator().create_token(TokenScope::Broadcaster).await.unwrap();
        self.client(&token.token)
    }

    pub(crate) async fn artist(&self) -> Client {
        let token = self.operator().create_token(TokenScope::Artist).await.unwrap();
        self.client(&token.token)
    }

    /// A stream of the operator's.
    pub(crate) async fn stream(&self) -> StreamKeyView {
        self.operator().create_stream(&stream_spec(), "a stream").await.unwrap()
    }

    fn enrolment(&self) -> Enrolment {
        Enrolment::new(self.address(), self.token.clone()).unwrap()
    }

    pub(crate) async fn gateway(&self, secret: u8) -> Gateway {
        self.gateway_at(secret, secret).await
    }

    /// A gateway that is reached at another's place.
    pub(crate) async fn gateway_at(&self, secret: u8, place: u8) -> Gateway {
        Gateway::join(&self.enrolment(), secret, place).await
    }

    pub(crate) async fn gateway_token(&self, secret: u8) -> String {
        let key = NodeKey::from_secret(&[secret; 32]);
        let joined = self.enrolment().gateway_join(&key, "a gateway", &doors(secret)).await;
        joined.unwrap().0.token
    }

    pub(crate) async fn worker(&self, secret: u8) -> Worker {
        self.worker_with(secret, |_| {}).await
    }

    pub(crate) async fn worker_with(
        &self,
        secret: u8,
        change: impl FnOnce(&mut WorkerAbility),
    ) -> Worker {
        Worker::join(&self.enrolment(), secret, change).await
    }
}

pub(crate) fn stream_spec() -> StreamSpec {
    StreamSpec {
        name: "a stream".into(),
        ladder: "720p:2800k,360p:800k".parse().unwrap(),
        latency: Default::default(),
        record: true,
        restream: None,
        max_price: None,
    }
}

/// Where a gateway is.
pub(crate) fn doors(place: u8) -> GatewayDoors {
    GatewayDoors {
        rtmp: Some(format!("rtmp://127.0.0.{place}:1935")),
        srt: None,
        http: format!("http://127.0.0.{place}:8080"),
        link: format!("127.0.0.{place}:7000"),
        link_pin: None,
    }
}

/// The code of a refusal.
pub(crate) fn code<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> String {
    match answer.unwrap_err() {
        ClientError::Refused { problem, .. } | ClientError::Unauthorised { problem, .. } => {
            problem.kind.strip_prefix("/problems/").unwrap().to_owned()
        }
        other => panic!("{other}"),
    }
}

pub(crate) struct Gateway {
    pub(crate) key: NodeKey,
    pub(crate) client: GatewayClient,
}

impl Gateway {
    pub(crate) async fn join(enrolment: &Enrolment, secret: u8, place: u8) -> Self {
        let key = NodeKey::from_secret(&[secret; 32]);
        let joined = enrolment.gateway_join(&key, "a gateway", &doors(place)).await;
        Self { key, client: joined.unwrap().1 }
    }

    pub(crate) fn id(&self) -> GatewayId {
        GatewayId(self.key.node().0)
    }

    pub(crate) async fn open(&self, key: &str) -> Result<SessionGrant, ClientError> {
        let request = SessionRequest { key: key.to_owned(), protocol: "rtmp".into() };
        self.client.open_session(&request).await
    }

    pub(crate) async fn beat(&self, grant: &SessionGrant) -> SessionBeatView {
        self.client.beat(grant.session, &beat(grant)).await.unwrap()
    }

    pub(crate) async fn beat_with(
        &self,
        grant: &SessionGrant,
        change: impl FnOnce(&mut SessionBeat),
    ) -> SessionBeatView {
        let mut beat = beat(grant);
        change(&mut beat);
        self.client.beat(grant.session, &beat).await.unwrap()
    }

    /// Asks for another worker in place of this one.
    pub(crate) async fn replace(&self, grant: &SessionGrant, lease: LeaseId) -> SessionBeatView {
        let replace = Some("it fell behind".to_owned());
        let report = WorkerReport { lease, segments: 1, failures: 1, replace, away: false };
        self.beat_with(grant, |beat| beat.workers = vec![report]).await
    }

    /// Reports segments; answers the numbers of those that were refused.
    pub(crate) async fn report(
        &self,
        session: SessionId,
        segments: Vec<SegmentReport>,
    ) -> Vec<u64> {
        let reports = SegmentReports { segments };
        let answer = self.client.report_segments(session, &reports).await.unwrap();
        answer.refused.iter().map(|refused| refused.segment.0).collect()
    }

    /// Takes a claim.
    pub(crate) fn receipt(&self, worker: &Worker, claim: SegmentClaim) -> ClaimReceipt {
        let signature = worker.key.sign(&claim.message());
        ClaimReceipt::countersign(claim, signature, &self.key)
    }
}

pub(crate) fn beat(grant: &SessionGrant) -> SessionBeat {
    SessionBeat {
        generation: grant.generation,
        connected: true,
        source: None,
        pixels_per_s: 0,
        health: vec![],
        workers: vec![],
    }
}

pub(crate) fn note(code: &str) -> HealthNote {
    HealthNote { code: code.into(), level: HealthLevel::Warning, text: "Something is so.".into() }
}

/// A segment that the source itself stands in for.
pub(crate) fn from_source(generation: Generation, number: u64) -> SegmentReport {
    SegmentReport {
        segment: SegmentNumber(number),
        generation,
        start_ms: i64::try_from(number).unwrap() * 2000,
        duration_ms: 2000,
        receipt: None,
    }
}

pub(crate) struct Worker {
    pub(crate) key: NodeKey,
    pub(crate) client: WorkerClient,
    free: u64,
}

impl Worker {
    pub(crate) async fn join(
        enrolment: &Enrolment,
        secret: u8,
        change: impl FnOnce(&mut WorkerAbility),
    ) -> Self {
        let key = NodeKey::from_secret(&[secret; 32]);
        let mut able = WorkerAbility {
            pixels_per_s: FAST,
            codecs: vec![VideoCodec::H264],
            encoders: "made up".into(),
            price: PixelPrice(100),
            uplink_bits_per_s: None,
        };
        change(&mut able);
        let joined = enrolment.worker_join(&key, "a worker", &able).await;
        Self { key, client: joined.unwrap().1, free: able.pixels_per_s }
    }

    /// A session, waited for as long as the test is patient.
    pub(crate) async fn lease(&self) -> StreamLeaseGrant {
        self.ask(25_000).await.expect("a session")
    }

    /// A session, if there is one soon.
    pub(crate) async fn ask(&self, wait_ms: u64) -> Option<StreamLeaseGrant> {
        let request = StreamLeaseRequest { free_pixels_per_s: self.free, wait_ms };
        self.client.stream_lease(&request).await.unwrap()
    }

    pub(crate) async fn is_alive(&self, lease: LeaseId) -> bool {
        self.client.stream_heartbeat(lease).await.unwrap().alive
    }

    /// What it made of a segment.
    pub(crate) fn claim(&self, lease: &StreamLeaseGrant, number: u64) -> SegmentClaim {
        SegmentClaim {
            node: self.key.node(),
            gateway: lease.gateway,
            lease: lease.lease,
            session: lease.session,
            generation: lease.generation,
            segment: SegmentNumber(number),
            renditions: renditions(&lease.ladder),
        }
    }

    /// A report of that segment, taken by the gateway.
    pub(crate) fn made(
        &self,
        gateway: &Gateway,
        lease: &StreamLeaseGrant,
        number: u64,
    ) -> SegmentReport {
        let receipt = gateway.receipt(self, self.claim(lease, number));
        SegmentReport { receipt: Some(receipt), ..from_source(lease.generation, number) }
    }
}

/// Pixels of one of [`Worker::claim`]'s segments.
pub(crate) const SEGMENT_PIXELS: u64 = 60 * (1280 * 720 + 640 * 360);

fn renditions(ladder: &Ladder) -> Vec<RenditionResult> {
    let result = |rendition: &tessera_protocol::stream::Rendition| {
        let (width, height) = rendition.size_for(1280, 720);
        RenditionResult {
            rendition: rendition.name.clone(),
            frames: 60,
            pixels: 60 * u64::from(width) * u64::from(height),
            bytes: 500_000,
            hash: MediaHash([1; 32]),
        }
    };
    ladder.renditions().iter().map(result).collect()
}
