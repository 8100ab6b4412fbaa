//! What the ffmpeg program is told.

use super::{RUNGS, Rung};
use std::path::Path;

/// How the ladder is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recipe {
    /// As its documentation shows: split, scale each, `veryfast`.
    Plain,
    /// As `transcode-engine` does it: see `engine/src/encode/h264.rs` and `engine/src/scale.rs`. Only
    /// the cubic curve is the program's own: it takes parameters for another one and ignores them.
    Alike,
}

/// Frames from keyframe to keyframe: two seconds.
const GOP: u32 = 48;

/// One process for the whole ladder; an MP4 for each rung in `folder`, and one of the sound.
pub(super) fn ladder(recipe: Recipe, film: &Path, folder: &Path) -> Vec<String> {
    let mut words = words("-v error -nostdin -y -i");
    words.push(path(film));
    let graph = match recipe {
        Recipe::Plain => plain_graph(),
        Recipe::Alike => cascade(),
    };
    words.extend(["-filter_complex".to_owned(), graph]);
    for (n, rung) in RUNGS.into_iter().enumerate() {
        words.extend(["-map".to_owned(), format!("[v{n}]")]);
        words.extend(encoder(recipe, rung));
        words.push(path(&folder.join(format!("{}.mp4", rung.name))));
    }
    words.extend(self::words("-map 0:a -c:a aac -b:a 128k"));
    words.push(path(&folder.join("audio.mp4")));
    words
}

/// Decodes, and nothing else.
pub(super) fn decoding(film: &Path) -> Vec<String> {
    let mut words = words("-v error -nostdin -threads 1 -i");
    words.push(path(film));
    words.extend(self::words("-map 0:v -f null -"));
    words
}

/// The film in a rung's size, as raw pictures.
pub(super) fn raw(film: &Path, rung: Rung, to: &Path) -> Vec<String> {
    let mut words = words("-v error -nostdin -y -i");
    words.push(path(film));
    let scale = format!("scale={}:{}:flags=bicubic", rung.width, rung.height);
    words.extend(["-vf".to_owned(), scale]);
    words.extend(self::words("-map 0:v -pix_fmt yuv420p -f rawvideo"));
    words.push(path(to));
    words
}

/// Encodes raw pictures, tuned alike.
pub(super) fn encoding(raw: &Path, rung: Rung) -> Vec<String> {
    let Rung { width, height, .. } = rung;
    let mut words = words(&format!(
        "-v error -nostdin -f rawvideo -pix_fmt yuv420p -r 24 -s {width}x{height} -i"
    ));
    words.push(path(raw));
    words.extend(encoder(Recipe::Alike, rung));
    words.extend(self::words("-f null -"));
    words
}

fn plain_graph() -> String {
    let pads = |name| (0..RUNGS.len()).map(|n| format!("[{name}{n}]")).collect::<String>();
    let scales = RUNGS.into_iter().enumerate();
    let scales =
        scales.map(|(n, rung)| format!("[s{n}]scale={}:{}[v{n}]", rung.width, rung.height));
    let scales = scales.collect::<Vec<_>>().join(";");
    format!("[0:v]split={}{};{scales}", RUNGS.len(), pads("s"))
}

/// Each rung out of the one above it.
fn cascade() -> String {
    let last = RUNGS.len() - 1;
    let steps = RUNGS.into_iter().enumerate().map(|(n, Rung { width, height, .. })| {
        let from = if n == 0 { "0:v".to_owned() } else { format!("c{}", n - 1) };
        let scale = format!("[{from}]scale={width}:{height}:flags=bicubic");
        if n == last { format!("{scale}[v{n}]") } else { format!("{scale},split[v{n}][c{n}]") }
    });
    steps.collect::<Vec<_>>().join(";")
}

fn encoder(recipe: Recipe, rung: Rung) -> Vec<String> {
    let rate = rung.kbits_per_s;
    let mut words = words(&format!(
        "-c:v libx264 -preset veryfast -b:v {rate}k -maxrate {}k -bufsize {}k",
        rate * 3 / 2,
        rate * 2
    ));
    match recipe {
        Recipe::Plain => words.extend(self::words(&format!("-g {GOP} -sc_threshold 0"))),
        Recipe::Alike => {
            // 0.023 times the root of thirty seconds.
            let subme = if rung.height == 480 { 2 } else { 1 };
            let params = format!(
                "keyint=infinite:scenecut=0:threads=1:aq-strength=0.8:me=dia:\
                 partitions=i4x4,i8x8:weightb=0:subme={subme}:b-adapt=0:ratetol=0.126"
            );
            words.extend(["-x264-params".to_owned(), params]);
            words.extend(["-force_key_frames".to_owned(), "expr:gte(t,n_forced*2)".to_owned()]);
            words.extend(self::words("-forced-idr 1"));
        }
    }
    words
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn path(path: &Path) -> String {
    path.display().to_string()
}
