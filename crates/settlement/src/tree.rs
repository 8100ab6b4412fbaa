//! Payout trees as the host builds them, with the proofs that the program asks for.

use sha2::{Digest as _, Sha256};
use solana_address::Address;
use tessera_settlement_abi::tree::{EMPTY, PUSH_DEPTH, climb, inner, leaf, padded};
use tessera_settlement_abi::{Hash, LEAVES_MAX, PUSH_LEAVES};

/// SHA-256 of some parts, one after another.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// What a leaf pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payout {
    /// Token account that is paid.
    pub payee: Address,
    /// In base units.
    pub amount: u64,
}

/// Why no tree can be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// There is nothing to pay.
    #[error("a payout tree needs at least one payout")]
    Empty,
    /// More leaves than a tree may have.
    #[error("a payout tree has at most {LEAVES_MAX} leaves, and these are {0}: split the epoch")]
    TooMany(usize),
    /// A payout of nothing.
    #[error("payout {0} pays nothing")]
    Zero(usize),
    /// The sum does not fit.
    #[error("the payouts add up to more than 64 bits hold")]
    Overflow,
}

/// A payout tree: its leaves and all hashes above them.
#[derive(Clone, Debug)]
pub struct PayoutTree {
    payouts: Vec<Payout>,
    total: u64,
    /// From the padded leaves to the root.
    levels: Vec<Vec<Hash>>,
}

/// One aligned run of leaves and the proof under which they are paid together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Index of the first leaf, a multiple of [`PUSH_LEAVES`].
    pub start: u32,
    /// The leaves, as many as there are.
    pub payouts: Vec<Payout>,
    /// Hashes from the run's root upwards.
    pub proof: Vec<Hash>,
}

impl PayoutTree {
    /// Builds the tree of an epoch, whose account is at `epoch`. Leaves keep the order given.
    pub fn new(epoch: &Address, payouts: Vec<Payout>) -> Result<Self, TreeError> {
        if payouts.is_empty() {
            return Err(TreeError::Empty);
        }
        let slots = u32::try_from(payouts.len()).ok().and_then(padded);
        let slots = slots.ok_or(TreeError::TooMany(payouts.len()))? as usize;
        if let Some(at) = payouts.iter().position(|payout| payout.amount == 0) {
            return Err(TreeError::Zero(at));
        }
        let total = payouts
            .iter()
            .try_fold(0_u64, |sum, payout| sum.checked_add(payout.amount))
            .ok_or(TreeError::Overflow)?;

        let epoch = epoch.to_bytes();
        let mut leaves = vec![EMPTY; slots];
        for ((index, slot), payout) in (0..).zip(&mut leaves).zip(&payouts) {
            *slot = leaf(sha256, &epoch, index, payout.payee.as_array(), payout.amount);
        }
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let (pairs, _) = below.as_chunks::<2>();
            levels.push(pairs.iter().map(|[left, right]| inner(sha256, left, right)).collect());
        }
        Ok(Self { payouts, total, levels })
    }

    /// The root, which stands for all of it.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.levels.last().map_or(EMPTY, |top| top[0])
    }

    /// Sum of all leaves in base units.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many leaves.
    #[must_use]
    pub fn leaf_count(&self) -> u32 {
        self.payouts.len() as u32
    }

    /// The leaves, in order.
    #[must_use]
    pub fn payouts(&self) -> &[Payout] {
        &self.payouts
    }

    /// The proof of one leaf; `None` if there is no such leaf.
    #[must_use]
    pub fn proof(&self, index: u32) -> Option<Vec<Hash>> {
        (index < self.leaf_count()).then(|| self.siblings(index, 0))
    }

    /// The run that starts there; `None` if none does.
    #[must_use]
    pub fn run(&self, start: u32) -> Option<Run> {
        let aligned = start.is_multiple_of(PUSH_LEAVES as u32) && start < self.leaf_count();
        aligned.then(|| {
            let from = start as usize;
            let to = self.payouts.len().min(from + PUSH_LEAVES);
            let proof = self.siblings(start / PUSH_LEAVES as u32, PUSH_DEPTH);
            Run { start, payouts: self.payouts[from..to].to_vec(), proof }
        })
    }

    /// All runs, from the first leaf to the last.
    pub fn runs(&self) -> impl Iterator<Item = Run> + '_ {
        (0..self.leaf_count()).step_by(PUSH_LEAVES).filter_map(|start| self.run(start))
    }

    /// What stands beside the path from the `position`th node of a level to the root.
    fn siblings(&self, position: u32, level: usize) -> Vec<Hash> {
        let below_root = &self.levels[level..self.levels.len() - 1];
        let beside = |(up, hashes): (usize, &Vec<Hash>)| hashes[(position as usize >> up) ^ 1];
        below_root.iter().enumerate().map(beside).collect()
    }
}

/// Whether a proof leads from a leaf to a root: what the program checks for a claim.
#[must_use]
pub fn proves(epoch: &Address, index: u32, payout: &Payout, proof: &[Hash], root: &Hash) -> bool {
    let hash = leaf(sha256, epoch.as_array(), index, payout.payee.as_array(), payout.amount);
    climb(sha256, hash, index, proof.iter()) == *root
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tessera_settlement_abi::tree::{depth, run_root};

    use super::*;

    fn payouts(count: usize) -> Vec<Payout> {
        let payout = |at: usize| {
            let payee = Address::new_from_array(sha256(&[&at.to_le_bytes()]));
            Payout { payee, amount: at as u64 + 1 }
        };
        (0..count).map(payout).collect()
    }

    #[test]
    fn sha256_is_sha256() {
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let hex: String = sha256(&[b"a", b"bc"]).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, known);
    }

    #[test]
    fn impossible_trees_are_refused() {
        let epoch = Address::new_from_array([1; 32]);
        let refused = |payouts| PayoutTree::new(&epoch, payouts).map(|_| ()).unwrap_err();
        assert_eq!(refused(vec![]), TreeError::Empty);
        let many = LEAVES_MAX as usize + 1;
        assert_eq!(refused(payouts(many)), TreeError::TooMany(many));
        let mut nothing = payouts(3);
        nothing[2].amount = 0;
        assert_eq!(refused(nothing), TreeError::Zero(2));
        let mut much = payouts(2);
        much[0].amount = u64::MAX;
        assert_eq!(refused(much), TreeError::Overflow);
    }

    #[test]
    fn the_largest_tree_has_proofs_of_twelve_hashes() {
        let epoch = Address::new_from_array([1; 32]);
        let tree = PayoutTree::new(&epoch, payouts(LEAVES_MAX as usize)).unwrap();
        assert_eq!(tree.proof(LEAVES_MAX - 1).unwrap().len(), 12);
        assert_eq!(tree.run(0).unwrap().proof.len(), 8);
        assert_eq!(tree.runs().count(), 256);
    }

    proptest! {
        #[test]
        fn every_leaf_is_proven_and_nothing_else(
            count in 1_usize..200, at in any::<prop::sample::Index>(),
        ) {
            let epoch = Address::new_from_array([7; 32]);
            let tree = PayoutTree::new(&epoch, payouts(count)).unwrap();
            let index = at.index(count) as u32;
            let payout = tree.payouts()[index as usize];
            let proof = tree.proof(index).unwrap();
            prop_assert_eq!(Some(proof.len()), depth(tree.leaf_count()));
            prop_assert!(proves(&epoch, index, &payout, &proof, &tree.root()));

            let more = Payout { amount: payout.amount + 1, ..payout };
            prop_assert!(!proves(&epoch, index, &more, &proof, &tree.root()));
            prop_assert!(!proves(&epoch, index ^ 1, &payout, &proof, &tree.root()));
            let elsewhere = Address::new_from_array([8; 32]);
            prop_assert!(!proves(&elsewhere, index, &payout, &proof, &tree.root()));
            prop_assert_eq!(tree.proof(count as u32), None);
        }

        #[test]
        fn every_run_is_a_subtree(count in 1_usize..200) {
            let epoch = Address::new_from_array([7; 32]);
            let tree = PayoutTree::new(&epoch, payouts(count)).unwrap();
            let mut seen = 0;
            for run in tree.runs() {
                let mut leaves = [EMPTY; PUSH_LEAVES];
                for ((index, slot), payout) in (run.start..).zip(&mut leaves).zip(&run.payouts) {
                    *slot = leaf(
                        sha256, epoch.as_array(), index, payout.payee.as_array(), payout.amount,
                    );
                    seen += 1;
                }
                let root = run_root(sha256, &mut leaves);
                let place = run.start / PUSH_LEAVES as u32;
                prop_assert_eq!(climb(sha256, root, place, run.proof.iter()), tree.root());
            }
            prop_assert_eq!(seen, count);
            prop_assert_eq!(tree.run(1), None);
            prop_assert_eq!(tree.run(208), None);
        }
    }
}
