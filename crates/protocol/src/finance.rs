//! What people and nodes read of money: where a farm settles, what was earned, and what was paid.

use crate::job::{JobMoney, JobSpec};
use crate::{Amount, MasterId, NodeId, RayPrice, Tier};
use serde::{Deserialize, Serialize};

/// An address on the chain, 64 hexadecimal digits. Wallets write the same in base 58.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String)]
pub struct ChainAddress(pub [u8; 32]);

impl TryFrom<String> for ChainAddress {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| "an address is 64 hexadecimal digits")?;
        Ok(Self(bytes))
    }
}

impl From<ChainAddress> for String {
    fn from(address: ChainAddress) -> String {
        hex::encode(address.0)
    }
}

impl std::fmt::Display for ChainAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Where a farm settles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ChainView {
    /// Where the chain is asked.
    pub rpc_url: String,
    /// The settlement program.
    pub program: ChainAddress,
    /// The mint that everything is paid in.
    pub mint: ChainAddress,
    /// Others who must agree to an epoch before it is paid. Where there is nobody, its artists and nodes
    /// trust the operator alone.
    pub guardians: u8,
}

/// What everybody may know of a farm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FarmView {
    /// Its master, which is also its authority on chain.
    pub master: MasterId,
    /// Where it settles; `None` where nobody pays.
    pub chain: Option<ChainView>,
    /// What nodes ask for 10^9 factored rays that do not say what they ask.
    pub suggested_price: RayPrice,
}

/// Asks what a job will cost at most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuoteRequest {
    /// The job.
    pub spec: JobSpec,
    /// What its owner would pay for 10^9 factored rays at most; what the farm suggests, where that is not
    /// said.
    #[serde(default)]
    pub max_price: Option<RayPrice>,
    /// Whom it waits for.
    #[serde(default)]
    pub tier: Tier,
}

/// Where a payout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PayoutState {
    /// It is in an epoch that is not paid yet.
    Pending,
    /// It is paid, finally.
    Paid,
    /// Its account takes nothing: it stays claimable.
    Claimable,
}

/// What a node is paid in an epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PayoutView {
    /// The epoch.
    pub epoch: u64,
    /// Its place in the epoch's tree.
    pub leaf: u32,
    /// Who earned it.
    pub node: NodeId,
    /// What people call the node.
    pub name: String,
    /// The token account that it goes to.
    pub account: ChainAddress,
    /// How much.
    pub amount: Amount,
    /// Where it stands.
    pub state: PayoutState,
}

/// Some of the payouts, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PayoutPage {
    /// The payouts.
    pub data: Vec<PayoutView>,
    /// Asks for the next page; `None` on the last.
    pub next_cursor: Option<String>,
}

/// What a node has earned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EarningsView {
    /// Of results that came and are not judged finally.
    pub pending: Amount,
    /// Of results that count, not settled yet.
    pub earned: Amount,
    /// In epochs that are on their way.
    pub settling: Amount,
    /// Paid, finally.
    pub paid: Amount,
    /// Of results that were rejected: nothing is paid for them.
    pub rejected: Amount,
    /// Of results that count, and for which neither their job nor the operator's reserve has any money.
    pub unpaid: Amount,
    /// Why what is held is not paid yet, a sentence each.
    pub notes: Vec<String>,
}

/// What became of a job's money on the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SettlementView {
    /// Where it is settled.
    pub chain: ChainView,
    /// The account of the job's escrow; it is closed once the rest has returned.
    pub escrow: ChainAddress,
    /// The operator's own key: it is paid its fee as nodes are paid.
    pub operator: NodeId,
    /// What the job cost.
    pub money: JobMoney,
    /// Who was paid out of it, by epoch and leaf.
    pub payouts: Vec<JobPayout>,
}

/// What a node got out of a job's escrow with one epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobPayout {
    /// The epoch.
    pub epoch: u64,
    /// Its account on the chain.
    pub epoch_account: ChainAddress,
    /// The node's place in the epoch's tree.
    pub leaf: u32,
    /// Who was paid; the master's own key for the operator's fee.
    pub node: NodeId,
    /// The token account that it went to.
    pub account: ChainAddress,
    /// The part of the leaf that is this job's.
    pub amount: Amount,
    /// What the leaf was in all.
    pub of: Amount,
    /// Where it stands.
    pub state: PayoutState,
}

/// One account of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BalanceView {
    /// Its name.
    pub account: String,
    /// What is in it, in base units; negative for the world outside.
    pub balance: i64,
}

/// One posting of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PostingView {
    /// The account.
    pub account: String,
    /// What comes in, or, negative, goes out.
    pub amount: i64,
}

/// One entry of the ledger. Its postings add up to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EntryView {
    /// Its number.
    pub entry: u64,
    /// When it was made, in milliseconds since 1970.
    pub at_ms: i64,
    /// Why, in words.
    pub cause: String,
    /// What moves.
    pub postings: Vec<PostingView>,
}

/// The ledger: all balances, what does not agree, and the newest entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LedgerView {
    /// Accounts with something in them.
    pub balances: Vec<BalanceView>,
    /// What does not hold and should, a sentence each. Empty on every day that is well.
    pub violations: Vec<String>,
    /// What the operator should look at, a sentence each.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Some of the entries, newest first.
    pub entries: Vec<EntryView>,
    /// Asks for older entries; `None` on the last page.
    pub next_cursor: Option<String>,
}
