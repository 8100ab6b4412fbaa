//! What an epoch cost, by kind of step.

use super::drive::Done;
use std::collections::BTreeMap;

/// What steps of one kind cost together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KindCost {
    /// Transactions.
    pub transactions: u64,
    /// Their fees.
    pub fee_lamports: u64,
    /// What they used of their compute budgets.
    pub compute_units: u64,
    /// The most that one of them used.
    pub compute_units_max: u64,
    /// Transactions whose cost the endpoint has forgotten; they are in none of the sums above.
    pub unknown: u64,
}

/// Sums what steps cost, by kind: `open`, `draw`, `approve`, `seal`, `push`, `close`, `return`.
#[must_use]
pub fn by_kind<'a>(done: impl IntoIterator<Item = &'a Done>) -> BTreeMap<String, KindCost> {
    let mut kinds = BTreeMap::<String, KindCost>::new();
    for Done { name, receipt } in done {
        let kind = kinds.entry(name.split('/').nth(2).unwrap_or(name).to_string()).or_default();
        match receipt.cost {
            Some(cost) => {
                kind.transactions += 1;
                kind.fee_lamports += cost.fee_lamports;
                kind.compute_units += cost.compute_units;
                kind.compute_units_max = kind.compute_units_max.max(cost.compute_units);
            }
            None => kind.unknown += 1,
        }
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::{Cost, Receipt};
    use solana_signature::Signature;

    #[test]
    fn steps_are_summed_by_kind_and_what_is_forgotten_is_said() {
        let done = |name: &str, units: Option<u64>| {
            let cost = units.map(|compute_units| Cost { fee_lamports: 5_000, compute_units });
            let receipt = Receipt { signature: Signature::default(), slot: 1, cost };
            Done { name: name.into(), receipt }
        };
        let steps = [
            done("epoch/7/open", Some(9)),
            done("epoch/7/push/0/ffff", Some(100)),
            done("epoch/7/push/16/0003/1", Some(40)),
            done("epoch/7/push/32/ffff", None),
        ];
        let kinds = by_kind(&steps);
        let push = KindCost {
            transactions: 2,
            fee_lamports: 10_000,
            compute_units: 140,
            compute_units_max: 100,
            unknown: 1,
        };
        assert_eq!(kinds["push"], push);
        assert_eq!((kinds.len(), kinds["open"].compute_units), (2, 9));
    }
}
