//! `/node/v1`: what a node does. Each call is made once; the node's loop decides when to come back.

use crate::transfer::{no_progress, save};
use crate::transport::Transport;
use crate::{ClientError, MasterAddress};
use reqwest::Method;
use std::path::Path;
use std::time::Duration;
use tessera_protocol::commit::{NodeKey, join_message};
use tessera_protocol::house::{NodeReport, ReportView};
use tessera_protocol::lease::{GiveBackRequest, HeartbeatView, LeaseGrant, LeaseRequest};
use tessera_protocol::node::{ChallengeView, DeviceView, JoinRequest, JoinView};
use tessera_protocol::submit::SubmitView;
use tessera_protocol::{BlobHash, LeaseId};

/// How much longer than the wait asked for an answer to a request for work may take.
pub(crate) const LEASE_GRACE: Duration = Duration::from_secs(10);
/// A heartbeat that takes longer than this is worth less than the next one.
pub(crate) const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(10);

/// What opens the farm to a new node: a master and a token that may enrol.
pub struct Enrolment {
    pub(crate) transport: Transport,
}

impl Enrolment {
    /// Joining the master at `master`; `token` has the scope `enrol` or `operator`.
    pub fn new(master: MasterAddress, token: String) -> Result<Self, ClientError> {
        Ok(Self { transport: Transport::new(master, Some(token))? })
    }

    /// Joins: proves to hold `key` by signing the master's challenge. Returns what the master says
    /// of the node, and the client that it opens.
    pub async fn join(
        &self,
        key: &NodeKey,
        name: &str,
        device: &DeviceView,
    ) -> Result<(JoinView, NodeClient), ClientError> {
        let (challenge, bytes) = self.challenge().await?;
        let request = JoinRequest {
            node: key.node(),
            challenge,
            signature: key.sign(&join_message(key.node(), &bytes)),
            name: name.to_string(),
            device: device.clone(),
        };
        let view: JoinView = self
            .transport
            .send_for_json(self.transport.request(Method::POST, "node/v1/join").json(&request))
            .await?;
        let transport = self.transport.clone().with_token(view.token.clone());
        Ok((view, NodeClient { transport }))
    }

    /// Something to sign: as it was given, and its bytes.
    pub(crate) async fn challenge(&self) -> Result<(String, [u8; 32]), ClientError> {
        let ChallengeView { challenge } = self
            .transport
            .send_for_json(self.transport.request(Method::POST, "node/v1/challenge"))
            .await?;
        let bytes = parse_challenge(&challenge)
            .ok_or_else(|| self.transport.not_understood("its challenge is not 32 bytes"))?;
        Ok((challenge, bytes))
    }
}

/// 64 lower- or upper-case hexadecimal digits.
fn parse_challenge(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

/// A node that has joined.
#[derive(Clone)]
pub struct NodeClient {
    pub(crate) transport: Transport,
}

impl NodeClient {
    /// Asks for work and waits as long as the request says; `None` if there was none.
    pub async fn lease(&self, request: &LeaseRequest) -> Result<Option<LeaseGrant>, ClientError> {
        let call = self
            .transport
            .request(Method::POST, "node/v1/lease")
            .timeout(Duration::from_millis(request.wait_ms) + LEASE_GRACE)
            .json(request);
        self.transport.send_for_some_json(call).await
    }

    /// Says how the node's machine is; what its owner wants of it.
    pub async fn report(&self, report: &NodeReport) -> Result<ReportView, ClientError> {
        let call = self.transport.request(Method::PUT, "node/v1/report");
        let call = call.timeout(HEARTBEAT_TIMEOUT).json(report);
        // Masters from before there were orders answer nothing.
        Ok(self.transport.send_for_some_json(call).await?.unwrap_or_default())
    }

    /// Says that the node still works on `lease`.
    pub async fn heartbeat(&self, lease: LeaseId) -> Result<HeartbeatView, ClientError> {
        let path = format!("node/v1/leases/{lease}/heartbeat");
        let call = self.transport.request(Method::POST, &path).timeout(HEARTBEAT_TIMEOUT);
        self.transport.send_for_json(call).await
    }

    /// Hands in the work of `lease`: `body` as [`tessera_protocol::submit`] writes it.
    pub async fn submit(&self, lease: LeaseId, body: Vec<u8>) -> Result<SubmitView, ClientError> {
        let path = format!("node/v1/leases/{lease}/submit");
        let call = self
            .transport
            .request(Method::POST, &path)
            .header("Content-Type", "application/octet-stream")
            .body(body);
        self.transport.send_for_json(call).await
    }

    /// Ends a lease early, so that others get its units at once.
    pub async fn give_back(
        &self,
        lease: LeaseId,
        request: &GiveBackRequest,
    ) -> Result<(), ClientError> {
        let path = format!("node/v1/leases/{lease}/give-back");
        let call =
            self.transport.request(Method::POST, &path).timeout(HEARTBEAT_TIMEOUT).json(request);
        self.transport.send(call).await.map(drop)
    }

    /// Fetches a file of at most `limit` bytes to `path`, whose folder exists. What is there
    /// afterwards has the hash `blob`.
    pub async fn fetch(&self, blob: BlobHash, path: &Path, limit: u64) -> Result<(), ClientError> {
        let call = self.transport.request(Method::GET, &format!("node/v1/blobs/{blob}"));
        let response = self.transport.send(call).await?;
        if response.content_length().is_some_and(|bytes| bytes > limit) {
            return Err(ClientError::TooLarge { blob, limit });
        }
        save(&self.transport, response, path, Some((blob, limit)), &no_progress()).await
    }
}
