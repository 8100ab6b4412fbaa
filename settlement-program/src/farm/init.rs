//! Makes a farm and its four vaults.

use pinocchio::{AccountView, Address};
use pinocchio_token::ID as TOKEN;
use pinocchio_token::instructions::InitializeAccount3;
use pinocchio_token::state::{Account as TokenAccount, Mint};
use tessera_settlement_abi::account::Farm;
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::instruction::InitFarm;
use tessera_settlement_abi::{MINT_DECIMALS, seeds};

use crate::checks::accounts::{exactly, is_program, key, signed, store};
use crate::checks::pda::New;
use crate::checks::vault::Vault;
use crate::checks::{Outcome, ensure};
use crate::parsed;

#[inline(never)]
pub fn process(program: &Address, accounts: &mut [AccountView], data: &[u8]) -> Outcome {
    let InitFarm { rules } = parsed(InitFarm::decode(data))?;
    let [payer, authority, account, mint, escrow, stake, bond, channels, system, token] =
        exactly(accounts)?;
    signed(authority)?;
    is_program(system, &pinocchio_system::ID)?;
    is_program(token, &TOKEN)?;
    super::check(&rules, key(authority))?;
    let decimals = {
        let mint = Mint::from_account_view(mint).map_err(|_| Refusal::WrongMint)?;
        ensure(mint.is_initialized(), Refusal::WrongMint)?;
        mint.decimals()
    };
    ensure(decimals == MINT_DECIMALS, Refusal::WrongDecimals)?;

    let seeds = seeds::farm(key(authority));
    let new = New { program, seeds: &seeds, payer, owner: program, space: Farm::LEN };
    let bump = new.make(account)?;
    let vaults = [
        (Vault::Escrow, escrow),
        (Vault::Stake, stake),
        (Vault::Bond, bond),
        (Vault::Channels, channels),
    ];
    let mut vault_bumps = [0; 4];
    for ((kind, vault), bump) in vaults.into_iter().zip(&mut vault_bumps) {
        *bump = make_vault((program, payer), account, (kind, vault), mint)?;
    }
    let farm = Farm {
        bump,
        vault_bumps,
        guardian_set: 0,
        authority: *key(authority),
        mint: *key(mint),
        rules,
        next_epoch: 1,
        settling: 0,
        escrow_total: 0,
        stake_total: 0,
        channels_total: 0,
        bond: 0,
        unbonding: 0,
        unbond_at: 0,
        challenges_held: 0,
    };
    store(account, &farm)
}

/// A token account whose owner is the farm's account.
#[inline(always)]
fn make_vault(
    (program, payer): (&Address, &AccountView),
    farm: &AccountView,
    (kind, vault): (Vault, &mut AccountView),
    mint: &AccountView,
) -> Outcome<u8> {
    let number = [kind as u8];
    let seeds = seeds::vault(key(farm), &number);
    let new = New { program, seeds: &seeds, payer, owner: &TOKEN, space: TokenAccount::LEN };
    let bump = new.make(vault)?;
    InitializeAccount3::new(vault, mint, farm.address()).invoke()?;
    Ok(bump)
}
