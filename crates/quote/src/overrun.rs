//! What happens when a job takes more than its quote foresaw.
//!
//! The artist pays up to the ceiling. What a job takes beyond it, the operator's reserve pays, up to a
//! multiple of the ceiling for a job and a sum for an account. Before work would be leased beyond that,
//! the job pauses and asks.
//!
//! [`decide`] says whether the next work may be leased, and counts what is leased already by what that is
//! expected to take. So the reserve's loss is at most its limit and what work in flight takes beyond its
//! expectation. Who pays for work that was judged is not asked here: the books' rule does it
//! (`tessera_ledger`), which fills the ceiling first.

use tessera_protocol::Amount;

/// How far an operator's reserve goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserve {
    /// A job may take this many thousandths of its ceiling, artist and reserve together; 1000 and
    /// below for no reserve.
    pub most_permille: u32,
    /// The reserve pays this much for all jobs of an account together.
    pub most_per_account: Amount,
}

impl Default for Reserve {
    /// Twice the ceiling, and 100 tokens for an account.
    fn default() -> Self {
        Self { most_permille: 2000, most_per_account: Amount(100_000_000) }
    }
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What its artist pays at most.
    pub ceiling: Amount,
    /// What its judged work took, whoever paid.
    pub charged: Amount,
    /// What its leased work is expected to take.
    pub in_flight: Amount,
    /// What the reserve paid for other jobs of its account, and is held to.
    pub reserve_of_others: Amount,
}

/// What follows for the next work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is below the ceiling.
    Continue,
    /// The reserve pays this much of it, and the artist the rest.
    FromReserve(Amount),
    /// It isn't leased: why, for the artist.
    Pause(String),
}

/// Whether work may be leased that is expected to take `next`.
pub fn decide(reserve: &Reserve, standing: &Standing, next: Amount) -> Decision {
    let Standing { ceiling, charged, in_flight, reserve_of_others } = *standing;
    let [top, next] = [ceiling.0, next.0].map(u128::from);
    let before = u128::from(charged.0) + u128::from(in_flight.0);
    let after = before + next;
    if after <= top {
        return Decision::Continue;
    }
    let most = top * u128::from(reserve.most_permille.max(1000)) / 1000;
    if after > most {
        let limit = if most > top {
            format!("the farm's reserve pays for a job until it has taken {} in all", amount(most))
        } else {
            "the farm has no reserve that would pay more".to_owned()
        };
        return Decision::Pause(pause(standing, next, &limit));
    }
    if u128::from(reserve_of_others.0) + (after - top) > u128::from(reserve.most_per_account.0) {
        let limit = format!(
            "the farm's reserve pays {} for all jobs of an account, {} of which others took",
            reserve.most_per_account, reserve_of_others
        );
        return Decision::Pause(pause(standing, next, &limit));
    }
    Decision::FromReserve(amount(after - before.max(top)))
}

fn pause(standing: &Standing, next: u128, limit: &str) -> String {
    let Standing { ceiling, charged, in_flight, .. } = standing;
    format!(
        "The job has taken {charged} and {in_flight} more is under way; its ceiling is {ceiling}. The \
         next work would take {}, and {limit}. You were charged no more than the ceiling. Raise it \
         with `farm top-up` to go on, or cancel the job and keep the frames that are done.",
        amount(next)
    )
}

fn amount(units: u128) -> Amount {
    Amount(u64::try_from(units).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn standing(ceiling: u64, charged: u64, in_flight: u64) -> Standing {
        let [ceiling, charged, in_flight] = [ceiling, charged, in_flight].map(Amount);
        Standing { ceiling, charged, in_flight, reserve_of_others: Amount(0) }
    }

    #[test]
    fn below_the_ceiling_above_it_and_beyond_the_reserve() {
        let reserve = Reserve::default();
        let next = |standing, next| decide(&reserve, &standing, Amount(next));
        assert_eq!(next(standing(1000, 500, 400), 100), Decision::Continue);
        assert_eq!(next(standing(1000, 500, 400), 101), Decision::FromReserve(Amount(1)));
        assert_eq!(next(standing(1000, 1500, 0), 500), Decision::FromReserve(Amount(500)));
        let Decision::Pause(why) = next(standing(1_000_000, 1_500_000, 250_000), 250_001) else {
            panic!("it goes on beyond twice the ceiling");
        };
        for part in ["1.500000", "0.250000", "1.000000", "0.250001", "2.000000", "farm top-up"] {
            assert!(why.contains(part), "{why}");
        }
    }

    #[test]
    fn an_accounts_jobs_share_one_sum() {
        let reserve = Reserve { most_permille: 3000, most_per_account: Amount(100) };
        let after =
            |others| Standing { reserve_of_others: Amount(others), ..standing(1000, 990, 0) };
        assert_eq!(decide(&reserve, &after(60), Amount(50)), Decision::FromReserve(Amount(40)));
        let Decision::Pause(why) = decide(&reserve, &after(61), Amount(50)) else {
            panic!("the account has taken all");
        };
        assert!(why.contains("0.000100") && why.contains("0.000061"), "{why}");
    }

    #[test]
    fn without_a_reserve_a_job_pauses_at_its_ceiling() {
        for most_permille in [0, 1000] {
            let reserve = Reserve { most_permille, most_per_account: Amount(u64::MAX) };
            assert_eq!(decide(&reserve, &standing(10, 9, 0), Amount(1)), Decision::Continue);
            let decision = decide(&reserve, &standing(10, 9, 0), Amount(2));
            assert!(matches!(decision, Decision::Pause(why) if why.contains("no reserve")));
        }
    }

    proptest! {
        /// A job of units that take `wrong` times what was expected, `window` of them under way.
        #[test]
        fn beyond_the_ceiling_the_reserve_pays_no_more_than_stated(
            ceiling in 1u64..1_000_000, expected in 1u64..10_000, wrong in 1u64..20,
            window in 1u64..8, most_permille in 0u32..5000, per_account in 0u64..1_000_000,
        ) {
            let reserve = Reserve { most_permille, most_per_account: Amount(per_account) };
            let (mut charged, mut artist, mut paid, mut leased) = (0, 0, 0, 0);
            for _ in 0..2000 {
                let at = standing(ceiling, charged, leased * expected);
                let go = leased < window
                    && !matches!(decide(&reserve, &at, Amount(expected)), Decision::Pause(_));
                if go {
                    leased += 1;
                } else if leased > 0 {
                    leased -= 1;
                    // As the books do: the ceiling first.
                    let due = expected * wrong;
                    let own = due.min(ceiling - artist);
                    (charged, artist, paid) = (charged + due, artist + own, paid + due - own);
                } else {
                    break;
                }
            }
            let limit = ceiling * u64::from(most_permille.max(1000)) / 1000 - ceiling;
            // What work under way took beyond its expectation.
            let surprise = window * expected * (wrong - 1);
            prop_assert!(paid <= limit.min(per_account) + surprise);
        }
    }
}
