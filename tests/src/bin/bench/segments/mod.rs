//! How often the comparison of pictures errs: honest encodes that it refuses, and cheats that it
//! takes. `bench segments-tuning` prints the same of the clips that its thresholds were set on.
//!
//! Map: [`clips`] (what is transcoded) → [`encodes`] (how, honestly and otherwise) → this page
//! (each beside its source) → [`film`] (decoded pictures).

mod clips;
mod encodes;
mod film;

use crate::{NO_AIM, row, samples};
use anyhow::{Context as _, ensure};
pub(crate) use clips::Set;
use clips::{Clip, SEGMENT_S};
use encodes::{BADGE, Encode, FREEZE, Input, LADDER};
use film::{Film, ffmpeg};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tessera_verify::segment::record::{Record, audit_percent, compared, is_barred};
use tessera_verify::segment::{Likeness, Pair, choose, judge, measure};

/// Segments in a minute.
const A_MINUTE: i32 = 60 / SEGMENT_S as i32;

/// One rendition beside its source.
struct Trial {
    clip: String,
    encode: Encode,
    honest: bool,
    /// Its bytes, as a share of what was asked.
    share: f64,
    likeness: Likeness,
    /// What measuring took, without decoding.
    took: Duration,
}

impl Trial {
    fn objections(&self) -> Vec<String> {
        judge(&self.likeness, self.share).iter().map(ToString::to_string).collect()
    }
}

/// Prints the table: of clips that ffmpeg makes, and of a film where that is here.
pub(crate) fn compare_segments(set: Set) -> anyhow::Result<()> {
    let bunny =
        samples::clips().map_err(|why| row("comparison: film", "left out", NO_AIM, &why)).ok();
    let folder = tempfile::tempdir()?;
    let clips = clips::clips(set, bunny.as_deref(), folder.path())?;
    let trials = trials(&clips, folder.path())?;
    if let Some(file) = std::env::var_os("TRIALS") {
        std::fs::write(file, trials.iter().map(line).collect::<String>())?;
    }
    print(set, &trials, clips.len());
    Ok(())
}

/// All that was measured of one rendition, for whoever looks for better thresholds.
fn line(trial: &Trial) -> String {
    let Trial { clip, encode, honest, share, likeness, took } = trial;
    let (name, height, ms) = (encode.name, LADDER[encode.rung].height, took.as_millis());
    let line = serde_json::json!({
        "clip": clip, "encode": name, "rung": height, "honest": honest, "share": share,
        "likeness": likeness, "ms": ms, "objections": trial.objections(),
    });
    format!("{line}\n")
}

fn print(set: Set, trials: &[Trial], clips: usize) {
    let which = match set {
        Set::Tuning => "that thresholds were set on",
        Set::Judging => "that no threshold was set on",
    };
    let how = format!("of {clips} clips {which}, 9 frames each");
    let percent = |part: usize, all: usize| 100.0 * part as f64 / all.max(1) as f64;
    let (honest, cheats): (Vec<_>, Vec<_>) = trials.iter().partition(|trial| trial.honest);
    let refused: Vec<_> = honest.iter().filter(|trial| !trial.objections().is_empty()).collect();
    let figure = format!(
        "{} of {} = {:.1} %",
        refused.len(),
        honest.len(),
        percent(refused.len(), honest.len())
    );
    row("comparison: honest renditions refused", &figure, "0", &how);
    for trial in refused {
        let what = format!("{}, {}", trial.clip, trial.encode.name);
        row("comparison: refused", &what, NO_AIM, &trial.objections().join("; "));
    }

    let honest_rate = refused_share(&honest);
    let life = live(honest_rate);
    row(
        "comparison: an honest worker's life",
        &format!(
            "{} of {LIVES} barred within {LIFE} segments; earns {:.4} of what it made",
            life.barred, life.earned
        ),
        &format!("none barred: {}", if life.barred == 0 { "met" } else { "missed" }),
        "at the rate above, under the rules of records: one rendition of a compared segment",
    );

    let mut by_cheat: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for trial in &cheats {
        let (taken, all) = by_cheat.entry(trial.encode.name).or_default();
        *taken += usize::from(trial.objections().is_empty());
        *all += 1;
    }
    let taken: usize = by_cheat.values().map(|(taken, _)| taken).sum();
    let figure = format!("{taken} of {} = {:.1} %", cheats.len(), percent(taken, cheats.len()));
    row("comparison: cheats taken", &figure, NO_AIM, &how);
    for (cheat, &(taken, all)) in &by_cheat {
        let life = live(1.0 - taken as f64 / all as f64);
        let figure = format!(
            "found in {:.0} % of {all} comparisons; first after {:.0} segments, barred after {:.0}; in \
             {LIFE} segments earns {:.3} of an honest worker's",
            100.0 - percent(taken, all),
            life.first,
            life.until_barred,
            life.earned
        );
        let aim = format!("earns less: {}", if life.earned < 1.0 { "met" } else { "missed" });
        let how = "as above; a cheat in every rendition of every segment, 200 lives; an honest worker \
                   compared in full would cost 100 % of the decoding";
        row(&format!("comparison: {cheat}"), &figure, &aim, how);
    }
    let missed = taken as f64 / cheats.len().max(1) as f64;
    for (audited, one_of) in [(0.1, 1), (0.2, 1), (0.1, 4), (0.2, 4)] {
        let caught = audited / f64::from(one_of) * (1.0 - missed);
        let figure = format!("{:.2} %", 100.0 * (1.0 - caught).powi(A_MINUTE));
        let cheater = if one_of == 1 { "in every rendition" } else { "in one rendition of four" };
        let work = format!(
            "a cheater {cheater} survives a minute, {:.0} % of segments audited",
            100.0 * audited
        );
        row(&work, &figure, NO_AIM, "from the rate above, one rendition an audit, 2 s segments");
    }
    let took: Duration = trials.iter().map(|trial| trial.took).sum();
    let mean = took.as_secs_f64() * 1e3 / trials.len().max(1) as f64;
    row("comparison: measuring one rendition", &format!("{mean:.0} ms"), NO_AIM, "wall time");
}

fn refused_share(honest: &[&Trial]) -> f64 {
    let refused = honest.iter().filter(|trial| !trial.objections().is_empty()).count();
    refused as f64 / honest.len().max(1) as f64
}

/// Segments of a worker's life, and lives that are lived for each row.
const LIFE: u64 = 4_000;
const LIVES: u64 = 200;

/// What becomes of workers of whose comparisons a share is rejected.
struct Life {
    /// Segments until the first rejection, on average, or the whole life.
    first: f64,
    /// Segments until it was barred, on average, or the whole life.
    until_barred: f64,
    barred: u64,
    /// Of the pay of a whole life; a rejected segment pays nothing.
    earned: f64,
}

fn live(rejected: f64) -> Life {
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut uniform = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut life = Life { first: 0.0, until_barred: 0.0, barred: 0, earned: 0.0 };
    for _ in 0..LIVES {
        let (mut worker, mut first, mut done) = (Record::default(), None, 0);
        while done < LIFE && !is_barred(&worker) {
            done += 1;
            let compared_now = uniform() * 100.0 < f64::from(audit_percent(&worker));
            let caught = compared_now && uniform() < rejected;
            if compared_now {
                worker = compared(worker, caught);
            }
            if caught {
                first.get_or_insert(done);
            } else {
                life.earned += 1.0;
            }
        }
        life.first += first.unwrap_or(LIFE) as f64;
        life.until_barred += done as f64;
        life.barred += u64::from(is_barred(&worker));
    }
    let lives = LIVES as f64;
    life.first /= lives;
    life.until_barred /= lives;
    life.earned /= lives * LIFE as f64;
    life
}

/// Every encode of every clip, on two cores.
fn trials(clips: &[Clip], folder: &Path) -> anyhow::Result<Vec<Trial>> {
    let mut work = Vec::new();
    for (clip, source) in clips.iter().enumerate() {
        work.extend(encodes::honest().into_iter().map(|encode| (clip, encode, true)));
        // Every other cheat of each clip, the others of the next: all of them on half of the clips.
        let cheats = encodes::cheats().into_iter().skip(clip % 2).step_by(2);
        let shows = |cheat: &Encode| source.moves || !cheat.is_of_time();
        work.extend(cheats.filter(shows).map(|encode| (clip, encode, false)));
    }
    let next = Mutex::new(work.into_iter().enumerate());
    let worker = || {
        let mut trials = Vec::new();
        loop {
            let Some((id, (clip, encode, honest))) = next.lock().expect("no panic").next() else {
                return anyhow::Ok(trials);
            };
            let tried = trial(clips, clip, encode, honest, id, folder);
            trials.push((id, tried.with_context(|| format!("{}: {encode:?}", clips[clip].name))?));
        }
    };
    let mut trials = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(worker)).collect();
        let mut trials = Vec::new();
        for thread in threads {
            trials.extend(thread.join().expect("no panic")?);
        }
        anyhow::Ok(trials)
    })?;
    trials.sort_by_key(|(id, _)| *id);
    Ok(trials.into_iter().map(|(_, trial)| trial).collect())
}

fn trial(
    clips: &[Clip],
    clip: usize,
    encode: Encode,
    honest: bool,
    id: usize,
    folder: &Path,
) -> anyhow::Result<Trial> {
    let source = &clips[clip];
    let file = folder.join(format!("trial-{id}.mkv"));
    let asked = f64::from(LADDER[encode.rung].kbits_per_s) * encode.asked;
    let input = match encode.input {
        Input::Segment => &source.segment,
        Input::Before => &source.before,
        Input::Other => &clips[(clip + 1) % clips.len()].segment,
    };
    ffmpeg(&format!(
        "-i {} -an -filter_complex {} -pix_fmt yuv420p -vsync passthrough -frames:v {} {} {}",
        input.display(),
        filter(&encode, &source.film),
        source.film.frames(),
        encode.encoder.arguments((asked * encode.told) as u32),
        file.display()
    ))?;
    let bytes = std::fs::metadata(&file)?.len();
    let share = bytes as f64 * 8.0 / (asked * 1000.0 * f64::from(SEGMENT_S));

    let places = choose(id as u64, source.film.frames());
    let chosen: Vec<usize> = places.iter().cloned().flatten().collect();
    let rendition = Film::decode(&file, Some(&chosen))?;
    std::fs::remove_file(&file)?;
    ensure!(rendition.frames() == chosen.len(), "it has too few frames");
    let began = Instant::now();
    let pair = |(n, of_chosen)| Pair {
        source: source.film.picture(n),
        rendition: rendition.picture(of_chosen),
    };
    let mut of_chosen = 0..;
    let places: Vec<Vec<_>> =
        places.into_iter().map(|place| place.zip(of_chosen.by_ref()).map(pair).collect()).collect();
    let likeness = measure(&places);
    Ok(Trial { clip: source.name.clone(), encode, honest, share, likeness, took: began.elapsed() })
}

fn filter(encode: &Encode, source: &Film) -> String {
    let height = LADDER[encode.rung].height;
    let width = (height * 16 / 9).next_multiple_of(2);
    let hold = format!("fps={}:start_time=0,tpad=stop=300:stop_mode=clone", source.rate);
    let named = [("BADGE", BADGE), ("FREEZE", FREEZE), ("HOLD", &hold)];
    let filter =
        named.iter().fold(encode.filter.to_owned(), |filter, (name, is)| filter.replace(name, is));
    filter.replace("SIZE", &format!("{width}:{height}"))
}
