//! Decoded pictures, and the ffmpeg program that makes them.

use anyhow::{Context as _, bail, ensure};
use std::path::Path;
use std::process::{Command, Stdio};
use tessera_verify::segment::{Picture, Plane};

/// Pictures of one size, 4:2:0.
pub(super) struct Film {
    width: usize,
    height: usize,
    /// Frames a second, as ffmpeg writes it.
    pub(super) rate: String,
    bytes: Vec<u8>,
}

impl Film {
    /// All pictures of a file, or those of the given numbers.
    pub(super) fn decode(file: &Path, only: Option<&[usize]>) -> anyhow::Result<Self> {
        let size = Command::new("ffprobe")
            .args(["-v", "error", "-select_streams", "v:0", "-of", "csv=p=0"])
            .args(["-show_entries", "stream=width,height,r_frame_rate"])
            .arg(file)
            .output()?;
        let size = String::from_utf8(size.stdout)?;
        let [width, height, rate] = size.trim().split(',').collect::<Vec<_>>()[..] else {
            bail!("ffprobe says {size:?} of {}", file.display());
        };
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-threads", "1", "-i"]).arg(file);
        if let Some(only) = only {
            let terms: Vec<_> = only.iter().map(|n| format!("eq(n\\,{n})")).collect();
            command.args(["-vf", &format!("select={}", terms.join("+"))]);
        }
        let output = command
            .args(["-vsync", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(output.status.success(), "ffmpeg cannot decode {}", file.display());
        let (width, height) = (width.parse()?, height.parse()?);
        Ok(Self { width, height, rate: rate.to_owned(), bytes: output.stdout })
    }

    pub(super) fn frames(&self) -> usize {
        self.bytes.len() / self.frame_bytes()
    }

    pub(super) fn pixels(&self) -> usize {
        self.width * self.height
    }

    fn frame_bytes(&self) -> usize {
        self.pixels() + 2 * self.width.div_ceil(2) * self.height.div_ceil(2)
    }

    pub(super) fn picture(&self, n: usize) -> Picture<'_> {
        let frame = &self.bytes[n * self.frame_bytes()..][..self.frame_bytes()];
        let (y, chroma) = frame.split_at(self.pixels());
        let (cb, cr) = chroma.split_at(chroma.len() / 2);
        let (half, down) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let plane =
            |width, height, data| Plane::new(width, height, width, data).expect("a whole plane");
        Picture {
            y: plane(self.width, self.height, y),
            cb: plane(half, down, cb),
            cr: plane(half, down, cr),
        }
    }
}

/// Runs ffmpeg on one core; arguments are parted by spaces.
pub(super) fn ffmpeg(arguments: &str) -> anyhow::Result<()> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y", "-threads", "1", "-filter_threads", "1"])
        .args(arguments.split_whitespace())
        .output()
        .context("ffmpeg does not start")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ffmpeg {arguments}: {said}");
    Ok(())
}
