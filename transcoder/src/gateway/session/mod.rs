//! One session: a task that owns all of it, from the source's units to its segments' receipts.
//!
//! Everything that happens arrives as an [`Input`] or from the source, one after the other, and
//! after each of them [`Session::upkeep`] brings the session to where the rules want it. What waits
//! for others (sending to workers, writing files, asking the master) happens in tasks beside it.
//!
//! Reading order: [`intake`] (units to pieces) → [`crew`] (lines to workers) → [`segments`] (which
//! worker has which), or [`live`] in low latency → [`making`] (what came back) → [`claim`] →
//! [`finished`] → `publishing` (in order, under the fence) → [`status`] (beats) → [`reports`] →
//! [`pictures`] (thumbnails, comparisons) → [`ending`].

mod claim;
mod crew;
pub(super) mod ending;
mod finished;
mod intake;
mod live;
mod maker;
mod making;
mod pace;
mod pictures;
mod publishing;
pub(super) mod reports;
mod segments;
mod status;

use super::desk::{Desk, KeyHash};
use super::metrics::Metrics;
use super::restream::Restream;
use crew::{Crew, Heard, LineId};
use intake::Intake;
use maker::Maker;
use pace::SourcePace;
use pictures::Audits;
use publishing::Publishing;
use status::Status;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tessera_ingest::{Protocol, Refusal, RefusalReason, Sink, SourceEvent, SourceReceiver};
use tessera_link::{Closed, Control, Event, Peer};
use tessera_live_core::Now;
use tessera_live_core::cut::{CutError, Piece};
use tessera_live_core::health::{self, Watch};
use tessera_media::wire::{Lane, TrackKind};
use tessera_protocol::stream::gateway::{
    SegmentReport, SessionBeat, SessionBeatView, SessionGrant,
};
use tessera_protocol::{LeaseId, SessionId};
use tessera_publish::{PublishError, Publisher};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::AbortHandle;

/// Inputs that wait; workers' units are most of them.
const INPUTS: usize = 256;
/// A source's events that wait.
const EVENTS: usize = 256;
/// Bytes of a session's units that are kept before its source has to wait.
const ROOM: usize = 256 << 20;
/// A source that says nothing for this long makes room for another with its key.
const STALE: Duration = Duration::from_secs(2);
/// How often what is told of the session is renewed.
const STATUS_EVERY: Duration = Duration::from_millis(500);
/// How long a session that is over waits for what workers still make.
const DRAIN: Duration = Duration::from_secs(8);
/// Most health notes of a beat.
const MOST_NOTES: usize = 32;

/// What happens to a session, but for what its source sends.
pub(super) enum Input {
    /// A source has come with the session's key.
    Visit { protocol: Protocol, reply: oneshot::Sender<Result<Sink, Refusal>> },
    /// A worker has dialled in.
    Worker(Peer),
    /// A worker said something, or its line is gone.
    Heard { lease: LeaseId, line: LineId, event: Box<Result<Event, Closed>> },
    /// The publisher is done with what it was given: a segment, with its report, or a part.
    Published(Box<Result<Option<SegmentReport>, PublishError>>),
    /// The master answered.
    Beat(SessionBeatView),
    /// A comparison rejected a segment; why.
    Rejected(String),
    /// Somebody else goes on with the session: stop, and leave it as it is.
    Yield(String),
}

/// Why a session stops.
enum Over {
    /// It is over for everybody.
    Ended(String),
    /// It goes on, with another grant or in another process.
    Yielded(String),
}

struct Visit {
    source: SourceReceiver,
    heard: Now,
}

struct Session {
    desk: Arc<Desk>,
    grant: Arc<SessionGrant>,
    inputs: mpsc::Receiver<Input>,
    own: mpsc::Sender<Input>,
    publisher: Arc<Publisher>,
    status: Arc<Status>,
    news: Arc<Notify>,
    place: Place,
    visit: Option<Visit>,
    absent_since: Now,
    intake: Intake,
    crew: Crew,
    maker: Maker,
    publishing: Publishing,
    audits: Audits,
    audit_percent: HashMap<LeaseId, u8>,
    watch: Watch,
    pace: SourcePace,
    told: Option<Now>,
    pictured: Option<Now>,
    over: Option<Over>,
    pieces: Vec<Piece>,
}

/// A session's place among the others, and its tasks. Whatever ends it, a defect too, gives them up:
/// a source that comes back must find the session free.
struct Place {
    desk: Arc<Desk>,
    session: SessionId,
    tasks: Vec<AbortHandle>,
    left: bool,
}

impl Place {
    fn leave(&mut self) {
        if !std::mem::replace(&mut self.left, true) {
            self.desk.leave(self.session);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        self.leave();
        self.desk.metrics.sessions.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Starts a granted session; `sent` is when the grant was asked for.
pub(super) fn start(
    desk: Arc<Desk>,
    key: KeyHash,
    grant: SessionGrant,
    sent: Now,
    publisher: Publisher,
) -> mpsc::Sender<Input> {
    let (own, inputs) = mpsc::channel(INPUTS);
    let (grant, publisher) = (Arc::new(grant), Arc::new(publisher));
    let status = Arc::new(Status::new(&grant, sent));
    let news = Arc::new(Notify::new());
    let beat =
        status::beat(Arc::clone(&desk), Arc::clone(&grant), Arc::clone(&status), own.downgrade());
    let report =
        reports::run(Arc::clone(&desk), grant.session, Arc::clone(&publisher), Arc::clone(&news));
    let tasks = vec![tokio::spawn(beat).abort_handle(), tokio::spawn(report).abort_handle()];
    desk.enter(grant.session, key, own.clone());
    Metrics::add(&desk.metrics.sessions, 1);
    let place = Place { desk: Arc::clone(&desk), session: grant.session, tasks, left: false };
    let next = publisher.next_segment().max(grant.next_segment);
    let best = grant.ladder.renditions().iter().map(|r| u64::from(r.bits_per_s)).max();
    let session = Session {
        intake: Intake::new(
            grant.latency,
            publisher.timeline_end(),
            grant.restream.as_deref().map(|url| Restream::to(url, desk.reach)),
        ),
        crew: Crew::new(Arc::clone(&desk), own.downgrade()),
        maker: Maker::new(Arc::clone(&grant), next),
        publishing: Publishing::default(),
        audits: Audits::default(),
        audit_percent: HashMap::new(),
        watch: Watch::new(grant.latency, best.unwrap_or(0)),
        pace: SourcePace::default(),
        absent_since: desk.clock.now(),
        visit: None,
        told: None,
        pictured: None,
        over: None,
        pieces: Vec::new(),
        inputs,
        own: own.clone(),
        publisher,
        status,
        news,
        place,
        grant,
        desk,
    };
    tokio::spawn(session.run());
    own
}

impl Session {
    async fn run(mut self) {
        let over = loop {
            let wake = self.desk.clock.instant(self.wake());
            let may_read = self.has_room();
            tokio::select! {
                event = heard(&mut self.visit), if may_read => self.source(event),
                Some(input) = self.inputs.recv() => self.input(input),
                () = tokio::time::sleep_until(wake) => {}
            }
            self.upkeep();
            if let Some(over) = self.over.take() {
                break over;
            }
        };
        self.stop(over).await;
    }

    fn now(&self) -> Now {
        self.desk.clock.now()
    }

    /// The next moment at which something is due by itself.
    fn wake(&self) -> Now {
        let soon = self.now() + Duration::from_millis(100);
        self.maker.wake().map_or(soon, |wake| wake.min(soon))
    }

    fn has_room(&self) -> bool {
        self.maker.bytes() + self.intake.sound_bytes() < ROOM
    }

    /// Takes what the source sent; `None` where it left.
    fn source(&mut self, event: Option<SourceEvent>) {
        let now = self.now();
        let Some(event) = event else {
            self.end_visit("the source left");
            return;
        };
        if let Some(visit) = &mut self.visit {
            visit.heard = now;
        }
        if let SourceEvent::Unit(track, unit) = &event {
            Metrics::add(&self.desk.metrics.ingest_bytes, unit.data.len() as u64);
            if *track == TrackKind::Video {
                self.pace.picture(unit.pts);
            }
        }
        let mut pieces = std::mem::take(&mut self.pieces);
        let taken = self.intake.take(event, &mut self.watch, now, &mut pieces);
        for piece in pieces.drain(..) {
            self.picture_for_viewers(&piece, now);
            self.maker.piece(piece, self.intake.video(), &self.crew, now);
        }
        self.pieces = pieces;
        if let Err(error) = taken {
            self.refuse_source(&error);
        }
    }

    fn refuse_source(&mut self, error: &CutError) {
        let now = self.now();
        tracing::warn!(session = %self.grant.session, %error, "a source is refused");
        self.watch.skipped(error.to_string(), now);
        self.end_visit(&error.to_string());
    }

    /// Makes a thumbnail of a keyframe now and then.
    fn picture_for_viewers(&mut self, piece: &Piece, now: Now) {
        let Piece::Picture(unit) = piece else { return };
        let due = self.pictured.is_none_or(|at| now >= at + pictures::THUMBNAIL_EVERY);
        if let (true, true, Some(format)) = (unit.keyframe, due, self.intake.video()) {
            self.pictured = Some(now);
            let publisher = Arc::clone(&self.publisher);
            pictures::thumbnail(&self.desk, publisher, Arc::clone(format), unit.clone());
        }
    }

    fn input(&mut self, input: Input) {
        let now = self.now();
        match input {
            Input::Visit { protocol, reply } => self.visit(protocol, reply),
            Input::Worker(peer) => self.worker(peer),
            Input::Heard { lease, line, event } => self.heard(lease, line, *event),
            Input::Published(published) => self.published(*published),
            Input::Beat(view) => self.beat(view),
            Input::Rejected(why) => self.watch.rejected(why, now),
            Input::Yield(because) => self.over = Some(Over::Yielded(because)),
        }
    }

    fn visit(&mut self, protocol: Protocol, reply: oneshot::Sender<Result<Sink, Refusal>>) {
        let now = self.now();
        if let Some(visit) = &self.visit {
            if now.saturating_sub(visit.heard) < STALE {
                let text = "another source is sending with this stream key: stop it first";
                let refusal = Refusal { reason: RefusalReason::InUse, text: text.to_owned() };
                let _ = reply.send(Err(refusal));
                return;
            }
            self.end_visit("another source with this stream key took its place");
        }
        let (sink, source) = tessera_ingest::sink(EVENTS);
        if reply.send(Ok(sink)).is_ok() {
            self.visit = Some(Visit { source, heard: now });
            tracing::info!(session = %self.grant.session, %protocol, "a source is connected");
            self.intake.began(now);
            self.watch.source_began(protocol == Protocol::Http);
        }
    }

    /// The source is gone, or told to go.
    fn end_visit(&mut self, because: &str) {
        let now = self.now();
        let Some(visit) = self.visit.take() else { return };
        visit.source.close(because);
        tracing::info!(session = %self.grant.session, because, "the source is gone");
        self.absent_since = now;
        let mut pieces = std::mem::take(&mut self.pieces);
        self.intake.ended(&mut pieces);
        for piece in pieces.drain(..) {
            self.maker.piece(piece, self.intake.video(), &self.crew, now);
        }
        self.pieces = pieces;
        self.maker.source_ended();
    }

    fn worker(&mut self, peer: Peer) {
        let (now, lease) = (self.now(), peer.lease);
        if !self.maker.roster().may_dial(lease) {
            return;
        }
        tracing::info!(session = %self.grant.session, node = %peer.node, "a worker dialled in");
        if self.crew.join(peer) {
            self.maker.down(lease, &self.crew, now);
        }
        self.maker.up(lease, &self.crew, now);
    }

    fn heard(&mut self, lease: LeaseId, line: LineId, event: Result<Event, Closed>) {
        let now = self.now();
        if self.crew.line(lease).is_none_or(|present| present.id != line) {
            return;
        }
        let heard = Heard { lease, desk: &self.desk, crew: &self.crew, now };
        let taken = match event {
            Ok(Event::Media(message)) => self.maker.heard(heard, message.lane, message.body),
            Ok(Event::Control(Control::Claim { lane, claim, signature })) => {
                self.maker.claimed(heard, Lane(lane), claim, signature)
            }
            Ok(Event::Control(_)) => Ok(()),
            Err(closed) => {
                self.crew.part(lease, line);
                let busy = self.maker.down(lease, &self.crew, now);
                tracing::info!(session = %self.grant.session, %lease, %closed, "a worker is gone");
                if busy { Err(closed.to_string()) } else { Ok(()) }
            }
        };
        if let Err(because) = taken {
            Metrics::add(&self.desk.metrics.failures, 1);
            self.watch.lost(now);
            tracing::warn!(session = %self.grant.session, %lease, %because, "an attempt failed");
        }
    }

    fn beat(&mut self, view: SessionBeatView) {
        let now = self.now();
        if !view.alive {
            let because = view.because.unwrap_or_else(|| "the master ended it".to_owned());
            let over = if view.passed_on { Over::Yielded } else { Over::Ended };
            self.over = Some(over(because));
            return;
        }
        self.desk.lease_to(self.grant.session, &view.workers);
        let leases: Vec<_> = view.workers.iter().map(|worker| worker.lease).collect();
        self.maker.roster().order(&leases);
        for lease in self.crew.keep_only(&leases) {
            self.maker.down(lease, &self.crew, now);
        }
        self.audit_percent =
            view.workers.iter().map(|worker| (worker.lease, worker.audit_percent)).collect();
    }

    /// Brings everything to where it should be.
    fn upkeep(&mut self) {
        let now = self.now();
        self.maker.tick(&self.crew, now);
        self.publish_next();
        let window = Duration::from_millis(self.grant.reconnect_ms);
        let left = self.visit.is_none() && now.saturating_sub(self.absent_since) >= window;
        if left && self.over.is_none() {
            self.over = Some(Over::Ended("the source left and did not come back".to_owned()));
        }
        if self.told.is_none_or(|told| now >= told + STATUS_EVERY) {
            self.told = Some(now);
            self.tell(now);
        }
    }

    /// Renews what the master and viewers are told.
    fn tell(&mut self, now: Now) {
        let roster = self.maker.roster();
        let (present, workers) = (roster.present(), roster.reports(now));
        let mut facts = self.watch.facts(present, now);
        facts.restream = self.intake.restream_wrong();
        let mut health = health::notes(&facts);
        health.truncate(MOST_NOTES);
        self.publisher.health(&health::for_viewers(&health));
        let format = self.intake.video();
        self.status.say(SessionBeat {
            generation: self.grant.generation,
            connected: self.visit.is_some(),
            source: format.map(|format| self.pace.words(format, self.intake.audio())),
            pixels_per_s: format.map_or(0, |f| self.pace.pixels_per_s(f, &self.grant.ladder)),
            health,
            workers,
        });
    }

    async fn stop(mut self, over: Over) {
        let because = match &over {
            Over::Ended(because) | Over::Yielded(because) => because.clone(),
        };
        self.end_visit(&because);
        self.place.leave();
        if let Over::Ended(_) = over {
            self.drain().await;
        }
        self.publishing.settle(&mut self.inputs).await;
        let Self { desk, grant, publisher, crew, inputs, place, .. } = self;
        drop((crew, place));
        tracing::info!(session = %grant.session, because, "session over");
        if let Over::Ended(_) = over {
            drop(inputs);
            ending::end(&desk, grant.session, &publisher, &because).await;
        }
    }

    /// Publishes what is still being made, for a while, as long as that is allowed.
    async fn drain(&mut self) {
        let until = self.now() + DRAIN;
        while !(self.maker.is_empty() && self.publishing.is_idle())
            && self.now() < until
            && self.status.may_publish(&self.desk)
        {
            let wake = self.desk.clock.instant(self.wake());
            tokio::select! {
                Some(input) = self.inputs.recv() => self.input(input),
                () = tokio::time::sleep_until(wake) => {}
            }
            self.maker.tick(&self.crew, self.now());
            self.publish_next();
        }
    }
}

/// What the source says next; never, where there is none.
async fn heard(visit: &mut Option<Visit>) -> Option<SourceEvent> {
    match visit {
        Some(visit) => visit.source.recv().await,
        None => std::future::pending().await,
    }
}
