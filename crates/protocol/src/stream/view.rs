//! What a broadcaster asks for and sees.

use super::{Ladder, SegmentClaim, SegmentNumber};
use crate::{Amount, EscrowId, GatewayId, NodeId, PixelPrice, PlaybackId, SessionId, StreamId};
use serde::{Deserialize, Serialize};

/// How far behind the source viewers may be.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Latency {
    /// Segments of about two seconds.
    #[default]
    Standard,
    /// Segments of about one second.
    Short,
    /// Parts of about a third of a second (LL-HLS).
    Low,
}

/// What a broadcaster makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamSpec {
    /// What people call it; 1 to 200 characters.
    pub name: String,
    /// What is made of the source.
    pub ladder: Ladder,
    /// How far behind viewers may be.
    #[serde(default)]
    pub latency: Latency,
    /// Whether each session is kept as a recording.
    #[serde(default)]
    pub record: bool,
    /// `rtmp://` or `rtmps://` where the source is sent on to as it is, at most
    /// [`Self::MAX_RESTREAM`] characters.
    #[serde(default)]
    pub restream: Option<String>,
    /// What its owner pays workers at most for 10^12 encoded pixels, out of a deposit. Without it nobody
    /// is paid, and it has the workers that others leave.
    #[serde(default)]
    pub max_price: Option<PixelPrice>,
}

impl StreamSpec {
    /// Longest name, in characters.
    pub const MAX_NAME: usize = 200;
    /// Longest URL to restream to.
    pub const MAX_RESTREAM: usize = 2000;
}

/// A new stream, or a new key of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StreamKeyView {
    /// The stream.
    pub stream: StreamView,
    /// The secret that allows sending, shown this once and stored hashed; empty where a creation is
    /// repeated.
    pub key: String,
    /// Where to send to, complete with the key; empty while no gateway is there.
    pub ingest: Vec<IngestUrl>,
}

/// One way in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct IngestUrl {
    /// `rtmp`, `srt` or `http`.
    pub protocol: String,
    /// The URL, with the key in it.
    pub url: String,
}

/// Where a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamState {
    /// Nobody sends.
    Idle,
    /// A source is connected, or may reconnect within the window.
    Live,
    /// Its owner ended it: its key is no longer taken.
    Ended,
}

/// A stream as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StreamView {
    /// Its id.
    pub id: StreamId,
    /// What was asked for.
    pub spec: StreamSpec,
    /// Where it stands.
    pub state: StreamState,
    /// Names it in viewers' URLs.
    pub playback_id: PlaybackId,
    /// Where viewers play it; `None` before its first session.
    pub playback_url: Option<String>,
    /// The session under way, or the last one.
    pub session: Option<SessionId>,
    /// How it does, in sentences; empty where all is well or nobody sends.
    pub health: Vec<HealthNote>,
    /// What its workers are paid from; `None` where nobody pays.
    pub money: Option<StreamMoney>,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
}

/// A stream's deposit, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StreamMoney {
    /// Where on the chain to deposit. Nobody but the stream's owner is told.
    pub escrow: EscrowId,
    /// All that was deposited, as far as the farm has heard.
    pub deposited: Amount,
    /// What workers have earned of it.
    pub charged: Amount,
    /// What was delivered, and is not in the books yet.
    pub pending: Amount,
    /// What the operator took at the end.
    pub fee: Amount,
    /// What is left. It returns when the stream is ended.
    pub left: Amount,
    /// Until when its owner cannot take it back without the farm, in milliseconds since 1970; 0 before
    /// there is any.
    pub stands_until_ms: i64,
    /// Whether the stream is over, its workers are paid and the rest has returned.
    pub settled: bool,
}

/// Some of the streams, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StreamPage {
    /// The streams.
    pub data: Vec<StreamView>,
    /// Asks for the next page; `None` on the last.
    pub next_cursor: Option<String>,
}

/// How bad it is.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum HealthLevel {
    /// Good to know.
    Info,
    /// Viewers see less than they could.
    Warning,
    /// Viewers miss something.
    Error,
}

/// One thing about a stream's health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthNote {
    /// A stable word for programs, for example `keyframe-interval-long`.
    pub code: String,
    /// How bad it is.
    pub level: HealthLevel,
    /// What is so, and what to do, in a sentence or two.
    pub text: String,
}

/// One broadcast as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SessionView {
    /// Its id.
    pub id: SessionId,
    /// Of which stream.
    pub stream: StreamId,
    /// When it began, in milliseconds since 1970.
    pub started_ms: i64,
    /// When it ended; `None` while it is live.
    pub ended_ms: Option<i64>,
    /// Why it ended, in a sentence.
    pub ended_because: Option<String>,
    /// The gateway that holds it, or held it last.
    pub gateway: GatewayId,
    /// `rtmp`, `srt` or `http`.
    pub protocol: String,
    /// The source, in words: `1280×720, 30 frames a second, H.264 and AAC`.
    pub source: Option<String>,
    /// Segments that were published.
    pub segments: u64,
    /// Of those, segments that the source itself had to stand in for.
    pub segments_from_source: u64,
    /// Pixels that workers encoded.
    pub pixels: u64,
    /// Where its recording plays, once it is complete.
    pub recording: Option<Recording>,
}

/// Some of a stream's sessions, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SessionPage {
    /// The sessions.
    pub data: Vec<SessionView>,
    /// Asks for the next page; `None` on the last.
    pub next_cursor: Option<String>,
}

/// A session that was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// A playlist with every rendition.
    pub playlist_url: String,
    /// The best rendition in one MP4.
    pub mp4_url: String,
    /// How long it is, in milliseconds.
    pub duration_ms: u64,
}

/// One segment as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SegmentView {
    /// Its number.
    pub segment: SegmentNumber,
    /// When it begins on the session's timeline, in milliseconds.
    pub start_ms: i64,
    /// How long it is, in milliseconds.
    pub duration_ms: u64,
    /// Who made its renditions; `None` where the source stands in.
    pub node: Option<NodeId>,
    /// What was claimed, where a worker made it.
    pub claim: Option<SegmentClaim>,
}

/// Some of a session's segments, by number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SegmentPage {
    /// The segments.
    pub data: Vec<SegmentView>,
    /// Asks for the next page; `None` on the last.
    pub next_cursor: Option<String>,
}
