//! What people are told about a stream, in sentences with stable codes.
//!
//! [`Watch`] gathers facts while a session runs; [`notes`] says what is so and what to do.

use crate::Now;
use std::collections::VecDeque;
use std::time::Duration;
use tessera_media::{AccessUnit, Ticks};
use tessera_protocol::stream::view::{HealthLevel, HealthNote, Latency};

/// For how long something that happened is told.
pub const REMEMBERED: Duration = Duration::from_secs(60);
/// Over how long the source's speed is measured.
const SPEED_OVER: Duration = Duration::from_secs(10);

/// What is known of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// How far behind viewers may be.
    pub latency: Latency,
    /// The longest and the shortest time between keyframes of the last minute.
    pub keyframe_intervals: Option<(Ticks, Ticks)>,
    /// Seconds of pictures that came in a second of the last ten.
    pub speed: Option<f64>,
    /// The greatest pause between two pictures beyond what their times say, of the last minute.
    pub jitter: Duration,
    /// Bits a second of the source's pictures.
    pub bits_per_s: Option<u64>,
    /// Bits a second of the best rendition.
    pub ladder_bits_per_s: u64,
    /// Whether pictures are shown in another order than they come.
    pub reorders: bool,
    /// Whether there is sound; `None` while that is open.
    pub sound: Option<bool>,
    /// How often the pictures' size changed in the last minute.
    pub size_changes: usize,
    /// How often the source's clock jumped or it reconnected in the last minute.
    pub jumps: usize,
    /// Workers that have dialled in.
    pub workers: usize,
    /// Whether a segment of the last minute was published from the source itself.
    pub stood_in: bool,
    /// How often a worker was lost, or failed, in the last minute.
    pub lost: usize,
    /// What the last rejected comparison of the last minute found.
    pub rejected: Option<String>,
    /// What was left out of the last minute, in a sentence.
    pub skipped: Option<String>,
    /// What is wrong with sending the source on to another place.
    pub restream: Option<String>,
}

/// Everything that is worth saying, worst first.
pub fn notes(facts: &Facts) -> Vec<HealthNote> {
    let mut notes = Vec::new();
    of_workers(facts, &mut notes);
    of_keyframes(facts, &mut notes);
    of_the_upload(facts, &mut notes);
    of_the_source(facts, &mut notes);
    notes.sort_by_key(|note| std::cmp::Reverse(note.level));
    notes
}

/// Says where the stream's owner sends it on to, which is no affair of its viewers.
const RESTREAM_FAILING: &str = "restream-failing";

/// Those of the notes that viewers may read, too.
pub fn for_viewers(notes: &[HealthNote]) -> Vec<HealthNote> {
    notes.iter().filter(|note| note.code != RESTREAM_FAILING).cloned().collect()
}

type Notes = Vec<HealthNote>;

fn say(notes: &mut Notes, level: HealthLevel, code: &str, text: impl Into<String>) {
    notes.push(HealthNote { code: code.to_owned(), level, text: text.into() });
}

fn of_workers(facts: &Facts, notes: &mut Notes) {
    use HealthLevel::{Error, Info, Warning};
    if facts.workers == 0 {
        let text = "No worker is connected: viewers get the source itself, in one quality. Start a \
                    worker, or wait until one is free.";
        say(notes, Error, "no-worker", text);
    }
    if facts.stood_in {
        let text = "Workers did not bring every segment of the last minute in time: the source \
                    stands in for them in every quality.";
        say(notes, Warning, "source-standing-in", text);
    }
    if facts.lost > 0 {
        let text = format!(
            "A worker was lost or failed {} of the last minute; others took over.",
            times(facts.lost)
        );
        say(notes, Info, "worker-lost", text);
    }
    if let Some(found) = &facts.rejected {
        let text =
            format!("A worker's segment was rejected when its pictures were looked at: {found}");
        say(notes, Warning, "audit-rejected", text);
    }
    if let Some(skipped) = &facts.skipped {
        say(notes, Error, "segment-skipped", skipped.clone());
    }
    if let Some(wrong) = &facts.restream {
        let text = format!("Sending the source on does not work now, and is tried again: {wrong}");
        say(notes, Warning, RESTREAM_FAILING, text);
    }
}

fn of_keyframes(facts: &Facts, notes: &mut Notes) {
    use HealthLevel::{Info, Warning};
    let Some((longest, shortest)) = facts.keyframe_intervals else { return };
    let target = crate::cut::target(facts.latency);
    if longest.0 * 2 > target.0 * 3 {
        let text = format!(
            "The source has a keyframe every {:.1} s: latency cannot fall below that. Set the \
             encoder's keyframe interval to {} s.",
            longest.seconds(),
            target.millis() / 1000
        );
        say(notes, Warning, "keyframe-interval-long", text);
    } else if longest.0 > 2 * shortest.0 && longest.0 > target.0 {
        let text = format!(
            "The source's keyframes come every {:.1} to {:.1} s: segments differ in length. Set a \
             fixed keyframe interval of {} s and switch scene-cut detection off.",
            shortest.seconds(),
            longest.seconds(),
            target.millis() / 1000
        );
        say(notes, Info, "keyframe-interval-variable", text);
    }
}

fn of_the_upload(facts: &Facts, notes: &mut Notes) {
    use HealthLevel::{Info, Warning};
    if let Some(speed) = facts.speed.filter(|speed| *speed < 0.95) {
        let text = format!(
            "The source sends {speed:.2} s of pictures a second: viewers run out of it. Lower its \
             bitrate, or find out what slows the encoder or its line."
        );
        say(notes, Warning, "source-slow", text);
    }
    if facts.jitter >= Duration::from_millis(700) {
        let text = format!(
            "Pictures came up to {:.1} s late in the last minute: the line from the source is \
             uneven.",
            facts.jitter.as_secs_f64()
        );
        say(notes, Warning, "upload-jitter", text);
    }
    if facts.jumps > 0 {
        let text = format!(
            "The source reconnected, or its clock jumped, {} of the last minute.",
            times(facts.jumps)
        );
        say(notes, Info, "source-discontinuity", text);
    }
    if let Some(bits) = facts.bits_per_s.filter(|bits| *bits > 3 * facts.ladder_bits_per_s) {
        let text = format!(
            "The source sends {:.1} Mbit/s, and the best rendition has {:.1}: most of the upload \
             is not seen by anybody.",
            bits as f64 / 1e6,
            facts.ladder_bits_per_s as f64 / 1e6
        );
        say(notes, Info, "bitrate-above-ladder", text);
    }
}

fn of_the_source(facts: &Facts, notes: &mut Notes) {
    use HealthLevel::{Info, Warning};
    if facts.reorders && facts.latency == Latency::Low {
        let text = "The source uses B-frames, which delay every picture by some frames: switch \
                    them off for low latency (OBS: tune zerolatency).";
        say(notes, Warning, "b-frames", text);
    }
    if facts.size_changes > 0 {
        let text = format!(
            "The source's pictures changed in size or coding {} of the last minute: players may \
             flicker there.",
            times(facts.size_changes)
        );
        say(notes, Info, "resolution-changed", text);
    }
    if facts.sound == Some(false) {
        let text = "The source has no sound. If it should have some, look at the encoder's audio \
                    settings: AAC is taken.";
        say(notes, Info, "sound-missing", text);
    }
}

fn times(n: usize) -> String {
    match n {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        n => format!("{n} times"),
    }
}

/// Gathers the facts of a session.
#[derive(Debug)]
pub struct Watch {
    latency: Latency,
    ladder_bits_per_s: u64,
    /// Pictures come many at once by nature.
    bursts: bool,
    started: Option<Now>,
    last_keyframe: Option<Ticks>,
    intervals: Recent<Ticks>,
    /// When pictures came, when they are decoded, and their bytes.
    pictures: Recent<(Ticks, usize)>,
    jitter: Recent<Duration>,
    reorders: bool,
    sound: bool,
    size_changes: Recent<()>,
    jumps: Recent<()>,
    stood_in: Recent<()>,
    lost: Recent<()>,
    rejected: Recent<String>,
    skipped: Recent<String>,
}

/// What happened within the last while.
#[derive(Debug)]
struct Recent<T> {
    keep: Duration,
    events: VecDeque<(Now, T)>,
}

impl<T> Recent<T> {
    /// Most events that are kept: pictures of ten seconds at 240 a second.
    const MOST: usize = 2_400;

    const fn new(keep: Duration) -> Self {
        Self { keep, events: VecDeque::new() }
    }

    fn push(&mut self, now: Now, event: T) {
        self.forget(now);
        if self.events.len() == Self::MOST {
            self.events.pop_front();
        }
        self.events.push_back((now, event));
    }

    fn forget(&mut self, now: Now) {
        let keep = self.keep;
        while self.events.pop_front_if(|(at, _)| *at + keep < now).is_some() {}
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.events.iter().map(|(_, event)| event)
    }
}

impl Watch {
    /// For a session with this latency and this bitrate of its best rendition.
    pub const fn new(latency: Latency, ladder_bits_per_s: u64) -> Self {
        Self {
            latency,
            ladder_bits_per_s,
            bursts: false,
            started: None,
            last_keyframe: None,
            intervals: Recent::new(REMEMBERED),
            pictures: Recent::new(SPEED_OVER),
            jitter: Recent::new(REMEMBERED),
            reorders: false,
            sound: false,
            size_changes: Recent::new(REMEMBERED),
            jumps: Recent::new(REMEMBERED),
            stood_in: Recent::new(REMEMBERED),
            lost: Recent::new(REMEMBERED),
            rejected: Recent::new(REMEMBERED),
            skipped: Recent::new(REMEMBERED),
        }
    }

    /// A source has come; whether it sends whole segments at once, so that pauses mean nothing.
    pub fn source_began(&mut self, bursts: bool) {
        self.bursts = bursts;
        self.started = None;
        self.pictures.events.clear();
    }

    /// A picture, on the session's timeline.
    pub fn picture(&mut self, unit: &AccessUnit, discontinuity: bool, now: Now) {
        self.started.get_or_insert(now);
        if discontinuity {
            self.jumps.push(now, ());
            self.last_keyframe = None;
            self.pictures.events.clear();
        }
        if unit.keyframe
            && let Some(last) = self.last_keyframe.replace(unit.pts)
        {
            self.intervals.push(now, unit.pts - last);
        }
        if let Some((at, (dts, _))) = self.pictures.events.back().filter(|_| !self.bursts) {
            let paused = now.saturating_sub(*at);
            let said = Duration::from_millis((unit.dts - *dts).millis().max(0) as u64);
            if let Some(late) = paused.checked_sub(said).filter(|late| late.as_millis() > 100) {
                self.jitter.push(now, late);
            }
        }
        self.reorders |= unit.pts - unit.dts > Ticks::from_millis(20);
        self.pictures.push(now, (unit.dts, unit.data.len()));
    }

    /// There is sound.
    pub const fn has_sound(&mut self) {
        self.sound = true;
    }

    /// The pictures' format changed.
    pub fn size_changed(&mut self, now: Now) {
        self.reorders = false;
        self.size_changes.push(now, ());
    }

    /// A segment, or part of one, was published from the source itself.
    pub fn stood_in(&mut self, now: Now) {
        self.stood_in.push(now, ());
    }

    /// A worker was lost, or failed.
    pub fn lost(&mut self, now: Now) {
        self.lost.push(now, ());
    }

    /// A comparison rejected a segment.
    pub fn rejected(&mut self, found: String, now: Now) {
        self.rejected.push(now, found);
    }

    /// Something was left out; why, in a sentence.
    pub fn skipped(&mut self, why: String, now: Now) {
        self.skipped.push(now, why);
    }

    /// The facts at `now`, with so many workers connected.
    pub fn facts(&mut self, workers: usize, now: Now) -> Facts {
        self.intervals.forget(now);
        self.pictures.forget(now);
        self.jitter.forget(now);
        for events in [&mut self.size_changes, &mut self.jumps, &mut self.stood_in, &mut self.lost]
        {
            events.forget(now);
        }
        self.rejected.forget(now);
        self.skipped.forget(now);
        // A source is given three seconds before its speed is spoken of.
        let warm = self.started.is_some_and(|at| now.saturating_sub(at) > Duration::from_secs(3));
        let rates = warm.then(|| self.rates(now)).flatten();
        Facts {
            latency: self.latency,
            keyframe_intervals: self
                .intervals
                .iter()
                .max()
                .copied()
                .zip(self.intervals.iter().min().copied()),
            speed: rates.map(|(speed, _)| speed),
            jitter: self.jitter.iter().max().copied().unwrap_or_default(),
            bits_per_s: rates.map(|(_, bits)| bits),
            ladder_bits_per_s: self.ladder_bits_per_s,
            reorders: self.reorders,
            sound: warm.then_some(self.sound),
            size_changes: self.size_changes.events.len(),
            jumps: self.jumps.events.len(),
            workers,
            stood_in: !self.stood_in.events.is_empty(),
            lost: self.lost.events.len(),
            rejected: self.rejected.iter().next_back().cloned(),
            skipped: self.skipped.iter().next_back().cloned(),
            restream: None,
        }
    }

    /// Speed, and bits a second of the pictures' own time.
    fn rates(&self, now: Now) -> Option<(f64, u64)> {
        let (from, (first, _)) = self.pictures.events.front()?;
        let (until, (last, _)) = self.pictures.events.back()?;
        // Between two bursts nothing is due.
        let until = if self.bursts { *until } else { now };
        let (wall, media) = (until.saturating_sub(*from).as_secs_f64(), (*last - *first).seconds());
        let bits: usize = self.pictures.iter().map(|(_, bytes)| bytes * 8).sum();
        (wall > 2.0 && media > 0.5).then(|| (media / wall, (bits as f64 / media) as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> Facts {
        Facts {
            latency: Latency::Standard,
            keyframe_intervals: Some((Ticks::from_millis(2_000), Ticks::from_millis(2_000))),
            speed: Some(1.0),
            jitter: Duration::from_millis(50),
            bits_per_s: Some(4_000_000),
            ladder_bits_per_s: 2_800_000,
            reorders: true,
            sound: Some(true),
            size_changes: 0,
            jumps: 0,
            workers: 1,
            stood_in: false,
            lost: 0,
            rejected: None,
            skipped: None,
            restream: None,
        }
    }

    fn codes(facts: &Facts) -> Vec<String> {
        notes(facts).into_iter().map(|note| note.code).collect()
    }

    #[test]
    fn of_a_stream_that_is_well_nothing_is_said() {
        assert_eq!(codes(&well()), [""; 0]);
    }

    #[test]
    fn each_fact_has_its_note() {
        let ms = Ticks::from_millis;
        let long = Some((ms(10_000), ms(10_000)));
        for (facts, code) in [
            (Facts { keyframe_intervals: long, ..well() }, "keyframe-interval-long"),
            (
                Facts { keyframe_intervals: Some((ms(2_500), ms(500))), ..well() },
                "keyframe-interval-variable",
            ),
            (Facts { speed: Some(0.8), ..well() }, "source-slow"),
            (Facts { jitter: Duration::from_secs(1), ..well() }, "upload-jitter"),
            (Facts { bits_per_s: Some(20_000_000), ..well() }, "bitrate-above-ladder"),
            (Facts { latency: Latency::Low, ..well() }, "b-frames"),
            (Facts { sound: Some(false), ..well() }, "sound-missing"),
            (Facts { size_changes: 1, ..well() }, "resolution-changed"),
            (Facts { jumps: 2, ..well() }, "source-discontinuity"),
            (Facts { workers: 0, ..well() }, "no-worker"),
            (Facts { stood_in: true, ..well() }, "source-standing-in"),
            (Facts { lost: 3, ..well() }, "worker-lost"),
            (Facts { rejected: Some("blurred".to_owned()), ..well() }, "audit-rejected"),
            (Facts { skipped: Some("It is empty.".to_owned()), ..well() }, "segment-skipped"),
            (Facts { restream: Some("refused".to_owned()), ..well() }, "restream-failing"),
        ] {
            assert_eq!(codes(&facts), [code]);
        }
        let said = &notes(&Facts { keyframe_intervals: long, ..well() })[0].text;
        assert!(said.starts_with("The source has a keyframe every 10.0 s: latency cannot fall"));
    }

    #[test]
    fn the_worst_comes_first() {
        let facts = Facts { workers: 0, lost: 1, stood_in: true, ..well() };
        assert_eq!(codes(&facts), ["no-worker", "source-standing-in", "worker-lost"]);
    }

    #[test]
    fn viewers_do_not_read_where_a_source_is_sent_on_to() {
        let restream = Some("live.example.org cannot be reached".to_owned());
        let all = notes(&Facts { workers: 0, restream, ..well() });
        assert!(all.iter().any(|note| note.text.contains("live.example.org")), "{all:?}");
        let told = for_viewers(&all);
        assert_eq!(told.iter().map(|note| note.code.as_str()).collect::<Vec<_>>(), ["no-worker"]);
    }

    /// Feeds pictures with a keyframe every `gop`, each `wall` after the one before.
    fn fed(watch: &mut Watch, frames: i64, gop: i64, wall: Duration) -> Now {
        let mut now = Now::ZERO;
        for n in 0..frames {
            let at = Ticks(n * 3_000);
            let data = vec![0; 1_000].into();
            watch.picture(
                &AccessUnit { pts: at, dts: at, keyframe: n % gop == 0, data },
                false,
                now,
            );
            now += wall;
        }
        now
    }

    #[test]
    fn speed_and_keyframes_are_measured() {
        let mut watch = Watch::new(Latency::Standard, 1_000_000);
        watch.has_sound();
        let now = fed(&mut watch, 450, 60, Duration::from_micros(33_333));
        let facts = watch.facts(1, now);
        assert_eq!(codes(&facts), [""; 0], "{facts:?}");
        assert_eq!(facts.keyframe_intervals, Some((Ticks(180_000), Ticks(180_000))));
        assert!((230_000..250_000).contains(&facts.bits_per_s.unwrap()), "{facts:?}");

        let mut watch = Watch::new(Latency::Standard, 1_000_000);
        watch.has_sound();
        let now = fed(&mut watch, 450, 300, Duration::from_millis(40));
        assert_eq!(codes(&watch.facts(1, now)), ["keyframe-interval-long", "source-slow"]);
    }

    #[test]
    fn of_bursts_nothing_is_said() {
        for bursts in [true, false] {
            let mut watch = Watch::new(Latency::Standard, 1_000_000);
            watch.source_began(bursts);
            watch.has_sound();
            for n in 0..450_i64 {
                let (at, now) = (Ticks(n * 3_000), Duration::from_secs(n as u64 / 60 * 2));
                let data = vec![0; 1_000].into();
                let unit = AccessUnit { pts: at, dts: at, keyframe: n % 60 == 0, data };
                watch.picture(&unit, false, now);
            }
            let facts = watch.facts(1, Duration::from_millis(15_900));
            assert_eq!(codes(&facts).is_empty(), bursts, "{facts:?}");
        }
    }

    #[test]
    fn what_happened_is_forgotten_after_a_minute() {
        let mut watch = Watch::new(Latency::Standard, 1_000_000);
        watch.lost(Now::ZERO);
        assert_eq!(codes(&watch.facts(1, REMEMBERED)), ["worker-lost"]);
        let later = REMEMBERED + Duration::from_secs(1);
        assert_eq!(codes(&watch.facts(1, later)), [""; 0]);
    }
}
