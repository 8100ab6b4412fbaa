//! Nodes that wait for work at once: of those that could take it, the lowest weighted ask goes first.
//!
//! Nodes come by themselves and ask, so an auction is held whenever one looks for work: it gets a job's
//! units unless a better one waits that has not looked since there was news. Each that looks leaves, or
//! is left out for the rest of the round; so whoever cannot take anything holds nobody up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tessera_market::{Bidder, Order, may_take};
use tessera_protocol::NodeId;
use tessera_protocol::job::Why;
use tokio::sync::{Notify, watch};

/// See the module. Only in memory: whoever waits asks again.
pub(crate) struct Bidding {
    inner: Mutex<Inner>,
    /// Somebody has looked, so others may be first now.
    turn: watch::Sender<()>,
}

#[derive(Default)]
struct Inner {
    /// How often there was news.
    round: u64,
    waiting: HashMap<NodeId, Waiting>,
    /// Why a node got nothing when it looked last and there was something.
    why: HashMap<NodeId, Vec<Why>>,
}

impl Inner {
    fn rivals(&self, of: NodeId) -> impl Iterator<Item = Bidder> {
        let waiting = self.waiting.iter().filter(move |(node, waiting)| {
            **node != of && waiting.looked.is_none_or(|looked| looked < self.round)
        });
        waiting.map(|(_, waiting)| waiting.bidder)
    }
}

struct Waiting {
    bidder: Bidder,
    /// The round in which it has looked.
    looked: Option<u64>,
    /// Questions of this node that wait: a connection that broke may still be there.
    questions: u32,
    /// There may be something for this one.
    call: Arc<Notify>,
}

impl Default for Bidding {
    fn default() -> Self {
        Self { inner: Mutex::default(), turn: watch::Sender::new(()) }
    }
}

impl Bidding {
    /// A node waits from now on, until what is returned is dropped.
    pub(crate) fn enter(&self, bidder: Bidder) -> Seat<'_> {
        let node = bidder.node;
        let mut inner = self.lock();
        let seat = inner.waiting.entry(node);
        seat.and_modify(|waiting| {
            waiting.bidder = bidder;
            waiting.questions += 1;
        })
        .or_insert_with(|| Waiting {
            bidder,
            looked: None,
            questions: 1,
            call: Arc::default(),
        });
        let call = inner.waiting[&node].call.clone();
        Seat { bidding: self, node, call }
    }

    /// There may be something for this node alone.
    pub(crate) fn call(&self, node: NodeId) {
        if let Some(waiting) = self.lock().waiting.get(&node) {
            waiting.call.notify_one();
        }
    }

    /// There is news: everybody may look again.
    pub(crate) fn next_round(&self) {
        self.lock().round += 1;
    }

    /// All that wait beside this node and have not looked since there was news.
    pub(crate) fn rivals(&self, of: NodeId) -> Vec<Bidder> {
        self.lock().rivals(of).collect()
    }

    /// Tells those who wait beside the winner why it was not they.
    pub(crate) fn tell_losers(&self, winner: &Bidder, order: &Order) {
        let mut inner = self.lock();
        let lost = |rival: Bidder| {
            let reason = may_take(&rival, order, std::slice::from_ref(winner)).err()?;
            Some((rival.node, vec![reason.why()]))
        };
        let lost: Vec<_> = inner.rivals(winner.node).filter_map(lost).collect();
        inner.why.extend(lost);
    }

    /// Why a node got nothing when it looked last and there was something.
    pub(crate) fn why(&self, node: NodeId) -> Vec<Why> {
        self.lock().why.get(&node).cloned().unwrap_or_default()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A node's place among those who wait.
pub(crate) struct Seat<'a> {
    bidding: &'a Bidding,
    node: NodeId,
    call: Arc<Notify>,
}

impl Seat<'_> {
    /// Tells when somebody else has looked.
    pub(crate) fn turns(&self) -> watch::Receiver<()> {
        self.bidding.turn.subscribe()
    }

    /// Waits until there may be something for this node, also if that was before.
    pub(crate) async fn called(&self) {
        self.call.notified().await;
    }

    /// What the node asks now, by what is known of it now.
    pub(crate) fn asks(&self, now: Bidder) {
        if let Some(own) = self.bidding.lock().waiting.get_mut(&self.node) {
            own.bidder = now;
        }
    }

    /// Somebody comes before it, who has yet to look.
    pub(crate) fn outbid(&self, why: Why) {
        self.bidding.lock().why.insert(self.node, vec![why]);
    }

    /// It has work.
    pub(crate) fn has_work(&self) {
        self.bidding.lock().why.remove(&self.node);
        self.looked(Vec::new());
    }

    /// It has looked and has nothing, and others need not wait for it. `why` not, where there was something.
    pub(crate) fn looked(&self, why: Vec<Why>) {
        let mut inner = self.bidding.lock();
        let round = inner.round;
        let first = match inner.waiting.get_mut(&self.node) {
            Some(own) => own.looked.replace(round) != Some(round),
            None => false,
        };
        if !why.is_empty() {
            inner.why.insert(self.node, why);
        }
        drop(inner);
        if first {
            self.bidding.turn.send_replace(());
        }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut inner = self.bidding.lock();
        if let Some(waiting) = inner.waiting.get_mut(&self.node) {
            waiting.questions -= 1;
            if waiting.questions == 0 {
                inner.waiting.remove(&self.node);
            }
        }
        drop(inner);
        self.bidding.turn.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_protocol::{KernelId, RayPrice};

    fn bidder(n: u8, asks: u64) -> Bidder {
        Bidder::proven(NodeId([n; 32]), RayPrice(asks), KernelId([1; 32]))
    }

    fn nodes(rivals: &[Bidder]) -> Vec<u8> {
        let mut nodes: Vec<u8> = rivals.iter().map(|bidder| bidder.node.0[0]).collect();
        nodes.sort_unstable();
        nodes
    }

    #[test]
    fn who_has_looked_holds_nobody_up_until_there_is_news() {
        let bidding = Bidding::default();
        let (one, two) = (bidding.enter(bidder(1, 9)), bidding.enter(bidder(2, 7)));
        let three = bidding.enter(bidder(3, 8));
        assert_eq!(nodes(&bidding.rivals(NodeId([1; 32]))), [2, 3]);
        let mut turns = one.turns();
        two.looked(vec![]);
        assert!(turns.has_changed().unwrap());
        turns.mark_unchanged();
        two.looked(vec![]);
        assert!(!turns.has_changed().unwrap(), "it had looked in this round");
        assert_eq!(nodes(&bidding.rivals(NodeId([1; 32]))), [3]);
        drop(three);
        assert!(turns.has_changed().unwrap());
        assert_eq!(nodes(&bidding.rivals(NodeId([1; 32]))), Vec::<u8>::new());
        bidding.next_round();
        assert_eq!(nodes(&bidding.rivals(NodeId([1; 32]))), [2]);
    }

    #[tokio::test]
    async fn who_is_called_alone_wakes_alone_also_if_it_comes_to_wait_later() {
        let bidding = Bidding::default();
        let (one, two) = (bidding.enter(bidder(1, 9)), bidding.enter(bidder(2, 7)));
        bidding.call(NodeId([1; 32]));
        one.called().await;
        tokio::select! {
            biased;
            () = two.called() => panic!("nobody called it"),
            () = one.called() => panic!("it was called once"),
            () = std::future::ready(()) => {}
        }
    }

    #[test]
    fn a_node_that_asks_twice_waits_until_both_are_gone_and_asks_what_it_asked_last() {
        let bidding = Bidding::default();
        let (_other, first) = (bidding.enter(bidder(1, 5)), bidding.enter(bidder(2, 7)));
        let second = bidding.enter(bidder(2, 6));
        drop(first);
        let rivals = bidding.rivals(NodeId([1; 32]));
        assert_eq!(rivals.iter().map(|rival| rival.asks.0).collect::<Vec<_>>(), [6]);
        drop(second);
        assert!(bidding.rivals(NodeId([1; 32])).is_empty());
    }

    #[test]
    fn who_looks_too_late_reads_all_the_same_who_won() {
        let bidding = Bidding::default();
        let order = Order::new(RayPrice(10), KernelId([1; 32]));
        let _rivals = [bidding.enter(bidder(1, 9)), bidding.enter(bidder(3, 11))];
        bidding.tell_losers(&bidder(2, 7), &order);
        assert_eq!(bidding.why(NodeId([1; 32]))[0].code, "outbid");
        assert_eq!(bidding.why(NodeId([3; 32]))[0].code, "price_above_maximum");
        assert_eq!(bidding.why(NodeId([2; 32])), []);
    }

    #[test]
    fn why_a_node_got_nothing_is_told_until_it_gets_something() {
        let bidding = Bidding::default();
        let seat = bidding.enter(bidder(1, 9));
        let why = Why { code: "outbid".into(), sentence: "somebody asks less".into() };
        seat.looked(vec![why.clone()]);
        assert_eq!(bidding.why(NodeId([1; 32])), [why]);
        seat.looked(vec![]);
        assert_eq!(bidding.why(NodeId([1; 32])).len(), 1, "there was nothing since");
        seat.has_work();
        assert_eq!(bidding.why(NodeId([1; 32])), []);
    }
}
