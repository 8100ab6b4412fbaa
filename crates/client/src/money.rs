//! Money of `/v1`: quotes, payouts, the books.

use crate::people::Client;
use crate::{ClientError, NodeClient};
use reqwest::Method;
use tessera_protocol::finance::{
    EarningsView, FarmView, LedgerView, PayoutPage, PayoutView, QuoteRequest, SettlementView,
};
use tessera_protocol::job::{FrameView, JobView, ObjectionRequest, Why};
use tessera_protocol::quote::QuoteView;
use tessera_protocol::{FrameNumber, JobId, NodeId, QuoteId};

impl Client {
    /// What everybody may know of the farm.
    pub async fn farm(&self) -> Result<FarmView, ClientError> {
        self.get("v1/farm").await
    }

    /// What a job costs at most. Called once: each call draws other pixels.
    pub async fn quote(&self, request: &QuoteRequest) -> Result<QuoteView, ClientError> {
        let call = self.transport.request(Method::POST, "v1/quotes");
        self.transport.send_for_json(call.json(request)).await
    }

    /// A quote that was given out.
    pub async fn quoted(&self, quote: QuoteId) -> Result<QuoteView, ClientError> {
        self.get(&format!("v1/quotes/{quote}")).await
    }

    /// Starts the job of a quote whose ceiling lies in its escrow; the same job again when called again.
    pub async fn accept_quote(&self, quote: QuoteId) -> Result<JobView, ClientError> {
        self.post(&format!("v1/quotes/{quote}/accept")).await
    }

    /// What became of a job's money on the chain.
    pub async fn settlement(&self, job: JobId) -> Result<SettlementView, ClientError> {
        self.get(&format!("v1/jobs/{job}/settlement")).await
    }

    /// Raises a job's ceiling by what was deposited in its escrow since.
    pub async fn top_up(&self, job: JobId) -> Result<JobView, ClientError> {
        self.post(&format!("v1/jobs/{job}/top-up")).await
    }

    /// Approves a frame, or all of a job's that are assembled.
    pub async fn approve(
        &self,
        job: JobId,
        frame: Option<FrameNumber>,
    ) -> Result<JobView, ClientError> {
        let of = frame.map(|frame| format!("/frames/{frame}")).unwrap_or_default();
        self.post(&format!("v1/jobs/{job}{of}/approve")).await
    }

    /// Objects to a frame, which is then looked at again. Called once.
    pub async fn reject(
        &self,
        job: JobId,
        frame: FrameNumber,
        reason: &str,
    ) -> Result<FrameView, ClientError> {
        let path = format!("v1/jobs/{job}/frames/{frame}/reject");
        let call = self.transport.request(Method::POST, &path);
        let request = ObjectionRequest { reason: reason.to_owned() };
        self.transport.send_for_json(call.json(&request)).await
    }

    /// What nodes were paid, newest first.
    pub async fn payouts(&self) -> Result<Vec<PayoutView>, ClientError> {
        self.pages("v1/payouts", |page: PayoutPage| (page.data, page.next_cursor)).await
    }

    /// The books: all balances, what does not agree, and the newest entries.
    pub async fn ledger(&self) -> Result<LedgerView, ClientError> {
        self.get("v1/ledger").await
    }

    /// Why a node gets no work.
    pub async fn why_node(&self, node: NodeId) -> Result<Vec<Why>, ClientError> {
        self.get(&format!("v1/nodes/{node}/why")).await
    }
}

impl NodeClient {
    /// What the node has earned.
    pub async fn earnings(&self) -> Result<EarningsView, ClientError> {
        let call = self.transport.request(Method::GET, "node/v1/earnings");
        self.transport.send_for_json(call).await
    }

    /// Why it got nothing when it asked for work last.
    pub async fn why(&self) -> Result<Vec<Why>, ClientError> {
        let call = self.transport.request(Method::GET, "node/v1/why");
        self.transport.send_for_json(call).await
    }
}
