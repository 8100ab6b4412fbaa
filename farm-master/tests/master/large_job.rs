//! A job of ten million units costs what it touches.

use crate::store::{RIGHT, ask, new_job, open, result};
use std::path::Path;
use std::time::Instant;
use tessera_farm_master::store::{ProofStore as _, Store as _};
use tessera_protocol::{FrameNumber, JobId};

fn bytes_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

/// Memory of this process that is in use, in bytes.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn ten_million_units_are_accepted_in_little_room() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let job = new_job(1, |spec| {
        spec.frames.last = FrameNumber(1000);
        (spec.settings.width, spec.settings.height, spec.tile) = (800, 800, 8);
        (spec.settings.spp, spec.samples_per_unit) = (1, 1);
    });
    assert_eq!(job.spec.units(), 10_000_000);
    let (disk, used) = (bytes_in(folder.path()), memory());
    let start = Instant::now();
    store.create_job(job).await.unwrap();
    let accepted = start.elapsed();
    let disk = bytes_in(folder.path()).saturating_sub(disk);
    let used = memory().saturating_sub(used);
    println!("10^7 units: accepted in {accepted:?}, {disk} bytes of disk, {used} of memory");
    assert!(disk < 20 << 20, "{disk} bytes of disk");
    assert!(used < 20 << 20, "{used} bytes of memory");

    let first = store.lease(ask(1, 1, u64::MAX)).await.unwrap().granted().unwrap();
    assert_eq!(first.units[0].frame, FrameNumber(1));
    let free = store.job(JobId([1; 16])).await.unwrap().unwrap().0.units.free;
    assert_eq!(free, 10_000_000 - first.units.len() as u64);
}

/// Leases that are worked on at once.
const AT_ONCE: u64 = 64;

#[tokio::test]
async fn a_million_units_are_leased_and_entered_in_little_room() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let job = new_job(1, |spec| {
        spec.frames.last = FrameNumber(100);
        (spec.settings.width, spec.settings.height, spec.tile) = (800, 800, 8);
        (spec.settings.spp, spec.samples_per_unit) = (1, 1);
    });
    assert_eq!(job.spec.units(), 1_000_000);
    store.create_job(job).await.unwrap();
    let start = Instant::now();
    let worker = async |first: u64| {
        let mut leases = 0;
        let mut number = first;
        while let Some(granted) = store.lease(ask(number, 1, u64::MAX)).await.unwrap().granted() {
            store.enter(result(granted.lease.id, 1)).await.unwrap();
            store.settle(granted.lease.id, RIGHT, 4000).await.unwrap();
            number += AT_ONCE;
            leases += 1;
        }
        leases
    };
    let leases: Vec<u64> = futures::future::join_all((0..AT_ONCE).map(worker)).await;
    let (cycles, took) = (leases.iter().sum::<u64>(), start.elapsed());
    let disk = bytes_in(folder.path());
    println!(
        "10^6 units: {cycles} leases in {took:.1?}, {:.0} cycles a second, {disk} bytes of disk",
        cycles as f64 / took.as_secs_f64()
    );
    let done = store.job(JobId([1; 16])).await.unwrap().unwrap().0;
    assert_eq!((done.units.verified, done.units.leased), (1_000_000, 0));
    assert_eq!(store.whole_frames(200).await.unwrap().len(), 100);
    assert!(disk < 100 << 20, "{disk} bytes of disk");
}
