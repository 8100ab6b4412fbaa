//! Single pixels, by the twin.

use crate::PreparedFrame;
use std::sync::atomic::{AtomicUsize, Ordering};
use tessera_protocol::{PixelSum, SampleRange};
use tessera_shaders::cpu::Scene;
use tessera_shaders::sums::pixel_sums;

/// One pixel of a frame and a range of its samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pixel {
    /// Its column.
    pub x: u32,
    /// Its row.
    pub y: u32,
    /// Its samples.
    pub samples: SampleRange,
}

/// Pixels that a thread takes at once.
const PORTION: usize = 16;

/// The sums of each of `pixels`, all of which lie in the frame, on as many threads.
pub fn sums(frame: &PreparedFrame, pixels: &[Pixel], threads: usize) -> Vec<PixelSum> {
    let scene = Scene::new(&frame.scene, &frame.accel);
    let next = AtomicUsize::new(0);
    let mut all = vec![PixelSum::default(); pixels.len()];
    let portions = pixels.len().div_ceil(PORTION);
    std::thread::scope(|scope| {
        let work = || {
            let mut done = Vec::new();
            loop {
                let start = next.fetch_add(1, Ordering::Relaxed) * PORTION;
                let Some(portion) = pixels.get(start..) else { return done };
                let portion = &portion[..portion.len().min(PORTION)];
                if portion.is_empty() {
                    return done;
                }
                done.push((
                    start,
                    portion.iter().map(|pixel| one(&scene, pixel)).collect::<Vec<_>>(),
                ));
            }
        };
        let others: Vec<_> =
            (1..threads.clamp(1, portions.max(1))).map(|_| scope.spawn(work)).collect();
        let own = work();
        let others = others.into_iter().flat_map(|other| {
            other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        for (start, sums) in own.into_iter().chain(others) {
            all[start..start + sums.len()].copy_from_slice(&sums);
        }
    });
    all
}

fn one(scene: &Scene<'_>, pixel: &Pixel) -> PixelSum {
    let [r, g, b, rays] =
        pixel_sums(scene, pixel.x, pixel.y, pixel.samples.start..pixel.samples.end);
    PixelSum { r, g, b, rays }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Source;
    use tessera_protocol::FrameNumber;
    use tessera_protocol::settings::RenderSettings;

    #[test]
    fn any_pixels_in_any_order_on_any_threads_are_the_frame_s() {
        let scene = tessera_scenes::conformance().swap_remove(0);
        let settings = RenderSettings { width: 20, height: 12, spp: 4, ..Default::default() };
        let mut source = Source::load(&scene.glb, None).unwrap();
        let frame = source.frame(&settings, FrameNumber(0), 0.0).unwrap();
        let samples = SampleRange { start: 0, end: 4 };
        let all: Vec<_> = (0..240).map(|n| Pixel { x: n % 20, y: n / 20, samples }).collect();
        let whole = sums(&frame, &all, 1);
        assert!(whole.iter().any(|sum| sum.r > 0), "something is seen");
        let scattered: Vec<usize> = (0..240).map(|n| n * 37 % 240).collect();
        let some: Vec<_> = scattered.iter().map(|&n| all[n]).collect();
        let expected: Vec<_> = scattered.iter().map(|&n| whole[n]).collect();
        assert_eq!(sums(&frame, &some, 3), expected);
        // Ranges of a pixel's samples add up to the whole.
        let half = |start, end| Pixel { samples: SampleRange { start, end }, ..all[130] };
        let halves = sums(&frame, &[half(0, 1), half(1, 4)], 2);
        assert_eq!(halves[0].checked_add(halves[1]), Some(whole[130]));
        assert_eq!(sums(&frame, &[], 4), []);
    }
}
