//! Messages about streams and jobs to a server of their owner's.
//!
//! Each is a `POST` of a [`WebhookEvent`] as JSON with the headers of [`SIGNATURE_HEADER`] and
//! [`DELIVERY_HEADER`]; any answer from 200 to 299 within ten seconds is taken for received.

use crate::job::JobState;
use crate::stream::view::{HealthNote, Recording};
use crate::{DeliveryId, JobId, SessionId, StreamId, WebhookId};
use serde::{Deserialize, Serialize};

/// `t=<seconds since 1970>,v1=<hexadecimal HMAC-SHA256 of "<t>.<body>" under the secret>`.
pub const SIGNATURE_HEADER: &str = "Tessera-Signature";
/// The delivery's id, the same at every attempt: whoever saw it already may drop it.
pub const DELIVERY_HEADER: &str = "Tessera-Delivery";

/// What happened to a stream or a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "type")]
pub enum Happening {
    /// A source came and was let in.
    #[serde(rename = "session.started")]
    SessionStarted {
        /// The session.
        session: SessionId,
    },
    /// The session is over.
    #[serde(rename = "session.ended")]
    SessionEnded {
        /// The session.
        session: SessionId,
        /// Why, in a sentence.
        because: String,
    },
    /// A session's recording can be played.
    #[serde(rename = "recording.ready")]
    RecordingReady {
        /// The session.
        session: SessionId,
        /// The recording.
        recording: Recording,
    },
    /// The notes on a stream's health changed.
    #[serde(rename = "health.changed")]
    HealthChanged {
        /// The session.
        session: SessionId,
        /// All notes that hold now.
        health: Vec<HealthNote>,
    },
    /// A job began, was paused, goes on, or ended.
    #[serde(rename = "job.changed")]
    JobChanged {
        /// What its owner calls it.
        name: String,
        /// How it stands now.
        state: JobState,
        /// Why, where there is more to say.
        reason: Option<String>,
    },
    /// Sent on request, to try a webhook out.
    #[serde(rename = "ping")]
    Ping,
}

/// The body of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WebhookEvent {
    /// The delivery's id.
    pub id: DeliveryId,
    /// The stream that it is about, if one.
    pub stream: Option<StreamId>,
    /// The job that it is about, if one.
    #[serde(default)]
    pub job: Option<JobId>,
    /// When it happened, in milliseconds since 1970.
    pub at_ms: i64,
    /// What happened.
    pub event: Happening,
}

/// Asks for a webhook on what is one's own: streams for whoever may broadcast, jobs for whoever may
/// render, both for an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookRequest {
    /// `https://`, or `http://` on loopback; at most 2,000 characters.
    pub url: String,
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WebhookView {
    /// Its id.
    pub id: WebhookId,
    /// Where messages go.
    pub url: String,
    /// The secret of the signatures, shown when the webhook is made and never again.
    pub secret: Option<String>,
    /// Whether it hears of streams.
    pub streams: bool,
    /// Whether it hears of jobs.
    pub jobs: bool,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
}

/// One's webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WebhookList {
    /// All of them.
    pub data: Vec<WebhookView>,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// To be tried, for the first time or again.
    Pending,
    /// Received.
    Delivered,
    /// Tried too often; it can be sent again on request.
    Failed,
}

/// A message to a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeliveryView {
    /// Its id.
    pub id: DeliveryId,
    /// What is said.
    pub event: WebhookEvent,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts so far.
    pub attempts: u32,
    /// What the last attempt met: a status, or why there was none.
    pub last_answer: Option<String>,
    /// When it is tried next, in milliseconds since 1970.
    pub next_ms: Option<i64>,
}

/// Some of a webhook's deliveries, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeliveryPage {
    /// The deliveries.
    pub data: Vec<DeliveryView>,
    /// Asks for the next page; `None` on the last.
    pub next_cursor: Option<String>,
}
