//! Each parser that strangers reach, behind libFuzzer: `scripts/fuzz` builds the targets and runs them.
//!
//! A [`Target`] is what is done with any bytes, and valid ones to begin with, made by the code that
//! writes such bytes for real. A program in `src/bin` hands it to libFuzzer, which changes inputs, keeps
//! those that reach a branch which none reached before, and writes down what panics, takes longer than
//! its limit, or more memory than [`Target::memory`].
//!
//! Address sanitizing is left out: the parsers are safe Rust, where a wrong index panics and nothing is
//! read beyond. What is not Rust is reached by `film_sums` alone, zstd, whose authors fuzz it themselves.
//!
//! Not here: HTTP, TLS, SQLite and the chain's RPC, which are other people's; and transport streams and
//! files as `engine` reads them, by FFmpeg, behind its jail (`crates/engine-host`).
//!
//! Reading order: [`scene`], [`ingest`], [`media`], [`protocol`], [`chain`], [`names`].

pub mod chain;
pub mod ingest;
pub mod media;
pub mod memory;
pub mod names;
pub mod protocol;
pub mod scene;

use std::collections::BTreeSet;
use std::path::Path;

/// A parser, with what it is given to begin with.
pub struct Target {
    /// What is done with an input.
    pub run: fn(&[u8]),
    /// Inputs that are good.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words of the format that are not in a seed.
    pub words: &'static [&'static str],
    /// The most memory that an input may take.
    pub memory: Memory,
}

/// So many bytes, and so many for each byte of an input. What is merely claimed doesn't count.
pub struct Memory {
    /// For any input.
    pub bytes: usize,
    /// For each of its bytes.
    pub times: usize,
}

/// Says that a program is this target's.
#[macro_export]
macro_rules! target {
    ($module:ident :: $target:ident) => {
        libfuzzer_sys::fuzz_target!(
            init: $crate::begin(&$crate::$module::$target),
            |input: &[u8]| $crate::run(&$crate::$module::$target, input)
        );
    };
}

/// Runs an input.
///
/// # Panics
/// If the parser does, or takes more memory than it may.
pub fn run(target: &Target, input: &[u8]) {
    let (peak, ()) = memory::peak_of(|| (target.run)(input));
    let most = target.memory.bytes + target.memory.times * input.len();
    assert!(peak <= most, "{peak} bytes of memory for an input of {}", input.len());
}

/// Writes the seeds into the folder that `FUZZ_SEEDS` names, and the format's words for libFuzzer beside
/// it.
///
/// # Panics
/// If they can't be written.
pub fn begin(target: &Target) {
    let Some(folder) = std::env::var_os("FUZZ_SEEDS") else { return };
    let folder = Path::new(&folder);
    let seeds = (target.seeds)();
    std::fs::create_dir_all(folder).expect("a folder for seeds");
    for (n, seed) in seeds.iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{n:03}")), seed).expect("a seed is written");
    }
    let words: BTreeSet<&str> = seeds
        .iter()
        .flat_map(|seed| quoted(seed))
        .chain(target.words.iter().copied())
        .filter(|word| {
            word.len() > 1 && word.bytes().all(|b| (b' '..b'\x7f').contains(&b) && b != b'\\')
        })
        .collect();
    // An empty file would be refused.
    let mut lines = "# What the format is made of.\n".to_owned();
    for word in words {
        lines.push_str(&format!("\"{}\"\n", word.replace('"', "\\\"")));
    }
    std::fs::write(folder.with_extension("words"), lines).expect("words are written");
}

/// Short words in quotation marks, with these: what JSON has.
fn quoted(seed: &[u8]) -> impl Iterator<Item = &str> {
    let marks: Vec<usize> = (0..seed.len()).filter(|&i| seed[i] == b'"').collect();
    (1..marks.len()).filter_map(move |i| {
        let word = &seed[marks[i - 1]..=marks[i]];
        (word.len() <= 40).then(|| std::str::from_utf8(word).ok()).flatten()
    })
}

/// An input in pieces: each is as long as the byte before it says, the last as long as it gets.
pub fn pieces(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = input;
    std::iter::from_fn(move || {
        let (&length, after) = rest.split_first()?;
        let (piece, after) = after.split_at(usize::from(length).min(after.len()));
        rest = after;
        Some(piece)
    })
}

/// The input that [`pieces`] takes apart into these, of at most 255 bytes each.
pub fn joined<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    pieces.into_iter().flat_map(|piece| [&[piece.len() as u8], piece].concat()).collect()
}
