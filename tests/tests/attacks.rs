//! Goal: whoever cheats is found, gets nothing into a frame and soon no more work; whoever does not
//! is never rejected.
//!
//! Method: a real master; for each cheat a job, a node that speaks the real protocol and cheats in
//! every unit, and an honest one that does what is left. `bench attacks` has the statistics.
#![forbid(unsafe_code)]

use std::time::Duration;
use tessera_client::{Client, ClientError};
use tessera_protocol::lease::{LeaseGrant, Unit};
use tessera_protocol::node::DeviceClass;
use tessera_protocol::settings::RenderSettings;
use tessera_protocol::token::TokenScope;
use tessera_protocol::verdict::Verdict;
use tessera_protocol::{FrameNumber, JobId, PixelSum, SampleRange, UnitIndex, sums};
use world::cheat::{Cheat, Painter};
use world::farm::Farm;
use world::process::{eventually, program};
use world::puppet::{Puppet, bait, paint, painter};

/// What became of a node's work.
#[derive(Debug)]
struct Outcome {
    sent: u64,
    /// Of those, units that came out right all the same: a sky needs no bounces.
    right: u64,
    /// Units sent when the first was rejected.
    caught_after: Option<u64>,
    barred: bool,
}

/// Takes unit after unit and cheats in each, until there is no more, or no more for it.
async fn work(node: &Puppet, client: &Client, painter: &mut Painter, cheat: Cheat) -> Outcome {
    let mut outcome = Outcome { sent: 0, right: 0, caught_after: None, barred: false };
    loop {
        let grant = match node.lease(1).await {
            Ok(Some(grant)) => grant,
            Ok(None) => return outcome,
            Err(refused) => {
                assert!(refused.to_string().contains("rejected"), "{refused}");
                outcome.barred = true;
                return outcome;
            }
        };
        outcome.sent += grant.units.len() as u64;
        let all = paint(&grant, painter, cheat, outcome.sent);
        let honest = paint(&grant, painter, Cheat::Honest, 0);
        outcome.right +=
            all.iter().zip(&honest).filter(|(unit, right)| unit == right).count() as u64;
        let body = node.signed(&grant, painter, &all, |_| ());
        node.send(grant.lease, body).await.expect("its structure is right");
        // All of it: what is caught has what it brought before looked at again.
        eventually("nothing waits for an audit", async || {
            let job = client.job(grant.job).await.ok()?;
            (job.units.submitted == 0).then_some(())
        })
        .await;
        if node.view(client).await.record.rejections > 0 {
            outcome.caught_after.get_or_insert(outcome.sent);
        }
    }
}

/// The hash of a whole frame of the job, rendered in one.
fn right(painter: &mut Painter, settings: &RenderSettings, frame: FrameNumber) -> String {
    let whole = Unit {
        index: UnitIndex(0),
        frame,
        rect: settings.frame_rect(),
        samples: SampleRange { start: 0, end: settings.spp },
    };
    sums::hash(&painter.paint(Cheat::Honest, settings, &whole, 0)).to_string()
}

/// Receipts of a job, with rejections among them, check without the master; and the rejection is
/// shown to be right.
async fn assert_proven(farm: &Farm, client: &Client, job: JobId, cheater: &Puppet) {
    let ask = async |arguments: &[&str]| {
        let output = tokio::process::Command::new(program("farm"))
            .args(arguments)
            .args(["--json", "--master", &farm.url()])
            .env("TESSERA_TOKEN", std::fs::read_to_string(farm.token_file()).unwrap().trim())
            .current_dir(farm.path())
            .output()
            .await
            .expect("farm runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("JSON")
    };
    let folder = format!("proof-{job}");
    ask(&["receipt", &job.to_string(), "-o", &folder]).await;
    let report = ask(&["verify", &folder]).await;
    assert!(report["rejected"].as_u64().unwrap() > 0, "{report}");
    assert_eq!(report["findings"].as_array().unwrap().len(), 0, "{report}");

    let receipts = client.receipts(job).await.expect("receipts");
    let own = receipts.iter().find(|receipt| {
        receipt.commit.node == cheater.key.node() && matches!(receipt.verdict, Verdict::Rejected(_))
    });
    let lease = own.expect("one was rejected").commit.lease;
    let answer = ask(&["dispute", &lease.to_string()]).await;
    assert_eq!(answer["right"], "master", "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_cheat_is_found_and_no_honest_node_is_rejected() {
    let farm = Farm::new(Duration::from_secs(60));
    let _master = farm.start_master();
    let client = farm.client().await;
    let honest = Puppet::join(&farm, &client, "honest").await;
    let mut painter = painter();
    let spec = bait(&client, farm.path()).await;
    let right: Vec<_> = [0, 1]
        .map(|frame| right(&mut painter, &spec.settings, FrameNumber(frame)))
        .into_iter()
        .collect();

    for (n, cheat) in Cheat::ALL.into_iter().enumerate() {
        let name = cheat.name();
        let job = client.submit(&spec, &format!("job {n}")).await.expect("a job").id;
        let cheater = Puppet::join(&farm, &client, &name).await;
        let outcome = work(&cheater, &client, &mut painter, cheat).await;
        println!("{name}: {outcome:?}");
        let finished = work(&honest, &client, &mut painter, Cheat::Honest).await;
        assert_eq!(finished.caught_after, None, "the honest node after {name}");
        let done = farm.completed(&client, job).await;
        assert_eq!(done.units.verified, spec.units());
        // One pixel in 4,096 has too many rays: that is found now and then, and costs more than it
        // brings.
        if cheat == Cheat::OnePixelsRays {
            continue;
        }
        assert!(outcome.caught_after.is_some(), "{name} was not found: {outcome:?}");
        // A unit in five passes, and once in six hundred times all four of a frame do.
        if cheat == Cheat::FalsePercent(1) {
            continue;
        }
        assert_proven(&farm, &client, job, &cheater).await;
        let frames = client.frames(job).await.expect("frames");
        let hashes: Vec<_> = frames.iter().map(|f| f.hash.expect("done").to_string()).collect();
        assert_eq!(hashes, right, "{name} left traces");
        let earned = cheater.view(&client).await.units_verified;
        assert!(earned <= outcome.right, "{name} was paid for false units: {outcome:?}");
    }
    assert_eq!(honest.view(&client).await.record.rejections, 0);
}

/// The code of a refusal.
fn code<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> String {
    match answer.unwrap_err() {
        ClientError::Refused { problem, .. } | ClientError::Unauthorised { problem, .. } => {
            problem.kind.strip_prefix("/problems/").expect("a code").to_owned()
        }
        other => panic!("{other}"),
    }
}

fn honest(grant: &LeaseGrant, painter: &mut Painter) -> Vec<Vec<PixelSum>> {
    paint(grant, painter, Cheat::Honest, 0)
}

/// How often each attack at the door is tried, by a key of its own each time.
const TRIES: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_again_elsewhere_or_afterwards_counts_for_nothing() {
    let farm = Farm::new(Duration::from_secs(60));
    let _master = farm.start_master();
    let client = farm.client().await;
    let mut painter = painter();
    let spec = bait(&client, farm.path()).await;
    for n in 0..TRIES {
        let job = client.submit(&spec, &format!("one {n}")).await.expect("a job").id;
        let cheater = Puppet::join(&farm, &client, &format!("cheater {n}")).await;
        let lease = async || cheater.lease(1).await.unwrap().expect("there is work");
        let first = lease().await;
        let sums = honest(&first, &mut painter);
        let body = cheater.signed(&first, &mut painter, &sums, |_| ());
        let accepted = cheater.send(first.lease, body.clone()).await.expect("it is honest");
        assert_eq!(accepted.accepted, 1);
        // The same again gets the same answer, and counts no second time.
        assert_eq!(cheater.send(first.lease, body.clone()).await.unwrap(), accepted);

        // An old commit for another lease: as it was, and signed anew with the old units.
        let second = lease().await;
        assert_eq!(code(cheater.send(second.lease, body.clone()).await), "units-differ");
        let again = cheater.signed(&second, &mut painter, &sums, |commit| {
            commit.results[0].unit = first.units[0].index;
        });
        assert_eq!(code(cheater.send(second.lease, again).await), "units-differ");
        let old_secret =
            cheater.signed(&second, &mut painter, &sums, |commit| commit.secret = first.secret);
        assert_eq!(code(cheater.send(second.lease, old_secret).await), "lease-differs");

        // The result changed after it was signed.
        let right = honest(&second, &mut painter);
        let mut changed = right.clone();
        changed[0][n].r += 1;
        let root = tessera_protocol::tree::root(&right[0]);
        let afterwards =
            cheater.signed(&second, &mut painter, &changed, |commit| commit.results[0].root = root);
        assert_eq!(code(cheater.send(second.lease, afterwards).await), "hash-differs");

        // Another's work, and under another's lease.
        let thief = Puppet::join(&farm, &client, &format!("thief {n}")).await;
        let stolen = cheater.signed(&second, &mut painter, &right, |_| ());
        assert_eq!(code(thief.send(second.lease, stolen.clone()).await), "lease-ended");
        let own = thief.lease(1).await.unwrap().expect("there is work");
        assert_eq!(code(thief.send(own.lease, stolen).await), "units-differ");

        // On another job.
        client.pause(job).await.expect("it pauses");
        let other = client.submit(&spec, &format!("other {n}")).await.expect("a job").id;
        let elsewhere = lease().await;
        assert_eq!(elsewhere.job, other);
        let moved = cheater.signed(&elsewhere, &mut painter, &sums, |commit| commit.job = job);
        assert_eq!(code(cheater.send(elsewhere.lease, moved).await), "units-differ");

        // Two commits for one lease.
        let before = cheater.view(&client).await.record.rejections;
        let one = cheater.signed(&second, &mut painter, &right, |_| ());
        cheater.send(second.lease, one).await.expect("it is honest");
        let two = cheater.signed(&second, &mut painter, &changed, |_| ());
        assert_eq!(code(cheater.send(second.lease, two).await), "commit-differs");
        let after = cheater.view(&client).await.record.rejections;
        assert_eq!((before, after), (0, 1), "its signatures are proof");
        for job in [job, other] {
            client.cancel(job).await.expect("it ends");
        }
    }
    println!("{TRIES} tries of each: every one refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_only_takes_leases_and_drops_them_holds_up_nobody() {
    let farm = Farm::new(Duration::from_secs(60));
    // What the dropper holds would else be leased to the honest node as well, once it is late.
    let _master = farm.start_master_with(&["--straggler-times", "0"]);
    let client = farm.client().await;
    let mut painter = painter();
    let mut spec = bait(&client, farm.path()).await;
    spec.tile = 16;
    let job = client.submit(&spec, "job").await.expect("a job").id;
    let dropper = Puppet::join(&farm, &client, "dropper").await;
    let mut taken = vec![];
    for _ in 0..8 {
        let grant = dropper.lease(u64::MAX).await.unwrap().expect("there is work");
        taken.push(grant.units.len());
        dropper.drop_lease(grant.lease).await;
    }
    assert_eq!(taken, [32, 16, 8, 4, 2, 1, 1, 1]);
    let held = dropper.lease(u64::MAX).await.unwrap().expect("there is work");
    assert_eq!(held.units.len(), 1);
    assert!(dropper.lease(u64::MAX).await.unwrap().is_none(), "one unit at a time");

    let honest = Puppet::join(&farm, &client, "honest").await;
    let outcome = work(&honest, &client, &mut painter, Cheat::Honest).await;
    assert_eq!((outcome.sent, outcome.caught_after), (spec.units() - 1, None));
    // The last unit comes back when its holder falls silent; here it does the work after all.
    let sums = paint(&held, &mut painter, Cheat::Honest, 0);
    let body = dropper.signed(&held, &mut painter, &sums, |_| ());
    dropper.send(held.lease, body).await.expect("it is honest");
    farm.completed(&client, job).await;
    assert_eq!(dropper.view(&client).await.record.abandoned, 0, "work makes up for it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sybils_that_confirm_each_other_are_found() {
    let farm = Farm::new(Duration::from_secs(60));
    let _master = farm.start_master();
    let client = farm.client().await;
    let mut painter = painter();
    let mut spec = bait(&client, farm.path()).await;
    spec.class = DeviceClass::Tolerant;
    for cheat in [
        Cheat::HalfSamples,
        Cheat::FewerBounces,
        Cheat::Denoised,
        Cheat::OtherFrame,
        Cheat::OtherSeed,
        Cheat::OtherScene,
        Cheat::Flat,
        Cheat::AllRays,
        Cheat::Neighbour,
    ] {
        let name = cheat.name();
        let job = client.submit(&spec, &name).await.expect("a job").id;
        let mut pair = Vec::new();
        for n in 0..2 {
            // Two owners to the farm, one person.
            let token = client.create_token(TokenScope::Enrol).await.expect("a token").token;
            let class = DeviceClass::Tolerant;
            pair.push(Puppet::join_as(&client, &token, &format!("{name} {n}"), class).await);
        }
        // A unit may come out right as far as a tolerant device can tell: a sky needs no samples.
        let mut pairs = 0;
        let found = loop {
            for sybil in &pair {
                let Some(grant) = sybil.lease(1).await.unwrap() else { break };
                let sums = paint(&grant, &mut painter, cheat, 1);
                let body = sybil.signed(&grant, &mut painter, &sums, |_| ());
                sybil.send(grant.lease, body).await.expect("its structure is right");
            }
            pairs += 1;
            // They are the same, and other pixels of each are looked at: where one is found false, the other
            // counts no more either, and waits for somebody who renders its unit a second time.
            let caught = eventually("the pair is judged", async || {
                let mut judged = Vec::new();
                for sybil in &pair {
                    let now = sybil.view(&client).await;
                    judged.push((now.units_verified, now.record.rejections));
                }
                match judged[..] {
                    [(_, 1..), _] | [_, (_, 1..)] => Some(true),
                    [(one, 0), (two, 0)] if one == pairs && two == pairs => Some(false),
                    _ => None,
                }
            })
            .await;
            if caught || pairs == spec.units() {
                break caught;
            }
        };
        println!("{name}: found: {found}, after {pairs} of {} units", spec.units());
        // The last bounce of some paths is hardly light, and hardly rays.
        assert!(found || cheat == Cheat::FewerBounces, "{name}");
        if found {
            client.cancel(job).await.expect("it ends");
        }
    }
}
