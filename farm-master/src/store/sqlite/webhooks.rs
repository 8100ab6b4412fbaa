//! Webhooks and the outbox of what they are told.

use super::db::{Db, Row, query};
use super::jobs::next;
use super::rows::{bytes, corrupt, count, json, to_json};
use crate::auth::TokenId;
use crate::store::StoreError;
use crate::store::webhooks::{Attempt, Due, Hears, Then, Webhook};
use tessera_protocol::webhook::{DeliveryState, DeliveryView, Happening, WebhookEvent};
use tessera_protocol::{DeliveryId, JobId, StreamId, WebhookId};

/// Most deliveries of a webhook that are kept; the oldest go.
const KEPT: i64 = 1000;

/// What a message is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum About {
    Nothing,
    Stream(StreamId),
    Job(JobId),
}

/// Puts what happened into the outbox, for every webhook that hears of it.
pub(super) fn emit(
    db: &Db,
    owner: TokenId,
    about: About,
    event: &Happening,
    now_ms: i64,
) -> Result<(), StoreError> {
    let rows = query(
        "SELECT id FROM webhook WHERE (owner = $1 OR everybody = 1) \
         AND CASE WHEN $2 THEN jobs ELSE streams END = 1",
    )
    .bind(&owner.0[..])
    .bind(matches!(about, About::Job(_)))
    .fetch_all(db)?;
    for row in &rows {
        let webhook = WebhookId(bytes(row, "id")?);
        put(db, webhook, about, event.clone(), now_ms)?;
    }
    Ok(())
}

pub(super) fn ping(db: &Db, webhook: WebhookId, now_ms: i64) -> Result<DeliveryView, StoreError> {
    let id = put(db, webhook, About::Nothing, Happening::Ping, now_ms)?;
    let (_, view) = find(db, webhook, id)?.ok_or_else(|| corrupt("a ping went missing"))?;
    Ok(view)
}

fn put(
    db: &Db,
    webhook: WebhookId,
    about: About,
    event: Happening,
    now_ms: i64,
) -> Result<DeliveryId, StoreError> {
    let seq = next(db, "delivery")?;
    let id = delivery_id(webhook, seq);
    let (stream, job) = match about {
        About::Nothing => (None, None),
        About::Stream(stream) => (Some(stream), None),
        About::Job(job) => (None, Some(job)),
    };
    let body = to_json(&WebhookEvent { id, stream, job, at_ms: now_ms, event });
    query(
        "INSERT INTO delivery (id, seq, webhook, body, state, next_ms, created_ms) \
         VALUES ($1, $2, $3, $4, 0, $5, $5)",
    )
    .bind(&id.0[..])
    .bind(seq)
    .bind(&webhook.0[..])
    .bind(body)
    .bind(now_ms)
    .execute(db)?;
    query(
        "DELETE FROM delivery WHERE webhook = $1 AND seq <= (SELECT seq FROM delivery \
         WHERE webhook = $1 ORDER BY seq DESC LIMIT 1 OFFSET $2)",
    )
    .bind(&webhook.0[..])
    .bind(KEPT)
    .execute(db)?;
    Ok(id)
}

/// Unique, and the store draws no chance of its own: the webhook's id is drawn, and the number is
/// given out once.
fn delivery_id(webhook: WebhookId, seq: i64) -> DeliveryId {
    let mut hasher = blake3::Hasher::new_derive_key("tessera webhook delivery v1");
    hasher.update(&webhook.0).update(&seq.to_le_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    DeliveryId(id)
}

pub(super) fn create(db: &Db, webhook: &Webhook, most: u64) -> Result<bool, StoreError> {
    let row = query("SELECT COUNT(*) AS webhooks FROM webhook WHERE owner = $1")
        .bind(&webhook.owner.0[..])
        .fetch_one(db)?;
    if count(&row, "webhooks")? >= most {
        return Ok(false);
    }
    query(
        "INSERT INTO webhook (id, owner, everybody, url, secret, created_ms, streams, jobs) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&webhook.id.0[..])
    .bind(&webhook.owner.0[..])
    .bind(i64::from(webhook.everybody))
    .bind(&webhook.url)
    .bind(&webhook.secret)
    .bind(webhook.created_ms)
    .bind(i64::from(webhook.hears.streams))
    .bind(i64::from(webhook.hears.jobs))
    .execute(db)?;
    Ok(true)
}

fn read(row: &Row) -> Result<Webhook, StoreError> {
    let flag = |column| Ok::<_, StoreError>(row.try_get::<i64>(column)? != 0);
    Ok(Webhook {
        id: WebhookId(bytes(row, "id")?),
        owner: TokenId(bytes(row, "owner")?),
        everybody: flag("everybody")?,
        hears: Hears { streams: flag("streams")?, jobs: flag("jobs")? },
        url: row.try_get("url")?,
        secret: row.try_get("secret")?,
        created_ms: row.try_get("created_ms")?,
    })
}

pub(super) fn webhook(db: &Db, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
    let row = query("SELECT * FROM webhook WHERE id = $1").bind(&id.0[..]).fetch_optional(db)?;
    row.as_ref().map(read).transpose()
}

pub(super) fn list(db: &Db, owner: Option<TokenId>) -> Result<Vec<Webhook>, StoreError> {
    let rows =
        query("SELECT * FROM webhook WHERE ($1 IS NULL OR owner = $1) ORDER BY created_ms, id")
            .bind(owner.map(|owner| owner.0.to_vec()))
            .fetch_all(db)?;
    rows.iter().map(read).collect()
}

pub(super) fn delete(db: &Db, id: WebhookId) -> Result<(), StoreError> {
    for sql in ["DELETE FROM delivery WHERE webhook = $1", "DELETE FROM webhook WHERE id = $1"] {
        query(sql).bind(&id.0[..]).execute(db)?;
    }
    Ok(())
}

fn read_delivery(row: &Row) -> Result<(i64, DeliveryView), StoreError> {
    let state = match row.try_get::<i64>("state")? {
        0 => DeliveryState::Pending,
        1 => DeliveryState::Delivered,
        2 => DeliveryState::Failed,
        other => return Err(corrupt(format!("delivery state {other}"))),
    };
    let view = DeliveryView {
        id: DeliveryId(bytes(row, "id")?),
        event: json(row.try_get("body")?)?,
        state,
        attempts: attempts(row)?,
        last_answer: row.try_get("last_answer")?,
        next_ms: row.try_get("next_ms")?,
    };
    Ok((row.try_get("seq")?, view))
}

fn attempts(row: &Row) -> Result<u32, StoreError> {
    let attempts = count(row, "attempts")?;
    u32::try_from(attempts).map_err(|_| corrupt(format!("{attempts} attempts")))
}

fn find(
    db: &Db,
    webhook: WebhookId,
    id: DeliveryId,
) -> Result<Option<(i64, DeliveryView)>, StoreError> {
    let row = query("SELECT * FROM delivery WHERE id = $1 AND webhook = $2")
        .bind(&id.0[..])
        .bind(&webhook.0[..])
        .fetch_optional(db)?;
    row.as_ref().map(read_delivery).transpose()
}

pub(super) fn deliveries(
    db: &Db,
    webhook: WebhookId,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<(i64, DeliveryView)>, StoreError> {
    let rows =
        query("SELECT * FROM delivery WHERE webhook = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3")
            .bind(&webhook.0[..])
            .bind(before.unwrap_or(i64::MAX))
            .bind(limit)
            .fetch_all(db)?;
    rows.iter().map(read_delivery).collect()
}

pub(super) fn resend(
    db: &Db,
    webhook: WebhookId,
    delivery: DeliveryId,
    now_ms: i64,
) -> Result<Option<DeliveryView>, StoreError> {
    query(
        "UPDATE delivery SET state = 0, attempts = 0, next_ms = $3 \
         WHERE id = $1 AND webhook = $2",
    )
    .bind(&delivery.0[..])
    .bind(&webhook.0[..])
    .bind(now_ms)
    .execute(db)?;
    Ok(find(db, webhook, delivery)?.map(|(_, view)| view))
}

pub(super) fn due(db: &Db, now_ms: i64, each: u32) -> Result<Vec<Due>, StoreError> {
    let rows = query(
        "SELECT due.id, due.webhook, due.body, due.attempts, webhook.owner, webhook.url, \
         webhook.secret FROM \
         (SELECT delivery.*, ROW_NUMBER() OVER (PARTITION BY webhook ORDER BY next_ms, seq) AS n \
         FROM delivery WHERE state = 0 AND next_ms <= $1) AS due \
         JOIN webhook ON webhook.id = due.webhook WHERE due.n <= $2 ORDER BY due.next_ms",
    )
    .bind(now_ms)
    .bind(each)
    .fetch_all(db)?;
    let due = |row: &Row| {
        Ok(Due {
            id: DeliveryId(bytes(row, "id")?),
            webhook: WebhookId(bytes(row, "webhook")?),
            owner: TokenId(bytes(row, "owner")?),
            url: row.try_get("url")?,
            secret: row.try_get("secret")?,
            body: row.try_get("body")?,
            attempts: attempts(row)?,
        })
    };
    rows.iter().map(due).collect()
}

pub(super) fn attempted(db: &Db, attempt: &Attempt) -> Result<(), StoreError> {
    let (state, next_ms) = match attempt.then {
        Then::AgainAt(next_ms) => (0i64, Some(next_ms)),
        Then::Delivered => (1, None),
        Then::Failed => (2, None),
    };
    // A resend that came meanwhile began a new count, which this attempt is not part of.
    query(
        "UPDATE delivery SET state = $2, attempts = $3, last_answer = $4, next_ms = $5 \
         WHERE id = $1 AND state = 0 AND attempts = $3 - 1",
    )
    .bind(&attempt.id.0[..])
    .bind(state)
    .bind(attempt.number)
    .bind(&attempt.answer)
    .bind(next_ms)
    .execute(db)?;
    Ok(())
}

pub(super) fn forget(db: &Db, before_ms: i64) -> Result<(), StoreError> {
    query("DELETE FROM delivery WHERE created_ms < $1").bind(before_ms).execute(db)?;
    Ok(())
}
