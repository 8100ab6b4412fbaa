//! Segments: entered once each, listed, audited.

use super::db::{Db, Row, query};
use super::money::streams::owe;
use super::rows::{bytes, corrupt, count, grown, sql};
use super::sessions::{Session, grants};
use super::{receipt, workers};
use crate::rules::accounting::{ClaimId, Known, Ruling, Told, enter};
use crate::rules::fence;
use crate::store::StoreError;
use crate::store::live::{SegmentAnswer, SegmentEntry};
use tessera_protocol::stream::gateway::AuditReport;
use tessera_protocol::stream::view::SegmentView;
use tessera_protocol::stream::{ClaimReceipt, SegmentNumber};
use tessera_protocol::{GatewayId, SessionId};
use tessera_verify::segment::record::{Record, compared};

/// Most claims of one segment that are kept as evidence.
const CONFLICTS: i64 = 16;

/// What entries add to their session.
#[derive(Default)]
struct Sums {
    segments: u64,
    from_source: u64,
    pixels: u64,
    next: u64,
}

pub(super) fn enter_all(
    db: &Db,
    id: SessionId,
    gateway: GatewayId,
    entries: &[SegmentEntry],
    now_ms: i64,
) -> Result<Vec<SegmentAnswer>, StoreError> {
    let session = Session::find(db, id)?;
    let session = session.ok_or_else(|| corrupt(format!("session {id} is missing")))?;
    let grants = grants(db, session.no)?;
    let mut sums = Sums::default();
    let mut answers = Vec::with_capacity(entries.len());
    for entry in entries {
        let segment = entry.segment();
        let foreign = entry
            .generations()
            .find_map(|generation| fence::check(&grants, gateway, generation, segment).err());
        answers.push(match foreign {
            None => enter_one(db, session.no, entry, segment, &mut sums, now_ms)?,
            Some(foreign) => SegmentAnswer::Foreign(foreign),
        });
    }
    query(concat!(
        "UPDATE session SET segments = segments + $2, from_source = from_source + $3, ",
        grown!("pixels", "$4"),
        ", next_segment = CASE WHEN next_segment < $5 THEN $5 ELSE next_segment END WHERE no = $1",
    ))
    .bind(session.no)
    .bind(sql(sums.segments))
    .bind(sql(sums.from_source))
    .bind(sql(sums.pixels))
    .bind(sql(sums.next))
    .execute(db)?;
    Ok(answers)
}

fn enter_one(
    db: &Db,
    session: i64,
    entry: &SegmentEntry,
    segment: SegmentNumber,
    sums: &mut Sums,
    now_ms: i64,
) -> Result<SegmentAnswer, StoreError> {
    let claim_id =
        |receipt: &ClaimReceipt| ClaimId(*blake3::hash(&receipt.claim.message()).as_bytes());
    let (receipt, told, published) = match entry {
        SegmentEntry::Published(report) => {
            let claim = report.receipt.as_ref().map(claim_id);
            (report.receipt.as_ref(), Told::Published(claim), Some(&**report))
        }
        SegmentEntry::Presented(receipt) => {
            (Some(&**receipt), Told::Presented(claim_id(receipt)), None)
        }
    };
    let before = known(db, session, segment)?;
    let ruling = enter(before.unwrap_or_default(), told);
    sums.next = sums.next.max(segment.0.saturating_add(1));
    if before != Some(ruling.known) {
        sums.segments += u64::from(ruling.known.reported && !before.is_some_and(|b| b.reported));
        sums.from_source +=
            u64::from(ruling.known.from_source && !before.is_some_and(|b| b.from_source));
        let times = published.map(|report| (report.start_ms, report.duration_ms));
        save(db, session, segment, &ruling, times, receipt)?;
    }
    match receipt {
        Some(receipt) if ruling.counts => {
            sums.pixels += credit(db, receipt)?;
            owe(db, session, segment, receipt, now_ms)?;
            Ok(SegmentAnswer::Known)
        }
        Some(receipt) if ruling.conflict => {
            let claim = claim_id(receipt);
            keep_conflict(db, session, segment, claim, receipt, now_ms)?;
            Ok(SegmentAnswer::Conflict(claim))
        }
        _ => Ok(SegmentAnswer::Known),
    }
}

fn known(db: &Db, session: i64, segment: SegmentNumber) -> Result<Option<Known>, StoreError> {
    let row = query(
        "SELECT reported, from_source, claim FROM segment WHERE session = $1 AND number = $2",
    )
    .bind(session)
    .bind(sql(segment.0))
    .fetch_optional(db)?;
    let Some(row) = row else { return Ok(None) };
    let has_claim = row.try_get::<Option<&[u8]>>("claim")?.is_some();
    Ok(Some(Known {
        reported: row.try_get::<i64>("reported")? != 0,
        from_source: row.try_get::<i64>("from_source")? != 0,
        claim: has_claim.then(|| bytes(&row, "claim").map(ClaimId)).transpose()?,
    }))
}

fn save(
    db: &Db,
    session: i64,
    segment: SegmentNumber,
    ruling: &Ruling,
    times: Option<(i64, u64)>,
    receipt: Option<&ClaimReceipt>,
) -> Result<(), StoreError> {
    let (start_ms, duration_ms) = times.unwrap_or_default();
    query(
        "INSERT INTO segment (session, number, start_ms, duration_ms, reported, from_source, \
         claim, receipt) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (session, number) DO UPDATE SET reported = excluded.reported, \
         from_source = excluded.from_source, claim = excluded.claim, \
         receipt = COALESCE(segment.receipt, excluded.receipt), \
         start_ms = CASE WHEN segment.reported = 1 THEN segment.start_ms \
         ELSE excluded.start_ms END, \
         duration_ms = CASE WHEN segment.reported = 1 THEN segment.duration_ms \
         ELSE excluded.duration_ms END",
    )
    .bind(session)
    .bind(sql(segment.0))
    .bind(start_ms)
    .bind(sql(duration_ms))
    .bind(i64::from(ruling.known.reported))
    .bind(i64::from(ruling.known.from_source))
    .bind(ruling.known.claim.map(|claim| claim.0.to_vec()))
    .bind(receipt.filter(|_| ruling.counts).map(receipt::pack))
    .execute(db)?;
    Ok(())
}

/// Adds a claim that counts to its worker's record; answers its pixels.
fn credit(db: &Db, receipt: &ClaimReceipt) -> Result<u64, StoreError> {
    let pixels = receipt.claim.renditions.iter().map(|result| result.pixels).sum();
    query(concat!(
        "UPDATE worker SET segments = segments + 1, ",
        grown!("pixels", "$2"),
        " WHERE id = $1"
    ))
    .bind(&receipt.claim.node.0[..])
    .bind(sql(pixels))
    .execute(db)?;
    Ok(pixels)
}

fn keep_conflict(
    db: &Db,
    session: i64,
    segment: SegmentNumber,
    claim: ClaimId,
    receipt: &ClaimReceipt,
    now_ms: i64,
) -> Result<(), StoreError> {
    query(
        "INSERT INTO segment_conflict (session, number, claim, receipt, at_ms) \
         SELECT $1, $2, $3, $4, $5 WHERE \
         (SELECT COUNT(*) FROM segment_conflict WHERE session = $1 AND number = $2) < $6 \
         ON CONFLICT DO NOTHING",
    )
    .bind(session)
    .bind(sql(segment.0))
    .bind(&claim.0[..])
    .bind(receipt::pack(receipt))
    .bind(now_ms)
    .bind(CONFLICTS)
    .execute(db)?;
    Ok(())
}

pub(super) fn list(
    db: &Db,
    id: SessionId,
    from: SegmentNumber,
    limit: u32,
) -> Result<Vec<SegmentView>, StoreError> {
    let rows = query(
        "SELECT number, start_ms, duration_ms, from_source, receipt FROM segment \
         WHERE session = (SELECT no FROM session WHERE id = $1) AND number >= $2 \
         AND reported = 1 ORDER BY number LIMIT $3",
    )
    .bind(&id.0[..])
    .bind(sql(from.0))
    .bind(limit)
    .fetch_all(db)?;
    let view = |row: &Row| {
        let segment = SegmentNumber(count(row, "number")?);
        let packed: Option<&[u8]> = row.try_get("receipt")?;
        let receipt = packed.map(|packed| receipt::unpack(packed, id, segment)).transpose()?;
        let published = receipt.filter(|_| !matches!(row.try_get("from_source"), Ok(1i64)));
        Ok(SegmentView {
            segment,
            start_ms: row.try_get("start_ms")?,
            duration_ms: count(row, "duration_ms")?,
            node: published.as_ref().map(|receipt| receipt.claim.node),
            claim: published.map(|receipt| receipt.claim),
        })
    };
    rows.iter().map(view).collect()
}

pub(super) fn enter_audit(
    db: &Db,
    id: SessionId,
    gateway: GatewayId,
    audit: &AuditReport,
    now_ms: i64,
) -> Result<Option<Record>, StoreError> {
    let row = query(
        "SELECT session, receipt FROM segment \
         WHERE session = (SELECT no FROM session WHERE id = $1) AND number = $2",
    )
    .bind(&id.0[..])
    .bind(sql(audit.segment.0))
    .fetch_optional(db)?;
    let Some(row) = row else { return Ok(None) };
    let packed: Option<&[u8]> = row.try_get("receipt")?;
    let receipt = packed.map(|packed| receipt::unpack(packed, id, audit.segment)).transpose()?;
    let made_it = receipt.is_some_and(|receipt| {
        let mut made = receipt.claim.renditions.iter();
        let (by, made_for) = (receipt.claim.node, receipt.claim.gateway);
        by == audit.node && made_for == gateway && made.any(|one| one.rendition == audit.rendition)
    });
    if !made_it {
        return Ok(None);
    }
    let added = query(
        "INSERT INTO segment_audit (session, number, rendition, rejected, at_ms) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    )
    .bind(row.try_get::<i64>("session")?)
    .bind(sql(audit.segment.0))
    .bind(audit.rendition.as_str())
    .bind(&audit.rejected)
    .bind(now_ms)
    .execute(db)?;
    let before = workers::record_of(db, audit.node)?;
    let before = before.ok_or_else(|| corrupt(format!("{} is no worker", audit.node)))?;
    if added == 0 {
        return Ok(Some(before));
    }
    let record = compared(before, audit.rejected.is_some());
    workers::save_comparisons(db, audit.node, &record)?;
    Ok(Some(record))
}
