//! The seeds of the program's addresses.
//!
//! Every account of the program has an address derived from these seeds and the program's own, with
//! the first bump that works; the bump is kept in the account. Numbers are little-endian.

use crate::{Hash, Id, Key};

byte_enum!(
    /// The farm's token accounts. Their owner is the farm's account, so only the program pays out.
    Vault {
        /// Deposits of jobs, and what epochs have drawn from them and not yet paid.
        Escrow = 0,
        /// Stakes of nodes, those that are being unlocked too.
        Stake = 1,
        /// The master's bond, and the bonds of challengers until their challenge is resolved.
        Bond = 2,
        /// Deposits of channels, less what was redeemed.
        Channels = 3,
    }
);

/// One farm for each authority key.
#[must_use]
pub fn farm(authority: &Key) -> [&[u8]; 2] {
    [b"farm", authority]
}

/// A token account of the farm; `kind` is the [`Vault`]'s number.
#[must_use]
pub fn vault<'a>(farm: &'a Key, kind: &'a [u8; 1]) -> [&'a [u8]; 3] {
    [b"vault", farm, kind]
}

/// A node at a farm.
#[must_use]
pub fn node<'a>(farm: &'a Key, node: &'a Key) -> [&'a [u8]; 3] {
    [b"node", farm, node]
}

/// A job's escrow at a farm.
#[must_use]
pub fn job<'a>(farm: &'a Key, job: &'a Id) -> [&'a [u8]; 3] {
    [b"job", farm, job]
}

/// An epoch of a farm, by its number.
#[must_use]
pub fn epoch<'a>(farm: &'a Key, number: &'a [u8; 8]) -> [&'a [u8]; 3] {
    [b"epoch", farm, number]
}

/// That a node was slashed for two commits to one generation of a lease. The node is part of it: a
/// commit is signed by a node alone, so another node could otherwise use the lease's mark up.
#[must_use]
pub fn slashed<'a>(
    farm: &'a Key,
    node: &'a Key,
    lease: &'a Id,
    generation: &'a [u8; 8],
) -> [&'a [u8]; 5] {
    [b"slashed", farm, node, lease, generation]
}

/// That a node was paid for two verdicts on one generation of a lease.
#[must_use]
pub fn doubled<'a>(
    farm: &'a Key,
    node: &'a Key,
    lease: &'a Id,
    generation: &'a [u8; 8],
) -> [&'a [u8]; 5] {
    [b"doubled", farm, node, lease, generation]
}

/// A node's claim that a verdict is overdue.
#[must_use]
pub fn omitted<'a>(
    farm: &'a Key,
    node: &'a Key,
    lease: &'a Id,
    generation: &'a [u8; 8],
) -> [&'a [u8]; 5] {
    [b"omitted", farm, node, lease, generation]
}

/// Guardians' proposal to slash a node, by the hash of their evidence.
#[must_use]
pub fn proposal<'a>(farm: &'a Key, node: &'a Key, evidence: &'a Hash) -> [&'a [u8]; 4] {
    [b"proposal", farm, node, evidence]
}

/// A channel from a payer to a node.
#[must_use]
pub fn channel<'a>(
    farm: &'a Key,
    payer: &'a Key,
    payee: &'a Key,
    nonce: &'a [u8; 8],
) -> [&'a [u8]; 5] {
    [b"channel", farm, payer, payee, nonce]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_accounts_never_share_seeds() {
        let (key, other, id, number) = ([1; 32], [1; 32], [1; 16], [1; 8]);
        let all: [&[&[u8]]; 10] = [
            &farm(&key),
            &vault(&key, &[0]),
            &node(&key, &other),
            &job(&key, &id),
            &epoch(&key, &number),
            &slashed(&key, &other, &id, &number),
            &doubled(&key, &other, &id, &number),
            &omitted(&key, &other, &id, &number),
            &proposal(&key, &other, &[1; 32]),
            &channel(&key, &other, &other, &number),
        ];
        for (at, one) in all.iter().enumerate() {
            for another in &all[at + 1..] {
                assert_ne!(one[0], another[0]);
            }
            // The limits of the chain, the bump included.
            assert!(one.len() < 16 && one.iter().all(|seed| seed.len() <= 32));
        }
    }
}
