//! Streams, and the gateways that they come through.

use super::access::{Holder, replace_token};
use super::db::{Db, Row, query};
use super::jobs::next;
use super::money::streams::funds;
use super::rows::{bytes, corrupt, count, json, to_json};
use super::sessions;
use crate::auth::TokenId;
use crate::store::StoreError;
use crate::store::live::{
    GatewayJoining, KeyHash, LastSession, NewStream, StreamCreation, StreamRecord,
};
use tessera_protocol::stream::gateway::{GatewayDoors, GatewayView};
use tessera_protocol::{GatewayId, PlaybackId, SessionId, StreamId};

/// How long an idempotency key is remembered.
const KEY_MS: i64 = 24 * 60 * 60 * 1000;

/// Streams with their last sessions and those sessions' gateways.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT stream.*, session.ended_ms, session.health, gateway.doors FROM stream \
             LEFT JOIN session ON session.id = stream.session \
             LEFT JOIN gateway ON gateway.id = session.gateway ",
            $rest
        )
    };
}

fn read(row: &Row) -> Result<StreamRecord, StoreError> {
    let doors: Option<&str> = row.try_get("doors")?;
    let session = match doors {
        None => None,
        Some(doors) => Some(LastSession {
            id: SessionId(bytes(row, "session")?),
            live: row.try_get::<Option<i64>>("ended_ms")?.is_none(),
            doors: json(doors)?,
            health: json(row.try_get("health")?)?,
        }),
    };
    Ok(StreamRecord {
        id: StreamId(bytes(row, "id")?),
        seq: row.try_get("seq")?,
        owner: TokenId(bytes(row, "owner")?),
        spec: json(row.try_get("spec")?)?,
        playback: PlaybackId(bytes(row, "playback")?),
        ended: row.try_get::<i64>("ended")? != 0,
        session,
        funds: None,
        created_ms: row.try_get("created_ms")?,
    })
}

fn read_all(db: &Db, rows: &[Row]) -> Result<Vec<StreamRecord>, StoreError> {
    let mut streams = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    for stream in &mut streams {
        stream.funds = funds(db, stream.id, &stream.spec)?;
    }
    Ok(streams)
}

pub(super) fn find(db: &Db, id: StreamId) -> Result<Option<StreamRecord>, StoreError> {
    let rows = query(select!("WHERE stream.id = $1")).bind(&id.0[..]).fetch_all(db)?;
    Ok(read_all(db, &rows)?.pop())
}

/// A stream that must be there, since another row names it.
pub(super) fn of(db: &Db, id: StreamId) -> Result<StreamRecord, StoreError> {
    find(db, id)?.ok_or_else(|| corrupt(format!("stream {id} is named and missing")))
}

pub(super) fn by_key(db: &Db, key: KeyHash) -> Result<Option<StreamRecord>, StoreError> {
    let rows = query(select!("WHERE stream.key = $1")).bind(&key.0[..]).fetch_all(db)?;
    Ok(read_all(db, &rows)?.pop())
}

pub(super) fn list(
    db: &Db,
    owner: Option<TokenId>,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<StreamRecord>, StoreError> {
    let rows =
        query(select!("WHERE ($1 IS NULL OR owner = $1) AND seq < $2 ORDER BY seq DESC LIMIT $3"))
            .bind(owner.map(|owner| owner.0.to_vec()))
            .bind(before.unwrap_or(i64::MAX))
            .bind(limit)
            .fetch_all(db)?;
    read_all(db, &rows)
}

pub(super) fn create(db: &Db, new: &NewStream) -> Result<StreamCreation, StoreError> {
    if let Some((key, body)) = &new.idempotency
        && let Some((known, stream)) = known_key(db, new, key)?
    {
        return Ok(if known == *body {
            StreamCreation::Known(of(db, stream)?)
        } else {
            StreamCreation::KeyReused
        });
    }
    let seq = next(db, "stream")?;
    let (key, body) = new.idempotency.as_ref().map(|(key, body)| (key, &body[..])).unzip();
    query(
        "INSERT INTO stream (id, seq, owner, spec, key, playback, created_ms, idempotency, \
         idempotency_body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(&new.id.0[..])
    .bind(seq)
    .bind(&new.owner.0[..])
    .bind(to_json(&new.spec))
    .bind(&new.key.0[..])
    .bind(&new.playback.0[..])
    .bind(new.now_ms)
    .bind(key)
    .bind(body)
    .execute(db)?;
    Ok(StreamCreation::Created(of(db, new.id)?))
}

fn known_key(
    db: &Db,
    new: &NewStream,
    key: &str,
) -> Result<Option<([u8; 32], StreamId)>, StoreError> {
    query(
        "UPDATE stream SET idempotency = NULL \
         WHERE owner = $1 AND idempotency IS NOT NULL AND created_ms < $2",
    )
    .bind(&new.owner.0[..])
    .bind(new.now_ms - KEY_MS)
    .execute(db)?;
    let row =
        query("SELECT id, idempotency_body FROM stream WHERE owner = $1 AND idempotency = $2")
            .bind(&new.owner.0[..])
            .bind(key)
            .fetch_optional(db)?;
    row.map(|row| Ok((bytes(&row, "idempotency_body")?, StreamId(bytes(&row, "id")?)))).transpose()
}

pub(super) fn rotate_key(
    db: &Db,
    id: StreamId,
    key: KeyHash,
    because: &str,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let stream = of(db, id)?;
    if stream.ended {
        return Ok(false);
    }
    query("UPDATE stream SET key = $2 WHERE id = $1")
        .bind(&id.0[..])
        .bind(&key.0[..])
        .execute(db)?;
    end_session_of(db, &stream, because, now_ms)?;
    Ok(true)
}

pub(super) fn end(db: &Db, id: StreamId, because: &str, now_ms: i64) -> Result<(), StoreError> {
    let stream = of(db, id)?;
    if stream.ended {
        return Ok(());
    }
    query("UPDATE stream SET ended = 1 WHERE id = $1").bind(&id.0[..]).execute(db)?;
    end_session_of(db, &stream, because, now_ms)
}

/// Ends a stream's session where one is open.
pub(super) fn end_session_of(
    db: &Db,
    stream: &StreamRecord,
    because: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    match &stream.session {
        Some(session) if session.live => sessions::end(db, session.id, because, now_ms),
        _ => Ok(()),
    }
}

pub(super) fn gateway_join(db: &Db, joining: &GatewayJoining) -> Result<(), StoreError> {
    end_misled_leases(db, joining)?;
    query(
        "INSERT INTO gateway (id, name, doors, last_seen_ms) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, doors = excluded.doors, \
         last_seen_ms = excluded.last_seen_ms",
    )
    .bind(&joining.gateway.0[..])
    .bind(&joining.name)
    .bind(to_json(&joining.doors))
    .bind(joining.now_ms)
    .execute(db)?;
    replace_token(db, &joining.token, Holder::Gateway, joining.now_ms)
}

/// Ends the leases of workers that would dial a gateway where it is no more.
fn end_misled_leases(db: &Db, joining: &GatewayJoining) -> Result<(), StoreError> {
    let row = query("SELECT doors FROM gateway WHERE id = $1")
        .bind(&joining.gateway.0[..])
        .fetch_optional(db)?;
    let Some(row) = row else { return Ok(()) };
    let before: GatewayDoors = json(row.try_get("doors")?)?;
    if (&before.link, &before.link_pin) == (&joining.doors.link, &joining.doors.link_pin) {
        return Ok(());
    }
    let open = query("SELECT no FROM session WHERE ended_ms IS NULL AND gateway = $1")
        .bind(&joining.gateway.0[..])
        .fetch_all(db)?;
    for row in &open {
        let because = "its gateway is reached elsewhere now";
        sessions::end_leases(db, row.try_get("no")?, because, joining.now_ms)?;
    }
    Ok(())
}

pub(super) fn gateways(
    db: &Db,
    after: Option<GatewayId>,
    limit: u32,
) -> Result<Vec<GatewayView>, StoreError> {
    let rows = query(
        "SELECT gateway.*, (SELECT COUNT(*) FROM session \
         WHERE session.gateway = gateway.id AND session.ended_ms IS NULL) AS sessions \
         FROM gateway WHERE id > $1 ORDER BY id LIMIT $2",
    )
    .bind(after.map_or_else(Vec::new, |after| after.0.to_vec()))
    .bind(limit)
    .fetch_all(db)?;
    let view = |row: &Row| {
        Ok(GatewayView {
            id: GatewayId(bytes(row, "id")?),
            name: row.try_get("name")?,
            doors: json(row.try_get("doors")?)?,
            last_seen_ms: row.try_get("last_seen_ms")?,
            sessions: count(row, "sessions")?,
        })
    };
    rows.iter().map(view).collect()
}

pub(super) fn recent_doors(db: &Db, limit: u32) -> Result<Vec<GatewayDoors>, StoreError> {
    let rows = query("SELECT doors FROM gateway ORDER BY last_seen_ms DESC, id LIMIT $1")
        .bind(limit)
        .fetch_all(db)?;
    rows.iter().map(|row| json(row.try_get("doors")?)).collect()
}

/// The doors of one gateway that must be there.
pub(super) fn doors_of(db: &Db, gateway: GatewayId) -> Result<GatewayDoors, StoreError> {
    let row =
        query("SELECT doors FROM gateway WHERE id = $1").bind(&gateway.0[..]).fetch_one(db)?;
    json(row.try_get("doors")?)
}

/// Notes a sign of life of a gateway.
pub(super) fn gateway_seen(db: &Db, gateway: GatewayId, now_ms: i64) -> Result<(), StoreError> {
    query("UPDATE gateway SET last_seen_ms = $2 WHERE id = $1 AND last_seen_ms < $2")
        .bind(&gateway.0[..])
        .bind(now_ms)
        .execute(db)?;
    Ok(())
}
