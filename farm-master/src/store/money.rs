//! What the store knows of money: quotes, the books, what results are paid with, and epochs on their way
//! to the chain.

use super::proof::Audited;
use super::{Creation, Later, StoredResult};
use crate::auth::TokenId;
use tessera_ledger::{
    Account, CarryTerms, Cause, Entry, EpochPlan, FeeTerms, LedgerError, Posting, Purse, Verified,
};
use tessera_protocol::commit::{Commit, SignatureBytes};
use tessera_protocol::finance::{ChainAddress, EarningsView, JobPayout, PayoutState, PayoutView};
use tessera_protocol::job::{JobSpec, JobView};
use tessera_protocol::memory::SceneMemory;
use tessera_protocol::quote::QuoteView;
use tessera_protocol::{
    Amount, JobId, KernelId, LeaseId, NodeId, QuoteId, RayPrice, SceneFactor, Tier,
};

/// What a result is to be paid with, if it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owed {
    /// Its rays.
    pub rays: u64,
    /// What 10^9 factored ones are paid with.
    pub price: RayPrice,
    /// As how many one counts.
    pub factor: SceneFactor,
    /// When it came.
    pub at_ms: i64,
}

/// A quote, as it was given out.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptQuote {
    /// Who asked for it.
    pub owner: TokenId,
    /// The job.
    pub spec: JobSpec,
    /// Whom the job waits for.
    pub tier: Tier,
    /// What its owner should know about the scene.
    pub warnings: Vec<String>,
    /// What its scene takes of a node.
    pub memory: SceneMemory,
    /// What was said and signed.
    pub view: QuoteView,
}

/// A quote that its owner has paid the ceiling of.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// The job's id, which is the escrow's too.
    pub job: JobId,
    /// The quote.
    pub quote: KeptQuote,
    /// The kernel that the job pins.
    pub kernel: KernelId,
    /// The escrow: it holds the ceiling, or more.
    pub escrow: Escrow,
    /// How far the operator's reserve stands in.
    pub carry: CarryTerms,
    /// What the operator takes.
    pub fee: FeeTerms,
    /// Now.
    pub now_ms: i64,
}

/// What lies in a job's escrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Escrow {
    /// All that was ever deposited.
    pub deposited: Amount,
    /// Until when its owner cannot take it back, in milliseconds since 1970.
    pub stands_until_ms: i64,
}

/// What became of a ceiling that was to be raised by what lies in the escrow.
#[derive(Debug, Clone, PartialEq)]
pub enum Raised {
    /// It is higher by what was deposited since.
    By {
        /// How much.
        amount: Amount,
        /// Whether the job had too little.
        was_short: bool,
        /// The job.
        job: Box<JobView>,
    },
    /// Nothing was deposited since.
    Nothing,
    /// The job is over, and its rest returns.
    Ended,
}

/// What became of a cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Booked {
    /// It is in the books.
    Now(Vec<Posting>),
    /// It was in the books already.
    Before,
    /// The rules refuse it, and nothing has changed.
    Refused(LedgerError),
}

/// An entry, and when it was made.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptEntry {
    /// The entry.
    pub entry: Entry,
    /// In milliseconds since 1970.
    pub at_ms: i64,
}

/// Some of the books.
#[derive(Debug, Clone, PartialEq)]
pub struct BookPage {
    /// Entries, newest first.
    pub entries: Vec<KeptEntry>,
    /// All balances that are not 0.
    pub balances: Vec<(Account, i64)>,
}

/// Who can be paid by an epoch, and out of what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Payable {
    /// Nodes, each with its token account.
    pub accounts: Vec<(NodeId, ChainAddress)>,
    /// Purses, each with what lies in it on the chain.
    pub purses: Vec<(Purse, Amount)>,
}

/// A leaf that an epoch could not pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// The epoch.
    pub epoch: u64,
    /// Its place in the epoch's tree.
    pub index: u32,
    /// Where it is paid to.
    pub account: ChainAddress,
}

/// An epoch that is not over.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenEpoch {
    /// Its number.
    pub number: u64,
    /// What it settles.
    pub plan: EpochPlan,
    /// Where each leaf is paid to, in their order.
    pub accounts: Vec<ChainAddress>,
}

/// A job or stream that is over, and whose escrow on the chain is to be closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpentEscrow {
    /// Whose.
    pub purse: Purse,
    /// Who paid.
    pub owner: TokenId,
    /// Whether its end is booked.
    pub ended: bool,
    /// Whether something is owed out of it still, or on its way.
    pub owed: bool,
}

/// Two commits of one lease, with what the second was signed with.
#[derive(Debug, Clone, PartialEq)]
pub struct TwoCommits {
    /// Where the first lies.
    pub first: StoredResult,
    /// The second.
    pub second: Commit,
    /// Its signature.
    pub signature: SignatureBytes,
}

/// See the module.
pub trait MoneyStore: Send + Sync {
    /// Keeps a quote; drops those that are long over.
    fn keep_quote(&self, quote: KeptQuote, now_ms: i64) -> Later<'_, ()>;
    /// A quote that was given out.
    fn quote(&self, id: QuoteId) -> Later<'_, Option<KeptQuote>>;
    /// Makes a job of a quote whose ceiling is in its escrow, and books it. Doing so twice is as doing so
    /// once.
    fn accept_quote(&self, accepted: Accepted) -> Later<'_, Creation>;

    /// What a lease's result is to be paid with; `None` where it brought none.
    fn owed(&self, lease: LeaseId) -> Later<'_, Option<Owed>>;
    /// Results that are to be paid, count finally and are not in the books, oldest first.
    fn unbooked(&self, limit: u32) -> Later<'_, Vec<Audited>>;
    /// Books the pay of a lease's result.
    fn book_lease(&self, verified: Verified, now_ms: i64) -> Later<'_, Booked>;
    /// Notes that a result will never be paid, since nothing is left that proves it.
    fn give_up_pay(&self, lease: LeaseId) -> Later<'_, ()>;
    /// Books what came into the operator's reserve since the books last heard, where so much ever came; how
    /// much that is.
    fn note_reserve(&self, deposited: Amount, now_ms: i64) -> Later<'_, Amount>;
    /// Books anything else.
    fn book(&self, cause: Cause, now_ms: i64) -> Later<'_, Booked>;
    /// Entries after one, oldest first.
    fn entries_after(&self, entry: u64, limit: u32) -> Later<'_, Vec<Entry>>;
    /// Whether a lease's result is to be paid and counts.
    fn is_counting(&self, lease: LeaseId) -> Later<'_, bool>;
    /// All balances that are not 0.
    fn balances(&self) -> Later<'_, Vec<(Account, i64)>>;
    /// Some of the books.
    fn books(&self, before: Option<i64>, limit: u32) -> Later<'_, BookPage>;
    /// What is in one account.
    fn balance(&self, account: Account) -> Later<'_, i64>;

    /// How many epochs were begun.
    fn epochs(&self) -> Later<'_, u64>;
    /// The epoch that is on its way.
    fn open_epoch(&self) -> Later<'_, Option<OpenEpoch>>;
    /// An epoch, whether it is over or not.
    fn epoch(&self, number: u64) -> Later<'_, Option<OpenEpoch>>;
    /// Begins an epoch that pays what is owed to these nodes out of these purses, as far as a purse has all
    /// that is owed out of it, at least `floor` each. `None` where nobody is owed as much.
    fn begin_epoch(
        &self,
        payable: Payable,
        floor: Amount,
        now_ms: i64,
    ) -> Later<'_, Option<OpenEpoch>>;
    /// Notes what became of a leaf, and books it.
    fn leaf_done(&self, epoch: u64, leaf: u32, state: PayoutState, now_ms: i64) -> Later<'_, ()>;
    /// Notes that an epoch was cancelled on the chain: what it was to pay is owed again.
    fn cancel_epoch(&self, epoch: u64, now_ms: i64) -> Later<'_, ()>;
    /// Notes that an epoch is over.
    fn epoch_done(&self, epoch: u64) -> Later<'_, ()>;
    /// Leaves behind this one that epochs could not pay.
    fn claimable(&self, after: (u64, u32), limit: u32) -> Later<'_, Vec<Leaf>>;
    /// Jobs that are not over, and whose escrow can be taken back before then.
    fn expiring(&self, until_ms: i64, limit: u32) -> Later<'_, Vec<JobId>>;
    /// Books what was deposited in a job's escrow since the books last heard; its ceiling stays.
    fn note_deposit(&self, job: JobId, deposited: Amount, now_ms: i64) -> Later<'_, Amount>;
    /// The same, and its ceiling rises by as much.
    fn raise_ceiling(&self, job: JobId, deposited: Amount, now_ms: i64) -> Later<'_, Raised>;
    /// Jobs that have ended, nothing of which waits for a verdict or the books, and whose escrow stands.
    fn spent_escrows(&self, limit: u32) -> Later<'_, Vec<SpentEscrow>>;
    /// Books the end of a job: nothing more of its escrow is to be paid to nodes.
    fn end_escrow(&self, job: JobId, now_ms: i64) -> Later<'_, ()>;
    /// Notes that an escrow is closed on the chain, and books what returned to its owner with it.
    fn close_escrow(&self, job: JobId, refund: Option<Cause>, now_ms: i64) -> Later<'_, ()>;
    /// The attempt at a step that was noted last.
    fn attempt(&self, step: String) -> Later<'_, Option<String>>;
    /// Notes an attempt at a step, or that there is none any more.
    fn note_attempt(&self, step: String, body: Option<String>) -> Later<'_, ()>;

    /// Two commits of one lease that the chain was not shown.
    fn equivocations(&self, limit: u32) -> Later<'_, Vec<TwoCommits>>;
    /// Notes that the chain has seen them, or that it is of no use; and what the chain has against it.
    fn equivocation_shown(&self, lease: LeaseId, refused: Option<String>) -> Later<'_, ()>;
    /// What the chain has against slashes, newest first.
    fn refused_slashes(&self, limit: u32) -> Later<'_, Vec<(LeaseId, String)>>;

    /// Payouts before this epoch and leaf, newest first; of one node, or of all.
    fn payouts(
        &self,
        node: Option<NodeId>,
        before: Option<(u64, u32)>,
        limit: u32,
    ) -> Later<'_, Vec<PayoutView>>;
    /// What these nodes got out of a job's escrow, by epoch; the accounts on the chain are left open.
    fn job_payouts(&self, job: JobId, operator: NodeId) -> Later<'_, Vec<JobPayout>>;
    /// What a node has earned.
    fn earnings(&self, node: NodeId) -> Later<'_, EarningsView>;
}
