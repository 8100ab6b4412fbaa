//! A node that speaks the real protocol and does what a test tells it to.

use crate::cheat::{Cheat, Painter};
use crate::farm::{FPS, Farm};
use std::path::Path;
use tessera_client::{Client, ClientError, Enrolment, NodeClient};
use tessera_protocol::commit::{Commit, NodeKey, UnitResult};
use tessera_protocol::job::{FrameSpan, JobSpec};
use tessera_protocol::lease::{GiveBackRequest, LeaseGrant, LeaseRequest, Unit};
use tessera_protocol::node::{ConformanceHash, DeviceClass, DeviceView, NodeView};
use tessera_protocol::settings::{Environment, RenderSettings};
use tessera_protocol::submit::{SubmitHeader, SubmitView, encode};
use tessera_protocol::{BlobHash, FrameNumber, LeaseId, PixelSum, RayPrice, sums, tree};
use tessera_reference::{Source, kernel_id};

/// A node that joined with a key of its own.
pub struct Puppet {
    /// Its key.
    pub key: NodeKey,
    client: NodeClient,
}

impl Puppet {
    /// Joins with the operator's token and shows the right hashes, as whoever cheats would.
    pub async fn join(farm: &Farm, client: &Client, name: &str) -> Self {
        let token = std::fs::read_to_string(farm.token_file()).expect("the operator's token");
        Self::join_as(client, token.trim(), name, DeviceClass::Exact).await
    }

    /// Joins as a device of this class of whoever has the token.
    pub async fn join_as(client: &Client, token: &str, name: &str, class: DeviceClass) -> Self {
        let shown = tessera_scenes::golden::frames().map(|(scene, hash)| ConformanceHash {
            scene: scene.to_owned(),
            hash: hash.parse().expect("a golden hash"),
        });
        let device = DeviceView {
            backend: "cpu".to_owned(),
            device: "a test".to_owned(),
            kernel: kernel_id(),
            conformance: match class {
                DeviceClass::Exact => shown.collect(),
                DeviceClass::Tolerant => vec![],
            },
        };
        let enrolment = Enrolment::new(client.master().clone(), token.to_owned()).unwrap();
        let key = NodeKey::generate().unwrap();
        let (_, client) = enrolment.join(&key, name, &device).await.expect("it joins");
        Self { key, client }
    }

    /// What the master shows of it.
    pub async fn view(&self, client: &Client) -> NodeView {
        let nodes = client.nodes().await.expect("nodes");
        nodes.into_iter().find(|node| node.id == self.key.node()).expect("it has joined")
    }

    /// Work of so many pixel samples or one unit, if there is some now.
    pub async fn lease(&self, samples_wanted: u64) -> Result<Option<LeaseGrant>, ClientError> {
        self.ask(samples_wanted, 0, None).await
    }

    /// The same, for this price.
    pub async fn lease_at(
        &self,
        samples_wanted: u64,
        price: RayPrice,
    ) -> Result<Option<LeaseGrant>, ClientError> {
        self.ask(samples_wanted, 0, Some(price)).await
    }

    /// Waits for work at this price as long as a master allows.
    pub async fn wait_at(&self, price: RayPrice) -> Option<LeaseGrant> {
        self.ask(1, LeaseRequest::MAX_WAIT_MS, Some(price)).await.expect("the master answers")
    }

    async fn ask(
        &self,
        samples_wanted: u64,
        wait_ms: u64,
        ask: Option<RayPrice>,
    ) -> Result<Option<LeaseGrant>, ClientError> {
        let ask = LeaseRequest { kernel: kernel_id(), samples_wanted, wait_ms, ask, memory: None };
        self.client.lease(&ask).await
    }

    /// Sends a body for a lease.
    pub async fn send(&self, lease: LeaseId, body: Vec<u8>) -> Result<SubmitView, ClientError> {
        self.client.submit(lease, body).await
    }

    /// Ends a lease without a result, and says that the work fails.
    pub async fn drop_lease(&self, lease: LeaseId) {
        let failed = Some("it does not want to".to_owned());
        self.client
            .give_back(lease, &GiveBackRequest { failed })
            .await
            .expect("it holds the lease");
    }

    /// A submit's body of what was painted, changed before it is signed.
    pub fn signed(
        &self,
        grant: &LeaseGrant,
        painter: &mut Painter,
        all: &[Vec<PixelSum>],
        change: impl FnOnce(&mut Commit),
    ) -> Vec<u8> {
        let settings = &grant.settings;
        let result = |(unit, pixels): (&Unit, &Vec<PixelSum>)| UnitResult {
            unit: unit.index,
            root: tree::root(pixels),
            rays: sums::rays(pixels),
        };
        let scene = painter.scene(settings, grant.units[0].frame);
        let results = grant.units.iter().zip(all).map(result).collect();
        let mut commit = Commit::under(grant, self.key.node(), scene, results);
        change(&mut commit);
        let packed: Vec<_> = all.iter().map(|sums| tessera_film::pack::pack(sums)).collect();
        let signature = commit.sign(&self.key);
        let packed_bytes = packed.iter().map(|unit| unit.len() as u64).collect();
        encode(&SubmitHeader { commit, signature, packed_bytes }, &packed)
    }
}

/// What a cheat makes of a lease's units. `random` decides where it strikes.
pub fn paint(
    grant: &LeaseGrant,
    painter: &mut Painter,
    cheat: Cheat,
    random: u64,
) -> Vec<Vec<PixelSum>> {
    let random = random.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let paint = |unit: &Unit| painter.paint(cheat, &grant.settings, unit, random);
    grant.units.iter().map(paint).collect()
}

/// Two frames of the sample film, small, in eight units.
pub async fn bait(client: &Client, folder: &Path) -> JobSpec {
    let film = tessera_scenes::sample_animation();
    let upload = async |name: &str, bytes: &[u8]| -> BlobHash {
        let file = folder.join(name);
        std::fs::write(&file, bytes).unwrap();
        client.upload(&file, tessera_client::no_progress()).await.expect("an upload").blob
    };
    let sky = upload("sky.hdr", film.environment.as_deref().expect("it has a sky")).await;
    let environment = Environment {
        blob: sky,
        strength: film.environment_strength,
        rotation_deg: film.environment_rotation_deg,
    };
    JobSpec {
        name: "bait".to_owned(),
        scene: upload("film.glb", &film.glb).await,
        settings: RenderSettings {
            width: 128,
            height: 128,
            spp: 4,
            max_bounces: 4,
            environment: Some(environment),
            ..RenderSettings::default()
        },
        frames: FrameSpan { first: FrameNumber(0), last: FrameNumber(1) },
        fps: FPS,
        tile: 64,
        samples_per_unit: 4,
        class: DeviceClass::Exact,
    }
}

/// Who paints it, and has another scene as well.
pub fn painter() -> Painter {
    let film = tessera_scenes::sample_animation();
    let other = tessera_scenes::conformance().swap_remove(0);
    Painter::new(
        Source::load(&film.glb, film.environment.as_deref()).expect("the film"),
        Source::load(&other.glb, None).expect("another scene"),
        FPS,
    )
}
