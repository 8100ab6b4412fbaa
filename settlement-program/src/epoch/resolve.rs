//! Guardians resolve a challenge; the authority does where the farm has no threshold.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Epoch, EpochState, Farm, Node};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::Resolve;

use super::{NOBODY, cancelled, give_to_challenger};
use crate::checks::accounts::{at_least, load, load_of, store};
use crate::checks::guardians::decided;
use crate::checks::vault::{Till, Vault};
use crate::checks::{Outcome, after, ensure, less, now, sum};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let Resolve { upheld } = parsed(Resolve::decode(data))?;
    let ([farm_account, account, node_account, bond, stake, token], signers) = at_least(accounts)?;
    let mut farm: Farm = load(program, farm_account)?;
    let mut epoch: Epoch = load_of(program, account, farm_account)?;
    let mut node: Node = load_of(program, node_account, farm_account)?;
    ensure(epoch.state == EpochState::Challenged, Refusal::EpochNotChallenged)?;
    ensure(node.node == epoch.challenger, Refusal::WrongChallenger)?;
    decided(signers, &farm)?;

    if upheld {
        let reward = epoch.challenge_bond.min(sum(farm.bond, farm.unbonding)?);
        cancelled(&mut farm, &mut epoch);
        let mut till = Till { program, account: farm_account, farm: &mut farm, token };
        give_to_challenger(&mut till, &mut node.stake, &mut epoch, reward, &(&*bond, &*stake))?;
    } else {
        let till = Till { program, account: farm_account, farm: &mut farm, token };
        till.is_vault(bond, Vault::Bond)?;
        farm.challenges_held = less(farm.challenges_held, epoch.challenge_bond)?;
        farm.bond = sum(farm.bond, epoch.challenge_bond)?;
        epoch.state = EpochState::Open;
        epoch.deadline = after(now()?, farm.rules.challenge_window_s)?;
        epoch.challenger = NOBODY;
        epoch.challenge_bond = 0;
    }
    node.challenged = 0;
    store(node_account, &node)?;
    store(account, &epoch)?;
    store(farm_account, &farm)
}
