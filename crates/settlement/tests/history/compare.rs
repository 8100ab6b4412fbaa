//! The same figures read from the chain and from the books, and what differs between them.

use crate::books::Ledger;
use crate::history::{Epoch, History};
use crate::world::*;
use std::collections::{BTreeMap, BTreeSet};
use tessera_ledger::{Account, Purse};
use tessera_protocol::{JobId, StreamId};
use tessera_settlement::abi::Hash;
use tessera_settlement::abi::seeds::Vault;
use tessera_settlement::tree::{Payout, PayoutTree};

/// Something that both sides know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// What a job's escrow has left.
    Job(JobId),
    /// What a stream's escrow has left.
    Stream(StreamId),
    /// What the operator's reserve has left.
    Reserve,
    /// What is in the farm's vault of all escrows, and then what the farm says that must be in it.
    EscrowVault,
    EscrowTotal,
    StakeVault,
    StakeTotal,
    BondVault,
    BondTotal,
    /// The operator's bond, without those of challengers.
    Bond,
    Stake(Who),
    /// What is in somebody's token account.
    Tokens(Who),
    /// All tokens that there are.
    Supply,
    /// How many epochs were opened.
    Epochs,
    Root(u64),
    /// The sum of an epoch's leaves.
    Leaves(u64),
    /// The sum of an epoch's draws, made or to be made.
    Draws(u64),
    /// What was drawn for an epoch.
    Funded(u64),
    /// What an epoch has yet to pay of a leaf.
    Unpaid(u64, u32),
    /// What somebody earned by work and fees, paid or not.
    Earned(Who),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    Units(i128),
    Root(Hash),
}

/// What one side says.
pub(crate) type Side = BTreeMap<What, Figure>;

/// What two sides differ in, each with its name: none where they agree.
pub(crate) fn differences(one: &Side, other: &Side) -> Vec<(What, Option<Figure>, Option<Figure>)> {
    let all: BTreeSet<&What> = one.keys().chain(other.keys()).collect();
    let both =
        all.into_iter().map(|what| (*what, one.get(what).copied(), other.get(what).copied()));
    both.filter(|(_, one, other)| one != other).collect()
}

/// Figures that are added up.
#[derive(Default)]
struct Sums(BTreeMap<What, i128>);

impl Sums {
    fn add(&mut self, what: What, amount: i128) {
        *self.0.entry(what).or_default() += amount;
    }

    fn side(self) -> Side {
        self.0.into_iter().map(|(what, sum)| (what, Figure::Units(sum))).collect()
    }
}

/// What the chain says.
pub(crate) fn on_chain(history: &History) -> Side {
    read(&history.world, history)
}

/// What a chain says of what a history knows of.
pub(crate) fn read(world: &World, history: &History) -> Side {
    let mut sums = Sums::default();
    let left = |at| world.job_now(&at).map_or(0, |job| i128::from(job.deposited - job.drawn));
    for of in &history.jobs {
        sums.add(What::Job(job(of.number)), left(PLACES.job(of.number)));
    }
    for of in &history.streams {
        sums.add(What::Stream(stream(of.number)), left(PLACES.stream(of.number)));
    }
    sums.add(What::Reserve, left(PLACES.reserve));
    for who in Who::all() {
        sums.add(What::Tokens(who), world.balance(&who.tokens()).into());
    }
    for n in 0..STAKING {
        let node = world.node_now(n);
        sums.add(What::Stake(Who::Node(n)), (node.stake + node.unlocking).into());
    }
    let farm = world.farm_now();
    let bonds = farm.bond + farm.unbonding;
    sums.add(What::EscrowVault, world.vault(Vault::Escrow).into());
    sums.add(What::EscrowTotal, farm.escrow_total.into());
    sums.add(What::StakeVault, world.vault(Vault::Stake).into());
    sums.add(What::StakeTotal, farm.stake_total.into());
    sums.add(What::BondVault, world.vault(Vault::Bond).into());
    sums.add(What::BondTotal, i128::from(bonds) + i128::from(farm.challenges_held));
    sums.add(What::Bond, bonds.into());
    sums.add(What::Supply, world.supply().into());
    sums.add(What::Epochs, i128::from(farm.next_epoch) - 1);
    let mut side = sums.side();
    for epoch in history.epochs() {
        side.extend(epoch_on_chain(world, epoch));
    }
    side
}

fn epoch_on_chain(world: &World, epoch: &Epoch) -> Side {
    let number = epoch.number();
    let Some(account) = world.epoch_now(number) else { return Side::new() };
    let head = &account.head;
    let mut sums = Sums::default();
    sums.add(What::Leaves(number), head.total.into());
    sums.add(What::Draws(number), head.total.into());
    sums.add(What::Funded(number), head.funded.into());
    for (index, payout) in (0..).zip(epoch.chain.tree().payouts()) {
        let unpaid = if account.is_paid(index) { 0 } else { payout.amount };
        sums.add(What::Unpaid(number, index), unpaid.into());
    }
    let mut side = sums.side();
    side.insert(What::Root(number), Figure::Root(head.root));
    side
}

/// What the books say; of what moved on the chain alone (a challenger's bond, a draw), that it did.
pub(crate) fn in_books(history: &History) -> Side {
    let (ledger, mut sums) = (&history.ledger, Sums::default());
    at_first(history, &mut sums);
    for (account, balance) in ledger.books.balances() {
        let balance = i128::from(balance);
        match *account {
            Account::Wallet(_) => sums.add(What::EscrowVault, balance),
            Account::Escrow(job) => in_purse(&mut sums, Purse::Job(job), balance),
            Account::Reserve | Account::Carry(_) => in_purse(&mut sums, Purse::Reserve, balance),
            Account::Owed { purse, .. } | Account::Held { purse, .. } => {
                in_purse(&mut sums, purse, balance);
            }
            Account::InEpoch { .. } | Account::Claimable { .. } => {
                sums.add(What::EscrowVault, balance);
            }
            Account::Paid(node) | Account::Rewarded(node) => {
                sums.add(What::Tokens(Who::of(node)), balance);
            }
            Account::Refunded(payer) => sums.add(What::Tokens(payer_of(payer.0[0])), balance),
            Account::Stake(node) => {
                sums.add(What::Stake(Who::of(node)), balance);
                sums.add(What::StakeVault, balance);
            }
            Account::Bond => {
                sums.add(What::Bond, balance);
                sums.add(What::BondVault, balance);
            }
            Account::Slashed => sums.add(What::Supply, -balance),
            Account::World | Account::Carried(_) | Account::CarriedForAll => {}
            Account::Stream(stream) => in_purse(&mut sums, Purse::Stream(stream), balance),
        }
    }
    let mut roots = Side::new();
    for epoch in history.epochs() {
        epoch_in_books(ledger, epoch, &mut sums, &mut roots);
    }
    let mut side = sums.side();
    side.append(&mut roots);
    // A vault and the farm's own total of it are the same sum of accounts.
    for (vault, total) in [
        (What::EscrowVault, What::EscrowTotal),
        (What::StakeVault, What::StakeTotal),
        (What::BondVault, What::BondTotal),
    ] {
        side.insert(total, side[&vault]);
    }
    side
}

/// All figures that there are even where nothing happened, and what entries say of tokens that went in.
fn at_first(history: &History, sums: &mut Sums) {
    let told = &history.ledger.told;
    for who in Who::all() {
        sums.add(What::Tokens(who), if who.is_homeless() { 0 } else { PURSE.into() });
    }
    for n in 0..PAYERS {
        let deposited = told.deposited.get(&payer(n)).copied().unwrap_or(0);
        sums.add(What::Tokens(Who::Payer(n)), -deposited);
    }
    for n in 0..STAKING {
        let who = Who::Node(n);
        sums.add(What::Stake(who), 0);
        let staked = told.staked.get(&who.id()).copied().unwrap_or(0);
        let put_up = history.put_up.get(&n).copied().unwrap_or(0);
        sums.add(What::Tokens(who), -staked - i128::from(put_up));
    }
    sums.add(What::Tokens(Who::Operator), -told.reserve - told.bond);
    for of in &history.jobs {
        let purse = Purse::Job(job(of.number));
        sums.add(of_purse(purse), told.loose.get(&purse).copied().unwrap_or(0));
    }
    for of in &history.streams {
        let purse = Purse::Stream(stream(of.number));
        sums.add(of_purse(purse), told.loose.get(&purse).copied().unwrap_or(0));
    }
    let held = if history.challenger.is_some() { CHALLENGE_BOND } else { 0 };
    sums.add(What::BondVault, held.into());
    sums.add(What::Supply, SUPPLY.into());
    sums.add(What::Epochs, history.opened_on_chain.into());
    for what in [What::EscrowVault, What::StakeVault, What::Bond, What::Reserve] {
        sums.add(what, 0);
    }
}

/// What lies in a purse's escrow.
fn in_purse(sums: &mut Sums, purse: Purse, amount: i128) {
    sums.add(What::EscrowVault, amount);
    sums.add(of_purse(purse), amount);
}

pub(crate) fn of_purse(purse: Purse) -> What {
    match purse {
        Purse::Job(job) => What::Job(job),
        Purse::Reserve => What::Reserve,
        Purse::Stream(stream) => What::Stream(stream),
    }
}

fn payer_of(byte: u8) -> Who {
    Who::Payer(byte - 1)
}

fn epoch_in_books(ledger: &Ledger, epoch: &Epoch, sums: &mut Sums, roots: &mut Side) {
    let (number, plan) = (epoch.number(), ledger.plan(epoch.number()));
    // What an epoch took in the books and did not draw on the chain is still in its escrow there.
    for draw in plan.draws.iter().filter(|draw| !epoch.drawn.contains(&draw.purse)) {
        sums.add(of_purse(draw.purse), draw.amount.0.into());
    }
    if !epoch.opened {
        return;
    }
    sums.add(What::Funded(number), 0);
    for draw in &plan.draws {
        sums.add(What::Draws(number), draw.amount.0.into());
        if epoch.drawn.contains(&draw.purse) {
            sums.add(What::Funded(number), draw.amount.0.into());
        }
    }
    let mut payouts = Vec::with_capacity(plan.leaves.len());
    for (index, leaf) in (0..).zip(&plan.leaves) {
        let node = leaf.node;
        let waits = ledger.has(Account::InEpoch { epoch: number, node })
            + ledger.has(Account::Claimable { epoch: number, node });
        sums.add(What::Leaves(number), leaf.amount.0.into());
        sums.add(What::Unpaid(number, index), waits.into());
        payouts.push(Payout { payee: Who::of(node).tokens(), amount: leaf.amount.0 });
    }
    let tree = PayoutTree::new(&PLACES.epoch(number), payouts).expect("a tree");
    roots.insert(What::Root(number), Figure::Root(tree.root()));
}

/// What everybody has earned by the books, wherever it is.
pub(crate) fn earned_in_books(history: &History) -> Side {
    let mut sums = Sums::default();
    for who in Who::all() {
        sums.add(What::Earned(who), 0);
    }
    for (account, balance) in history.ledger.books.balances() {
        if let Account::Owed { node, .. }
        | Account::Held { node, .. }
        | Account::InEpoch { node, .. }
        | Account::Claimable { node, .. }
        | Account::Paid(node) = *account
        {
            sums.add(What::Earned(Who::of(node)), balance.into());
        }
    }
    sums.side()
}
