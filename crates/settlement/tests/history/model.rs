//! What a history should come to, counted plainly: what each lease earned, of a job or of a stream, and who
//! pays for it. It knows no accounts, epochs or purses.

use crate::books::Work;
use crate::compare::{Figure, Side, What};
use crate::world::*;
use std::collections::BTreeMap;
use tessera_protocol::PixelPrice;

/// What the operator takes of what a job cost, in hundredths of a per cent.
pub(crate) const FEE_BPS: u16 = 333;

/// A lease that was paid, or is to be.
struct Earned {
    node: Who,
    job: u8,
    /// Of the job's ceiling.
    own: u64,
    /// Beyond it: of the operator's reserve.
    over: u64,
}

/// A job's money.
struct Spent {
    payer: u8,
    ceilings: u64,
    left: u64,
    fee: u64,
}

/// A stream's money.
#[derive(Default)]
struct Streamed {
    payer: u8,
    funded: u64,
    fee: u64,
    /// Who has which lease, at what price, and how many pixels of it were delivered.
    lanes: BTreeMap<u8, (Who, PixelPrice, u64)>,
}

impl Streamed {
    /// What each lease earned: by the sum of its pixels, rounded down once.
    fn earned(&self) -> impl Iterator<Item = (Who, u64)> {
        self.lanes.values().map(|(who, price, pixels)| {
            let units = u128::from(*pixels) * u128::from(price.0) / 1_000_000_000_000;
            (*who, u64::try_from(units).expect("few pixels"))
        })
    }
}

#[derive(Default)]
pub(crate) struct Model {
    leases: BTreeMap<u32, Earned>,
    streams: BTreeMap<u8, Streamed>,
    jobs: BTreeMap<u8, Spent>,
    stakes: BTreeMap<u8, u64>,
    burned: u64,
    bond: u64,
    /// What each won, or lost, by slashes and challenges.
    luck: BTreeMap<Who, i128>,
}

/// What work earns, rounded down.
pub(crate) fn pay(work: &Work) -> u64 {
    let thousandths = u128::from(work.rays) * u128::from(work.factor.0) * u128::from(work.price.0);
    u64::try_from(thousandths / 1_000_000_000_000).expect("little work")
}

impl Model {
    pub(crate) fn new() -> Self {
        Self { bond: BOND, ..Self::default() }
    }

    pub(crate) fn quoted(&mut self, job: u8, payer: u8, ceiling: u64) {
        self.jobs.insert(job, Spent { payer, ceilings: ceiling, left: ceiling, fee: 0 });
    }

    pub(crate) fn topped_up(&mut self, job: u8, amount: u64) {
        let job = self.jobs.get_mut(&job).expect("a quoted job");
        job.ceilings += amount;
        job.left += amount;
    }

    pub(crate) fn verified(&mut self, lease: u32, job: u8, work: &Work) {
        let (pay, left) = (pay(work), &mut self.jobs.get_mut(&job).expect("a quoted job").left);
        let own = pay.min(*left);
        *left -= own;
        self.leases.insert(lease, Earned { node: work.node, job, own, over: pay - own });
    }

    pub(crate) fn reversed(&mut self, lease: u32) {
        let lease = self.leases.remove(&lease).expect("reversed once");
        self.jobs.get_mut(&lease.job).expect("a quoted job").left += lease.own;
    }

    pub(crate) fn ended(&mut self, job: u8, part: u32) {
        let job = self.jobs.get_mut(&job).expect("a quoted job");
        if part == 0 {
            job.fee = ((job.ceilings - job.left) * u64::from(FEE_BPS) / 10_000).min(job.left);
        }
        job.left = 0;
    }

    pub(crate) fn stream_funded(&mut self, stream: u8, payer: u8, amount: u64) {
        let stream = self.streams.entry(stream).or_default();
        stream.payer = payer;
        stream.funded += amount;
    }

    pub(crate) fn delivered(&mut self, stream: u8, lane: u8, who: Who, price: PixelPrice, n: u64) {
        let lanes = &mut self.streams.get_mut(&stream).expect("a funded stream").lanes;
        lanes.entry(lane).or_insert((who, price, 0)).2 += n;
    }

    pub(crate) fn stream_ended(&mut self, stream: u8) {
        let stream = self.streams.get_mut(&stream).expect("a funded stream");
        let cost: u64 = stream.earned().map(|(_, pay)| pay).sum();
        stream.fee = (cost * u64::from(FEE_BPS) / 10_000).min(stream.funded - cost);
    }

    pub(crate) fn staked(&mut self, node: u8, amount: u64) {
        *self.stakes.entry(node).or_default() += amount;
    }

    pub(crate) fn unstaked(&mut self, node: u8, amount: u64) {
        *self.stakes.get_mut(&node).expect("it had a stake") -= amount;
    }

    pub(crate) fn slashed(&mut self, node: u8, reporter: Who) {
        let stake = self.stakes.get_mut(&node).expect("it had a stake");
        let amount = *stake * u64::from(SLASH_BPS) / 10_000;
        let share = amount * u64::from(REPORTER_BPS) / 10_000;
        *stake -= amount;
        self.burned += amount - share;
        *self.luck.entry(Who::Node(node)).or_default() -= i128::from(amount);
        *self.luck.entry(reporter).or_default() += i128::from(share);
    }

    pub(crate) fn challenge_upheld(&mut self, node: u8, rewarded: bool) {
        let reward = if rewarded { CHALLENGE_BOND.min(self.bond) } else { 0 };
        self.bond -= reward;
        self.staked(node, CHALLENGE_BOND + reward);
        *self.luck.entry(Who::Node(node)).or_default() += i128::from(reward);
    }

    pub(crate) fn challenge_rejected(&mut self, node: u8) {
        self.bond += CHALLENGE_BOND;
        *self.luck.entry(Who::Node(node)).or_default() -= i128::from(CHALLENGE_BOND);
    }

    /// What each node has earned so far, wherever it is by now; and the operator by fees.
    pub(crate) fn earned(&self) -> Side {
        let mut side: BTreeMap<Who, i128> = Who::all().map(|who| (who, 0)).collect();
        for lease in self.leases.values() {
            *side.entry(lease.node).or_default() += i128::from(lease.own + lease.over);
        }
        for (who, pay) in self.streams.values().flat_map(Streamed::earned) {
            *side.entry(who).or_default() += i128::from(pay);
        }
        let fees: u64 = self.jobs.values().map(|job| job.fee).sum();
        let of_streams: u64 = self.streams.values().map(|stream| stream.fee).sum();
        *side.entry(Who::Operator).or_default() += i128::from(fees + of_streams);
        side.into_iter().map(|(who, sum)| (What::Earned(who), Figure::Units(sum))).collect()
    }

    /// What everybody has in the end, and what is left in the farm.
    pub(crate) fn end(&self) -> Side {
        let mut tokens: BTreeMap<Who, i128> = self.luck.clone();
        for who in Who::all().filter(|who| !who.is_homeless()) {
            *tokens.entry(who).or_default() += i128::from(PURSE);
        }
        let mut moves = |who: Who, amount: u64, sign: i128| {
            *tokens.entry(who).or_default() += sign * i128::from(amount);
        };
        for lease in self.leases.values() {
            moves(lease.node, lease.own + lease.over, 1);
            moves(Who::Payer(self.jobs[&lease.job].payer), lease.own, -1);
            moves(Who::Operator, lease.over, -1);
        }
        for job in self.jobs.values() {
            moves(Who::Payer(job.payer), job.fee, -1);
            moves(Who::Operator, job.fee, 1);
        }
        for stream in self.streams.values() {
            for (who, pay) in stream.earned() {
                moves(who, pay, 1);
                moves(Who::Payer(stream.payer), pay, -1);
            }
            moves(Who::Payer(stream.payer), stream.fee, -1);
            moves(Who::Operator, stream.fee, 1);
        }
        moves(Who::Operator, BOND, -1);
        HOMELESS.iter().for_each(|n| moves(Who::Node(*n), 0, 1));
        let mut side: Side =
            tokens.into_iter().map(|(who, sum)| (What::Tokens(who), Figure::Units(sum))).collect();
        side.insert(What::EscrowVault, Figure::Units(0));
        side.insert(What::StakeVault, Figure::Units(0));
        side.insert(What::BondVault, Figure::Units(i128::from(self.bond)));
        side.insert(What::Supply, Figure::Units(i128::from(SUPPLY - self.burned)));
        side
    }
}
