//! Goal: whatever a worker does instead of its work, in either mode viewers miss no frame and see none
//! twice, and nobody else's work suffers.
//!
//! Method: a worker that asks for less than the honest one beside it, and so gets every session first.
//! It speaks the real protocol and makes real renditions; then it spoils them in one way.

use crate::assert_whole;
use crate::world::{World, assert_seamless, eventually, playlist, program};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tessera_client::{Enrolment, WorkerClient};
use tessera_engine_host::{EngineConfig, EnginePool};
use tessera_link::{Closed, Control, Dial, Event, Sender, dial};
use tessera_media::task::{LadderTask, SegmentDone, Task};
use tessera_media::wire::{Body, Lane, Message, RenditionIndex, TrackKind};
use tessera_media::{AccessUnit, Ticks};
use tessera_protocol::PixelPrice;
use tessera_protocol::commit::NodeKey;
use tessera_protocol::stream::claim::SegmentClaim;
use tessera_protocol::stream::view::{Latency, SegmentView};
use tessera_protocol::stream::worker::{
    StreamLeaseGrant, StreamLeaseRequest, WorkerAbility, WorkerView,
};
use tessera_protocol::stream::{SegmentNumber, VideoCodec};
use tessera_transcoder::work::tally::Tally;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// What a worker does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vice {
    /// Says that a segment is done before anything of it is.
    DoneAtOnce,
    /// Leaves one frame out.
    LeavesAFrameOut,
    /// Gives only one of two renditions.
    ForgetsARendition,
    /// Gives a frame a time that no clock shows.
    BeyondTime,
    /// Decodes frames before time began.
    BeforeTime,
    /// Says formats for ever, and gives nothing.
    OnlyTalks,
    /// Takes all and says nothing.
    IsSilent,
    /// Never claims what it made.
    NeverClaims,
    /// Claims other bytes than it gave.
    ClaimsFalsely,
    /// Makes everything rightly, out of the first segment's pictures for ever.
    ShowsTheFirstSegment,
    /// None: the second rendition's encoder opens only when the first one has given a frame.
    OpensLate,
}

const VICES: [Vice; 9] = [
    Vice::DoneAtOnce,
    Vice::LeavesAFrameOut,
    Vice::ForgetsARendition,
    Vice::BeyondTime,
    Vice::BeforeTime,
    Vice::OnlyTalks,
    Vice::IsSilent,
    Vice::NeverClaims,
    Vice::ClaimsFalsely,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_low_latency_no_vice_of_a_worker_costs_a_frame() {
    no_vice_costs_a_frame(Latency::Low).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_vice_of_a_worker_costs_a_frame() {
    no_vice_costs_a_frame(Latency::Short).await;
}

async fn no_vice_costs_a_frame(latency: Latency) {
    let world = World::new().await;
    let (_gateway, doors) = world.gateway().await;
    let _honest = world.worker("honest").await;
    let clip = world.clip(5, 30);
    // In segments of their own tasks a word too early changes nothing: the claim counts.
    let of_low_latency = |vice: &Vice| *vice == Vice::DoneAtOnce;
    for vice in VICES.into_iter().filter(|vice| latency == Latency::Low || !of_low_latency(vice)) {
        let liar = Liar::start(&world, vice).await;
        let stream = world.stream(&format!("{vice:?}"), latency).await;
        let mut ffmpeg = world.send(&clip, &doors.ingest(&stream.key)[0].url);
        let session = world.session(&stream).await;
        assert!(ffmpeg.ended_well().await, "{vice:?}");
        let segments = world.reported(session, 4_990).await;
        assert_seamless(&segments);
        // Whether the other worker goes on or the source stands in is a matter of speed.
        let believed = segments.iter().any(|segment| segment.node == Some(liar.key.node()));
        assert!(!believed, "{vice:?} was believed\n{}", world.said("gateway"));
        world.end(&stream, &doors).await;
        assert_whole(&playlist(&doors, &stream, "144p"), 150);
        assert!(liar.got_work.load(Relaxed), "{vice:?} was not put to the test");
    }
}

/// Which encoder is open first is a matter of chance, in an honest worker too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_low_latency_an_encoder_that_opens_late_costs_nothing() {
    let world = World::new().await;
    let (_gateway, doors) = world.gateway().await;
    let worker = Liar::start(&world, Vice::OpensLate).await;
    let stream = world.stream("opens-late", Latency::Low).await;
    let mut ffmpeg = world.send(&world.clip(5, 30), &doors.ingest(&stream.key)[0].url);
    let session = world.session(&stream).await;
    assert!(ffmpeg.ended_well().await);
    let segments = world.reported(session, 4_990).await;
    assert_seamless(&segments);
    let theirs = |segment: &SegmentView| segment.node == Some(worker.key.node());
    assert!(segments.iter().all(theirs), "{segments:?}\n{}", world.said("gateway"));
    world.end(&stream, &doors).await;
    assert_whole(&playlist(&doors, &stream, "96p"), 150);
}

/// No frame is missing and every claim is true: only a look at the pictures finds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_shows_other_pictures_is_found_by_comparison_and_gets_no_more() {
    let world = World::new().await;
    let (_gateway, doors) = world.gateway().await;
    let clip = world.clip(120, 30);
    let liar = Liar::start(&world, Vice::ShowsTheFirstSegment).await;
    let stream = world.stream("pictures", Latency::Short).await;
    let _ffmpeg = world.send(&clip, &doors.ingest(&stream.key)[0].url);
    let session = world.session(&stream).await;
    let found = eventually("the liar is barred", async || {
        let workers = world.client.workers().await.ok()?;
        // Its session is taken from it right afterwards.
        let barred = |worker: &WorkerView| worker.barred && worker.sessions == 0;
        workers.into_iter().find(|worker| worker.id == liar.key.node() && barred(worker))
    })
    .await;
    println!("barred after {} segments, {} of them compared", found.segments, {
        found.audits_passed + found.audits_rejected
    });
    assert!(found.audits_rejected >= 9);
    // Whoever is honest goes on with the stream.
    let honest = world.worker("honest").await;
    eventually("an honest worker has the stream", async || {
        let segments = world.client.segments(session).await.ok()?;
        let last = segments.iter().rev().find_map(|segment| segment.node)?;
        (last != liar.key.node()).then_some(())
    })
    .await;
    let workers = world.client.workers().await.unwrap();
    let honest_one = workers.iter().find(|worker| worker.name == "honest").unwrap();
    assert!(!honest_one.barred);
    drop(honest);
}

struct Liar {
    key: Arc<NodeKey>,
    /// Whether it ever had a session.
    got_work: Arc<AtomicBool>,
    _tasks: JoinSet<()>,
}

impl Liar {
    async fn start(world: &World, vice: Vice) -> Self {
        let key = Arc::new(NodeKey::from_secret(&[100 + vice as u8; 32]));
        let enrolment = Enrolment::new(world.master(), world.token()).unwrap();
        let able = WorkerAbility {
            pixels_per_s: 1_000_000_000,
            codecs: vec![VideoCodec::H264],
            encoders: "none".to_owned(),
            price: PixelPrice(0),
            uplink_bits_per_s: None,
        };
        let name = format!("{vice:?}");
        let (_, client) = enrolment.worker_join(&key, &name, &able).await.unwrap();
        let pool = EnginePool::new(EngineConfig::new(program("transcode-engine")), 1, 4);
        let (mut tasks, got_work) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
        tasks.spawn(take_sessions(client, Arc::clone(&key), pool, vice, Arc::clone(&got_work)));
        Self { key, got_work, _tasks: tasks }
    }
}

async fn take_sessions(
    client: WorkerClient,
    key: Arc<NodeKey>,
    pool: EnginePool,
    vice: Vice,
    got_work: Arc<AtomicBool>,
) {
    let mut sessions = JoinSet::new();
    loop {
        let request = StreamLeaseRequest { free_pixels_per_s: 1_000_000_000, wait_ms: 5_000 };
        let Ok(Some(grant)) = client.stream_lease(&request).await else { continue };
        got_work.store(true, Relaxed);
        let first = Arc::default();
        let lie = Lie { key: Arc::clone(&key), grant, pool: pool.clone(), vice, first };
        let client = client.clone();
        sessions.spawn(async move {
            let beat = async {
                loop {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    let _ = client.stream_heartbeat(lie.grant.lease).await;
                }
            };
            tokio::select! {
                () = lie.dial_again_and_again() => {}
                () = beat => {}
            }
        });
    }
}

/// One session of a liar's.
struct Lie {
    key: Arc<NodeKey>,
    grant: StreamLeaseGrant,
    pool: EnginePool,
    vice: Vice,
    /// The first segment's pictures.
    first: Arc<Mutex<Vec<Bytes>>>,
}

impl Lie {
    async fn dial_again_and_again(&self) {
        loop {
            let pin = self.grant.gateway_pin.as_ref().map(|pin| pin.parse().unwrap());
            let whom = Dial {
                address: &self.grant.gateway_address,
                gateway: self.grant.gateway,
                pin,
                lease: self.grant.lease,
                key: &self.key,
            };
            if let Ok(connection) = dial(whom).await {
                self.serve(connection).await;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn serve(&self, connection: tessera_link::Connection) {
        let (gateway, mut events) = connection.split();
        let mut lanes: HashMap<Lane, mpsc::UnboundedSender<Body>> = HashMap::new();
        let mut tasks = JoinSet::new();
        while let Ok(event) = events.recv().await {
            let Event::Media(Message { lane, body }) = event else { continue };
            match body {
                Body::Begin(Task::Ladder(task)) => {
                    let (bodies, waiting) = mpsc::unbounded_channel();
                    lanes.insert(lane, bodies);
                    let spoiler = Spoiler {
                        key: Arc::clone(&self.key),
                        grant: self.grant.clone(),
                        vice: self.vice,
                        lane,
                        gateway: gateway.clone(),
                        frames: 0,
                        late: Vec::new(),
                        first: Arc::clone(&self.first),
                        sources: 0,
                    };
                    tasks.spawn(spoiler.run(task, self.pool.clone(), waiting));
                }
                Body::Cancel => drop(lanes.remove(&lane)),
                body => {
                    if let Some(lane) = lanes.get(&lane) {
                        let _ = lane.send(body);
                    }
                }
            }
        }
    }
}

/// One lane of a liar's.
struct Spoiler {
    key: Arc<NodeKey>,
    grant: StreamLeaseGrant,
    vice: Vice,
    lane: Lane,
    gateway: Sender,
    /// Units that came out of the engine.
    frames: u32,
    /// What came of the second rendition before any unit of the first one.
    late: Vec<Body>,
    /// The first segment's pictures.
    first: Arc<Mutex<Vec<Bytes>>>,
    /// Pictures that went into the engine.
    sources: usize,
}

impl Spoiler {
    async fn run(
        mut self,
        task: LadderTask,
        pool: EnginePool,
        mut waiting: mpsc::UnboundedReceiver<Body>,
    ) {
        let mut tally = Tally::new(&task);
        if self.vice == Vice::DoneAtOnce {
            let done = SegmentDone { segment: task.segment, frames_in: 30, cpu_ms: 1 };
            let _ = self.give(Body::Done(done)).await;
        }
        let Ok(engine) = pool.lane(Task::Ladder(task)).await else { return };
        let (to_engine, mut from_engine) = engine.split();
        loop {
            tokio::select! {
                body = waiting.recv() => {
                    let Some(mut body) = body else { return };
                    match &mut body {
                        Body::Cut(segment) => tally.cut(*segment),
                        Body::Source(TrackKind::Video, unit) => self.exchange(unit),
                        _ => {}
                    }
                    let _ = to_engine.send(body).await;
                }
                body = from_engine.recv() => {
                    let Some(Ok(body)) = body else { return };
                    if self.pass(body, &mut tally).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Puts the first segment's picture in place of one of a later segment's.
    fn exchange(&mut self, unit: &mut AccessUnit) {
        if self.vice != Vice::ShowsTheFirstSegment {
            return;
        }
        let mut first = self.first.lock().unwrap();
        match first.get(self.sources) {
            Some(picture) => unit.data = picture.clone(),
            None => first.push(unit.data.clone()),
        }
        self.sources += 1;
    }

    async fn give(&self, body: Body) -> Result<(), Closed> {
        self.gateway.send(Message { lane: self.lane, body }).await
    }

    /// Hands on what an honest worker would, but for one thing.
    async fn pass(&mut self, body: Body, tally: &mut Tally) -> Result<(), Closed> {
        match body {
            Body::Format(index, format) => {
                tally.format(index, &format).unwrap();
                match self.vice {
                    Vice::IsSilent => Ok(()),
                    Vice::OpensLate if index == RenditionIndex(1) && self.frames == 0 => {
                        self.late.push(Body::Format(index, format));
                        Ok(())
                    }
                    _ => self.give(Body::Format(index, format)).await,
                }
            }
            Body::Coded(index, unit)
                if self.vice == Vice::OpensLate
                    && index == RenditionIndex(1)
                    && self.frames == 0 =>
            {
                tally.unit(index, &unit).unwrap();
                self.late.push(Body::Coded(index, unit));
                Ok(())
            }
            Body::Coded(index, mut unit) => {
                self.frames += 1;
                match self.vice {
                    Vice::IsSilent => return Ok(()),
                    Vice::OnlyTalks => {
                        let format = self.format_of(index);
                        return self.give(format).await;
                    }
                    Vice::ForgetsARendition if index == RenditionIndex(1) => return Ok(()),
                    Vice::LeavesAFrameOut if self.frames == 31 => return Ok(()),
                    Vice::BeyondTime if self.frames == 31 => unit.pts = Ticks(i64::MAX),
                    Vice::BeforeTime if self.frames > 30 => unit.dts = Ticks(i64::MIN / 2),
                    _ => {}
                }
                tally.unit(index, &unit).unwrap();
                self.give(Body::Coded(index, unit)).await?;
                for body in std::mem::take(&mut self.late) {
                    self.give(body).await?;
                }
                Ok(())
            }
            Body::Done(done) => {
                if matches!(self.vice, Vice::IsSilent | Vice::OnlyTalks) {
                    return Ok(());
                }
                let segment = done.segment;
                let counted = tally.done(segment).unwrap();
                self.give(Body::Done(done)).await?;
                if self.vice == Vice::NeverClaims {
                    return Ok(());
                }
                let mut claim = self.claim(segment);
                claim.renditions = counted.renditions;
                if self.vice == Vice::ClaimsFalsely {
                    claim.renditions[0].hash.0[0] ^= 1;
                }
                let signature = self.key.sign(&claim.message());
                self.gateway.say(Control::Claim { lane: self.lane.0, claim, signature }).await
            }
            _ => Ok(()),
        }
    }

    /// Some format, said again.
    fn format_of(&self, index: RenditionIndex) -> Body {
        let (codec, config) = (VideoCodec::H264, vec![].into());
        let format = tessera_media::VideoFormat { codec, width: 256, height: 144, config };
        Body::Format(index, format)
    }

    fn claim(&self, segment: SegmentNumber) -> SegmentClaim {
        SegmentClaim {
            node: self.key.node(),
            gateway: self.grant.gateway,
            lease: self.grant.lease,
            session: self.grant.session,
            generation: self.grant.generation,
            segment,
            renditions: vec![],
        }
    }
}
