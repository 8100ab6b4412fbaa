//! Tokens, uploads, nodes, and sums over everything.

use super::audits::read_record;
use super::db::{Db, Row, query};
use super::money::quotes;
use super::rows::{bytes, corrupt, count, json, sql, to_json};
use super::seconds::class_to_sql;
use crate::auth::{Token, TokenId};
use crate::store::{Asker, Joining, StoreError, Totals};
use tessera_protocol::house::SetHours;
use tessera_protocol::node::{NodeView, NodeWish};
use tessera_protocol::token::TokenScope;
use tessera_protocol::{BlobHash, NodeId, RayPrice};

pub(super) fn latest_ms(db: &Db) -> Result<i64, StoreError> {
    let row = query(
        "SELECT COALESCE(MAX(ms), 0) AS ms FROM (\
         SELECT MAX(created_ms) AS ms FROM token UNION ALL SELECT MAX(created_ms) FROM job \
         UNION ALL SELECT MAX(last_seen_ms) FROM node \
         UNION ALL SELECT MAX(granted_ms) FROM lease \
         UNION ALL SELECT MAX(created_ms) FROM account \
         UNION ALL SELECT MAX(renewed_ms) FROM sign_in \
         UNION ALL SELECT MAX(created_ms) FROM stream \
         UNION ALL SELECT MAX(granted_ms) FROM session_grant \
         UNION ALL SELECT MAX(ended_ms) FROM session \
         UNION ALL SELECT MAX(granted_ms) FROM stream_lease \
         UNION ALL SELECT MAX(created_ms) FROM delivery) AS times",
    )
    .fetch_one(db)?;
    row.try_get("ms")
}

pub(super) fn scope_to_sql(scope: TokenScope) -> i64 {
    match scope {
        TokenScope::Operator => 0,
        TokenScope::Artist => 1,
        TokenScope::Enrol => 2,
        TokenScope::Node => 3,
        TokenScope::Broadcaster => 4,
        TokenScope::Gateway => 5,
    }
}

pub(super) fn scope_from_sql(value: i64) -> Result<TokenScope, StoreError> {
    match value {
        0 => Ok(TokenScope::Operator),
        1 => Ok(TokenScope::Artist),
        2 => Ok(TokenScope::Enrol),
        3 => Ok(TokenScope::Node),
        4 => Ok(TokenScope::Broadcaster),
        5 => Ok(TokenScope::Gateway),
        _ => Err(corrupt(format!("token scope {value}"))),
    }
}

pub(super) fn add_token(db: &Db, token: &Token, now_ms: i64) -> Result<(), StoreError> {
    query("INSERT INTO token (id, hash, scope, node, created_ms) VALUES ($1, $2, $3, $4, $5)")
        .bind(&token.id().0[..])
        .bind(&token.hash[..])
        .bind(scope_to_sql(token.scope))
        .bind(token.node.map(|node| node.0.to_vec()))
        .bind(now_ms)
        .execute(db)?;
    Ok(())
}

pub(super) fn token(db: &Db, id: TokenId) -> Result<Option<Token>, StoreError> {
    let row = query("SELECT hash, scope, node, account FROM token WHERE id = $1")
        .bind(&id.0[..])
        .fetch_optional(db)?;
    let Some(row) = row else { return Ok(None) };
    let is_there = |column| Ok::<_, StoreError>(row.try_get::<Option<&[u8]>>(column)?.is_some());
    Ok(Some(Token {
        hash: bytes(&row, "hash")?,
        scope: scope_from_sql(row.try_get("scope")?)?,
        node: is_there("node")?.then(|| bytes(&row, "node").map(NodeId)).transpose()?,
        account: is_there("account")?.then(|| bytes(&row, "account").map(TokenId)).transpose()?,
    }))
}

pub(super) fn has_operator(db: &Db) -> Result<bool, StoreError> {
    let row = query("SELECT 1 FROM token WHERE scope = 0 LIMIT 1").fetch_optional(db)?;
    Ok(row.is_some())
}

pub(super) fn add_blob(
    db: &Db,
    hash: BlobHash,
    bytes: u64,
    owner: TokenId,
    now_ms: i64,
) -> Result<bool, StoreError> {
    query(
        "INSERT INTO blob (hash, bytes, created_ms, used_ms) VALUES ($1, $2, $3, $3) \
         ON CONFLICT (hash) DO UPDATE SET used_ms = excluded.used_ms",
    )
    .bind(&hash.0[..])
    .bind(sql(bytes))
    .bind(now_ms)
    .execute(db)?;
    let added = query(
        "INSERT INTO blob_owner (hash, owner, created_ms) VALUES ($1, $2, $3) \
         ON CONFLICT DO NOTHING",
    )
    .bind(&hash.0[..])
    .bind(&owner.0[..])
    .bind(now_ms)
    .execute(db)?;
    Ok(added == 0)
}

pub(super) fn blob(
    db: &Db,
    hash: BlobHash,
    owner: Option<TokenId>,
) -> Result<Option<u64>, StoreError> {
    let row = query(
        "SELECT bytes FROM blob WHERE hash = $1 AND ($2 IS NULL OR EXISTS \
         (SELECT 1 FROM blob_owner WHERE blob_owner.hash = blob.hash AND owner = $2))",
    )
    .bind(&hash.0[..])
    .bind(owner.map(|owner| owner.0.to_vec()))
    .fetch_optional(db)?;
    row.map(|row| count(&row, "bytes")).transpose()
}

pub(super) fn use_blob(
    db: &Db,
    hash: BlobHash,
    owner: Option<TokenId>,
    now_ms: i64,
) -> Result<Option<u64>, StoreError> {
    let bytes = blob(db, hash, owner)?;
    if bytes.is_some() {
        query("UPDATE blob SET used_ms = $2 WHERE hash = $1 AND used_ms < $2")
            .bind(&hash.0[..])
            .bind(now_ms)
            .execute(db)?;
    }
    Ok(bytes)
}

pub(super) fn forget_upload(db: &Db, until_ms: i64) -> Result<Option<BlobHash>, StoreError> {
    let row = query(
        "SELECT hash FROM blob WHERE used_ms < $1 \
         AND NOT EXISTS (SELECT 1 FROM job WHERE job.scene = blob.hash \
         AND (job.state NOT IN (2, 3) OR COALESCE(job.ended_ms, job.created_ms) >= $1)) \
         AND NOT EXISTS (SELECT 1 FROM job WHERE job.environment = blob.hash \
         AND (job.state NOT IN (2, 3) OR COALESCE(job.ended_ms, job.created_ms) >= $1)) \
         ORDER BY used_ms LIMIT 1",
    )
    .bind(until_ms)
    .fetch_optional(db)?;
    let Some(hash) = row.map(|row| bytes(&row, "hash").map(BlobHash)).transpose()? else {
        return Ok(None);
    };
    for text in ["DELETE FROM blob_owner WHERE hash = $1", "DELETE FROM blob WHERE hash = $1"] {
        query(text).bind(&hash.0[..]).execute(db)?;
    }
    Ok(Some(hash))
}

pub(super) fn join(db: &Db, joining: &Joining) -> Result<(), StoreError> {
    query(
        "INSERT INTO node (id, name, device, class, last_seen_ms, owner) \
         VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, device = excluded.device, \
         class = excluded.class, last_seen_ms = excluded.last_seen_ms, owner = excluded.owner",
    )
    .bind(&joining.node.0[..])
    .bind(&joining.name)
    .bind(to_json(&joining.device))
    .bind(class_to_sql(joining.class))
    .bind(joining.now_ms)
    .bind(joining.owner.map(|owner| owner.0.to_vec()))
    .execute(db)?;
    replace_token(db, &joining.token, Holder::Renderer, joining.now_ms)
}

/// What the holder of a key joined as: one key may be a render node's and a worker's, and each has a
/// token.
#[derive(Clone, Copy)]
pub(super) enum Holder {
    Renderer,
    Worker,
    Gateway,
}

/// Keeps a holder's token in place of all that it had.
pub(super) fn replace_token(
    db: &Db,
    token: &Token,
    holder: Holder,
    now_ms: i64,
) -> Result<(), StoreError> {
    let worker = i64::from(matches!(holder, Holder::Worker));
    query("DELETE FROM token WHERE node = $1 AND scope = $2 AND worker = $3")
        .bind(token.node.map(|node| node.0.to_vec()))
        .bind(scope_to_sql(token.scope))
        .bind(worker)
        .execute(db)?;
    add_token(db, token, now_ms)?;
    query("UPDATE token SET worker = $2 WHERE id = $1")
        .bind(&token.id().0[..])
        .bind(worker)
        .execute(db)?;
    Ok(())
}

fn read_node(row: &Row) -> Result<NodeView, StoreError> {
    let ask = row.try_get::<Option<i64>>("ask")?;
    Ok(NodeView {
        id: NodeId(bytes(row, "id")?),
        name: row.try_get("name")?,
        device: json(row.try_get("device")?)?,
        class: super::seconds::class_from_sql(row.try_get("class")?)?,
        last_seen_ms: row.try_get("last_seen_ms")?,
        units_verified: count(row, "units_verified")?,
        rays_verified: count(row, "rays_verified")?,
        rays_per_s: rays_per_s(row)?,
        units_leased: count(row, "units_leased")?,
        ask: ask.map(|_| count(row, "ask").map(RayPrice)).transpose()?,
        record: read_record(row)?,
        wish: wish_from_sql(row.try_get("wish")?)?,
        hours: read_hours(row)?,
        // Only in memory.
        report: None,
    })
}

pub(super) fn node(db: &Db, id: NodeId) -> Result<Option<NodeView>, StoreError> {
    let row = query(
        "SELECT node.*, (SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM lease \
         WHERE lease.node = node.id) AS units_leased FROM node WHERE id = $1",
    )
    .bind(&id.0[..])
    .fetch_optional(db)?;
    row.as_ref().map(read_node).transpose()
}

fn rays_per_s(row: &Row) -> Result<Option<u64>, StoreError> {
    let (rays, worked_ms) = (count(row, "rays_verified")?, count(row, "worked_ms")?);
    let rays_per_s = u128::from(rays) * 1000 / u128::from(worked_ms.max(1));
    Ok((rays > 0).then(|| u64::try_from(rays_per_s).unwrap_or(u64::MAX)))
}

/// Few columns, since whoever waits asks again and again.
pub(super) fn asker(db: &Db, id: NodeId) -> Result<Option<Asker>, StoreError> {
    let row = query(
        "SELECT wish, rays_verified, worked_ms, verified_since, proven, rejections, abandoned \
         FROM node WHERE id = $1",
    )
    .bind(&id.0[..])
    .fetch_optional(db)?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Asker {
        record: read_record(&row)?,
        rays_per_s: rays_per_s(&row)?,
        wish: wish_from_sql(row.try_get("wish")?)?,
        suggested: quotes::suggested(db)?.map(|(price, _)| price),
    }))
}

pub(super) fn nodes(
    db: &Db,
    owner: Option<TokenId>,
    after: Option<NodeId>,
    limit: u32,
) -> Result<Vec<NodeView>, StoreError> {
    let rows = query(
        "SELECT node.*, (SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM lease \
         WHERE lease.node = node.id) AS units_leased FROM node \
         WHERE ($1 IS NULL OR owner = $1) AND id > $2 ORDER BY id LIMIT $3",
    )
    .bind(owner.map(|owner| owner.0.to_vec()))
    .bind(after.map_or_else(Vec::new, |after| after.0.to_vec()))
    .bind(limit)
    .fetch_all(db)?;
    rows.iter().map(read_node).collect()
}

fn wish_to_sql(wish: NodeWish) -> i64 {
    match wish {
        NodeWish::Work => 0,
        NodeWish::Drain => 1,
        NodeWish::Pause => 2,
    }
}

pub(super) fn wish_from_sql(value: i64) -> Result<NodeWish, StoreError> {
    match value {
        0 => Ok(NodeWish::Work),
        1 => Ok(NodeWish::Drain),
        2 => Ok(NodeWish::Pause),
        _ => Err(corrupt(format!("wish {value}"))),
    }
}

pub(super) fn is_node_of(db: &Db, id: NodeId, owner: TokenId) -> Result<bool, StoreError> {
    let row = query("SELECT 1 FROM node WHERE id = $1 AND owner = $2")
        .bind(&id.0[..])
        .bind(&owner.0[..])
        .fetch_optional(db)?;
    Ok(row.is_some())
}

pub(super) fn wish(db: &Db, id: NodeId, wish: NodeWish) -> Result<(), StoreError> {
    query("UPDATE node SET wish = $2 WHERE id = $1")
        .bind(&id.0[..])
        .bind(wish_to_sql(wish))
        .execute(db)?;
    Ok(())
}

pub(super) fn set_hours(db: &Db, id: NodeId, hours: &SetHours) -> Result<(), StoreError> {
    query(
        "UPDATE node SET hours = $2, hours_set_ms = \
         CASE WHEN hours_set_ms < $3 THEN $3 ELSE hours_set_ms + 1 END WHERE id = $1",
    )
    .bind(&id.0[..])
    .bind(hours.hours.to_string())
    .bind(hours.set_ms)
    .execute(db)?;
    Ok(())
}

pub(super) fn hours(db: &Db, id: NodeId) -> Result<Option<SetHours>, StoreError> {
    let row = query("SELECT hours, hours_set_ms FROM node WHERE id = $1")
        .bind(&id.0[..])
        .fetch_optional(db)?;
    row.as_ref().map_or(Ok(None), read_hours)
}

fn read_hours(row: &Row) -> Result<Option<SetHours>, StoreError> {
    let Some(text) = row.try_get::<Option<String>>("hours")? else { return Ok(None) };
    let hours = text.parse().map_err(|error| corrupt(format!("hours: {error}")))?;
    Ok(Some(SetHours { hours, set_ms: row.try_get("hours_set_ms")? }))
}

pub(super) fn totals(db: &Db) -> Result<Totals, StoreError> {
    let mut totals = Totals::default();
    let rows = query(
        "SELECT state, COUNT(*) AS jobs, CAST(SUM(leased) AS BIGINT) AS leased, \
         CAST(SUM(verified) AS BIGINT) AS verified, CAST(SUM(frames_done) AS BIGINT) AS frames \
         FROM job GROUP BY state",
    )
    .fetch_all(db)?;
    for row in &rows {
        let state: i64 = row.try_get("state")?;
        let jobs = usize::try_from(state).ok().and_then(|at| totals.jobs.get_mut(at));
        *jobs.ok_or_else(|| corrupt(format!("job state {state}")))? = count(row, "jobs")?;
        totals.units_leased += count(row, "leased")?;
        totals.units_verified += count(row, "verified")?;
        totals.frames_done += count(row, "frames")?;
    }
    let row = query(
        "SELECT COUNT(*) AS nodes, CAST(COALESCE(SUM(rays_verified), 0) AS BIGINT) AS rays FROM node",
    )
    .fetch_one(db)?;
    totals.nodes = count(&row, "nodes")?;
    totals.rays_verified = count(&row, "rays")?;
    Ok(totals)
}
