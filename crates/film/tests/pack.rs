//! Packed sums come back bit for bit, are small where there is anything to save, and no bytes
//! from outside do harm.

use proptest::prelude::*;
use tessera_film::pack::{UnpackError, pack, unpack};
use tessera_protocol::PixelSum;

const ROOM: usize = 1 << 24;

/// Repeatable numbers in 0..1, by xorshift.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        for shift in [13, -7, 17] {
            self.0 ^= if shift > 0 { self.0 << shift } else { self.0 >> -shift };
        }
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A tile of 64×64 pixels as a path tracer leaves it: a third smooth sky, the rest lit by a lamp
/// that some samples do not see and by coloured light of a second bounce.
fn noisy_tile(samples: u32) -> Vec<PixelSum> {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let quanta = |light: f64| (light * f64::from(1 << 24)) as u64;
    let mut sums = Vec::new();
    for pixel in 0..64 * 64 {
        let (x, y) = (f64::from(pixel % 64) / 64.0, f64::from(pixel / 64) / 64.0);
        let mut sum = PixelSum::default();
        for _ in 0..samples {
            let (light, rays) = if y < 0.33 {
                let height = y + noise.next() / 64.0;
                ([0.3 + 0.2 * height, 0.5 + 0.2 * height, 0.9 - 0.1 * height], 1)
            } else {
                let lamp = if noise.next() < 0.7 { 0.4 + 0.4 * x } else { 0.0 };
                let second = -0.2 * libm::log(1.0 - noise.next());
                let tint = noise.next();
                let light = [
                    lamp + second * (0.5 + 0.4 * tint),
                    lamp + second * 0.7,
                    lamp + second * (0.9 - 0.4 * tint),
                ];
                ([0.7 * light[0], 0.65 * light[1], 0.6 * light[2]], 3 + (8.0 * noise.next()) as u64)
            };
            let [r, g, b] = light.map(quanta);
            sum = sum.checked_add(PixelSum { r, g, b, rays }).unwrap();
        }
        sums.push(sum);
    }
    sums
}

#[test]
fn noise_takes_a_third_of_its_bytes_and_flat_light_almost_none() {
    for samples in [16, 64] {
        let tile = noisy_tile(samples);
        let packed = pack(&tile);
        let per_pixel = packed.len() as f64 / tile.len() as f64;
        println!("{samples} samples: {per_pixel:.2} bytes a pixel of 32");
        assert!(per_pixel < 32.0 / 3.0, "{per_pixel} bytes a pixel at {samples} samples");
        assert_eq!(unpack(&packed, tile.len(), ROOM).unwrap(), tile);
    }
    let flat = vec![PixelSum { r: 1 << 40, g: 12_345_678, b: 0, rays: 16 }; 4096];
    let packed = pack(&flat);
    assert!(packed.len() < 400, "{} bytes", packed.len());
    assert_eq!(unpack(&packed, 4096, ROOM).unwrap(), flat);
}

#[test]
fn packing_is_never_much_larger_than_the_sums() {
    let mut noise = Noise(7);
    let mut word = || (noise.next() * f64::from(1u32 << 31)) as u64 * 0x2_0000_0003;
    let sums: Vec<_> =
        (0..500).map(|_| PixelSum { r: word(), g: word(), b: word(), rays: word() }).collect();
    assert!(pack(&sums).len() <= 12 + 4 + 32 + 500 * PixelSum::BYTES);
}

#[test]
fn size_and_count_are_checked_before_anything_is_unpacked() {
    let sums = vec![PixelSum::default(); 100];
    let packed = pack(&sums);
    assert_eq!(unpack(&packed, 100, 3300).unwrap(), sums);
    let refused = |pixels, limit| unpack(&packed, pixels, limit).unwrap_err();
    assert_eq!(refused(100, 3299), UnpackError::TooLarge { pixels: 100, limit: 3299 });
    assert!(matches!(refused(usize::MAX, ROOM), UnpackError::TooLarge { .. }));
    assert_eq!(refused(99, ROOM), UnpackError::WrongCount { expected: 99, found: 100 });
}

#[test]
fn every_truncation_and_anything_behind_is_refused() {
    let tile = &noisy_tile(4)[1300..1500];
    let packed = pack(tile);
    for length in 0..packed.len() {
        assert!(unpack(&packed[..length], tile.len(), ROOM).is_err(), "{length}");
    }
    let longer = [packed.as_slice(), &[0]].concat();
    assert_eq!(unpack(&longer, tile.len(), ROOM), Err(UnpackError::Trailing(1)));
}

prop_compose! {
    fn any_sum()(r in any::<u64>(), g in any::<u64>(), b in any::<u64>(), rays in any::<u64>(),
                 keep in any::<[u8; 4]>()) -> PixelSum {
        let small = |word: u64, keep: u8| word >> (keep % 64);
        PixelSum {
            r: small(r, keep[0]), g: small(g, keep[1]), b: small(b, keep[2]),
            rays: small(rays, keep[3]),
        }
    }
}

proptest! {
    #[test]
    fn what_was_packed_is_unpacked(sums in prop::collection::vec(any_sum(), 0..300)) {
        prop_assert_eq!(unpack(&pack(&sums), sums.len(), ROOM).unwrap(), sums);
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_unpacked(
        bytes in prop::collection::vec(any::<u8>(), 0..400), pixels in 0usize..200,
    ) {
        // Behind a right header, so that the planes are reached.
        let header = [b"TSP1".as_slice(), &(pixels as u64).to_le_bytes()].concat();
        for bytes in [&bytes, &[header.as_slice(), &bytes].concat()] {
            if let Ok(sums) = unpack(bytes, pixels, ROOM) {
                prop_assert_eq!(sums.len(), pixels);
            }
        }
    }

    #[test]
    fn damaged_bytes_never_do_harm(
        sums in prop::collection::vec(any_sum(), 1..100),
        at in any::<prop::sample::Index>(), flip in 1u8..=255,
    ) {
        let mut packed = pack(&sums);
        let at = at.index(packed.len());
        packed[at] ^= flip;
        if let Ok(unpacked) = unpack(&packed, sums.len(), ROOM) {
            prop_assert_eq!(unpacked.len(), sums.len());
        }
    }
}
