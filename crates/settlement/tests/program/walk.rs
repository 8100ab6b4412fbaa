//! A long walk of everything that can happen, in an order that nobody chose: money is never made or
//! lost, every vault covers exactly what it owes, and whatever was refused changed nothing.

use std::collections::BTreeSet;

use solana_address::Address;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer as _;
use tessera_settlement::abi::Id;
use tessera_settlement::abi::account::{EpochState, Job};
use tessera_settlement::abi::instruction::OpenChannel;
use tessera_settlement::abi::seeds::Vault;
use tessera_settlement::abi::signed::{Class, CommitHeader, VerdictHeader, VoucherHeader};
use tessera_settlement::instruction::{Ends, LeaseOf, signature_check};
use tessera_settlement::tree::PayoutTree;

use crate::world::{HOUR, PURSE, REASON, UNIT, World};

const SEEDS: u64 = 6;
const STEPS: usize = 1_500;
const JOBS: u64 = 4;

/// SplitMix64: any seed will do, and the same walk follows from it everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// Often a sensible amount, sometimes none or far too much.
    fn amount(&mut self) -> u64 {
        match self.below(10) {
            0 => 0,
            1 => u64::MAX - self.below(3),
            _ => self.below(60 * UNIT) + 1,
        }
    }
}

/// Its name, and its instructions.
type Step = (&'static str, Vec<Instruction>);

struct Walk {
    world: World,
    dice: Dice,
    number: u64,
    tree: Option<PayoutTree>,
    payees: Vec<Address>,
    done: BTreeSet<&'static str>,
}

fn job(at: u64) -> Id {
    [at as u8; 16]
}

impl Walk {
    fn new(seed: u64) -> Self {
        let mut world = World::working(3, 2);
        world.bond(100 * UNIT);
        Self {
            world,
            dice: Dice(seed),
            number: 1,
            tree: None,
            payees: Vec::new(),
            done: BTreeSet::new(),
        }
    }

    /// One thing that somebody tries: its name, and its instructions.
    fn step(&mut self) -> Step {
        match self.dice.below(31) {
            0..=3 => self.of_a_job(),
            4..=19 => self.of_an_epoch(),
            20..=23 => self.of_payment(),
            24..=26 => self.of_stake_or_bond(),
            27..=28 => self.of_contradiction(),
            _ => self.of_a_channel(),
        }
    }

    fn of_a_job(&mut self) -> Step {
        let (farm, artist, rent) =
            (self.world.farm, &self.world.artist, self.world.anyone.address());
        let which = job(self.dice.below(JOBS));
        let amount = self.dice.amount();
        match self.dice.below(4) {
            0 => ("open_job", vec![self.world.opening(which, amount)]),
            1 => ("top_up", vec![farm.top_up(artist.source(), &which, amount)]),
            2 => ("end_job", vec![farm.end_job(&which, artist.tokens, rent)]),
            _ => {
                let who = (artist.address(), false);
                ("reclaim_job", vec![farm.reclaim_job(&which, who, artist.tokens, rent)])
            }
        }
    }

    fn of_an_epoch(&mut self) -> Step {
        let (farm, number, node) = (self.world.farm, self.number, &self.world.node);
        let guardians: Vec<Address> =
            self.world.guardians.iter().map(|one| one.address()).collect();
        let which = job(self.dice.below(JOBS));
        match self.dice.below(16) {
            0 | 1 => ("open_epoch", vec![self.opening_epoch()]),
            2..=5 => {
                let all = self.tree.as_ref().map_or(0, PayoutTree::total);
                let amount = if self.dice.below(4) == 0 { self.dice.amount() } else { all };
                ("draw", vec![farm.draw(number, &which, amount)])
            }
            6 | 7 => {
                let guardian = guardians[self.dice.below(3) as usize];
                ("approve_epoch", vec![farm.approve_epoch(number, guardian)])
            }
            8 => {
                let what = farm.challenge(number, node.address(), node.tokens, REASON);
                ("challenge", vec![what])
            }
            9 | 10 => {
                let upheld = self.dice.below(2) == 0;
                ("resolve", vec![farm.resolve(number, node.address(), upheld, &guardians[..2])])
            }
            11 | 12 => ("return_draw", vec![farm.return_draw(number, &which)]),
            13 | 14 => ("seal", vec![farm.seal(number)]),
            _ if self.dice.below(4) == 0 => ("cancel_epoch", vec![farm.cancel_epoch(number)]),
            _ => ("cancel_abandoned", vec![farm.cancel_abandoned(number, None)]),
        }
    }

    /// Opens the epoch that the walk is at, or tries to again.
    fn opening_epoch(&mut self) -> Instruction {
        let number = self.number;
        let tree = match self.tree.clone() {
            Some(tree) => tree,
            None => {
                let (count, first) = (self.dice.below(20) as usize + 1, self.dice.below(UNIT) + 1);
                let tree = self.world.tree(number, count, first);
                self.payees.extend(tree.payouts().iter().map(|payout| payout.payee));
                self.tree.insert(tree).clone()
            }
        };
        self.world.opening_epoch(number, &tree)
    }

    fn of_payment(&mut self) -> Step {
        let (farm, number) = (self.world.farm, self.number);
        let close = farm.close_epoch(number, self.world.anyone.address());
        let Some(tree) = &self.tree else { return ("close_epoch", vec![close]) };
        match self.dice.below(4) {
            0 => ("close_epoch", vec![close]),
            1 => {
                let index = self.dice.below(u64::from(tree.leaf_count())) as u32;
                ("claim", vec![self.world.claiming(number, tree, index)])
            }
            _ => {
                let runs: Vec<_> = tree.runs().collect();
                let run = &runs[self.dice.below(runs.len() as u64) as usize];
                ("push", vec![farm.push(number, run)])
            }
        }
    }

    fn of_stake_or_bond(&mut self) -> Step {
        let (farm, node, master) = (self.world.farm, &self.world.node, &self.world.master);
        let address = node.address();
        let amount = self.dice.amount();
        match self.dice.below(6) {
            0 => ("stake", vec![farm.stake(node.source(), address, amount)]),
            1 => ("request_unstake", vec![farm.request_unstake(address, amount)]),
            2 => ("withdraw_stake", vec![farm.withdraw_stake(address, node.tokens)]),
            3 => ("deposit_bond", vec![farm.deposit_bond(master.source(), amount)]),
            4 => ("request_unbond", vec![farm.request_unbond(amount)]),
            _ => ("withdraw_bond", vec![farm.withdraw_bond(master.tokens)]),
        }
    }

    /// Two commits of the node's, or two verdicts of the master's, on one of few leases.
    fn of_contradiction(&mut self) -> Step {
        let (farm, rent) = (self.world.farm, self.world.anyone.address());
        let (node, master) = (&self.world.node, &self.world.master);
        let of = LeaseOf { node: node.address(), lease: [8; 16], generation: self.dice.below(3) };
        let (lease, generation) = (of.lease, of.generation);
        let keys = (master.address().to_bytes(), node.address().to_bytes());
        if self.dice.below(2) == 0 {
            let commit = |body| CommitHeader {
                master: keys.0,
                node: keys.1,
                job: job(0),
                lease,
                generation,
                class: Class::Exact,
                body,
            };
            let signed = [[1; 32], [2; 32]].map(|body| node.signs(&commit(body).encode()));
            let slash = farm.slash_equivocation(rent, self.world.artist.tokens, &of, 0);
            return ("slash_equivocation", vec![signature_check(&signed), slash]);
        }
        let verdict = |body| VerdictHeader {
            master: keys.0,
            node: keys.1,
            lease,
            generation,
            counts: true,
            pay: 1,
            body,
        };
        let signed = [[1; 32], [2; 32]].map(|body| master.signs(&verdict(body).encode()));
        let claim = farm.claim_double_verdict(rent, node.tokens, &of, 0);
        ("claim_double_verdict", vec![signature_check(&signed), claim])
    }

    fn of_a_channel(&mut self) -> Step {
        let (farm, rent) = (self.world.farm, self.world.anyone.address());
        let (node, artist) = (&self.world.node, &self.world.artist);
        let (payer, payee, source) = (artist.address(), node.address(), artist.source());
        let channel = farm.channel(&payer, &payee, 1);
        let amount = self.dice.amount();
        match self.dice.below(16) {
            0..=2 => {
                let voucher_key = payer.to_bytes();
                let terms = OpenChannel { nonce: 1, voucher_key, amount, grace_s: HOUR as u32 };
                let open = farm.open_channel(rent, source, artist.tokens, &payee, terms);
                ("open_channel", vec![open])
            }
            3..=5 => ("top_up_channel", vec![farm.top_up_channel(source, channel, amount)]),
            6 => ("request_close", vec![farm.request_close(payer, channel)]),
            7 => {
                let ends = Ends { payer, payee };
                ("close_channel", vec![farm.close_channel(ends, channel, artist.tokens, &[])])
            }
            _ => {
                let voucher = VoucherHeader { channel: channel.to_bytes(), cumulative: amount };
                let check = signature_check(&[artist.signs(&voucher.encode())]);
                ("redeem", vec![check, farm.redeem(&payee, node.tokens, channel, 0)])
            }
        }
    }

    /// All base units that there are: in purses, vaults, payees' accounts, and burned.
    fn all_money(&self, supply_at_first: u64) -> u128 {
        let world = &self.world;
        let purses = [&world.node, &world.artist, &world.master].map(|one| one.tokens);
        let vaults = Vault::ALL.iter().map(|kind| world.farm.vault(*kind));
        let held = purses.iter().chain(&self.payees).copied().chain(vaults);
        let burned = u128::from(supply_at_first - world.supply());
        held.map(|account| u128::from(world.balance(&account))).sum::<u128>() + burned
    }

    fn take(&mut self) {
        let (name, what) = self.step();
        let keys = self.world.keys();
        let everyone = [&keys.master, &keys.node, &keys.artist].into_iter().chain(&keys.guardians);
        let wanted: Vec<&Keypair> = everyone
            .filter(|key| {
                let metas = what.iter().flat_map(|one| &one.accounts);
                metas.into_iter().any(|meta| meta.is_signer && meta.pubkey == key.pubkey())
            })
            .collect();
        if self.world.send(&what, &wanted).is_ok() {
            self.done.insert(name);
        }
        // The walk stays with one epoch until nothing of it is left to pay or to return.
        let next = self.world.farm_now().next_epoch;
        if self.number < next && self.finished() && self.dice.below(8) == 0 {
            self.number = next;
            self.tree = None;
        }
        let hours = [0, 0, 0, 1, 1, 3, 13];
        let passing = hours[self.dice.below(hours.len() as u64) as usize];
        self.world.pass(passing * HOUR / 2);
    }

    /// Whether the current epoch needs nothing more.
    fn finished(&self) -> bool {
        if !self.world.exists(&self.world.farm.epoch(self.number)) {
            return true;
        }
        let epoch = self.world.epoch_now(self.number).head;
        match epoch.state {
            EpochState::Payable => epoch.paid_leaves == epoch.leaf_count,
            EpochState::Cancelled => epoch.funded == 0,
            EpochState::Open | EpochState::Challenged => false,
        }
    }

    /// What jobs say must be what escrow holds, beside what the epoch holds.
    fn check_escrow(&self) {
        let world = &self.world;
        let jobs = (0..JOBS).map(|at| world.farm.job(&job(at))).filter(|at| world.exists(at));
        let left = |at: Address| {
            let data = world.svm.get_account(&at).unwrap().data;
            let job = Job::decode(&data).unwrap();
            job.deposited - job.drawn
        };
        let in_jobs: u64 = jobs.map(left).sum();
        let in_epoch = if world.exists(&world.farm.epoch(self.number)) {
            let epoch = world.epoch_now(self.number).head;
            epoch.funded - epoch.paid
        } else {
            0
        };
        assert_eq!(in_jobs + in_epoch, world.farm_now().escrow_total);
    }
}

#[test]
fn money_is_neither_made_nor_lost_on_any_walk() {
    let mut done = BTreeSet::new();
    for seed in 0..SEEDS {
        let mut walk = Walk::new(seed);
        let supply = walk.world.supply();
        for step in 0..STEPS {
            walk.take();
            assert_eq!(walk.all_money(supply), u128::from(3 * PURSE), "seed {seed}, step {step}");
            walk.check_escrow();
        }
        done.extend(walk.done);
    }
    println!("{} kinds of steps succeeded: {done:?}", done.len());
    assert!(done.len() >= 28, "the walks went too few ways: {done:?}");
}

#[test]
fn a_base_unit_more_or_less_is_noticed() {
    let mut walk = Walk::new(0);
    let supply = walk.world.supply();
    assert_eq!(walk.all_money(supply), u128::from(3 * PURSE));
    let (vault, mint, farm) =
        (walk.world.farm.vault(Vault::Escrow), walk.world.farm.mint, walk.world.farm.farm);
    for held in [500 * UNIT - 1, 500 * UNIT + 1] {
        walk.world.put_tokens(vault, &mint, &farm, held);
        assert_ne!(walk.all_money(supply), u128::from(3 * PURSE));
    }
}
