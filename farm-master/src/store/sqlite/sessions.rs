//! Sessions: granted, spoken of, ended.

use super::db::{Db, Row, query};
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
    fn read(row: &Row) -> Result<Self, StoreError> {
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

    pub(super) fn find(db: &Db, id: SessionId) -> Result<Option<Self>, StoreError> {
        let row = query(select!("WHERE session.id = $1")).bind(&id.0[..]).fetch_optional(db)?;
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

pub(super) fn find(db: &Db, id: SessionId) -> Result<Option<SessionRecord>, StoreError> {
    Ok(Session::find(db, id)?.map(Session::record))
}

pub(super) fn list(
    db: &Db,
    stream: StreamId,
    recorded: bool,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<SessionRecord>, StoreError> {
    let rows = query(select!(
        "WHERE session.stream = $1 AND session.no < $2 \
         AND ($3 = 0 OR session.recording IS NOT NULL) ORDER BY session.no DESC LIMIT $4"
    ))
    .bind(&stream.0[..])
    .bind(before.unwrap_or(i64::MAX))
    .bind(i64::from(recorded))
    .bind(limit)
    .fetch_all(db)?;
    rows.iter().map(|row| Ok(Session::read(row)?.record())).collect()
}

pub(super) fn has_held(db: &Db, id: SessionId, gateway: GatewayId) -> Result<bool, StoreError> {
    let row = query(
        "SELECT 1 FROM session_grant WHERE session = (SELECT no FROM session WHERE id = $1) \
         AND gateway = $2 LIMIT 1",
    )
    .bind(&id.0[..])
    .bind(&gateway.0[..])
    .fetch_optional(db)?;
    Ok(row.is_some())
}

pub(super) fn open(db: &Db) -> Result<Vec<OpenSession>, StoreError> {
    let rows = query(
        "SELECT session.*, session_grant.granted_ms FROM session \
         JOIN session_grant ON session_grant.session = session.no \
         AND session_grant.generation = session.generation \
         WHERE session.held = 1 ORDER BY session.no",
    )
    .fetch_all(db)?;
    let read = |row: &Row| {
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

pub(super) fn grant(db: &Db, ask: &SessionAsk) -> Result<SessionAnswer, StoreError> {
    match streams::by_key(db, ask.key)? {
        Some(stream) if stream.id == ask.stream && stream.ended => {
            return Ok(SessionAnswer::StreamEnded);
        }
        Some(stream) if stream.id == ask.stream => {}
        _ => return Ok(SessionAnswer::KeyChanged),
    }
    let (no, id, generation, first) = match ask.session {
        SessionPlan::New(id) => (begin(db, id, ask)?, id, 1, SegmentNumber(0)),
        SessionPlan::Continue(id) => {
            let found = Session::find(db, id)?;
            let open = found.filter(|session| session.view.ended_ms.is_none());
            let Some(session) = open else { return Ok(SessionAnswer::SessionEnded) };
            let same = session.view.gateway == ask.gateway;
            let first = first_of_next(SegmentNumber(session.next_segment), same);
            pass_on(db, &session, first, same, ask)?;
            (session.no, id, session.generation + 1, first)
        }
    };
    query(
        "INSERT INTO session_grant (session, generation, gateway, first, granted_ms) \
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(no)
    .bind(sql(generation))
    .bind(&ask.gateway.0[..])
    .bind(sql(first.0))
    .bind(ask.now_ms)
    .execute(db)?;
    streams::gateway_seen(db, ask.gateway, ask.now_ms)?;
    Ok(SessionAnswer::Granted { session: id, generation: Generation(generation), first })
}

/// A new session of a stream.
fn begin(db: &Db, id: SessionId, ask: &SessionAsk) -> Result<i64, StoreError> {
    let stream = streams::of(db, ask.stream)?;
    streams::end_session_of(db, &stream, "its source began a new one", ask.now_ms)?;
    let no = next(db, "session")?;
    query(
        "INSERT INTO session (id, no, stream, started_ms, gateway, generation, protocol, held, \
         health) VALUES ($1, $2, $3, $4, $5, 1, $6, 1, '[]')",
    )
    .bind(&id.0[..])
    .bind(no)
    .bind(&ask.stream.0[..])
    .bind(ask.now_ms)
    .bind(&ask.gateway.0[..])
    .bind(&ask.protocol)
    .execute(db)?;
    query("UPDATE stream SET session = $2 WHERE id = $1")
        .bind(&ask.stream.0[..])
        .bind(&id.0[..])
        .execute(db)?;
    let event = Happening::SessionStarted { session: id };
    webhooks::emit(db, stream.owner, About::Stream(ask.stream), &event, ask.now_ms)?;
    Ok(no)
}

/// A session's next grant.
fn pass_on(
    db: &Db,
    session: &Session,
    first: SegmentNumber,
    same: bool,
    ask: &SessionAsk,
) -> Result<(), StoreError> {
    query(
        "UPDATE session SET gateway = $2, generation = $3, protocol = $4, held = 1, \
         next_segment = $5 WHERE no = $1",
    )
    .bind(session.no)
    .bind(&ask.gateway.0[..])
    .bind(sql(session.generation + 1))
    .bind(&ask.protocol)
    .bind(sql(first.0))
    .execute(db)?;
    if same {
        return Ok(());
    }
    // They lead to a gateway that is gone.
    end_leases(db, session.no, "the session passed to another gateway", ask.now_ms)
}

pub(super) fn end_leases(db: &Db, no: i64, because: &str, now_ms: i64) -> Result<(), StoreError> {
    query(
        "UPDATE stream_lease SET ended_ms = $2, ended_because = $3 \
         WHERE session = $1 AND ended_ms IS NULL",
    )
    .bind(no)
    .bind(now_ms)
    .bind(because)
    .execute(db)?;
    Ok(())
}

pub(super) fn grants(db: &Db, no: i64) -> Result<Vec<Grant>, StoreError> {
    let rows = query(
        "SELECT generation, gateway, first FROM session_grant WHERE session = $1 \
         ORDER BY generation",
    )
    .bind(no)
    .fetch_all(db)?;
    let grant = |row: &Row| {
        Ok(Grant {
            generation: Generation(count(row, "generation")?),
            gateway: GatewayId(bytes(row, "gateway")?),
            first: SegmentNumber(count(row, "first")?),
        })
    };
    rows.iter().map(grant).collect()
}

pub(super) fn note(
    db: &Db,
    id: SessionId,
    source: Option<String>,
    pixels_per_s: u64,
) -> Result<(), StoreError> {
    query("UPDATE session SET source = $2, pixels_per_s = $3 WHERE id = $1")
        .bind(&id.0[..])
        .bind(source)
        .bind(sql(pixels_per_s))
        .execute(db)?;
    if pixels_per_s > 0 {
        // What the leases take was a guess until now.
        query(
            "UPDATE stream_lease SET pixels_per_s = $2 WHERE ended_ms IS NULL \
             AND session = (SELECT no FROM session WHERE id = $1)",
        )
        .bind(&id.0[..])
        .bind(sql(pixels_per_s))
        .execute(db)?;
    }
    Ok(())
}

pub(super) fn tell_health(
    db: &Db,
    id: SessionId,
    health: Vec<HealthNote>,
    now_ms: i64,
) -> Result<(), StoreError> {
    let Some(session) = Session::find(db, id)? else { return Ok(()) };
    if session.view.ended_ms.is_some() {
        return Ok(());
    }
    query("UPDATE session SET health = $2 WHERE id = $1")
        .bind(&id.0[..])
        .bind(to_json(&health))
        .execute(db)?;
    let event = Happening::HealthChanged { session: id, health };
    webhooks::emit(db, session.owner, About::Stream(session.view.stream), &event, now_ms)
}

/// Ends a session that is open; its gateway may publish until its lease ends.
pub(super) fn end(db: &Db, id: SessionId, because: &str, now_ms: i64) -> Result<(), StoreError> {
    let session = Session::find(db, id)?;
    let session = session.ok_or_else(|| corrupt(format!("session {id} is missing")))?;
    if session.view.ended_ms.is_some() {
        return Ok(());
    }
    query("UPDATE session SET ended_ms = $2, ended_because = $3 WHERE id = $1")
        .bind(&id.0[..])
        .bind(now_ms)
        .bind(because)
        .execute(db)?;
    end_leases(db, session.no, "the session ended", now_ms)?;
    let event = Happening::SessionEnded { session: id, because: because.to_owned() };
    webhooks::emit(db, session.owner, About::Stream(session.view.stream), &event, now_ms)
}

pub(super) fn close(db: &Db, close: &SessionClose) -> Result<Closed, StoreError> {
    let Some(session) = Session::find(db, close.session)? else {
        return Ok(Closed::Unknown);
    };
    if let Some((gateway, generation)) = close.by {
        let held = |grant: &Grant| grant.gateway == gateway && grant.generation == generation;
        if !grants(db, session.no)?.iter().any(held) {
            return Ok(Closed::Unknown);
        }
        if generation.0 != session.generation {
            return Ok(Closed::PassedOn);
        }
    }
    end(db, close.session, &close.because, close.now_ms)?;
    release(db, close.session)?;
    if let Some(recording) = close.recording.as_ref().filter(|_| session.view.recording.is_none()) {
        keep_recording(db, &session, recording, close.now_ms)?;
    }
    Ok(Closed::Done)
}

fn keep_recording(
    db: &Db,
    session: &Session,
    recording: &Recording,
    now_ms: i64,
) -> Result<(), StoreError> {
    query("UPDATE session SET recording = $2 WHERE no = $1")
        .bind(session.no)
        .bind(to_json(recording))
        .execute(db)?;
    let event =
        Happening::RecordingReady { session: session.view.id, recording: recording.clone() };
    webhooks::emit(db, session.owner, About::Stream(session.view.stream), &event, now_ms)
}

pub(super) fn release(db: &Db, id: SessionId) -> Result<(), StoreError> {
    query("UPDATE session SET held = 0 WHERE id = $1 AND ended_ms IS NOT NULL")
        .bind(&id.0[..])
        .execute(db)?;
    Ok(())
}
