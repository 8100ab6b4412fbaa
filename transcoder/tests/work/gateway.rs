//! A gateway of one worker, and what both need.

use futures::FutureExt;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tessera_engine_host::{EngineConfig, EnginePool, program_beside_this_one};
use tessera_link::{
    Acceptor, AcceptorConfig, Authorise, Closed, Control, Dial, Event, Receiver, Sender, dial,
};
use tessera_media::task::{LadderTask, Pace, SegmentDone, Task};
use tessera_media::wire::{Body, Lane, Message, TrackKind};
use tessera_media::{AccessUnit, Ticks, VideoFormat};
use tessera_protocol::commit::{NodeKey, SignatureBytes};
use tessera_protocol::stream::worker::StreamLeaseGrant;
use tessera_protocol::stream::{Ladder, SegmentClaim, SegmentNumber};
use tessera_protocol::{GatewayId, Generation, LeaseId, PixelPrice, SessionId};
use tessera_transcoder::work::line::{self, Bench};
use tessera_transcoder::work::measure;
use tessera_transcoder::work::receipts::Receipts;
use tokio::task::JoinHandle;

const LADDER: &str = "240p:400k,144p:150k";

/// The gateway's end, and the worker behind it.
pub(crate) struct Stage {
    pub(crate) key: NodeKey,
    pub(crate) to_worker: Sender,
    pub(crate) from_worker: Receiver,
    /// How the worker's line ends.
    pub(crate) line: JoinHandle<Closed>,
    pub(crate) bench: Arc<Bench>,
    pub(crate) clip: (VideoFormat, Vec<AccessUnit>),
    folder: TempDir,
}

/// What came back on one lane.
#[derive(Default)]
pub(crate) struct Lot {
    pub(crate) units: BTreeMap<u8, Vec<AccessUnit>>,
    pub(crate) formats: BTreeMap<u8, VideoFormat>,
    pub(crate) done: Vec<SegmentDone>,
    pub(crate) claims: Vec<(SegmentClaim, SignatureBytes)>,
    /// `Ok` after `Finished`, the reason after `Failed`.
    pub(crate) end: Option<Result<(), String>>,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let (gateway, worker) =
            (NodeKey::from_secret(&[2; 32]), Arc::new(NodeKey::from_secret(&[1; 32])));
        let authorise: Authorise = Arc::new(|_, _| async { Ok(()) }.boxed());
        let id = GatewayId(gateway.node().0);
        let config = AcceptorConfig { gateway: id, certificate: None };
        let mut acceptor =
            Acceptor::bind("127.0.0.1:0".parse().unwrap(), config, authorise).await.unwrap();
        let grant = StreamLeaseGrant {
            lease: LeaseId([3; 16]),
            session: SessionId([4; 16]),
            generation: Generation(5),
            gateway: id,
            gateway_address: acceptor.address().to_string(),
            gateway_pin: None,
            ladder: LADDER.parse().unwrap(),
            price: PixelPrice(1),
            expires_after_ms: 10_000,
        };
        let folder = tempfile::tempdir().unwrap();
        let receipts = Receipts::open(&folder.path().join("receipts")).unwrap();
        let engine = EngineConfig::new(program_beside_this_one().unwrap());
        // Of a pool of its own, so that every lane begins with a new engine.
        let clip = measure::clip(&EnginePool::new(engine.clone(), 0, 1)).await.unwrap();
        let pool = EnginePool::new(engine, 0, 4);
        let bench =
            Arc::new(Bench { key: worker, grant, pool, receipts, pixels_per_s: AtomicU64::new(0) });
        let line = tokio::spawn({
            let bench = Arc::clone(&bench);
            async move {
                let whom = Dial {
                    address: &bench.grant.gateway_address,
                    gateway: id,
                    pin: None,
                    lease: bench.grant.lease,
                    key: &bench.key,
                };
                line::serve(dial(whom).await.unwrap(), &bench).await
            }
        });
        let (to_worker, from_worker) = acceptor.next().await.unwrap().connection.split();
        Self { key: gateway, to_worker, from_worker, line, bench, clip, folder }
    }

    pub(crate) fn task(&self, pace: Pace, segment: u64) -> Task {
        let ladder: Ladder = LADDER.parse().unwrap();
        Task::Ladder(LadderTask {
            source: self.clip.0.clone(),
            renditions: ladder.renditions().to_vec(),
            pace,
            segment: SegmentNumber(segment),
            output_from: None,
        })
    }

    pub(crate) async fn begin(&self, lane: u32, pace: Pace, segment: u64) {
        self.say(lane, Body::Begin(self.task(pace, segment))).await;
    }

    pub(crate) async fn say(&self, lane: u32, body: Body) {
        self.to_worker.send(Message { lane: Lane(lane), body }).await.unwrap();
    }

    /// The clip on a lane, so many clips' lengths later than it is.
    pub(crate) async fn source(&self, lane: u32, later: i64) {
        for unit in &self.clip.1 {
            let by = Ticks(later * 2 * Ticks::PER_SECOND);
            let unit = AccessUnit { pts: unit.pts + by, dts: unit.dts + by, ..unit.clone() };
            self.say(lane, Body::Source(TrackKind::Video, unit)).await;
        }
    }

    /// Reads until all of `lanes` are over.
    pub(crate) async fn collect<const N: usize>(&mut self, lanes: [u32; N]) -> [Lot; N] {
        let mut lots: BTreeMap<u32, Lot> = lanes.iter().map(|&l| (l, Lot::default())).collect();
        while lots.values().any(|lot| lot.end.is_none()) {
            let event = self.from_worker.recv().await.unwrap();
            let (lane, body) = match event {
                Event::Control(Control::Claim { lane, claim, signature }) => {
                    lots.get_mut(&lane).unwrap().claims.push((claim, signature));
                    continue;
                }
                Event::Control(other) => panic!("{other:?}"),
                Event::Media(Message { lane, body }) => (lane.0, body),
            };
            let lot = lots.get_mut(&lane).unwrap_or_else(|| panic!("lane {lane}: {body:?}"));
            assert!(lot.end.is_none(), "after its end: {body:?}");
            match body {
                Body::Format(index, format) => drop(lot.formats.insert(index.0, format)),
                Body::Coded(index, unit) => lot.units.entry(index.0).or_default().push(unit),
                Body::Done(done) => lot.done.push(done),
                Body::Finished => lot.end = Some(Ok(())),
                Body::Failed(because) => lot.end = Some(Err(because)),
                other => panic!("{other:?}"),
            }
        }
        lanes.map(|lane| lots.remove(&lane).unwrap())
    }

    /// The next unit of a lane, whatever comes before.
    pub(crate) async fn first_unit(&mut self, lane: u32) {
        loop {
            if let Event::Media(Message { lane: Lane(of), body: Body::Coded(..) }) =
                self.from_worker.recv().await.unwrap()
                && of == lane
            {
                return;
            }
        }
    }

    /// The receipts that outlive this worker.
    pub(crate) async fn receipts_on_disk(&self) -> usize {
        Receipts::open(&self.folder.path().join("receipts")).unwrap().oldest(100).await.len()
    }
}

/// The engines that are children of this process, whichever test has them.
pub(crate) fn engines() -> Vec<u32> {
    let mut found = vec![];
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((name, rest)) = stat.rsplit_once(") ") else { continue };
        let mut fields = rest.split(' ');
        let (state, parent) = (fields.next(), fields.next());
        if name.ends_with("(transcode-engin")
            && state != Some("Z")
            && parent == Some(&std::process::id().to_string())
        {
            found.push(pid);
        }
    }
    found
}

pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
