//! How fast a source's pictures come, and what it is in words.

use tessera_media::{AudioFormat, Ticks, VideoFormat, rate};
use tessera_protocol::stream::{Ladder, VideoCodec};

/// Pictures over which the rate is measured.
const OVER: u32 = 60;

/// Measures a source's frame rate.
#[derive(Debug, Default)]
pub(super) struct SourcePace {
    first: Option<Ticks>,
    last: Ticks,
    steps: u32,
    /// Of the last full measurement.
    frame: Option<Ticks>,
}

impl SourcePace {
    /// A picture, with the source's own time.
    pub(super) fn picture(&mut self, at: Ticks) {
        let Some(first) = self.first else {
            (self.first, self.last) = (Some(at), at);
            return;
        };
        self.last = self.last.max(at);
        self.steps += 1;
        if self.steps >= 10 {
            let mean = (self.last.0 - first.0) / i64::from(self.steps);
            // A jump of the clock is no rate.
            if (1..=10 * Ticks::PER_SECOND).contains(&mean) && self.steps.is_multiple_of(10) {
                self.frame = Some(Ticks(mean));
            }
        }
        if self.steps == OVER {
            (self.first, self.steps) = (None, 0);
        }
    }

    fn fps(&self) -> Option<f64> {
        self.frame.map(|frame| Ticks::PER_SECOND as f64 / frame.0 as f64)
    }

    /// Pixels a second of all renditions; 0 while the rate is not known.
    pub(super) fn pixels_per_s(&self, source: &VideoFormat, ladder: &Ladder) -> u64 {
        let (Some(fps), Some(frame)) = (self.fps(), self.frame) else { return 0 };
        let of = |rendition: &tessera_protocol::stream::Rendition| {
            let (width, height) = rendition.size_for(source.width, source.height);
            let every = rate::keep_every(frame, rendition.max_fps);
            f64::from(width) * f64::from(height) * fps / f64::from(every)
        };
        ladder.renditions().iter().map(of).sum::<f64>().round() as u64
    }

    /// `1280×720, 30 frames a second, H.264 and AAC`.
    pub(super) fn words(&self, video: &VideoFormat, audio: Option<&AudioFormat>) -> String {
        let codec = match video.codec {
            VideoCodec::H264 => "H.264",
            VideoCodec::H265 => "H.265",
            VideoCodec::Av1 => "AV1",
        };
        let rate = self.fps().map_or(String::new(), |fps| {
            let text = format!("{fps:.1}");
            format!(", {} frames a second", text.strip_suffix(".0").unwrap_or(&text))
        });
        let sound = if audio.is_some() { " and AAC" } else { " without sound" };
        format!("{}×{}{rate}, {codec}{sound}", video.width, video.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> VideoFormat {
        let codec = VideoCodec::H264;
        VideoFormat { codec, width: 1280, height: 720, config: vec![].into() }
    }

    #[test]
    fn a_source_is_measured_through_reordering_and_rounding() {
        let mut pace = SourcePace::default();
        assert_eq!(pace.words(&source(), None), "1280×720, H.264 without sound");
        for n in 0..300_i64 {
            // Every second pair is swapped, and times are whole milliseconds.
            let shown = if n % 4 == 1 {
                n + 1
            } else if n % 4 == 2 {
                n - 1
            } else {
                n
            };
            pace.picture(Ticks(shown * 1_000 / 30 * 90));
        }
        assert!(pace.words(&source(), None).contains("30 frames a second"), "{pace:?}");
        let ladder: Ladder = "720p:2800k,360p15:800k".parse().unwrap();
        let pixels = pace.pixels_per_s(&source(), &ladder) as f64;
        let expected = 1280.0 * 720.0 * 30.0 + 640.0 * 360.0 * 15.0;
        assert!((pixels / expected - 1.0).abs() < 0.02, "{pixels}");
    }
}
