//! What lies where.

use anyhow::Context as _;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use tessera_protocol::LeaseId;
use tessera_protocol::finance::SettlementView;
use tessera_protocol::job::{FrameView, JobView};

/// The job as its master showed it.
pub(crate) const JOB: &str = "job.json";
/// Its frames, with their hashes.
pub(crate) const FRAMES: &str = "frames.json";
/// What became of its money, where somebody paid.
pub(crate) const SETTLEMENT: &str = "settlement.json";
/// A receipt a line, in the order of leases.
pub(crate) const RECEIPTS: &str = "receipts.jsonl";
/// The scene.
pub(crate) const SCENE: &str = "scene.glb";
/// The environment, where the job has one.
pub(crate) const ENVIRONMENT: &str = "environment.hdr";
/// What each verified lease brought, by its id.
pub(crate) const RESULTS: &str = "results";

/// Where a lease's sums lie.
pub(crate) fn result(folder: &Path, lease: LeaseId) -> PathBuf {
    folder.join(RESULTS).join(lease.to_string())
}

/// What a folder says without its sums.
pub(crate) struct Told {
    pub(crate) job: JobView,
    pub(crate) frames: Vec<FrameView>,
    pub(crate) settlement: Option<SettlementView>,
    /// Each line of the receipts.
    pub(crate) receipts: Vec<String>,
    pub(crate) scene: Vec<u8>,
    pub(crate) environment: Option<Vec<u8>>,
}

impl Told {
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let job: JobView = json(folder, JOB)?;
        let environment = match job.spec.settings.environment {
            Some(_) => Some(bytes(folder, ENVIRONMENT)?),
            None => None,
        };
        let receipts = String::from_utf8(bytes(folder, RECEIPTS)?)
            .with_context(|| format!("{RECEIPTS} is no text"))?;
        Ok(Self {
            frames: json(folder, FRAMES)?,
            settlement: job.money.map(|_| json(folder, SETTLEMENT)).transpose()?,
            receipts: receipts.lines().map(str::to_owned).collect(),
            scene: bytes(folder, SCENE)?,
            environment,
            job,
        })
    }
}

fn bytes(folder: &Path, name: &str) -> anyhow::Result<Vec<u8>> {
    let path = folder.join(name);
    std::fs::read(&path).with_context(|| {
        format!(
            "cannot read {}: `farm receipt JOB -o {}` fetches it",
            path.display(),
            folder.display()
        )
    })
}

fn json<T: DeserializeOwned>(folder: &Path, name: &str) -> anyhow::Result<T> {
    serde_json::from_slice(&bytes(folder, name)?)
        .with_context(|| format!("{name} is not what `farm receipt` wrote"))
}
