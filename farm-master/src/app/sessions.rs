//! What gateways do: join, open sessions, go on with them, end them.

use super::join::MAX_NAME;
use super::live::{Beaten, Dead, Opening, Overdue, Times};
use super::streams::{no_session, random, stream_ended};
use super::{App, to_the_end};
use crate::auth::Token;
use crate::problem::{Code, Refusal};
use crate::store::StoreError;
use crate::store::live::{
    Closed, GatewayJoining, KeyHash, SessionAnswer, SessionAsk, SessionClose, SessionPlan,
    StreamLease, StreamLeaseEnd, StreamRecord,
};
use std::sync::Arc;
use std::time::Duration;
use tessera_protocol::stream::gateway::{
    GatewayDoors, GatewayJoinRequest, GatewayJoinView, SessionBeat, SessionBeatView, SessionEnd,
    SessionGrant, SessionRequest, WorkerLease, WorkerReport,
};
use tessera_protocol::stream::view::Recording;
use tessera_protocol::token::TokenScope;
use tessera_protocol::{GatewayId, NodeId, SessionId};
use tessera_verify::segment::record::audit_percent;

/// Most notes on a stream's health, and most workers of a session, in a beat.
const MAX_NOTES: usize = 32;
const MAX_WORKERS: usize = 32;
/// Longest texts of reports, in characters: a note's code, its sentence, a source in words.
const MAX_CODE: usize = 64;
const MAX_TEXT: usize = 1000;
/// Longest key that is looked at, in bytes; ours are shorter.
const MAX_KEY: usize = 200;

impl App {
    /// Opens or ends sessions while nobody else does, [to the end](to_the_end).
    pub(super) async fn alone<T, F>(
        self: &Arc<Self>,
        work: impl FnOnce(Arc<Self>) -> F,
    ) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Refusal>> + Send + 'static,
    {
        let alone = self.live.opening.clone().lock_owned().await;
        let work = work(self.clone());
        to_the_end(async move {
            let done = work.await;
            drop(alone);
            done
        })
        .await
    }

    /// Lets a gateway in that shows it has its key.
    pub(crate) async fn gateway_join(
        self: &Arc<Self>,
        request: GatewayJoinRequest,
    ) -> Result<GatewayJoinView, Refusal> {
        check_doors(&request)?;
        let key = NodeId(request.gateway.0);
        self.need_answer(key, &request.challenge, &request.signature)?;
        let (text, token) =
            Token::generate(TokenScope::Gateway, Some(key)).map_err(Refusal::internal)?;
        let joining = GatewayJoining {
            gateway: request.gateway,
            name: request.name,
            doors: request.doors,
            token,
            now_ms: self.clock.now_ms(),
        };
        let app = self.clone();
        to_the_end(async move {
            app.store.gateway_join(joining).await?;
            app.tokens.forget_node(key);
            Ok(())
        })
        .await?;
        Ok(GatewayJoinView { token: text })
    }

    /// Lets a gateway publish for a source that came with a key.
    pub(crate) async fn open_session(
        self: &Arc<Self>,
        gateway: GatewayId,
        request: SessionRequest,
    ) -> Result<SessionGrant, Refusal> {
        if !matches!(request.protocol.as_str(), "rtmp" | "srt" | "http") {
            return Err(Refusal::new(
                Code::RequestMalformed,
                "A session's protocol is rtmp, srt or http.",
            ));
        }
        if request.key.len() > MAX_KEY {
            return Err(unknown_key());
        }
        let key = KeyHash::of(&request.key);
        self.alone(async move |app| app.open_alone(gateway, key, request.protocol).await).await
    }

    async fn open_alone(
        &self,
        gateway: GatewayId,
        key: KeyHash,
        protocol: String,
    ) -> Result<SessionGrant, Refusal> {
        let stream = self.store.stream_by_key(key).await?.ok_or_else(unknown_key)?;
        if stream.ended {
            return Err(stream_ended(stream.id));
        }
        let session = self.plan_session(&stream, gateway).await?;
        let now_ms = self.clock.now_ms();
        let ask = SessionAsk { stream: stream.id, key, session, gateway, protocol, now_ms };
        let answer = self.store.grant_session(ask).await;
        if let (SessionPlan::Continue(id), Err(_)) = (session, &answer) {
            self.live.keep(id);
        }
        let (session, generation, next_segment) = match answer? {
            SessionAnswer::Granted { session, generation, first } => (session, generation, first),
            SessionAnswer::KeyChanged => return Err(unknown_key()),
            SessionAnswer::StreamEnded => return Err(stream_ended(stream.id)),
            SessionAnswer::SessionEnded => {
                return Err(Refusal::overloaded("The session ended at this moment"));
            }
        };
        self.live.granted(session, stream.id, gateway, generation, now_ms);
        self.hints.matching.notify_one();
        self.hints.deliveries.notify_one();
        tracing::info!(%session, stream = %stream.id, generation = generation.0, "a session is held");
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Ok(SessionGrant {
            session,
            stream: stream.id,
            playback_id: stream.playback,
            generation,
            ladder: stream.spec.ladder,
            latency: stream.spec.latency,
            record: stream.spec.record,
            restream: stream.spec.restream,
            next_segment,
            lease_ms: ms(self.config.session_lease),
            reconnect_ms: ms(self.config.reconnect),
        })
    }

    /// Which session a source may have at this gateway.
    async fn plan_session(
        &self,
        stream: &StreamRecord,
        gateway: GatewayId,
    ) -> Result<SessionPlan, Refusal> {
        let times = self.times();
        let plan = |now_ms| self.live.plan(stream.id, gateway, &times, now_ms);
        let mut opening = plan(self.clock.now_ms());
        if let Opening::CloseFirst(silent) = opening {
            self.close_silent(silent).await?;
            opening = plan(self.clock.now_ms());
        }
        match opening {
            Opening::Continue(id) => Ok(SessionPlan::Continue(id)),
            Opening::New | Opening::CloseFirst(_) => Ok(SessionPlan::New(SessionId(random()?))),
            Opening::Wait(wait) => Err(Refusal::new(
                Code::StreamIsLive,
                format!(
                    "Another gateway may publish stream {} for {} ms more; ask again then.",
                    stream.id,
                    wait.as_millis()
                ),
            )
            .retry_after(wait)),
        }
    }

    /// A gateway says that it goes on with a session.
    pub(crate) async fn beat(
        &self,
        gateway: GatewayId,
        session: SessionId,
        beat: SessionBeat,
    ) -> Result<SessionBeatView, Refusal> {
        check_beat(&beat)?;
        let beat = SessionBeat {
            // Not refused: a source's own times make it, and whoever sends chooses those.
            pixels_per_s: beat.pixels_per_s.min(SessionBeat::MAX_PIXELS_PER_S),
            ..beat
        };
        let now_ms = self.clock.now_ms();
        let dead = |because, passed_on| SessionBeatView {
            alive: false,
            because: Some(because),
            passed_on,
            workers: vec![],
        };
        match self.live.beat(session, gateway, &beat, &self.times(), now_ms) {
            Beaten::Alive { note, tell } => {
                if let Some((source, pixels_per_s)) = note {
                    self.store.note_session(session, source, pixels_per_s).await?;
                    self.hints.matching.notify_one();
                }
                if tell {
                    self.store.tell_health(session, beat.health.clone(), now_ms).await?;
                    self.live.told(session, &beat.health);
                    self.hints.deliveries.notify_one();
                }
                let workers = self.workers_of(session, &beat.workers).await?;
                Ok(SessionBeatView { alive: true, because: None, passed_on: false, workers })
            }
            Beaten::Dead(Dead { because, passed_on }) => Ok(dead(because, passed_on)),
            Beaten::Unknown => {
                let record = self.store.session(session).await?;
                let ended = record.and_then(|record| record.view.ended_because);
                let because = ended.unwrap_or_else(|| format!("there is no session {session}"));
                Ok(dead(because, false))
            }
        }
    }

    /// Takes in what a gateway says of its workers, and answers who they are from now on.
    async fn workers_of(
        &self,
        session: SessionId,
        reports: &[WorkerReport],
    ) -> Result<Vec<WorkerLease>, Refusal> {
        let mut leases = self.store.leases_of_session(session).await?;
        for report in reports {
            let Some(lease) = leases.iter().find(|lease| lease.id == report.lease) else {
                continue;
            };
            if report.failures > lease.failures {
                self.store.note_failures(lease.id, report.failures).await?;
            }
            if let Some(reason) = &report.replace {
                let because = format!("its gateway asked for another worker: {reason}");
                // One that is only gone may come back as it was.
                let end = StreamLeaseEnd { because, bar: !report.away };
                self.end_stream_lease(report.lease, None, end).await?;
                leases.retain(|lease| lease.id != report.lease);
            }
        }
        let view = |lease: StreamLease| WorkerLease {
            lease: lease.id,
            node: lease.node,
            audit_percent: audit_percent(&lease.record),
        };
        Ok(leases.into_iter().map(view).collect())
    }

    /// A gateway ends its session, or brings the recording of one that has ended.
    pub(crate) async fn end_session(
        self: &Arc<Self>,
        gateway: GatewayId,
        session: SessionId,
        end: SessionEnd,
    ) -> Result<(), Refusal> {
        check_end(&end)?;
        self.alone(async move |app| app.end_alone(gateway, session, end).await).await
    }

    async fn end_alone(
        &self,
        gateway: GatewayId,
        session: SessionId,
        end: SessionEnd,
    ) -> Result<(), Refusal> {
        let now_ms = self.clock.now_ms();
        if self.live.is_passing_on(session, gateway, &self.times(), now_ms) {
            return Err(passed_on(session, "at another gateway, to which its source came"));
        }
        let close = SessionClose {
            session,
            by: Some((gateway, end.generation)),
            because: end.because,
            recording: end.recording,
            now_ms,
        };
        match self.store.close_session(close).await? {
            Closed::Done => {
                self.live.forget(session);
                self.hints.deliveries.notify_one();
                self.hints.matching.notify_one();
                Ok(())
            }
            Closed::PassedOn => Err(passed_on(session, "under a later generation")),
            Closed::Unknown => Err(no_session(session)),
        }
    }

    pub(super) fn times(&self) -> Times {
        let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        Times {
            started_ms: self.clock.started_ms(),
            lease_ms: ms(self.config.session_lease),
            reconnect_ms: ms(self.config.reconnect),
            settle_ms: ms(self.config.health_settles),
        }
    }

    /// Ends the sessions whose gateways fell silent and that nobody took over in time.
    pub(super) async fn end_silent_sessions(&self) -> Result<(), StoreError> {
        let times = self.times();
        for overdue in self.live.overdue(&times, self.clock.now_ms()) {
            // Whoever opens it meanwhile is heard, and then it is not overdue any more.
            let _alone = self.live.opening.lock().await;
            let now_ms = self.clock.now_ms();
            match overdue {
                Overdue::Close(id) if self.live.is_closable(id, &times, now_ms) => {
                    self.close_silent(id).await?;
                }
                Overdue::Release(id) => {
                    self.store.release_session(id).await?;
                    self.live.forget(id);
                }
                Overdue::Close(_) => {}
            }
        }
        Ok(())
    }

    /// Ends a session that nobody holds.
    pub(super) async fn close_silent(&self, session: SessionId) -> Result<(), StoreError> {
        let window = self.config.reconnect.as_secs();
        let because = format!(
            "its gateway fell silent, and within {window} s the source did not come to another one"
        );
        tracing::info!(%session, because, "a session ended");
        let now_ms = self.clock.now_ms();
        let close = SessionClose { session, by: None, because, recording: None, now_ms };
        self.store.close_session(close).await?;
        self.live.forget(session);
        self.hints.deliveries.notify_one();
        self.hints.matching.notify_one();
        Ok(())
    }
}

fn unknown_key() -> Refusal {
    Refusal::new(
        Code::StreamKeyRefused,
        "No stream has this key: it is mistyped, or was rotated. The stream's owner can make a new \
         one.",
    )
}

fn passed_on(session: SessionId, how: &str) -> Refusal {
    Refusal::new(
        Code::GenerationDiffers,
        format!("Session {session} goes on {how}; it was not ended."),
    )
}

fn report_refused(detail: String) -> Refusal {
    Refusal::new(Code::ReportRefused, detail)
}

fn check_doors(request: &GatewayJoinRequest) -> Result<(), Refusal> {
    let doors = &request.doors;
    let starts = |door: &str, schemes: &[&str]| {
        let rest = schemes.iter().find_map(|scheme| door.strip_prefix(scheme));
        rest.is_some_and(|rest| !rest.is_empty()) && door.chars().count() <= GatewayDoors::MAX_TEXT
    };
    let fits = request.name.chars().count() <= MAX_NAME
        && doors.rtmp.as_ref().is_none_or(|door| starts(door, &["rtmp://", "rtmps://"]))
        && doors.srt.as_ref().is_none_or(|door| starts(door, &["srt://"]))
        && starts(&doors.http, &["http://", "https://"])
        && starts(&doors.link, &[""])
        && doors.link_pin.as_ref().is_none_or(|pin| {
            pin.len() == 64 && pin.bytes().all(|digit| digit.is_ascii_hexdigit())
        });
    if fits {
        return Ok(());
    }
    Err(Refusal::new(
        Code::RequestMalformed,
        format!(
            "A gateway's name has at most {MAX_NAME} characters and a door {}; doors are rtmp:// or \
             rtmps://, srt://, http:// or https://, and HOST:PORT for workers with 64 hexadecimal \
             digits for their certificate.",
            GatewayDoors::MAX_TEXT
        ),
    ))
}

fn check_beat(beat: &SessionBeat) -> Result<(), Refusal> {
    let short = |text: &str, most: usize| text.chars().count() <= most;
    let fits = beat.health.len() <= MAX_NOTES
        && beat.workers.len() <= MAX_WORKERS
        && beat
            .health
            .iter()
            .all(|note| short(&note.code, MAX_CODE) && short(&note.text, MAX_TEXT))
        && beat.source.as_ref().is_none_or(|source| short(source, MAX_TEXT))
        && beat.workers.iter().all(|worker| {
            worker.failures <= WorkerReport::MAX_FAILURES
                && worker.replace.as_ref().is_none_or(|reason| short(reason, MAX_TEXT))
        });
    if fits {
        return Ok(());
    }
    Err(report_refused(format!(
        "A beat has at most {MAX_NOTES} notes and {MAX_WORKERS} workers, each with at most {} \
         failures, and texts of at most {MAX_TEXT} characters, codes of {MAX_CODE}.",
        WorkerReport::MAX_FAILURES
    )))
}

fn check_end(end: &SessionEnd) -> Result<(), Refusal> {
    let is_url = |url: &str| {
        url.len() <= 2000 && (url.starts_with("http://") || url.starts_with("https://"))
    };
    let plays =
        |recording: &Recording| is_url(&recording.playlist_url) && is_url(&recording.mp4_url);
    if end.because.chars().count() <= MAX_TEXT && end.recording.as_ref().is_none_or(plays) {
        return Ok(());
    }
    Err(report_refused(format!(
        "The end of a session has a sentence of at most {MAX_TEXT} characters, and a recording has \
         two http:// or https:// URLs of at most 2000."
    )))
}
