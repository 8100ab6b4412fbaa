//! Goal: whatever was listed once is there, playable, listed and to be reported again, whenever the
//! process is killed or the power fails; and no number is used twice.
//!
//! Method: a gateway publishes on the simulated disk and writes down what viewers saw. It is
//! stopped at each of its steps, there the power fails in every way the disk knows, and another
//! gateway opens what is left. Then the checker is checked: with any one sync left out it must find
//! a loss.

use crate::common::{SESSION, Source, spec};
use std::path::{Path, PathBuf};
use tessera_durable::Disk;
use tessera_durable::simulated::SimulatedDisk;
use tessera_protocol::stream::SegmentNumber;
use tessera_protocol::stream::view::Latency;
use tessera_publish::track::Track;
use tessera_publish::{Library, LibraryOptions, Publisher};

type Failed = Box<dyn std::error::Error>;

/// What viewers saw, and what the gateway was told.
#[derive(Debug, Default)]
struct Seen {
    begun: bool,
    listed: Vec<u64>,
    /// The segment of the last part that was listed.
    parts_of: Option<u64>,
    ended: bool,
}

fn open(disk: &SimulatedDisk) -> Result<Library<SimulatedDisk>, Failed> {
    Ok(Library::open_on(disk.clone(), Path::new("/srv/live"), LibraryOptions::default())?)
}

/// The numbers that a playlist lists.
fn listed(publisher: &Publisher<SimulatedDisk>) -> Vec<u64> {
    let track = Track::Rendition(crate::common::name("96p"));
    let text = publisher.playlist(&track).unwrap_or_default();
    let text = String::from_utf8(text.to_vec()).unwrap();
    // What the playlist calls a gap is not listed.
    let lines: Vec<_> = text.lines().collect();
    let listed = lines.windows(3).filter(|three| !three[0].ends_with("-GAP"));
    let media = listed.map(|three| three[2]).filter(|line| !line.starts_with('#'));
    let media = media.filter_map(|line| line.strip_suffix(".m4s"));
    media.map(|line| line.rsplit('/').next().unwrap().parse().unwrap()).collect()
}

/// A gateway that begins a session, or goes on with it, and publishes so many segments.
fn publish(
    disk: &SimulatedDisk,
    source: &Source,
    segments: u64,
    seen: &mut Seen,
) -> Result<(), Failed> {
    let library = open(disk)?;
    let publisher = library.begin(spec(Latency::Standard, false))?;
    seen.begun = true;
    seen.listed = listed(&publisher);
    for _ in 0..segments {
        let number = publisher.next_segment().0;
        publisher.segment(source.segment(number), || true)?;
        seen.listed = listed(&publisher);
        assert_eq!(seen.listed.last(), Some(&number));
    }
    publisher.mark_reported(&[SegmentNumber(0)])?;
    publisher.end("the source left", 0)?;
    seen.ended = true;
    Ok(())
}

/// The same in low latency: segments come in parts, and the last one stays without its end.
fn publish_parts(disk: &SimulatedDisk, source: &Source, seen: &mut Seen) -> Result<(), Failed> {
    let library = open(disk)?;
    let publisher = library.begin(spec(Latency::Low, false))?;
    seen.begun = true;
    for number in 0..2 {
        for part in source.parts(number).into_iter().take(if number == 0 { 3 } else { 2 }) {
            publisher.part(part, || true)?;
            seen.parts_of = Some(number);
        }
        if number == 0 {
            publisher.segment(source.after_parts(number), || true)?;
            seen.listed = listed(&publisher);
            assert_eq!(seen.listed, [number]);
        }
    }
    Ok(())
}

fn segment_file(number: u64) -> PathBuf {
    Path::new("/srv/live").join(SESSION.to_string()).join(format!("{number}.m4s"))
}

/// What another gateway finds wrong, or nothing.
fn check(disk: &SimulatedDisk, source: &Source, seen: &Seen) -> Result<(), String> {
    let say = |error: Failed| error.to_string();
    let library = open(disk).map_err(say)?;
    if !library.unfinished().contains(&SESSION) {
        return if seen.begun { Err("the session is gone".into()) } else { Ok(()) };
    }
    let publisher = library.reopen(SESSION).map_err(|e| e.to_string())?;
    let now = listed(&publisher);
    if !now.starts_with(&seen.listed) {
        return Err(format!("{:?} were listed, {now:?} are", seen.listed));
    }
    for &number in &now {
        let bytes = disk.read(&segment_file(number)).map_err(|e| e.to_string())?;
        for rendition in [0, 1] {
            // What came in parts may end after the first of them.
            let least = if seen.parts_of.is_some() { 4 } else { 12 };
            let units = source.pictures(rendition, number).into_iter().take(least);
            let pictures: Vec<u8> = units.flat_map(|unit| unit.data).collect();
            if !bytes.windows(pictures.len()).any(|window| window == pictures) {
                return Err(format!("segment {number} has lost its pictures"));
            }
        }
    }
    let unreported: Vec<_> = publisher.unreported(99).iter().map(|r| r.segment.0).collect();
    if now.iter().any(|number| *number > 0 && !unreported.contains(number)) {
        return Err(format!("{now:?} are listed, {unreported:?} are to be reported"));
    }
    let next = publisher.next_segment().0;
    if now.iter().chain(&seen.parts_of).any(|&number| number >= next) {
        return Err(format!("{next} would be used twice"));
    }
    if seen.ended {
        return publisher.ended().map(|_| ()).ok_or("the end was forgotten".into());
    }
    if publisher.ended().is_some() {
        return Ok(());
    }
    // The session goes on, and what was listed stays.
    let number = next;
    publisher.segment(source.segment(number), || true).map_err(|e| e.to_string())?;
    let then = listed(&publisher);
    if then != [&now[..], &[number]].concat() {
        return Err(format!("{now:?} were listed, then {number} was added: {then:?}"));
    }
    Ok(())
}

type Program<'a> = &'a dyn Fn(&SimulatedDisk, &mut Seen) -> Result<(), Failed>;

/// Stops `program` at each of its steps, lets the power fail there in every way, or not at all, and
/// says what was wrong first.
fn first_loss(
    start: &SimulatedDisk,
    source: &Source,
    program: Program<'_>,
    skip: Option<usize>,
) -> Option<String> {
    let whole = start.duplicate();
    program(&whole, &mut Seen::default()).expect("nothing stops it");
    for step in start.steps()..=whole.steps() {
        let disk = start.duplicate();
        disk.stop_at(step);
        if let Some(sync) = skip {
            disk.skip_sync(sync);
        }
        let mut seen = Seen::default();
        let _ = program(&disk, &mut seen);
        let bits = disk.undecided_bits();
        assert!(bits <= 12, "{bits} bits that were not synced are too many to try");
        for survival in 0..1 << bits {
            if let Err(loss) = check(&disk.fail_power(survival), source, &seen) {
                return Some(format!("step {step}, survival {survival:#b}: {loss}"));
            }
        }
        disk.restart_program();
        if let Err(loss) = check(&disk.duplicate(), source, &seen) {
            return Some(format!("step {step}, killed: {loss}"));
        }
    }
    None
}

fn disk() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    disk.create_dir(Path::new("/srv")).unwrap();
    disk
}

#[test]
fn what_was_listed_is_listed_again() {
    let source = Source::tiny();
    let loss = first_loss(&disk(), &source, &|disk, seen| publish(disk, &source, 2, seen), None);
    assert_eq!(loss, None);
}

#[test]
fn what_was_listed_in_parts_is_listed_again_or_never_used_again() {
    let source = Source::tiny();
    let program: Program<'_> = &|disk, seen| publish_parts(disk, &source, seen);
    assert_eq!(first_loss(&disk(), &source, program, None), None);
    // A killed process's parts are all there: only the power takes them.
    let (killed, mut seen) = (disk(), Seen::default());
    publish_parts(&killed, &source, &mut seen).unwrap();
    let publisher = open(&killed).unwrap().reopen(SESSION).unwrap();
    assert_eq!(listed(&publisher), [0, 1]);
    let pictures: Vec<u8> =
        source.pictures(1, 1).into_iter().take(8).flat_map(|unit| unit.data).collect();
    let file = killed.read(&segment_file(1)).unwrap();
    let found = |part: &[u8]| file.windows(part.len()).any(|window| window == part);
    let each = pictures.len() / 2;
    assert!(pictures.chunks(each).all(found), "parts are missing");
}

#[test]
fn leaving_out_any_one_sync_loses_something() {
    let source = Source::tiny();
    let program: Program<'_> = &|disk, seen| publish(disk, &source, 2, seen);
    let start = disk();
    let whole = start.duplicate();
    program(&whole, &mut Seen::default()).unwrap();
    let needless: Vec<_> = (start.syncs()..whole.syncs())
        .filter(|&sync| first_loss(&start, &source, program, Some(sync)).is_none())
        .collect();
    assert_eq!(needless, Vec::<usize>::new());
}

#[test]
fn what_a_killed_gateway_left_is_durable_before_it_is_listed_again() {
    let source = Source::tiny();
    let first: Program<'_> = &|disk, seen| publish(disk, &source, 1, seen);
    let whole = disk();
    first(&whole, &mut Seen::default()).unwrap();
    for step in disk().steps()..whole.steps() {
        let left = disk();
        left.stop_at(step);
        assert!(first(&left, &mut Seen::default()).is_err(), "it was to be killed");
        left.restart_program();
        let again: Program<'_> = &|disk, seen| {
            // The second gateway is granted the session unless the first one had ended it.
            match publish(disk, &source, 1, seen) {
                Err(error) if error.to_string().ends_with("is over") => Ok(()),
                other => other,
            }
        };
        assert_eq!(first_loss(&left, &source, again, None), None, "killed at step {step}");
    }
}
