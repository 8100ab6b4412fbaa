//! The truth about live streams: streams, sessions, segments, workers. See [`super`] for what every
//! call promises.

use super::Later;
use super::stream_pay::Funds;
use crate::auth::{Token, TokenId};
use crate::rules::accounting::ClaimId;
use crate::rules::fence::Foreign;
use tessera_protocol::stream::gateway::{AuditReport, GatewayDoors, GatewayView, SegmentReport};
use tessera_protocol::stream::view::{HealthNote, Recording, SegmentView, SessionView, StreamSpec};
use tessera_protocol::stream::worker::{WorkerAbility, WorkerView};
use tessera_protocol::stream::{ClaimReceipt, Ladder, SegmentNumber};
use tessera_protocol::{
    GatewayId, Generation, LeaseId, NodeId, PixelPrice, PlaybackId, SessionId, StreamId,
};
use tessera_verify::segment::record::Record;

/// blake3 of a stream's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// The hash of this key.
    pub fn of(key: &str) -> Self {
        Self(*blake3::hash(key.as_bytes()).as_bytes())
    }
}

/// A stream to be made.
#[derive(Debug, Clone)]
pub struct NewStream {
    /// Its id, drawn by the caller.
    pub id: StreamId,
    /// Its name for viewers, drawn by the caller.
    pub playback: PlaybackId,
    /// Whose it is.
    pub owner: TokenId,
    /// What is wanted, validated.
    pub spec: StreamSpec,
    /// Its key.
    pub key: KeyHash,
    /// The caller's key and the hash of what it sent under it.
    pub idempotency: Option<(String, [u8; 32])>,
    /// Now.
    pub now_ms: i64,
}

/// What became of a new stream.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamCreation {
    /// It is made.
    Created(StreamRecord),
    /// The same was made before, under the same key.
    Known(StreamRecord),
    /// Something else was made before, under the same key.
    KeyReused,
}

/// A stream as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamRecord {
    /// Its id.
    pub id: StreamId,
    /// Its place in the order of making.
    pub seq: i64,
    /// Whose it is.
    pub owner: TokenId,
    /// What was asked for.
    pub spec: StreamSpec,
    /// Its name for viewers.
    pub playback: PlaybackId,
    /// Whether its owner ended it.
    pub ended: bool,
    /// Its last session.
    pub session: Option<LastSession>,
    /// What its workers are paid from; `None` where its owner pays nobody.
    pub funds: Option<Funds>,
    /// When it was made.
    pub created_ms: i64,
}

/// The last session of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct LastSession {
    /// Its id.
    pub id: SessionId,
    /// Whether it goes on.
    pub live: bool,
    /// Where its gateway is.
    pub doors: GatewayDoors,
    /// How it did when that was last told.
    pub health: Vec<HealthNote>,
}

/// A session that goes on, or whose gateway may still publish.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenSession {
    /// Its id.
    pub id: SessionId,
    /// Its stream.
    pub stream: StreamId,
    /// Who holds it.
    pub gateway: GatewayId,
    /// The generation of its last grant.
    pub generation: Generation,
    /// When that was.
    pub granted_ms: i64,
    /// Why it ended, if it did.
    pub ended_because: Option<String>,
    /// How it did when that was last told.
    pub health: Vec<HealthNote>,
    /// Pixels a second that it needs; 0 while not known.
    pub pixels_per_s: u64,
}

/// A session as its owner sees it, and whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRecord {
    /// What is shown.
    pub view: SessionView,
    /// Its place in the order of beginning.
    pub no: i64,
    /// Whose it is.
    pub owner: TokenId,
    /// The generation of its last grant.
    pub generation: Generation,
    /// What is made of the source.
    pub ladder: Ladder,
}

/// A source came to a gateway.
#[derive(Debug, Clone)]
pub struct SessionAsk {
    /// The stream.
    pub stream: StreamId,
    /// The key that came.
    pub key: KeyHash,
    /// The open session that goes on, or the id of a new one, drawn by the caller.
    pub session: SessionPlan,
    /// To whom it came.
    pub gateway: GatewayId,
    /// `rtmp`, `srt` or `http`.
    pub protocol: String,
    /// Now.
    pub now_ms: i64,
}

/// Which session is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionPlan {
    /// A new one.
    New(SessionId),
    /// One that is open, in its next generation.
    Continue(SessionId),
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionAnswer {
    /// The gateway has it.
    Granted {
        /// Which session.
        session: SessionId,
        /// In which generation.
        generation: Generation,
        /// The lowest number of its next segment.
        first: SegmentNumber,
    },
    /// The key is not the stream's any more.
    KeyChanged,
    /// The stream was ended.
    StreamEnded,
    /// The session that should go on ended meanwhile.
    SessionEnded,
}

/// A session is to end.
#[derive(Debug, Clone)]
pub struct SessionClose {
    /// Which.
    pub session: SessionId,
    /// The gateway that ends it, and the generation that it had; `None` when the master does.
    pub by: Option<(GatewayId, Generation)>,
    /// Why, in a sentence.
    pub because: String,
    /// Its recording.
    pub recording: Option<Recording>,
    /// Now.
    pub now_ms: i64,
}

/// What became of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// It has ended, now or earlier.
    Done,
    /// Another grant went on with it.
    PassedOn,
    /// There is no such session of this gateway.
    Unknown,
}

/// A segment that was looked at and may count.
#[derive(Debug, Clone)]
pub enum SegmentEntry {
    /// Its gateway reported it.
    Published(Box<SegmentReport>),
    /// Its worker presented a receipt.
    Presented(Box<ClaimReceipt>),
}

impl SegmentEntry {
    /// Which segment.
    pub fn segment(&self) -> SegmentNumber {
        match self {
            Self::Published(report) => report.segment,
            Self::Presented(receipt) => receipt.claim.segment,
        }
    }

    /// The generations that it names: under which it was published, and under which it was made. A
    /// source may come back between the two.
    pub fn generations(&self) -> impl Iterator<Item = Generation> {
        let (published, receipt) = match self {
            Self::Published(report) => (Some(report.generation), report.receipt.as_ref()),
            Self::Presented(receipt) => (None, Some(&**receipt)),
        };
        published.into_iter().chain(receipt.map(|receipt| receipt.claim.generation))
    }
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentAnswer {
    /// It counts, now or since earlier.
    Known,
    /// It is not this gateway's.
    Foreign(Foreign),
    /// Another claim counts for it; this one is kept as evidence.
    Conflict(ClaimId),
}

/// A gateway that joins.
#[derive(Debug, Clone)]
pub struct GatewayJoining {
    /// Its key.
    pub gateway: GatewayId,
    /// Its name.
    pub name: String,
    /// Where it is reached.
    pub doors: GatewayDoors,
    /// Its new token; earlier ones stop working.
    pub token: Token,
    /// Now.
    pub now_ms: i64,
}

/// A worker that joins.
#[derive(Debug, Clone)]
pub struct WorkerJoining {
    /// Its key.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// What it can do.
    pub able: WorkerAbility,
    /// Its new token; earlier ones stop working.
    pub token: Token,
    /// Now.
    pub now_ms: i64,
}

/// A session that has fewer workers than it should.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanting {
    /// Which.
    pub session: SessionId,
    /// What is made of its source.
    pub ladder: Ladder,
    /// Pixels a second that it needs; 0 while not known.
    pub pixels_per_s: u64,
    /// How many workers it has.
    pub standing: usize,
    /// What its workers are paid at most, and from what; `None` where nobody pays.
    pub pays: Option<(PixelPrice, Funds)>,
    /// Workers that may not have it: they have it, or its gateway would not have them again.
    pub barred: Vec<NodeId>,
}

/// A worker that may be given a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Who.
    pub node: NodeId,
    /// What it can do.
    pub able: WorkerAbility,
    /// Pixels a second that its leases take.
    pub held: u64,
    /// Bits a second that they take of its line.
    pub held_bits: u64,
    /// What is known of its work.
    pub record: Record,
}

/// A session for a worker.
#[derive(Debug, Clone)]
pub struct StreamLeaseAsk {
    /// The lease's id, drawn by the caller.
    pub id: LeaseId,
    /// Which session.
    pub session: SessionId,
    /// For whom.
    pub node: NodeId,
    /// At what price.
    pub price: PixelPrice,
    /// What it takes of the worker.
    pub pixels_per_s: u64,
    /// What it takes of the worker's line.
    pub bits_per_s: u64,
    /// Now.
    pub now_ms: i64,
}

/// What a lease's worker has to know of the session.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamLeaseGranted {
    /// The session's generation.
    pub generation: Generation,
    /// Its gateway.
    pub gateway: GatewayId,
    /// Where that is.
    pub doors: GatewayDoors,
    /// What is made of the source.
    pub ladder: Ladder,
}

/// A worker's lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLease {
    /// Its id.
    pub id: LeaseId,
    /// Which session.
    pub session: SessionId,
    /// Whose.
    pub node: NodeId,
    /// When it was given.
    pub granted_ms: i64,
    /// Whether it stands.
    pub standing: bool,
    /// What it takes of its worker.
    pub pixels_per_s: u64,
    /// What it takes of its worker's line.
    pub bits_per_s: u64,
    /// Failures that its gateway counted.
    pub failures: u64,
    /// What is known of its worker.
    pub record: Record,
}

/// Why a worker's lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamLeaseEnd {
    /// In a sentence.
    pub because: String,
    /// Whether the worker shall not have this session again for a while.
    pub bar: bool,
}

/// Sums over all streams, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LiveTotals {
    /// Streams that were not ended.
    pub streams: u64,
    /// Sessions that go on.
    pub sessions_live: u64,
    /// Sessions that ever began.
    pub sessions: u64,
    /// Segments published.
    pub segments: u64,
    /// Of those, from the source.
    pub segments_from_source: u64,
    /// Pixels that count.
    pub pixels: u64,
    /// Claims that contradict one that counts.
    pub conflicts: u64,
    /// Workers that ever joined.
    pub workers: u64,
    /// Workers' leases that stand.
    pub leases: u64,
    /// Gateways that ever joined.
    pub gateways: u64,
    /// Deliveries that are to be tried.
    pub deliveries_pending: u64,
    /// Deliveries that failed for good.
    pub deliveries_failed: u64,
}

/// See the module.
pub trait LiveStore: Send + Sync + 'static {
    /// Makes a stream.
    fn create_stream(&self, stream: NewStream) -> Later<'_, StreamCreation>;
    /// A stream.
    fn stream(&self, id: StreamId) -> Later<'_, Option<StreamRecord>>;
    /// The stream with this key.
    fn stream_by_key(&self, key: KeyHash) -> Later<'_, Option<StreamRecord>>;
    /// Streams older than `before` (a place in the order of making), newest first; of one owner, or
    /// of all.
    fn streams(
        &self,
        owner: Option<TokenId>,
        before: Option<i64>,
        limit: u32,
    ) -> Later<'_, Vec<StreamRecord>>;
    /// Gives a stream another key and ends its session, for this reason; `false` where the stream
    /// has ended.
    fn rotate_key(
        &self,
        id: StreamId,
        key: KeyHash,
        because: &'static str,
        now_ms: i64,
    ) -> Later<'_, bool>;
    /// Ends a stream and its session, for this reason, where it has not ended.
    fn end_stream(&self, id: StreamId, because: &'static str, now_ms: i64) -> Later<'_, ()>;

    /// Sessions of a stream older than `before`, newest first; all, or those with a recording.
    fn sessions(
        &self,
        stream: StreamId,
        recorded: bool,
        before: Option<i64>,
        limit: u32,
    ) -> Later<'_, Vec<SessionRecord>>;
    /// A session.
    fn session(&self, id: SessionId) -> Later<'_, Option<SessionRecord>>;
    /// Whether a session was ever this gateway's.
    fn has_held(&self, id: SessionId, gateway: GatewayId) -> Later<'_, bool>;
    /// All sessions that go on or whose gateway may still publish.
    fn open_sessions(&self) -> Later<'_, Vec<OpenSession>>;
    /// Gives a session to a gateway. Where it passes from another one, its workers' leases end. A
    /// stream has one session at a time: where a new one begins, one that is still open ends.
    fn grant_session(&self, ask: SessionAsk) -> Later<'_, SessionAnswer>;
    /// Notes what a gateway says of its session; 0 pixels a second where that is not known.
    fn note_session(
        &self,
        id: SessionId,
        source: Option<String>,
        pixels_per_s: u64,
    ) -> Later<'_, ()>;
    /// Notes how a session does, and tells its stream's webhooks.
    fn tell_health(&self, id: SessionId, health: Vec<HealthNote>, now_ms: i64) -> Later<'_, ()>;
    /// Ends a session and its workers' leases, or adds the recording to one that has ended.
    fn close_session(&self, close: SessionClose) -> Later<'_, Closed>;
    /// Notes that an ended session's gateway cannot publish any more.
    fn release_session(&self, id: SessionId) -> Later<'_, ()>;

    /// Lets segments count, each once. `gateway` is who reports, or who signed the receipts.
    fn enter_segments(
        &self,
        session: SessionId,
        gateway: GatewayId,
        entries: Vec<SegmentEntry>,
        now_ms: i64,
    ) -> Later<'_, Vec<SegmentAnswer>>;
    /// Published segments of a session from this number on, by number.
    fn segments(
        &self,
        session: SessionId,
        from: SegmentNumber,
        limit: u32,
    ) -> Later<'_, Vec<SegmentView>>;
    /// Notes what a comparison found, once, and answers the worker's record with it; `None` where the
    /// segment is not known as this node's, made for this gateway.
    fn enter_audit(
        &self,
        session: SessionId,
        gateway: GatewayId,
        audit: AuditReport,
        now_ms: i64,
    ) -> Later<'_, Option<Record>>;

    /// Lets a gateway join, or join again. Where workers have to dial it elsewhere from now on, the
    /// leases that lead to the old place end.
    fn gateway_join(&self, joining: GatewayJoining) -> Later<'_, ()>;
    /// Gateways with keys above `after`, by key.
    fn gateways(&self, after: Option<GatewayId>, limit: u32) -> Later<'_, Vec<GatewayView>>;
    /// Where the gateways are that were heard last.
    fn recent_doors(&self, limit: u32) -> Later<'_, Vec<GatewayDoors>>;

    /// Lets a worker join, or join again.
    fn worker_join(&self, joining: WorkerJoining) -> Later<'_, ()>;
    /// Workers with keys above `after`, by key.
    fn workers(&self, after: Option<NodeId>, limit: u32) -> Later<'_, Vec<WorkerView>>;
    /// The record of the worker with this key, if it joined.
    fn worker_record(&self, node: NodeId) -> Later<'_, Option<Record>>;
    /// Sessions with fewer than `workers` leases, those with fewest first. Whoever was replaced
    /// after `barred_since_ms` is barred.
    fn wanting(&self, workers: usize, barred_since_ms: i64) -> Later<'_, Vec<Wanting>>;
    /// Those of the nodes that joined as workers.
    fn candidates(&self, nodes: Vec<NodeId>) -> Later<'_, Vec<Candidate>>;
    /// Gives a worker a session; `None` where that ended or the worker has it already.
    fn grant_stream_lease(&self, ask: StreamLeaseAsk) -> Later<'_, Option<StreamLeaseGranted>>;
    /// A worker's lease, standing or ended.
    fn stream_lease(&self, id: LeaseId) -> Later<'_, Option<StreamLease>>;
    /// All that stand, in the order of granting.
    fn standing_stream_leases(&self) -> Later<'_, Vec<StreamLease>>;
    /// Those of one session that stand, in the order of granting.
    fn leases_of_session(&self, id: SessionId) -> Later<'_, Vec<StreamLease>>;
    /// Ends a worker's lease, its own or, without a node named, anybody's; answers whether it stood.
    fn end_stream_lease(
        &self,
        id: LeaseId,
        of: Option<NodeId>,
        end: StreamLeaseEnd,
        now_ms: i64,
    ) -> Later<'_, bool>;
    /// Notes how many failures a gateway counts for a lease. The count never falls.
    fn note_failures(&self, id: LeaseId, failures: u64) -> Later<'_, ()>;

    /// Sums over everything.
    fn live_totals(&self) -> Later<'_, LiveTotals>;
}
