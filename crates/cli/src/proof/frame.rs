//! The sums of one frame, looked at with the reader's own eyes.

use super::check::{How, Report};
use super::folder::{Told, result};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use tessera_farm_core::accept::check_unit;
use tessera_farm_core::plan::Plan;
use tessera_film::{Film, pack};
use tessera_protocol::lease::Unit;
use tessera_protocol::node::DeviceClass;
use tessera_protocol::receipt::Receipt;
use tessera_protocol::verdict::{Alike, Unlike, Verdict, Wrong};
use tessera_protocol::{FrameNumber, LeaseId, NodeId, PixelSum, submit};
use tessera_reference::{Pixel, PreparedFrame, Source, sums};
use tessera_verify::alike::{Likeness, Looked, within as is_within};
use tessera_verify::audit::record::{NEW, USUAL};
use tessera_verify::audit::{Draws, Seed, looks};

/// Memory for one unit's sums: the largest tile has 2^20 pixels of 33 bytes.
const UNPACK_BYTES: usize = 64 << 20;

/// Looks at one frame after the other.
pub(super) struct Looker<'a> {
    folder: &'a Path,
    told: &'a Told,
    plan: &'a Plan,
    source: Option<Source>,
    how: How,
    random: blake3::OutputReader,
}

/// A lease's sums, unit by unit.
struct Brought {
    lease: LeaseId,
    /// Who made it.
    node: NodeId,
    /// Whether the frame is made of it.
    enters: bool,
    units: Vec<Unit>,
    sums: Vec<Vec<PixelSum>>,
}

impl<'a> Looker<'a> {
    pub(super) fn new(
        folder: &'a Path,
        told: &'a Told,
        plan: &'a Plan,
        source: Option<Source>,
        how: How,
    ) -> Self {
        let random = blake3::Hasher::new_keyed(&how.seed).finalize_xof();
        Self { folder, told, plan, source, how, random }
    }

    pub(super) fn look_at(
        &mut self,
        number: FrameNumber,
        receipts: &[&Receipt],
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let mut all = Vec::new();
        for receipt in receipts {
            let looked = match &receipt.verdict {
                Verdict::Verified { pixels } => Some(*pixels),
                Verdict::Alike(alike) if alike.second.is_some() && alike.looked == 0 => None,
                Verdict::Alike(alike) => Some(alike.looked),
                Verdict::Rejected(_) => continue,
            };
            match self.read(receipt) {
                Ok(brought) => {
                    if let Some(pixels) = looked {
                        check_draws(receipt, &brought, pixels, report);
                    }
                    all.push(brought);
                }
                Err(what) => report.finding(what),
            }
        }
        check_pairs(receipts, &all, report);
        self.check_hash(number, &all, report);
        let Some(frame) = self.prepare(number, report) else { return Ok(()) };
        for receipt in receipts {
            let lease = receipt.commit.lease;
            if receipt.verdict.counts() && receipt.commit.scene != frame.hash {
                report.finding(format!(
                    "lease {lease} was of scene {} and frame {number} is scene {}",
                    receipt.commit.scene, frame.hash
                ));
            }
            if let Verdict::Rejected(wrong) = &receipt.verdict
                && let Err(what) = self.check_rejection(receipt, wrong, &frame)
            {
                report.finding(format!("lease {lease} was rejected, and {what}"));
            }
        }
        self.compute_again(number, &frame, &all, report);
        Ok(())
    }

    /// Whether a rejection is right: a master may frame a node.
    fn check_rejection(
        &self,
        receipt: &Receipt,
        wrong: &Wrong,
        frame: &PreparedFrame,
    ) -> Result<(), String> {
        let pixel = match wrong {
            Wrong::Scene { found, .. } if *found == frame.hash => return Ok(()),
            Wrong::Scene { found, .. } => {
                return Err(format!("its frame is scene {}, not {found}", frame.hash));
            }
            Wrong::Pixel(pixel) => pixel,
            Wrong::Unlike(unlike) => &unlike.pixel,
        };
        if receipt.commit.scene != frame.hash {
            return Err("not for its scene, which is another than the frame's".to_owned());
        }
        if !self.plan.unit(pixel.unit).is_some_and(|unit| pixel.is_of(&unit)) {
            return Err(
                "the pixel that it was rejected for is not where it is said to be".to_owned()
            );
        }
        let at = Pixel { x: pixel.x, y: pixel.y, samples: pixel.samples };
        if sums(frame, &[at], 1) != [pixel.found] {
            return Err(format!(
                "the kernel makes something else of pixel {},{} than the master says",
                pixel.x, pixel.y
            ));
        }
        let Wrong::Unlike(unlike) = wrong else { return Ok(()) };
        let &Unlike { looked, within, signed_rays, found_rays, .. } = unlike;
        if (Looked { looked, within, signed_rays, found_rays, farthest: 0 }).stands() {
            return Err("by the figures that are given for it it stands".to_owned());
        }
        if looked > within && is_within(&pixel.signed, &pixel.found, pixel.samples.count()) {
            return Err("the pixel that is shown for it is within tolerance".to_owned());
        }
        Ok(())
    }

    /// Sums that are those which were signed, and possible.
    fn read(&self, receipt: &Receipt) -> Result<Brought, String> {
        let lease = receipt.commit.lease;
        let path = result(self.folder, lease);
        let wrong = |what: &dyn std::fmt::Display| format!("the sums of lease {lease}: {what}");
        let body = std::fs::read(&path).map_err(|error| wrong(&error))?;
        let (header, packed) = submit::decode(&body).map_err(|error| wrong(&error))?;
        if header.commit != receipt.commit {
            return Err(wrong(&"they come with another commit than the receipt's"));
        }
        let enters = receipt.verdict.enters();
        let node = receipt.commit.node;
        let mut brought = Brought { lease, node, enters, units: vec![], sums: vec![] };
        for (signed, packed) in receipt.commit.results.iter().zip(packed) {
            let unit = self.plan.unit(signed.unit).ok_or_else(|| wrong(&"no such unit"))?;
            let pixels = unit.rect.pixels() as usize;
            let sums = pack::unpack(packed, pixels, UNPACK_BYTES)
                .map_err(|error| wrong(&format!("unit {}: {error}", unit.index)))?;
            check_unit(&self.told.job.spec.settings, &unit, signed, &sums)
                .map_err(|refused| wrong(&refused))?;
            brought.units.push(unit);
            brought.sums.push(sums);
        }
        Ok(brought)
    }

    fn check_hash(&self, number: FrameNumber, all: &[Brought], report: &mut Report) {
        let told = self.told.frames.iter().find(|frame| frame.frame == number);
        let Some(hash) = told.and_then(|frame| frame.hash) else { return };
        let settings = &self.told.job.spec.settings;
        let mut film = Film::new(settings.width, settings.height, settings.spp);
        let mut added = BTreeSet::new();
        for brought in all.iter().filter(|brought| brought.enters) {
            for (unit, sums) in brought.units.iter().zip(&brought.sums) {
                // What was rendered twice is the same twice, which `check` sees to.
                if !added.insert(unit.index) {
                    continue;
                }
                if let Err(error) = film.add(unit.rect, unit.samples, sums) {
                    report.finding(format!("frame {number}: {error}"));
                    return;
                }
            }
        }
        match film.finish() {
            Ok(frame) if frame.hash() == hash => report.frames += 1,
            Ok(frame) => report.finding(format!(
                "frame {number} comes to {} out of its sums and was shown as {hash}",
                frame.hash()
            )),
            Err(error) => report.finding(format!("frame {number}: {error}")),
        }
    }

    fn prepare(&mut self, number: FrameNumber, report: &mut Report) -> Option<Arc<PreparedFrame>> {
        let spec = &self.told.job.spec;
        let frame = self.source.as_mut()?.frame(&spec.settings, number, spec.time_s(number));
        match frame {
            Ok(frame) => Some(Arc::new(frame)),
            Err(error) => {
                report.finding(format!("frame {number} cannot be prepared: {error}"));
                None
            }
        }
    }

    /// Computes this frame's share of the pixels, chosen at random among all of its own.
    fn compute_again(
        &mut self,
        number: FrameNumber,
        frame: &PreparedFrame,
        all: &[Brought],
        report: &mut Report,
    ) {
        let places: Vec<_> = all
            .iter()
            .flat_map(|brought| (0..brought.units.len()).map(move |unit| (brought, unit)))
            .collect();
        if places.is_empty() {
            return;
        }
        let share = self.how.pixels.div_ceil(self.plan.frames());
        let chosen: Vec<_> = (0..share)
            .map(|_| {
                let (brought, unit) = places[self.below(places.len())];
                (brought, unit, self.below(brought.sums[unit].len()))
            })
            .collect();
        let pixel = |(brought, unit, at): &(&Brought, usize, usize)| {
            let Unit { rect, samples, .. } = brought.units[*unit];
            let at = *at as u32;
            Pixel { x: rect.x + at % rect.width, y: rect.y + at / rect.width, samples }
        };
        let pixels: Vec<_> = chosen.iter().map(pixel).collect();
        let found = sums(frame, &pixels, self.how.threads);
        report.pixels += share;
        let mut far = 0;
        for (((brought, unit, at), pixel), found) in chosen.iter().zip(&pixels).zip(found) {
            let signed = brought.sums[*unit][*at];
            if self.told.job.spec.class == DeviceClass::Tolerant {
                far += u64::from(!is_within(&signed, &found, pixel.samples.count()));
            } else if signed != found {
                report.finding(format!(
                    "pixel {},{} of frame {number}, samples {} to {} (unit {}, lease {}), was \
                     verified as {signed:?} and is {found:?}",
                    pixel.x,
                    pixel.y,
                    pixel.samples.start,
                    pixel.samples.end,
                    brought.units[*unit].index,
                    brought.lease
                ));
            }
        }
        report.far += far;
        // A frame that was made up must not hide among others that are right.
        if share >= 4 && 2 * far > share {
            report.finding(format!(
                "{far} of {share} pixels of frame {number} that were computed again are not within \
                 tolerance"
            ));
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        let mut word = [0; 8];
        self.random.fill(&mut word);
        ((u128::from(u64::from_le_bytes(word)) * bound as u128) >> 64) as usize
    }
}

/// Both renders of a pair must be as alike as their receipts say.
fn check_pairs(receipts: &[&Receipt], all: &[Brought], report: &mut Report) {
    let brought = |lease: LeaseId| all.iter().find(|brought| brought.lease == lease);
    for receipt in receipts {
        let Verdict::Alike(Alike { second: Some(second), looked, .. }) = &receipt.verdict else {
            continue;
        };
        let lease = receipt.commit.lease;
        let Some(own) = brought(lease) else { continue };
        match brought(second.lease) {
            Some(other) if other.node == own.node || other.enters == own.enters => {
                report.finding(format!(
                    "lease {lease} was verified by lease {}, which is no second render of another node's",
                    second.lease
                ));
            }
            Some(other) => {
                let found = likeness(own, other);
                if (found.within_ppm, found.distance) != (second.within_ppm, second.distance) {
                    report.finding(format!(
                        "lease {lease} and its second render {} are alike in {} of a million pixels \
                         and {} bits apart, and the receipt says {} and {}",
                        second.lease,
                        found.within_ppm,
                        found.distance,
                        second.within_ppm,
                        second.distance
                    ));
                } else if *looked == 0 && !found.is_alike() {
                    report.finding(format!(
                        "lease {lease} was verified by a second render that is not like it"
                    ));
                }
            }
            // The other was rejected, or its receipt is not here: then the twin must have looked.
            None if *looked > 0 => {}
            None => report.finding(format!(
                "lease {lease} was verified by lease {} alone, whose sums are not here",
                second.lease
            )),
        }
    }
}

fn likeness(first: &Brought, second: &Brought) -> Likeness {
    let same = first.units.len() == second.units.len()
        && first.units.iter().zip(&second.units).all(|(a, b)| a == b);
    let pairs = first.units.iter().zip(first.sums.iter().zip(&second.sums));
    let likenesses = pairs.map(|(unit, (first, second))| match same {
        true => Likeness::of(unit, first, second),
        false => Likeness::of(unit, first, &[]),
    });
    likenesses.reduce(Likeness::worse).unwrap_or(Likeness::SAME)
}

/// As many pixels must have been looked at as one of the rules says, with this secret and commit.
fn check_draws(receipt: &Receipt, brought: &Brought, looked: u64, report: &mut Report) {
    let seed = Seed::of(&receipt.secret, receipt.commit.id());
    let rules = [Draws::Some(USUAL), Draws::Some(NEW), Draws::All];
    let drawn = rules.map(|draws| looks(&seed, &brought.units, &brought.sums, draws).len() as u64);
    if !drawn.contains(&looked) {
        report.finding(format!(
            "lease {} was verified by {looked} pixels, and the rules draw {}, {} or {}",
            brought.lease, drawn[0], drawn[1], drawn[2]
        ));
    }
}
