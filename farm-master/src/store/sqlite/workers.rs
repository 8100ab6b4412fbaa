//! Workers and their leases on sessions.

use super::access::{Holder, replace_token};
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
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use tessera_protocol::stream::view::StreamSpec;
use tessera_protocol::stream::worker::WorkerView;
use tessera_protocol::{Generation, LeaseId, NodeId, SessionId, StreamId};
use tessera_verify::segment::record::{Record, is_barred};

pub(super) async fn join(
    db: &mut SqliteConnection,
    joining: &WorkerJoining,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO worker (id, name, able, last_seen_ms) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, able = excluded.able, \
         last_seen_ms = excluded.last_seen_ms",
    )
    .bind(&joining.node.0[..])
    .bind(&joining.name)
    .bind(to_json(&joining.able))
    .bind(joining.now_ms)
    .execute(&mut *db)
    .await?;
    replace_token(db, &joining.token, Holder::Worker, joining.now_ms).await
}

pub(super) async fn list(
    db: &mut SqliteConnection,
    after: Option<NodeId>,
    limit: u32,
) -> Result<Vec<WorkerView>, StoreError> {
    let rows = sqlx::query(
        "SELECT worker.*, worker.failures AS worker_failures, (SELECT COUNT(*) FROM stream_lease WHERE stream_lease.node = worker.id \
         AND ended_ms IS NULL) AS sessions FROM worker WHERE id > $1 ORDER BY id LIMIT $2",
    )
    .bind(after.map_or_else(Vec::new, |after| after.0.to_vec()))
    .bind(limit)
    .fetch_all(db)
    .await?;
    let view = |row: &SqliteRow| {
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

pub(super) async fn record_of(
    db: &mut SqliteConnection,
    node: NodeId,
) -> Result<Option<Record>, StoreError> {
    let row = sqlx::query("SELECT *, failures AS worker_failures FROM worker WHERE id = $1")
        .bind(&node.0[..])
        .fetch_optional(db)
        .await?;
    row.as_ref().map(record).transpose()
}

/// Keeps what comparisons make of a worker's record.
pub(super) async fn save_comparisons(
    db: &mut SqliteConnection,
    node: NodeId,
    record: &Record,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE worker SET audits_passed = $2, audits_rejected = $3, passed_since_rejection = $4, \
         suspicion = $5 WHERE id = $1",
    )
    .bind(&node.0[..])
    .bind(sql(record.audits_passed))
    .bind(sql(record.audits_rejected))
    .bind(sql(record.passed_since_rejection))
    .bind(sql(record.suspicion))
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn wanting(
    db: &mut SqliteConnection,
    workers: usize,
    barred_since_ms: i64,
) -> Result<Vec<Wanting>, StoreError> {
    let rows = sqlx::query(
        "SELECT session.id, session.no, session.stream, session.pixels_per_s, stream.spec, \
         (SELECT COUNT(*) FROM stream_lease WHERE stream_lease.session = session.no \
         AND stream_lease.ended_ms IS NULL) AS standing \
         FROM session JOIN stream ON stream.id = session.stream \
         WHERE session.ended_ms IS NULL ORDER BY standing, session.no",
    )
    .fetch_all(&mut *db)
    .await?;
    let mut wanting = Vec::new();
    for row in &rows {
        let standing = count(row, "standing")?;
        if standing >= workers as u64 {
            continue;
        }
        let spec: StreamSpec = json(row.try_get("spec")?)?;
        let funds = funds(db, StreamId(bytes(row, "stream")?), &spec).await?;
        wanting.push(Wanting {
            pays: spec.max_price.zip(funds),
            session: SessionId(bytes(row, "id")?),
            ladder: spec.ladder,
            pixels_per_s: count(row, "pixels_per_s")?,
            standing: usize::try_from(standing).unwrap_or(usize::MAX),
            barred: barred(db, row.try_get("no")?, barred_since_ms).await?,
        });
    }
    Ok(wanting)
}

async fn barred(
    db: &mut SqliteConnection,
    session: i64,
    since_ms: i64,
) -> Result<Vec<NodeId>, StoreError> {
    let rows = sqlx::query(
        "SELECT DISTINCT node FROM stream_lease \
         WHERE session = $1 AND (ended_ms IS NULL OR (replaced = 1 AND ended_ms > $2))",
    )
    .bind(session)
    .bind(since_ms)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok(NodeId(bytes(row, "node")?))).collect()
}

fn record(row: &SqliteRow) -> Result<Record, StoreError> {
    Ok(Record {
        segments: count(row, "segments")?,
        failures: count(row, "worker_failures")?,
        audits_passed: count(row, "audits_passed")?,
        audits_rejected: count(row, "audits_rejected")?,
        passed_since_rejection: count(row, "passed_since_rejection")?,
        suspicion: count(row, "suspicion")?,
    })
}

pub(super) async fn candidates(
    db: &mut SqliteConnection,
    nodes: &[NodeId],
) -> Result<Vec<Candidate>, StoreError> {
    let mut candidates = Vec::with_capacity(nodes.len());
    for node in nodes {
        let row = sqlx::query(concat!(
            "SELECT worker.*, worker.failures AS worker_failures, held.* FROM worker, (SELECT ",
            sum!("pixels_per_s"),
            " AS held, ",
            sum!("bits_per_s"),
            " AS held_bits FROM stream_lease WHERE node = $1 AND ended_ms IS NULL) AS held \
             WHERE worker.id = $1",
        ))
        .bind(&node.0[..])
        .fetch_optional(&mut *db)
        .await?;
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

pub(super) async fn grant(
    db: &mut SqliteConnection,
    ask: &StreamLeaseAsk,
) -> Result<Option<StreamLeaseGranted>, StoreError> {
    let found = Session::find(db, ask.session).await?;
    let Some(session) = found.filter(|session| session.view.ended_ms.is_none()) else {
        return Ok(None);
    };
    let seq = next(db, "stream_lease").await?;
    let added = sqlx::query(
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
    .execute(&mut *db)
    .await?;
    if added.rows_affected() == 0 {
        return Ok(None);
    }
    sqlx::query("UPDATE worker SET last_seen_ms = $2 WHERE id = $1 AND last_seen_ms < $2")
        .bind(&ask.node.0[..])
        .bind(ask.now_ms)
        .execute(&mut *db)
        .await?;
    Ok(Some(StreamLeaseGranted {
        generation: Generation(session.generation),
        gateway: session.view.gateway,
        doors: streams::doors_of(db, session.view.gateway).await?,
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

fn read(row: &SqliteRow) -> Result<StreamLease, StoreError> {
    Ok(StreamLease {
        id: LeaseId(bytes(row, "id")?),
        session: SessionId(bytes(row, "session")?),
        node: NodeId(bytes(row, "node")?),
        granted_ms: row.try_get("granted_ms")?,
        standing: row.try_get::<Option<i64>, _>("ended_ms")?.is_none(),
        pixels_per_s: count(row, "pixels_per_s")?,
        bits_per_s: count(row, "bits_per_s")?,
        failures: count(row, "failures")?,
        record: record(row)?,
    })
}

pub(super) async fn find(
    db: &mut SqliteConnection,
    id: LeaseId,
) -> Result<Option<StreamLease>, StoreError> {
    let row = sqlx::query(select!("WHERE stream_lease.id = $1"))
        .bind(&id.0[..])
        .fetch_optional(db)
        .await?;
    row.as_ref().map(read).transpose()
}

pub(super) async fn standing(db: &mut SqliteConnection) -> Result<Vec<StreamLease>, StoreError> {
    let rows =
        sqlx::query(select!("WHERE stream_lease.ended_ms IS NULL ORDER BY stream_lease.seq"))
            .fetch_all(db)
            .await?;
    rows.iter().map(read).collect()
}

pub(super) async fn of_session(
    db: &mut SqliteConnection,
    id: SessionId,
) -> Result<Vec<StreamLease>, StoreError> {
    let rows = sqlx::query(select!(
        "WHERE session.id = $1 AND stream_lease.ended_ms IS NULL ORDER BY stream_lease.seq"
    ))
    .bind(&id.0[..])
    .fetch_all(db)
    .await?;
    rows.iter().map(read).collect()
}

pub(super) async fn end(
    db: &mut SqliteConnection,
    id: LeaseId,
    of: Option<NodeId>,
    end: &StreamLeaseEnd,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let ended = sqlx::query(
        "UPDATE stream_lease SET ended_ms = $3, ended_because = $4, replaced = $5 \
         WHERE id = $1 AND ended_ms IS NULL AND ($2 IS NULL OR node = $2)",
    )
    .bind(&id.0[..])
    .bind(of.map(|node| node.0.to_vec()))
    .bind(now_ms)
    .bind(&end.because)
    .bind(i64::from(end.bar))
    .execute(db)
    .await?;
    Ok(ended.rows_affected() > 0)
}

pub(super) async fn note_failures(
    db: &mut SqliteConnection,
    id: LeaseId,
    failures: u64,
) -> Result<(), StoreError> {
    let Some(lease) = find(db, id).await? else { return Ok(()) };
    let Some(more) = failures.checked_sub(lease.failures).filter(|more| *more > 0) else {
        return Ok(());
    };
    sqlx::query("UPDATE stream_lease SET failures = $2 WHERE id = $1")
        .bind(&id.0[..])
        .bind(sql(failures))
        .execute(&mut *db)
        .await?;
    sqlx::query(concat!("UPDATE worker SET ", grown!("failures", "$2"), " WHERE id = $1"))
        .bind(&lease.node.0[..])
        .bind(sql(more))
        .execute(db)
        .await?;
    Ok(())
}

pub(super) async fn totals(db: &mut SqliteConnection) -> Result<LiveTotals, StoreError> {
    let row = sqlx::query(concat!(
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
    .fetch_one(db)
    .await?;
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
