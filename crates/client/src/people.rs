//! `/v1`: what people and their programs do.

use crate::transfer::{Progress, save};
use crate::transport::Transport;
use crate::{ClientError, JobEvents, MasterAddress, upload};
use reqwest::Method;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::time::Duration;
use tessera_protocol::house::HoursRequest;
use tessera_protocol::house::hours::Hours;
use tessera_protocol::job::{
    FramePage, FrameView, JobPage, JobSpec, JobView, RequeueRequest, UploadView, Why,
};
use tessera_protocol::log::{LogEntry, LogPage};
use tessera_protocol::node::{NodePage, NodeView, NodeWish};
use tessera_protocol::receipt::{Receipt, ReceiptPage};
use tessera_protocol::token::{TokenRequest, TokenScope, TokenView};
use tessera_protocol::{BlobHash, FrameNumber, JobId, LeaseId, NodeId};

/// How long a call that may be repeated is repeated unless told otherwise: longer than a master
/// takes to restart, shorter than a person waits without wondering.
const PATIENCE: Duration = Duration::from_secs(15);
/// Rows asked for at a time; the most that a master gives.
const PAGE_ROWS: &str = "200";

/// Something a job leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Artefact {
    /// A frame's linear picture, as OpenEXR.
    Exr(FrameNumber),
    /// A frame's picture for the eye, as PNG.
    Png(FrameNumber),
    /// The film of all frames, as MP4.
    Movie,
    /// The scene or the environment that it was rendered with.
    File(BlobHash),
}

/// A client of one master with one person's token.
#[derive(Clone)]
pub struct Client {
    pub(crate) transport: Transport,
}

impl Client {
    /// A client of the master at `master`. Without a token only [`Self::health`] is answered.
    pub fn new(master: MasterAddress, token: Option<String>) -> Result<Self, ClientError> {
        Ok(Self { transport: Transport::new(master, token)?.with_patience(PATIENCE) })
    }

    /// The same client with another patience: how long, all waits of one call together, it waits
    /// for a failure to pass. 0 makes every call once.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { transport: self.transport.with_patience(patience) }
    }

    /// Where this client's master is.
    pub fn master(&self) -> &MasterAddress {
        self.transport.master()
    }

    /// Whether the master is up: it answers, and its database does.
    pub async fn health(&self) -> Result<(), ClientError> {
        self.transport.send(self.transport.request(Method::GET, "healthz")).await.map(drop)
    }

    /// Uploads a file. It is stored durably once this returns, and once only however often it is
    /// uploaded. A broken connection costs the bytes on their way and no others, and neither does an
    /// end of this process: the same file is taken up where it was left.
    pub async fn upload(&self, file: &Path, progress: Progress) -> Result<UploadView, ClientError> {
        upload::upload(&self.transport, file, progress).await
    }

    /// Submits a job. With the same `idempotency_key` (1 to 64 printable ASCII characters) and
    /// spec it makes one job, however often it is called.
    pub async fn submit(
        &self,
        spec: &JobSpec,
        idempotency_key: &str,
    ) -> Result<JobView, ClientError> {
        self.transport
            .repeating(|| {
                let request = self
                    .transport
                    .request(Method::POST, "v1/jobs")
                    .header("Idempotency-Key", idempotency_key)
                    .json(spec);
                self.transport.send_for_json(request)
            })
            .await
    }

    /// All jobs that the token may see, newest first.
    pub async fn jobs(&self) -> Result<Vec<JobView>, ClientError> {
        self.pages("v1/jobs", |page: JobPage| (page.data, page.next_cursor)).await
    }

    /// One job.
    pub async fn job(&self, job: JobId) -> Result<JobView, ClientError> {
        self.get(&format!("v1/jobs/{job}")).await
    }

    /// Leases no more units of a job until it is resumed.
    pub async fn pause(&self, job: JobId) -> Result<JobView, ClientError> {
        self.act(job, "pause").await
    }

    /// Leases units of a paused job again.
    pub async fn resume(&self, job: JobId) -> Result<JobView, ClientError> {
        self.act(job, "resume").await
    }

    /// Stops a job for good.
    pub async fn cancel(&self, job: JobId) -> Result<JobView, ClientError> {
        self.act(job, "cancel").await
    }

    /// Has a job that failed go on. With `frames`, at most [`RequeueRequest::MAX_FRAMES`] that are not
    /// assembled, whoever renders units of them now gives them back. Called once: a repeated call would take
    /// back what was leased since the first.
    pub async fn requeue(
        &self,
        job: JobId,
        frames: Vec<FrameNumber>,
    ) -> Result<JobView, ClientError> {
        let request = self.transport.request(Method::POST, &format!("v1/jobs/{job}/requeue"));
        self.transport.send_for_json(request.json(&RequeueRequest { frames })).await
    }

    /// Why a job stands where it stands.
    pub async fn why(&self, job: JobId) -> Result<Vec<Why>, ClientError> {
        self.get(&format!("v1/jobs/{job}/why")).await
    }

    /// What became of a job's leases, the newest `last` of them, the newest first; at most 200.
    pub async fn log(&self, job: JobId, last: u32) -> Result<Vec<LogEntry>, ClientError> {
        let path = format!("v1/jobs/{job}/log?limit={last}");
        self.get(&path).await.map(|page: LogPage| page.data)
    }

    /// A job's frames, by number.
    pub async fn frames(&self, job: JobId) -> Result<Vec<FrameView>, ClientError> {
        let path = format!("v1/jobs/{job}/frames");
        self.pages(&path, |page: FramePage| (page.data, page.next_cursor)).await
    }

    /// A job's events, beginning with how it stands now.
    pub fn events(&self, job: JobId) -> JobEvents {
        JobEvents::new(self.transport.clone(), job)
    }

    /// Downloads what a job made to the file `path`, whose folder exists.
    pub async fn download(
        &self,
        job: JobId,
        artefact: Artefact,
        path: &Path,
        progress: Progress,
    ) -> Result<(), ClientError> {
        let source = match artefact {
            Artefact::Exr(frame) => format!("v1/jobs/{job}/frames/{frame}/exr"),
            Artefact::Png(frame) => format!("v1/jobs/{job}/frames/{frame}/png"),
            Artefact::Movie => format!("v1/jobs/{job}/movie"),
            Artefact::File(blob) => format!("v1/jobs/{job}/files/{blob}"),
        };
        self.save(&source, path, &progress).await
    }

    async fn save(
        &self,
        source: &str,
        path: &Path,
        progress: &Progress,
    ) -> Result<(), ClientError> {
        self.transport
            .repeating(|| async {
                let request = self.transport.request(Method::GET, source);
                let response = self.transport.send(request).await?;
                save(&self.transport, response, path, None, progress).await
            })
            .await
    }

    /// A job's receipts, in the order of its leases.
    pub async fn receipts(&self, job: JobId) -> Result<Vec<Receipt>, ClientError> {
        let path = format!("v1/jobs/{job}/receipts");
        self.pages(&path, |page: ReceiptPage| (page.data, page.next_cursor)).await
    }

    /// The receipt of one lease, once its result was audited.
    pub async fn receipt(&self, lease: LeaseId) -> Result<Receipt, ClientError> {
        self.get(&format!("v1/leases/{lease}/receipt")).await
    }

    /// Downloads what a lease brought, as its node sent it: see [`tessera_protocol::submit`].
    pub async fn download_result(
        &self,
        lease: LeaseId,
        path: &Path,
        progress: Progress,
    ) -> Result<(), ClientError> {
        self.save(&format!("v1/leases/{lease}/result"), path, &progress).await
    }

    /// Tells what its owner wants of a node.
    pub async fn wish_node(&self, node: NodeId, wish: NodeWish) -> Result<NodeView, ClientError> {
        let order = match wish {
            NodeWish::Work => "resume",
            NodeWish::Drain => "drain",
            NodeWish::Pause => "pause",
        };
        self.post(&format!("v1/nodes/{node}/{order}")).await
    }

    /// Tells in which hours its owner wants a node to work. It hears of them within ten seconds.
    pub async fn set_hours(&self, node: NodeId, hours: &Hours) -> Result<NodeView, ClientError> {
        let request = HoursRequest { hours: hours.to_string() };
        let path = format!("v1/nodes/{node}/hours");
        self.transport
            .repeating(|| {
                let call = self.transport.request(Method::PUT, &path).json(&request);
                self.transport.send_for_json(call)
            })
            .await
    }

    /// All nodes that ever joined.
    pub async fn nodes(&self) -> Result<Vec<NodeView>, ClientError> {
        self.pages("v1/nodes", |page: NodePage| (page.data, page.next_cursor)).await
    }

    /// Makes a new token. Called once: a repeated call would make two.
    pub async fn create_token(&self, scope: TokenScope) -> Result<TokenView, ClientError> {
        let request = self.transport.request(Method::POST, "v1/tokens");
        self.transport.send_for_json(request.json(&TokenRequest { scope })).await
    }

    async fn act(&self, job: JobId, verb: &str) -> Result<JobView, ClientError> {
        self.post(&format!("v1/jobs/{job}/{verb}")).await
    }

    /// Asks for what is the same done once or ten times.
    pub(crate) async fn post<T: DeserializeOwned + Send>(
        &self,
        path: &str,
    ) -> Result<T, ClientError> {
        self.transport
            .repeating(|| self.transport.send_for_json(self.transport.request(Method::POST, path)))
            .await
    }

    pub(crate) async fn get<T: DeserializeOwned + Send>(
        &self,
        path: &str,
    ) -> Result<T, ClientError> {
        self.transport
            .repeating(|| self.transport.send_for_json(self.transport.request(Method::GET, path)))
            .await
    }

    /// Reads page after page; `open` takes a page apart into its rows and the next cursor.
    pub(crate) async fn pages<P: DeserializeOwned + Send, T>(
        &self,
        path: &str,
        open: impl Fn(P) -> (Vec<T>, Option<String>),
    ) -> Result<Vec<T>, ClientError> {
        let (mut rows, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let page: P = self
                .transport
                .repeating(|| {
                    let request =
                        self.transport.request(Method::GET, path).query(&[("limit", PAGE_ROWS)]);
                    let request = match &cursor {
                        Some(cursor) => request.query(&[("cursor", cursor)]),
                        None => request,
                    };
                    self.transport.send_for_json(request)
                })
                .await?;
            let (page_rows, next) = open(page);
            rows.extend(page_rows);
            match next {
                // A cursor that leads to itself would be read for ever.
                Some(next) if cursor.as_ref() != Some(&next) => cursor = Some(next),
                Some(_) => return Err(self.transport.not_understood("a page leads to itself")),
                None => return Ok(rows),
            }
        }
    }
}
