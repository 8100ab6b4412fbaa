//! `/auditor/v1`: what a process of the operator's does that computes pixels again in the master's place.

use crate::transport::Transport;
use crate::{ClientError, MasterAddress};
use reqwest::Method;
use std::time::Duration;
use tessera_protocol::audit::{AuditFinding, AuditGrant, AuditRequest};
use tessera_protocol::lease::HeartbeatView;
use tessera_protocol::{AuditId, LeaseId};

/// On top of the wait that was asked for.
const GRACE: Duration = Duration::from_secs(10);
/// A heartbeat that takes longer is worth less than the next one.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(10);
/// A report is answered after it is durable; what it would reject is looked at by the master first.
const REPORT_TIMEOUT: Duration = Duration::from_secs(120);

/// An auditor, with the operator's token.
#[derive(Clone)]
pub struct AuditorClient {
    transport: Transport,
}

impl AuditorClient {
    /// A client of this master.
    pub fn new(master: MasterAddress, token: String) -> Result<Self, ClientError> {
        Ok(Self { transport: Transport::new(master, Some(token))? })
    }

    /// Asks for results and waits as long as the request says; `None` if there were none.
    pub async fn lease(&self, request: &AuditRequest) -> Result<Option<AuditGrant>, ClientError> {
        let call = self
            .transport
            .request(Method::POST, "auditor/v1/audits")
            .timeout(Duration::from_millis(request.wait_ms) + GRACE)
            .json(request);
        self.transport.send_for_some_json(call).await
    }

    /// The body of a result, as its node sent it; `None` where it is gone.
    pub async fn result(&self, lease: LeaseId) -> Result<Option<Vec<u8>>, ClientError> {
        let call = self.transport.request(Method::GET, &format!("auditor/v1/results/{lease}"));
        match self.transport.send(call).await {
            Ok(response) => {
                let body = response.bytes().await.map_err(|error| self.transport.broken(&error))?;
                Ok(Some(body.to_vec()))
            }
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Says that the auditor still looks at what it was given.
    pub async fn heartbeat(&self, audit: AuditId) -> Result<HeartbeatView, ClientError> {
        let path = format!("auditor/v1/audits/{audit}/heartbeat");
        let call = self.transport.request(Method::POST, &path).timeout(HEARTBEAT_TIMEOUT);
        self.transport.send_for_json(call).await
    }

    /// Says what was found of one result.
    pub async fn report(&self, audit: AuditId, finding: &AuditFinding) -> Result<(), ClientError> {
        let path = format!("auditor/v1/audits/{audit}/findings");
        let call =
            self.transport.request(Method::POST, &path).timeout(REPORT_TIMEOUT).json(finding);
        self.transport.send(call).await.map(drop)
    }
}
