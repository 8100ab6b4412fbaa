//! What owners see and want of their nodes; the operator of all.

use super::App;
use crate::auth::NodeOwner;
use crate::problem::{Code, Refusal};
use crate::rules::wish::why_kept_out;
use crate::store::LeaseEnd;
use std::sync::Arc;
use tessera_protocol::NodeId;
use tessera_protocol::finance::{EarningsView, PayoutPage};
use tessera_protocol::house::hours::HoursError;
use tessera_protocol::house::{NodeReport, ReportView, SetHours};
use tessera_protocol::job::Why;
use tessera_protocol::node::{NodePage, NodeView, NodeWish};

/// How much ahead of ours a node's clock may be, where it says when its hours were set; a year.
const CLOCK_AHEAD_MS: i64 = 365 * 24 * 3_600_000;

impl App {
    /// One page of the owner's nodes, or of all. The cursor is the last node's key.
    pub(crate) async fn nodes(
        &self,
        owner: &NodeOwner,
        cursor: Option<NodeId>,
        limit: u32,
    ) -> Result<NodePage, Refusal> {
        let mut nodes = self.store.nodes(owner.sees(), cursor, limit + 1).await?;
        let more = nodes.len() > limit as usize;
        nodes.truncate(limit as usize);
        for node in &mut nodes {
            self.add_what_is_heard(node);
        }
        let next_cursor = nodes.last().filter(|_| more).map(|node| node.id.to_string());
        Ok(NodePage { data: nodes, next_cursor })
    }

    /// A node that this owner may see.
    pub(crate) async fn node(&self, owner: &NodeOwner, id: NodeId) -> Result<NodeView, Refusal> {
        let may_see = match owner.sees() {
            Some(owner) => self.store.is_node_of(id, owner).await?,
            None => true,
        };
        let node = if may_see { self.store.node(id).await? } else { None };
        let mut node = node.ok_or_else(|| no_node(id))?;
        self.add_what_is_heard(&mut node);
        Ok(node)
    }

    /// Adds what is only in memory.
    fn add_what_is_heard(&self, node: &mut NodeView) {
        node.last_seen_ms = self.last_seen(node);
        node.report = self.heard.report(node.id, self.clock.now_ms());
    }

    /// Notes what a node says of its machine; answers what its owner wants of it.
    pub(crate) async fn note_report(
        &self,
        node: NodeId,
        report: NodeReport,
    ) -> Result<ReportView, Refusal> {
        self.heard.note_report(node, report, self.clock.now_ms());
        Ok(ReportView { hours: self.store.hours(node).await? })
    }

    /// What a node of this owner's has earned.
    pub(crate) async fn earnings_of(
        &self,
        owner: &NodeOwner,
        id: NodeId,
    ) -> Result<EarningsView, Refusal> {
        self.node(owner, id).await?;
        self.earnings(id).await
    }

    /// What a node of this owner's was paid, newest first.
    pub(crate) async fn payouts_of(
        &self,
        owner: &NodeOwner,
        id: NodeId,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<PayoutPage, Refusal> {
        self.node(owner, id).await?;
        self.payouts(Some(id), cursor, limit).await
    }

    /// Why a node of this owner's gets no work.
    pub(crate) async fn why_node_of(
        &self,
        owner: &NodeOwner,
        id: NodeId,
    ) -> Result<Vec<Why>, Refusal> {
        self.node(owner, id).await?;
        self.why_node(id).await
    }

    /// Why a node gets no work.
    pub(crate) async fn why_node(&self, node: NodeId) -> Result<Vec<Why>, Refusal> {
        let known = self.store.node(node).await?.ok_or_else(|| no_node(node))?;
        if let Some(why) = why_kept_out(known.wish) {
            return Ok(vec![why]);
        }
        if let Some(rest) = self.heard.report(node, self.clock.now_ms()).and_then(|it| it.rests) {
            return Ok(vec![rest.into()]);
        }
        let mut why = self.bidding.why(node);
        if why.is_empty() {
            let sentence = "It looked last when there was no work that it was kept from.";
            why.push(Why { code: "nothing_to_do".into(), sentence: sentence.into() });
        }
        Ok(why)
    }

    /// Notes what an owner wants of a node. Of one that is paused the leases are taken back, and it is not to
    /// blame.
    pub(crate) async fn wish(
        self: &Arc<Self>,
        owner: &NodeOwner,
        id: NodeId,
        wish: NodeWish,
    ) -> Result<NodeView, Refusal> {
        self.node(owner, id).await?;
        let app = self.clone();
        super::to_the_end(async move {
            app.store.wish(id, wish).await?;
            if wish == NodeWish::Pause {
                app.take_leases_back(id).await?;
            }
            // Whoever waits looks again: this node where it was resumed, the others where it was not.
            app.there_may_be_work();
            Ok(())
        })
        .await?;
        self.node(owner, id).await
    }

    /// Notes in which hours an owner wants a node to work, which hears it with its next report. What is in hand
    /// is the node's own matter, as it is when its hours end.
    pub(crate) async fn set_hours(
        &self,
        owner: &NodeOwner,
        id: NodeId,
        text: &str,
    ) -> Result<NodeView, Refusal> {
        let node = self.node(owner, id).await?;
        let hours = text
            .parse()
            .map_err(|error: HoursError| Refusal::new(Code::HoursRefused, format!("{error}.")))?;
        // Who speaks last wins, though the machine on which somebody spoke before may have a clock ahead of ours.
        let now_ms = self.clock.now_ms();
        let kept = node.report.and_then(|report| report.hours);
        let kept_ms = kept.map_or(0, |kept| kept.set_ms.min(now_ms + CLOCK_AHEAD_MS));
        let set_ms = now_ms.max(kept_ms + 1);
        self.store.set_hours(id, SetHours { hours, set_ms }).await?;
        self.node(owner, id).await
    }

    /// No lease follows: the store gives a node that is paused none.
    async fn take_leases_back(&self, node: NodeId) -> Result<(), Refusal> {
        for (lease, _) in self.store.standing_leases().await? {
            if lease.node == node {
                self.end_lease(lease.id, Some(node), LeaseEnd::Returned).await?;
            }
        }
        Ok(())
    }
}

fn no_node(id: NodeId) -> Refusal {
    Refusal::new(Code::NodeNotFound, format!("No node {id} of yours has joined."))
}
