//! A result comes in: looked up, checked, made durable, entered. In that order, so that whatever
//! is interrupted leaves a lease that stands and perhaps a file that nobody names.

use super::App;
use crate::blobs::Key;
use crate::problem::{Code, Refusal};
use crate::store::{CheckedResult, CommitId, Entered, LeaseState};
use axum::body::Bytes;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tessera_farm_core::accept::{Refused, check_commit, check_unit};
use tessera_farm_core::lease::Lease;
use tessera_farm_core::plan::Plan;
use tessera_film::pack;
use tessera_protocol::commit::Commit;
use tessera_protocol::job::JobSpec;
use tessera_protocol::submit::{self, SubmitHeader, SubmitView};
use tessera_protocol::{LeaseId, NodeId};

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
        let (header, _) = decode(&body)?;
        if header.commit.lease != id {
            return Err(Refusal::new(
                Code::UnitsDiffer,
                format!("The commit is for lease {}, not {id}.", header.commit.lease),
            ));
        }
        let commit = CommitId::of(&header.commit);
        let (lease, spec) = match self.store.lease_state(id).await? {
            LeaseState::Standing(standing) if standing.0.node == node => *standing,
            LeaseState::Submitted { node: holder, commit: before, answer } if holder == node => {
                return if before == commit { Ok(answer) } else { Err(another_commit(id)) };
            }
            _ => return Err(ended(id)),
        };
        check_commit(&lease, &header.commit, &header.signature)?;
        let key = Key::Result(lease.job, id, commit);
        let for_check = header.commit.clone();
        self.blocking(move |app| {
            check_sums(&lease, &spec, &for_check, &body)?;
            app.blobs.put(key, &body).map_err(Refusal::from)
        })
        .await
        .map_err(Refusal::internal)??;
        self.enter(&header.commit, commit, key).await
    }

    /// Lets a checked, durable result count.
    async fn enter(
        self: &Arc<Self>,
        signed: &Commit,
        commit: CommitId,
        key: Key,
    ) -> Result<SubmitView, Refusal> {
        let rays = signed.results.iter().fold(0u64, |sum, unit| sum.saturating_add(unit.rays));
        let now_ms = self.clock.now_ms();
        let result = CheckedResult { lease: signed.lease, commit, rays, now_ms };
        let refusal = match self.store.enter(result).await? {
            Entered::Now { answer, frame_complete } => {
                self.heard.forget(signed.lease);
                self.hints.events.send_replace(());
                if frame_complete {
                    self.hints.frames.notify_one();
                }
                return Ok(answer);
            }
            // The same came twice at once; both are answered alike and the file is shared.
            Entered::Before(answer) => return Ok(answer),
            Entered::AnotherCommit => another_commit(signed.lease),
            Entered::LeaseEnded => ended(signed.lease),
        };
        self.blocking(move |app| app.blobs.remove(key)).await.map_err(Refusal::internal)??;
        Err(refusal)
    }
}

fn decode(body: &[u8]) -> Result<(SubmitHeader, Vec<&[u8]>), Refusal> {
    submit::decode(body).map_err(|error| {
        Refusal::new(Code::SubmitMalformed, format!("{error}; the result was dropped."))
    })
}

fn check_sums(lease: &Lease, spec: &JobSpec, commit: &Commit, body: &[u8]) -> Result<(), Refusal> {
    let plan = Plan::new(spec).map_err(Refusal::internal)?;
    let (_, packed) = decode(body)?;
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
