//! What some bad nodes cost a job: it ends all the same, within a factor of the time that the good ones would need.
//!
//! A real master; nodes that speak the real protocol, and whose rendering is a pause, so that twenty of them fit on
//! a machine and none disturbs another.

use crate::nodes::{Account, Joined, Work, accounts, join_all};
use crate::{NO_AIM, row};
use anyhow::ensure;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tessera_client::ClientError;
use tessera_protocol::job::JobState;
use tessera_protocol::lease::LeaseGrant;
use world::farm::Farm;

/// A lease ends when its node was silent for three of them.
const HEARTBEAT: Duration = Duration::from_secs(1);
const GOOD: usize = 16;
const BAD: usize = 4;
/// How long a unit takes a good node.
const UNIT: Duration = Duration::from_millis(500);
/// 400 units.
const SIDE: u32 = 240;
/// How long a node is away that was killed.
const AWAY: Duration = Duration::from_secs(2);
/// How long a node waits for work before it asks again.
const WAIT: Duration = Duration::from_secs(2);

/// What is wrong with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Nothing.
    None,
    /// It is killed while it renders, and started again a while later, each time.
    Killed,
    /// It renders on but is not heard, until its lease is another's.
    CutOff,
    /// It takes ten times as long.
    Slow,
    /// It brings what is not the picture.
    Garbage,
}

/// How a job went.
struct Went {
    seconds: f64,
    /// What of the good nodes' time went by without work, from the lease of the last free unit on.
    idle: f64,
}

pub(crate) async fn endure() -> anyhow::Result<()> {
    let work = Arc::new(Work::paint(SIDE)?);
    let ideal_s = work.units() as f64 * UNIT.as_secs_f64() / GOOD as f64;
    for (what, fault, straggler_times) in [
        ("none", Fault::None, "2"),
        ("killed again and again", Fault::Killed, "2"),
        ("cut off", Fault::CutOff, "2"),
        ("sending garbage", Fault::Garbage, "2"),
        ("ten times as slow", Fault::Slow, "2"),
        ("ten times as slow, no second leases", Fault::Slow, "0"),
    ] {
        let Went { seconds, idle } = job_among(&work, fault, straggler_times).await?;
        let how = format!(
            "{} units; {GOOD} good nodes take {} ms a unit, and {BAD} are like that; ideally the good ones alone take \
             {ideal_s:.1} s. Idle is what of the good ones' time went by from the last free unit's lease on",
            work.units(),
            UNIT.as_millis()
        );
        let figure =
            format!("{:.2} x ideal, {:.0} % idle at its end", seconds / ideal_s, 100.0 * idle);
        row(&format!("a job among bad nodes: {what}"), &figure, NO_AIM, &how);
    }
    Ok(())
}

async fn job_among(work: &Arc<Work>, fault: Fault, straggler_times: &str) -> anyhow::Result<Went> {
    let farm = Farm::new(HEARTBEAT);
    let _master = farm.start_master_with(&["--straggler-times", straggler_times]);
    let operator = farm.client().await;
    let nodes = join_all(&farm, &operator, GOOD + BAD).await?;
    let Account { client, spec } = accounts(&farm, &operator, work, 1).await?.swap_remove(0);
    let over = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let job = client.submit(&spec, "faults").await?.id;
    let tasks: Vec<_> = nodes
        .into_iter()
        .enumerate()
        .map(|(number, node)| {
            let fault = if number < GOOD { Fault::None } else { fault };
            let node = Node { joined: node, fault, over: over.clone(), work: work.clone() };
            tokio::spawn(node.take_part())
        })
        .collect();
    let seconds = loop {
        let now = client.job(job).await?;
        if now.units.verified == spec.units() {
            break begun.elapsed().as_secs_f64();
        }
        ensure!(now.state == JobState::Active, "the job is {:?}: {:?}", now.state, now.reason);
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    over.store(true, Ordering::Relaxed);
    let mut busy = vec![];
    for task in tasks {
        busy.push(task.await??);
    }
    busy.truncate(GOOD);
    // From the last lease that a good node got for units that were free: no later than its first wait in vain.
    let ends = begun + Duration::from_secs_f64(seconds);
    let dry = busy.iter().filter_map(|node| node.dry).min().unwrap_or(ends);
    let tail = (ends - dry.min(ends)).as_secs_f64();
    let at_work: f64 = busy.iter().map(|node| node.since(dry, ends)).sum();
    let idle = if tail > 0.0 { 1.0 - at_work / (tail * GOOD as f64) } else { 0.0 };
    Ok(Went { seconds, idle })
}

struct Node {
    joined: Arc<Joined>,
    fault: Fault,
    over: Arc<AtomicBool>,
    work: Arc<Work>,
}

/// When a node had work.
#[derive(Default)]
struct Busy {
    spans: Vec<(Instant, Instant)>,
    /// When it found no work first.
    dry: Option<Instant>,
}

impl Busy {
    /// How much of it lay between two moments, in seconds.
    fn since(&self, from: Instant, to: Instant) -> f64 {
        let part = |(begin, end): &(Instant, Instant)| {
            (*end).min(to).saturating_duration_since((*begin).max(from)).as_secs_f64()
        };
        self.spans.iter().map(part).sum()
    }
}

impl Node {
    async fn take_part(self) -> anyhow::Result<Busy> {
        let mut busy = Busy::default();
        while !self.over.load(Ordering::Relaxed) {
            let asked = Instant::now();
            let found = match self.joined.lease(WAIT).await {
                // A node whose results were rejected gets no more work.
                Err(ClientError::Refused { .. }) if self.fault == Fault::Garbage => {
                    return Ok(busy);
                }
                found => found?,
            };
            if asked.elapsed() > UNIT / 4 {
                busy.dry.get_or_insert(asked);
            }
            if let Some(grant) = found {
                let begun = Instant::now();
                self.render(&grant).await?;
                busy.spans.push((begun, Instant::now()));
            }
        }
        Ok(busy)
    }

    async fn render(&self, grant: &LeaseGrant) -> anyhow::Result<()> {
        match self.fault {
            Fault::Killed => {
                tokio::time::sleep(UNIT / 2 + AWAY).await;
                return Ok(());
            }
            Fault::CutOff => tokio::time::sleep(4 * HEARTBEAT).await,
            Fault::Slow => {
                let ends = Instant::now() + 10 * UNIT;
                while Instant::now() < ends && !self.over.load(Ordering::Relaxed) {
                    tokio::time::sleep(HEARTBEAT / 2).await;
                    self.joined.client.heartbeat(grant.lease).await?;
                }
            }
            Fault::None | Fault::Garbage => tokio::time::sleep(UNIT).await,
        }
        let spoilt = self.fault == Fault::Garbage;
        match self.joined.bring(&self.work, grant, spoilt).await {
            // It came too late: the lease is another's, or the job is over.
            Err(ClientError::Refused { .. }) => Ok(()),
            brought => Ok(brought.map(drop)?),
        }
    }
}
