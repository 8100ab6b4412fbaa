//! Farms: what one operator's deployment is made of, and its rules.

pub mod init;
pub mod set;

use tessera_settlement_abi::account::Rules;
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::{GUARDIANS_MAX, Key, REPORTER_SHARE_BPS_MAX, WHOLE_BPS, WINDOW_S_MAX};

use crate::checks::guardians::listed;
use crate::checks::{Outcome, ensure};

/// Refuses rules under which money could be lost or held.
fn check(rules: &Rules, authority: &Key) -> Outcome {
    ensure(usize::from(rules.guardian_count) <= GUARDIANS_MAX, Refusal::TooManyGuardians)?;
    ensure(rules.threshold <= rules.guardian_count, Refusal::ThresholdTooHigh)?;
    let guardians = listed(rules);
    for (at, guardian) in guardians.iter().enumerate() {
        let repeated = guardians.iter().take(at).any(|other| other == guardian);
        let apart = guardian != &[0; 32] && guardian != authority && !repeated;
        ensure(apart, Refusal::GuardiansRepeat)?;
    }
    let windows = [
        rules.challenge_window_s,
        rules.cooldown_s,
        rules.evidence_window_s,
        rules.answer_window_s,
    ];
    ensure(windows.iter().all(|&window| window <= WINDOW_S_MAX), Refusal::WindowTooLong)?;
    ensure(rules.cooldown_s >= rules.evidence_window_s, Refusal::CooldownTooShort)?;
    let shares = rules.equivocation_slash_bps.max(rules.evidence_cap_bps);
    ensure(shares <= WHOLE_BPS, Refusal::ShareTooHigh)?;
    ensure(rules.reporter_share_bps <= REPORTER_SHARE_BPS_MAX, Refusal::ShareTooHigh)?;
    // A challenge stops an epoch: it must cost who is wrong something.
    ensure(rules.challenge_bond > 0, Refusal::ZeroAmount)
}
