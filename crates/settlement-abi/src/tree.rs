//! The payout tree of an epoch: who is paid how much, under one hash.
//!
//! A leaf binds the epoch, its own place, the payee's token account and the amount. Leaves are
//! padded with zeros to a power of two, at least [`PUSH_LEAVES`], so that every aligned run of that
//! many is a subtree of its own and can be paid with one proof. Leaves and inner nodes are hashed with
//! different first bytes: neither can be passed off as the other.
//!
//! The hash is SHA-256 of some parts, one after another; it is passed in, since the program asks its
//! virtual machine for it and everybody else a library.

use crate::{Hash, Key, LEAVES_MAX, PUSH_LEAVES};

/// What stands where a padded tree has no leaf.
pub const EMPTY: Hash = [0; 32];

/// Levels above the leaves of the largest tree, hence the most hashes in a leaf's proof.
pub const DEPTH_MAX: usize = LEAVES_MAX.ilog2() as usize;

/// Levels above the leaves within one aligned run.
pub const PUSH_DEPTH: usize = PUSH_LEAVES.ilog2() as usize;

/// The hash of one payout.
pub fn leaf(
    sha256: impl Fn(&[&[u8]]) -> Hash,
    epoch: &Key,
    index: u32,
    payee: &Key,
    amount: u64,
) -> Hash {
    sha256(&[&[0], epoch, &index.to_le_bytes(), payee, &amount.to_le_bytes()])
}

/// The hash of two nodes under one.
pub fn inner(sha256: impl Fn(&[&[u8]]) -> Hash, left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// Leaves after padding; `None` where there are none or too many.
#[must_use]
pub const fn padded(leaf_count: u32) -> Option<u32> {
    if leaf_count == 0 || leaf_count > LEAVES_MAX {
        return None;
    }
    let padded = leaf_count.next_power_of_two();
    Some(if padded < PUSH_LEAVES as u32 { PUSH_LEAVES as u32 } else { padded })
}

/// Levels above the leaves of a tree, hence the hashes in the proof of one leaf.
#[must_use]
pub const fn depth(leaf_count: u32) -> Option<usize> {
    match padded(leaf_count) {
        Some(padded) => Some(padded.ilog2() as usize),
        None => None,
    }
}

/// Bytes of the bitmap of paid leaves.
#[must_use]
pub const fn bitmap_len(leaf_count: u32) -> usize {
    leaf_count.div_ceil(8) as usize
}

/// The hash over one aligned run of leaves, which it uses up as scratch.
pub fn run_root(sha256: impl Fn(&[&[u8]]) -> Hash, leaves: &mut [Hash; PUSH_LEAVES]) -> Hash {
    let mut width = PUSH_LEAVES;
    while width > 1 {
        width /= 2;
        for at in 0..width {
            leaves[at] = inner(&sha256, &leaves[2 * at], &leaves[2 * at + 1]);
        }
    }
    leaves[0]
}

/// Climbs from a node, the `position`th of its level, along its siblings, the lowest first.
pub fn climb<'a>(
    sha256: impl Fn(&[&[u8]]) -> Hash,
    node: Hash,
    mut position: u32,
    siblings: impl Iterator<Item = &'a Hash>,
) -> Hash {
    let mut node = node;
    for sibling in siblings {
        node = if position & 1 == 0 {
            inner(&sha256, &node, sibling)
        } else {
            inner(&sha256, sibling, &node)
        };
        position >>= 1;
    }
    node
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No SHA-256, but every bit of the input and the bounds between parts move it.
    fn mixed(parts: &[&[u8]]) -> Hash {
        let mut state = 0xcbf2_9ce4_8422_2325_u64;
        for part in parts {
            for byte in *part {
                state = (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        let mut out = [0; 32];
        for (at, byte) in out.iter_mut().enumerate() {
            state = state.rotate_left(11).wrapping_mul(0x0100_0000_01b3) ^ at as u64;
            *byte = (state >> 32) as u8;
        }
        out
    }

    #[test]
    fn a_tree_is_padded_to_a_power_of_two_and_to_one_run() {
        let known = [(1, 16, 4), (16, 16, 4), (17, 32, 5), (1_024, 1_024, 10)];
        for (leaves, slots, levels) in known {
            assert_eq!(padded(leaves), Some(slots));
            assert_eq!(depth(leaves), Some(levels));
        }
        assert_eq!(depth(LEAVES_MAX), Some(DEPTH_MAX));
        assert_eq!(padded(0), None);
        assert_eq!(padded(LEAVES_MAX + 1), None);
        assert_eq!(padded(u32::MAX), None);
        assert_eq!((bitmap_len(1), bitmap_len(8), bitmap_len(9)), (1, 1, 2));
    }

    #[test]
    fn a_run_is_what_climbing_from_any_of_its_leaves_gives() {
        let mut leaves = [EMPTY; PUSH_LEAVES];
        for (at, hash) in leaves.iter_mut().enumerate() {
            *hash = leaf(mixed, &[9; 32], at as u32, &[at as u8; 32], 5);
        }
        let level = |below: &[Hash], out: &mut [Hash]| {
            for (at, hash) in out.iter_mut().enumerate() {
                *hash = inner(mixed, &below[2 * at], &below[2 * at + 1]);
            }
        };
        let (mut eight, mut four, mut two) = ([EMPTY; 8], [EMPTY; 4], [EMPTY; 2]);
        level(&leaves, &mut eight);
        level(&eight, &mut four);
        level(&four, &mut two);
        let root = inner(mixed, &two[0], &two[1]);
        assert_eq!(run_root(mixed, &mut leaves.clone()), root);
        for at in 0..PUSH_LEAVES {
            let siblings =
                [leaves[at ^ 1], eight[(at / 2) ^ 1], four[(at / 4) ^ 1], two[(at / 8) ^ 1]];
            assert_eq!(climb(mixed, leaves[at], at as u32, siblings.iter()), root, "leaf {at}");
            let elsewhere = climb(mixed, leaves[at], at as u32 ^ 1, siblings.iter());
            assert_ne!(elsewhere, root, "leaf {at} is not its neighbour");
        }
    }

    #[test]
    fn a_leaf_binds_all_that_it_pays() {
        let whole = leaf(mixed, &[1; 32], 2, &[3; 32], 4);
        assert_ne!(whole, leaf(mixed, &[9; 32], 2, &[3; 32], 4), "epoch");
        assert_ne!(whole, leaf(mixed, &[1; 32], 9, &[3; 32], 4), "index");
        assert_ne!(whole, leaf(mixed, &[1; 32], 2, &[9; 32], 4), "payee");
        assert_ne!(whole, leaf(mixed, &[1; 32], 2, &[3; 32], 9), "amount");
    }
}
