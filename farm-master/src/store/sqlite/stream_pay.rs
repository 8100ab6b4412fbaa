//! The store of streams whose owner pays: every call by its name.

use super::Sqlite;
use super::money::streams;
use crate::store::Later;
use crate::store::money::{Booked, Escrow, SpentEscrow};
use crate::store::stream_pay::{Batch, Forfeit, Funded, PaidLease, StreamPayStore, Unbooked};
use tessera_ledger::{Cause, Delivered, FeeTerms};
use tessera_protocol::{Amount, StreamId};

impl StreamPayStore for Sqlite {
    fn fund_stream(
        &self,
        stream: StreamId,
        escrow: Escrow,
        fee: FeeTerms,
        now_ms: i64,
    ) -> Later<'_, Funded> {
        self.write(move |db| streams::fund(db, stream, escrow, fee, now_ms))
    }
    fn paid_leases(&self) -> Later<'_, Vec<PaidLease>> {
        self.read(streams::paid_leases)
    }
    fn unbooked_segments(
        &self,
        after: i64,
        until_ms: i64,
        limit: u32,
    ) -> Later<'_, Option<(i64, Unbooked)>> {
        self.read(move |db| streams::unbooked(db, after, until_ms, limit))
    }
    fn book_segments(&self, cause: Cause, of: Batch, now_ms: i64) -> Later<'_, Booked> {
        self.write(move |db| streams::book_segments(db, &cause, of, now_ms))
    }
    fn forfeit_segments(&self, of: Batch, because: Forfeit) -> Later<'_, ()> {
        self.write(move |db| streams::forfeit(db, of, because))
    }
    fn is_delivered(&self, delivered: Delivered, part: u32) -> Later<'_, bool> {
        self.read(move |db| streams::is_delivered(db, &delivered, part))
    }
    fn spent_streams(
        &self,
        quiet_ms: i64,
        expired_ms: i64,
        limit: u32,
    ) -> Later<'_, Vec<SpentEscrow>> {
        self.read(move |db| streams::spent(db, quiet_ms, expired_ms, limit))
    }
    fn note_stream_deposit(
        &self,
        stream: StreamId,
        deposited: Amount,
        now_ms: i64,
    ) -> Later<'_, ()> {
        self.write(move |db| streams::note_deposit(db, stream, deposited, now_ms).map(|_| ()))
    }
    fn end_stream_escrow(&self, stream: StreamId, now_ms: i64) -> Later<'_, ()> {
        self.write(move |db| streams::end(db, stream, now_ms))
    }
    fn close_stream_escrow(
        &self,
        stream: StreamId,
        refund: Option<Cause>,
        now_ms: i64,
    ) -> Later<'_, ()> {
        self.write(move |db| streams::close(db, stream, refund, now_ms))
    }
}
