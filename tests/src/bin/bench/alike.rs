//! What devices that are not exact make of a tolerant job's units, and what cheats make of them: how
//! far apart the thresholds of `tessera_verify::alike` keep them.

use crate::attacks::{seed, settings_of, units};
use crate::{NO_AIM, row};
use anyhow::{Context as _, ensure};
use render_node::render::conformance;
use render_node::render::cpu::CpuBackend;
use render_node::render::gpu::spirv::Exactness;
use render_node::render::wgpu::WgpuBackend;
use render_node::render::{Backend as _, Brake};
use std::process::Command;
use std::sync::Arc;
use tessera_protocol::lease::Unit;
use tessera_protocol::settings::RenderSettings;
use tessera_protocol::{FrameNumber, PixelSum, sums};
use tessera_reference::{PreparedFrame, Source};
use tessera_shaders::wgsl;
use tessera_verify::alike::{CHANCE, DISTANCE, Likeness, Looked, WITHIN_PPM, closer, most_far};
use tessera_verify::audit::record::NEW;
use tessera_verify::audit::{Draws, looks};
use world::cheat::{Cheat, Painter};
use world::vulkan::Driver;

/// Side of the tiles.
const SIDE: u32 = 64;
/// Samples of a pixel of the film.
const SPP: u32 = 16;
/// Secrets that each unit is looked at with.
const SECRETS: u64 = 100;

/// A kernel and a device that need not agree with others in every bit.
struct Device {
    name: &'static str,
    driver: Driver,
    /// Whether division and root are the device's own, too.
    own_maths: bool,
}

const DEVICES: [Device; 4] = [
    Device { name: "lavapipe", driver: Driver::Lavapipe, own_maths: false },
    Device { name: "SwiftShader", driver: Driver::SwiftShader, own_maths: false },
    Device { name: "lavapipe, own division", driver: Driver::Lavapipe, own_maths: true },
    Device { name: "SwiftShader, own division", driver: Driver::SwiftShader, own_maths: true },
];

/// Units, the frame they are of, and what the twin makes of them.
struct Work {
    frame: Arc<PreparedFrame>,
    units: Vec<Unit>,
    right: Vec<Vec<PixelSum>>,
}

/// Prints the rows. The Vulkan loader reads its drivers when it first loads, so this is done by a
/// child of this program that has them from its beginning.
pub(crate) fn compare() -> anyhow::Result<()> {
    const CHILD: &str = "TESSERA_BENCH_HAS_DRIVERS";
    if std::env::var_os(CHILD).is_some() {
        return compare_here();
    }
    let here = Driver::ALL.iter().filter_map(|driver| driver.manifest().ok());
    let status = Command::new(std::env::current_exe()?)
        .arg("alike")
        .env(CHILD, "1")
        .env("NODEVICE_SELECT", "1")
        .env("VK_DRIVER_FILES", std::env::join_paths(here)?)
        .status()?;
    ensure!(status.success(), "the comparison ended with {status}");
    Ok(())
}

fn compare_here() -> anyhow::Result<()> {
    let work = all_work()?;
    let units: usize = work.iter().map(|work| work.units.len()).sum();
    for device in DEVICES {
        if let Err(reason) = device.driver.manifest() {
            row(device.name, "not measured", NO_AIM, &reason);
            continue;
        }
        let seen = honest(&device, &work)?;
        row(
            &format!("second render: {} beside the twin", device.name),
            &format!(
                "of {units} units {} not alike; the least alike: {:.2} % of its pixels within tolerance \
                 (at least {:.0}), {} bits apart (at most {DISTANCE}), rays {:.3} % apart (at most 0.2); the \
                 twin rejected {} of {} looks (of {NEW} draws at most {} beyond tolerance, {} allowed; rays \
                 at most {:.3} % apart, 0.5 allowed)",
                seen.unlike,
                f64::from(seen.least.within_ppm) / 1e4,
                f64::from(WITHIN_PPM) / 1e4,
                seen.least.distance,
                f64::from(seen.least.rays_ppm) / 1e4,
                seen.rejected,
                seen.looked,
                seen.most_far,
                most_far(u64::from(NEW)),
                100.0 * seen.rays_apart,
            ),
            &format!("none rejected: {}", if seen.rejected == 0 { "met" } else { "missed" }),
            "all conformance scenes and a frame of the sample film; arithmetic as the driver likes it",
        );
    }
    cheats(work.last().context("the film")?)
}

fn all_work() -> anyhow::Result<Vec<Work>> {
    let mut all = Vec::new();
    for scene in tessera_scenes::conformance() {
        let settings = conformance::settings_of(&scene);
        let mut source = Source::load(&scene.glb, scene.environment.as_deref())?;
        let frame = source.frame(&settings, FrameNumber(0), scene.time_s)?;
        all.push(work(frame, &settings, FrameNumber(0))?);
    }
    let (film, number) = (tessera_scenes::sample_animation(), FrameNumber(24));
    let settings = settings_of(&film, 256, 128, SPP)?;
    let mut source = Source::load(&film.glb, film.environment.as_deref())?;
    let frame = source.frame(&settings, number, f64::from(number.0) / f64::from(film.fps))?;
    all.push(work(frame, &settings, number)?);
    Ok(all)
}

fn work(
    frame: PreparedFrame,
    settings: &RenderSettings,
    number: FrameNumber,
) -> anyhow::Result<Work> {
    let (frame, units) = (Arc::new(frame), units(settings, number, SIDE)?);
    let mut cpu = CpuBackend::new(None);
    cpu.load(frame.clone())?;
    let mut render = |unit: &Unit| cpu.render(unit.rect, unit.samples, &Brake::default());
    let right = units.iter().map(&mut render).collect::<Result<_, _>>()?;
    Ok(Work { frame, units, right })
}

/// What honest units of a device were found to be.
struct Seen {
    least: Likeness,
    unlike: u64,
    looked: u64,
    rejected: u64,
    /// Most pixels of one look that were beyond tolerance.
    most_far: u64,
    /// The largest part by which the rays of one look differ.
    rays_apart: f64,
}

fn honest(device: &Device, all: &[Work]) -> anyhow::Result<Seen> {
    let mut kernel = wgsl::source();
    if device.own_maths {
        kernel = replace_body(&kernel, "fn div(", "return a / b;")?;
        kernel = replace_body(&kernel, "fn root(", "return sqrt(x);")?;
    }
    let name = Some(device.driver.device());
    let mut backend = WgpuBackend::with_kernel(name, &kernel, Exactness::Dropped)?;
    let mut seen = Seen {
        least: Likeness::SAME,
        unlike: 0,
        looked: 0,
        rejected: 0,
        most_far: 0,
        rays_apart: 0.0,
    };
    for work in all {
        backend.load(work.frame.clone())?;
        for (unit, right) in work.units.iter().zip(&work.right) {
            let made = backend.render(unit.rect, unit.samples, &Brake::default())?;
            let likeness = Likeness::of(unit, right, &made);
            seen.least = seen.least.worse(likeness);
            seen.unlike += u64::from(!likeness.is_alike());
            for n in 0..SECRETS {
                let looked = look(unit, right, &made, n);
                seen.looked += 1;
                seen.rejected += u64::from(!looked.stands());
                seen.most_far = seen.most_far.max(looked.looked - looked.within);
                let rays = [looked.signed_rays, looked.found_rays].map(|rays| rays as f64);
                seen.rays_apart = seen.rays_apart.max((rays[0] / rays[1].max(1.0) - 1.0).abs());
            }
        }
    }
    Ok(seen)
}

fn look(unit: &Unit, right: &[PixelSum], made: &[PixelSum], secret: u64) -> Looked {
    let made = [made.to_vec()];
    let looks = looks(&seed(secret), std::slice::from_ref(unit), &made, Draws::Some(NEW));
    let found: Vec<_> = looks.iter().map(|look| right[look.pixel as usize]).collect();
    Looked::of(&looks, &made, &found)
}

/// What each cheat, beside an honest second render and beside one that agrees with it, comes to.
fn cheats(work: &Work) -> anyhow::Result<()> {
    let film = tessera_scenes::sample_animation();
    let other = tessera_scenes::conformance().swap_remove(0);
    let sky = film.environment.as_deref();
    let (job, other) = (Source::load(&film.glb, sky)?, Source::load(&other.glb, None)?);
    let mut painter = Painter::new(job, other, film.fps);
    let settings = settings_of(&film, 256, 128, SPP)?;
    // A pair of a proven node's is looked at by the twin with this chance.
    let by_chance = (0..SECRETS * 100).filter(|&n| closer(true, true, &seed(n))).count() as f64
        / (SECRETS * 100) as f64;
    for cheat in Cheat::ALL {
        // A quantum is far below what may differ.
        if matches!(cheat, Cheat::FalsePercent(_)) {
            continue;
        }
        let (mut unlike, mut wrong, mut rejected, mut looked) = (0u64, 0u64, 0u64, 0u64);
        for (unit, right) in work.units.iter().zip(&work.right) {
            let made = painter.paint(cheat, &settings, unit, 0x9e37_79b9_7f4a_7c15);
            let likeness = Likeness::of(unit, right, &made);
            // What is right as far as a tolerant device can tell is no false unit: a sky needs no samples.
            if likeness.within_ppm == 1_000_000 {
                continue;
            }
            wrong += 1;
            unlike += u64::from(!likeness.is_alike());
            for n in 0..SECRETS {
                looked += 1;
                rejected += u64::from(!look(unit, right, &made, n).stands());
            }
        }
        let share = |part: u64, of: u64| 100.0 * part as f64 / of.max(1) as f64;
        let twin = share(rejected, looked);
        row(
            &format!("second render: {}", cheat.name()),
            &format!(
                "beside an honest one {:.1} % of false units are not alike; the twin rejects {twin:.1} %; two \
                 who agree are caught in {twin:.1} % of the units of new nodes, {:.1} % of proven ones",
                share(unlike, wrong),
                twin * by_chance,
            ),
            NO_AIM,
            &format!(
                "{wrong} of {} units of 4,096 pixels of the sample film are false, {SPP} spp, {NEW} draws; \
                 one pair in {CHANCE} is looked at by chance",
                work.units.len()
            ),
        );
    }
    let rays: u64 = work.right.iter().map(|unit| sums::rays(unit)).sum();
    row(
        "second render: cost",
        &format!("100 % of the rendering again ({rays} rays of {rays}), and the twin's looks"),
        NO_AIM,
        "every unit of a tolerant job is rendered twice: full redundancy, by construction",
    );
    Ok(())
}

/// A kernel with the body of one of its functions replaced.
fn replace_body(source: &str, function: &str, body: &str) -> anyhow::Result<String> {
    let start = source.find(function).with_context(|| format!("no {function} in the kernel"))?;
    let open = start + source[start..].find('{').context("no body")? + 1;
    let close = open + source[open..].find("\n}").context("no end")?;
    Ok(format!("{}\n    {body}{}", &source[..open], &source[close..]))
}
