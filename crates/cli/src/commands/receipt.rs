//! `farm receipt`, `farm verify`, `farm dispute`: what proves a job's work, and whether it does.

use crate::args::{DisputeArgs, ReceiptArgs, VerifyArgs};
use crate::proof::check::{How, check, rejected_pixel};
use crate::proof::folder::{
    ENVIRONMENT, FRAMES, JOB, RECEIPTS, RESULTS, SCENE, SETTLEMENT, result,
};
use crate::show::Voice;
use anyhow::{Context as _, bail};
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::json;
use std::path::Path;
use std::time::Instant;
use tessera_client::{Artefact, Client, no_progress};
use tessera_farm_core::plan::Plan;
use tessera_protocol::job::{JobState, JobView};
use tessera_protocol::receipt::Receipt;
use tessera_protocol::verdict::{Alike, Second, Verdict, WrongPixel};
use tessera_protocol::{Amount, PixelSum, SampleRange};
use tessera_reference::{Pixel, Source, kernel_id, sums};

/// Files fetched at a time.
const AT_ONCE: usize = 4;

/// Fetches a job's receipts and all that is needed to check them.
pub(crate) async fn fetch(client: &Client, args: &ReceiptArgs, voice: Voice) -> anyhow::Result<()> {
    let job = client.job(args.job).await?;
    if matches!(job.state, JobState::Active | JobState::Paused | JobState::Failed) {
        bail!("job {} has not ended: what is final of it grows still", job.id);
    }
    let receipts = client.receipts(job.id).await?;
    let folder = &args.output;
    std::fs::create_dir_all(folder.join(RESULTS))
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    fetch_files(client, &job, folder).await?;
    let counting = receipts.iter().filter(|receipt| receipt.verdict.counts());
    futures::stream::iter(counting)
        .map(|receipt| async {
            let lease = receipt.commit.lease;
            let path = result(folder, lease);
            if !path.exists() {
                client.download_result(lease, &path, no_progress()).await?;
            }
            anyhow::Ok(())
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    let mut lines = String::new();
    for receipt in &receipts {
        lines.push_str(&serde_json::to_string(receipt)?);
        lines.push('\n');
    }
    write(folder, RECEIPTS, lines.as_bytes())?;
    write(folder, FRAMES, &serde_json::to_vec_pretty(&client.frames(job.id).await?)?)?;
    write(folder, JOB, &serde_json::to_vec_pretty(&job)?)?;
    if job.money.is_some() {
        let settlement = client.settlement(job.id).await?;
        write(folder, SETTLEMENT, &serde_json::to_vec_pretty(&settlement)?)?;
    }
    voice.result(&json!({"job": job.id, "folder": folder, "receipts": receipts.len()}), || {
        let folder = folder.display();
        format!(
            "{} receipts of job {} are in {folder}, with the scene and all sums: `farm verify \
             {folder}` checks them, here or anywhere, without the master",
            receipts.len(),
            job.id
        )
    })
}

async fn fetch_files(client: &Client, job: &JobView, folder: &Path) -> anyhow::Result<()> {
    let light = job.spec.settings.environment.map(|environment| environment.blob);
    for (name, blob) in [(SCENE, Some(job.spec.scene)), (ENVIRONMENT, light)] {
        if let Some(blob) = blob {
            client
                .download(job.id, Artefact::File(blob), &folder.join(name), no_progress())
                .await?;
        }
    }
    Ok(())
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let path = folder.join(name);
    std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Checks a folder of receipts; fails where anything is wrong.
pub(crate) fn verify(args: &VerifyArgs, voice: Voice) -> anyhow::Result<()> {
    let mut seed = [0; 32];
    match &args.seed {
        Some(text) => hex::decode_to_slice(text, &mut seed)
            .context("a seed is 64 hexadecimal digits, as an earlier run printed it")?,
        None => getrandom::fill(&mut seed)?,
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut report =
        check(&args.folder, How { pixels: args.pixels, seed, threads, partial: args.partial })?;
    if let Some(master) = args.signed_by {
        for signer in report.masters.clone() {
            if signer != master {
                report.finding(format!("the receipts are of master {signer}, not of {master}"));
            }
        }
    }
    voice.result(&report, || {
        let masters: Vec<_> = report.masters.iter().map(ToString::to_string).collect();
        let mut text: String =
            report.findings.iter().map(|finding| format!("WRONG: {finding}\n")).collect();
        text.push_str(&format!(
            "{} receipts, {} of them rejections; {} units and {} rays of {} nodes; {} frames follow \
             from their sums; {} pixels chosen here (seed {}) were computed again; {} was earned with \
             them\nsigned by master {}\n",
            report.verified + report.rejected,
            report.rejected,
            report.units,
            report.rays,
            report.nodes.len(),
            report.frames,
            report.pixels,
            hex::encode(seed),
            Amount(report.paid),
            masters.join(", ")
        ));
        text
    })?;
    match report.findings.len() {
        0 => Ok(()),
        1 => bail!("1 thing is wrong with these receipts"),
        many => bail!("{many} things are wrong with these receipts"),
    }
}

/// Shows what an audit found of a lease, and computes it here.
pub(crate) async fn dispute(
    client: &Client,
    args: &DisputeArgs,
    voice: Voice,
) -> anyhow::Result<()> {
    let receipt = client.receipt(args.lease).await?;
    if receipt.commit.lease != args.lease {
        bail!("the master shows the receipt of another lease, {}", receipt.commit.lease);
    }
    let signed = match receipt.check() {
        Ok(()) => "signed by its node and by the master".to_owned(),
        Err(fault) => format!("NOT IN ORDER: {fault}"),
    };
    let Some(wrong) = rejected_pixel(&receipt) else {
        let outcome = match &receipt.verdict {
            Verdict::Verified { pixels } => {
                format!("verified: {pixels} pixels were computed again")
            }
            Verdict::Alike(alike) => describe_alike(alike),
            Verdict::Rejected(wrong) => format!("rejected: {wrong}"),
        };
        return voice.result(&receipt, || {
            format!("lease {} was {outcome}\n  the receipt is {signed}", args.lease)
        });
    };
    let recomputed = recompute(client, &receipt, wrong).await?;
    let value = json!({
        "receipt": receipt, "recomputed": recomputed.whole, "right": recomputed.who(wrong),
        "milliseconds": recomputed.milliseconds,
    });
    voice.result(&value, || describe(&receipt, wrong, &recomputed, &signed))
}

fn describe_alike(alike: &Alike) -> String {
    let beside = match alike.second {
        Some(Second { lease, within_ppm, distance }) => format!(
            "beside lease {lease}, {:.2} % of the pixels of the least alike unit are within tolerance, \
             and the perceptual hashes differ in {distance} bits",
            f64::from(within_ppm) / 1e4
        ),
        None => "by itself".to_owned(),
    };
    match alike.looked {
        0 => format!("verified: {beside}"),
        looked => format!("verified: {beside}; {looked} pixels were computed again"),
    }
}

/// One pixel, computed here.
struct Recomputed {
    whole: PixelSum,
    /// Of each sample by itself.
    samples: Vec<PixelSum>,
    milliseconds: f64,
}

impl Recomputed {
    /// Who is right.
    fn who(&self, wrong: &WrongPixel) -> &'static str {
        match self.whole {
            whole if whole == wrong.found => "master",
            whole if whole == wrong.signed => "node",
            _ => "neither",
        }
    }
}

async fn recompute(
    client: &Client,
    receipt: &Receipt,
    wrong: &WrongPixel,
) -> anyhow::Result<Recomputed> {
    let kernel = receipt.commit.kernel;
    if kernel != kernel_id() {
        bail!(
            "the lease is of kernel {kernel} and this program has {}: use the version that belongs to \
             that kernel",
            kernel_id()
        );
    }
    let job = client.job(receipt.commit.job).await?;
    let settings = &job.spec.settings;
    let unit = Plan::new(&job.spec)?.unit(wrong.unit);
    if !unit.is_some_and(|unit| wrong.is_of(&unit)) {
        bail!("the pixel that the lease was rejected for is not where the master says it is");
    }
    let folder = tempfile::tempdir().context("cannot make a folder for the scene")?;
    fetch_files(client, &job, folder.path()).await?;
    let read = |name: &str| std::fs::read(folder.path().join(name));
    let light = settings.environment.map(|_| read(ENVIRONMENT)).transpose()?;
    let mut source = Source::load(&read(SCENE)?, light.as_deref())?;
    let frame = source.frame(settings, wrong.frame, job.spec.time_s(wrong.frame))?;
    // What the node signed decides which scene and settings these are, not what is shown now.
    if frame.hash != receipt.commit.scene || settings.hash() != receipt.commit.settings {
        bail!("the master shows another scene or other settings than the node signed for");
    }
    let pixel = |samples| Pixel { x: wrong.x, y: wrong.y, samples };
    let begun = Instant::now();
    let whole = sums(&frame, &[pixel(wrong.samples)], 1)[0];
    let milliseconds = begun.elapsed().as_secs_f64() * 1000.0;
    let SampleRange { start, end } = wrong.samples;
    let each: Vec<_> =
        (start..end).map(|start| pixel(SampleRange { start, end: start + 1 })).collect();
    Ok(Recomputed { whole, samples: sums(&frame, &each, 1), milliseconds })
}

fn describe(
    receipt: &Receipt,
    wrong: &WrongPixel,
    recomputed: &Recomputed,
    signed: &str,
) -> String {
    let line = |who: &str, sum: &PixelSum| {
        format!("  {who:<9} {:>16} {:>16} {:>16} {:>8}\n", sum.r, sum.g, sum.b, sum.rays)
    };
    let verdict = match recomputed.who(wrong) {
        "master" => "the node is wrong, and the rejection right",
        "node" => "the node is right, and the rejection WRONG",
        _ => "neither is right",
    };
    // A person looks best at the sample that counts most.
    let weight = |sum: &&PixelSum| sum.r.saturating_add(sum.g).saturating_add(sum.b);
    let brightest = (wrong.samples.start..).zip(&recomputed.samples).max_by_key(|(_, s)| weight(s));
    let brightest = brightest.map_or_else(String::new, |(sample, sum)| {
        let counts = |part: u64| part as f64 / 2f64.powi(24);
        format!(
            "  of its {} samples, {sample} counts most: radiance {:.4}, {:.4}, {:.4} in {} rays\n",
            recomputed.samples.len(),
            counts(sum.r),
            counts(sum.g),
            counts(sum.b),
            sum.rays
        )
    });
    format!(
        "lease {} was rejected: {}\n  {:<9} {:>16} {:>16} {:>16} {:>8}\n{}{}{}  {verdict} (computed in \
         {:.1} ms)\n{brightest}  the receipt is {signed}\n",
        receipt.commit.lease,
        wrong,
        "sums",
        "red",
        "green",
        "blue",
        "rays",
        line("node", &wrong.signed),
        line("master", &wrong.found),
        line("here", &recomputed.whole),
        recomputed.milliseconds
    )
}
