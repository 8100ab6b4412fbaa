//! A clip whose every frame says its number, so that what comes out at the other end can be compared
//! frame by frame, whatever was done to its size and its bits.
//!
//! The number stands in a row of black and white cells along the top edge, with check bits, and
//! with black and white exchanged along the bottom edge: a picture put together of two, or smeared,
//! has no number rather than a wrong one. What moves between the two rows keeps encoders busy. The
//! cells are wide enough to be read at 240 lines.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Frames a second.
pub const FPS: u32 = 30;
/// Pixels across and down.
pub const SIZE: (usize, usize) = (1280, 720);
/// A keyframe every so many seconds.
pub const GOP_S: u32 = 1;

/// Cells of a row: two that are known, the number, the check, two that are known.
const CELLS: usize = 32;
/// Bits of a number.
const NUMBER_BITS: u32 = 20;
/// Bits that check it.
const CHECK_BITS: u32 = 8;
/// A row's height, as a share of the picture's: one in this many.
const ROW: usize = 10;
const BLACK: u8 = 16;
const WHITE: u8 = 235;

/// Which clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClipSpec {
    /// How long.
    pub seconds: u32,
    /// Whether frames refer to later ones, as OBS's do by default.
    pub b_frames: bool,
}

/// The clip, made at the first call and kept in the build folder: H.264 of some 2.5 Mbit/s and a
/// tone in AAC, without a number twice.
///
/// # Panics
/// If it cannot be made: ffmpeg is missing, or the disk is full.
pub fn clip(spec: ClipSpec) -> PathBuf {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/clips"));
    fs::create_dir_all(&folder).expect("a folder for clips");
    let b_frames = if spec.b_frames { "-b" } else { "" };
    // The last part changes whenever the picture does.
    let path = folder.join(format!("numbers-{}s{b_frames}-1.mp4", spec.seconds));
    // Tests run at the same time, in several processes.
    let lock = File::create(folder.join("lock")).expect("a file to lock");
    lock.lock().expect("the lock");
    if !path.exists() {
        let unfinished = path.with_extension("unfinished");
        make(spec, &unfinished);
        fs::rename(&unfinished, &path).expect("the clip gets its name");
    }
    path
}

fn make(spec: ClipSpec, path: &Path) {
    let size = format!("{}x{}", SIZE.0, SIZE.1);
    let (fps, gop) = (FPS.to_string(), (FPS * GOP_S).to_string());
    let tone =
        format!("sine=frequency=330:beep_factor=3:sample_rate=48000:duration={}", spec.seconds);
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg
        .args(["-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", &size])
        .args(["-r", &fps, "-i", "-", "-f", "lavfi", "-i", &tone])
        .args(["-c:v", "libx264", "-preset", "superfast", "-profile:v", "main", "-g", &gop])
        .args([
            "-keyint_min",
            &gop,
            "-sc_threshold",
            "0",
            "-bf",
            if spec.b_frames { "2" } else { "0" },
        ])
        .args(["-b:v", "2500k", "-maxrate", "3000k", "-bufsize", "3000k"])
        .args(["-c:a", "aac", "-b:a", "128k", "-ac", "2", "-f", "mp4"])
        .arg(path);
    let mut child = ffmpeg.stdin(Stdio::piped()).spawn().expect("ffmpeg is installed");
    let mut frames = BufWriter::new(child.stdin.take().expect("a pipe"));
    let mut painter = Painter::new();
    for number in 0..spec.seconds * FPS {
        frames.write_all(painter.frame(number)).expect("ffmpeg takes the frame");
    }
    drop(frames);
    assert!(child.wait().expect("ffmpeg ends").success(), "ffmpeg made no clip");
}

/// Paints frames, each over the last.
struct Painter {
    /// Wider than a frame, and the same after [`TEXTURE`](Self::TEXTURE) pixels.
    texture: Vec<u8>,
    /// Planes of Y, U and V.
    frame: Vec<u8>,
}

impl Painter {
    /// Pixels after which the texture repeats.
    const TEXTURE: usize = 512;
    /// Pixels by which it moves from frame to frame.
    const SPEED: usize = 4;

    fn new() -> Self {
        let (width, height) = SIZE;
        let mut frame = vec![128; width * height * 3 / 2];
        let (u, v) = frame[width * height..].split_at_mut(width * height / 4);
        for (at, (u, v)) in u.iter_mut().zip(v).enumerate() {
            let (x, y) = (at % (width / 2), at / (width / 2));
            (*u, *v) = ((96 + x / 10) as u8, (160 - y / 6) as u8);
        }
        let mut texture = vec![0; Self::TEXTURE * height];
        for (at, pixel) in texture.iter_mut().enumerate() {
            let (x, y) = (at % Self::TEXTURE, at / Self::TEXTURE);
            *pixel = (60 + noise(x, y, 64) / 3 + noise(x, y, 16) / 4) as u8;
        }
        Self { texture, frame }
    }

    fn frame(&mut self, number: u32) -> &[u8] {
        let (width, height) = SIZE;
        let shift = number as usize * Self::SPEED % Self::TEXTURE;
        for y in height / ROW..height - height / ROW {
            let texture = &self.texture[y * Self::TEXTURE..][..Self::TEXTURE];
            let row = &mut self.frame[y * width..][..width];
            let (head, rest) = row.split_at_mut(Self::TEXTURE - shift);
            head.copy_from_slice(&texture[shift..]);
            for piece in rest.chunks_mut(Self::TEXTURE) {
                piece.copy_from_slice(&texture[..piece.len()]);
            }
        }
        let cells = cells(number);
        for (rows, inverted) in [(0..height / ROW, false), (height - height / ROW..height, true)] {
            for y in rows {
                for (x, pixel) in self.frame[y * width..][..width].iter_mut().enumerate() {
                    let white = cells[x * CELLS / width] != inverted;
                    *pixel = if white { WHITE } else { BLACK };
                }
            }
        }
        &self.frame
    }
}

/// Smooth noise, 0 to 255, that repeats after [`Painter::TEXTURE`] pixels.
fn noise(x: usize, y: usize, scale: usize) -> usize {
    let across = Painter::TEXTURE / scale;
    let corner = |x: usize, y: usize| hash((x % across + y * 7919 + scale) as u32) as usize >> 24;
    let (left, top) = (x / scale, y / scale);
    let (dx, dy) = (x % scale, y % scale);
    let row = |y| corner(left, y) * (scale - dx) + corner(left + 1, y) * dx;
    (row(top) * (scale - dy) + row(top + 1) * dy) / (scale * scale)
}

fn hash(value: u32) -> u32 {
    let mixed = (value ^ 0x5bd1_e995).wrapping_mul(0x9e37_79b1);
    (mixed ^ (mixed >> 15)).wrapping_mul(0x85eb_ca77)
}

/// Which cells of a row are white. The player's page has the same rule.
fn cells(number: u32) -> [bool; CELLS] {
    assert!(number < 1 << NUMBER_BITS, "numbers have {NUMBER_BITS} bits");
    let coded = number << CHECK_BITS | check(number);
    let mut cells = [false; CELLS];
    (cells[0], cells[CELLS - 1]) = (true, true);
    for (bit, cell) in cells[2..CELLS - 2].iter_mut().rev().enumerate() {
        *cell = coded >> bit & 1 == 1;
    }
    cells
}

fn check(number: u32) -> u32 {
    number.wrapping_mul(0x9e37_79b1) >> (32 - CHECK_BITS)
}

/// The number of a picture, from its luma; `None` if it has none, or a smeared one.
pub fn read_number(luma: &[u8], width: usize, height: usize) -> Option<u32> {
    // The mean of the middle of each cell.
    let row = |middle: usize| -> Option<[i32; CELLS]> {
        let mut levels = [0; CELLS];
        for (cell, level) in levels.iter_mut().enumerate() {
            let (from, to) =
                ((4 * cell + 1) * width / (4 * CELLS), (4 * cell + 3) * width / (4 * CELLS));
            let pixels = luma.get(middle * width + from..middle * width + to.max(from + 1))?;
            *level = pixels.iter().map(|&p| i32::from(p)).sum::<i32>() / pixels.len() as i32;
        }
        Some(levels)
    };
    let top = number_of(row(height / ROW / 2)?)?;
    let bottom = number_of(row(height - 1 - height / ROW / 2)?.map(|level| 255 - level))?;
    (top == bottom).then_some(top)
}

fn number_of(levels: [i32; CELLS]) -> Option<u32> {
    const LEAST_CONTRAST: i32 = 60;
    let (white, black) = ((levels[0] + levels[CELLS - 1]) / 2, (levels[1] + levels[CELLS - 2]) / 2);
    if white - black < LEAST_CONTRAST {
        return None;
    }
    let bit = |level: &i32| u32::from(*level > (white + black) / 2);
    let coded = levels[2..CELLS - 2].iter().fold(0, |sum, level| sum << 1 | bit(level));
    let number = coded >> CHECK_BITS;
    (coded & ((1 << CHECK_BITS) - 1) == check(number)).then_some(number)
}

/// The numbers of all frames that ffmpeg decodes of a file or an address, in the order shown; `None`
/// for a frame without one. `arguments` come before the input: `["-ss", "5"]` for example.
///
/// # Panics
/// If ffmpeg cannot read it.
pub fn numbers_shown(arguments: &[&str], source: &str) -> Vec<Option<u32>> {
    const SMALL: (usize, usize) = (320, 180);
    let scale = format!("scale={}:{}", SMALL.0, SMALL.1);
    let output = Command::new("ffmpeg")
        .args(["-v", "error"])
        .args(arguments)
        .args(["-i", source, "-map", "0:v:0", "-vf", &scale, "-fps_mode", "passthrough"])
        .args(["-pix_fmt", "gray", "-f", "rawvideo", "-"])
        .output()
        .expect("ffmpeg is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ffmpeg cannot read {source}: {said}");
    let frames = output.stdout.chunks_exact(SMALL.0 * SMALL.1);
    frames.map(|luma| read_number(luma, SMALL.0, SMALL.1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_says_its_number() {
        let mut painter = Painter::new();
        for number in [0, 1, 29, 12_345, (1 << NUMBER_BITS) - 1] {
            let frame = painter.frame(number).to_vec();
            assert_eq!(read_number(&frame, SIZE.0, SIZE.1), Some(number));
        }
    }

    #[test]
    fn a_picture_of_two_or_of_none_has_no_number() {
        let mut painter = Painter::new();
        let (one, mut two) = (painter.frame(7).to_vec(), painter.frame(8).to_vec());
        let half = SIZE.0 * SIZE.1 / 2;
        two[..half].copy_from_slice(&one[..half]);
        assert_eq!(read_number(&two, SIZE.0, SIZE.1), None);
        assert_eq!(read_number(&vec![128; SIZE.0 * SIZE.1], SIZE.0, SIZE.1), None);
        // A cell that fell to the other side is found by the check bits.
        let mut levels = cells(99).map(|white| if white { 235 } else { 16 });
        assert_eq!(number_of(levels), Some(99));
        levels[12] = 251 - levels[12];
        assert_eq!(number_of(levels), None);
        assert_eq!(read_number(&[], 0, 0), None);
    }

    #[test]
    fn numbers_survive_being_made_small_and_coarse() {
        let source = clip(ClipSpec { seconds: 2, b_frames: true });
        let folder = tempfile::tempdir().unwrap();
        let small = folder.path().join("small.mp4");
        let status = Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(&source)
            .args(["-vf", "scale=426:240", "-c:v", "libx264", "-preset", "superfast"])
            .args(["-b:v", "200k", "-maxrate", "200k", "-bufsize", "200k", "-an"])
            .arg(&small)
            .status();
        assert!(status.unwrap().success());
        let all: Vec<_> = (0..2 * FPS).map(Some).collect();
        assert_eq!(numbers_shown(&[], small.to_str().unwrap()), all);
        assert_eq!(numbers_shown(&["-ss", "1.5"], source.to_str().unwrap()), all[45..]);
    }
}
