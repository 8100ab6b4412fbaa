//! What results cost on their way, without the network: packed and signed by a node, checked and
//! unpacked by a master.

use crate::{NO_AIM, room, row};
use anyhow::{Context as _, ensure};
use render_node::render::cpu::CpuBackend;
use render_node::render::{Backend as _, Brake, conformance};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tessera_farm_core::accept::{check_commit, check_unit};
use tessera_farm_core::lease::Lease;
use tessera_film::pack::{pack, unpack};
use tessera_protocol::commit::{Commit, NodeKey, UnitResult};
use tessera_protocol::lease::Unit;
use tessera_protocol::node::DeviceClass;
use tessera_protocol::settings::RenderSettings;
use tessera_protocol::submit::{self, SubmitHeader};
use tessera_protocol::tile::TileGrid;
use tessera_protocol::{
    FrameNumber, Generation, JobId, LeaseId, MasterId, PixelSum, RayPrice, SampleRange,
    SceneFactor, SceneHash, SecretHash, UnitIndex, sums, tree,
};
use tessera_reference::Source;
use tessera_reference::kernel_id;

/// How long each step is repeated: long enough that a clock's grain and a cold cache don't count.
const AT_LEAST: Duration = Duration::from_secs(1);

pub(crate) fn move_tiles() -> anyhow::Result<()> {
    const SIDE: u32 = 64;
    const SAMPLES: u32 = 16;
    let tiles = rendered_tiles(256, SIDE, SAMPLES)?;
    let count = tiles.len() as u64;
    let pixels = (SIDE * SIDE) as usize;
    let raw_mb = (tiles.len() * pixels * PixelSum::BYTES) as f64 / 1e6;
    let work = "pack, sign, check 64² tiles";
    let of =
        "one thread, the 16 tiles of `room` at 256², 16 spp, again and again; MB are of raw sums";
    let print = |step: &str, seconds: f64| {
        let (tiles, megabytes) = (count as f64 / seconds, raw_mb / seconds);
        let figure = format!("{step}: {tiles:.0} tiles/s, {megabytes:.0} MB/s");
        row(work, &figure, NO_AIM, of);
    };

    let packed: Vec<_> = tiles.iter().map(|tile| pack(tile)).collect();
    let packs = || tiles.iter().zip(&packed).all(|(tile, packed)| pack(tile) == *packed);
    print("pack", seconds_a_round(packs)?);
    let unpacks = |(tile, packed): (&Vec<PixelSum>, &Vec<u8>)| {
        unpack(packed, pixels, usize::MAX).is_ok_and(|unpacked| unpacked == *tile)
    };
    print("unpack", seconds_a_round(|| tiles.iter().zip(&packed).all(unpacks))?);

    let key = NodeKey::generate()?;
    let lease = Lease {
        id: LeaseId([1; 16]),
        generation: Generation(1),
        job: JobId([2; 16]),
        kernel: kernel_id(),
        node: key.node(),
        secret: SecretHash([3; 32]),
        units: 0..count,
        second_of: None,
        class: DeviceClass::Exact,
        price: RayPrice(0),
        factor: SceneFactor::ONE,
    };
    let settings = settings_of_room(256, SAMPLES)?;
    let send = || {
        let result = |(unit, tile): (u64, &Vec<PixelSum>)| UnitResult {
            unit: UnitIndex(unit),
            root: tree::root(tile),
            rays: sums::rays(tile),
        };
        let commit = Commit {
            master: MasterId([12; 32]),
            class: DeviceClass::Exact,
            node: lease.node,
            job: lease.job,
            kernel: lease.kernel,
            scene: SceneHash([4; 32]),
            settings: settings.hash(),
            secret: lease.secret,
            lease: lease.id,
            generation: lease.generation,
            results: (0..).zip(&tiles).map(result).collect(),
        };
        sealed(&key, commit, &packed)
    };
    let body = send();
    print("hash and sign one commit", seconds_a_round(|| send() == body)?);

    let grid = TileGrid::new(256, 256, SIDE).context("a grid")?;
    let receive = || -> anyhow::Result<()> {
        let (header, packed) = submit::decode(&body)?;
        check_commit(MasterId([12; 32]), &lease, &settings, &header.commit, &header.signature)?;
        for (result, packed) in header.commit.results.iter().zip(packed) {
            let unit = Unit {
                index: result.unit,
                frame: FrameNumber(0),
                rect: grid.rect(result.unit.0).context("a tile of the grid")?,
                samples: SampleRange { start: 0, end: SAMPLES },
            };
            check_unit(&settings, &unit, result, &unpack(packed, pixels, usize::MAX)?)?;
        }
        Ok(())
    };
    receive()?;
    print("verify, unpack and check", seconds_a_round(|| receive().is_ok())?);
    let bytes = packed.iter().map(Vec::len).sum::<usize>() as f64 / (tiles.len() * pixels) as f64;
    let figure = format!("{bytes:.2} bytes a pixel of {}", PixelSum::BYTES);
    row(work, &figure, NO_AIM, "packed size of the same tiles");
    Ok(())
}

/// Mean wall time of `round`, which says whether it went well.
fn seconds_a_round(round: impl Fn() -> bool) -> anyhow::Result<f64> {
    let start = Instant::now();
    let mut rounds = 0;
    while start.elapsed() < AT_LEAST {
        ensure!(round(), "a tile changed on its way");
        rounds += 1;
    }
    Ok(start.elapsed().as_secs_f64() / f64::from(rounds))
}

/// The tiles of a frame of `room`, row by row.
pub(crate) fn rendered_tiles(side: u32, tile: u32, spp: u32) -> anyhow::Result<Vec<Vec<PixelSum>>> {
    let settings = settings_of_room(side, spp)?;
    let frame = Source::load(&room()?.glb, None)?.frame(&settings, FrameNumber(0), 0.0)?;
    let mut cpu = CpuBackend::new(None);
    cpu.load(Arc::new(frame))?;
    let grid = TileGrid::new(side, side, tile).context("a grid")?;
    let samples = SampleRange { start: 0, end: spp };
    let render = |rect| Ok(cpu.render(rect, samples, &Brake::default())?);
    (0..grid.count()).filter_map(|index| grid.rect(index)).map(render).collect()
}

fn settings_of_room(side: u32, spp: u32) -> anyhow::Result<RenderSettings> {
    let settings = conformance::settings_of(&room()?);
    Ok(RenderSettings { width: side, height: side, spp, ..settings })
}

/// A submit's body.
pub(crate) fn sealed(key: &NodeKey, commit: Commit, packed: &[Vec<u8>]) -> Vec<u8> {
    let signature = commit.sign(key);
    let packed_bytes = packed.iter().map(|unit| unit.len() as u64).collect();
    submit::encode(&SubmitHeader { commit, signature, packed_bytes }, packed)
}
