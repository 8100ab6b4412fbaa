//! The environment: its texels, and the map by which directions into it are chosen.
//!
//! Directions: u = atan2(z, x) / 2π + ½ and v = acos(y) / π from the top; texel centres lie at
//! (i + ½) / width; between them radiance is bilinear, wrapping in u and clamped in v.

use crate::cumulative::{ONE as ALL, shares, starts};
use crate::math::{luminance, power_of_two};
use crate::radiance::Radiance;
use tessera_shaders::layout::EnvironmentCell;

/// Cells of the importance map at most; both powers of two.
const MOST_CELLS: (u32, u32) = (1024, 512);

#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) cells_width: u32,
    pub(crate) cells_height: u32,
    pub(crate) cells: Vec<EnvironmentCell>,
    /// Luminance over all directions alike.
    pub(crate) mean_luminance: f64,
}

impl Environment {
    /// `None` for a picture that is black.
    pub(crate) fn new(picture: &Radiance) -> Option<Self> {
        let largest_power = |side: u32, most: u32| 1 << side.min(most).ilog2();
        let cells_width = largest_power(picture.width, MOST_CELLS.0);
        let cells_height = largest_power(picture.height, MOST_CELLS.1);
        let weights = cell_weights(picture, cells_width, cells_height);
        // Weights are luminance × ∫ sin πv du dv, which over the whole square is 2 / π.
        let sum = weights.iter().fold(0.0, |sum, w| sum + w);
        let rows: Vec<&[f64]> = weights.chunks_exact(cells_width as usize).collect();
        let row_weights: Vec<f64> =
            rows.iter().map(|row| row.iter().fold(0.0, |sum, w| sum + w)).collect();
        let row_shares = shares(&row_weights)?;
        let mut cells = Vec::with_capacity(weights.len());
        for ((row, &row_share), row_start) in rows.iter().zip(&row_shares).zip(starts(&row_shares))
        {
            // A row without weight is never chosen.
            let shares = shares(row).unwrap_or_else(|| vec![0; row.len()]);
            for (&share, start) in shares.iter().zip(starts(&shares)) {
                let probability =
                    f64::from(row_share) * f64::from(share) / (f64::from(ALL) * f64::from(ALL));
                cells.push(EnvironmentCell {
                    density: (probability * weights.len() as f64) as f32,
                    start,
                    row_start,
                    padding: 0,
                });
            }
        }
        Some(Self {
            width: picture.width,
            height: picture.height,
            cells_width,
            cells_height,
            cells,
            mean_luminance: sum * std::f64::consts::FRAC_PI_2,
        })
    }
}

/// The integral of luminance × sin θ over each cell, row by row.
///
/// Luminance is the integral of the bilinear function over a texel's square, which takes the
/// neighbours with weights 1:6:1 in each direction. So a cell has a weight wherever the kernel
/// can see radiance in it.
fn cell_weights(picture: &Radiance, cells_width: u32, cells_height: u32) -> Vec<f64> {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let spans_x = overlaps(width, cells_width as usize);
    let spans_y = overlaps(height, cells_height as usize);
    let mut weights = vec![0.0; cells_width as usize * cells_height as usize];
    let mut rows: [Vec<f64>; 3] = std::array::from_fn(|_| vec![0.0; width]);
    let mut filtered = vec![0.0; width];
    let exponents = exponents();
    let read = |row: &mut Vec<f64>, y: usize| {
        let words = &picture.words[y * width..][..width];
        for (value, &word) in row.iter_mut().zip(words) {
            *value = word_luminance(word, &exponents);
        }
    };
    read(&mut rows[1], 0);
    rows[0] = rows[1].clone();
    let mut span = spans_y.iter().peekable();
    for y in 0..height {
        read(&mut rows[2], (y + 1).min(height - 1));
        filter(&rows, &mut filtered);
        while let Some(part) = span.next_if(|part| part.texel == y) {
            let top = libm::cos(std::f64::consts::PI * part.from / height as f64);
            let bottom = libm::cos(std::f64::consts::PI * part.to / height as f64);
            let sine = (top - bottom) / std::f64::consts::PI;
            let row = &mut weights[part.cell * cells_width as usize..][..cells_width as usize];
            for part in &spans_x {
                row[part.cell] +=
                    filtered[part.texel] * (part.to - part.from) / width as f64 * sine;
            }
        }
        rows.rotate_left(1);
    }
    weights
}

/// 1:6:1 down and across; across it wraps.
fn filter(rows: &[Vec<f64>; 3], filtered: &mut [f64]) {
    let width = filtered.len();
    let down = |x: usize| (rows[0][x] + 6.0 * rows[1][x] + rows[2][x]) / 8.0;
    let (mut before, mut here) = (down(width - 1), down(0));
    for (x, value) in filtered.iter_mut().enumerate() {
        let after = down((x + 1) % width);
        *value = (before + 6.0 * here + after) / 8.0;
        (before, here) = (here, after);
    }
}

/// The part of a texel that lies in a cell, in texels from the edge.
#[derive(Debug)]
struct Overlap {
    texel: usize,
    cell: usize,
    from: f64,
    to: f64,
}

/// Every overlap of `texels` and `cells` of the same line, in order. There are no more cells than
/// texels.
fn overlaps(texels: usize, cells: usize) -> Vec<Overlap> {
    let mut parts = Vec::with_capacity(texels + cells);
    for cell in 0..cells {
        // Ends in units of 1 / cells, so that they are exact.
        let (from, to) = (cell * texels, (cell + 1) * texels);
        for texel in from / cells..to.div_ceil(cells) {
            let end = |x: usize| x as f64 / cells as f64;
            let (from, to) = (from.max(texel * cells), to.min((texel + 1) * cells));
            parts.push(Overlap { texel, cell, from: end(from), to: end(to) });
        }
    }
    parts
}

/// What a mantissa of 1 is worth, by exponent.
fn exponents() -> [f64; 256] {
    std::array::from_fn(|e| if e == 0 { 0.0 } else { power_of_two(e as i32 - 136) })
}

fn word_luminance(word: u32, exponents: &[f64; 256]) -> f64 {
    let [r, g, b, e] = word.to_le_bytes();
    luminance([r, g, b].map(f64::from)) * exponents[usize::from(e)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32, word: impl Fn(u32, u32) -> [u8; 4]) -> Radiance {
        let words = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .map(|(x, y)| u32::from_le_bytes(word(x, y)))
            .collect();
        Radiance { width, height, words, exposure: None }
    }

    const ONE: [u8; 4] = [128, 128, 128, 129];

    #[test]
    fn an_even_map_has_the_density_of_the_sphere() {
        let map = Environment::new(&picture(100, 50, |_, _| ONE)).unwrap();
        assert_eq!((map.cells_width, map.cells_height), (64, 32));
        assert!((map.mean_luminance - 1.0).abs() < 1e-12, "{}", map.mean_luminance);
        for (i, cell) in map.cells.iter().enumerate() {
            let (from, to) = ((i / 64) as f64 / 32.0, (i / 64 + 1) as f64 / 32.0);
            let pi = std::f64::consts::PI;
            let exact = (libm::cos(pi * from) - libm::cos(pi * to)) / 2.0 * 32.0;
            assert!((f64::from(cell.density) - exact).abs() < 1e-3, "cell {i}");
        }
    }

    #[test]
    fn density_is_positive_wherever_interpolation_sees_a_texel_and_0_elsewhere() {
        // One texel at the edge: its light reaches half a texel around, across the seam.
        let map =
            Environment::new(&picture(16, 8, |x, y| if (x, y) == (0, 3) { ONE } else { [0; 4] }));
        let map = map.unwrap();
        for (i, cell) in map.cells.iter().enumerate() {
            let (x, y) = (i % 16, i / 16);
            let near = [15, 0, 1].contains(&x) && (2..=4).contains(&y);
            assert_eq!(cell.density > 0.0, near, "cell {x} {y}");
        }
        let mean: f64 = map.cells.iter().map(|cell| f64::from(cell.density)).sum::<f64>() / 128.0;
        assert!((mean - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_dim_texel_beside_a_sun_is_still_chosen() {
        let word = |x, _| if x == 0 { [255, 255, 255, 180] } else { [1, 1, 1, 60] };
        let map = Environment::new(&picture(32, 16, word)).unwrap();
        assert!(map.cells.iter().all(|cell| cell.density > 0.0));
    }

    #[test]
    fn black_is_no_environment() {
        assert!(Environment::new(&picture(4, 2, |_, _| [0; 4])).is_none());
    }
}
