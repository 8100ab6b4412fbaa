//! When a lease is given a second time: to somebody who would otherwise have nothing to do, where it takes much
//! longer than it usually would.
//!
//! Near a job's end all its units are leased, and the slowest node decides when it is over. Each of the two is paid
//! if its result is verified before the job is over, and the first one is used; so this costs its artist at most
//! what the last leases cost, and only where the job can pay for it.

/// What is known of how long units of the same frame take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usual {
    /// Milliseconds that results took, from lease to submit, all together.
    pub took_ms: u64,
    /// Units in them.
    pub units: u64,
}

/// No lease is given twice that is younger: what it takes to come and go is not the node's.
pub const LEAST_AGE_MS: u64 = 2_000;
/// How old a lease has to be of a frame of which no result has come.
pub const UNKNOWN_MS: u64 = 30_000;

/// Whether a lease of so many units takes so long that another node may have them as well: `times` as long as usual.
/// Never, for `times` of 0.
pub fn is_straggler(age_ms: u64, units: u64, usual: Usual, times: u32) -> bool {
    if times == 0 {
        return false;
    }
    let due_ms = match usual.units {
        0 => UNKNOWN_MS,
        of => {
            let all = (u128::from(usual.took_ms) * u128::from(units)).saturating_mul(times.into());
            u64::try_from(all / u128::from(of)).unwrap_or(u64::MAX)
        }
    };
    age_ms > due_ms.max(LEAST_AGE_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_straggles_when_it_takes_times_as_long_as_usual() {
        // Three seconds a unit.
        let usual = Usual { took_ms: 30_000, units: 10 };
        assert!(!is_straggler(12_000, 2, usual, 2));
        assert!(is_straggler(12_001, 2, usual, 2));
        assert!(!is_straggler(12_001, 3, usual, 2), "it has more to do");
        assert!(!is_straggler(12_001, 2, usual, 3), "the operator waits longer");
    }

    #[test]
    fn what_is_young_or_unknown_is_left_alone_for_a_while_and_by_order_for_ever() {
        let quick = Usual { took_ms: 10, units: 10 };
        assert!(!is_straggler(LEAST_AGE_MS, 1, quick, 2));
        assert!(is_straggler(LEAST_AGE_MS + 1, 1, quick, 2));
        assert!(!is_straggler(UNKNOWN_MS, 1, Usual::default(), 2));
        assert!(is_straggler(UNKNOWN_MS + 1, 1, Usual::default(), 2));
        assert!(!is_straggler(u64::MAX, 1, quick, 0));
        let endless = Usual { took_ms: u64::MAX, units: 1 };
        assert!(!is_straggler(u64::MAX, u64::MAX, endless, u32::MAX));
    }
}
