//! The program's accounts as read from the chain, and its refusals in words.

use tessera_settlement_abi::account::{
    Channel, Epoch, Farm, Job, Kind, Mark, Node, Omission, Proposal,
};
use tessera_settlement_abi::error::Refusal;
use tessera_settlement_abi::tree::bitmap_len;

/// An epoch and which of its leaves are paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochAccount {
    /// Everything but the bitmap.
    pub head: Epoch,
    /// Bit `i % 8` of byte `i / 8` for leaf `i`.
    pub bitmap: Vec<u8>,
}

impl EpochAccount {
    /// Whether a leaf is paid; a leaf that does not exist is not.
    #[must_use]
    pub fn is_paid(&self, index: u32) -> bool {
        let byte = self.bitmap.get(index as usize / 8).copied().unwrap_or(0);
        index < self.head.leaf_count && byte & (1 << (index % 8)) != 0
    }
}

/// Any account of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the account of that name")]
pub enum Account {
    Farm(Farm),
    Node(Node),
    Job(Job),
    Epoch(EpochAccount),
    Mark(Mark),
    Omission(Omission),
    Proposal(Proposal),
    Channel(Channel),
}

/// Why bytes are no account of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// There is no account, or one that is closed.
    #[error("there is no such account")]
    Absent,
    /// The first byte is no kind that this version knows.
    #[error("the account is of kind {0}, which this version does not know")]
    UnknownKind(u8),
    /// Another version, another length, or a field that means nothing.
    #[error("the account says that it is a {0:?}, but its other bytes do not read as one")]
    Malformed(Kind),
}

/// Reads an account of any kind. That it belongs to the program is for the caller to check.
pub fn decode(bytes: &[u8]) -> Result<Account, DecodeError> {
    let kind = match bytes.first() {
        None | Some(0) => return Err(DecodeError::Absent),
        Some(&number) => Kind::from_number(number).ok_or(DecodeError::UnknownKind(number))?,
    };
    let account = match kind {
        Kind::Farm => Farm::decode(bytes).map(Account::Farm),
        Kind::Node => Node::decode(bytes).map(Account::Node),
        Kind::Job => Job::decode(bytes).map(Account::Job),
        Kind::Epoch => epoch(bytes).map(Account::Epoch),
        Kind::Mark => Mark::decode(bytes).map(Account::Mark),
        Kind::Omission => Omission::decode(bytes).map(Account::Omission),
        Kind::Proposal => Proposal::decode(bytes).map(Account::Proposal),
        Kind::Channel => Channel::decode(bytes).map(Account::Channel),
    };
    account.ok_or(DecodeError::Malformed(kind))
}

/// Reads an epoch; `None` if the bytes are none.
#[must_use]
pub fn epoch(bytes: &[u8]) -> Option<EpochAccount> {
    let (head, bitmap) = bytes.split_at_checked(Epoch::LEN)?;
    let head = Epoch::decode(head)?;
    let whole = bitmap.len() == bitmap_len(head.leaf_count);
    whole.then(|| EpochAccount { head, bitmap: bitmap.to_vec() })
}

/// What the program means by a custom error number: `None` where it is another program's.
#[must_use]
pub fn refusal(code: u32) -> Option<Refusal> {
    Refusal::from_code(code)
}

#[cfg(test)]
mod tests {
    use tessera_settlement_abi::account::EpochState;

    use super::*;

    fn nine_leaves() -> Epoch {
        Epoch {
            bump: 255,
            state: EpochState::Payable,
            approvals: 0,
            leaf_count: 9,
            paid_leaves: 2,
            farm: [1; 32],
            number: 3,
            root: [2; 32],
            total: 90,
            funded: 90,
            paid: 20,
            deadline: 5,
            abandoned_at: 6,
            challenger: [0; 32],
            challenge_bond: 0,
            reason: [0; 32],
            rent_payer: [4; 32],
        }
    }

    #[test]
    fn an_epoch_says_which_leaves_are_paid() {
        let bytes = [nine_leaves().encode().as_slice(), &[0b10, 0b1]].concat();
        let Ok(Account::Epoch(read)) = decode(&bytes) else { panic!("no epoch") };
        let paid: Vec<u32> = (0..20).filter(|&index| read.is_paid(index)).collect();
        assert_eq!(paid, [1, 8]);
    }

    #[test]
    fn what_is_no_account_is_refused() {
        assert_eq!(decode(&[]), Err(DecodeError::Absent));
        assert_eq!(decode(&[0; 100]), Err(DecodeError::Absent));
        assert_eq!(decode(&[99, 1]), Err(DecodeError::UnknownKind(99)));
        assert_eq!(decode(&[1, 1]), Err(DecodeError::Malformed(Kind::Farm)));
        let short = [nine_leaves().encode().as_slice(), &[0]].concat();
        assert_eq!(decode(&short), Err(DecodeError::Malformed(Kind::Epoch)));
    }
}
