//! The accounts of a farm, and what moves between them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use tessera_protocol::{JobId, NodeId, StreamId};

/// An artist's or broadcaster's account, as the farm numbers them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Payer(pub [u8; 8]);

/// Whose deposit on the chain pays what a node is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Purse {
    /// A job's escrow. Epochs draw on it.
    Job(JobId),
    /// The operator's own deposit, which carries what a job costs beyond its ceiling. Epochs draw on
    /// it as on a job's.
    Reserve,
    /// A stream's deposit. Epochs draw on it as on a job's escrow.
    Stream(StreamId),
}

/// An account. The crate's page shows how money flows between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Account {
    /// All that is outside: below zero by what came in and did not leave again.
    World,
    /// What a payer may spend or take back.
    Wallet(Payer),
    /// What a job may still cost its payer.
    Escrow(JobId),
    /// What the reserve has set aside for a job's overrun.
    Carry(JobId),
    /// What is left of a stream's deposit.
    Stream(StreamId),
    /// The operator's reserve, as far as it is not set aside.
    Reserve,
    /// What the operator vouches with for its own honesty.
    Bond,
    /// What a node earned, and no epoch has taken.
    Owed {
        /// Who earned it.
        node: NodeId,
        /// What it is paid from.
        purse: Purse,
    },
    /// The same, while it is disputed or on probation: no epoch takes it.
    Held {
        /// Who earned it.
        node: NodeId,
        /// What it is paid from.
        purse: Purse,
    },
    /// What an epoch took, and did not pay yet.
    InEpoch {
        /// Its number.
        epoch: u64,
        /// Who is to be paid.
        node: NodeId,
    },
    /// What an epoch could not pay: it waits until the node has a token account and claims it.
    Claimable {
        /// The epoch's number.
        epoch: u64,
        /// Who may claim it.
        node: NodeId,
    },
    /// What epochs paid to a node. It left.
    Paid(NodeId),
    /// What a payer took back. It left.
    Refunded(Payer),
    /// What a node vouches with for its honesty.
    Stake(NodeId),
    /// What was taken from stakes and burned. It left.
    Slashed,
    /// What a node was given from another's stake or the operator's bond. It left.
    Rewarded(NodeId),
    /// No money but a count: what the reserve has set aside or spent for a payer's jobs, ever.
    Carried(Payer),
    /// The other side of all [`Self::Carried`].
    CarriedForAll,
}

impl Account {
    /// Whether it may be below zero.
    pub fn may_be_negative(&self) -> bool {
        matches!(self, Self::World | Self::CarriedForAll)
    }

    /// Whether what is in it has left the farm: it only grows.
    pub fn has_left(&self) -> bool {
        matches!(self, Self::Paid(_) | Self::Refunded(_) | Self::Slashed | Self::Rewarded(_))
    }

    /// Whether it counts something that is no money.
    pub fn is_count(&self) -> bool {
        matches!(self, Self::Carried(_) | Self::CarriedForAll)
    }
}

/// A change of one account, in base units: above zero where money comes in. An entry has at most one
/// for an account, and they add up to 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// Which account.
    pub account: Account,
    /// By how much.
    pub amount: i64,
}

/// A text that names no account, purse or payer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no {1}")]
pub struct ParseAccountError(String, &'static str);

fn unknown(text: &str, kind: &'static str) -> ParseAccountError {
    ParseAccountError(text.chars().take(160).collect(), kind)
}

impl fmt::Display for Payer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Payer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payer({self})")
    }
}

impl FromStr for Payer {
    type Err = ParseAccountError;
    fn from_str(text: &str) -> Result<Self, ParseAccountError> {
        let mut bytes = [0; 8];
        let parsed = hex::decode_to_slice(text, &mut bytes);
        let upper = text.bytes().any(|byte| byte.is_ascii_uppercase());
        if parsed.is_err() || upper {
            return Err(unknown(text, "payer: expected 16 lower-case hexadecimal digits"));
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Purse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(job) => write!(f, "job/{job}"),
            Self::Reserve => f.write_str("reserve"),
            Self::Stream(stream) => write!(f, "stream/{stream}"),
        }
    }
}

impl FromStr for Purse {
    type Err = ParseAccountError;
    fn from_str(text: &str) -> Result<Self, ParseAccountError> {
        let purse = match text.split_once('/') {
            None if text == "reserve" => Some(Self::Reserve),
            Some(("job", id)) => id.parse().ok().map(Self::Job),
            Some(("stream", id)) => id.parse().ok().map(Self::Stream),
            _ => None,
        };
        purse.ok_or_else(|| unknown(text, "purse"))
    }
}

/// The kind, and then what it is of, parted by colons: one kind can be listed by its prefix.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::World => f.write_str("world"),
            Self::Wallet(payer) => write!(f, "wallet:{payer}"),
            Self::Escrow(job) => write!(f, "escrow:{job}"),
            Self::Carry(job) => write!(f, "carry:{job}"),
            Self::Stream(stream) => write!(f, "stream:{stream}"),
            Self::Reserve => f.write_str("reserve"),
            Self::Bond => f.write_str("bond"),
            Self::Owed { node, purse } => write!(f, "owed:{node}:{purse}"),
            Self::Held { node, purse } => write!(f, "held:{node}:{purse}"),
            Self::InEpoch { epoch, node } => write!(f, "in_epoch:{epoch}:{node}"),
            Self::Claimable { epoch, node } => write!(f, "claimable:{epoch}:{node}"),
            Self::Paid(node) => write!(f, "paid:{node}"),
            Self::Refunded(payer) => write!(f, "refunded:{payer}"),
            Self::Stake(node) => write!(f, "stake:{node}"),
            Self::Slashed => f.write_str("slashed"),
            Self::Rewarded(node) => write!(f, "rewarded:{node}"),
            Self::Carried(payer) => write!(f, "carried:{payer}"),
            Self::CarriedForAll => f.write_str("carried_for_all"),
        }
    }
}

impl FromStr for Account {
    type Err = ParseAccountError;
    fn from_str(text: &str) -> Result<Self, ParseAccountError> {
        parse(text)
            .filter(|account| account.to_string() == text)
            .ok_or_else(|| unknown(text, "account"))
    }
}

fn parse(text: &str) -> Option<Account> {
    let mut parts = text.split(':');
    let kind = parts.next()?;
    let mut part = || parts.next();
    Some(match kind {
        "world" => Account::World,
        "wallet" => Account::Wallet(part()?.parse().ok()?),
        "escrow" => Account::Escrow(part()?.parse().ok()?),
        "carry" => Account::Carry(part()?.parse().ok()?),
        "stream" => Account::Stream(part()?.parse().ok()?),
        "reserve" => Account::Reserve,
        "bond" => Account::Bond,
        "owed" => Account::Owed { node: part()?.parse().ok()?, purse: part()?.parse().ok()? },
        "held" => Account::Held { node: part()?.parse().ok()?, purse: part()?.parse().ok()? },
        "in_epoch" => {
            Account::InEpoch { epoch: part()?.parse().ok()?, node: part()?.parse().ok()? }
        }
        "claimable" => {
            Account::Claimable { epoch: part()?.parse().ok()?, node: part()?.parse().ok()? }
        }
        "paid" => Account::Paid(part()?.parse().ok()?),
        "refunded" => Account::Refunded(part()?.parse().ok()?),
        "stake" => Account::Stake(part()?.parse().ok()?),
        "slashed" => Account::Slashed,
        "rewarded" => Account::Rewarded(part()?.parse().ok()?),
        "carried" => Account::Carried(part()?.parse().ok()?),
        "carried_for_all" => Account::CarriedForAll,
        _ => return None,
    })
}

/// Serialised as its text.
macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl TryFrom<String> for $name {
            type Error = ParseAccountError;
            fn try_from(text: String) -> Result<Self, ParseAccountError> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    )*};
}
as_text!(Payer, Purse, Account);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_account_is_found_again_by_its_text() {
        let (payer, node) = (Payer([0xab; 8]), NodeId([2; 32]));
        let (job, stream) = (JobId([3; 16]), StreamId([4; 16]));
        let mut all = vec![
            Account::World,
            Account::Wallet(payer),
            Account::Escrow(job),
            Account::Carry(job),
            Account::Stream(stream),
            Account::Reserve,
            Account::Bond,
            Account::InEpoch { epoch: 7, node },
            Account::Claimable { epoch: u64::MAX, node },
            Account::Paid(node),
            Account::Refunded(payer),
            Account::Stake(node),
            Account::Slashed,
            Account::Rewarded(node),
            Account::Carried(payer),
            Account::CarriedForAll,
        ];
        for purse in [Purse::Job(job), Purse::Reserve, Purse::Stream(stream)] {
            all.extend([Account::Owed { node, purse }, Account::Held { node, purse }]);
        }
        let texts: std::collections::BTreeSet<String> =
            all.iter().map(Account::to_string).collect();
        assert_eq!(texts.len(), all.len(), "no two share a text");
        for account in all {
            assert_eq!(account.to_string().parse(), Ok(account));
        }
    }

    #[test]
    fn what_names_no_account_is_refused() {
        let node = NodeId([2; 32]);
        for text in [
            "",
            "World",
            "world:",
            "wallet",
            "wallet:xx",
            "wallet:ABABABABABABABAB",
            &format!("paid:{node}:"),
            &format!("in_epoch:07:{node}"),
            &format!("owed:{node}:purse"),
            &format!("owed:{node}"),
        ] {
            assert!(text.parse::<Account>().is_err(), "{text}");
        }
    }
}
