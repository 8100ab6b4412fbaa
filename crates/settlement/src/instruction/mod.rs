//! Instructions to the program, one function each, with the addresses that they name.
//!
//! All are methods of [`FarmAddresses`], which says which farm of which program is meant. Accounts
//! that derive from what is given are found here; whose signature an instruction needs is in its
//! list of accounts.

mod accusation;
mod channel;
mod epoch;
mod signatures;
mod standing;

pub use accusation::LeaseOf;
pub use channel::Ends;
pub use signatures::{Signature, signature_check};

use solana_address::Address;
use solana_instruction::{AccountMeta, Instruction};
use tessera_settlement_abi::seeds::{self, Vault};
use tessera_settlement_abi::{Hash, Id};

/// The system program.
pub const SYSTEM: Address = Address::new_from_array([0; 32]);

/// The SPL Token program.
pub const TOKEN: Address = spl_token_interface::ID;

/// The sysvar through which a program reads its transaction's other instructions.
pub const INSTRUCTIONS: Address =
    Address::from_str_const("Sysvar1nstructions1111111111111111111111111");

/// A farm of a program, and the addresses of what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FarmAddresses {
    /// The program.
    pub program: Address,
    /// The farm's authority: the master's key.
    pub authority: Address,
    /// The mint of all amounts.
    pub mint: Address,
    /// The farm's account.
    pub farm: Address,
}

impl FarmAddresses {
    /// The farm of that authority. Each authority has at most one, with one mint.
    #[must_use]
    pub fn new(program: Address, authority: Address, mint: Address) -> Self {
        let farm = derive(&program, &seeds::farm(authority.as_array()));
        Self { program, authority, mint, farm }
    }

    /// A vault of the farm: a token account that only the program pays from.
    #[must_use]
    pub fn vault(&self, kind: Vault) -> Address {
        derive(&self.program, &seeds::vault(self.farm.as_array(), &[kind as u8]))
    }

    /// The account of a node, by the node's key.
    #[must_use]
    pub fn node(&self, node: &Address) -> Address {
        derive(&self.program, &seeds::node(self.farm.as_array(), node.as_array()))
    }

    /// The account of a job or stream.
    #[must_use]
    pub fn job(&self, job: &Id) -> Address {
        derive(&self.program, &seeds::job(self.farm.as_array(), job))
    }

    /// The account of an epoch.
    #[must_use]
    pub fn epoch(&self, number: u64) -> Address {
        derive(&self.program, &seeds::epoch(self.farm.as_array(), &number.to_le_bytes()))
    }

    /// The mark that a node was slashed for two commits.
    #[must_use]
    pub fn slashed(&self, node: &Address, lease: &Id, generation: u64) -> Address {
        let generation = generation.to_le_bytes();
        let farm = self.farm.as_array();
        derive(&self.program, &seeds::slashed(farm, node.as_array(), lease, &generation))
    }

    /// The mark that a node was paid for two verdicts.
    #[must_use]
    pub fn doubled(&self, node: &Address, lease: &Id, generation: u64) -> Address {
        let generation = generation.to_le_bytes();
        let farm = self.farm.as_array();
        derive(&self.program, &seeds::doubled(farm, node.as_array(), lease, &generation))
    }

    /// A node's claim that a verdict is overdue.
    #[must_use]
    pub fn omitted(&self, node: &Address, lease: &Id, generation: u64) -> Address {
        let generation = generation.to_le_bytes();
        let farm = self.farm.as_array();
        derive(&self.program, &seeds::omitted(farm, node.as_array(), lease, &generation))
    }

    /// A proposal to slash a node, by the hash of its evidence.
    #[must_use]
    pub fn proposal(&self, node: &Address, evidence: &Hash) -> Address {
        derive(&self.program, &seeds::proposal(self.farm.as_array(), node.as_array(), evidence))
    }

    /// The channel of a payer to a node.
    #[must_use]
    pub fn channel(&self, payer: &Address, payee: &Address, nonce: u64) -> Address {
        let nonce = nonce.to_le_bytes();
        let farm = self.farm.as_array();
        derive(&self.program, &seeds::channel(farm, payer.as_array(), payee.as_array(), &nonce))
    }

    fn build(&self, data: impl Into<Vec<u8>>, accounts: Vec<AccountMeta>) -> Instruction {
        Instruction { program_id: self.program, accounts, data: data.into() }
    }
}

/// A token account, and who may spend from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Owner of the account, or its delegate: signs.
    pub owner: Address,
    /// The token account.
    pub account: Address,
}

fn derive(program: &Address, seeds: &[&[u8]]) -> Address {
    Address::find_program_address(seeds, program).0
}

/// Changes, does not sign.
fn writable(address: Address) -> AccountMeta {
    AccountMeta::new(address, false)
}

/// Neither changes nor signs.
fn read(address: Address) -> AccountMeta {
    AccountMeta::new_readonly(address, false)
}

/// Signs, does not change.
fn signer(address: Address) -> AccountMeta {
    AccountMeta::new_readonly(address, true)
}

/// Signs and pays.
fn payer(address: Address) -> AccountMeta {
    AccountMeta::new(address, true)
}
