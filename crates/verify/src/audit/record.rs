//! What a node's record means for how hard it is looked at, and how much it is given.
//!
//! | record | draws a unit | units a lease, and held |
//! |---|---|---|
//! | new: fewer than [`PROVEN`] pixel samples verified | [`NEW`] | [`FEW`], [`HELD`] |
//! | proven | [`USUAL`] | no limit of the record's |
//! | rejected, and fewer than [`PROVEN`] verified since | all | [`FEW`], [`HELD`] |
//! | rejected [`BARRED`] times without as many times [`PROVEN`] verified between | - | none |
//!
//! Whoever abandons leases gets half as much with each, until a result is verified; a second render of a
//! tolerant job's result is taken whole, and then one at a time.
//!
//! A record is counted in pixel samples, since units may be tiny. A new key begins as new, so throwing a
//! bad record away costs what the record of a new one costs.

use super::draw::Draws;
use tessera_protocol::lease::LeaseGrant;
use tessera_protocol::node::NodeRecord;

/// Pixel samples that a node has to have verified, one after the other, before it counts as proven, and
/// before one rejection is past: some 10^8 rays, a frame or two of a film.
pub const PROVEN: u64 = 1 << 24;
/// Draws a unit of a proven node: 11 % of false pixels are found 99 times in 100.
pub const USUAL: u32 = 40;
/// Draws a unit of a new node: 3 % of false pixels are found 99 times in 100.
pub const NEW: u32 = 160;
/// Units of a lease for whoever is not proven.
pub const FEW: u64 = 32;
/// Units that whoever is not proven may have leased, or brought without their having been audited: a
/// lease's worth to work on while another is looked at.
pub const HELD: u64 = 2 * FEW;
/// Units of the largest lease, of which whoever is proven and abandoned one gets a part.
const MANY: u64 = LeaseGrant::MAX_UNITS as u64;
/// Rejections, none of them past, that end a node's work. One flipped bit is one.
pub const BARRED: u64 = 3;

/// How many pixels of each unit to look at.
pub fn draws(record: &NodeRecord) -> Draws {
    match (record.rejections, record.proven) {
        (1.., _) => Draws::All,
        (0, true) => Draws::Some(USUAL),
        (0, false) => Draws::Some(NEW),
    }
}

/// Most units of a lease; 0 where the node gets no more work. Each lease that it abandoned halves what it
/// gets, down to one unit, until a result of its is verified.
pub fn units_of_a_lease(record: &NodeRecord) -> u64 {
    let most = match (record.rejections, record.proven) {
        (BARRED.., _) => return 0,
        (0, true) if record.abandoned == 0 => return u64::MAX,
        (0, true) => MANY,
        _ => FEW,
    };
    halved(most, record)
}

/// Most units to have leased or unaudited; `None` where any number.
pub fn units_held(record: &NodeRecord) -> Option<u64> {
    match (record.rejections, record.proven, record.abandoned) {
        (0, true, 0) => None,
        (0, true, _) => Some(halved(2 * MANY, record)),
        _ => Some(halved(HELD, record)),
    }
}

fn halved(most: u64, record: &NodeRecord) -> u64 {
    let times = u32::try_from(record.abandoned).unwrap_or(u32::MAX);
    most.checked_shr(times).unwrap_or(0).max(1)
}

/// The record once another result was verified.
#[must_use]
pub fn verified(mut record: NodeRecord, pixel_samples: u64) -> NodeRecord {
    record.verified_since = record.verified_since.saturating_add(pixel_samples);
    while record.verified_since >= PROVEN && record.rejections > 0 {
        record.verified_since -= PROVEN;
        record.rejections -= 1;
    }
    record.proven |= record.rejections == 0 && record.verified_since >= PROVEN;
    record.abandoned = 0;
    record
}

/// The record once a result was rejected.
#[must_use]
pub fn rejected(record: NodeRecord) -> NodeRecord {
    let rejections = record.rejections.saturating_add(1);
    NodeRecord { verified_since: 0, proven: false, rejections, ..record }
}

/// The record once a lease ended without a result, and not because the node said goodbye.
#[must_use]
pub fn abandoned(record: NodeRecord) -> NodeRecord {
    NodeRecord { abandoned: record.abandoned.saturating_add(1), ..record }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn means(record: &NodeRecord) -> (Draws, u64) {
        (draws(record), units_of_a_lease(record))
    }

    #[test]
    fn a_record_is_earned_lost_and_earned_again() {
        let new = NodeRecord::default();
        assert_eq!(means(&new), (Draws::Some(NEW), FEW));
        let nearly = verified(new, PROVEN - 1);
        assert_eq!(means(&nearly), (Draws::Some(NEW), FEW));
        let proven = verified(nearly, 1);
        assert_eq!(means(&proven), (Draws::Some(USUAL), u64::MAX));

        let lost = rejected(proven);
        assert_eq!(means(&lost), (Draws::All, FEW));
        let nearly = verified(lost, PROVEN - 1);
        assert_eq!(means(&nearly), (Draws::All, FEW));
        let past = verified(nearly, 1);
        assert_eq!(means(&past), (Draws::Some(NEW), FEW), "one has to prove oneself again");
        assert_eq!(draws(&verified(past, PROVEN)), Draws::Some(USUAL));
    }

    #[test]
    fn who_drops_leases_soon_holds_next_to_nothing() {
        let limits = |record: &NodeRecord| (units_of_a_lease(record), units_held(record));
        let mut dropper = NodeRecord::default();
        let mut units = vec![];
        for _ in 0..8 {
            units.push(units_of_a_lease(&dropper));
            dropper = abandoned(dropper);
        }
        assert_eq!(units, [32, 16, 8, 4, 2, 1, 1, 1]);
        assert_eq!(limits(&dropper), (1, Some(1)));
        let endless = NodeRecord { abandoned: u64::MAX, ..dropper };
        assert_eq!(limits(&endless), (1, Some(1)));
        assert_eq!(limits(&verified(dropper, 1)), (FEW, Some(HELD)), "work makes up for it");

        let proven = verified(NodeRecord::default(), PROVEN);
        assert_eq!(limits(&proven), (u64::MAX, None));
        assert_eq!(limits(&abandoned(proven)), (128, Some(256)), "a machine may fail once");
        let barred = NodeRecord { rejections: BARRED, abandoned: 9, ..NodeRecord::default() };
        assert_eq!(units_of_a_lease(&barred), 0);
    }

    #[test]
    fn repetition_ends_it_and_one_mistake_does_not() {
        let mut record = verified(NodeRecord::default(), 10 * PROVEN);
        for n in 1..=BARRED {
            assert!(units_of_a_lease(&record) > 0, "{n}");
            record = rejected(record);
        }
        assert_eq!(units_of_a_lease(&record), 0);
        let mut spread = NodeRecord::default();
        for _ in 0..10 {
            spread = verified(rejected(spread), PROVEN);
            assert!(units_of_a_lease(&spread) > 0, "one in many is a flipped bit");
        }
    }

    proptest! {
        #[test]
        fn nobody_is_ever_looked_at_less_than_usual(
            steps in prop::collection::vec(prop::option::of(0u64..2 * PROVEN), 0..50),
        ) {
            let mut record = NodeRecord::default();
            for step in steps {
                record = match step {
                    Some(samples) => verified(record, samples),
                    None => rejected(record),
                };
                let least = match draws(&record) {
                    Draws::Some(draws) => draws >= USUAL,
                    Draws::All => true,
                };
                prop_assert!(least);
                prop_assert!(record.rejections == 0 || draws(&record) == Draws::All);
            }
        }
    }
}
