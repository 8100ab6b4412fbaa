//! What the store knows of streams whose owner pays: deposits, and segments on their way into the books.

use super::Later;
use super::money::{Booked, Escrow, SpentEscrow};
use tessera_ledger::{Cause, Delivered, FeeTerms};
use tessera_protocol::stream::{ClaimReceipt, SegmentNumber};
use tessera_protocol::{Amount, LeaseId, NodeId, PixelPrice, StreamId};

/// What a stream's workers are paid from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Funds {
    /// All that was ever deposited.
    pub deposited: Amount,
    /// What is booked to workers.
    pub charged: Amount,
    /// What was delivered and is not booked yet, each lease's rounded up.
    pub pending: Amount,
    /// What the operator took.
    pub fee: Amount,
    /// What is left for what is delivered from now on; nothing where the stream's escrow has ended.
    pub left: Amount,
    /// Until when its owner cannot take it back, in milliseconds since 1970.
    pub stands_until_ms: i64,
    /// Whether all of it is paid or has returned.
    pub settled: bool,
}

/// What became of a deposit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Funded {
    /// There is so much more.
    By(Amount),
    /// Nothing was deposited since.
    Nothing,
    /// The stream is over, and its rest returns.
    Ended,
}

/// A lease that stands and is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaidLease {
    /// The lease.
    pub lease: LeaseId,
    /// At what price.
    pub price: PixelPrice,
    /// What it takes of its worker.
    pub pixels_per_s: u64,
    /// What it is paid from.
    pub funds: Funds,
}

/// Segments of one lease that are to be booked.
#[derive(Debug, Clone, PartialEq)]
pub struct Unbooked {
    /// The stream.
    pub stream: StreamId,
    /// The lease.
    pub lease: LeaseId,
    /// Whose it is.
    pub node: NodeId,
    /// Whether its worker was barred: it is not paid for what nobody has paid yet.
    pub barred: bool,
    /// Whether more may still be deposited.
    pub stream_goes_on: bool,
    /// How often segments of it were booked.
    pub part: u32,
    /// Pixels of it that were.
    pub before: u64,
    /// At what price.
    pub price: PixelPrice,
    /// What is left in the books of the stream's deposit.
    pub left: Amount,
    /// The receipts, by number.
    pub receipts: Vec<ClaimReceipt>,
}

/// Those of a lease's segments that are to be booked, up to this number, and heard of until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// The lease.
    pub lease: LeaseId,
    /// The highest number.
    pub last: SegmentNumber,
    /// When the master heard of the latest, at most.
    pub until_ms: i64,
}

/// Why segments are never paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forfeit {
    /// Their worker was barred, or nothing is left that proves them.
    Rejected,
    /// The stream's deposit was used up.
    Unpaid,
}

/// See the module.
pub trait StreamPayStore: Send + Sync {
    /// Puts aside for a stream what was deposited in its escrow since the books last heard.
    fn fund_stream(
        &self,
        stream: StreamId,
        escrow: Escrow,
        fee: FeeTerms,
        now_ms: i64,
    ) -> Later<'_, Funded>;
    /// Leases that stand and are paid for.
    fn paid_leases(&self) -> Later<'_, Vec<PaidLease>>;
    /// Segments that the master heard of until `until_ms` and that are to be booked, of leases behind
    /// `after` in the order of granting, at most `limit` of each; and that lease's place.
    fn unbooked_segments(
        &self,
        after: i64,
        until_ms: i64,
        limit: u32,
    ) -> Later<'_, Option<(i64, Unbooked)>>;
    /// Books segments that were found to be so.
    fn book_segments(&self, cause: Cause, of: Batch, now_ms: i64) -> Later<'_, Booked>;
    /// Notes that segments will never be paid, and why.
    fn forfeit_segments(&self, of: Batch, because: Forfeit) -> Later<'_, ()>;
    /// Whether just these segments are booked as this part of their lease.
    fn is_delivered(&self, delivered: Delivered, part: u32) -> Later<'_, bool>;
    /// Streams that have a deposit and are over: ended, or their deposit can be taken back before
    /// `expired_ms`; nothing of which waits for the books, and whose last session ended before `quiet_ms`.
    fn spent_streams(
        &self,
        quiet_ms: i64,
        expired_ms: i64,
        limit: u32,
    ) -> Later<'_, Vec<SpentEscrow>>;
    /// Books what was deposited for a stream since the books last heard, and puts none of it aside.
    fn note_stream_deposit(
        &self,
        stream: StreamId,
        deposited: Amount,
        now_ms: i64,
    ) -> Later<'_, ()>;
    /// Books the end of a stream: nothing more of its deposit is to be paid to workers.
    fn end_stream_escrow(&self, stream: StreamId, now_ms: i64) -> Later<'_, ()>;
    /// Notes that a stream's escrow is closed on the chain, and books what returned with it.
    fn close_stream_escrow(
        &self,
        stream: StreamId,
        refund: Option<Cause>,
        now_ms: i64,
    ) -> Later<'_, ()>;
}
