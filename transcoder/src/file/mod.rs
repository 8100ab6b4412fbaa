//! `transcoder file`: a ladder from a file, with no master and no gateway.
//!
//! The file is opened here and handed to the engine, a child that can open nothing itself; what
//! comes back is written as it comes: a folder for each rendition and one for the sound, a playlist
//! in each, and one above them all. Nothing holds more than a segment in memory.
//!
//! Reading order: this page (the command) → [`tracks`] (units to files) → [`output`] (playlists,
//! recordings, the summary).

mod output;
mod tracks;

use anyhow::{Context as _, bail, ensure};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use output::Summary;
use std::fs::File;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tessera_engine_host::{Engine, EngineConfig, program_beside_this_one};
use tessera_media::task::{FileReport, FileSound, FileTask, Task};
use tessera_media::wire::{Body, TrackKind};
use tessera_media::{Ticks, TrackFormat};
use tessera_protocol::stream::Ladder;
use tracks::Tracks;

/// Between keyframes.
const SEGMENT: Ticks = Ticks::from_millis(2000);

/// What `transcoder file` is told.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A file with pictures, of any format that FFmpeg reads
    input: PathBuf,
    /// The folder to make: index.m3u8, and a folder for each rendition
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// What to make, as HEIGHTp[FPS]:BITRATE[:CODEC] with h264, h265 or av1
    #[arg(long, default_value = "720p:2800k,480p:1400k,360p:800k,240p:400k")]
    ladder: Ladder,
    /// Whether sound is encoded anew, or copied where it is AAC already
    #[arg(long, value_enum, default_value_t = Audio::Encode)]
    audio: Audio,
    /// Bits a second of encoded sound
    #[arg(long, default_value = "128k", value_parser = bit_rate)]
    audio_bitrate: u32,
    /// Also write each rendition with the sound as one MP4
    #[arg(long)]
    mp4: bool,
    /// Say what was made as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Audio {
    Encode,
    Copy,
}

/// `128k`, `96000`.
fn bit_rate(text: &str) -> Result<u32, String> {
    let (number, unit) = match text.strip_suffix(['k', 'K']) {
        Some(number) => (number, 1000),
        None => (text, 1),
    };
    let rate = number.parse::<u32>().ok().and_then(|number| number.checked_mul(unit));
    let rate = rate.filter(|rate| (8_000..=512_000).contains(rate));
    rate.ok_or_else(|| "expected bits a second from 8k to 512k, as 128k".to_owned())
}

/// Makes a ladder.
///
/// # Errors
/// If the file cannot be read, is of no use, or the folder cannot be written. What was written by
/// then stays, and is no ladder: `index.m3u8` is written last.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let summary = runtime.block_on(make(arguments))?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        print!("{summary}");
    }
    Ok(())
}

async fn make(arguments: &Arguments) -> anyhow::Result<Summary> {
    let started = Instant::now();
    let input = &arguments.input;
    let file = File::open(input).with_context(|| format!("cannot open {}", input.display()))?;
    ensure!(file.metadata()?.is_file(), "{} is not a file", input.display());
    let folder = &arguments.output;
    make_empty(folder)?;

    let config = EngineConfig::new(program_beside_this_one()?);
    let engine = Engine::start_with(&config, &file).await?;
    let sound = match arguments.audio {
        Audio::Encode => FileSound::Encode { bits_per_s: arguments.audio_bitrate },
        Audio::Copy => FileSound::Copy,
    };
    let renditions = arguments.ladder.renditions().to_vec();
    let task = Task::File(FileTask { renditions, segment: SEGMENT, sound });
    let (_sender, mut receiver) = engine.lane(task).split();

    let mut tracks = Tracks::new(folder, arguments.ladder.renditions(), SEGMENT);
    let mut progress = Progress::new(!arguments.json);
    let (mut report, mut frames, mut cpu_ms) = (None, 0, 0);
    while let Some(body) = receiver.recv().await {
        match body.with_context(|| format!("cannot make a ladder of {}", input.display()))? {
            Body::Report(json) => {
                let said: FileReport = serde_json::from_slice(&json)?;
                progress.begin(said.duration);
                report = Some(said);
            }
            Body::Format(index, format) => tracks.picture_format(index, format)?,
            Body::Track(track) => match track.format {
                TrackFormat::Audio(format) => tracks.sound_format(format)?,
                TrackFormat::Video(_) => bail!("the engine gave the file's own pictures back"),
            },
            Body::Coded(index, unit) => tracks.picture(index, unit)?,
            Body::Source(TrackKind::Audio, unit) => tracks.sound(unit)?,
            Body::Done(done) => {
                frames += u64::from(done.frames_in);
                cpu_ms += done.cpu_ms;
                progress.at(Ticks(SEGMENT.0 * (done.segment.0 as i64 + 1)));
            }
            _ => bail!("the engine said what has no place in this task"),
        }
    }
    progress.end();
    let report = report.context("the engine did not say what the file is")?;
    let made = tracks.finish()?;
    output::write(folder, &made, arguments.mp4)?;
    Ok(Summary::new(&report, &made, frames, cpu_ms, started.elapsed()))
}

/// Makes a folder, which must not hold anything.
fn make_empty(folder: &Path) -> anyhow::Result<()> {
    let cannot = || format!("cannot make the folder {}", folder.display());
    std::fs::create_dir_all(folder).with_context(cannot)?;
    let any = std::fs::read_dir(folder).with_context(cannot)?.next().is_some();
    ensure!(!any, "{} is not empty: name another folder, or remove it", folder.display());
    Ok(())
}

/// A bar on a terminal, and nothing anywhere else.
struct Progress(ProgressBar);

impl Progress {
    fn new(wanted: bool) -> Self {
        let target = if wanted && std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self(ProgressBar::with_draw_target(None, target))
    }

    fn begin(&mut self, duration: Option<Ticks>) {
        let Some(duration) = duration else { return };
        let template = "{bar:40} {pos} of {len} s, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        self.0.set_length(duration.seconds().ceil() as u64);
    }

    fn at(&mut self, time: Ticks) {
        let seconds = time.seconds() as u64;
        self.0.set_position(self.0.length().map_or(seconds, |length| seconds.min(length)));
    }

    fn end(&mut self) {
        self.0.finish_and_clear();
    }
}
