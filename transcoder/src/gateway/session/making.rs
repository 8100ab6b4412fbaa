//! What one worker gives of one segment, checked as it comes.

use super::claim::{self, Expected};
use tessera_live_core::cut;
use tessera_media::wire::RenditionIndex;
use tessera_media::{AccessUnit, VideoFormat};
use tessera_protocol::commit::SignatureBytes;
use tessera_protocol::stream::{Ladder, Rendition, SegmentClaim};
use tessera_publish::spec::RenditionUnits;
use tessera_verify::structure::{Checked, RenditionCheck, Size, Source};

/// What a worker may send of one segment, as a multiple of what was asked for as long as the
/// segment can last.
const FLOOD: u64 = 3;

/// The renditions of a segment, as far as they are there.
pub(super) struct Making {
    renditions: Vec<Rung>,
    bytes: u64,
}

struct Rung {
    format: Option<VideoFormat>,
    check: Option<RenditionCheck>,
    units: Vec<AccessUnit>,
}

impl Making {
    /// Nothing yet, of renditions whose formats may be known from the segment before.
    pub(super) fn new(formats: Vec<Option<VideoFormat>>) -> Self {
        let of = |format| Rung { format, check: None, units: Vec::new() };
        Self { renditions: formats.into_iter().map(of).collect(), bytes: 0 }
    }

    fn rendition(&mut self, RenditionIndex(n): RenditionIndex) -> Result<&mut Rung, String> {
        let found = self.renditions.get_mut(usize::from(n));
        found.ok_or_else(|| format!("there is no rendition {n}"))
    }

    /// What a rendition's units are.
    pub(super) fn format(
        &mut self,
        index: RenditionIndex,
        format: VideoFormat,
    ) -> Result<(), String> {
        let rendition = self.rendition(index)?;
        if rendition.check.is_some() && rendition.format.as_ref() != Some(&format) {
            return Err("a rendition's format changed within a segment".to_owned());
        }
        rendition.format = Some(format);
        Ok(())
    }

    /// The next unit of a rendition.
    pub(super) fn unit(
        &mut self,
        index: RenditionIndex,
        unit: AccessUnit,
        asked: &Ladder,
        source: Size,
    ) -> Result<(), String> {
        self.bytes += unit.data.len() as u64;
        if self.bytes > flood(asked) {
            return Err("it sends much more than was asked for".to_owned());
        }
        let of = asked.renditions().get(usize::from(index.0));
        let rendition = self.rendition(index)?;
        let check = match &mut rendition.check {
            Some(check) => check,
            none => {
                let format = rendition.format.as_ref().ok_or("a unit came before its format")?;
                let of = of.ok_or("a rendition was not asked for")?;
                let check = RenditionCheck::new(of, source, format);
                none.insert(check.map_err(|refusal| refusal.to_string())?)
            }
        };
        check.unit(&unit).map_err(|refusal| refusal.to_string())?;
        rendition.units.push(unit);
        Ok(())
    }

    /// The units of each rendition.
    pub(super) fn units(&self) -> impl Iterator<Item = &[AccessUnit]> {
        self.renditions.iter().map(|rendition| &rendition.units[..])
    }

    /// Whether all of a segment has come, beside its source; why not, if not.
    pub(super) fn is_whole(&self, source: &Source) -> Result<(), String> {
        for Rung { check, .. } in &self.renditions {
            let check = check.as_ref().ok_or("a rendition is missing")?;
            check.times(source).map_err(|refusal| refusal.to_string())?;
        }
        Ok(())
    }

    /// Whether a claim is about what was asked, and says what came.
    pub(super) fn check_claim(
        &self,
        claim: &SegmentClaim,
        signature: &SignatureBytes,
        expected: &Expected,
        asked: &Ladder,
        source: &Source,
    ) -> Result<Vec<Checked>, String> {
        claim::check(claim, signature, expected)?;
        if claim.renditions.len() != self.renditions.len() {
            return Err("the claim has another number of renditions".to_owned());
        }
        let all = self.renditions.iter().zip(&claim.renditions).zip(asked.renditions());
        all.map(|((made, claimed), asked)| {
            let of = |what: String| format!("rendition {}: {what}", asked.name);
            if claimed.rendition != asked.name {
                return Err(of(format!("the claim calls it {}", claimed.rendition)));
            }
            let check = made.check.as_ref().ok_or_else(|| of("nothing came of it".to_owned()))?;
            let checked = check.finish(source).map_err(|refusal| of(refusal.to_string()))?;
            checked.agrees_with(claimed).map_err(|refusal| of(refusal.to_string()))?;
            Ok(checked)
        })
        .collect()
    }

    /// From `taken` on of each rendition, those that are shown before `end`; `taken` is moved behind
    /// them.
    pub(super) fn part(
        &self,
        asked: &[Rendition],
        taken: &mut [usize],
        shown_before: impl Fn(&AccessUnit) -> bool,
    ) -> Option<Vec<RenditionUnits>> {
        let all = self.renditions.iter().zip(asked).zip(taken);
        all.map(|((made, asked), taken)| {
            let until = made.units.partition_point(&shown_before).max(*taken);
            let units = made.units[*taken..until].to_vec();
            *taken = until;
            Some((asked.name.clone(), made.format.clone()?, units))
        })
        .collect()
    }

    /// All that came.
    pub(super) fn all(self, asked: &Ladder) -> Option<Vec<RenditionUnits>> {
        let all = self.renditions.into_iter().zip(asked.renditions());
        all.map(|(made, asked)| Some((asked.name.clone(), made.format?, made.units))).collect()
    }
}

/// Most bytes that a worker may give of one segment of this ladder.
fn flood(asked: &Ladder) -> u64 {
    let bytes: u64 = asked.renditions().iter().map(|r| u64::from(r.bits_per_s) / 8).sum();
    FLOOD * bytes * (cut::LONGEST.millis() as u64 / 1000 + 1)
}
