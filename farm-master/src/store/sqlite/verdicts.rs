//! What audits finally found, for receipts.

use super::db::{Db, Row, query};
use super::rows::{bytes, count, factor, json, sql};
use super::{results, seconds};
use crate::store::StoreError;
use crate::store::proof::Audited;
use tessera_protocol::commit::AuditSecret;
use tessera_protocol::verdict::{Alike, Second, Verdict};
use tessera_protocol::{Generation, JobId, LeaseId, NodeId, RayPrice};

pub(super) fn audited(
    db: &Db,
    job: JobId,
    after: u64,
    limit: u32,
) -> Result<Vec<Audited>, StoreError> {
    let rows = query(
        "SELECT result.*, job.class, job.factor, rejection.signed, rejection.wrong FROM result \
         JOIN job ON job.id = result.job \
         LEFT JOIN rejection ON rejection.lease = result.lease \
         LEFT JOIN frame ON frame.job = result.job AND frame.frame = result.frame \
         WHERE result.job = $1 AND result.generation > $2 AND length(result.secret) = 32 \
         AND (rejection.lease IS NOT NULL \
         OR (result.audit = 1 AND ((frame.hash IS NOT NULL AND frame.approved = 1) \
         OR job.state IN (2, 3)))) \
         ORDER BY result.generation LIMIT $3",
    )
    .bind(&job.0[..])
    .bind(sql(after))
    .bind(limit)
    .fetch_all(db)?;
    rows.iter().map(read_audited).collect()
}

pub(super) fn audited_lease(db: &Db, lease: LeaseId) -> Result<Option<Audited>, StoreError> {
    let row = query(
        "SELECT result.*, job.class, job.factor, rejection.signed, rejection.wrong FROM result \
         JOIN job ON job.id = result.job \
         LEFT JOIN rejection ON rejection.lease = result.lease \
         LEFT JOIN frame ON frame.job = result.job AND frame.frame = result.frame \
         WHERE result.lease = $1 AND length(result.secret) = 32 \
         AND (rejection.lease IS NOT NULL \
         OR (result.audit = 1 AND ((frame.hash IS NOT NULL AND frame.approved = 1) \
         OR job.state IN (2, 3))))",
    )
    .bind(&lease.0[..])
    .fetch_optional(db)?;
    row.as_ref().map(read_audited).transpose()
}

pub(super) fn read_audited(row: &Row) -> Result<Audited, StoreError> {
    let verdict = match row.try_get::<Option<&str>>("wrong")? {
        Some(wrong) => Verdict::Rejected(Box::new(json(wrong)?)),
        None if row.try_get::<i64>("class")? == 0 => {
            Verdict::Verified { pixels: count(row, "looked")? }
        }
        None => Verdict::Alike(read_alike(row)?),
    };
    let signed: Option<&str> = row.try_get("signed")?;
    Ok(Audited {
        result: results::stored(row)?,
        generation: Generation(count(row, "generation")?),
        node: NodeId(bytes(row, "node")?),
        stored: row.try_get::<i64>("stored")? != 0,
        secret: AuditSecret(bytes(row, "secret")?),
        price: RayPrice(count(row, "price")?),
        factor: factor(row)?,
        verdict,
        signed: signed.map(json).transpose()?,
    })
}

fn read_alike(row: &Row) -> Result<Alike, StoreError> {
    let has_second = row.try_get::<Option<&[u8]>>("like_lease")?.is_some();
    let second = has_second.then(|| {
        Ok::<_, StoreError>(Second {
            lease: LeaseId(bytes(row, "like_lease")?),
            within_ppm: row.try_get("like_within_ppm")?,
            distance: row.try_get("like_distance")?,
        })
    });
    Ok(Alike {
        enters: seconds::second_of(row)?.is_none(),
        second: second.transpose()?,
        looked: count(row, "looked")?,
    })
}
