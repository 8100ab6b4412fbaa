//! How often somebody may try to come in. Only in memory: a restart forgets it.

use crate::problem::{Code, Refusal};
use crate::rules::tries::{Allowance, TooMany, Tries};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Guesses at one account's password, wherever they come from.
const OF_A_NAME: Allowance = Allowance { at_once: 10, every_ms: 60_000 };
/// Sign-ins that fail, from one address.
const SIGN_INS: Allowance = Allowance { at_once: 30, every_ms: 10_000 };
/// New accounts, from one address.
const SIGN_UPS: Allowance = Allowance { at_once: 20, every_ms: 60_000 };
/// Texts for wallets to sign, from one address.
const CHALLENGES: Allowance = Allowance { at_once: 60, every_ms: 2_000 };
/// Names and addresses that are remembered, of each kind.
const REMEMBERED: usize = 10_000;
/// Longest name that is told apart from others, in bytes: longer ones are nobody's.
const NAME_BYTES: usize = 64;

/// See the module.
pub(super) struct Limits {
    names: Mutex<Tries<String>>,
    sign_ins: Mutex<Tries<IpAddr>>,
    sign_ups: Mutex<Tries<IpAddr>>,
    challenges: Mutex<Tries<IpAddr>>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            names: Mutex::new(Tries::new(OF_A_NAME, REMEMBERED)),
            sign_ins: Mutex::new(Tries::new(SIGN_INS, REMEMBERED)),
            sign_ups: Mutex::new(Tries::new(SIGN_UPS, REMEMBERED)),
            challenges: Mutex::new(Tries::new(CHALLENGES, REMEMBERED)),
        }
    }
}

impl Limits {
    /// Takes one of an address's sign-ins.
    pub(super) fn need_sign_in(&self, peer: IpAddr, now_ms: i64) -> Result<(), Refusal> {
        take(&self.sign_ins, network(peer), peer, now_ms, "sign in from your network")
    }

    /// Takes one of the guesses at a name.
    pub(super) fn need_name(&self, name: &str, from: IpAddr, now_ms: i64) -> Result<(), Refusal> {
        take(&self.names, key(name), from, now_ms, "sign in by this name")
    }

    /// Takes one of an address's sign-ups.
    pub(super) fn need_sign_up(&self, peer: IpAddr, now_ms: i64) -> Result<(), Refusal> {
        take(&self.sign_ups, network(peer), peer, now_ms, "sign up from your network")
    }

    /// Takes one of an address's texts to sign.
    pub(super) fn need_challenge(&self, peer: IpAddr, now_ms: i64) -> Result<(), Refusal> {
        take(
            &self.challenges,
            network(peer),
            peer,
            now_ms,
            "ask for texts to sign from your network",
        )
    }

    /// Somebody at this address is signed in: that was no guess.
    pub(super) fn signed_in(&self, peer: IpAddr) {
        lock(&self.sign_ins).give_back(&network(peer));
    }

    /// Somebody knew this name's password.
    pub(super) fn shown(&self, name: &str) {
        lock(&self.names).forget(&key(name));
    }
}

fn take<K: std::hash::Hash + Eq + Clone>(
    tries: &Mutex<Tries<K>>,
    who: K,
    from: IpAddr,
    now_ms: i64,
    what: &str,
) -> Result<(), Refusal> {
    lock(tries).take(who, now_ms).map_err(|TooMany { wait_ms, first }| {
        if first {
            // No name: some people type their password into the wrong field.
            tracing::warn!(%from, "too many tries to {what}; more are refused for now");
        }
        let wait = Duration::from_millis(wait_ms.unsigned_abs());
        Refusal::new(
            Code::TooManyTries,
            format!(
                "There were too many tries to {what}; the next is possible in {} s.",
                wait.as_secs() + 1
            ),
        )
        .retry_after(wait)
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(name: &str) -> String {
    if name.len() > NAME_BYTES { String::new() } else { name.to_owned() }
}

/// What one household or machine has of addresses: one of version 4, 2^64 of version 6.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_version_6_are_one_and_others_are_not() {
        let at = |text: &str| network(text.parse().unwrap());
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:2"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
    }

    #[test]
    fn a_refusal_says_when_to_come_again() {
        let (limits, peer) = (Limits::default(), IpAddr::from([192, 0, 2, 1]));
        for _ in 0..SIGN_INS.at_once {
            limits.need_sign_in(peer, 0).unwrap();
        }
        assert_eq!(limits.need_sign_in(peer, 0).unwrap_err().code(), Code::TooManyTries);
        limits.need_sign_in([192, 0, 2, 2].into(), 0).unwrap();
        limits.signed_in(peer);
        limits.need_sign_in(peer, 0).unwrap();
    }
}
