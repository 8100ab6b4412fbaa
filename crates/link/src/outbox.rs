//! What waits to be sent: a queue for each lane, served by turns.

use std::collections::{BTreeMap, VecDeque};
use tessera_media::wire::{Lane, Message};

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Whose {
    /// Of no lane: goes first, and is rare and short.
    Nobody,
    Lane(Lane),
}

/// The queues. Those that are empty are forgotten.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queues: BTreeMap<Whose, Queue>,
    /// Lanes with something to send, the next one first.
    turns: VecDeque<Lane>,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Message>,
    bytes: usize,
}

impl Outbox {
    /// Whether a message fits beside what waits already. An empty queue takes any.
    pub(crate) fn has_room(&self, whose: Whose, weight: usize, most: usize) -> bool {
        self.queues.get(&whose).is_none_or(|queue| queue.bytes + weight <= most)
    }

    pub(crate) fn push(&mut self, whose: Whose, message: Message) {
        let queue = self.queues.entry(whose).or_default();
        queue.bytes += message.body.weight();
        if let (Whose::Lane(lane), true) = (whose, queue.messages.is_empty()) {
            self.turns.push_back(lane);
        }
        queue.messages.push_back(message);
    }

    /// The next message: one of nobody's, else of the lane whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<Message> {
        if let Some(message) = self.pop_of(Whose::Nobody) {
            return Some(message);
        }
        let lane = self.turns.pop_front()?;
        let message = self.pop_of(Whose::Lane(lane));
        if self.queues.contains_key(&Whose::Lane(lane)) {
            self.turns.push_back(lane);
        }
        message
    }

    pub(crate) fn forget(&mut self, lane: Lane) {
        self.queues.remove(&Whose::Lane(lane));
        self.turns.retain(|&other| other != lane);
    }

    fn pop_of(&mut self, whose: Whose) -> Option<Message> {
        let queue = self.queues.get_mut(&whose)?;
        let message = queue.messages.pop_front();
        queue.bytes -= message.as_ref().map_or(0, |message| message.body.weight());
        if queue.messages.is_empty() {
            self.queues.remove(&whose);
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_media::wire::Body;

    fn message(lane: u32, bytes: usize) -> Message {
        Message { lane: Lane(lane), body: Body::Bytes(vec![0; bytes].into()) }
    }

    #[test]
    fn lanes_take_turns_and_keep_their_own_order() {
        let mut outbox = Outbox::default();
        for n in 0..4 {
            outbox.push(Whose::Lane(Lane(1)), message(1, n));
        }
        for n in 0..2 {
            outbox.push(Whose::Lane(Lane(2)), message(2, 10 + n));
        }
        outbox.push(Whose::Nobody, message(0, 99));
        let order: Vec<_> = std::iter::from_fn(|| outbox.pop())
            .map(|message| match message.body {
                Body::Bytes(bytes) => (message.lane.0, bytes.len()),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(order, [(0, 99), (1, 0), (2, 10), (1, 1), (2, 11), (1, 2), (1, 3)]);
        assert!(outbox.queues.is_empty() && outbox.turns.is_empty());
    }

    #[test]
    fn a_full_lane_has_no_room_while_others_have_and_an_empty_one_takes_anything() {
        let mut outbox = Outbox::default();
        let (one, two) = (Whose::Lane(Lane(1)), Whose::Lane(Lane(2)));
        assert!(outbox.has_room(one, 10_000, 1_000));
        outbox.push(one, message(1, 10_000));
        assert!(!outbox.has_room(one, 1, 1_000));
        assert!(outbox.has_room(two, 1, 1_000));
        outbox.forget(Lane(1));
        assert!(outbox.has_room(one, 10_000, 1_000), "nothing waits there");
        assert_eq!(outbox.pop(), None);
    }
}
