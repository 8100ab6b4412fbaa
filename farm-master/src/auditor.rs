//! `farm-master audit`: looks at results in the master's place, on another machine or more threads. It is
//! the operator's own, with the operator's token: the master believes what it verifies, and looks itself
//! at what it would reject.
//!
//! It may be killed at any time: what it was given and did not report is looked at by others.

use crate::audit::judging::{AuditError, Desk, Findings, judge};
use crate::config::{Recompute, Recomputed};
use crate::referee;
use crate::store::StoredResult;
use crate::store::proof::{Finding, Unaudited, UnauditedFrame};
use anyhow::Context as _;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tessera_client::{
    Artefact, AuditorClient, Backoff, Client, ClientError, MasterArguments, no_progress,
};
use tessera_protocol::audit::{AuditFinding, AuditGrant, AuditRequest, AuditTask};
use tessera_protocol::lease::LeaseRequest;
use tessera_protocol::verdict::{Alike, Verdict};
use tessera_protocol::{BlobHash, KernelId, LeaseId};
use tessera_verify::audit::Look;
use tokio_util::sync::CancellationToken;

/// How long to wait after a failure that may pass, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Whom to look at results for, and with what.
#[derive(Debug, clap::Args)]
pub struct AuditorArguments {
    #[command(flatten)]
    master: MasterArguments,
    /// This auditor's own folder, for scenes
    #[arg(long, value_name = "DIR", default_value = ".tessera-auditor")]
    state: PathBuf,
    /// Threads that compute pixels
    #[arg(
        long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=256)
    )]
    threads: u16,
}

/// Audits until it is told to stop, or the master says no.
pub async fn run(
    arguments: &AuditorArguments,
    kernel: KernelId,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let (master, token) = (arguments.master.address()?, arguments.master.token()?);
    let files = arguments.state.join("files");
    std::fs::create_dir_all(&files)
        .with_context(|| format!("could not make the folder {}", files.display()))?;
    let auditor = Auditor {
        client: AuditorClient::new(master.clone(), token.clone())?,
        people: Client::new(master, Some(token))?,
        files,
        recompute: referee::referee(usize::from(arguments.threads)),
        stopping,
    };
    let request = AuditRequest { kernel, wait_ms: LeaseRequest::MAX_WAIT_MS };
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        let asked = tokio::select! {
            asked = auditor.client.lease(&request) => asked,
            () = auditor.stopping.cancelled() => return Ok(()),
        };
        let worked = match asked {
            Ok(None) => Ok(()),
            Ok(Some(grant)) => auditor.work(grant).await,
            Err(error) => Err(error.into()),
        };
        match worked {
            Ok(()) => backoff.reset(),
            Err(error) if is_final(&error) => return Err(error),
            Err(error) => {
                let pause = backoff.next_wait();
                tracing::warn!(%error, "trying again in {} s", pause.as_secs());
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = auditor.stopping.cancelled() => return Ok(()),
                }
            }
        }
    }
}

/// Whether asking again would be answered the same.
fn is_final(error: &anyhow::Error) -> bool {
    let status = error.downcast_ref::<ClientError>().and_then(ClientError::status);
    status.is_some_and(|status| matches!(status, 400..=499 if status != 408 && status != 429))
}

struct Auditor {
    client: AuditorClient,
    people: Client,
    files: PathBuf,
    recompute: Recompute,
    stopping: CancellationToken,
}

impl Auditor {
    /// Looks at all results of a grant, and says meanwhile that it is at work.
    async fn work(&self, grant: AuditGrant) -> anyhow::Result<()> {
        let (audit, expires_ms) = (grant.audit, grant.expires_after_ms.max(3));
        let beats = async {
            loop {
                tokio::time::sleep(Duration::from_millis(expires_ms / 3)).await;
                // One that gets lost is made up for by the next; the report says what became of it.
                let _ = self.client.heartbeat(audit).await;
            }
        };
        tokio::select! {
            worked = self.look_at_all(grant) => worked,
            () = beats => Ok(()),
        }
    }

    /// Looks at each result and says what it is.
    async fn look_at_all(&self, grant: AuditGrant) -> anyhow::Result<()> {
        self.fetch_files(&grant).await?;
        let AuditGrant { audit, job, spec, frame, results, .. } = grant;
        tracing::info!(%job, %frame, results = results.len(), "looking at a frame");
        let frame = Arc::new(UnauditedFrame { job, spec, frame, results: vec![] });
        for task in results {
            if self.stopping.is_cancelled() {
                return Ok(());
            }
            let lease = task.lease;
            let Some(finding) = self.look_at(&frame, task).await? else { return Ok(()) };
            match self.client.report(audit, &finding).await {
                Ok(()) => {}
                Err(error) if error.status() == Some(409) => {
                    tracing::warn!(%lease, %error, "others look at the rest of this frame by now");
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// What a result is; `None` where this program is told to stop.
    async fn look_at(
        &self,
        frame: &Arc<UnauditedFrame>,
        task: AuditTask,
    ) -> anyhow::Result<Option<AuditFinding>> {
        let lease = task.lease;
        let of = unaudited(frame, task);
        let mut bodies = HashMap::new();
        for lease in
            [Some(&of), of.first.as_deref()].into_iter().flatten().map(|of| of.result.lease)
        {
            match self.client.result(lease).await {
                Ok(Some(body)) => drop(bodies.insert(lease, body)),
                Ok(None) => {}
                // The master answers, and has no body to give: it looks at that itself.
                Err(error) if error.status().is_some() => {
                    tracing::error!(%lease, %error, "a result could not be fetched");
                }
                Err(error) => return Err(error.into()),
            }
        }
        let desk = OwnDesk {
            bodies,
            files: self.files.clone(),
            recompute: self.recompute.clone(),
            stopping: self.stopping.clone(),
        };
        let frame = frame.clone();
        let found = tokio::task::spawn_blocking(move || judge(&desk, &frame, &of)).await;
        let Findings { first, own } = match found.map_err(AuditError::from).flatten() {
            Ok(findings) => findings,
            Err(AuditError::Stopped) => return Ok(None),
            Err(error) => {
                tracing::error!(%lease, %error, "a result could not be looked at");
                Findings { first: None, own: Finding::Lost }
            }
        };
        let first = first.and_then(|first| verdict(first, true));
        Ok(Some(AuditFinding { lease, verdict: verdict(own, first.is_none()), first }))
    }

    /// Fetches the job's files that are not here, and removes those of other jobs.
    async fn fetch_files(&self, grant: &AuditGrant) -> anyhow::Result<()> {
        let light = grant.spec.settings.environment.map(|light| light.blob);
        let wanted: Vec<BlobHash> = [Some(grant.spec.scene), light].into_iter().flatten().collect();
        let unwanted = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            !wanted.iter().any(|blob| *name == blob.to_string())
        };
        let here = std::fs::read_dir(&self.files).context("could not read the folder of scenes")?;
        for path in here.filter_map(|entry| Some(entry.ok()?.path())).filter(unwanted) {
            std::fs::remove_file(&path)
                .with_context(|| format!("could not remove {}", path.display()))?;
        }
        for blob in &wanted {
            let path = self.files.join(blob.to_string());
            if !path.exists() {
                let file = Artefact::File(*blob);
                self.people.download(grant.job, file, &path, no_progress()).await?;
            }
        }
        Ok(())
    }
}

/// One result with its bytes, on this machine.
struct OwnDesk {
    bodies: HashMap<LeaseId, Vec<u8>>,
    files: PathBuf,
    recompute: Recompute,
    stopping: CancellationToken,
}

impl Desk for OwnDesk {
    fn body(&self, of: &Unaudited) -> Result<Option<Vec<u8>>, AuditError> {
        Ok(self.bodies.get(&of.result.lease).cloned())
    }

    fn compute(&self, frame: &UnauditedFrame, looks: &[Look]) -> Result<Recomputed, AuditError> {
        if self.stopping.is_cancelled() {
            return Err(AuditError::Stopped);
        }
        let file = |blob: BlobHash| self.files.join(blob.to_string());
        let light = frame.spec.settings.environment.map(|light| file(light.blob));
        let pixels: Vec<_> = looks.iter().map(referee::pixel).collect();
        let scene = file(frame.spec.scene);
        (self.recompute)(&scene, light.as_deref(), &frame.spec, frame.frame, &pixels)
            .map_err(|reason| AuditError::Scene { job: frame.job, frame: frame.frame, reason })
    }
}

fn unaudited(frame: &UnauditedFrame, task: AuditTask) -> Unaudited {
    let AuditTask { lease, commit, node, record, whole, secret, first } = task;
    Unaudited {
        // Which units these are is in the signed commit; where they lie, their master knows.
        result: StoredResult { job: frame.job, lease, commit, units: 0..0, beside: false },
        node,
        record,
        whole,
        secret,
        first: first.map(|first| Box::new(unaudited(frame, *first))),
    }
}

fn verdict(finding: Finding, enters: bool) -> Option<Verdict> {
    match finding {
        Finding::Verified { looked } => Some(Verdict::Verified { pixels: looked }),
        Finding::Alike { second, looked } => Some(Verdict::Alike(Alike { enters, second, looked })),
        Finding::Rejected(rejection) => Some(Verdict::Rejected(Box::new(rejection.wrong))),
        Finding::Lost => None,
    }
}
