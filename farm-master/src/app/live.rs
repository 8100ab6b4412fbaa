//! Sessions while they are held: who was heard when. In memory only, and filled from the store at
//! the start; then everybody counts as heard at the start.

use crate::store::live::OpenSession;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tessera_farm_core::lease::has_expired;
use tessera_protocol::stream::gateway::SessionBeat;
use tessera_protocol::stream::view::{HealthLevel, HealthNote};
use tessera_protocol::{GatewayId, Generation, SessionId, StreamId};

/// Sessions by id, and one door through which they begin.
#[derive(Default)]
pub(crate) struct Live {
    sessions: Mutex<HashMap<SessionId, Held>>,
    gateways: Mutex<HashMap<GatewayId, i64>>,
    /// Held by whoever opens a session, or ends one under its gateway: one at a time.
    pub(super) opening: Arc<tokio::sync::Mutex<()>>,
}

/// How long things last, in milliseconds of the master's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) started_ms: i64,
    pub(super) lease_ms: i64,
    pub(super) reconnect_ms: i64,
    pub(super) settle_ms: i64,
}

/// A session that a gateway holds, or may still publish.
struct Held {
    stream: StreamId,
    gateway: GatewayId,
    generation: Generation,
    heard_ms: i64,
    /// Why it has ended, for a gateway that has not heard.
    ended: Option<String>,
    /// It is being given to another gateway.
    passing: bool,
    /// The source is connected to this gateway.
    connected: bool,
    /// When the source came to another gateway, while this one had it no more.
    wanted_ms: Option<i64>,
    source: Option<String>,
    pixels_per_s: u64,
    health: Vec<HealthNote>,
    /// The health's codes, since when they are so, and those that webhooks were told.
    codes: Codes,
    codes_since_ms: i64,
    codes_told: Codes,
}

/// What a stream's health consists of, without the sentences, in which numbers come and go.
type Codes = Vec<(String, HealthLevel)>;

fn codes(health: &[HealthNote]) -> Codes {
    let mut codes: Codes = health.iter().map(|note| (note.code.clone(), note.level)).collect();
    codes.sort();
    codes.dedup();
    codes
}

/// What may be opened for a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// A new session.
    New,
    /// The one that is open.
    Continue(SessionId),
    /// None, before this one has been closed for good.
    CloseFirst(SessionId),
    /// None for this long: another gateway may still publish.
    Wait(Duration),
}

/// What is known of a session's source: in words, and how many pixels a second its renditions need.
pub(super) type Noted = (Option<String>, u64);

/// What a beat comes to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Beaten {
    /// It goes on. What has to be written down of it, if anything, and whether webhooks are told of
    /// its health.
    Alive { note: Option<Noted>, tell: bool },
    /// It does not.
    Dead(Dead),
    /// No such session is held.
    Unknown,
}

/// Why a gateway may not go on with a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dead {
    /// In a sentence.
    pub(super) because: String,
    /// Whether the session goes on without it.
    pub(super) passed_on: bool,
}

/// What silence has done to a session.
pub(super) enum Overdue {
    /// Nobody came back in time.
    Close(SessionId),
    /// It ended, and its gateway cannot publish any more.
    Release(SessionId),
}

impl Held {
    /// Takes in what a beat says of the source; answers what is known now, where that is news.
    fn learn(&mut self, beat: &SessionBeat) -> Option<Noted> {
        let (known, told) = (self.pixels_per_s, beat.pixels_per_s);
        // A measure that wavers is no news.
        let faster = told > 0 && known.abs_diff(told) > known / 10;
        let renamed = beat.source.is_some() && beat.source != self.source;
        if faster {
            self.pixels_per_s = told;
        }
        if renamed {
            self.source.clone_from(&beat.source);
        }
        (faster || renamed).then(|| (self.source.clone(), self.pixels_per_s))
    }

    fn lease_is_over(&self, times: &Times, now_ms: i64) -> bool {
        has_expired(self.heard_ms, times.started_ms, times.lease_ms, now_ms)
    }

    fn window_is_over(&self, times: &Times, now_ms: i64) -> bool {
        let ms = times.lease_ms.saturating_add(times.reconnect_ms);
        has_expired(self.heard_ms, times.started_ms, ms, now_ms)
    }

    /// Whether another gateway has the source and waits for this one's lease to end.
    fn is_wanted(&self, times: &Times, now_ms: i64) -> bool {
        self.wanted_ms.is_some_and(|at_ms| now_ms < at_ms + times.lease_ms)
    }

    fn why_dead(
        &self,
        gateway: GatewayId,
        beat: &SessionBeat,
        times: &Times,
        now_ms: i64,
    ) -> Option<Dead> {
        if let Some(because) = &self.ended {
            return Some(Dead { because: because.clone(), passed_on: false });
        }
        let passed_on = |because: &str| Some(Dead { because: because.into(), passed_on: true });
        if self.gateway != gateway || self.passing {
            return passed_on("another gateway has the session now");
        }
        if self.generation != beat.generation {
            return passed_on("the session goes on under another generation");
        }
        if self.is_wanted(times, now_ms) && !beat.connected {
            return passed_on("its source came back to another gateway");
        }
        None
    }
}

impl Live {
    /// Takes up what was open when the master stopped.
    pub(crate) fn take_up(&self, open: Vec<OpenSession>) {
        let mut sessions = self.lock();
        for session in open {
            let told = codes(&session.health);
            let held = Held {
                stream: session.stream,
                gateway: session.gateway,
                generation: session.generation,
                heard_ms: session.granted_ms,
                ended: session.ended_because,
                passing: false,
                connected: true,
                wanted_ms: None,
                source: None,
                pixels_per_s: session.pixels_per_s,
                codes: told.clone(),
                codes_since_ms: session.granted_ms,
                codes_told: told,
                health: session.health,
            };
            sessions.insert(session.id, held);
        }
    }

    /// What a source that came to `gateway` may have. Whoever asks holds [`Self::opening`].
    pub(super) fn plan(
        &self,
        stream: StreamId,
        gateway: GatewayId,
        times: &Times,
        now_ms: i64,
    ) -> Opening {
        let mut sessions = self.lock();
        let mut found = Opening::New;
        for (id, held) in sessions.iter_mut().filter(|(_, held)| held.stream == stream) {
            if held.gateway != gateway && !held.lease_is_over(times, now_ms) {
                if !held.connected {
                    held.wanted_ms = Some(now_ms);
                }
                let until_ms = held.heard_ms.max(times.started_ms) + times.lease_ms;
                let wait_ms = u64::try_from(until_ms - now_ms).unwrap_or(0);
                return Opening::Wait(Duration::from_millis(wait_ms));
            }
            if held.ended.is_none() {
                found = if held.window_is_over(times, now_ms) {
                    Opening::CloseFirst(*id)
                } else {
                    Opening::Continue(*id)
                };
            }
        }
        if let Opening::Continue(id) = found
            && let Some(held) = sessions.get_mut(&id)
        {
            held.passing = held.gateway != gateway;
        }
        found
    }

    /// A session was not given to another gateway after all.
    pub(super) fn keep(&self, id: SessionId) {
        if let Some(held) = self.lock().get_mut(&id) {
            held.passing = false;
        }
    }

    /// A gateway has a session from now on.
    pub(super) fn granted(
        &self,
        id: SessionId,
        stream: StreamId,
        gateway: GatewayId,
        generation: Generation,
        now_ms: i64,
    ) {
        self.note_gateway(gateway, now_ms);
        let mut sessions = self.lock();
        let before = sessions.remove(&id);
        let (health, source, pixels_per_s, told) = before.map_or_else(Default::default, |held| {
            (held.health, held.source, held.pixels_per_s, held.codes_told)
        });
        let held = Held {
            stream,
            gateway,
            generation,
            heard_ms: now_ms,
            ended: None,
            passing: false,
            connected: true,
            wanted_ms: None,
            source,
            pixels_per_s,
            codes: codes(&health),
            codes_since_ms: now_ms,
            codes_told: told,
            health,
        };
        sessions.insert(id, held);
    }

    /// A stream's sessions were ended, and their gateways have not heard.
    pub(super) fn ended(&self, stream: StreamId, because: &str) {
        let mut sessions = self.lock();
        let of_stream = sessions.values_mut().filter(|held| held.stream == stream);
        for held in of_stream.filter(|held| held.ended.is_none()) {
            held.ended = Some(because.to_owned());
        }
    }

    /// Whether a gateway's session is on its way to another one.
    pub(super) fn is_passing_on(
        &self,
        id: SessionId,
        gateway: GatewayId,
        times: &Times,
        now_ms: i64,
    ) -> bool {
        self.lock().get(&id).is_some_and(|held| {
            held.gateway == gateway && held.ended.is_none() && held.is_wanted(times, now_ms)
        })
    }

    /// A session is over for its gateway, too.
    pub(super) fn forget(&self, id: SessionId) {
        self.lock().remove(&id);
    }

    /// A gateway says that it goes on.
    pub(super) fn beat(
        &self,
        id: SessionId,
        gateway: GatewayId,
        beat: &SessionBeat,
        times: &Times,
        now_ms: i64,
    ) -> Beaten {
        self.note_gateway(gateway, now_ms);
        let mut sessions = self.lock();
        let Some(held) = sessions.get_mut(&id) else { return Beaten::Unknown };
        if let Some(dead) = held.why_dead(gateway, beat, times, now_ms) {
            return Beaten::Dead(dead);
        }
        held.heard_ms = now_ms;
        held.connected = beat.connected;
        held.wanted_ms = None;
        let note = held.learn(beat);
        held.health.clone_from(&beat.health);
        let codes = codes(&beat.health);
        if codes != held.codes {
            held.codes = codes;
            held.codes_since_ms = now_ms;
        }
        let settled = now_ms - held.codes_since_ms >= times.settle_ms;
        Beaten::Alive { note, tell: settled && held.codes != held.codes_told }
    }

    /// Webhooks will hear of this health: that is written down. Until then every beat asks for it.
    pub(super) fn told(&self, id: SessionId, health: &[HealthNote]) {
        if let Some(held) = self.lock().get_mut(&id) {
            held.codes_told = codes(health);
        }
    }

    /// How a session does, as its gateway said last.
    pub(super) fn health(&self, id: SessionId) -> Option<Vec<HealthNote>> {
        self.lock().get(&id).map(|held| held.health.clone())
    }

    /// Whether somebody publishes a session: workers are of no use otherwise.
    pub(super) fn is_published(&self, id: SessionId, times: &Times, now_ms: i64) -> bool {
        self.lock()
            .get(&id)
            .is_some_and(|held| held.ended.is_none() && !held.lease_is_over(times, now_ms))
    }

    /// When a gateway was heard last, by memory.
    pub(super) fn gateway_heard(&self, gateway: GatewayId) -> i64 {
        let gateways = self.gateways.lock().unwrap_or_else(PoisonError::into_inner);
        gateways.get(&gateway).copied().unwrap_or(i64::MIN)
    }

    fn note_gateway(&self, gateway: GatewayId, now_ms: i64) {
        self.gateways.lock().unwrap_or_else(PoisonError::into_inner).insert(gateway, now_ms);
    }

    /// Sessions that silence has ended.
    pub(super) fn overdue(&self, times: &Times, now_ms: i64) -> Vec<Overdue> {
        let sessions = self.lock();
        let overdue = |(id, held): (&SessionId, &Held)| match held.ended {
            Some(_) => held.lease_is_over(times, now_ms).then_some(Overdue::Release(*id)),
            None => held.window_is_over(times, now_ms).then_some(Overdue::Close(*id)),
        };
        sessions.iter().filter_map(overdue).collect()
    }

    /// Whether nobody holds the session, and nobody has taken it up in time.
    pub(super) fn is_closable(&self, id: SessionId, times: &Times, now_ms: i64) -> bool {
        self.lock()
            .get(&id)
            .is_some_and(|held| held.ended.is_none() && held.window_is_over(times, now_ms))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Held>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: GatewayId = GatewayId([1; 32]);
    const B: GatewayId = GatewayId([2; 32]);
    const STREAM: StreamId = StreamId([3; 16]);
    const SESSION: SessionId = SessionId([4; 16]);
    const TIMES: Times =
        Times { started_ms: 0, lease_ms: 6_000, reconnect_ms: 30_000, settle_ms: 5_000 };

    fn beat(generation: u64, connected: bool, codes: &[&str]) -> SessionBeat {
        let note = |code: &&str| HealthNote {
            code: (*code).into(),
            level: HealthLevel::Warning,
            text: "something".into(),
        };
        SessionBeat {
            generation: Generation(generation),
            connected,
            source: None,
            pixels_per_s: 0,
            health: codes.iter().map(note).collect(),
            workers: vec![],
        }
    }

    fn held_by_a() -> Live {
        let live = Live::default();
        live.granted(SESSION, STREAM, A, Generation(1), 10_000);
        live
    }

    #[test]
    fn another_gateway_waits_for_the_end_of_the_lease() {
        let live = held_by_a();
        let wait = |ms| Opening::Wait(Duration::from_millis(ms));
        assert_eq!(live.plan(STREAM, B, &TIMES, 10_000), wait(6_000));
        assert_eq!(live.plan(STREAM, A, &TIMES, 10_000), Opening::Continue(SESSION));
        let alive = Beaten::Alive { note: None, tell: false };
        assert_eq!(live.beat(SESSION, A, &beat(1, true, &[]), &TIMES, 15_000), alive);
        assert_eq!(live.plan(STREAM, B, &TIMES, 20_999), wait(1));
        assert_eq!(live.plan(STREAM, B, &TIMES, 21_000), Opening::Continue(SESSION));
        let dead = live.beat(SESSION, A, &beat(1, true, &[]), &TIMES, 21_000);
        assert!(matches!(dead, Beaten::Dead(_)), "it is on its way to B: {dead:?}");
        live.keep(SESSION);
        assert_eq!(live.beat(SESSION, A, &beat(1, true, &[]), &TIMES, 21_000), alive);
    }

    #[test]
    fn nothing_ends_within_a_lease_of_the_masters_start() {
        let live = held_by_a();
        let times = Times { started_ms: 100_000, ..TIMES };
        assert!(matches!(live.plan(STREAM, B, &times, 105_999), Opening::Wait(_)));
        assert_eq!(live.plan(STREAM, B, &times, 106_000), Opening::Continue(SESSION));
        let late = live.plan(STREAM, B, &times, 136_000);
        assert_eq!(late, Opening::CloseFirst(SESSION), "the window is over");
    }

    #[test]
    fn an_ended_session_keeps_others_out_until_its_gateway_is_done() {
        let live = held_by_a();
        live.ended(STREAM, "its owner ended it");
        assert!(matches!(live.plan(STREAM, B, &TIMES, 15_999), Opening::Wait(_)));
        let dead = live.beat(SESSION, A, &beat(1, true, &[]), &TIMES, 15_000);
        let because = "its owner ended it".to_owned();
        assert_eq!(dead, Beaten::Dead(Dead { because, passed_on: false }));
        assert_eq!(live.plan(STREAM, B, &TIMES, 16_000), Opening::New, "no beat renewed it");
        assert_eq!(live.plan(STREAM, A, &TIMES, 11_000), Opening::New, "the gateway itself knows");
        assert_eq!(live.overdue(&TIMES, 15_999).len(), 0);
        assert!(matches!(live.overdue(&TIMES, 16_000)[..], [Overdue::Release(SESSION)]));
    }

    #[test]
    fn a_gateway_without_the_source_makes_way_for_one_that_has_it() {
        let live = held_by_a();
        let away = beat(1, false, &[]);
        assert!(matches!(live.beat(SESSION, A, &away, &TIMES, 11_000), Beaten::Alive { .. }));
        assert!(matches!(live.plan(STREAM, B, &TIMES, 12_000), Opening::Wait(_)));
        let dead = live.beat(SESSION, A, &away, &TIMES, 12_500);
        assert!(matches!(dead, Beaten::Dead(Dead { passed_on: true, .. })), "{dead:?}");
        assert!(live.is_passing_on(SESSION, A, &TIMES, 17_999), "within a lease of the asking");
        assert!(!live.is_passing_on(SESSION, A, &TIMES, 18_000), "the other one asks no more");
        assert_eq!(live.plan(STREAM, B, &TIMES, 17_000), Opening::Continue(SESSION));
    }

    #[test]
    fn a_source_that_is_here_is_not_given_away() {
        let live = held_by_a();
        assert!(matches!(live.plan(STREAM, B, &TIMES, 12_000), Opening::Wait(_)));
        let here = live.beat(SESSION, A, &beat(1, true, &[]), &TIMES, 12_500);
        assert!(matches!(here, Beaten::Alive { .. }));
        assert!(!live.is_passing_on(SESSION, A, &TIMES, 12_500));
    }

    #[test]
    fn only_the_last_generation_of_the_holder_beats() {
        let live = held_by_a();
        live.granted(SESSION, STREAM, A, Generation(2), 11_000);
        for (gateway, generation) in [(A, 1), (B, 2), (A, 3)] {
            let answer = live.beat(SESSION, gateway, &beat(generation, true, &[]), &TIMES, 12_000);
            let Beaten::Dead(dead) = answer else { panic!("{answer:?}") };
            assert!(dead.passed_on, "{dead:?}");
        }
        assert!(matches!(live.plan(STREAM, B, &TIMES, 17_000), Opening::Continue(_)));
        let other = SessionId([9; 16]);
        assert_eq!(live.beat(other, A, &beat(2, true, &[]), &TIMES, 12_000), Beaten::Unknown);
    }

    #[test]
    fn what_is_known_of_the_source_stays_known() {
        let live = held_by_a();
        let noted = |source: Option<&str>, pixels_per_s| {
            let source = source.map(str::to_owned);
            let beat = SessionBeat { source, pixels_per_s, ..beat(1, true, &[]) };
            match live.beat(SESSION, A, &beat, &TIMES, 11_000) {
                Beaten::Alive { note, .. } => note,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(noted(None, 0), None);
        assert_eq!(noted(Some("720p"), 0), Some((Some("720p".into()), 0)));
        assert_eq!(noted(None, 100), Some((Some("720p".into()), 100)));
        assert_eq!(noted(Some("720p"), 109), None, "it wavers");
        assert_eq!(noted(None, 0), None);
        assert_eq!(noted(Some("1080p"), 0), Some((Some("1080p".into()), 100)));
    }

    #[test]
    fn health_is_told_once_and_when_it_has_settled() {
        let live = held_by_a();
        let tells = |now_ms, codes: &[&str]| {
            let beat = beat(1, true, codes);
            match live.beat(SESSION, A, &beat, &TIMES, now_ms) {
                Beaten::Alive { tell, .. } => tell,
                other => panic!("{other:?}"),
            }
        };
        let told = |codes| live.told(SESSION, &beat(1, true, codes).health);
        assert!(!tells(20_000, &[]), "nothing to tell");
        assert!(!tells(21_000, &["slow"]));
        assert!(!tells(25_999, &["slow"]));
        assert!(tells(26_000, &["slow"]));
        assert!(tells(27_000, &["slow"]), "it could not be written down");
        told(&["slow"]);
        assert!(!tells(40_000, &["slow"]), "told already");
        assert!(!tells(41_000, &[]) && !tells(42_000, &["slow"]), "it flickered");
        assert!(!tells(50_000, &["slow"]), "and is what was told");
        assert!(!tells(51_000, &[]) && tells(56_000, &[]));
        // While that is written down, it is slow again.
        assert!(!tells(56_500, &["slow"]));
        told(&[]);
        assert!(!tells(57_000, &["slow"]) && tells(61_500, &["slow"]));
    }
}
