//! What gateways are given, and what they report.
//!
//! A gateway holds a session by a lease that it renews with every beat. It counts the lease's time
//! from when it *sent* the last beat that was answered, the master from when it *heard* it, so a
//! gateway that is cut off stops publishing before anybody else may begin.

use super::view::{HealthNote, IngestUrl, Latency, Recording};
use super::{ClaimReceipt, Ladder, SegmentNumber};
use crate::commit::SignatureBytes;
use crate::{GatewayId, Generation, LeaseId, NodeId, PlaybackId, SessionId, StreamId};
use serde::{Deserialize, Serialize};

/// A gateway joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GatewayJoinRequest {
    /// Its public key.
    pub gateway: GatewayId,
    /// The challenge of `POST /node/v1/challenge`, as it was given.
    pub challenge: String,
    /// The gateway's signature over [`crate::commit::join_message`].
    pub signature: SignatureBytes,
    /// What people call it; at most 100 characters.
    pub name: String,
    /// Where everybody reaches it.
    pub doors: GatewayDoors,
}

/// Where a gateway is reached, as others have to dial it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GatewayDoors {
    /// `rtmp://host:port` or `rtmps://…`; `None` where it takes none.
    pub rtmp: Option<String>,
    /// `srt://host:port`.
    pub srt: Option<String>,
    /// `http://host:port` or `https://…`: segments pushed, and everything played.
    pub http: String,
    /// `host:port` where workers dial in.
    pub link: String,
    /// blake3 of the certificate that workers will be shown, in hexadecimal; `None` for a plain
    /// connection on loopback.
    pub link_pin: Option<String>,
}

impl GatewayDoors {
    /// Longest of the doors' texts, in characters.
    pub const MAX_TEXT: usize = 300;

    /// Where a source sends to with this key: `rtmp://…/live/KEY`, `srt://…?streamid=KEY`, and
    /// `http://…/live/KEY/`, behind which the number of a pushed segment follows: `0.ts`.
    pub fn ingest(&self, key: &str) -> Vec<IngestUrl> {
        let url = |protocol: &str, url: String| IngestUrl { protocol: protocol.to_owned(), url };
        let mut urls = Vec::new();
        if let Some(rtmp) = &self.rtmp {
            urls.push(url("rtmp", format!("{}/live/{key}", rtmp.trim_end_matches('/'))));
        }
        if let Some(srt) = &self.srt {
            urls.push(url("srt", format!("{}?streamid={key}", srt.trim_end_matches('/'))));
        }
        urls.push(url("http", format!("{}/live/{key}/", self.http.trim_end_matches('/'))));
        urls
    }

    /// Where viewers play the stream with this playback id: `http://…/live/ID/index.m3u8`.
    pub fn playback_url(&self, id: PlaybackId) -> String {
        format!("{}/live/{id}/index.m3u8", self.http.trim_end_matches('/'))
    }
}

/// The answer to a gateway's join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GatewayJoinView {
    /// The bearer token for `/gateway/v1`, shown once and stored hashed.
    pub token: String,
}

/// A source has come to a gateway with a key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionRequest {
    /// The stream's key.
    pub key: String,
    /// `rtmp`, `srt` or `http`.
    pub protocol: String,
}

impl std::fmt::Debug for SessionRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionRequest").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

/// A gateway may publish a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SessionGrant {
    /// The session: a new one, or within the window the one before.
    pub session: SessionId,
    /// Its stream.
    pub stream: StreamId,
    /// The stream's name in viewers' URLs.
    pub playback_id: PlaybackId,
    /// The lease's generation, higher at every grant of the session.
    pub generation: Generation,
    /// What to make of the source.
    pub ladder: Ladder,
    /// How far behind viewers may be.
    pub latency: Latency,
    /// Whether to keep a recording.
    pub record: bool,
    /// Where to send the source on to.
    pub restream: Option<String>,
    /// The lowest number the next segment may have. A gateway whose own journal of this session goes
    /// further continues its journal.
    pub next_segment: SegmentNumber,
    /// The lease ends this long after the last beat.
    pub lease_ms: u64,
    /// A source that left may come back within this time and continue the session.
    pub reconnect_ms: u64,
}

/// How far a new gateway's numbers lie above those that the master heard of: more segments than a
/// gateway that is cut off can publish before its lease ends.
pub const TAKEOVER_GAP: u64 = 1_000;

/// A gateway says that it goes on with a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionBeat {
    /// The generation of its grant.
    pub generation: Generation,
    /// Whether the source is connected now.
    pub connected: bool,
    /// The source in words, as [`super::view::SessionView`] has it.
    pub source: Option<String>,
    /// Pixels a second that all renditions together need; 0 while that is not known, and what is
    /// above [`Self::MAX_PIXELS_PER_S`] counts as that.
    pub pixels_per_s: u64,
    /// How the stream does; at most 32 notes.
    pub health: Vec<HealthNote>,
    /// The workers that have dialled in.
    pub workers: Vec<WorkerReport>,
}

impl SessionBeat {
    /// Most pixels a second of a session: eight renditions of 2160 lines, each eight times as wide
    /// and at 240 frames a second, take 7·10^10.
    pub const MAX_PIXELS_PER_S: u64 = 100_000_000_000;
}

/// How a worker does, as its gateway sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkerReport {
    /// Its lease.
    pub lease: LeaseId,
    /// Segments it made since the session began.
    pub segments: u64,
    /// Segments it was given and did not bring, or brought wrong; at most [`Self::MAX_FAILURES`].
    pub failures: u64,
    /// Whether it is falling behind real time, has failed, or is gone: its lease shall go to another.
    pub replace: Option<String>,
    /// Whether it is only gone, and was well before: when it is back it may have the session again.
    #[serde(default)]
    pub away: bool,
}

impl WorkerReport {
    /// Most failures of one lease: one each second of thirty years.
    pub const MAX_FAILURES: u64 = 1_000_000_000;
}

/// The answer to a beat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SessionBeatView {
    /// Whether the gateway may go on publishing until [`SessionGrant::lease_ms`] from now.
    pub alive: bool,
    /// Why not, in a sentence: the stream was ended, its key was rotated, another gateway has it.
    pub because: Option<String>,
    /// Whether the session goes on without this grant: a later one has it, or another gateway waits
    /// for its lease to end. Whoever hears this stops publishing, and ends the session nowhere.
    #[serde(default)]
    pub passed_on: bool,
    /// Who may dial in for this session, best first.
    pub workers: Vec<WorkerLease>,
}

/// A worker that may dial in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WorkerLease {
    /// The lease.
    pub lease: LeaseId,
    /// Its holder.
    pub node: NodeId,
    /// Percent of this worker's segments that are compared in picture: more for a new one.
    pub audit_percent: u8,
}

/// A published segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentReport {
    /// Its number.
    pub segment: SegmentNumber,
    /// The generation under which it was published.
    pub generation: Generation,
    /// When it begins on the session's timeline, in milliseconds.
    pub start_ms: i64,
    /// How long it is, in milliseconds.
    pub duration_ms: u64,
    /// The worker's claim, both signatures with it; `None` where the source stands in.
    pub receipt: Option<ClaimReceipt>,
}

/// Published segments, at most [`Self::MAX`], in any order. Reporting one twice changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SegmentReports {
    /// The segments.
    pub segments: Vec<SegmentReport>,
}

impl SegmentReports {
    /// Most segments of one report.
    pub const MAX: usize = 256;
}

/// The answer to reported segments. All others of the report are known now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SegmentReportsView {
    /// Those that were not taken. Reporting them again cannot help.
    pub refused: Vec<RefusedSegment>,
}

/// A reported segment that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RefusedSegment {
    /// Its number.
    pub segment: SegmentNumber,
    /// Why, in a sentence.
    pub because: String,
}

/// What a picture comparison found; follows its segment's report, maybe much later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditReport {
    /// Which segment.
    pub segment: SegmentNumber,
    /// Which worker made it.
    pub node: NodeId,
    /// Which rendition was compared.
    pub rendition: super::RenditionName,
    /// `None` when it passed; else what is wrong, in a sentence.
    pub rejected: Option<String>,
}

/// A session is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionEnd {
    /// The generation of the gateway's grant.
    pub generation: Generation,
    /// Why, in a sentence.
    pub because: String,
    /// Its recording, if one was kept.
    pub recording: Option<Recording>,
}

/// A gateway as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GatewayView {
    /// Its key.
    pub id: GatewayId,
    /// What people call it.
    pub name: String,
    /// Where it is reached.
    pub doors: GatewayDoors,
    /// When it was last heard, in milliseconds since 1970.
    pub last_seen_ms: i64,
    /// Sessions that it holds now.
    pub sessions: u64,
}

/// Some of the gateways, by key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GatewayPage {
    /// The gateways.
    pub data: Vec<GatewayView>,
    /// Asks for the next page; `None` on the last.
    pub next_cursor: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doors_tell_where_to_send_and_where_to_play() {
        let doors = GatewayDoors {
            rtmp: Some("rtmp://here:1935".into()),
            srt: None,
            http: "https://here/".into(),
            link: "here:7000".into(),
            link_pin: None,
        };
        let urls: Vec<_> = doors.ingest("k").into_iter().map(|ingest| ingest.url).collect();
        assert_eq!(urls, ["rtmp://here:1935/live/k", "https://here/live/k/"]);
        let played = doors.playback_url(PlaybackId([0xab; 16]));
        assert_eq!(played, format!("https://here/live/{}/index.m3u8", "ab".repeat(16)));
    }

    #[test]
    fn an_answer_from_before_sessions_passed_on_is_read() {
        let old = r#"{"alive":false,"because":"the key was rotated","workers":[]}"#;
        assert!(!serde_json::from_str::<SessionBeatView>(old).unwrap().passed_on);
    }
}
