//! What is looked at in a folder of receipts.
//!
//! Whatever is wrong becomes a finding, a sentence that names it; the rest is looked at all the same.
//! 1. The files are those that the job names.
//! 2. Each receipt is signed by its node and its master, about this job, kernel and settings; what was
//!    rejected is shown to be wrong.
//! 3. Every unit of the job has one verified result that entered its frame, and the rays add up.
//! 4. Where somebody paid, the sums of money ([`super::money`]).
//! 5. Of each frame ([`super::frame`]): the sums are those that were signed, as many pixels were
//!    looked at as the rules say, the frame's hash follows from them, and pixels of the reader's own
//!    choice are what the kernel makes of them. Of a tolerant job, both renders of a unit are as
//!    alike as was signed, and nearly all such pixels are within tolerance.

use super::folder::{ENVIRONMENT, SCENE, Told};
use super::{frame, money};
use anyhow::Context as _;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tessera_farm_core::plan::Plan;
use tessera_protocol::job::JobView;
use tessera_protocol::node::DeviceClass;
use tessera_protocol::receipt::Receipt;
use tessera_protocol::verdict::{Verdict, WrongPixel};
use tessera_protocol::{BlobHash, FrameNumber, LeaseId, MasterId, NodeId, ResultRoot, UnitIndex};
use tessera_reference::{Source, kernel_id};
use tessera_verify::alike::most_far;

/// Findings that are told; of a folder that is wrong throughout, the rest says nothing new.
const FINDINGS: usize = 100;

/// What was looked at, and what was found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Receipts of verified results, second renders of tolerant jobs among them.
    pub(crate) verified: u64,
    /// Receipts of rejected ones.
    pub(crate) rejected: u64,
    /// Units with a verified result.
    pub(crate) units: u64,
    /// Their rays.
    pub(crate) rays: u64,
    /// What they are paid with, in base units.
    pub(crate) paid: u64,
    /// Who signed.
    pub(crate) masters: BTreeSet<MasterId>,
    /// Whose work it is.
    pub(crate) nodes: BTreeSet<NodeId>,
    /// Pixels of the reader's own choice that were computed again.
    pub(crate) pixels: u64,
    /// Of a tolerant job: those of them that are not within tolerance.
    pub(crate) far: u64,
    /// Frames whose hash follows from their sums.
    pub(crate) frames: u64,
    /// What is wrong.
    pub(crate) findings: Vec<String>,
}

impl Report {
    pub(crate) fn finding(&mut self, sentence: String) {
        if self.findings.len() < FINDINGS {
            self.findings.push(sentence);
        }
    }
}

/// How to look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    /// Pixels to compute again, of all frames together.
    pub(crate) pixels: u64,
    /// Decides which.
    pub(crate) seed: [u8; 32],
    /// Threads to compute on.
    pub(crate) threads: usize,
    /// Whether units and frames may be missing: the job was cancelled, or is not done.
    pub(crate) partial: bool,
}

/// Checks a folder. An error means that there is nothing to check.
pub(crate) fn check(folder: &Path, how: How) -> anyhow::Result<Report> {
    let told = Told::read(folder)?;
    let plan = Plan::new(&told.job.spec).context("the job's settings cannot be")?;
    let mut report = Report::default();
    let source = check_files(&told, &mut report);
    let receipts = read_receipts(&told, &mut report);
    check_units(&told.job, &plan, &receipts, how.partial, &mut report);
    if let Some(settlement) = &told.settlement {
        money::check(settlement, receipts.values(), &mut report);
    }

    let mut by_frame: BTreeMap<FrameNumber, Vec<&Receipt>> = BTreeMap::new();
    for receipt in receipts.values() {
        let first = receipt.commit.results.first();
        if let Some(frame) = first.and_then(|result| plan.frame_of(result.unit)) {
            by_frame.entry(frame).or_default().push(receipt);
        }
    }
    if receipts.is_empty() {
        report.finding("there is not one receipt that is in order".to_owned());
    }
    let mut looker = frame::Looker::new(folder, &told, &plan, source, how);
    for (number, receipts) in by_frame {
        looker.look_at(number, &receipts, &mut report)?;
    }
    if report.far > most_far(report.pixels) {
        report.finding(format!(
            "{} of {} pixels that were computed again are not within tolerance",
            report.far, report.pixels
        ));
    }
    let frames = told.job.spec.frames;
    if report.frames < frames.count() && !how.partial {
        report.finding(format!(
            "{} of {} frames have no hash that follows from their sums",
            frames.count() - report.frames,
            frames.count()
        ));
    }
    Ok(report)
}

/// The scene, where its files are the job's and this program has the job's kernel.
fn check_files(told: &Told, report: &mut Report) -> Option<Source> {
    let spec = &told.job.spec;
    let mut right = true;
    let light = spec.settings.environment.map(|environment| environment.blob);
    let files = [
        (SCENE, Some(spec.scene), Some(&told.scene)),
        (ENVIRONMENT, light, told.environment.as_ref()),
    ];
    for (name, named, bytes) in files {
        let (Some(named), Some(bytes)) = (named, bytes) else { continue };
        let found = BlobHash::of(bytes);
        if found != named {
            right = false;
            report.finding(format!(
                "{name} is not the job's: its hash is {found} and the job names {named}"
            ));
        }
    }
    if !right {
        return None;
    }
    match Source::load(&told.scene, told.environment.as_deref()) {
        Ok(source) => Some(source),
        Err(error) => {
            report.finding(format!("the scene cannot be rendered: {error}"));
            None
        }
    }
}

/// The receipts that are ones, by their leases.
fn read_receipts(told: &Told, report: &mut Report) -> BTreeMap<LeaseId, Receipt> {
    let (mut receipts, own) = (BTreeMap::new(), kernel_id());
    for (line, text) in (1..).zip(&told.receipts) {
        let receipt: Receipt = match serde_json::from_str(text) {
            Ok(receipt) => receipt,
            Err(error) => {
                report.finding(format!("line {line} of the receipts is none: {error}"));
                continue;
            }
        };
        let commit = &receipt.commit;
        let lease = commit.lease;
        let mut wrong = |what: String| {
            report.finding(format!("the receipt of lease {lease} (line {line}): {what}"));
        };
        if let Err(fault) = receipt.check() {
            wrong(fault.to_string());
            continue;
        }
        if commit.job != told.job.id {
            wrong(format!("it is about job {}", commit.job));
            continue;
        }
        if commit.settings != told.job.spec.settings.hash() {
            wrong("it is about other settings than the job's".to_owned());
            continue;
        }
        if commit.kernel != own {
            wrong(format!(
                "it is about kernel {}, and this program computes with {own}: use the version that \
                 belongs to that kernel",
                commit.kernel
            ));
            continue;
        }
        let of_class = match receipt.verdict {
            Verdict::Verified { .. } => Some(DeviceClass::Exact),
            Verdict::Alike(_) => Some(DeviceClass::Tolerant),
            Verdict::Rejected(_) => None,
        };
        if of_class.is_some_and(|class| class != told.job.spec.class) {
            wrong("its verdict is one of another class of jobs".to_owned());
            continue;
        }
        if receipts.contains_key(&lease) {
            wrong("there is another one of the same lease".to_owned());
            continue;
        }
        report.masters.insert(receipt.master());
        report.nodes.insert(commit.node);
        match receipt.verdict.counts() {
            true => report.verified += 1,
            false => report.rejected += 1,
        }
        receipts.insert(lease, receipt);
    }
    report.masters.len().gt(&1).then(|| {
        report.finding("the receipts are of several masters".to_owned());
    });
    receipts
}

fn check_units(
    job: &JobView,
    plan: &Plan,
    receipts: &BTreeMap<LeaseId, Receipt>,
    partial: bool,
    report: &mut Report,
) {
    let mut done: BTreeMap<UnitIndex, (LeaseId, ResultRoot)> = BTreeMap::new();
    let mut twice = BTreeSet::new();
    for (lease, receipt) in receipts {
        if !receipt.verdict.enters() {
            continue;
        }
        for result in &receipt.commit.results {
            let unit = result.unit;
            if plan.unit(unit).is_none() {
                report.finding(format!("lease {lease} has unit {unit}, and the job has none"));
            } else if let Some((other, root)) = done.insert(unit, (*lease, result.root)) {
                // An exact unit that took long may have been rendered twice: to the same bits, and both are paid.
                // No unit is a third time.
                let is_second = twice.insert(unit) && root == result.root;
                if job.spec.class == DeviceClass::Tolerant || !is_second {
                    report
                        .finding(format!("unit {unit} is counted by lease {lease} and by {other}"));
                }
            } else {
                report.rays = report.rays.saturating_add(result.rays);
            }
        }
    }
    report.units = done.len() as u64;
    if report.units < plan.units() && !partial {
        let first = (0..plan.units()).map(UnitIndex).find(|unit| !done.contains_key(unit));
        let first = first.map_or_else(String::new, |unit| format!(", unit {unit} among them"));
        report.finding(format!(
            "{} of {} units have no receipt that verifies them{first}",
            plan.units() - report.units,
            plan.units()
        ));
    }
    if report.rays != job.rays {
        report.finding(format!(
            "the receipts come to {} rays and the job counts {}",
            report.rays, job.rays
        ));
    }
}

/// The pixel that a receipt was rejected for.
pub(crate) fn rejected_pixel(receipt: &Receipt) -> Option<&WrongPixel> {
    match &receipt.verdict {
        Verdict::Rejected(wrong) => wrong.pixel(),
        Verdict::Verified { .. } | Verdict::Alike(_) => None,
    }
}
