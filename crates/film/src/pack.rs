//! Sums on the wire: fewer bytes, no bit lost.
//!
//! Noise does not compress, but only the low bits of a sum are noise. So green is taken off red
//! and blue, each number becomes the difference to its left neighbour where that helps, and the
//! eight bytes of all numbers go into eight planes, packed each on its own: the high planes shrink
//! to nothing, and the low ones are stored.
//!
//! Layout: `TSP1`; the number of pixels, 8 bytes, little-endian; then for each of red, green, blue
//! and rays a byte that says whether differences were taken, and its planes from the lowest byte
//! up. A plane is a byte that says what it is and, unless it is all zeros, its bytes: as they are,
//! or 4 bytes of length, little-endian, and a zstd frame.

use tessera_protocol::PixelSum;
use zstd::bulk::{Compressor, Decompressor};

const MAGIC: [u8; 4] = *b"TSP1";
/// Higher levels search for repetitions that noise does not have: level 3 saved nothing on it.
const LEVEL: i32 = 1;

const ZEROS: u8 = 0;
const STORED: u8 = 1;
const ZSTD: u8 = 2;

/// Why bytes are not the sums that were asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// The sums would take more memory than allowed.
    #[error("{pixels} pixels take more than the {limit} bytes allowed")]
    TooLarge {
        /// Pixels asked for.
        pixels: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not packed sums at all, or of another version.
    #[error("the bytes do not begin as packed sums do")]
    NotPacked,
    /// Sums of another number of pixels.
    #[error("the bytes hold {found} pixels where {expected} were asked for")]
    WrongCount {
        /// Pixels asked for.
        expected: usize,
        /// Pixels that the bytes speak of.
        found: u64,
    },
    /// The bytes end too early.
    #[error("the packed sums are cut short")]
    Truncated,
    /// A plane is damaged.
    #[error("a plane of the packed sums is damaged")]
    Damaged,
    /// Bytes behind the last plane.
    #[error("{0} bytes follow the packed sums")]
    Trailing(usize),
}

/// Packs sums; [`unpack`] gives the same ones back.
pub fn pack(sums: &[PixelSum]) -> Vec<u8> {
    let mut zstd = Compressor::new(LEVEL).expect("zstd knows its level 1");
    let mut packed = Vec::with_capacity(64 + 12 * sums.len());
    packed.extend_from_slice(&MAGIC);
    packed.extend_from_slice(&(sums.len() as u64).to_le_bytes());
    for channel in CHANNELS {
        let numbers: Vec<u64> = sums.iter().map(channel.take).collect();
        let left_neighbours = std::iter::once(&0).chain(&numbers);
        let differences: Vec<u64> =
            numbers.iter().zip(left_neighbours).map(|(n, left)| n.wrapping_sub(*left)).collect();
        let plain = pack_planes(&mut zstd, &numbers);
        let differences = pack_planes(&mut zstd, &differences);
        let take_differences = differences.len() < plain.len();
        packed.push(u8::from(take_differences));
        packed.extend(if take_differences { differences } else { plain });
    }
    packed
}

/// Unpacks sums of `pixels` pixels, which may take `limit` bytes of memory while they are
/// unpacked, 33 a pixel. Any bytes are safe to give.
pub fn unpack(packed: &[u8], pixels: usize, limit: usize) -> Result<Vec<PixelSum>, UnpackError> {
    if pixels.checked_mul(PixelSum::BYTES + 1).is_none_or(|bytes| bytes > limit) {
        return Err(UnpackError::TooLarge { pixels, limit });
    }
    let rest = packed.strip_prefix(&MAGIC).ok_or(UnpackError::NotPacked)?;
    let (found, mut rest) = rest.split_first_chunk().ok_or(UnpackError::Truncated)?;
    let found = u64::from_le_bytes(*found);
    if found != pixels as u64 {
        return Err(UnpackError::WrongCount { expected: pixels, found });
    }

    let mut zstd = Decompressor::new().expect("zstd needs no dictionary");
    let mut sums = vec![PixelSum::default(); pixels];
    let mut plane = vec![0; pixels];
    for channel in CHANNELS {
        let are_differences = match take(&mut rest, 1)?[0] {
            0 => false,
            1 => true,
            _ => return Err(UnpackError::Damaged),
        };
        for byte in 0..8 {
            if read_plane(&mut zstd, &mut rest, &mut plane)? {
                for (sum, &value) in sums.iter_mut().zip(&plane) {
                    *(channel.word)(sum) |= u64::from(value) << (8 * byte);
                }
            }
        }
        let mut left = 0;
        for sum in &mut sums {
            let word = (channel.word)(sum);
            *word = unzigzag(*word).wrapping_add(left);
            if are_differences {
                left = *word;
            }
        }
    }
    for sum in &mut sums {
        sum.r = sum.r.wrapping_add(sum.g);
        sum.b = sum.b.wrapping_add(sum.g);
    }
    if rest.is_empty() { Ok(sums) } else { Err(UnpackError::Trailing(rest.len())) }
}

struct Channel {
    /// What is packed of a sum.
    take: fn(&PixelSum) -> u64,
    /// Where it is unpacked to.
    word: fn(&mut PixelSum) -> &mut u64,
}

const CHANNELS: [Channel; 4] = [
    Channel { take: |sum| sum.r.wrapping_sub(sum.g), word: |sum| &mut sum.r },
    Channel { take: |sum| sum.g, word: |sum| &mut sum.g },
    Channel { take: |sum| sum.b.wrapping_sub(sum.g), word: |sum| &mut sum.b },
    Channel { take: |sum| sum.rays, word: |sum| &mut sum.rays },
];

/// Small numbers of either sign become small numbers.
fn zigzag(number: u64) -> u64 {
    (number << 1) ^ ((number as i64 >> 63) as u64)
}

fn unzigzag(number: u64) -> u64 {
    (number >> 1) ^ (number & 1).wrapping_neg()
}

fn pack_planes(zstd: &mut Compressor, numbers: &[u64]) -> Vec<u8> {
    let mut packed = Vec::new();
    for byte in 0..8 {
        let plane: Vec<u8> = numbers.iter().map(|&n| (zigzag(n) >> (8 * byte)) as u8).collect();
        if plane.iter().all(|&value| value == 0) {
            packed.push(ZEROS);
            continue;
        }
        // A frame that does not fit into less than the plane itself fails, and is not wanted.
        let mut frame = vec![0; plane.len().saturating_sub(5)];
        match zstd.compress_to_buffer(&plane, &mut frame[..]) {
            Ok(length) => {
                packed.push(ZSTD);
                packed.extend_from_slice(&(length as u32).to_le_bytes());
                packed.extend_from_slice(&frame[..length]);
            }
            Err(_) => {
                packed.push(STORED);
                packed.extend_from_slice(&plane);
            }
        }
    }
    packed
}

/// Reads a plane, if it is not all zeros.
fn read_plane(
    zstd: &mut Decompressor,
    rest: &mut &[u8],
    plane: &mut [u8],
) -> Result<bool, UnpackError> {
    match take(rest, 1)?[0] {
        ZEROS => return Ok(false),
        STORED => plane.copy_from_slice(take(rest, plane.len())?),
        ZSTD => {
            let mut length = [0; 4];
            length.copy_from_slice(take(rest, 4)?);
            let frame = take(rest, u32::from_le_bytes(length) as usize)?;
            let written = zstd.decompress_to_buffer(frame, plane);
            if written.ok() != Some(plane.len()) {
                return Err(UnpackError::Damaged);
            }
        }
        _ => return Err(UnpackError::Damaged),
    }
    Ok(true)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], UnpackError> {
    let (taken, left) = rest.split_at_checked(length).ok_or(UnpackError::Truncated)?;
    *rest = left;
    Ok(taken)
}
