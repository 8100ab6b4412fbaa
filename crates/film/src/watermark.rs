//! A picture to judge by and not to use.

use crate::Picture;

/// Pixels from one line of the lattice to the next, and how wide a line is.
const STEP: u32 = 96;
const LINE: u32 = 5;
/// Light of a line, and how much of it is in the picture there: seen in the dark and in the bright.
const GREY: f32 = 0.35;
const SHARE: f32 = 0.5;

/// The picture under a lattice of diagonal lines, which no crop of [`STEP`] pixels is without.
#[must_use]
pub fn watermarked(picture: &Picture) -> Picture {
    let (width, height) = (picture.width(), picture.height());
    let of_line = |diagonal: u32| diagonal % STEP < LINE;
    let pixels = picture.pixels().iter().zip(0u64..).map(|(pixel, at)| {
        let (x, y) = ((at % u64::from(width)) as u32, (at / u64::from(width)) as u32);
        // Counted from the bottom, so that the second diagonal has no negative numbers.
        let up = height - y;
        match of_line(x.wrapping_add(y)) || of_line(x.wrapping_add(up)) {
            true => pixel.map(|light| light * (1.0 - SHARE) + GREY * SHARE),
            false => *pixel,
        }
    });
    Picture::new(width, height, pixels.collect()).expect("as many pixels as before")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lattice_lies_over_dark_and_bright_and_most_of_the_picture_is_as_it_was() {
        for light in [0.0, 0.2, 1.0, 8.0] {
            let (width, height) = (300, 200);
            let pixels = vec![[light; 3]; (width * height) as usize];
            let picture = Picture::new(width, height, pixels).unwrap();
            let marked = watermarked(&picture);
            let changed = |x: u32, y: u32| {
                let at = (y * width + x) as usize;
                marked.pixels()[at] != picture.pixels()[at]
            };
            let all = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
            let count = all.filter(|(x, y)| changed(*x, *y)).count();
            assert!(count * 100 / 60_000 > 8 && count * 100 / 60_000 < 13, "{count}");
            // Every row and every column of a crop is touched.
            for start in [0, 37, 100] {
                assert!((0..STEP).all(|y| (0..STEP).any(|x| changed(start + x, start + y))));
            }
        }
    }
}
