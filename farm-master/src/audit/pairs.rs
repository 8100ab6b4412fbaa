//! Results of tolerant jobs: two nodes' results of the same units are compared, and the kernel's twin
//! is asked where they differ, or by chance.

use super::judging::{AuditError, Desk, Findings, ReadResult, portions, read_result};
use crate::store::proof::{Finding, Unaudited, UnauditedFrame};
use tessera_protocol::verdict::{Second, Unlike, Wrong};
use tessera_verify::alike::{Likeness, Looked, closer};
use tessera_verify::audit::judge::wrong_pixel;

/// Judges a second render and the first one with it; one by itself is left to the twin.
pub(super) fn compare(
    desk: &impl Desk,
    frame: &UnauditedFrame,
    of: &Unaudited,
) -> Result<Findings, AuditError> {
    let Some(own) = read_result(desk, frame, of)? else {
        return Ok(Findings { first: None, own: Finding::Lost });
    };
    let Some(first_of) = of.first.as_deref() else {
        return Ok(Findings { first: None, own: ask_twin(desk, frame, of, own, None)? });
    };
    let Some(first) = read_result(desk, frame, first_of)? else {
        let own = ask_twin(desk, frame, of, own, None)?;
        return Ok(Findings { first: Some(Finding::Lost), own });
    };
    let likeness = likeness(&first, &own);
    let beside = |other: &Unaudited| Second {
        lease: other.result.lease,
        within_ppm: likeness.within_ppm,
        distance: likeness.distance,
    };
    let (of_first, of_own) = (Some(beside(of)), Some(beside(first_of)));
    let same_scene = first.header.commit.scene == own.header.commit.scene;
    let proven = [first_of, of].iter().all(|of| of.record.proven && !of.whole);
    if !closer(same_scene && likeness.is_alike(), proven, &own.seed(of)) {
        return Ok(Findings {
            first: Some(Finding::Alike { second: of_first, looked: 0 }),
            own: Finding::Alike { second: of_own, looked: 0 },
        });
    }
    Ok(Findings {
        first: Some(ask_twin(desk, frame, first_of, first, of_first)?),
        own: ask_twin(desk, frame, of, own, of_own)?,
    })
}

/// What the twin says of one result.
fn ask_twin(
    desk: &impl Desk,
    frame: &UnauditedFrame,
    of: &Unaudited,
    result: ReadResult,
    second: Option<Second>,
) -> Result<Finding, AuditError> {
    let looks = result.looks(of);
    let signed = result.header.commit.scene;
    let mut sums = Vec::with_capacity(looks.len());
    for looks in portions(&looks) {
        let found = desk.compute(frame, looks)?;
        if found.scene != signed {
            return Ok(result.rejected(Wrong::Scene { signed, found: found.scene }));
        }
        sums.extend(found.sums);
    }
    let looked = Looked::of(&looks, &result.sums, &sums);
    if looked.stands() {
        return Ok(Finding::Alike { second, looked: looked.looked });
    }
    let farthest = looked.farthest;
    let pixel = wrong_pixel(&result.units, &result.sums, &looks[farthest], sums[farthest]);
    Ok(result.rejected(Wrong::Unlike(Unlike {
        looked: looked.looked,
        within: looked.within,
        signed_rays: looked.signed_rays,
        found_rays: looked.found_rays,
        pixel,
    })))
}

/// How alike two results of the same units are, the least alike unit deciding.
fn likeness(first: &ReadResult, second: &ReadResult) -> Likeness {
    let pairs = first.units.iter().zip(first.sums.iter().zip(&second.sums));
    pairs
        .map(|(unit, (first, second))| Likeness::of(unit, first, second))
        .reduce(Likeness::worse)
        .unwrap_or(Likeness::SAME)
}
