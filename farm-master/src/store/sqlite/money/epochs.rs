//! Epochs on their way to the chain, and what became of their leaves.

use super::super::db::{Db, Row, query};
use super::super::ledger::{balances, book_or_fail};
use super::super::rows::{bytes, corrupt, count, json, sql, to_json};
use crate::store::StoreError;
use crate::store::money::{Leaf, OpenEpoch, Payable};
use std::collections::{BTreeSet, HashMap};
use tessera_ledger::{Account, Cause, Purse, epoch_leaves};
use tessera_protocol::finance::{ChainAddress, JobPayout, PayoutState, PayoutView};
use tessera_protocol::{Amount, JobId, NodeId};

pub(in crate::store::sqlite) fn epochs(db: &Db) -> Result<u64, StoreError> {
    let row = query("SELECT COALESCE(MAX(number), 0) AS number FROM epoch").fetch_one(db)?;
    count(&row, "number")
}

pub(in crate::store::sqlite) fn next_epoch(db: &Db) -> Result<u64, StoreError> {
    Ok(epochs(db)? + 1)
}

pub(in crate::store::sqlite) fn open_epoch(db: &Db) -> Result<Option<OpenEpoch>, StoreError> {
    let row = query("SELECT number FROM epoch WHERE state = 0 ORDER BY number LIMIT 1")
        .fetch_optional(db)?;
    match row {
        Some(row) => epoch(db, count(&row, "number")?),
        None => Ok(None),
    }
}

pub(in crate::store::sqlite) fn epoch(
    db: &Db,
    number: u64,
) -> Result<Option<OpenEpoch>, StoreError> {
    let row =
        query("SELECT plan FROM epoch WHERE number = $1").bind(sql(number)).fetch_optional(db)?;
    let Some(row) = row else { return Ok(None) };
    let accounts = query("SELECT account FROM payout WHERE epoch = $1 ORDER BY leaf")
        .bind(sql(number))
        .fetch_all(db)?;
    let accounts = accounts.iter().map(|row| Ok(ChainAddress(bytes(row, "account")?)));
    Ok(Some(OpenEpoch {
        number,
        plan: json(row.try_get("plan")?)?,
        accounts: accounts.collect::<Result<_, StoreError>>()?,
    }))
}

pub(in crate::store::sqlite) fn begin_epoch(
    db: &Db,
    payable: &Payable,
    floor: Amount,
    now_ms: i64,
) -> Result<Option<OpenEpoch>, StoreError> {
    if let Some(open) = open_epoch(db)? {
        return Ok(Some(open));
    }
    let accounts: HashMap<NodeId, ChainAddress> = payable.accounts.iter().copied().collect();
    let balances = balances(db)?;
    let drawable = drawable(&balances, payable);
    let can_be_paid = |account: &Account| {
        matches!(account, Account::Owed { node, purse }
            if accounts.contains_key(node) && drawable.contains(purse))
    };
    let owed = balances.iter().filter(|(account, _)| can_be_paid(account));
    let Some(plan) = epoch_leaves(owed.map(|(account, sum)| (account, *sum)), floor) else {
        return Ok(None);
    };
    let number = next_epoch(db)?;
    book_or_fail(db, &Cause::EpochOpened { epoch: number, plan: plan.clone() }, now_ms)?;
    query("INSERT INTO epoch (number, plan, state, made_ms) VALUES ($1, $2, 0, $3)")
        .bind(sql(number))
        .bind(to_json(&plan))
        .bind(now_ms)
        .execute(db)?;
    for (leaf, paid) in plan.leaves.iter().enumerate() {
        let account = accounts.get(&paid.node).ok_or_else(|| corrupt("a leaf of nobody"))?;
        query(
            "INSERT INTO payout (epoch, leaf, node, account, amount, state) \
             VALUES ($1, $2, $3, $4, $5, 0)",
        )
        .bind(sql(number))
        .bind(leaf as i64)
        .bind(&paid.node.0[..])
        .bind(&account.0[..])
        .bind(sql(paid.amount.0))
        .execute(db)?;
    }
    open_epoch(db)
}

/// Purses that have on the chain what is owed out of them. One that has not would hold up everybody's pay.
fn drawable(balances: &[(Account, i64)], payable: &Payable) -> Vec<Purse> {
    let owed_of = |purse: &Purse| -> i128 {
        let of = balances.iter().filter(
            |(account, _)| matches!(account, Account::Owed { purse: of, .. } if of == purse),
        );
        of.map(|(_, owed)| i128::from(*owed)).sum()
    };
    let enough = payable.purses.iter().filter(|(purse, has)| owed_of(purse) <= i128::from(has.0));
    enough.map(|(purse, _)| *purse).collect()
}

fn state_to_sql(state: PayoutState) -> i64 {
    match state {
        PayoutState::Pending => 0,
        PayoutState::Paid => 1,
        PayoutState::Claimable => 2,
    }
}

fn state_from_sql(value: i64) -> Result<PayoutState, StoreError> {
    match value {
        0 => Ok(PayoutState::Pending),
        1 => Ok(PayoutState::Paid),
        2 => Ok(PayoutState::Claimable),
        _ => Err(corrupt(format!("payout state {value}"))),
    }
}

pub(in crate::store::sqlite) fn leaf_done(
    db: &Db,
    epoch: u64,
    leaf: u32,
    state: PayoutState,
    now_ms: i64,
) -> Result<(), StoreError> {
    let row = query("SELECT node, state FROM payout WHERE epoch = $1 AND leaf = $2")
        .bind(sql(epoch))
        .bind(leaf)
        .fetch_optional(db)?;
    let row = row.ok_or_else(|| corrupt(format!("epoch {epoch} has no leaf {leaf}")))?;
    let node = NodeId(bytes(&row, "node")?);
    let before = state_from_sql(row.try_get("state")?)?;
    let cause = match state {
        _ if state == before => return Ok(()),
        PayoutState::Pending => return Ok(()),
        PayoutState::Paid => Cause::LeafPaid { epoch, node },
        PayoutState::Claimable => Cause::LeafSkipped { epoch, node },
    };
    book_or_fail(db, &cause, now_ms)?;
    query("UPDATE payout SET state = $3 WHERE epoch = $1 AND leaf = $2")
        .bind(sql(epoch))
        .bind(leaf)
        .bind(state_to_sql(state))
        .execute(db)?;
    Ok(())
}

pub(in crate::store::sqlite) fn cancel_epoch(
    db: &Db,
    epoch: u64,
    now_ms: i64,
) -> Result<(), StoreError> {
    book_or_fail(db, &Cause::EpochCancelled { epoch }, now_ms)?;
    query("DELETE FROM payout WHERE epoch = $1").bind(sql(epoch)).execute(db)?;
    epoch_done(db, epoch)
}

pub(in crate::store::sqlite) fn epoch_done(db: &Db, epoch: u64) -> Result<(), StoreError> {
    query("UPDATE epoch SET state = 1 WHERE number = $1").bind(sql(epoch)).execute(db)?;
    Ok(())
}

pub(in crate::store::sqlite) fn claimable(
    db: &Db,
    after: (u64, u32),
    limit: u32,
) -> Result<Vec<Leaf>, StoreError> {
    let rows = query(
        "SELECT epoch, leaf, account FROM payout WHERE state = 2 \
         AND (epoch > $1 OR (epoch = $1 AND leaf > $2)) ORDER BY epoch, leaf LIMIT $3",
    )
    .bind(sql(after.0))
    .bind(after.1)
    .bind(limit)
    .fetch_all(db)?;
    let read = |row: &Row| {
        Ok(Leaf {
            epoch: count(row, "epoch")?,
            index: u32::try_from(count(row, "leaf")?).map_err(corrupt)?,
            account: ChainAddress(bytes(row, "account")?),
        })
    };
    rows.iter().map(read).collect()
}

pub(in crate::store::sqlite) fn payouts(
    db: &Db,
    node: Option<NodeId>,
    before: Option<(u64, u32)>,
    limit: u32,
) -> Result<Vec<PayoutView>, StoreError> {
    let (epoch, leaf) = before.map_or((i64::MAX, 0), |(epoch, leaf)| (sql(epoch), leaf));
    let rows = query(
        "SELECT payout.*, node.name FROM payout LEFT JOIN node ON node.id = payout.node \
         WHERE ($1 IS NULL OR payout.node = $1) \
         AND (payout.epoch < $2 OR (payout.epoch = $2 AND payout.leaf > $3)) \
         ORDER BY payout.epoch DESC, payout.leaf LIMIT $4",
    )
    .bind(node.map(|node| node.0.to_vec()))
    .bind(epoch)
    .bind(leaf)
    .bind(limit)
    .fetch_all(db)?;
    let view = |row: &Row| {
        Ok(PayoutView {
            epoch: count(row, "epoch")?,
            leaf: u32::try_from(count(row, "leaf")?).map_err(corrupt)?,
            node: NodeId(bytes(row, "node")?),
            name: row.try_get::<Option<String>>("name")?.unwrap_or_default(),
            account: ChainAddress(bytes(row, "account")?),
            amount: Amount(count(row, "amount")?),
            state: state_from_sql(row.try_get("state")?)?,
        })
    };
    rows.iter().map(view).collect()
}

pub(in crate::store::sqlite) fn job_payouts(
    db: &Db,
    job: JobId,
    operator: NodeId,
) -> Result<Vec<JobPayout>, StoreError> {
    let rows = query("SELECT DISTINCT node FROM result WHERE job = $1 AND posted = 1")
        .bind(&job.0[..])
        .fetch_all(db)?;
    let nodes = rows.iter().map(|row| Ok(NodeId(bytes(row, "node")?)));
    let nodes = nodes.collect::<Result<BTreeSet<_>, StoreError>>()?;
    let mut payouts = Vec::new();
    for node in nodes.into_iter().chain([operator]).collect::<BTreeSet<_>>() {
        // A plan takes all that a node is owed out of a purse: what left its account went into that epoch.
        let account = Account::Owed { node, purse: Purse::Job(job) };
        let rows = query(
            "SELECT epoch.number, payout.leaf, payout.account, payout.amount, payout.state, \
             -posting.amount AS part FROM posting JOIN entry ON entry.id = posting.entry \
             JOIN epoch ON entry.once = 'epoch/' || epoch.number \
             JOIN payout ON payout.epoch = epoch.number AND payout.node = $2 \
             WHERE posting.account = $1 AND posting.amount < 0",
        )
        .bind(account.to_string())
        .bind(&node.0[..])
        .fetch_all(db)?;
        for row in &rows {
            payouts.push(JobPayout {
                epoch: count(row, "number")?,
                epoch_account: ChainAddress([0; 32]),
                leaf: u32::try_from(count(row, "leaf")?).map_err(corrupt)?,
                node,
                account: ChainAddress(bytes(row, "account")?),
                amount: Amount(count(row, "part")?),
                of: Amount(count(row, "amount")?),
                state: state_from_sql(row.try_get("state")?)?,
            });
        }
    }
    payouts.sort_by_key(|payout| (payout.epoch, payout.leaf));
    Ok(payouts)
}
