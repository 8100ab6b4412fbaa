//! How well a scene's factor predicts what its rays cost the CPU backend.
//!
//! On the sample scenes, on denser ones, and on files named as arguments: each `.glb`, with an `.hdr`
//! after it where it has one. Time is this thread's CPU time, the best of five tries.

#[path = "../../tests/support/mod.rs"]
mod support;

mod dense;

use rustix::time::{ClockId, clock_gettime};
use support::Job;
use tessera_protocol::settings::Background;
use tessera_protocol::{QuoteSeed, SampleRange};
use tessera_quote::factor::{CALIBRATION_MILLI, Counted, factor};
use tessera_quote::look;
use tessera_reference::{Pixel, PreparedFrame, sums};

fn main() {
    let mut rows = Vec::new();
    let mut slowest = (0.0, String::new(), 0);
    println!(
        "{:30} {:>6} {:>9} {:>7} | {:>6} {:>6} {:>6} {:>6} | {:>7} {:>7} {:>6} {:>9}",
        "scene",
        "frame",
        "triangles",
        "Mrays/s",
        "hits",
        "nodes",
        "inst.",
        "tri.",
        "weight",
        "ratio",
        "factor",
        "count, ms",
    );
    for job in jobs() {
        let mut source = job.source();
        let span = job.spec.frames;
        for number in (span.first.0..=span.last.0).step_by(12) {
            let frame = job.frame(&mut source, number);
            rows.push(row(&job.spec.name, number, &frame));
        }
        let start = cpu_ns();
        let look = look(&mut source, &job.spec, &QuoteSeed([7; 32]), 1).expect("it was rendered");
        let took = cpu_ns() - start;
        if took > slowest.0 {
            slowest = (took, job.spec.name, look.probe.pixels());
        }
    }
    summarize(&rows);
    let (ns, name, pixels) = slowest;
    println!("slowest look: {name}, {:.2} s of one core, {pixels} samples of pixels", ns / 1e9);
}

struct Row {
    name: String,
    ns: f64,
    ratio: f64,
    factor: f64,
}

fn row(name: &str, number: u32, frame: &PreparedFrame) -> Row {
    let ns = ns_per_ray(frame);
    let start = cpu_ns();
    let mut counted = Counted::default();
    counted.look(&frame.scene, 1, &QuoteSeed([7; 32]));
    let count_ms = (cpu_ns() - start) / 1e6;
    let steps = counted.steps();
    let each = |count: u64| count as f64 / steps.rays as f64;
    let ratio = steps.mean_weight_milli() as f64 / CALIBRATION_MILLI as f64;
    let factor = factor(&steps);
    println!(
        "{name:30} {number:6} {:9} {:7.2} | {:6.2} {:6.2} {:6.2} {:6.2} | {:7.1} {ratio:7.3} {factor:>6} {count_ms:9.1}",
        frame.scene.triangles.len(),
        1e3 / ns,
        each(steps.hits),
        each(steps.nodes),
        each(steps.instances),
        each(steps.triangles),
        steps.mean_weight_milli() as f64 / 1e3,
    );
    Row { name: name.to_owned(), ns, ratio, factor: f64::from(factor.0) / 1e3 }
}

/// The correlations, and what a factored ray costs where it is cheapest and dearest.
fn summarize(rows: &[Row]) {
    let ns: Vec<_> = rows.iter().map(|row| row.ns).collect();
    let ratios: Vec<_> = rows.iter().map(|row| row.ratio).collect();
    let factors: Vec<_> = rows.iter().map(|row| row.factor).collect();
    let logs = |values: &[f64]| values.iter().map(|x| libm::log(*x)).collect::<Vec<_>>();
    for (what, predicted) in [("ratio", &ratios), ("factor", &factors)] {
        let (log_ns, log_predicted) = (logs(&ns), logs(predicted));
        let off: Vec<_> = log_ns.iter().zip(&log_predicted).map(|(a, b)| a - b).collect();
        println!(
            "{what}: correlation {:.3}, of logarithms {:.3}; a ray of factor 1 takes {:.0} ns, × or ÷ {:.2} (1 σ)",
            correlation(&ns, predicted),
            correlation(&log_ns, &log_predicted),
            libm::exp(mean(&off)),
            libm::exp(libm::sqrt(correlated(&off, &off))),
        );
    }
    println!("without a factor: × or ÷ {:.2} (1 σ)", {
        let logs = logs(&ns);
        libm::exp(libm::sqrt(correlated(&logs, &logs)))
    });
    let mut rows: Vec<_> = rows.iter().map(|row| (row.ns / row.factor, &row.name)).collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (ns, name) in rows.iter().take(4).chain(&rows[rows.len() - 4..]) {
        println!("  {name}: {ns:.0} ns for a factored ray");
    }
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

fn correlated(x: &[f64], y: &[f64]) -> f64 {
    let (mx, my) = (mean(x), mean(y));
    x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>() / x.len() as f64
}

fn correlation(x: &[f64], y: &[f64]) -> f64 {
    correlated(x, y) / libm::sqrt(correlated(x, x) * correlated(y, y))
}

fn cpu_ns() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

/// Over some thousand pixels, spread evenly.
fn ns_per_ray(frame: &PreparedFrame) -> f64 {
    let width = frame.scene.frame.width;
    let all = width * frame.scene.frame.height;
    let pixels: Vec<_> = (0..all)
        .step_by((all / 4000).max(1) as usize)
        .map(|i| Pixel { x: i % width, y: i / width, samples: SampleRange { start: 0, end: 8 } })
        .collect();
    let once = |_| {
        let start = cpu_ns();
        let rays: u64 = sums(frame, &pixels, 1).iter().map(|sum| sum.rays).sum();
        (cpu_ns() - start) / rays as f64
    };
    (0..5).map(once).fold(f64::MAX, f64::min)
}

fn jobs() -> Vec<Job> {
    // Rooms of all sizes are one scene here.
    let sample = tessera_scenes::conformance().into_iter();
    let sample = sample.filter(|scene| !scene.name.starts_with("room-"));
    let mut jobs: Vec<_> = sample.map(|scene| Job::of_scene(scene).sized(96, 96, 64)).collect();
    jobs.push(Job::mosaic().sized(640, 360, 8));
    jobs.extend(
        dense::models()
            .into_iter()
            .map(|(name, model)| Job::of_model(name, &model, 5).sized(128, 96, 64)),
    );
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let name = path.rsplit('/').next().unwrap_or(&path).to_owned();
        if name.ends_with(".hdr") {
            let last = jobs.pop().expect("an .hdr stands after its .glb");
            jobs.push(Job::new(&last.spec.name, last.glb, Some(bytes), 7).sized(160, 160, 64));
        } else {
            let mut job = Job::new(&name, bytes, None, 7).sized(160, 160, 64);
            job.spec.settings.background = Background::Black;
            jobs.push(job);
        }
    }
    jobs
}
