//! `farm jobs`, `show`, `why`, `nodes`: what the master knows, for people and programs.

use crate::show::Voice;
use crate::show::numbers::{ago, count, now_ms, percent, state};
use crate::show::table::Column::{Left, Right};
use crate::show::table::table;
use serde_json::json;
use tessera_client::Client;
use tessera_protocol::job::{FrameSpan, FrameView, JobView};
use tessera_protocol::log::{LogEntry, Outcome};
use tessera_protocol::node::{DeviceClass, NodeView};
use tessera_protocol::{JobId, NodeId};

/// Lists all jobs.
pub(crate) async fn jobs(client: &Client, voice: Voice) -> anyhow::Result<()> {
    let jobs = client.jobs().await?;
    voice.result(&jobs, || {
        if jobs.is_empty() {
            return "no jobs yet; `farm submit FILE.glb` makes one".into();
        }
        let now = now_ms();
        let rows: Vec<_> = jobs
            .iter()
            .map(|job| {
                vec![
                    job.id.to_string(),
                    job.spec.name.clone(),
                    state(job.state).into(),
                    format!("{} %", percent(job.units.verified, job.spec.units())),
                    format!("{}/{}", job.frames_done, job.frames_total),
                    ago(job.created_ms, now),
                ]
            })
            .collect();
        let columns = [
            Left("job"),
            Left("name"),
            Left("state"),
            Right("done"),
            Right("frames"),
            Left("made"),
        ];
        table(&columns, &rows)
    })
}

/// Shows one job and its frames.
pub(crate) async fn show(client: &Client, id: JobId, voice: Voice) -> anyhow::Result<()> {
    let job = client.job(id).await?;
    let frames = client.frames(id).await?;
    voice.result(&json!({"job": job, "frames": frames}), || {
        format!("{}\n{}", describe(&job), describe_frames(&frames))
    })
}

/// Says why a job stands where it stands.
pub(crate) async fn why(client: &Client, id: JobId, voice: Voice) -> anyhow::Result<()> {
    let whys = client.why(id).await?;
    voice.result(&whys, || {
        if whys.is_empty() {
            return "nothing holds this job up".into();
        }
        whys.iter().map(|why| format!("{}\n", why.sentence)).collect()
    })
}

/// Shows what became of a job's leases, the oldest first, as one reads.
pub(crate) async fn logs(
    client: &Client,
    id: JobId,
    last: u32,
    voice: Voice,
) -> anyhow::Result<()> {
    let mut entries = client.log(id, last).await?;
    entries.reverse();
    voice.result(&entries, || {
        if entries.is_empty() {
            return "no lease of this job has ended yet".into();
        }
        let now = now_ms();
        let row = |entry: &LogEntry| {
            let took =
                entry.took_ms.map_or_else(String::new, |ms| format!("{:.1} s", ms as f64 / 1e3));
            let outcome = match entry.outcome {
                Outcome::Submitted => "being checked",
                Outcome::Verified => "verified",
                Outcome::Rejected => "rejected",
                Outcome::Failed => "failed",
            };
            let said = entry.reason.as_deref().unwrap_or_default();
            vec![
                ago(entry.at_ms, now),
                entry.frame.to_string(),
                format!("{}+{}", entry.first_unit, entry.units),
                entry.node.to_string()[..8].to_owned(),
                took,
                outcome.to_owned(),
                // A node's own words: nothing in them moves the cursor.
                said.replace(|c: char| c.is_control(), " "),
            ]
        };
        let rows: Vec<_> = entries.iter().map(row).collect();
        let columns = [
            Left("ended"),
            Right("frame"),
            Left("units"),
            Left("node"),
            Right("took"),
            Left("outcome"),
            Left("because"),
        ];
        table(&columns, &rows)
    })
}

/// Why a node gets no work.
pub(crate) async fn why_node(client: &Client, id: NodeId, voice: Voice) -> anyhow::Result<()> {
    let whys = client.why_node(id).await?;
    voice.result(&whys, || whys.iter().map(|why| format!("{}\n", why.sentence)).collect())
}

/// Lists the nodes.
pub(crate) async fn nodes(client: &Client, voice: Voice) -> anyhow::Result<()> {
    let nodes = client.nodes().await?;
    voice.result(&nodes, || {
        if nodes.is_empty() {
            return "no node has joined yet; `render-node run` makes this machine one".into();
        }
        node_table(&nodes)
    })
}

/// The answer to a submit.
pub(crate) fn print_submitted(job: &JobView, voice: Voice) -> anyhow::Result<()> {
    for warning in job.warnings.iter().filter(|_| !voice.is_json()) {
        voice.remark(&format!("note: {warning}"));
    }
    voice.result(job, || {
        format!(
            "job {} is accepted: {} in {} units",
            job.id,
            frames_text(job.spec.frames),
            count(job.spec.units() as f64)
        )
    })
}

/// The answer to pause, resume, cancel and requeue.
pub(crate) fn print_state(job: &JobView, voice: Voice) -> anyhow::Result<()> {
    voice.result(job, || {
        let why = job.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("job {} is {}{why}", job.id, state(job.state))
    })
}

/// A job in a few lines.
pub(crate) fn describe(job: &JobView) -> String {
    let (spec, settings) = (&job.spec, &job.spec.settings);
    let why = job.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let mut text = format!(
        "{} · {}\n  state    {}{why}\n  frames   {}, {} of {} done, {} frames/s\n  \
         picture  {}x{}, {} samples, {} bounces, seed {}\n  \
         units    {} verified, {} submitted, {} leased, {} free\n  rays     {}\n",
        spec.name,
        job.id,
        state(job.state),
        frames_text(spec.frames),
        job.frames_done,
        job.frames_total,
        spec.fps,
        settings.width,
        settings.height,
        settings.spp,
        settings.max_bounces,
        settings.seed,
        job.units.verified,
        job.units.submitted,
        job.units.leased,
        job.units.free,
        count(job.rays as f64),
    );
    if let Some(money) = &job.money {
        let how = if money.settled { "all paid, the rest returned" } else { "at most" };
        text.push_str(&format!("  cost     {} of {}, {how}\n", money.charged, money.ceiling));
    }
    for warning in &job.warnings {
        text.push_str(&format!("  note     {warning}\n"));
    }
    text
}

/// What audits of a node's work found.
fn record(node: &NodeView) -> String {
    let of = &node.record;
    match (of.rejections, of.proven) {
        (0, true) => "proven".to_owned(),
        (0, false) => "new".to_owned(),
        (1, _) => "1 result rejected".to_owned(),
        (many, _) => format!("{many} results rejected"),
    }
}

/// What each node is and did.
pub(crate) fn node_table(nodes: &[NodeView]) -> String {
    let now = now_ms();
    let all: u64 = nodes.iter().map(|node| node.units_verified).sum();
    let rows: Vec<_> = nodes
        .iter()
        .map(|node| {
            let class = match node.class {
                DeviceClass::Exact => "exact",
                DeviceClass::Tolerant => "tolerant",
            };
            vec![
                node.name.clone(),
                node.device.backend.clone(),
                node.device.device.clone(),
                class.into(),
                record(node),
                ago(node.last_seen_ms, now),
                node.units_leased.to_string(),
                node.units_verified.to_string(),
                format!("{} %", percent(node.units_verified, all)),
                count(node.rays_verified as f64),
            ]
        })
        .collect();
    let columns = [
        Left("node"),
        Left("backend"),
        Left("device"),
        Left("class"),
        Left("record"),
        Left("heard"),
        Right("at work"),
        Right("units"),
        Right("share"),
        Right("rays"),
    ];
    table(&columns, &rows)
}

fn describe_frames(frames: &[FrameView]) -> String {
    let rows: Vec<_> = frames
        .iter()
        .map(|frame| {
            vec![
                frame.frame.to_string(),
                format!("{} %", percent(frame.verified, frame.units)),
                frame.hash.map_or_else(|| "not assembled yet".into(), |hash| hash.to_string()),
            ]
        })
        .collect();
    table(&[Right("frame"), Right("units"), Left("hash")], &rows)
}

fn frames_text(frames: FrameSpan) -> String {
    if frames.count() == 1 {
        format!("frame {}", frames.first)
    } else {
        format!("frames {}-{}", frames.first, frames.last)
    }
}
