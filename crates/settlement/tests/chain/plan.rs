//! The planner against a model of the program: whatever happens in between, however often, the
//! epoch ends with everybody paid once, or with every draw returned.

use proptest::prelude::*;
use solana_address::Address;
use std::collections::BTreeSet;
use tessera_settlement::abi::Id;
use tessera_settlement::abi::account::{Epoch, EpochState, Farm, Job, Rules};
use tessera_settlement::abi::tree::bitmap_len;
use tessera_settlement::accounts::EpochAccount;
use tessera_settlement::epoch::{
    Action, ChainView, Draw, End, EpochPlan, Next, PlanError, Wait, next,
};
use tessera_settlement::instruction::FarmAddresses;
use tessera_settlement::tree::Payout;

const NUMBER: u64 = 5;
const WINDOW_S: i64 = 100;

fn address(kind: u8, number: usize) -> Address {
    let mut bytes = [kind; 32];
    bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
    Address::new_from_array(bytes)
}

fn id(number: usize) -> Id {
    address(1, number).to_bytes()[..16].try_into().unwrap()
}

fn farm() -> FarmAddresses {
    FarmAddresses::new(address(9, 0), address(9, 1), address(9, 2))
}

/// A plan of so many jobs and payees.
fn plan(jobs: usize, payees: usize) -> EpochPlan {
    // Each payee gets as many parts as there are jobs, so each job pays the same.
    let amounts: Vec<u64> = (0..payees as u64).map(|at| (at % 7 + 1) * jobs as u64).collect();
    let each = amounts.iter().sum::<u64>() / jobs as u64;
    let draws = (0..jobs).map(|at| Draw { job: id(at), amount: each }).collect();
    let payout = |(at, &amount): (usize, &u64)| Payout { payee: address(2, at), amount };
    EpochPlan::new(&farm(), NUMBER, draws, amounts.iter().enumerate().map(payout).collect())
        .unwrap()
}

/// What the program would have become of a farm, in as much as an epoch moves it.
struct Model {
    view: ChainView,
    paid: Vec<u64>,
    unpayable: BTreeSet<u32>,
    closed: bool,
}

#[derive(Debug, PartialEq)]
struct Refused;

impl Model {
    fn new(plan: &EpochPlan, guardians: u8, threshold: u8) -> Self {
        let mut keys = [[0; 32]; 5];
        for (at, key) in keys.iter_mut().enumerate().take(usize::from(guardians)) {
            *key = address(3, at).to_bytes();
        }
        let rules = Rules {
            guardian_count: guardians,
            threshold,
            guardians: keys,
            challenge_window_s: WINDOW_S as u32,
            cooldown_s: 0,
            evidence_window_s: 0,
            answer_window_s: 0,
            reporter_share_bps: 0,
            equivocation_slash_bps: 0,
            evidence_cap_bps: 0,
            challenge_bond: 1,
            bond_claim_cap: 0,
        };
        let farm = Farm {
            bump: 0,
            vault_bumps: [0; 4],
            guardian_set: 0,
            authority: [0; 32],
            mint: [0; 32],
            rules,
            next_epoch: NUMBER,
            settling: 0,
            escrow_total: 0,
            stake_total: 0,
            channels_total: 0,
            bond: 0,
            unbonding: 0,
            unbond_at: 0,
            challenges_held: 0,
        };
        let job = |draw: &Draw| {
            Some(Job {
                bump: 0,
                farm: [0; 32],
                job: draw.job,
                artist: [0; 32],
                refund: [0; 32],
                rent_payer: [0; 32],
                deposited: draw.amount + 3,
                drawn: 3,
                last_epoch: NUMBER - 2,
                last_draw: 3,
                expires_at: i64::MAX,
            })
        };
        let jobs = plan.draws().iter().map(job).collect();
        let paid = vec![0; plan.tree().payouts().len()];
        let view = ChainView { now_s: 1_000, farm, epoch: None, jobs };
        Self { view, paid, unpayable: BTreeSet::new(), closed: false }
    }

    fn epoch(&mut self) -> Result<&mut EpochAccount, Refused> {
        self.view.epoch.as_mut().ok_or(Refused)
    }

    /// All of it or nothing, as a transaction.
    fn act(&mut self, plan: &EpochPlan, action: &Action) -> Result<(), Refused> {
        match action {
            Action::Open => self.open(plan),
            Action::Draw { draws, .. } => draws.iter().try_for_each(|draw| self.draw(draw)),
            Action::Approve(guardian) => self.approve(guardian),
            Action::Cancel => self.take_back(),
            Action::Seal => self.seal(),
            Action::Push { start, .. } => self.push(plan, *start),
            Action::Close { .. } => self.close(),
            Action::Return { jobs, .. } => jobs.iter().try_for_each(|job| self.give_back(job)),
        }
    }

    fn open(&mut self, plan: &EpochPlan) -> Result<(), Refused> {
        let farm = &mut self.view.farm;
        if farm.settling != 0 || farm.next_epoch != plan.number() {
            return Err(Refused);
        }
        (farm.settling, farm.next_epoch) = (plan.number(), plan.number() + 1);
        let tree = plan.tree();
        let head = Epoch {
            bump: 0,
            state: EpochState::Open,
            approvals: 0,
            leaf_count: tree.leaf_count(),
            paid_leaves: 0,
            farm: [0; 32],
            number: plan.number(),
            root: tree.root(),
            total: tree.total(),
            funded: 0,
            paid: 0,
            deadline: self.view.now_s + WINDOW_S,
            abandoned_at: i64::MAX,
            challenger: [0; 32],
            challenge_bond: 0,
            reason: [0; 32],
            rent_payer: [0; 32],
        };
        let bitmap = vec![0; bitmap_len(tree.leaf_count())];
        self.view.epoch = Some(EpochAccount { head, bitmap });
        Ok(())
    }

    fn draw(&mut self, draw: &Draw) -> Result<(), Refused> {
        let number = self.epoch()?.head.number;
        let open = self.epoch()?.head.state == EpochState::Open;
        let job = self.view.jobs.iter_mut().flatten().find(|job| job.job == draw.job);
        let job = job.ok_or(Refused)?;
        let left = job.deposited - job.drawn;
        if !open || job.last_epoch >= number || draw.amount > left {
            return Err(Refused);
        }
        job.drawn += draw.amount;
        (job.last_epoch, job.last_draw) = (number, draw.amount);
        self.epoch()?.head.funded += draw.amount;
        Ok(())
    }

    fn approve(&mut self, guardian: &Address) -> Result<(), Refused> {
        let place =
            self.view.farm.rules.guardians.iter().position(|key| key == guardian.as_array());
        let bit = 1 << place.ok_or(Refused)?;
        let head = &mut self.epoch()?.head;
        if head.state != EpochState::Open || head.approvals & bit != 0 {
            return Err(Refused);
        }
        head.approvals |= bit;
        Ok(())
    }

    fn take_back(&mut self) -> Result<(), Refused> {
        let head = &mut self.epoch()?.head;
        if head.state != EpochState::Open {
            return Err(Refused);
        }
        head.state = EpochState::Cancelled;
        if head.funded == 0 {
            self.view.farm.settling = 0;
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<(), Refused> {
        let (now_s, threshold) = (self.view.now_s, u32::from(self.view.farm.rules.threshold));
        let head = &mut self.epoch()?.head;
        let ready = head.state == EpochState::Open
            && now_s >= head.deadline
            && head.funded == head.total
            && head.approvals.count_ones() >= threshold;
        if !ready {
            return Err(Refused);
        }
        head.state = EpochState::Payable;
        self.view.farm.settling = 0;
        Ok(())
    }

    fn push(&mut self, plan: &EpochPlan, start: u32) -> Result<(), Refused> {
        if self.epoch()?.head.state != EpochState::Payable {
            return Err(Refused);
        }
        let end = plan.tree().leaf_count().min(start + 16);
        (start..end).for_each(|index| self.pay(plan, index));
        Ok(())
    }

    fn pay(&mut self, plan: &EpochPlan, index: u32) {
        let Some(epoch) = &mut self.view.epoch else { return };
        if epoch.is_paid(index) || self.unpayable.contains(&index) {
            return;
        }
        epoch.bitmap[index as usize / 8] |= 1 << (index % 8);
        let amount = plan.tree().payouts()[index as usize].amount;
        epoch.head.paid_leaves += 1;
        epoch.head.paid += amount;
        self.paid[index as usize] += amount;
    }

    fn close(&mut self) -> Result<(), Refused> {
        let head = &self.epoch()?.head;
        let paid = head.state == EpochState::Payable && head.paid_leaves == head.leaf_count;
        if !paid {
            return Err(Refused);
        }
        self.view.epoch = None;
        self.closed = true;
        Ok(())
    }

    fn give_back(&mut self, job: &Id) -> Result<(), Refused> {
        if self.epoch()?.head.state != EpochState::Cancelled {
            return Err(Refused);
        }
        let job = self.view.jobs.iter_mut().flatten().find(|one| one.job == *job).ok_or(Refused)?;
        if job.last_epoch != NUMBER || job.last_draw == 0 {
            return Err(Refused);
        }
        let draw = std::mem::take(&mut job.last_draw);
        job.drawn -= draw;
        let head = &mut self.epoch()?.head;
        head.funded -= draw;
        if head.funded == 0 {
            self.view.farm.settling = 0;
        }
        Ok(())
    }

    fn challenge(&mut self) {
        if let Some(epoch) = &mut self.view.epoch
            && epoch.head.state == EpochState::Open
            && self.view.now_s < epoch.head.deadline
        {
            epoch.head.state = EpochState::Challenged;
        }
    }

    fn resolve(&mut self, upheld: bool) {
        let now_s = self.view.now_s;
        let Some(epoch) = &mut self.view.epoch else { return };
        if epoch.head.state == EpochState::Challenged {
            epoch.head.state = if upheld { EpochState::Cancelled } else { EpochState::Open };
            epoch.head.deadline = now_s + WINDOW_S;
            if upheld && epoch.head.funded == 0 {
                self.view.farm.settling = 0;
            }
        }
    }

    fn drawn(&self) -> u64 {
        self.view.jobs.iter().flatten().map(|job| job.drawn - 3).sum()
    }
}

/// What happens between two looks of the driver.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// So many of the proposed actions are done, from this one on, each so often.
    Act {
        from: prop::sample::Index,
        count: usize,
        times: u8,
    },
    /// The driver is killed, and another one begins: it knows of no pushes.
    Restart,
    Time(u8),
    Challenge,
    Resolve {
        upheld: bool,
    },
    /// Somebody claims a leaf.
    Claim(prop::sample::Index),
    /// An account breaks, or is mended.
    Breaks(prop::sample::Index),
    Mended,
    /// A guardian whose key is elsewhere approves.
    Guardian(u8),
}

fn event() -> impl Strategy<Value = Event> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        6 => (index(), 1_usize..5, 0_u8..3)
            .prop_map(|(from, count, times)| Event::Act { from, count, times }),
        1 => Just(Event::Restart),
        2 => (1_u8..60).prop_map(Event::Time),
        1 => Just(Event::Challenge),
        1 => any::<bool>().prop_map(|upheld| Event::Resolve { upheld }),
        1 => index().prop_map(Event::Claim),
        1 => index().prop_map(Event::Breaks),
        1 => Just(Event::Mended),
        1 => (0_u8..3).prop_map(Event::Guardian),
    ]
}

struct Run<'a> {
    plan: &'a EpochPlan,
    model: Model,
    at_hand: Vec<Address>,
    passed: BTreeSet<u32>,
}

impl Run<'_> {
    fn next(&self) -> Next {
        next(self.plan, &self.model.view, &self.at_hand, &self.passed).unwrap()
    }

    fn act(&mut self, action: &Action, times: u8) {
        for time in 0..times {
            let done = self.model.act(self.plan, action);
            // Once is allowed, unless another action of the same list did it: none does.
            let again_is_fine = matches!(action, Action::Push { .. });
            if time == 0 {
                assert_eq!(done, Ok(()), "{action:?} was proposed, and cannot be done");
            } else if !again_is_fine {
                assert_eq!(done, Err(Refused), "{action:?} can be done twice");
            }
        }
        if times > 0
            && let Action::Push { start, .. } = action
        {
            self.passed.insert(*start);
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Act { from, count, times } => {
                if let Next::Do(actions) = self.next() {
                    let from = from.index(actions.len());
                    for action in actions.iter().skip(from).take(count) {
                        self.act(action, times);
                    }
                }
            }
            Event::Restart => self.passed.clear(),
            Event::Time(seconds) => self.model.view.now_s += i64::from(seconds),
            Event::Challenge => self.model.challenge(),
            Event::Resolve { upheld } => self.model.resolve(upheld),
            Event::Claim(leaf) => {
                let payable = self.model.epoch().is_ok_and(|e| e.head.state == EpochState::Payable);
                if payable {
                    let leaf = leaf.index(self.model.paid.len()) as u32;
                    self.model.pay(self.plan, leaf);
                }
            }
            Event::Breaks(leaf) => {
                let leaf = leaf.index(self.model.paid.len()) as u32;
                self.model.unpayable.insert(leaf);
            }
            Event::Mended => self.model.unpayable.clear(),
            Event::Guardian(place) => {
                let _ = self.model.approve(&address(3, usize::from(place)));
            }
        }
    }

    /// An undisturbed driver takes it to its end.
    fn finish(&mut self) -> End {
        for _ in 0..40 {
            match self.next() {
                Next::Do(actions) => actions.iter().for_each(|action| self.act(action, 1)),
                Next::Wait(Wait::Until(time)) => self.model.view.now_s = time,
                Next::Wait(Wait::Resolution) => self.model.resolve(false),
                Next::Wait(Wait::Guardians(missing)) => {
                    assert_ne!(missing, 0);
                    (0..3).for_each(|at| {
                        let _ = self.model.approve(&address(3, at));
                    });
                }
                Next::Wait(Wait::OtherEpoch(other)) => panic!("waits for {other}"),
                Next::End(end) => return end,
            }
        }
        panic!("it does not end: {:?}", self.next());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn everybody_is_paid_once_or_every_draw_goes_back(
        (jobs, payees) in (1_usize..40, 1_usize..70),
        (guardians, threshold, at_hand) in (0_u8..=3).prop_flat_map(|n| (Just(n), 0..=n, 0..=n)),
        events in proptest::collection::vec(event(), 0..60),
    ) {
        let plan = plan(jobs, payees);
        let model = Model::new(&plan, guardians, threshold);
        let at_hand = (0..usize::from(at_hand)).map(|at| address(3, at)).collect();
        let mut run = Run { plan: &plan, model, at_hand, passed: BTreeSet::new() };
        for event in events {
            run.happens(event);
        }
        // A new driver, and accounts that can be paid again.
        run.passed.clear();
        let broken = run.model.unpayable.clone();
        let end = run.finish();
        let due: Vec<u64> = plan.tree().payouts().iter().map(|payout| payout.amount).collect();
        match end {
            End::Closed => {
                prop_assert!(run.model.closed);
                prop_assert_eq!(&run.model.paid, &due);
                prop_assert_eq!(run.model.drawn(), plan.tree().total());
            }
            End::Unpayable(leaves) => {
                prop_assert!(!leaves.is_empty());
                for (index, (paid, due)) in (0..).zip(run.model.paid.iter().zip(&due)) {
                    let missing = leaves.contains(&index);
                    prop_assert!(!missing || broken.contains(&index));
                    prop_assert_eq!(*paid, if missing { 0 } else { *due });
                }
                // Mended, they are paid, and nobody else is again.
                run.model.unpayable.clear();
                run.passed.clear();
                prop_assert_eq!(run.finish(), End::Closed);
                prop_assert_eq!(&run.model.paid, &due);
            }
            End::Cancelled => {
                prop_assert!(run.model.paid.iter().all(|&paid| paid == 0));
                prop_assert_eq!(run.model.drawn(), 0);
                prop_assert_eq!(run.model.view.farm.settling, 0);
            }
        }
    }

    #[test]
    fn names_are_unique_within_an_epoch(jobs in 1_usize..60, payees in 1_usize..200) {
        let plan = plan(jobs, payees);
        let mut run = Run {
            plan: &plan,
            model: Model::new(&plan, 3, 2),
            at_hand: vec![address(3, 0), address(3, 2)],
            passed: BTreeSet::new(),
        };
        let (mut names, mut count) = (BTreeSet::new(), 0);
        loop {
            match run.next() {
                Next::Do(actions) => for action in &actions {
                    count += 1;
                    names.insert(action.name(NUMBER));
                    run.act(action, 1);
                },
                Next::Wait(Wait::Until(time)) => run.model.view.now_s = time,
                _ => break,
            }
        }
        prop_assert_eq!(names.len(), count);
        prop_assert_eq!(count, 1 + jobs.div_ceil(16) + 2 + 1 + payees.div_ceil(16) + 1);
    }
}

#[test]
fn impossible_plans_are_refused() {
    let make = |draws: &[(usize, u64)], payouts: &[u64]| {
        let draw = |&(job, amount): &(usize, u64)| Draw { job: id(job), amount };
        let payout = |(at, &amount): (usize, &u64)| Payout { payee: address(2, at), amount };
        let payouts = payouts.iter().enumerate().map(payout).collect();
        EpochPlan::new(&farm(), 1, draws.iter().map(draw).collect(), payouts).unwrap_err()
    };
    assert!(matches!(make(&[(1, 5), (1, 5)], &[10]), PlanError::BadDraw(_)));
    assert!(matches!(make(&[(1, 10), (2, 0)], &[10]), PlanError::BadDraw(_)));
    assert_eq!(make(&[(1, 9)], &[10]), PlanError::Unbalanced { drawn: 9, paid: 10 });
    let overflow = [(1, u64::MAX), (2, u64::MAX)];
    assert!(matches!(make(&overflow, &[10]), PlanError::Unbalanced { .. }));
    assert_eq!(make(&[(1, 1_025)], &[1; 1_025]), PlanError::TooManyLeaves(1_025));
    assert!(matches!(make(&[], &[]), PlanError::Tree(_)));
}
