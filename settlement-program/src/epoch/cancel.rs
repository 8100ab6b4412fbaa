//! Takes an epoch back: its authority while it is open, and anyone once it is long overdue, so that
//! drawn money is never held by somebody's silence.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Epoch, EpochState, Farm, Node};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::CancelEpoch;

use super::{cancelled, give_to_challenger};
use crate::checks::accounts::{at_least, exactly, key, load, load_of, signed, store};
use crate::checks::vault::Till;
use crate::checks::{Outcome, ensure, now};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let CancelEpoch {} = parsed(CancelEpoch::decode(data))?;
    let ([authority, farm_account, account], rest) = at_least(accounts)?;
    let mut farm: Farm = load(program, farm_account)?;
    let mut epoch: Epoch = load_of(program, account, farm_account)?;
    let abandoned = now()? >= epoch.abandoned_at;
    match epoch.state {
        EpochState::Open if abandoned => exactly::<0>(rest).map(|_| ())?,
        EpochState::Open => {
            signed(authority)?;
            ensure(key(authority) == &farm.authority, Refusal::NotTheAuthority)?;
            exactly::<0>(rest)?;
        }
        EpochState::Challenged if abandoned => {
            let [node_account, bond, stake, token] = exactly(rest)?;
            let mut node: Node = load_of(program, node_account, farm_account)?;
            ensure(node.node == epoch.challenger, Refusal::WrongChallenger)?;
            let mut till = Till { program, account: farm_account, farm: &mut farm, token };
            give_to_challenger(&mut till, &mut node.stake, &mut epoch, 0, &(&*bond, &*stake))?;
            node.challenged = 0;
            store(node_account, &node)?;
        }
        _ => return Err(Refusal::EpochNotOpen.into()),
    }
    cancelled(&mut farm, &mut epoch);
    store(account, &epoch)?;
    store(farm_account, &farm)
}
