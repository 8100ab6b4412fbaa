//! What a master signs before it judges: the price of a lease, and until when it will judge what came.
//!
//! With both in hand a node that hears nothing more can show, to anybody, what it is owed.

use crate::commit::{Commit, NodeKey, SignatureBytes, verify};
use crate::lease::LeaseGrant;
use crate::node::DeviceClass;
use crate::{
    Amount, CommitId, Generation, JobId, KernelId, LeaseId, MasterId, NodeId, RayPrice,
    SceneFactor, SecretHash, SettingsHash, UnitIndex,
};
use serde::{Deserialize, Serialize};
use tessera_settlement_abi::signed::{AckHeader, GrantHeader};

/// At which price a lease's work is paid, and whose word that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Whose word it is.
    pub master: MasterId,
    /// What the job asks of its devices.
    pub class: DeviceClass,
    /// What 10^9 factored rays are paid with; 0 where nobody pays.
    pub price: RayPrice,
    /// As how many a ray of the scene counts.
    pub factor: SceneFactor,
    /// The master's signature over [`Promise::message`].
    pub signature: SignatureBytes,
}

/// All that a master promises with a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// Whose word it is.
    pub master: MasterId,
    /// Whom it was given.
    pub node: NodeId,
    /// The job.
    pub job: JobId,
    /// The lease.
    pub lease: LeaseId,
    /// Its generation.
    pub generation: Generation,
    /// What the job asks of its devices.
    pub class: DeviceClass,
    /// What 10^9 factored rays are paid with.
    pub price: RayPrice,
    /// As how many a ray of the scene counts.
    pub factor: SceneFactor,
    /// The kernel that the job pins.
    pub kernel: KernelId,
    /// What it is rendered with.
    pub settings: SettingsHash,
    /// The hash of the lease's secret.
    pub secret: SecretHash,
    /// The units, in the order of the lease.
    pub units: Vec<UnitIndex>,
}

impl Promise {
    /// What a grant promises to the node that has it.
    pub fn of_grant(grant: &LeaseGrant, node: NodeId) -> Self {
        Self {
            master: grant.terms.master,
            node,
            job: grant.job,
            lease: grant.lease,
            generation: grant.generation,
            class: grant.terms.class,
            price: grant.terms.price,
            factor: grant.terms.factor,
            kernel: grant.kernel,
            settings: grant.settings.hash(),
            secret: grant.secret,
            units: grant.units.iter().map(|unit| unit.index).collect(),
        }
    }

    /// The promise under which a commit was made.
    pub fn of(commit: &Commit, price: RayPrice, factor: SceneFactor) -> Self {
        Self {
            master: commit.master,
            node: commit.node,
            job: commit.job,
            lease: commit.lease,
            generation: commit.generation,
            class: commit.class,
            price,
            factor,
            kernel: commit.kernel,
            settings: commit.settings,
            secret: commit.secret,
            units: commit.results.iter().map(|result| result.unit).collect(),
        }
    }

    /// The bytes that the master signs.
    pub fn message(&self) -> Vec<u8> {
        let mut body = blake3::Hasher::new();
        body.update(&self.kernel.0).update(&self.settings.0).update(&self.secret.0);
        for unit in &self.units {
            body.update(&unit.0.to_le_bytes());
        }
        let header = GrantHeader {
            master: self.master.0,
            node: self.node.0,
            job: self.job.0,
            lease: self.lease.0,
            generation: self.generation.0,
            class: self.class.signed(),
            price: self.price.0,
            factor: self.factor.0,
            body: *body.finalize().as_bytes(),
        };
        header.encode().to_vec()
    }

    /// Signs it.
    pub fn sign(&self, master: &NodeKey) -> Terms {
        Terms {
            master: self.master,
            class: self.class,
            price: self.price,
            factor: self.factor,
            signature: master.sign(&self.message()),
        }
    }

    /// Whether `signature` is the master's over this.
    pub fn is_signed(&self, signature: &SignatureBytes) -> bool {
        verify(NodeId(self.master.0), &self.message(), signature)
    }
}

/// A master's word that it has a commit, and will judge it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acknowledgement {
    /// What it pays when it finds all of it right.
    pub pay: Amount,
    /// Until when it will have judged, in seconds since 1970. A master without a verdict by then can be
    /// held to `pay`.
    pub due_at_s: i64,
    /// Its signature over [`Self::message`].
    pub signature: SignatureBytes,
}

impl Acknowledgement {
    /// The bytes that the master signs.
    pub fn message(commit: &Commit, pay: Amount, due_at_s: i64) -> Vec<u8> {
        let CommitId(id) = commit.id();
        let header = AckHeader {
            master: commit.master.0,
            node: commit.node.0,
            lease: commit.lease.0,
            generation: commit.generation.0,
            pay: pay.0,
            due_at: due_at_s,
            commit: id,
        };
        header.encode().to_vec()
    }

    /// Whether it is the word of the commit's master about this commit.
    pub fn is_of(&self, commit: &Commit) -> bool {
        let message = Self::message(commit, self.pay, self.due_at_s);
        verify(NodeId(commit.master.0), &message, &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::UnitResult;
    use crate::{ResultRoot, SceneHash};

    fn commit() -> Commit {
        let (node, master) = (NodeKey::from_secret(&[1; 32]), NodeKey::from_secret(&[2; 32]));
        Commit {
            master: MasterId(master.node().0),
            node: node.node(),
            job: JobId([3; 16]),
            class: DeviceClass::Exact,
            kernel: KernelId([4; 32]),
            scene: SceneHash([5; 32]),
            settings: SettingsHash([6; 32]),
            lease: LeaseId([7; 16]),
            generation: Generation(8),
            secret: SecretHash([9; 32]),
            results: vec![UnitResult { unit: UnitIndex(1), root: ResultRoot([2; 32]), rays: 3 }],
        }
    }

    #[test]
    fn a_promise_is_broken_by_any_change_of_it() {
        let master = NodeKey::from_secret(&[2; 32]);
        let good = Promise::of(&commit(), RayPrice(50), SceneFactor(1500));
        let signature = master.sign(&good.message());
        assert!(good.is_signed(&signature));
        for changed in [
            Promise { price: RayPrice(51), ..good.clone() },
            Promise { factor: SceneFactor(1000), ..good.clone() },
            Promise { class: DeviceClass::Tolerant, ..good.clone() },
            Promise { units: vec![UnitIndex(2)], ..good.clone() },
            Promise { units: vec![], ..good.clone() },
            Promise { kernel: KernelId([0; 32]), ..good.clone() },
            Promise { settings: SettingsHash([0; 32]), ..good.clone() },
            Promise { secret: SecretHash([0; 32]), ..good.clone() },
            Promise { lease: LeaseId([0; 16]), ..good.clone() },
            Promise { generation: Generation(9), ..good.clone() },
            Promise { job: JobId([0; 16]), ..good.clone() },
            Promise { node: NodeId([0; 32]), ..good.clone() },
            Promise { master: MasterId(commit().node.0), ..good },
        ] {
            assert!(!changed.is_signed(&signature), "{changed:?}");
        }
    }

    #[test]
    fn an_acknowledgement_is_of_one_commit_one_sum_and_one_time() {
        let master = NodeKey::from_secret(&[2; 32]);
        let commit = commit();
        let signature = master.sign(&Acknowledgement::message(&commit, Amount(10), 1_000));
        let good = Acknowledgement { pay: Amount(10), due_at_s: 1_000, signature };
        assert!(good.is_of(&commit));
        assert!(!Acknowledgement { pay: Amount(11), ..good.clone() }.is_of(&commit));
        assert!(!Acknowledgement { due_at_s: 1_001, ..good.clone() }.is_of(&commit));
        assert!(!good.is_of(&Commit { results: vec![], ..commit }));
    }
}
