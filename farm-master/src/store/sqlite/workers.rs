//! Workers and their leases on sessions.

use super::access::{Holder, replace_token};
use super::db::{Db, Row, query};
use super::jobs::next;
use super::money::streams::funds;
use super::rows::{bytes, count, grown, json, sql, sum, to_json};
use super::sessions::Session;
use super::streams;
use crate::store::StoreError;
use crate::store::live::{
    Candidate, LiveTotals, StreamLease, StreamLeaseAsk, StreamLeaseEnd, StreamLeaseGranted,
    Wanting, WorkerJoining,
};
use tessera_protocol::stream::view::StreamSpec;
use tessera_protocol::stream::worker::WorkerView;
use tessera_protocol::{Generation, LeaseId, NodeId, SessionId, StreamId};
use tessera_verify::segment::record::{Record, is_barred};

pub(super) fn join(db: &Db, joining: &WorkerJoining) -> Result<(), StoreError> {
    query(
        "INSERT INTO worker (id, name, able, last_seen_ms) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, able = excluded.able, \
         last_seen_ms = excluded.last_seen_ms",
    )
    .bind(&joining.node.0[..])
    .bind(&joining.name)
    .bind(to_json(&joining.able))
    .bind(joining.now_ms)
    .execute(db)?;
    replace_token(db, &joining.token, Holder::Worker, joining.now_ms)
}

pub(super) fn list(
    db: &Db,
    after: Option<NodeId>,
    limit: u32,
) -> Result<Vec<WorkerView>, StoreError> {
    let rows = query(
        "SELECT worker.*, worker.failures AS worker_failures, (SELECT COUNT(*) FROM stream_lease WHERE stream_lease.node = worker.id \
         AND ended_ms IS NULL) AS sessions FROM worker WHERE id > $1 ORDER BY id LIMIT $2",
    )
    .bind(after.map_or_else(Vec::new, |after| after.0.to_vec()))
    .bind(limit)
    .fetch_all(db)?;
    let view = |row: &Row| {
        let record = record(row)?;
        Ok(WorkerView {
            audits_passed: record.audits_passed,
            audits_rejected: record.audits_rejected,
            barred: is_barred(&record),
            id: NodeId(bytes(row, "id")?),
            name: row.try_get("name")?,
            able: json(row.try_get("able")?)?,
            last_seen_ms: row.try_get("last_seen_ms")?,
            segments: count(row, "segments")?,
            pixels: count(row, "pixels")?,
            failures: count(row, "failures")?,
            sessions: count(row, "sessions")?,
        })
    };
    rows.iter().map(view).collect()
}

pub(super) fn record_of(db: &Db, node: NodeId) -> Result<Option<Record>, StoreError> {
    let row = query("SELECT *, failures AS worker_failures FROM worker WHERE id = $1")
        .bind(&node.0[..])
        .fetch_optional(db)?;
    row.as_ref().map(record).transpose()
}

/// Keeps what comparisons make of a worker's record.
pub(super) fn save_comparisons(db: &Db, node: NodeId, record: &Record) -> Result<(), StoreError> {
    query(
        "UPDATE worker SET audits_passed = $2, audits_rejected = $3, passed_since_rejection = $4, \
         suspicion = $5 WHERE id = $1",
    )
    .bind(&node.0[..])
    .bind(sql(record.audits_passed))
    .bind(sql(record.audits_rejected))
    .bind(sql(record.passed_since_rejection))
    .bind(sql(record.suspicion))
    .execute(db)?;
    Ok(())
}

pub(super) fn wanting(
    db: &Db,
    workers: usize,
    barred_since_ms: i64,
) -> Result<Vec<Wanting>, StoreError> {
    let rows = query(
        "SELECT session.id, session.no, session.stream, session.pixels_per_s, stream.spec, \
         (SELECT COUNT(*) FROM stream_lease WHERE stream_lease.session = session.no \
         AND stream_lease.ended_ms IS NULL) AS standing \
         FROM session JOIN stream ON stream.id = session.stream \
         WHERE session.ended_ms IS NULL ORDER BY standing, session.no",
    )
    .fetch_all(db)?;
    let mut wanting = Vec::new();
    for row in &rows {
        let standing = count(row, "standing")?;
        if standing >= workers as u64 {
            continue;
        }
        let spec: StreamSpec = json(row.try_get("spec")?)?;
        let funds = funds(db, StreamId(bytes(row, "stream")?), &spec)?;
        wanting.push(Wanting {
            pays: spec.max_price.zip(funds),
            session: SessionId(bytes(row, "id")?),
            ladder: spec.ladder,
            pixels_per_s: count(row, "pixels_per_s")?,
            standing: usize::try_from(standing).unwrap_or(usize::MAX),
            barred: barred(db, row.try_get("no")?, barred_since_ms)?,
        });
    }
    Ok(wanting)
}

fn barred(db: &Db, session: i64, since_ms: i64) -> Result<Vec<NodeId>, StoreError> {
    let rows = query(
        "SELECT DISTINCT node FROM stream_lease \
         WHERE session = $1 AND (ended_ms IS NULL OR (replaced = 1 AND ended_ms > $2))",
    )
    .bind(session)
    .bind(since_ms)
    .fetch_all(db)?;
    rows.iter().map(|row| Ok(NodeId(bytes(row, "node")?))).collect()
}

fn record(row: &Row) -> Result<Record, StoreError> {
    Ok(Record {
        segments: count(row, "segments")?,
        failures: count(row, "worker_failures")?,
        audits_passed: count(row, "audits_passed")?,
        audits_rejected: count(row, "audits_rejected")?,
        passed_since_rejection: count(row, "passed_since_rejection")?,
        suspicion: count(row, "suspicion")?,
    })
}

pub(super) fn candidates(db: &Db, nodes: &[NodeId]) -> Result<Vec<Candidate>, StoreError> {
    let mut candidates = Vec::with_capacity(nodes.len());
    for node in nodes {
        let row = query(concat!(
            "SELECT worker.*, worker.failures AS worker_failures, held.* FROM worker, (SELECT ",
            sum!("pixels_per_s"),
            " AS held, ",
            sum!("bits_per_s"),
            " AS held_bits FROM stream_lease WHERE node = $1 AND ended_ms IS NULL) AS held \
             WHERE worker.id = $1",
        ))
        .bind(&node.0[..])
        .fetch_optional(db)?;
        let Some(row) = row else { continue };
        candidates.push(Candidate {
            node: *node,
            able: json(row.try_get("able")?)?,
            held: count(&row, "held")?,
            held_bits: count(&row, "held_bits")?,
            record: record(&row)?,
        });
    }
    Ok(candidates)
}

pub(super) fn grant(
    db: &Db,
    ask: &StreamLeaseAsk,
) -> Result<Option<StreamLeaseGranted>, StoreError> {
    let found = Session::find(db, ask.session)?;
    let Some(session) = found.filter(|session| session.view.ended_ms.is_none()) else {
        return Ok(None);
    };
    let seq = next(db, "stream_lease")?;
    let added = query(
        "INSERT INTO stream_lease (id, seq, session, node, price, pixels_per_s, bits_per_s, \
         granted_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
    )
    .bind(&ask.id.0[..])
    .bind(seq)
    .bind(session.no)
    .bind(&ask.node.0[..])
    .bind(sql(ask.price.0))
    .bind(sql(ask.pixels_per_s))
    .bind(sql(ask.bits_per_s))
    .bind(ask.now_ms)
    .execute(db)?;
    if added == 0 {
        return Ok(None);
    }
    query("UPDATE worker SET last_seen_ms = $2 WHERE id = $1 AND last_seen_ms < $2")
        .bind(&ask.node.0[..])
        .bind(ask.now_ms)
        .execute(db)?;
    Ok(Some(StreamLeaseGranted {
        generation: Generation(session.generation),
        gateway: session.view.gateway,
        doors: streams::doors_of(db, session.view.gateway)?,
        ladder: session.spec.ladder,
    }))
}

/// Leases with their sessions' ids and their workers' records.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT stream_lease.id, stream_lease.node, stream_lease.granted_ms, \
             stream_lease.ended_ms, stream_lease.failures, stream_lease.pixels_per_s, \
             stream_lease.bits_per_s, session.id AS session, worker.segments, worker.failures AS worker_failures, worker.audits_passed, \
             worker.audits_rejected, worker.passed_since_rejection, worker.suspicion FROM stream_lease \
             JOIN session ON session.no = stream_lease.session \
             JOIN worker ON worker.id = stream_lease.node ",
            $rest
        )
    };
}

fn read(row: &Row) -> Result<StreamLease, StoreError> {
    Ok(StreamLease {
        id: LeaseId(bytes(row, "id")?),
        session: SessionId(bytes(row, "session")?),
        node: NodeId(bytes(row, "node")?),
        granted_ms: row.try_get("granted_ms")?,
        standing: row.try_get::<Option<i64>>("ended_ms")?.is_none(),
        pixels_per_s: count(row, "pixels_per_s")?,
        bits_per_s: count(row, "bits_per_s")?,
        failures: count(row, "failures")?,
        record: record(row)?,
    })
}

pub(super) fn find(db: &Db, id: LeaseId) -> Result<Option<StreamLease>, StoreError> {
    let row = query(select!("WHERE stream_lease.id = $1")).bind(&id.0[..]).fetch_optional(db)?;
    row.as_ref().map(read).transpose()
}

pub(super) fn standing(db: &Db) -> Result<Vec<StreamLease>, StoreError> {
    let rows = query(select!("WHERE stream_lease.ended_ms IS NULL ORDER BY stream_lease.seq"))
        .fetch_all(db)?;
    rows.iter().map(read).collect()
}

pub(super) fn of_session(db: &Db, id: SessionId) -> Result<Vec<StreamLease>, StoreError> {
    let rows = query(select!(
        "WHERE session.id = $1 AND stream_lease.ended_ms IS NULL ORDER BY stream_lease.seq"
    ))
    .bind(&id.0[..])
    .fetch_all(db)?;
    rows.iter().map(read).collect()
}

pub(super) fn end(
    db: &Db,
    id: LeaseId,
    of: Option<NodeId>,
    end: &StreamLeaseEnd,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let ended = query(
        "UPDATE stream_lease SET ended_ms = $3, ended_because = $4, replaced = $5 \
         WHERE id = $1 AND ended_ms IS NULL AND ($2 IS NULL OR node = $2)",
    )
    .bind(&id.0[..])
    .bind(of.map(|node| node.0.to_vec()))
    .bind(now_ms)
    .bind(&end.because)
    .bind(i64::from(end.bar))
    .execute(db)?;
    Ok(ended > 0)
}

pub(super) fn note_failures(db: &Db, id: LeaseId, failures: u64) -> Result<(), StoreError> {
    let Some(lease) = find(db, id)? else { return Ok(()) };
    let Some(more) = failures.checked_sub(lease.failures).filter(|more| *more > 0) else {
        return Ok(());
    };
    query("UPDATE stream_lease SET failures = $2 WHERE id = $1")
        .bind(&id.0[..])
        .bind(sql(failures))
        .execute(db)?;
    query(concat!("UPDATE worker SET ", grown!("failures", "$2"), " WHERE id = $1"))
        .bind(&lease.node.0[..])
        .bind(sql(more))
        .execute(db)?;
    Ok(())
}

pub(super) fn totals(db: &Db) -> Result<LiveTotals, StoreError> {
    let row = query(concat!(
        "SELECT COUNT(*) AS sessions, \
         CAST(COALESCE(SUM(CASE WHEN ended_ms IS NULL THEN 1 ELSE 0 END), 0) AS BIGINT) AS live, \
         CAST(COALESCE(SUM(segments), 0) AS BIGINT) AS segments, \
         CAST(COALESCE(SUM(from_source), 0) AS BIGINT) AS from_source, ",
        sum!("pixels"),
        " AS pixels, \
         (SELECT COUNT(*) FROM stream WHERE ended = 0) AS streams, \
         (SELECT COUNT(*) FROM segment_conflict) AS conflicts, \
         (SELECT COUNT(*) FROM worker) AS workers, \
         (SELECT COUNT(*) FROM stream_lease WHERE ended_ms IS NULL) AS leases, \
         (SELECT COUNT(*) FROM gateway) AS gateways, \
         (SELECT COUNT(*) FROM delivery WHERE state = 0) AS pending, \
         (SELECT COUNT(*) FROM delivery WHERE state = 2) AS failed FROM session",
    ))
    .fetch_one(db)?;
    Ok(LiveTotals {
        streams: count(&row, "streams")?,
        sessions_live: count(&row, "live")?,
        sessions: count(&row, "sessions")?,
        segments: count(&row, "segments")?,
        segments_from_source: count(&row, "from_source")?,
        pixels: count(&row, "pixels")?,
        conflicts: count(&row, "conflicts")?,
        workers: count(&row, "workers")?,
        leases: count(&row, "leases")?,
        gateways: count(&row, "gateways")?,
        deliveries_pending: count(&row, "pending")?,
        deliveries_failed: count(&row, "failed")?,
    })
}
