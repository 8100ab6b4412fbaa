//! Sessions: granted, spoken of, ended.

use super::jobs::next;
use super::rows::{bytes, corrupt, count, json, sql, to_json};
use super::streams;
use super::webhooks::{self, About};
use crate::auth::TokenId;
use crate::rules::fence::{Grant, first_of_next};
use crate::store::StoreError;
use crate::store::live::{
    Closed, OpenSession, SessionAnswer, SessionAsk, SessionClose, SessionPlan, SessionRecord,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use tessera_protocol::stream::SegmentNumber;
use tessera_protocol::stream::view::{HealthNote, Recording, SessionView, StreamSpec};
use tessera_protocol::webhook::Happening;
use tessera_protocol::{GatewayId, Generation, SessionId, StreamId};

/// Sessions with what is needed of their streams.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT session.*, stream.owner, stream.spec FROM session \
             JOIN stream ON stream.id = session.stream ",
            $rest
        )
    };
}

/// A session's row, with its stream's owner and spec.
pub(super) struct Session {
    pub(super) no: i64,
    pub(super) owner: TokenId,
    pub(super) spec: StreamSpec,
    pub(super) generation: u64,
    pub(super) next_segment: u64,
    pub(super) view: SessionView,
}

impl Session {
    fn read(row: &SqliteRow) -> Result<Self, StoreError> {
        let recording: Option<&str> = row.try_get("recording")?;
        Ok(Self {
            no: row.try_get("no")?,
            owner: TokenId(bytes(row, "owner")?),
            spec: json(row.try_get("spec")?)?,
            generation: count(row, "generation")?,
            next_segment: count(row, "next_segment")?,
            view: SessionView {
                id: SessionId(bytes(row, "id")?),
                stream: StreamId(bytes(row, "stream")?),
                started_ms: row.try_get("started_ms")?,
                ended_ms: row.try_get("ended_ms")?,
                ended_because: row.try_get("ended_because")?,
                gateway: GatewayId(bytes(row, "gateway")?),
                protocol: row.try_get("protocol")?,
                source: row.try_get("source")?,
                segments: count(row, "segments")?,
                segments_from_source: count(row, "from_source")?,
                pixels: count(row, "pixels")?,
                recording: recording.map(json).transpose()?,
            },
        })
    }

    pub(super) async fn find(
        db: &mut SqliteConnection,
        id: SessionId,
    ) -> Result<Option<Self>, StoreError> {
        let row = sqlx::query(select!("WHERE session.id = $1"))
            .bind(&id.0[..])
            .fetch_optional(db)
            .await?;
        row.as_ref().map(Self::read).transpose()
    }

    fn record(self) -> SessionRecord {
        SessionRecord {
            no: self.no,
            owner: self.owner,
            generation: Generation(self.generation),
            ladder: self.spec.ladder,
            view: self.view,
        }
    }
}

pub(super) async fn find(
    db: &mut SqliteConnection,
    id: SessionId,
) -> Result<Option<SessionRecord>, StoreError> {
    Ok(Session::find(db, id).await?.map(Session::record))
}

pub(super) async fn list(
    db: &mut SqliteConnection,
    stream: StreamId,
    recorded: bool,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<SessionRecord>, StoreError> {
    let rows = sqlx::query(select!(
        "WHERE session.stream = $1 AND session.no < $2 \
         AND ($3 = 0 OR session.recording IS NOT NULL) ORDER BY session.no DESC LIMIT $4"
    ))
    .bind(&stream.0[..])
    .bind(before.unwrap_or(i64::MAX))
    .bind(i64::from(recorded))
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| Ok(Session::read(row)?.record())).collect()
}

pub(super) async fn has_held(
    db: &mut SqliteConnection,
    id: SessionId,
    gateway: GatewayId,
) -> Result<bool, StoreError> {
    let row = sqlx::query(
        "SELECT 1 FROM session_grant WHERE session = (SELECT no FROM session WHERE id = $1) \
         AND gateway = $2 LIMIT 1",
    )
    .bind(&id.0[..])
    .bind(&gateway.0[..])
    .fetch_optional(db)
    .await?;
    Ok(row.is_some())
}

pub(super) async fn open(db: &mut SqliteConnection) -> Result<Vec<OpenSession>, StoreError> {
    let rows = sqlx::query(
        "SELECT session.*, session_grant.granted_ms FROM session \
         JOIN session_grant ON session_grant.session = session.no \
         AND session_grant.generation = session.generation \
         WHERE session.held = 1 ORDER BY session.no",
    )
    .fetch_all(db)
    .await?;
    let read = |row: &SqliteRow| {
        Ok(OpenSession {
            id: SessionId(bytes(row, "id")?),
            stream: StreamId(bytes(row, "stream")?),
            gateway: GatewayId(bytes(row, "gateway")?),
            generation: Generation(count(row, "generation")?),
            granted_ms: row.try_get("granted_ms")?,
            ended_because: row.try_get("ended_because")?,
            health: json(row.try_get("health")?)?,
            pixels_per_s: count(row, "pixels_per_s")?,
        })
    };
    rows.iter().map(read).collect()
}

pub(super) async fn grant(
    db: &mut SqliteConnection,
    ask: &SessionAsk,
) -> Result<SessionAnswer, StoreError> {
    match streams::by_key(db, ask.key).await? {
        Some(stream) if stream.id == ask.stream && stream.ended => {
            return Ok(SessionAnswer::StreamEnded);
        }
        Some(stream) if stream.id == ask.stream => {}
        _ => return Ok(SessionAnswer::KeyChanged),
    }
    let (no, id, generation, first) = match ask.session {
        SessionPlan::New(id) => (begin(db, id, ask).await?, id, 1, SegmentNumber(0)),
        SessionPlan::Continue(id) => {
            let found = Session::find(db, id).await?;
            let open = found.filter(|session| session.view.ended_ms.is_none());
            let Some(session) = open else { return Ok(SessionAnswer::SessionEnded) };
            let same = session.view.gateway == ask.gateway;
            let first = first_of_next(SegmentNumber(session.next_segment), same);
            pass_on(db, &session, first, same, ask).await?;
            (session.no, id, session.generation + 1, first)
        }
    };
    sqlx::query(
        "INSERT INTO session_grant (session, generation, gateway, first, granted_ms) \
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(no)
    .bind(sql(generation))
    .bind(&ask.gateway.0[..])
    .bind(sql(first.0))
    .bind(ask.now_ms)
    .execute(&mut *db)
    .await?;
    streams::gateway_seen(db, ask.gateway, ask.now_ms).await?;
    Ok(SessionAnswer::Granted { session: id, generation: Generation(generation), first })
}

/// A new session of a stream.
async fn begin(
    db: &mut SqliteConnection,
    id: SessionId,
    ask: &SessionAsk,
) -> Result<i64, StoreError> {
    let stream = streams::of(db, ask.stream).await?;
    streams::end_session_of(db, &stream, "its source began a new one", ask.now_ms).await?;
    let no = next(db, "session").await?;
    sqlx::query(
        "INSERT INTO session (id, no, stream, started_ms, gateway, generation, protocol, held, \
         health) VALUES ($1, $2, $3, $4, $5, 1, $6, 1, '[]')",
    )
    .bind(&id.0[..])
    .bind(no)
    .bind(&ask.stream.0[..])
    .bind(ask.now_ms)
    .bind(&ask.gateway.0[..])
    .bind(&ask.protocol)
    .execute(&mut *db)
    .await?;
    sqlx::query("UPDATE stream SET session = $2 WHERE id = $1")
        .bind(&ask.stream.0[..])
        .bind(&id.0[..])
        .execute(&mut *db)
        .await?;
    let event = Happening::SessionStarted { session: id };
    webhooks::emit(db, stream.owner, About::Stream(ask.stream), event, ask.now_ms).await?;
    Ok(no)
}

/// A session's next grant.
async fn pass_on(
    db: &mut SqliteConnection,
    session: &Session,
    first: SegmentNumber,
    same: bool,
    ask: &SessionAsk,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE session SET gateway = $2, generation = $3, protocol = $4, held = 1, \
         next_segment = $5 WHERE no = $1",
    )
    .bind(session.no)
    .bind(&ask.gateway.0[..])
    .bind(sql(session.generation + 1))
    .bind(&ask.protocol)
    .bind(sql(first.0))
    .execute(&mut *db)
    .await?;
    if same {
        return Ok(());
    }
    // They lead to a gateway that is gone.
    end_leases(db, session.no, "the session passed to another gateway", ask.now_ms).await
}

pub(super) async fn end_leases(
    db: &mut SqliteConnection,
    no: i64,
    because: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE stream_lease SET ended_ms = $2, ended_because = $3 \
         WHERE session = $1 AND ended_ms IS NULL",
    )
    .bind(no)
    .bind(now_ms)
    .bind(because)
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn grants(db: &mut SqliteConnection, no: i64) -> Result<Vec<Grant>, StoreError> {
    let rows = sqlx::query(
        "SELECT generation, gateway, first FROM session_grant WHERE session = $1 \
         ORDER BY generation",
    )
    .bind(no)
    .fetch_all(db)
    .await?;
    let grant = |row: &SqliteRow| {
        Ok(Grant {
            generation: Generation(count(row, "generation")?),
            gateway: GatewayId(bytes(row, "gateway")?),
            first: SegmentNumber(count(row, "first")?),
        })
    };
    rows.iter().map(grant).collect()
}

pub(super) async fn note(
    db: &mut SqliteConnection,
    id: SessionId,
    source: Option<String>,
    pixels_per_s: u64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE session SET source = $2, pixels_per_s = $3 WHERE id = $1")
        .bind(&id.0[..])
        .bind(source)
        .bind(sql(pixels_per_s))
        .execute(&mut *db)
        .await?;
    if pixels_per_s > 0 {
        // What the leases take was a guess until now.
        sqlx::query(
            "UPDATE stream_lease SET pixels_per_s = $2 WHERE ended_ms IS NULL \
             AND session = (SELECT no FROM session WHERE id = $1)",
        )
        .bind(&id.0[..])
        .bind(sql(pixels_per_s))
        .execute(db)
        .await?;
    }
    Ok(())
}

pub(super) async fn tell_health(
    db: &mut SqliteConnection,
    id: SessionId,
    health: Vec<HealthNote>,
    now_ms: i64,
) -> Result<(), StoreError> {
    let Some(session) = Session::find(db, id).await? else { return Ok(()) };
    if session.view.ended_ms.is_some() {
        return Ok(());
    }
    sqlx::query("UPDATE session SET health = $2 WHERE id = $1")
        .bind(&id.0[..])
        .bind(to_json(&health))
        .execute(&mut *db)
        .await?;
    let event = Happening::HealthChanged { session: id, health };
    webhooks::emit(db, session.owner, About::Stream(session.view.stream), event, now_ms).await
}

/// Ends a session that is open; its gateway may publish until its lease ends.
pub(super) async fn end(
    db: &mut SqliteConnection,
    id: SessionId,
    because: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    let session = Session::find(db, id).await?;
    let session = session.ok_or_else(|| corrupt(format!("session {id} is missing")))?;
    if session.view.ended_ms.is_some() {
        return Ok(());
    }
    sqlx::query("UPDATE session SET ended_ms = $2, ended_because = $3 WHERE id = $1")
        .bind(&id.0[..])
        .bind(now_ms)
        .bind(because)
        .execute(&mut *db)
        .await?;
    end_leases(db, session.no, "the session ended", now_ms).await?;
    let event = Happening::SessionEnded { session: id, because: because.to_owned() };
    webhooks::emit(db, session.owner, About::Stream(session.view.stream), event, now_ms).await
}

pub(super) async fn close(
    db: &mut SqliteConnection,
    close: &SessionClose,
) -> Result<Closed, StoreError> {
    let Some(session) = Session::find(db, close.session).await? else {
        return Ok(Closed::Unknown);
    };
    if let Some((gateway, generation)) = close.by {
        let held = |grant: &Grant| grant.gateway == gateway && grant.generation == generation;
        if !grants(db, session.no).await?.iter().any(held) {
            return Ok(Closed::Unknown);
        }
        if generation.0 != session.generation {
            return Ok(Closed::PassedOn);
        }
    }
    end(db, close.session, &close.because, close.now_ms).await?;
    release(db, close.session).await?;
    if let Some(recording) = close.recording.as_ref().filter(|_| session.view.recording.is_none()) {
        keep_recording(db, &session, recording, close.now_ms).await?;
    }
    Ok(Closed::Done)
}

async fn keep_recording(
    db: &mut SqliteConnection,
    session: &Session,
    recording: &Recording,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE session SET recording = $2 WHERE no = $1")
        .bind(session.no)
        .bind(to_json(recording))
        .execute(&mut *db)
        .await?;
    let event =
        Happening::RecordingReady { session: session.view.id, recording: recording.clone() };
    webhooks::emit(db, session.owner, About::Stream(session.view.stream), event, now_ms).await
}

pub(super) async fn release(db: &mut SqliteConnection, id: SessionId) -> Result<(), StoreError> {
    sqlx::query("UPDATE session SET held = 0 WHERE id = $1 AND ended_ms IS NOT NULL")
        .bind(&id.0[..])
        .execute(db)
        .await?;
    Ok(())
}
