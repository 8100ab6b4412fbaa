//! A result comes in: looked up, checked, made durable, entered. In that order, so that whatever
//! is interrupted leaves a lease that stands and perhaps a file that nobody names. A small one is made durable by
//! being entered.

use super::App;
use crate::blobs::Key;
use crate::problem::{Code, Refusal};
use crate::store::money::Owed;
use crate::store::{CheckedResult, Entered, LeaseState};
use axum::body::Bytes;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tessera_farm_core::accept::{Refused, check_commit, check_unit};
use tessera_farm_core::lease::Lease;
use tessera_farm_core::plan::Plan;
use tessera_film::pack;
use tessera_protocol::commit::Commit;
use tessera_protocol::job::JobSpec;
use tessera_protocol::money::pay;
use tessera_protocol::submit::{self, SubmitHeader, SubmitView};
use tessera_protocol::terms::Acknowledgement;
use tessera_protocol::{Amount, Generation, LeaseId, NodeId};

/// Memory for one unit's sums while they are checked: the largest tile has 2^20 pixels of 33 bytes.
pub(crate) const UNPACK_BYTES: usize = 64 << 20;

impl App {
    /// Takes a result. The answer is durable, and the same for the same commit.
    pub(crate) async fn submit(
        self: &Arc<Self>,
        node: NodeId,
        id: LeaseId,
        body: Bytes,
    ) -> Result<SubmitView, Refusal> {
        self.counters.submits.fetch_add(1, Ordering::Relaxed);
        let (header, packed) = decode(&body)?;
        if header.commit.lease != id {
            return Err(Refusal::new(
                Code::UnitsDiffer,
                format!("The commit is for lease {}, not {id}.", header.commit.lease),
            ));
        }
        let commit = header.commit.id();
        let (lease, spec) = match self.store.lease_state(id).await? {
            LeaseState::Standing(standing) if standing.0.node == node => *standing,
            LeaseState::Submitted { node: holder, generation, commit: before, answer }
                if holder == node =>
            {
                if before == commit {
                    return self.acknowledge_again(&header.commit, answer).await;
                }
                self.keep_second(node, generation, header).await?;
                return Err(another_commit(id));
            }
            _ => return Err(ended(id)),
        };
        check_commit(self.master(), &lease, &spec.settings, &header.commit, &header.signature)?;
        let key = Key::Result(lease.job, id, commit);
        let (price, factor) = (lease.price, lease.factor);
        let checked = self.blocking(move |app| {
            check_sums(&lease, &spec, &header.commit, &packed)?;
            let sums = app.put_sums(key, &body)?;
            Ok::<_, Refusal>((header.commit, sums))
        });
        let (signed, sums) = checked.await.map_err(Refusal::internal)??;
        let rays = signed.results.iter().fold(0u64, |sum, unit| sum.saturating_add(unit.rays));
        let now_ms = self.clock.now_ms();
        let owed = Owed { rays, price, factor, at_ms: now_ms };
        let result = CheckedResult { lease: id, commit, rays, now_ms, sums };
        self.enter(&signed, result, &owed, key).await
    }

    /// A second commit for a lease that brought another: a node that keeps its journal never signs one.
    async fn keep_second(
        &self,
        node: NodeId,
        generation: Generation,
        second: SubmitHeader,
    ) -> Result<(), Refusal> {
        let SubmitHeader { commit, signature, .. } = second;
        let its_own = commit.node == node
            && commit.generation == generation
            && commit.is_signed_by_its_node(&signature);
        if !its_own {
            return Ok(());
        }
        let lease = commit.lease;
        let settled = self.store.equivocated(commit, signature, self.clock.now_ms()).await?;
        if settled.first {
            tracing::warn!(%lease, %node, "a node signed two commits for one lease");
            self.counters.rejections.fetch_add(1, Ordering::Relaxed);
        }
        Ok(self.follow_up(node, settled).await?)
    }

    /// Keeps a checked result for its audit, with its sums where they are no file.
    async fn enter(
        self: &Arc<Self>,
        signed: &Commit,
        result: CheckedResult,
        owed: &Owed,
        key: Key,
    ) -> Result<SubmitView, Refusal> {
        let is_file = result.sums.is_none();
        let refusal = match self.store.enter(result).await? {
            Entered::Now(answer) => {
                self.heard.forget(signed.lease);
                self.hints.audits.notify_one();
                return Ok(self.acknowledge(signed, answer, owed));
            }
            // The same came twice at once; both are answered alike and the file is shared.
            Entered::Before(answer) => return self.acknowledge_again(signed, answer).await,
            Entered::AnotherCommit => another_commit(signed.lease),
            Entered::LeaseEnded => ended(signed.lease),
        };
        if is_file {
            self.blocking(move |app| app.blobs.remove(key)).await.map_err(Refusal::internal)??;
        }
        Err(refusal)
    }
}

/// Within which time of its coming a result is judged.
const JUDGED_WITHIN_S: i64 = 14 * 24 * 3600;

impl App {
    /// Adds the master's word that it will judge what came, as it was given when it came.
    async fn acknowledge_again(
        &self,
        commit: &Commit,
        answer: SubmitView,
    ) -> Result<SubmitView, Refusal> {
        let Some(owed) = self.store.owed(commit.lease).await? else { return Ok(answer) };
        Ok(self.acknowledge(commit, answer, &owed))
    }

    /// Adds the master's word that it will judge what came.
    fn acknowledge(&self, commit: &Commit, mut answer: SubmitView, owed: &Owed) -> SubmitView {
        let pay = pay(owed.rays, owed.factor, owed.price).unwrap_or(Amount::MAX);
        let due_at_s = owed.at_ms / 1000 + JUDGED_WITHIN_S;
        let signature = self.key.sign(&Acknowledgement::message(commit, pay, due_at_s));
        answer.acknowledgement = Some(Acknowledgement { pay, due_at_s, signature });
        answer
    }
}

/// A result's header, and its units' packed sums, which are parts of its body still.
fn decode(body: &Bytes) -> Result<(SubmitHeader, Vec<Bytes>), Refusal> {
    let (header, packed) = submit::decode(body).map_err(|error| {
        Refusal::new(Code::SubmitMalformed, format!("{error}; the result was dropped."))
    })?;
    let packed = packed.into_iter().map(|unit| body.slice_ref(unit)).collect();
    Ok((header, packed))
}

fn check_sums(
    lease: &Lease,
    spec: &JobSpec,
    commit: &Commit,
    packed: &[Bytes],
) -> Result<(), Refusal> {
    let plan = Plan::new(spec).map_err(Refusal::internal)?;
    for (result, packed) in commit.results.iter().zip(packed) {
        let unit = plan.unit(result.unit).ok_or_else(|| {
            Refusal::internal(format!("lease {} reaches beyond its job", lease.id))
        })?;
        let pixels = unit.rect.pixels();
        let sums = pack::unpack(packed, pixels as usize, UNPACK_BYTES).map_err(|error| {
            Refused::Packed { unit: unit.index, pixels, reason: error.to_string() }
        })?;
        check_unit(&spec.settings, &unit, result, &sums)?;
    }
    Ok(())
}

fn ended(lease: LeaseId) -> Refusal {
    Refusal::new(
        Code::LeaseEnded,
        format!("Lease {lease} is not one of this node's that stand; the result was dropped."),
    )
}

fn another_commit(lease: LeaseId) -> Refusal {
    Refusal::new(
        Code::CommitDiffers,
        format!("Lease {lease} brought another commit before, and that one counts."),
    )
}
