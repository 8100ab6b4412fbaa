//! Sessions and workers find each other: one task, so that nothing is given away twice.
//!
//! A session wants [`WORKERS`]: one to transcode, and on another node one that stands by. Those
//! without any come first. Whoever waits is ranked by `tessera_live_core::choose`, and the best gets
//! it. Where nobody who waits can take a session that has no worker, a worker that only stands by
//! elsewhere and could take it loses that lease.

mod why;

use super::App;
use super::streams::random;
use crate::problem::Refusal;
use crate::rules::funds::{Term, can_begin, can_go_on, term};
use crate::store::live::{
    Candidate, StreamLease, StreamLeaseAsk, StreamLeaseEnd, StreamLeaseGranted, Wanting,
};
use crate::store::stream_pay::Funds;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tessera_live_core::choose::{self, Need, Weights};
use tessera_protocol::stream::view::StreamSpec;
use tessera_protocol::stream::worker::StreamLeaseGrant;
use tessera_protocol::stream::{Ladder, Rendition};
use tessera_protocol::{LeaseId, NodeId, PixelPrice, SessionId};
use tessera_verify::segment::record::is_barred;

/// Workers of a session, while there are some to have.
const WORKERS: usize = 2;
/// How long a worker that was replaced does not get the same session again, in milliseconds.
const BARRED_MS: i64 = 60_000;
/// How long a session that freed a worker elsewhere waits before it frees another, in milliseconds:
/// more than a worker takes to hear of it and to ask.
const FREED_MS: i64 = 5_000;
/// Frames a second of a source that is not known yet.
const USUAL_FPS: u64 = 30;
/// Without a call, how often to look.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Who gets what.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pair {
    session: SessionId,
    node: NodeId,
    price: PixelPrice,
    pixels_per_s: u64,
    bits_per_s: u64,
}

impl App {
    /// Brings sessions and workers together, again and again until the master stops.
    pub(crate) async fn match_streams(&self) {
        let mut freed = HashMap::new();
        loop {
            if let Err(refusal) = self.match_now(&mut freed).await {
                tracing::warn!(?refusal, "could not look for workers; trying again");
            }
            tokio::select! {
                () = self.hints.matching.notified() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = self.stopping.cancelled() => return,
            }
        }
    }

    /// Ends the leases of workers that could not be paid much longer: the source stands in.
    async fn end_unpaid(&self) -> Result<(), Refusal> {
        let now_ms = self.clock.now_ms();
        for paid in self.store.paid_leases().await? {
            if !stands(&paid.funds, now_ms)
                || !can_go_on(paid.funds.left, paid.pixels_per_s, paid.price)
            {
                let because = "the stream's deposit is used up".to_owned();
                self.end_stream_lease(paid.lease, None, StreamLeaseEnd { because, bar: false })
                    .await?;
            }
        }
        Ok(())
    }

    async fn match_now(&self, freed: &mut HashMap<SessionId, i64>) -> Result<(), Refusal> {
        self.end_unpaid().await?;
        loop {
            let now_ms = self.clock.now_ms();
            let mut wanting = self.store.wanting(WORKERS, now_ms - BARRED_MS).await?;
            let times = self.times();
            wanting.retain(|one| self.live.is_published(one.session, &times, now_ms));
            let (wanting, unfunded): (Vec<_>, Vec<_>) =
                wanting.into_iter().partition(|one| is_funded(one, now_ms));
            let waiting = self.workers.who_wait();
            if wanting.is_empty() {
                if !unfunded.is_empty() {
                    for (node, _) in waiting {
                        self.workers.tell_why(node, vec![why::unfunded()]);
                    }
                }
                freed.clear();
                return Ok(());
            }
            let nodes = waiting.iter().map(|(node, _)| *node).collect();
            let mut candidates = self.store.candidates(nodes).await?;
            // Who was barred while it waited gets nothing either.
            candidates.retain(|candidate| !is_barred(&candidate.record));
            let asked: HashMap<_, _> = waiting.into_iter().collect();
            for candidate in &mut candidates {
                // Its own word and the master's books: the lower one holds.
                let left = candidate.able.pixels_per_s.saturating_sub(candidate.held);
                let asked = asked.get(&candidate.node).copied().unwrap_or(0);
                candidate.able.pixels_per_s = left.min(asked);
                let bits = candidate.able.uplink_bits_per_s;
                candidate.able.uplink_bits_per_s =
                    bits.map(|bits| bits.saturating_sub(candidate.held_bits));
            }
            let (pairs, without) = pair(&wanting, &candidates);
            let got = |node| pairs.iter().any(|pair| pair.node == node);
            for loser in candidates.iter().filter(|candidate| !got(candidate.node)) {
                self.workers.tell_why(loser.node, why::why(loser, &wanting, !unfunded.is_empty()));
            }
            if pairs.is_empty() {
                return self.free_standbys(&without, freed, now_ms).await;
            }
            for pair in pairs {
                self.give(pair, now_ms).await?;
            }
        }
    }

    async fn give(&self, pair: Pair, now_ms: i64) -> Result<(), Refusal> {
        let Pair { session, node, price, pixels_per_s, bits_per_s } = pair;
        let id = LeaseId(random()?);
        let ask = StreamLeaseAsk { id, session, node, price, pixels_per_s, bits_per_s, now_ms };
        let Some(granted) = self.store.grant_stream_lease(ask).await? else { return Ok(()) };
        let StreamLeaseGranted { generation, gateway, doors, ladder } = granted;
        let expires = self.config.session_lease.as_millis();
        let grant = StreamLeaseGrant {
            lease: id,
            session,
            generation,
            gateway,
            gateway_address: doors.link,
            gateway_pin: doors.link_pin,
            ladder,
            price,
            expires_after_ms: u64::try_from(expires).unwrap_or(u64::MAX),
        };
        self.workers.note(id, node, self.clock.now_ms());
        // Before it hears of it: it may ask why at once.
        self.workers.forget_why(node);
        if self.workers.answer(node, grant) {
            self.counters.stream_leases.fetch_add(1, Ordering::Relaxed);
            tracing::info!(%session, %node, lease = %id, "a worker has a session");
            return Ok(());
        }
        let because = "its worker hung up before it heard of it".into();
        Ok(self.end_stream_lease(id, Some(node), StreamLeaseEnd { because, bar: false }).await?)
    }

    /// Has workers that only stand by elsewhere make room for sessions that have none.
    async fn free_standbys(
        &self,
        without: &[&Wanting],
        freed: &mut HashMap<SessionId, i64>,
        now_ms: i64,
    ) -> Result<(), Refusal> {
        freed.retain(|_, at_ms| now_ms - *at_ms < FREED_MS);
        let without = without.iter().filter(|one| !freed.contains_key(&one.session));
        let without: Vec<_> = without.collect();
        if without.is_empty() {
            return Ok(());
        }
        let standing = self.store.standing_stream_leases().await?;
        let nodes: HashSet<_> = standing.iter().map(|lease| lease.node).collect();
        let holders = self.store.candidates(nodes.into_iter().collect()).await?;
        let mut taken = HashSet::new();
        for one in without {
            let Some(lease) = standby_to_free(one, &standing, &holders, &taken) else { continue };
            taken.insert(lease);
            freed.insert(one.session, now_ms);
            let because = "another session had no worker at all".into();
            self.end_stream_lease(lease, None, StreamLeaseEnd { because, bar: false }).await?;
        }
        Ok(())
    }
}

/// Whether a session's stream pays what a worker asks, or nobody at all.
fn pays(wanting: &Wanting, asks: PixelPrice) -> bool {
    wanting.pays.is_none_or(|(most, _)| asks <= most)
}

/// Whether a worker could be paid for long enough to be given one.
fn is_funded(wanting: &Wanting, now_ms: i64) -> bool {
    wanting.pays.is_none_or(|(most, funds)| {
        stands(&funds, now_ms) && can_begin(funds.left, need(wanting).pixels_per_s, most)
    })
}

/// Whether a stream has a price and too little to pay it with.
pub(super) fn lacks_money(spec: &StreamSpec, funds: Option<Funds>, now_ms: i64) -> bool {
    spec.max_price.zip(funds).is_some_and(|(most, funds)| {
        !stands(&funds, now_ms) || !can_begin(funds.left, usual_pixels_per_s(&spec.ladder), most)
    })
}

fn stands(funds: &Funds, now_ms: i64) -> bool {
    term(funds.stands_until_ms, now_ms) != Term::Over
}

/// Who gets what of those who wait, each at most one session; and the sessions that have no worker
/// and get none. `candidates` have as their speed and uplink what they have left.
fn pair<'a>(wanting: &'a [Wanting], candidates: &[Candidate]) -> (Vec<Pair>, Vec<&'a Wanting>) {
    let mut left: Vec<&Candidate> = candidates.iter().collect();
    let (mut pairs, mut without) = (Vec::new(), Vec::new());
    for one in wanting {
        let need = need(one);
        let may = |candidate: &&&Candidate| {
            !one.barred.contains(&candidate.node) && pays(one, candidate.able.price)
        };
        let allowed: Vec<_> = left.iter().filter(may).collect();
        let ranked: Vec<_> = allowed.iter().map(|candidate| asks(candidate)).collect();
        let best = choose::rank(&need, &ranked, &Weights::PUBLISHED).first().copied();
        let Some(chosen) = best.map(|best| *allowed[best]) else {
            if one.standing == 0 {
                without.push(one);
            }
            continue;
        };
        pairs.push(Pair {
            session: one.session,
            node: chosen.node,
            price: one.pays.map_or(PixelPrice(0), |_| chosen.able.price),
            pixels_per_s: need.pixels_per_s,
            bits_per_s: need.bits_per_s,
        });
        left.retain(|candidate| candidate.node != chosen.node);
    }
    (pairs, without)
}

/// A lease that stands by and whose worker could take the session without it. `holders` have as
/// their speed and uplink all that they have.
fn standby_to_free(
    one: &Wanting,
    standing: &[StreamLease],
    holders: &[Candidate],
    taken: &HashSet<LeaseId>,
) -> Option<LeaseId> {
    let need = need(one);
    let mut begun = HashSet::new();
    // In the order of granting: the first of each session transcodes it.
    let standbys = standing.iter().filter(|lease| !begun.insert(lease.session));
    let able = |lease: &&StreamLease| {
        let Some(holder) = holders.iter().find(|holder| holder.node == lease.node) else {
            return false;
        };
        if !pays(one, holder.able.price) {
            return false;
        }
        let left = |all: u64, held: u64, freed: u64| all.saturating_sub(held.saturating_sub(freed));
        let mut asks = asks(holder);
        asks.free_pixels_per_s = left(asks.free_pixels_per_s, holder.held, lease.pixels_per_s);
        asks.uplink_bits_per_s =
            asks.uplink_bits_per_s.map(|bits| left(bits, holder.held_bits, lease.bits_per_s));
        choose::fits(&need, &asks).is_ok()
    };
    let mut standbys =
        standbys.filter(|lease| !taken.contains(&lease.id) && !one.barred.contains(&lease.node));
    standbys.find(able).map(|lease| lease.id)
}

fn asks(candidate: &Candidate) -> choose::Candidate {
    choose::Candidate {
        node: candidate.node,
        price: candidate.able.price.0,
        free_pixels_per_s: candidate.able.pixels_per_s,
        codecs: candidate.able.codecs.clone(),
        uplink_bits_per_s: candidate.able.uplink_bits_per_s,
        segments: candidate.record.segments,
        failures: candidate.record.failures.saturating_add(candidate.record.audits_rejected),
    }
}

/// What a session needs: as its gateway says, or as a usual source of its ladder would.
fn need(wanting: &Wanting) -> Need {
    let renditions = wanting.ladder.renditions();
    let mut codecs: Vec<_> = renditions.iter().map(|rendition| rendition.codec).collect();
    codecs.sort();
    codecs.dedup();
    Need {
        pixels_per_s: match wanting.pixels_per_s {
            0 => usual_pixels_per_s(&wanting.ladder),
            told => told,
        },
        bits_per_s: renditions.iter().map(|rendition| u64::from(rendition.bits_per_s)).sum(),
        codecs,
    }
}

fn usual_pixels_per_s(ladder: &Ladder) -> u64 {
    let pixels = |rendition: &Rendition| {
        let (width, height) = rendition.size_for(16 * 120, 9 * 120);
        let fps = rendition.max_fps.map_or(USUAL_FPS, u64::from).min(USUAL_FPS);
        u64::from(width) * u64::from(height) * fps
    };
    ladder.renditions().iter().map(pixels).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::funds::EXPIRES_BEFORE_MS;
    use tessera_protocol::Amount;
    use tessera_protocol::stream::VideoCodec;
    use tessera_protocol::stream::worker::WorkerAbility;
    use tessera_verify::segment::record::Record;

    /// Of [`Ladder::standard`].
    const LADDER_BITS: u64 = 5_400_000;

    fn wanting(number: u8, standing: usize, barred: &[u8]) -> Wanting {
        Wanting {
            session: SessionId([number; 16]),
            ladder: Ladder::standard(),
            pixels_per_s: 50,
            standing,
            pays: None,
            barred: barred.iter().map(|node| NodeId([*node; 32])).collect(),
        }
    }

    fn candidate(node: u8, pixels_per_s: u64, price: u64) -> Candidate {
        let price = PixelPrice(price);
        Candidate {
            node: NodeId([node; 32]),
            able: WorkerAbility {
                pixels_per_s,
                codecs: vec![VideoCodec::H264],
                encoders: String::new(),
                price,
                uplink_bits_per_s: None,
            },
            held: 0,
            held_bits: 0,
            record: Record::default(),
        }
    }

    fn given(wanting: &[Wanting], candidates: &[Candidate]) -> Vec<(u8, u8)> {
        let (pairs, _) = pair(wanting, candidates);
        pairs.iter().map(|pair| (pair.session.0[0], pair.node.0[0])).collect()
    }

    #[test]
    fn the_cheapest_that_can_gets_it_and_each_worker_one_at_a_time() {
        let candidates = [candidate(1, 100, 30), candidate(2, 100, 10), candidate(3, 49, 1)];
        assert_eq!(given(&[wanting(1, 0, &[])], &candidates), [(1, 2)]);
        let two = [wanting(1, 0, &[]), wanting(2, 1, &[])];
        assert_eq!(given(&two, &candidates), [(1, 2), (2, 1)]);
        assert_eq!(given(&[wanting(1, 0, &[2])], &candidates), [(1, 1)], "2 is barred");
        let (pairs, without) = pair(&two, &candidates[2..]);
        assert!(pairs.is_empty(), "3 is too slow");
        assert_eq!(without, [&two[0]], "the other has a worker");
    }

    #[test]
    fn who_gets_nothing_is_told_each_reason_once() {
        let paying = |number, most| {
            let funds =
                Funds { left: Amount(u64::MAX), stands_until_ms: i64::MAX, ..Funds::default() };
            Wanting { pays: Some((PixelPrice(most), funds)), ..wanting(number, 0, &[]) }
        };
        let codes = |worker: &Candidate, wanting: &[Wanting], unfunded| {
            let why = why::why(worker, wanting, unfunded);
            why.into_iter().map(|why| why.code).collect::<Vec<_>>()
        };
        let worker = candidate(1, 100, 30);
        assert_eq!(codes(&worker, &[paying(1, 29)], false), ["price_above_maximum"]);
        assert_eq!(codes(&worker, &[paying(1, 30)], false), ["outbid"], "it could have had it");
        let slow = candidate(1, 49, 30);
        let all = [paying(1, 29), wanting(2, 0, &[]), wanting(3, 0, &[]), wanting(4, 1, &[1])];
        assert_eq!(
            codes(&slow, &all, true),
            ["price_above_maximum", "too_slow", "has_it_or_was_replaced", "deposit_used_up"]
        );
        let thin = on_a_line_of(LADDER_BITS - 1, candidate(1, 100, 1));
        assert_eq!(codes(&thin, &[wanting(1, 0, &[])], false), ["line_too_thin"]);
        let mute =
            Candidate { able: WorkerAbility { codecs: vec![], ..worker.able.clone() }, ..worker };
        assert_eq!(codes(&mute, &[wanting(1, 0, &[])], false), ["cannot_encode"]);
    }

    fn on_a_line_of(bits: u64, candidate: Candidate) -> Candidate {
        let able = WorkerAbility { uplink_bits_per_s: Some(bits), ..candidate.able };
        Candidate { able, ..candidate }
    }

    #[test]
    fn a_line_that_is_too_thin_gets_nothing() {
        let thin = on_a_line_of(LADDER_BITS - 1, candidate(1, 100, 1));
        assert_eq!(given(&[wanting(1, 0, &[])], std::slice::from_ref(&thin)), []);
        let fits = on_a_line_of(LADDER_BITS, candidate(2, 100, 30));
        assert_eq!(given(&[wanting(1, 0, &[])], &[thin, fits, candidate(3, 100, 50)]), [(1, 2)]);
    }

    fn lease(id: u8, session: u8, node: u8) -> StreamLease {
        StreamLease {
            id: LeaseId([id; 16]),
            session: SessionId([session; 16]),
            node: NodeId([node; 32]),
            granted_ms: 0,
            standing: true,
            pixels_per_s: 50,
            bits_per_s: LADDER_BITS,
            failures: 0,
            record: Record::default(),
        }
    }

    #[test]
    fn a_standby_makes_room_and_a_primary_never() {
        let full = |node| Candidate { held: 60, ..candidate(node, 60, 1) };
        let holders = [full(1), full(2)];
        let standing = [lease(1, 1, 1), lease(2, 1, 2)];
        let none = HashSet::new();
        let new = wanting(9, 0, &[]);
        assert_eq!(standby_to_free(&new, &standing, &holders, &none), Some(LeaseId([2; 16])));
        let taken = HashSet::from([LeaseId([2; 16])]);
        assert_eq!(standby_to_free(&new, &standing, &holders, &taken), None);
        let primaries = [lease(1, 1, 1), lease(2, 2, 2)];
        assert_eq!(standby_to_free(&new, &primaries, &holders, &none), None);
        let large = Wanting { pixels_per_s: 61, ..new };
        assert_eq!(standby_to_free(&large, &standing, &holders, &none), None, "no use");
        // The standby's bits come free with it, and no others.
        let line = |bits| {
            let on_it = |node| on_a_line_of(bits, Candidate { held_bits: 6_000_000, ..full(node) });
            standby_to_free(&wanting(9, 0, &[]), &standing, &[on_it(1), on_it(2)], &none)
        };
        assert_eq!(line(6_000_000), Some(LeaseId([2; 16])));
        assert_eq!(line(5_999_999), None);
    }

    #[test]
    fn a_stream_that_pays_has_who_asks_no_more_and_a_minute_to_pay_with() {
        // One base unit a pixel: fifty a second.
        let price = 1_000_000_000_000;
        let paying = |left, stands_until_ms| {
            let funds = Funds { left: Amount(left), stands_until_ms, ..Funds::default() };
            Wanting { pays: Some((PixelPrice(price), funds)), ..wanting(1, 0, &[]) }
        };
        let good = paying(3_000, EXPIRES_BEFORE_MS + 1);
        assert!(is_funded(&good, 0) && is_funded(&wanting(1, 0, &[]), 0));
        assert!(!is_funded(&paying(2_999, EXPIRES_BEFORE_MS + 1), 0), "less than a minute of it");
        assert!(!is_funded(&paying(3_000, EXPIRES_BEFORE_MS), 0), "it can be taken back in a day");
        let dear = candidate(1, 100, price + 1);
        assert_eq!(pair(std::slice::from_ref(&good), std::slice::from_ref(&dear)).0, []);
        let (pairs, _) =
            pair(std::slice::from_ref(&good), &[dear.clone(), candidate(2, 100, price)]);
        assert_eq!((pairs[0].node, pairs[0].price), (NodeId([2; 32]), PixelPrice(price)));
        let (pairs, _) = pair(&[wanting(1, 0, &[])], std::slice::from_ref(&dear));
        assert_eq!(pairs[0].price, PixelPrice(0), "nobody pays for it");
        let held = Candidate { held: 100, ..dear };
        let standing = [lease(1, 7, 9), lease(2, 7, 1)];
        let free = |one: &Wanting| {
            standby_to_free(one, &standing, std::slice::from_ref(&held), &HashSet::new())
        };
        assert_eq!((free(&good), free(&wanting(1, 0, &[])).is_some()), (None, true));
    }

    #[test]
    fn a_source_that_is_not_known_needs_what_its_ladder_usually_does() {
        let unknown = Wanting { pixels_per_s: 0, ..wanting(1, 0, &[]) };
        let pixels = (1280 * 720 + 854 * 480 + 640 * 360 + 426 * 240) * 30;
        assert_eq!(need(&unknown).pixels_per_s, pixels);
        assert_eq!(need(&wanting(1, 0, &[])).pixels_per_s, 50);
    }
}
