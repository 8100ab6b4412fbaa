//! Accounts: how many, who signed, what they hold.

use pinocchio::{AccountView, Address};
use tessera_settlement_abi::account::{Channel, Epoch, Farm, Job, Node, Omission, Proposal};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::{Key, seeds};

use super::{Outcome, ensure};

/// The instruction's accounts, if they are exactly as many as it takes.
pub fn exactly<const N: usize>(accounts: &mut [AccountView]) -> Outcome<&mut [AccountView; N]> {
    ensure(accounts.len() >= N, Refusal::AccountsMissing)?;
    accounts.try_into().map_err(|_| Refusal::AccountsLeftOver.into())
}

/// The first accounts, and those that follow.
pub fn at_least<const N: usize>(
    accounts: &mut [AccountView],
) -> Outcome<(&mut [AccountView; N], &mut [AccountView])> {
    accounts.split_first_chunk_mut().ok_or(Refusal::AccountsMissing.into())
}

/// Refuses unless the account signed the transaction.
pub fn signed(account: &AccountView) -> Outcome {
    ensure(account.is_signer(), Refusal::NotSigned)
}

/// Refuses unless the farm's authority signed.
pub fn signed_by_authority(account: &AccountView, farm: &Farm) -> Outcome {
    signed(account)?;
    ensure(key(account) == &farm.authority, Refusal::NotTheAuthority)
}

/// Refuses unless this is the program at `id`.
pub fn is_program(account: &AccountView, id: &Address) -> Outcome {
    ensure(account.address() == id, Refusal::WrongProgram)
}

/// An account's address.
pub fn key(account: &AccountView) -> &Key {
    account.address().as_array()
}

/// What the program keeps in an account of its own.
pub trait Stored: Sized {
    /// Reads it; `None` if it is of another kind, version or length.
    fn read(bytes: &[u8]) -> Option<Self>;

    /// Writes it over what was there.
    fn write(&self, bytes: &mut [u8]) -> Option<()>;

    /// The farm that it belongs to; a farm belongs to itself.
    fn farm(&self) -> Option<&Key>;

    /// Its address, from the seeds and the bump that it names.
    fn address(&self, program: &Address) -> Address;
}

macro_rules! stored {
    ($($kind:ident, $farm:expr, $seeds:expr;)*) => {$(
        impl Stored for $kind {
            #[inline(never)]
            fn read(bytes: &[u8]) -> Option<Self> {
                Self::decode(stored!(@fixed $kind, bytes))
            }

            #[inline(never)]
            fn write(&self, bytes: &mut [u8]) -> Option<()> {
                bytes.first_chunk_mut().map(|head| *head = self.encode())
            }

            fn farm(&self) -> Option<&Key> {
                let farm: fn(&Self) -> Option<&Key> = $farm;
                farm(self)
            }

            #[inline(never)]
            fn address(&self, program: &Address) -> Address {
                let address: fn(&Self, &Address) -> Address = $seeds;
                address(self, program)
            }
        }
    )*};
    // A bitmap follows an epoch; its length was fixed when the account was made.
    (@fixed Epoch, $bytes:ident) => { $bytes.get(..Epoch::LEN)? };
    (@fixed $kind:ident, $bytes:ident) => { $bytes };
}

stored! {
    Farm, |_| None, |is, program| {
        Address::derive_address(&seeds::farm(&is.authority), Some(is.bump), program)
    };
    Node, |is| Some(&is.farm), |is, program| {
        Address::derive_address(&seeds::node(&is.farm, &is.node), Some(is.bump), program)
    };
    Job, |is| Some(&is.farm), |is, program| {
        Address::derive_address(&seeds::job(&is.farm, &is.job), Some(is.bump), program)
    };
    Epoch, |is| Some(&is.farm), |is, program| {
        let number = is.number.to_le_bytes();
        Address::derive_address(&seeds::epoch(&is.farm, &number), Some(is.bump), program)
    };
    Omission, |is| Some(&is.farm), |is, program| {
        let generation = is.generation.to_le_bytes();
        let seeds = seeds::omitted(&is.farm, &is.node, &is.lease, &generation);
        Address::derive_address(&seeds, Some(is.bump), program)
    };
    Proposal, |is| Some(&is.farm), |is, program| {
        let seeds = seeds::proposal(&is.farm, &is.node, &is.evidence);
        Address::derive_address(&seeds, Some(is.bump), program)
    };
    Channel, |is| Some(&is.farm), |is, program| {
        let nonce = is.nonce.to_le_bytes();
        let seeds = seeds::channel(&is.farm, &is.payer, &is.payee, &nonce);
        Address::derive_address(&seeds, Some(is.bump), program)
    };
}

/// Reads an account of this program's: owner, kind, version, and that it is where its own seeds
/// and bump say.
#[inline(never)]
pub fn load<T: Stored>(program: &Address, account: &AccountView) -> Outcome<T> {
    ensure(account.owned_by(program), Refusal::WrongOwner)?;
    let value = T::read(&account.try_borrow()?).ok_or(Refusal::WrongKind)?;
    ensure(&value.address(program) == account.address(), Refusal::WrongAddress)?;
    Ok(value)
}

/// The same for an account that belongs to a farm, which is named by its address.
#[inline(never)]
pub fn load_of<T: Stored>(
    program: &Address,
    account: &AccountView,
    farm: &AccountView,
) -> Outcome<T> {
    let value: T = load(program, account)?;
    ensure(value.farm() == Some(key(farm)), Refusal::OtherFarm)?;
    Ok(value)
}

/// Writes an account back.
#[inline(never)]
pub fn store<T: Stored>(account: &mut AccountView, value: &T) -> Outcome {
    ensure(account.is_writable(), Refusal::NotWritable)?;
    value.write(&mut account.try_borrow_mut()?).ok_or(Refusal::WrongKind.into())
}

/// Closes an account: its lamports go to who paid them, its bytes and its owner are gone.
#[inline(never)]
pub fn close(account: &mut AccountView, rent_to: &mut AccountView, payer: &Key) -> Outcome {
    ensure(key(rent_to) == payer, Refusal::WrongRentPayer)?;
    ensure(account.is_writable() && rent_to.is_writable(), Refusal::NotWritable)?;
    // Lamports sent to an account that is closed in the same transaction keep it alive with this
    // program as its owner: the first byte must then be that of no kind.
    account.try_borrow_mut()?.fill(0);
    let lamports = account.lamports();
    rent_to.set_lamports(super::sum(rent_to.lamports(), lamports)?);
    account.set_lamports(0);
    account.close()?;
    Ok(())
}
