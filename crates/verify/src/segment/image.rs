//! Planes as numbers: making them smaller, filtering them, averaging blocks.

use super::Plane;

/// A plane of `f32`, rows without gaps; 0 to 255 where it is a picture.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Image {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) samples: Vec<f32>,
}

/// Which samples a sample of another size is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Filter {
    /// The mean of exactly the area that it covers.
    Area,
    /// Cubic, with its lobes: what the smaller size can show stays sharp.
    Cubic,
}

impl Image {
    pub(crate) fn of(plane: &Plane<'_>) -> Self {
        let mut samples = Vec::with_capacity(plane.width * plane.height);
        for y in 0..plane.height {
            samples.extend(plane.row(y).iter().map(|&sample| f32::from(sample)));
        }
        Self { width: plane.width, height: plane.height, samples }
    }

    /// A plane at another size.
    pub(crate) fn resized_of(
        plane: &Plane<'_>,
        width: usize,
        height: usize,
        filter: Filter,
    ) -> Self {
        if (width, height) == (plane.width, plane.height) {
            return Self::of(plane);
        }
        resized(|y| plane.row(y), (plane.width, plane.height), (width, height), filter)
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.samples.chunks_exact(self.width)
    }

    pub(crate) fn row(&self, y: usize) -> &[f32] {
        &self.samples[y * self.width..][..self.width]
    }

    /// At another size.
    pub(crate) fn resized(&self, width: usize, height: usize, filter: Filter) -> Self {
        if (width, height) == (self.width, self.height) {
            return self.clone();
        }
        resized(|y| self.row(y), (self.width, self.height), (width, height), filter)
    }

    /// Each sample combined with the other's at its place; both are of one size.
    pub(crate) fn with(&self, other: &Self, mut combine: impl FnMut(f32, f32) -> f32) -> Self {
        debug_assert_eq!((self.width, self.height), (other.width, other.height));
        let pairs = self.samples.iter().zip(&other.samples);
        Self { samples: pairs.map(|(&a, &b)| combine(a, b)).collect(), ..*self }
    }

    /// The sum of each block of `side` × `side`; what is left over at the right and below is not
    /// looked at.
    pub(crate) fn block_sums(&self, side: usize) -> Self {
        let (width, height) = (self.width / side, self.height / side);
        let mut samples = vec![0.0; width * height];
        for (y, row) in self.rows().take(height * side).enumerate() {
            let sums = &mut samples[y / side * width..][..width];
            for (sum, block) in sums.iter_mut().zip(row.chunks_exact(side)) {
                *sum += block.iter().sum::<f32>();
            }
        }
        Self { width, height, samples }
    }
}

fn resized<'a, Sample: Copy + Into<f32> + 'a>(
    row: impl Fn(usize) -> &'a [Sample],
    from: (usize, usize),
    (width, height): (usize, usize),
    filter: Filter,
) -> Image {
    // Rows first: adding whole rows is what vector registers do best, and fewer are left for the
    // columns.
    let (down, across) = (taps(from.1, height, filter), taps(from.0, width, filter));
    let mut sum = vec![0.0; from.0];
    let mut samples = Vec::with_capacity(width * height);
    for taps in &down {
        sum.fill(0.0);
        for (y, &weight) in (taps.first..).zip(&taps.weights) {
            for (sum, &sample) in sum.iter_mut().zip(row(y)) {
                *sum += weight * sample.into();
            }
        }
        samples.extend(across.iter().map(|taps| {
            let under = sum[taps.first..].iter().zip(&taps.weights);
            under.map(|(sample, weight)| sample * weight).sum::<f32>()
        }));
    }
    Image { width, height, samples }
}

/// The samples that one sample of another size is the weighted sum of.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

fn taps(from: usize, to: usize, filter: Filter) -> Vec<Taps> {
    let scale = from as f32 / to as f32;
    let one = |n: usize| {
        let (low, high, weight): (f32, f32, &dyn Fn(f32) -> f32) = match filter {
            Filter::Area => {
                let (low, high) = (n as f32 * scale, (n + 1) as f32 * scale);
                (low, high, &move |x: f32| (high.min(x + 1.0) - low.max(x)).max(0.0))
            }
            Filter::Cubic => {
                let (centre, wide) = ((n as f32 + 0.5) * scale, scale.max(1.0));
                let reach = 2.0 * wide;
                (centre - reach, centre + reach, &move |x: f32| cubic((x + 0.5 - centre) / wide))
            }
        };
        let first = (low.floor().max(0.0) as usize).min(from - 1);
        let end = (high.ceil().max(0.0) as usize).clamp(first + 1, from);
        let mut weights: Vec<f32> = (first..end).map(|x| weight(x as f32)).collect();
        let sum: f32 = weights.iter().sum();
        for weight in &mut weights {
            *weight /= sum;
        }
        Taps { first, weights }
    };
    (0..to).map(one).collect()
}

/// Keys' cubic of sharpness 0.6.
fn cubic(x: f32) -> f32 {
    const A: f32 = -0.6;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        A * (((x - 5.0) * x + 8.0) * x - 4.0)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ramp(width: usize, height: usize) -> Image {
        let samples = (0..width * height).map(|n| (n % width) as f32).collect();
        Image { width, height, samples }
    }

    proptest! {
        #[test]
        fn what_is_flat_stays_flat_at_any_size(
            (from_w, from_h, to_w, to_h) in (1_usize..70, 1_usize..70, 1_usize..70, 1_usize..70),
            area in any::<bool>(),
        ) {
            let flat = Image { width: from_w, height: from_h, samples: vec![77.0; from_w * from_h] };
            let filter = if area { Filter::Area } else { Filter::Cubic };
            let other = flat.resized(to_w, to_h, filter);
            prop_assert_eq!(other.samples.len(), to_w * to_h);
            prop_assert!(other.samples.iter().all(|sample| (sample - 77.0).abs() < 0.01));
        }

        #[test]
        fn area_keeps_the_mean(
            samples in proptest::collection::vec(0_u8..=255, 24 * 10),
            width in 1_usize..24,
            height in 1_usize..10,
        ) {
            let samples: Vec<_> = samples.into_iter().map(f32::from).collect();
            let image = Image { width: 24, height: 10, samples };
            let mean = |image: &Image| {
                image.samples.iter().sum::<f32>() / image.samples.len() as f32
            };
            let small = image.resized(width, height, Filter::Area);
            prop_assert!((mean(&image) - mean(&small)).abs() < 0.05);
        }
    }

    #[test]
    fn a_ramp_keeps_its_slope() {
        let small = ramp(90, 8).resized(30, 4, Filter::Cubic);
        for pair in small.row(2)[3..27].windows(2) {
            assert!((pair[1] - pair[0] - 3.0).abs() < 0.01, "{pair:?}");
        }
    }

    #[test]
    fn a_grating_that_the_smaller_size_can_show_survives_cubic() {
        // Six samples a period become four.
        let samples: Vec<_> = (0..240 * 4).map(|n| if n % 6 < 3 { 200.0 } else { 50.0 }).collect();
        let small = Image { width: 240, height: 4, samples }.resized(160, 4, Filter::Cubic);
        let row = &small.row(1)[8..152];
        let most = row.iter().copied().fold(f32::MIN, f32::max);
        let least = row.iter().copied().fold(f32::MAX, f32::min);
        assert!(most - least > 130.0, "{least} to {most}");
    }

    #[test]
    fn blocks_are_summed_and_the_rest_left_out() {
        let image = ramp(5, 5);
        let sums = image.block_sums(2);
        assert_eq!((sums.width, sums.height), (2, 2));
        assert_eq!(sums.samples, [2.0, 10.0, 2.0, 10.0]);
    }
}
