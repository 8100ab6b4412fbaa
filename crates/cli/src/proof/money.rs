//! The sums of money in a folder of receipts: what was earned is what was paid.

use super::check::Report;
use std::collections::BTreeMap;
use tessera_protocol::finance::SettlementView;
use tessera_protocol::receipt::Receipt;
use tessera_protocol::{Amount, NodeId};

/// Checks that the receipts come to what the job was charged, that this is within its ceiling, and, once the
/// job is settled, that each node got out of its escrow what its receipts say.
pub(super) fn check<'a>(
    settlement: &SettlementView,
    receipts: impl Iterator<Item = &'a Receipt>,
    report: &mut Report,
) {
    let mut earned: BTreeMap<NodeId, u128> = BTreeMap::new();
    for receipt in receipts {
        *earned.entry(receipt.commit.node).or_default() += u128::from(receipt.pay.0);
        report.paid = report.paid.saturating_add(receipt.pay.0);
    }
    let money = &settlement.money;
    let (charged, carried) = (u128::from(money.charged.0), u128::from(money.carried.0));
    let all: u128 = earned.values().sum();
    if all != charged + carried {
        report.finding(format!(
            "the receipts come to {} and the job was charged {}, with {} from the operator's reserve",
            amount(all),
            money.charged,
            money.carried
        ));
    }
    if charged + u128::from(money.fee.0) > u128::from(money.ceiling.0) {
        report.finding(format!("the job was charged more than its ceiling {}", money.ceiling));
    }
    if !money.settled {
        return;
    }
    let operator = settlement.operator;
    *earned.entry(operator).or_default() += u128::from(money.fee.0);
    let mut paid: BTreeMap<NodeId, u128> = BTreeMap::new();
    for payout in &settlement.payouts {
        *paid.entry(payout.node).or_default() += u128::from(payout.amount.0);
    }
    // What the reserve carried is paid out of another purse, and nobody reads here to whom.
    let mut missing = carried;
    for (node, earned) in &earned {
        let paid = paid.remove(node).unwrap_or(0);
        let less = earned.checked_sub(paid);
        match less.filter(|less| *less <= missing) {
            Some(less) => missing -= less,
            None => report.finding(format!(
                "node {node} earned {} and was paid {} out of the job's escrow",
                amount(*earned),
                amount(paid)
            )),
        }
    }
    for (node, paid) in paid.into_iter().filter(|(_, paid)| *paid > 0) {
        report.finding(format!("node {node} has no receipt and was paid {}", amount(paid)));
    }
}

fn amount(units: u128) -> Amount {
    Amount(u64::try_from(units).unwrap_or(u64::MAX))
}
