//! What broadcasters ask for: streams, and what became of their sessions.

use super::App;
use super::matching::lacks_money;
use super::quotes::STANDS_FOR_MS;
use crate::auth::Broadcaster;
use crate::problem::{Code, Refusal};
use crate::rules::funds::{Term, term};
use crate::store::live::{KeyHash, NewStream, SessionRecord, StreamCreation, StreamRecord};
use crate::store::stream_pay::{Funded, Funds};
use std::sync::Arc;
use tessera_ledger::Purse;
use tessera_protocol::stream::SegmentNumber;
use tessera_protocol::stream::gateway::{GatewayDoors, GatewayPage};
use tessera_protocol::stream::view::{
    HealthLevel, HealthNote, SegmentPage, SessionPage, SessionView, StreamKeyView, StreamMoney,
    StreamPage, StreamSpec, StreamState, StreamView,
};
use tessera_protocol::{GatewayId, PixelPrice, PlaybackId, SessionId, StreamId};

/// Gateways whose doors are told to broadcasters: those heard last.
const DOORS: u32 = 4;
/// Why a session ended under its gateway, as that hears it.
const ROTATED: &str = "the stream's key was rotated: send with the new one";
const ENDED: &str = "its owner ended the stream";

impl App {
    /// Makes a stream; `true` beside it when it is new.
    pub(crate) async fn create_stream(
        &self,
        broadcaster: &Broadcaster,
        spec: StreamSpec,
        idempotency: Option<(String, [u8; 32])>,
    ) -> Result<(StreamKeyView, bool), Refusal> {
        check_spec(&spec)?;
        match spec.max_price {
            Some(_) => {
                self.need_settlement()?;
            }
            // The operator may use the farm for nothing.
            None if self.settlement.is_some() && broadcaster.sees().is_some() => {
                let detail = "Workers of this farm are paid: make the stream with a price, and deposit for it.";
                return Err(Refusal::new(Code::NobodyPays, detail));
            }
            None => {}
        }
        let key = new_key()?;
        let new = NewStream {
            id: StreamId(random()?),
            playback: PlaybackId(random()?),
            owner: broadcaster.id(),
            spec,
            key: KeyHash::of(&key),
            idempotency,
            now_ms: self.clock.now_ms(),
        };
        match self.store.create_stream(new).await? {
            StreamCreation::Created(stream) => Ok((self.with_key(stream, key).await?, true)),
            // Only its hash is kept, so it cannot be shown again.
            StreamCreation::Known(stream) => {
                let stream = self.stream_view(stream);
                Ok((StreamKeyView { stream, key: String::new(), ingest: Vec::new() }, false))
            }
            StreamCreation::KeyReused => Err(Refusal::new(
                Code::KeyReused,
                "This Idempotency-Key came with another stream before; draw a new one.",
            )),
        }
    }

    /// Gives a stream another key.
    pub(crate) async fn rotate_key(
        self: &Arc<Self>,
        broadcaster: &Broadcaster,
        id: StreamId,
    ) -> Result<StreamKeyView, Refusal> {
        self.stream_record(broadcaster, id).await?;
        let key = new_key()?;
        let hash = KeyHash::of(&key);
        self.alone(async move |app| {
            if !app.store.rotate_key(id, hash, ROTATED, app.clock.now_ms()).await? {
                return Err(stream_ended(id));
            }
            app.session_was_ended(id, ROTATED);
            Ok(())
        })
        .await?;
        let stream = self.stream_record(broadcaster, id).await?;
        self.with_key(stream, key).await
    }

    /// Ends a stream for good.
    pub(crate) async fn end_stream(
        self: &Arc<Self>,
        broadcaster: &Broadcaster,
        id: StreamId,
    ) -> Result<StreamView, Refusal> {
        self.stream_record(broadcaster, id).await?;
        self.alone(async move |app| {
            app.store.end_stream(id, ENDED, app.clock.now_ms()).await?;
            app.session_was_ended(id, ENDED);
            Ok(())
        })
        .await?;
        Ok(self.stream_view(self.stream_record(broadcaster, id).await?))
    }

    /// Puts aside for a stream what was deposited in its escrow since.
    pub(crate) async fn fund_stream(
        &self,
        broadcaster: &Broadcaster,
        id: StreamId,
    ) -> Result<StreamView, Refusal> {
        let settlement = self.need_settlement()?;
        let stream = self.stream_record(broadcaster, id).await?;
        let Some(funds) = stream.funds else {
            let detail = format!("Nobody pays for stream {id}: it was made without a price.");
            return Err(Refusal::new(Code::NothingIsPaid, detail));
        };
        let purse = Purse::Stream(id);
        let missing = |what: &str| {
            let escrow = settlement.escrow_of(&purse);
            let detail = format!("{what} in the escrow {escrow} of stream {id}: deposit first.");
            Refusal::new(Code::DepositMissing, detail)
        };
        let now_ms = self.clock.now_ms();
        let Some(escrow) = settlement.escrow(&purse).await? else {
            return Err(missing("Nothing lies"));
        };
        if funds.deposited.is_zero() && escrow.stands_until_ms < now_ms + STANDS_FOR_MS {
            return Err(Refusal::new(
                Code::DepositMissing,
                format!(
                    "The escrow of stream {id} can be taken back too soon: it has to stand for {} days.",
                    STANDS_FOR_MS / 86_400_000
                ),
            ));
        }
        match self.store.fund_stream(id, escrow, settlement.fee(), now_ms).await? {
            Funded::Ended => Err(stream_ended(id)),
            Funded::Nothing => Err(missing("Nothing new lies")),
            Funded::By(amount) => {
                tracing::info!(stream = %id, %amount, "a stream has more to pay workers with");
                self.hints.matching.notify_one();
                self.stream(broadcaster, id).await
            }
        }
    }

    /// A stream's session was ended under its gateway, which hears of it at its next beat. It may
    /// have ended earlier, under a call that failed: memory is told again.
    fn session_was_ended(&self, stream: StreamId, because: &str) {
        self.live.ended(stream, because);
        self.hints.deliveries.notify_one();
        self.hints.matching.notify_one();
    }

    /// A stream that this broadcaster may see.
    pub(crate) async fn stream(
        &self,
        broadcaster: &Broadcaster,
        id: StreamId,
    ) -> Result<StreamView, Refusal> {
        Ok(self.stream_view(self.stream_record(broadcaster, id).await?))
    }

    /// One page of streams, the newest first. The cursor is a place in the order of making.
    pub(crate) async fn streams(
        &self,
        broadcaster: &Broadcaster,
        cursor: Option<i64>,
        limit: u32,
    ) -> Result<StreamPage, Refusal> {
        let streams = self.store.streams(broadcaster.sees(), cursor, limit + 1).await?;
        let (streams, next_cursor) = page(streams, limit, |stream| stream.seq.to_string());
        let data = streams.into_iter().map(|stream| self.stream_view(stream)).collect();
        Ok(StreamPage { data, next_cursor })
    }

    /// One page of a stream's sessions, the newest first; all, or those with a recording.
    pub(crate) async fn sessions(
        &self,
        broadcaster: &Broadcaster,
        id: StreamId,
        recorded: bool,
        cursor: Option<i64>,
        limit: u32,
    ) -> Result<SessionPage, Refusal> {
        self.stream_record(broadcaster, id).await?;
        let sessions = self.store.sessions(id, recorded, cursor, limit + 1).await?;
        let (sessions, next_cursor) = page(sessions, limit, |session| session.no.to_string());
        Ok(SessionPage { data: sessions.into_iter().map(|one| one.view).collect(), next_cursor })
    }

    /// A session that this broadcaster may see.
    pub(crate) async fn session(
        &self,
        broadcaster: &Broadcaster,
        id: SessionId,
    ) -> Result<SessionView, Refusal> {
        match self.store.session(id).await? {
            Some(SessionRecord { view, owner, .. }) if broadcaster.may_see(owner) => Ok(view),
            _ => Err(no_session(id)),
        }
    }

    /// One page of a session's segments, by number. The cursor is the next number.
    pub(crate) async fn segments(
        &self,
        broadcaster: &Broadcaster,
        id: SessionId,
        cursor: Option<u64>,
        limit: u32,
    ) -> Result<SegmentPage, Refusal> {
        self.session(broadcaster, id).await?;
        let from = SegmentNumber(cursor.unwrap_or(0));
        let segments = self.store.segments(id, from, limit + 1).await?;
        let next =
            |view: &tessera_protocol::stream::view::SegmentView| view.segment.next().to_string();
        let (data, next_cursor) = page(segments, limit, next);
        Ok(SegmentPage { data, next_cursor })
    }

    /// One page of gateways. The cursor is the last one's key.
    pub(crate) async fn gateways(
        &self,
        cursor: Option<GatewayId>,
        limit: u32,
    ) -> Result<GatewayPage, Refusal> {
        let gateways = self.store.gateways(cursor, limit + 1).await?;
        let (mut data, next_cursor) = page(gateways, limit, |gateway| gateway.id.to_string());
        for gateway in &mut data {
            gateway.last_seen_ms = gateway.last_seen_ms.max(self.live.gateway_heard(gateway.id));
        }
        Ok(GatewayPage { data, next_cursor })
    }

    async fn stream_record(
        &self,
        broadcaster: &Broadcaster,
        id: StreamId,
    ) -> Result<StreamRecord, Refusal> {
        match self.store.stream(id).await? {
            Some(stream) if broadcaster.may_see(stream.owner) => Ok(stream),
            _ => Err(Refusal::new(
                Code::StreamNotFound,
                format!("There is no stream {id} among yours."),
            )),
        }
    }

    async fn with_key(&self, stream: StreamRecord, key: String) -> Result<StreamKeyView, Refusal> {
        let doors = self.store.recent_doors(DOORS).await?;
        let ingest = doors.iter().flat_map(|doors| doors.ingest(&key)).collect();
        Ok(StreamKeyView { stream: self.stream_view(stream), key, ingest })
    }

    /// A stream's deposit as its owner sees it.
    fn stream_money(&self, stream: &StreamRecord) -> Option<StreamMoney> {
        let (funds, settlement) = stream.funds.zip(self.settlement.as_ref())?;
        Some(StreamMoney {
            escrow: settlement.escrow_of(&Purse::Stream(stream.id)),
            deposited: funds.deposited,
            charged: funds.charged,
            pending: funds.pending,
            fee: funds.fee,
            left: funds.left,
            stands_until_ms: funds.stands_until_ms,
            settled: funds.settled,
        })
    }

    fn stream_view(&self, stream: StreamRecord) -> StreamView {
        let playback_url = |doors: &GatewayDoors| doors.playback_url(stream.playback);
        let live = stream.session.as_ref().filter(|session| session.live);
        let mut health = live.map_or_else(Vec::new, |session| {
            self.live.health(session.id).unwrap_or_else(|| session.health.clone())
        });
        let now_ms = self.clock.now_ms();
        if !stream.ended {
            health.extend(of_deposit(&stream.spec, stream.funds, now_ms));
        }
        StreamView {
            id: stream.id,
            state: match live {
                _ if stream.ended => StreamState::Ended,
                Some(_) => StreamState::Live,
                None => StreamState::Idle,
            },
            playback_id: stream.playback,
            playback_url: stream.session.as_ref().map(|session| playback_url(&session.doors)),
            session: stream.session.as_ref().map(|session| session.id),
            health,
            money: self.stream_money(&stream),
            created_ms: stream.created_ms,
            spec: stream.spec,
        }
    }
}

/// What a broadcaster is told of a deposit that pays no workers, or will not for much longer.
fn of_deposit(spec: &StreamSpec, funds: Option<Funds>, now_ms: i64) -> Vec<HealthNote> {
    let mut notes = Vec::new();
    let mut warn = |code: &str, text: String| {
        notes.push(HealthNote { code: code.to_owned(), level: HealthLevel::Warning, text });
    };
    // What was never deposited has no end either.
    let deposit = funds.filter(|funds| !funds.deposited.is_zero());
    let anew = "Adding to it does not change that: end the stream, which returns what is left, and make a \
                new one with a deposit of its own.";
    match deposit.map(|funds| term(funds.stands_until_ms, now_ms)) {
        Some(Term::Over) => {
            let text = format!(
                "Its deposit has stood as long as it can, so it is not transcoded: viewers get the source \
                 as it is. {anew}"
            );
            warn("deposit-over", text);
            return notes;
        }
        Some(Term::Ends { days }) => {
            let when = match days {
                0 => "today".to_owned(),
                1 => "in a day".to_owned(),
                days => format!("in {days} days"),
            };
            let text = format!("Its deposit ends {when}, and pays no workers then. {anew}");
            warn("deposit-ends", text);
        }
        Some(Term::Long) | None => {}
    }
    if lacks_money(spec, funds, now_ms) {
        let text = "Its deposit does not pay for a minute of work, so it is not transcoded: viewers get the \
                    source as it is. `farm stream top-up` adds to it.";
        warn("deposit-used-up", text.to_owned());
    }
    notes
}

/// The first `limit` of `rows`, of which one more than that was looked up, and where to go on.
pub(super) fn page<T>(
    mut rows: Vec<T>,
    limit: u32,
    cursor: impl Fn(&T) -> String,
) -> (Vec<T>, Option<String>) {
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(cursor);
    (rows, next)
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], Refusal> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(Refusal::internal)?;
    Ok(bytes)
}

/// A stream's key: 192 bits of chance, in letters that every protocol's URLs can carry.
fn new_key() -> Result<String, Refusal> {
    Ok(format!("stream-{}", hex::encode(random::<24>()?)))
}

fn check_spec(spec: &StreamSpec) -> Result<(), Refusal> {
    let refused = |detail: String| Err(Refusal::new(Code::StreamRefused, detail));
    let name = spec.name.chars().count();
    if !(1..=StreamSpec::MAX_NAME).contains(&name) || spec.name.trim().is_empty() {
        let most = StreamSpec::MAX_NAME;
        return refused(format!(
            "A stream's name has 1 to {most} characters, and this one {name}."
        ));
    }
    if spec.max_price == Some(PixelPrice(0)) {
        return refused(
            "At a price of 0 nobody works; leave it out where nobody is to be paid.".into(),
        );
    }
    let Some(url) = &spec.restream else { return Ok(()) };
    // The URL mostly ends in a key for the other side: it is not repeated in what may be logged.
    if url.len() > StreamSpec::MAX_RESTREAM {
        let most = StreamSpec::MAX_RESTREAM;
        return refused(format!(
            "The URL to restream to has {} bytes, and at most {most} are taken.",
            url.len()
        ));
    }
    let parsed = reqwest::Url::parse(url).ok().filter(|url| {
        matches!(url.scheme(), "rtmp" | "rtmps")
            && url.host_str().is_some_and(|h| !h.is_empty())
            && url.username().is_empty()
            && url.password().is_none()
    });
    match parsed {
        Some(_) => Ok(()),
        None => refused(
            "The URL to restream to is not one: expected rtmp://HOST/APP/KEY or rtmps://…, without \
             user and password."
                .into(),
        ),
    }
}

pub(super) fn stream_ended(id: StreamId) -> Refusal {
    Refusal::new(Code::StreamEnded, format!("Stream {id} has ended; make a new one."))
}

pub(super) fn no_session(id: SessionId) -> Refusal {
    Refusal::new(Code::SessionNotFound, format!("There is no session {id} among yours."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_protocol::Amount;
    use tessera_protocol::stream::Ladder;

    fn spec(name: &str, restream: Option<&str>) -> StreamSpec {
        StreamSpec {
            name: name.into(),
            ladder: Ladder::standard(),
            latency: Default::default(),
            record: false,
            restream: restream.map(str::to_owned),
            max_price: None,
        }
    }

    #[test]
    fn what_a_stream_may_be_is_checked() {
        for good in [
            spec("x", None),
            spec(&"ü".repeat(200), None),
            spec("x", Some("rtmp://live.example.org/app/key")),
            spec("x", Some("rtmps://live.example.org:443/app/key")),
        ] {
            assert_eq!(check_spec(&good), Ok(()), "{good:?}");
        }
        let long = format!("rtmp://x/{}", "y".repeat(2000));
        for bad in [
            spec("", None),
            spec(" ", None),
            spec(&"x".repeat(201), None),
            spec("x", Some("")),
            spec("x", Some("http://live.example.org/app")),
            spec("x", Some("rtmp://")),
            spec("x", Some("rtmp:///app/secret-key")),
            spec("x", Some("file:///etc/passwd")),
            spec("x", Some("rtmps://u:p@live.example.org:443/app/key")),
            spec("x", Some("rtmps://u@live.example.org/app/key")),
            spec("x", Some(&long)),
        ] {
            let refusal = check_spec(&bad).unwrap_err();
            assert_eq!(refusal.code(), Code::StreamRefused);
            assert!(!refusal.problem().detail.contains("secret"), "a key would be told to the log");
        }
    }

    #[test]
    fn a_deposit_that_ends_is_told_in_time_and_adding_to_it_is_no_advice() {
        const DAY_MS: i64 = 24 * 3600 * 1000;
        let paying = StreamSpec { max_price: Some(PixelPrice(1)), ..spec("x", None) };
        let (now_ms, plenty) = (1_900_000_000_000, Amount(1_000_000));
        let told = |left, deposited, days: i64| {
            let stands_until_ms = now_ms + days * DAY_MS;
            let funds = Funds { left, deposited, stands_until_ms, ..Funds::default() };
            of_deposit(&paying, Some(funds), now_ms)
        };
        let codes =
            |notes: Vec<HealthNote>| notes.into_iter().map(|note| note.code).collect::<Vec<_>>();
        assert_eq!(codes(told(plenty, plenty, 365)), [""; 0]);
        assert_eq!(codes(told(plenty, plenty, 32)), [""; 0]);
        let soon = told(plenty, plenty, 31);
        assert!(soon[0].text.contains("in 30 days") && soon[0].text.contains("make a new one"));
        assert_eq!(codes(soon), ["deposit-ends"]);
        assert!(told(plenty, plenty, 2)[0].text.contains("in a day"));
        assert_eq!(codes(told(Amount(0), plenty, 20)), ["deposit-ends", "deposit-used-up"]);
        let over = told(plenty, plenty, 1);
        assert!(!over[0].text.contains("top-up"), "it would only lie there: {}", over[0].text);
        assert_eq!(codes(over), ["deposit-over"]);
        assert_eq!(codes(told(Amount(0), plenty, 0)), ["deposit-over"]);
        let nothing = Funds::default();
        assert_eq!(codes(of_deposit(&paying, Some(nothing), now_ms)), ["deposit-used-up"]);
        assert_eq!(codes(of_deposit(&spec("x", None), None, now_ms)), [""; 0]);
    }
}
