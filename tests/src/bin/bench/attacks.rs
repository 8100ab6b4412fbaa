//! What cheating brings, and what finding it costs.

use crate::{NO_AIM, row};
use anyhow::{Context as _, ensure};
use render_node::render::cpu::CpuBackend;
use render_node::render::{Backend as _, Brake};
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use tessera_film::pack::{pack, unpack};
use tessera_protocol::commit::AuditSecret;
use tessera_protocol::lease::Unit;
use tessera_protocol::node::NodeRecord;
use tessera_protocol::settings::{Environment, RenderSettings};
use tessera_protocol::tile::TileGrid;
use tessera_protocol::{
    BlobHash, CommitId, FrameNumber, PixelSum, SampleRange, UnitIndex, sums, tree,
};
use tessera_reference::{Pixel, PreparedFrame, Source};
use tessera_scenes::Sample;
use tessera_verify::audit::draw::draw;
use tessera_verify::audit::record::{self, NEW, USUAL};
use tessera_verify::audit::{Draws, Seed, looks};
use world::cheat::{Cheat, Painter};

/// Side of the tiles that cheats are tried on: units of 4,096 pixels.
const SIDE: u32 = 64;
/// Secrets that each false unit is audited with.
const SECRETS: u64 = 2_000;
/// The same, beside theory.
const MANY_SECRETS: u64 = 100_000;
/// Units of a node's life, and of one of its leases: one, so that being found costs least.
const LIFE: u64 = 4_000;
const LEASE: u64 = 1;
/// Pixel samples of a unit, at 64 a pixel.
const UNIT_SAMPLES: u64 = SIDE as u64 * SIDE as u64 * 64;
/// Lives that are lived for each cheat.
const LIVES: u64 = 200;

/// Prints a row for each cheat.
pub(crate) fn attack() -> anyhow::Result<()> {
    let film = tessera_scenes::sample_animation();
    let other = tessera_scenes::conformance().swap_remove(0);
    let sky = film.environment.as_deref();
    let (job, other) = (Source::load(&film.glb, sky)?, Source::load(&other.glb, None)?);
    let mut painter = Painter::new(job, other, film.fps);
    let settings = settings_of(&film, 256, 128, 4)?;
    let units = units(&settings, FrameNumber(24), SIDE)?;
    let mut paint = |cheat| -> Vec<Vec<PixelSum>> {
        (1..)
            .zip(&units)
            .map(|(n, unit)| painter.paint(cheat, &settings, unit, RANDOM.wrapping_mul(n)))
            .collect()
    };
    let honest = paint(Cheat::Honest);
    let honest_rays: u64 = honest.iter().map(|unit| sums::rays(unit)).sum();
    for cheat in Cheat::ALL {
        let false_units = paint(cheat);
        let found = |draws| detected(&honest, &false_units, draws, SECRETS);
        let rates = [found(USUAL), found(NEW)];
        let claimed: u64 = false_units.iter().map(|unit| sums::rays(unit)).sum();
        let pay = claimed as f64 / honest_rays as f64;
        let [usual, new] = rates.map(|rate| format!("{:.2} %", 100.0 * rate));
        let life = live(rates, pay);
        row(
            &format!("audit: {}", cheat.name()),
            &format!(
                "found in {usual} of the units of a proven node, {new} of a new one's; caught after \
                 {:.1} units; in {LIFE} units earns {:.4} of an honest node's",
                life.units_until_caught, life.earned
            ),
            &format!("earns less: {}", if life.earned < 1.0 { "met" } else { "missed" }),
            "units of 4,096 pixels of the sample film, 4 spp, each audited with 2,000 secrets; 200 \
             lives of a node under the rules of records, paid at once for what is not rejected",
        );
    }
    detection_beside_theory();
    leaked_secret();
    Ok(())
}

/// What a master that tells its secrets beforehand is good for: a node signs one commit after the
/// other until the draws miss what is false. The master sees nothing; a reader's own pixels do.
fn leaked_secret() {
    const PERCENT: usize = 11;
    const READERS: u64 = 10_000;
    const PIXELS: u32 = 100;
    let mut signed = vec![PixelSum { rays: 8, ..PixelSum::default() }; (SIDE * SIDE) as usize];
    let wrong = signed.len() * PERCENT / 100;
    let is_false = |pixel: &u32| (*pixel as usize) < wrong;
    let secret = AuditSecret([7; 32]);
    let (mut commits, rounds) = (0u64, 200u64);
    for round in 0..rounds {
        for n in 0u64.. {
            commits += 1;
            // Another false colour is another root, and with it another commit.
            signed[0].b = n + 1;
            let mut commit = [0; 32];
            commit[..8].copy_from_slice(&n.to_le_bytes());
            commit[8..16].copy_from_slice(&round.to_le_bytes());
            let seed = Seed::of(&secret, CommitId(commit));
            if !draw(&seed, UnitIndex(0), &signed, Draws::Some(USUAL)).iter().any(is_false) {
                break;
            }
        }
    }
    let found = (0..READERS).filter(|n| {
        draw(&seed(*n), UnitIndex(0), &signed, Draws::Some(PIXELS)).iter().any(is_false)
    });
    let found = 100.0 * found.count() as f64 / READERS as f64;
    let share = wrong as f64 / signed.len() as f64;
    row(
        &format!("audit: a master that leaks its secret, {PERCENT} % of the pixels false"),
        &format!(
            "a proven node signs {:.0} commits on average before one passes, a new one needs {:.1e}; a \
             reader's own {PIXELS} pixels of that unit find it in {found:.2} % of the readings",
            commits as f64 / rounds as f64,
            (1.0 - share).powi(-(NEW as i32)),
        ),
        NO_AIM,
        "a unit of 4,096 pixels, commits counted over 200 rounds, 10,000 readers; the new node's by \
         theory; farm verify draws a reader's pixels",
    );
}

/// An odd number without a pattern.
const RANDOM: u64 = 0x9e37_79b9_7f4a_7c15;

/// The share of audits that see a pixel which is not as it should be.
fn detected(honest: &[Vec<PixelSum>], signed: &[Vec<PixelSum>], draws: u32, secrets: u64) -> f64 {
    let (mut found, mut all) = (0, 0);
    for (place, (honest, signed)) in (0..).zip(honest.iter().zip(signed)) {
        for n in 0..secrets {
            let drawn = draw(&seed(n), UnitIndex(place), signed, Draws::Some(draws));
            let wrong = |&pixel: &u32| honest[pixel as usize] != signed[pixel as usize];
            found += u64::from(drawn.iter().any(wrong));
            all += 1;
        }
    }
    found as f64 / all as f64
}

pub(crate) fn seed(n: u64) -> Seed {
    let mut secret = [0; 32];
    secret[..8].copy_from_slice(&n.to_le_bytes());
    Seed::of(&AuditSecret(secret), CommitId([9; 32]))
}

/// What comes of cheating in every unit.
struct Life {
    units_until_caught: f64,
    earned: f64,
}

/// Lives of a node whose false units are found at these rates, by the usual draws and by those of a
/// new node, and pay so much of an honest unit each; a rejected lease pays nothing.
fn live([usual, new]: [f64; 2], pay: f64) -> Life {
    let (mut caught, mut earned) = (0, 0.0);
    let mut random = RANDOM;
    for _ in 0..LIVES {
        let (mut node, mut first) = (NodeRecord::default(), None);
        let mut done = 0;
        while done < LIFE && record::units_of_a_lease(&node) > 0 {
            done += LEASE;
            let unit = match record::draws(&node) {
                Draws::All => 1.0,
                Draws::Some(USUAL) => usual,
                Draws::Some(_) => new,
            };
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let uniform = (random >> 11) as f64 / (1u64 << 53) as f64;
            if uniform < 1.0 - (1.0 - unit).powi(LEASE as i32) {
                first.get_or_insert(done);
                node = record::rejected(node);
            } else {
                earned += pay * LEASE as f64;
                node = record::verified(node, LEASE * UNIT_SAMPLES);
            }
        }
        caught += first.unwrap_or(LIFE);
    }
    let lives = LIVES as f64;
    Life { units_until_caught: caught as f64 / lives, earned: earned / lives / LIFE as f64 }
}

/// Pixels spread over a unit are found as often as independent draws would find them.
fn detection_beside_theory() {
    let pixels = vec![PixelSum { rays: 8, ..PixelSum::default() }; (SIDE * SIDE) as usize];
    for percent in [1, 5, 10, 11, 25, 50, 100] {
        let mut signed = pixels.clone();
        let wrong = signed.len() * percent / 100;
        for n in 0..wrong {
            signed[n * 1213 % pixels.len()].r = 1;
        }
        let share = wrong as f64 / pixels.len() as f64;
        let of = |draws: u32| {
            let honest = std::slice::from_ref(&pixels);
            let found = detected(honest, std::slice::from_ref(&signed), draws, MANY_SECRETS);
            let theory = 1.0 - (1.0 - share).powi(draws as i32);
            (
                found,
                format!("{draws} draws: {:.2} %, theory {:.2} %", 100.0 * found, 100.0 * theory),
            )
        };
        let ((found, usual), (_, new)) = (of(USUAL), of(NEW));
        let aim = match percent {
            11.. => format!("≥ 99 %: {}", if found >= 0.99 { "met" } else { "missed" }),
            _ => NO_AIM.to_owned(),
        };
        let work = format!("audit: detection at {percent} % false pixels");
        row(
            &work,
            &format!("{usual}; {new}"),
            &aim,
            "a unit of 4,096 pixels alike, 100,000 secrets",
        );
    }
}

/// Prints what audits cost beside what they look at.
pub(crate) fn cost() -> anyhow::Result<()> {
    let film = tessera_scenes::sample_animation();
    for (side, draws, most) in
        [(64, USUAL, 1.0), (64, NEW, 5.0), (128, USUAL, 1.0), (128, NEW, 5.0)]
    {
        let measured = measure(&film, side, draws)?;
        let percent = 100.0 * measured.audit_s / measured.render_s;
        let per_ray = |seconds: f64| seconds * 1e9 / measured.rays as f64;
        let who = if draws == USUAL { "a proven node" } else { "a new node" };
        let figure = format!(
            "{percent:.2} % of the rendering's CPU time ({:.2} of {:.0} CPU s for 10^9 rays; preparing \
             {:.2}); a GPU 100 times as fast needs {:.2} auditors; full redundancy: 100 %",
            per_ray(measured.audit_s),
            per_ray(measured.render_s),
            per_ray(measured.prepare_s),
            percent,
        );
        let aim = format!("≤ {most} %: {}", if percent <= most { "met" } else { "missed" });
        let how = format!(
            "a frame of the sample film, 640×360, 48 spp, tiles of {side}², {draws} draws a unit; one \
             thread; audit: reading the scene, preparing the frame once, unpacking, roots, draws, \
             pixels; no database, no disk"
        );
        row(&format!("audit of {who}, units of {side}²"), &figure, &aim, &how);
    }
    Ok(())
}

struct Cost {
    render_s: f64,
    audit_s: f64,
    prepare_s: f64,
    rays: u64,
}

fn measure(film: &Sample, side: u32, draws: u32) -> anyhow::Result<Cost> {
    let settings = settings_of(film, film.width, film.height, film.spp)?;
    let number = FrameNumber(24);
    let units = units(&settings, number, side)?;
    let sky = film.environment.as_deref();
    let prepare = || -> anyhow::Result<PreparedFrame> {
        let time_s = f64::from(number.0) / f64::from(film.fps);
        Ok(Source::load(&film.glb, sky)?.frame(&settings, number, time_s)?)
    };
    let begun = cpu_s();
    let mut cpu = CpuBackend::new(Some(1));
    cpu.load(Arc::new(prepare()?))?;
    let mut render = |unit: &Unit| cpu.render(unit.rect, unit.samples, &Brake::default());
    let all: Vec<Vec<PixelSum>> = units.iter().map(&mut render).collect::<Result<_, _>>()?;
    let packed: Vec<_> = all.iter().map(|sums| (pack(sums), tree::root(sums))).collect();
    let render_s = cpu_s() - begun;

    let begun = cpu_s();
    let frame = prepare()?;
    let prepare_s = cpu_s() - begun;
    let mut signed = Vec::new();
    for ((packed, root), unit) in packed.iter().zip(&units) {
        let sums = unpack(packed, unit.rect.pixels() as usize, usize::MAX)?;
        ensure!(tree::root(&sums) == *root, "a unit changed");
        signed.push(sums);
    }
    let looks = looks(&seed(1), &units, &signed, Draws::Some(draws));
    let pixels: Vec<_> =
        looks.iter().map(|look| Pixel { x: look.x, y: look.y, samples: look.samples }).collect();
    let found = tessera_reference::sums(&frame, &pixels, 1);
    let right = looks
        .iter()
        .zip(&found)
        .all(|(look, found)| signed[look.unit][look.pixel as usize] == *found);
    let audit_s = cpu_s() - begun;
    ensure!(right, "an honest pixel was not computed again");
    Ok(Cost { render_s, audit_s, prepare_s, rays: all.iter().map(|unit| sums::rays(unit)).sum() })
}

pub(crate) fn settings_of(
    film: &Sample,
    width: u32,
    height: u32,
    spp: u32,
) -> anyhow::Result<RenderSettings> {
    let sky = film.environment.as_deref().context("the film has a sky")?;
    let environment = Environment {
        blob: BlobHash::of(sky),
        strength: film.environment_strength,
        rotation_deg: film.environment_rotation_deg,
    };
    let (max_bounces, environment) = (film.max_bounces, Some(environment));
    Ok(RenderSettings { width, height, spp, max_bounces, environment, ..Default::default() })
}

pub(crate) fn units(
    settings: &RenderSettings,
    frame: FrameNumber,
    side: u32,
) -> anyhow::Result<Vec<Unit>> {
    let grid = TileGrid::new(settings.width, settings.height, side).context("a grid")?;
    let samples = SampleRange { start: 0, end: settings.spp };
    let unit = |n| Some(Unit { index: UnitIndex(n), frame, rect: grid.rect(n)?, samples });
    Ok((0..grid.count()).filter_map(unit).collect())
}

/// CPU time of this process, in seconds.
fn cpu_s() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
