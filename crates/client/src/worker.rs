//! `/node/v1` for those who transcode. Each call is made once; the worker's loop decides when to
//! come back.

use crate::node::{HEARTBEAT_TIMEOUT, LEASE_GRACE};
use crate::transport::Transport;
use crate::{ClientError, Enrolment};
use reqwest::Method;
use std::time::Duration;
use tessera_protocol::LeaseId;
use tessera_protocol::commit::{NodeKey, join_message};
use tessera_protocol::finance::EarningsView;
use tessera_protocol::job::Why;
use tessera_protocol::lease::{GiveBackRequest, HeartbeatView};
use tessera_protocol::stream::worker::{
    PresentedReceipts, PresentedView, StreamLeaseGrant, StreamLeaseRequest, WorkerAbility,
    WorkerJoinRequest, WorkerJoinView,
};

impl Enrolment {
    /// Joins as a worker: proves to hold `key` by signing the master's challenge. Returns what the
    /// master says, and the client that it opens.
    pub async fn worker_join(
        &self,
        key: &NodeKey,
        name: &str,
        able: &WorkerAbility,
    ) -> Result<(WorkerJoinView, WorkerClient), ClientError> {
        let (challenge, bytes) = self.challenge().await?;
        let request = WorkerJoinRequest {
            node: key.node(),
            challenge,
            signature: key.sign(&join_message(key.node(), &bytes)),
            name: name.to_owned(),
            able: able.clone(),
        };
        let call = self.transport.request(Method::POST, "node/v1/worker/join").json(&request);
        let view: WorkerJoinView = self.transport.send_for_json(call).await?;
        let transport = self.transport.clone().with_token(view.token.clone());
        Ok((view, WorkerClient { transport }))
    }
}

/// A worker that has joined.
#[derive(Clone)]
pub struct WorkerClient {
    transport: Transport,
}

impl WorkerClient {
    /// Asks for a session and waits as long as the request says; `None` if there was none.
    pub async fn stream_lease(
        &self,
        request: &StreamLeaseRequest,
    ) -> Result<Option<StreamLeaseGrant>, ClientError> {
        let call = self
            .transport
            .request(Method::POST, "node/v1/stream-leases")
            .timeout(Duration::from_millis(request.wait_ms) + LEASE_GRACE)
            .json(request);
        self.transport.send_for_some_json(call).await
    }

    /// Says that the worker still holds `lease`.
    pub async fn stream_heartbeat(&self, lease: LeaseId) -> Result<HeartbeatView, ClientError> {
        let path = format!("node/v1/stream-leases/{lease}/heartbeat");
        let call = self.transport.request(Method::POST, &path).timeout(HEARTBEAT_TIMEOUT);
        self.transport.send_for_json(call).await
    }

    /// Ends a lease early, so that another worker gets the session at once.
    pub async fn stream_give_back(
        &self,
        lease: LeaseId,
        request: &GiveBackRequest,
    ) -> Result<(), ClientError> {
        let path = format!("node/v1/stream-leases/{lease}/give-back");
        let call =
            self.transport.request(Method::POST, &path).timeout(HEARTBEAT_TIMEOUT).json(request);
        self.transport.send(call).await.map(drop)
    }

    /// What the worker has earned.
    pub async fn earnings(&self) -> Result<EarningsView, ClientError> {
        let call = self.transport.request(Method::GET, "node/v1/earnings");
        self.transport.send_for_json(call.timeout(HEARTBEAT_TIMEOUT)).await
    }

    /// Why it got no session when it asked for one last.
    pub async fn why(&self) -> Result<Vec<Why>, ClientError> {
        let call = self.transport.request(Method::GET, "node/v1/worker/why");
        self.transport.send_for_json(call.timeout(HEARTBEAT_TIMEOUT)).await
    }

    /// Presents receipts of segments that their gateway may not have reported.
    pub async fn present_receipts(
        &self,
        receipts: &PresentedReceipts,
    ) -> Result<PresentedView, ClientError> {
        let call = self.transport.request(Method::POST, "node/v1/stream-leases/receipts");
        self.transport.send_for_json(call.timeout(HEARTBEAT_TIMEOUT).json(receipts)).await
    }
}
