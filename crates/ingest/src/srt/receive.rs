//! The receiver of one connection: puts packets in order, asks for what is missing, gives up what
//! comes too late. Sans-IO; time is an argument.
//!
//! Packets are given out as soon as they are in order, not at the sender's pace: whoever cuts a
//! stream goes by its own times.

use super::wire::{AckBody, Reply, Sequence};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Packets that are held at most, in and out of order: 12 MB, or two seconds at 50 Mbit/s.
pub(crate) const WINDOW: usize = 8192;
/// How often acknowledgements are sent while anything comes.
const ACK_EVERY: Duration = Duration::from_millis(10);
/// How soon what is missing is asked for again at the earliest.
const ASK_AGAIN: Duration = Duration::from_millis(20);
/// How often the other side hears something at least.
const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// Most ranges that one packet asks for: it has to fit into a datagram.
const MAX_RANGES: usize = 150;

/// One connection's packets.
#[derive(Debug)]
pub(crate) struct Receiver {
    /// What a gap waits for what is missing.
    latency: Duration,
    /// The first packet that was not given out.
    next: Sequence,
    /// Packets from `next` on.
    slots: VecDeque<Slot>,
    ready: Vec<Bytes>,
    acked: Sequence,
    acks: VecDeque<(u32, Instant)>,
    ack_number: u32,
    ack_at: Instant,
    asked_at: Instant,
    spoke_at: Instant,
    round_trip: RoundTrip,
    rate: Rate,
    /// Packets that were given up.
    pub(crate) lost: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Slot {
    /// Missing; known to be since then.
    Missing(Instant),
    Here(Bytes),
}

/// Microseconds, smoothed as the draft has it (4.10).
#[derive(Debug, Clone, Copy)]
struct RoundTrip {
    mean: u32,
    variance: u32,
}

/// What came within the last second.
#[derive(Debug)]
struct Rate {
    since: Instant,
    packets: u32,
    bytes: u32,
    last: (u32, u32),
}

impl Receiver {
    /// Expects `first`, at `now`.
    pub(crate) fn new(first: Sequence, latency: Duration, now: Instant) -> Self {
        Self {
            latency,
            next: first,
            slots: VecDeque::new(),
            ready: Vec::new(),
            acked: first,
            acks: VecDeque::new(),
            ack_number: 0,
            ack_at: now,
            asked_at: now,
            spoke_at: now,
            round_trip: RoundTrip { mean: 100_000, variance: 50_000 },
            rate: Rate { since: now, packets: 0, bytes: 0, last: (0, 0) },
            lost: 0,
        }
    }

    /// A packet came. What is newly missing is asked for at once. One that is further ahead than the
    /// window reaches comes after an outage: the sender goes on there, and what lies between is lost.
    pub(crate) fn take(
        &mut self,
        sequence: Sequence,
        payload: Bytes,
        now: Instant,
    ) -> Option<Reply> {
        // What is behind by less than half of all numbers is late, however far.
        let Ok(ahead) = usize::try_from(sequence.after(self.next)) else { return None };
        if ahead >= WINDOW {
            self.go_on_at(sequence);
        }
        let place = if ahead >= WINDOW { 0 } else { ahead };
        self.rate.count(payload.len(), now);
        let known = self.slots.len();
        if place < known {
            // One that was missing, or came twice.
            if let slot @ Slot::Missing(_) = &mut self.slots[place] {
                *slot = Slot::Here(payload);
            }
            self.give_out();
            return None;
        }
        let (gap, first) = (place > known, self.next.plus(known as u32));
        self.slots.resize(place, Slot::Missing(now));
        self.slots.push_back(Slot::Here(payload));
        self.give_out();
        gap.then(|| {
            self.spoke_at = now;
            Reply::Missing(vec![(first, sequence.plus(u32::MAX))])
        })
    }

    /// The sender gave these up.
    pub(crate) fn drop_range(&mut self, first: Sequence, last: Sequence) {
        let known = self.slots.len() as i32;
        let (from, to) = (first.after(self.next).max(0), last.after(self.next));
        for place in from..=to.min(known - 1) {
            if let slot @ Slot::Missing(_) = &mut self.slots[place as usize] {
                *slot = Slot::Here(Bytes::new());
                self.lost += 1;
            }
        }
        // What was not missed yet, as nothing came after it. Behind a gap that was not missed yet
        // either, the sender says it again when it is asked for.
        if from <= known && to >= known {
            if to < WINDOW as i32 {
                self.lost += (to - known + 1) as u64;
                self.slots.resize(to as usize + 1, Slot::Here(Bytes::new()));
            } else {
                self.go_on_at(last.plus(1));
            }
        }
        self.give_out();
    }

    /// An acknowledgement was answered.
    pub(crate) fn answered(&mut self, number: u32, now: Instant) {
        let Some(place) = self.acks.iter().position(|(sent, _)| *sent == number) else { return };
        let (_, sent) = self.acks[place];
        self.acks.drain(..=place);
        let took = u32::try_from((now - sent).as_micros()).unwrap_or(u32::MAX).min(10_000_000);
        let RoundTrip { mean, variance } = self.round_trip;
        self.round_trip = RoundTrip {
            mean: (mean / 8) * 7 + took / 8,
            variance: (variance / 4) * 3 + mean.abs_diff(took) / 4,
        };
    }

    /// Time passed; says what is to be sent. To be called every 10 ms or so.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<Reply> {
        self.give_up(now);
        let mut replies = Vec::new();
        if now - self.ack_at >= ACK_EVERY && self.acked != self.next {
            replies.push(self.ack(now));
        }
        let patience = u64::from(self.round_trip.mean + 4 * self.round_trip.variance) / 2;
        if now - self.asked_at >= ASK_AGAIN.max(Duration::from_micros(patience)) {
            self.asked_at = now;
            let missing = self.missing();
            if !missing.is_empty() {
                replies.push(Reply::Missing(missing));
            }
        }
        if replies.is_empty() && now - self.spoke_at >= KEEP_ALIVE {
            replies.push(Reply::KeepAlive);
        }
        if !replies.is_empty() {
            self.spoke_at = now;
        }
        replies
    }

    /// Nothing more comes: what is missing is passed over.
    pub(crate) fn finish(&mut self) {
        while !self.slots.is_empty() {
            self.pass_over();
        }
    }

    /// What is in order and was not given out yet.
    pub(crate) fn ready(&mut self) -> Vec<Bytes> {
        std::mem::take(&mut self.ready)
    }

    fn ack(&mut self, now: Instant) -> Reply {
        const REMEMBERED: usize = 64;
        (self.ack_at, self.acked) = (now, self.next);
        self.ack_number = self.ack_number.wrapping_add(1);
        if self.acks.len() == REMEMBERED {
            self.acks.pop_front();
        }
        self.acks.push_back((self.ack_number, now));
        let (packets_per_s, bytes_per_s) = self.rate.last;
        Reply::Ack {
            number: self.ack_number,
            body: AckBody {
                next: self.next,
                round_trip: self.round_trip.mean,
                variance: self.round_trip.variance,
                room: (WINDOW - self.slots.len()) as u32,
                packets_per_s,
                bytes_per_s,
            },
        }
    }

    fn missing(&self) -> Vec<(Sequence, Sequence)> {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for (place, slot) in self.slots.iter().enumerate() {
            let (Slot::Missing(_), place) = (slot, place as u32) else { continue };
            let full = ranges.len() == MAX_RANGES;
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == place => *last = place,
                _ if full => break,
                _ => ranges.push((place, place)),
            }
        }
        ranges.iter().map(|(first, last)| (self.next.plus(*first), self.next.plus(*last))).collect()
    }

    /// Passes over what was waited for long enough.
    fn give_up(&mut self, now: Instant) {
        while let Some(Slot::Missing(since)) = self.slots.front() {
            if now - *since < self.latency {
                break;
            }
            self.pass_over();
        }
    }

    /// Gives up what is missing at the front.
    fn pass_over(&mut self) {
        self.slots.pop_front();
        self.next = self.next.plus(1);
        self.lost += 1;
        self.give_out();
    }

    /// Passes over all that is held, and what lies between it and `sequence`, which is ahead of it.
    fn go_on_at(&mut self, sequence: Sequence) {
        self.give_out();
        self.finish();
        self.lost += u64::try_from(sequence.after(self.next)).unwrap_or(0);
        self.next = sequence;
    }

    fn give_out(&mut self) {
        while let Some(Slot::Here(payload)) = self.slots.front_mut() {
            let payload = std::mem::take(payload);
            if !payload.is_empty() {
                self.ready.push(payload);
            }
            self.slots.pop_front();
            self.next = self.next.plus(1);
        }
    }
}

impl Rate {
    fn count(&mut self, bytes: usize, now: Instant) {
        if now - self.since >= Duration::from_secs(1) {
            self.last = (self.packets, self.bytes);
            (self.since, self.packets, self.bytes) = (now, 0, 0);
        }
        self.packets = self.packets.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LATENCY: Duration = Duration::from_millis(120);

    fn payload(n: u32) -> Bytes {
        Bytes::copy_from_slice(&n.to_be_bytes())
    }

    fn numbers(receiver: &mut Receiver) -> Vec<u32> {
        receiver.ready().iter().map(|p| u32::from_be_bytes(p[..].try_into().unwrap())).collect()
    }

    #[test]
    fn what_is_missing_is_asked_for_waited_for_and_given_up() {
        let (first, now) = (Sequence::new(0x7fff_fffe), Instant::now());
        let mut receiver = Receiver::new(first, LATENCY, now);
        assert_eq!(receiver.take(first, payload(0), now), None);
        let asked = receiver.take(first.plus(3), payload(3), now);
        assert_eq!(asked, Some(Reply::Missing(vec![(first.plus(1), first.plus(2))])));
        assert_eq!(receiver.take(first.plus(2), payload(2), now), None);
        assert_eq!(numbers(&mut receiver), [0]);

        let later = now + Duration::from_millis(200);
        let replies = receiver.tick(now + Duration::from_millis(119));
        let Reply::Ack { body, .. } = &replies[0] else { panic!("{replies:?}") };
        assert_eq!(body.next, first.plus(1));
        assert_eq!(numbers(&mut receiver), [0; 0]);
        let replies = receiver.tick(later);
        assert_eq!(numbers(&mut receiver), [2, 3]);
        assert_eq!(receiver.lost, 1);
        assert!(!replies.iter().any(|reply| matches!(reply, Reply::Missing(_))));
        // At the end nothing is waited for.
        receiver.take(first.plus(6), payload(6), later);
        receiver.finish();
        assert_eq!(numbers(&mut receiver), [6]);
        // What comes after it was given up is dropped.
        assert_eq!(receiver.take(first.plus(1), payload(1), later), None);
        assert_eq!(numbers(&mut receiver), [0; 0]);
    }

    #[test]
    fn after_an_outage_longer_than_the_window_it_goes_on_where_the_sender_is() {
        let (first, now) = (Sequence::new(0x7fff_fff0), Instant::now());
        let mut receiver = Receiver::new(first, LATENCY, now);
        receiver.take(first, payload(0), now);
        receiver.take(first.plus(2), payload(2), now);
        let far = WINDOW as u32 + 1;
        assert_eq!(receiver.take(first.plus(far), payload(far), now), None);
        receiver.take(first.plus(far + 1), payload(far + 1), now);
        assert_eq!(numbers(&mut receiver), [0, 2, far, far + 1]);
        assert_eq!(receiver.lost, u64::from(far) - 2);
        // The sender hears where it is.
        let replies = receiver.tick(now + ACK_EVERY);
        let Reply::Ack { body, .. } = &replies[0] else { panic!("{replies:?}") };
        assert_eq!(body.next, first.plus(far + 2));
        // What is behind stays behind, up to half of all numbers.
        for back in [1, far + 2, (1 << 30) - 1] {
            let late = first.plus(far + 2).plus(0_u32.wrapping_sub(back));
            assert_eq!(receiver.take(late, payload(9), now), None);
        }
        assert_eq!((numbers(&mut receiver), receiver.next), (vec![], first.plus(far + 2)));
    }

    #[test]
    fn what_the_sender_gives_up_before_it_is_missed_is_not_waited_for() {
        let (first, now) = (Sequence::new(7), Instant::now());
        let mut receiver = Receiver::new(first, LATENCY, now);
        receiver.take(first, payload(0), now);
        receiver.drop_range(first.plus(1), first.plus(4));
        assert_eq!(receiver.take(first.plus(5), payload(5), now), None);
        assert_eq!((numbers(&mut receiver), receiver.lost), (vec![0, 5], 4));
        // Behind what is still missing.
        receiver.take(first.plus(7), payload(7), now);
        receiver.drop_range(first.plus(8), first.plus(9));
        assert_eq!(receiver.take(first.plus(10), payload(10), now), None);
        receiver.take(first.plus(6), payload(6), now);
        assert_eq!((numbers(&mut receiver), receiver.lost), (vec![6, 7, 10], 6));
        // More than the window holds.
        let end = 11 + 2 * WINDOW as u32;
        receiver.drop_range(first.plus(11), first.plus(end));
        receiver.take(first.plus(end + 1), payload(1), now);
        assert_eq!((numbers(&mut receiver), receiver.next), (vec![1], first.plus(end + 2)));
        assert_eq!(receiver.lost, 6 + u64::from(end) - 10);
        // What it gave up long ago, and what is no range.
        receiver.drop_range(first, first.plus(end));
        receiver.drop_range(first.plus(end + 9), first);
        assert_eq!(receiver.next, first.plus(end + 2));
    }

    #[test]
    fn silence_is_broken_once_a_second() {
        let now = Instant::now();
        let mut receiver = Receiver::new(Sequence::new(5), LATENCY, now);
        assert_eq!(receiver.tick(now + Duration::from_millis(900)), []);
        let second = now + Duration::from_millis(1000);
        assert_eq!(receiver.tick(second), [Reply::KeepAlive]);
        assert_eq!(receiver.tick(second), []);
    }

    proptest! {
        #[test]
        fn whatever_arrives_in_time_comes_out_once_and_in_order(
            start in any::<u32>(),
            order in Just((0_u32..200).collect::<Vec<_>>()).prop_shuffle(),
            lost in proptest::collection::hash_set(0_u32..200, 0..20),
            twice in proptest::collection::vec(0_u32..200, 0..20),
        ) {
            let (first, now) = (Sequence::new(start), Instant::now());
            let mut receiver = Receiver::new(first, LATENCY, now);
            for n in order.into_iter().chain(twice).filter(|n| !lost.contains(n)) {
                receiver.take(first.plus(n), payload(n), now);
            }
            receiver.tick(now + LATENCY);
            let expected: Vec<_> = (0..200).filter(|n| !lost.contains(n)).collect();
            prop_assert_eq!(numbers(&mut receiver), expected);
        }

        #[test]
        fn nothing_makes_it_hold_more_than_its_window(
            packets in proptest::collection::vec((any::<u32>(), any::<bool>()), 0..100),
        ) {
            let now = Instant::now();
            let mut receiver = Receiver::new(Sequence::new(0), LATENCY, now);
            for (n, near) in packets {
                let n = Sequence::new(if near { n % 10_000 } else { n });
                receiver.take(n, payload(1), now);
                receiver.drop_range(n, n.plus(100));
                prop_assert!(receiver.slots.len() <= WINDOW);
            }
            receiver.tick(now + LATENCY);
        }
    }
}
