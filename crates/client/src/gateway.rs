//! `/gateway/v1`: what a gateway does. Each call is made once: between two beats there is time for
//! no repetition, and what must arrive lies in the gateway's journal and is sent again from there.

use crate::transport::Transport;
use crate::{ClientError, Enrolment};
use reqwest::Method;
use serde::Serialize;
use std::time::Duration;
use tessera_protocol::commit::{NodeKey, join_message};
use tessera_protocol::stream::gateway::{
    AuditReport, GatewayDoors, GatewayJoinRequest, GatewayJoinView, SegmentReports,
    SegmentReportsView, SessionBeat, SessionBeatView, SessionEnd, SessionGrant, SessionRequest,
};
use tessera_protocol::{GatewayId, SessionId};

/// A source waits for its grant with its first bytes unread.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// A beat that takes longer than this is worth less than the next one.
const BEAT_TIMEOUT: Duration = Duration::from_secs(2);
/// Reports are answered after they are durable.
const REPORT_TIMEOUT: Duration = Duration::from_secs(20);

impl Enrolment {
    /// Joins as a gateway: proves to hold `key` by signing the master's challenge. Returns what the
    /// master says, and the client that it opens.
    pub async fn gateway_join(
        &self,
        key: &NodeKey,
        name: &str,
        doors: &GatewayDoors,
    ) -> Result<(GatewayJoinView, GatewayClient), ClientError> {
        let (challenge, bytes) = self.challenge().await?;
        let request = GatewayJoinRequest {
            gateway: GatewayId(key.node().0),
            challenge,
            signature: key.sign(&join_message(key.node(), &bytes)),
            name: name.to_owned(),
            doors: doors.clone(),
        };
        let call = self.transport.request(Method::POST, "gateway/v1/join").json(&request);
        let view: GatewayJoinView = self.transport.send_for_json(call).await?;
        let transport = self.transport.clone().with_token(view.token.clone());
        Ok((view, GatewayClient { transport }))
    }
}

/// A gateway that has joined.
#[derive(Clone)]
pub struct GatewayClient {
    transport: Transport,
}

impl GatewayClient {
    /// Asks to publish for a source that came with a key. Refused with `stream-key-refused`,
    /// `stream-ended`, or `stream-is-live` while another gateway's lease may still stand: then
    /// [`ClientError::retry_after`] says when to ask again.
    pub async fn open_session(
        &self,
        request: &SessionRequest,
    ) -> Result<SessionGrant, ClientError> {
        let call = self.transport.request(Method::POST, "gateway/v1/sessions");
        self.transport.send_for_json(call.timeout(OPEN_TIMEOUT).json(request)).await
    }

    /// Says that it goes on. The lease counts from when this was called, not from the answer.
    pub async fn beat(
        &self,
        session: SessionId,
        beat: &SessionBeat,
    ) -> Result<SessionBeatView, ClientError> {
        let call = self.post(session, "beat", beat).timeout(BEAT_TIMEOUT);
        self.transport.send_for_json(call).await
    }

    /// Reports published segments. What is not refused is durable and counted once, however often
    /// it is reported.
    pub async fn report_segments(
        &self,
        session: SessionId,
        reports: &SegmentReports,
    ) -> Result<SegmentReportsView, ClientError> {
        let call = self.post(session, "segments", reports).timeout(REPORT_TIMEOUT);
        self.transport.send_for_json(call).await
    }

    /// Reports what a picture comparison found.
    pub async fn report_audit(
        &self,
        session: SessionId,
        report: &AuditReport,
    ) -> Result<(), ClientError> {
        let call = self.post(session, "audits", report).timeout(REPORT_TIMEOUT);
        self.transport.send(call).await.map(drop)
    }

    /// Ends a session, or adds the recording to one that ended. Both twice is as both once.
    pub async fn end_session(
        &self,
        session: SessionId,
        end: &SessionEnd,
    ) -> Result<(), ClientError> {
        let call = self.post(session, "end", end).timeout(REPORT_TIMEOUT);
        self.transport.send(call).await.map(drop)
    }

    fn post(
        &self,
        session: SessionId,
        what: &str,
        body: &impl Serialize,
    ) -> reqwest::RequestBuilder {
        let path = format!("gateway/v1/sessions/{session}/{what}");
        self.transport.request(Method::POST, &path).json(body)
    }
}
