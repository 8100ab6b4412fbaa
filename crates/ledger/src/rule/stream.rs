//! A stream's deposit: funded, earned by the segment, returned.

use super::reader::{Reader, Transfer};
use super::{in_turn, share, some};
use crate::account::{Account, Payer, Purse};
use crate::books::Balances;
use crate::cause::{Cause, FeeTerms, Once};
use crate::error::LedgerError;
use crate::proof::{Delivered, delivered_pay};
use tessera_protocol::{Amount, PixelPrice, StreamId};

pub(super) fn fund<B: Balances>(
    stream: StreamId,
    payer: Payer,
    part: u32,
    amount: Amount,
    fee: &FeeTerms,
    books: &Reader<'_, B>,
) -> Result<Vec<Transfer>, LedgerError> {
    if fee.bps > 10_000 {
        return Err(LedgerError::Terms("a fee is at most the whole"));
    }
    need_standing(stream, books)?;
    in_turn(part, |part| Once::funded(stream, part), books)?;
    if part > 0 && first(stream, books)?.payer != payer {
        return Err(LedgerError::Terms("a stream has one payer"));
    }
    some(Account::Wallet(payer), Account::Stream(stream), amount)
}

/// A lease's parts follow each other, at one price.
pub(super) fn deliver<B: Balances>(
    delivered: &Delivered,
    stream: StreamId,
    part: u32,
    before: u64,
    price: PixelPrice,
    books: &Reader<'_, B>,
) -> Result<Vec<Transfer>, LedgerError> {
    need_standing(stream, books)?;
    let (lease, node) = (delivered.lease(), delivered.node());
    let follows = match part.checked_sub(1) {
        None => before == 0,
        Some(last) => match books.entry(&Once::delivered(lease, last)).map(|entry| &entry.cause) {
            Some(Cause::SegmentsDelivered { delivered: last, before: sum, price: at, .. }) => {
                last.pixels().checked_add(*sum) == Some(before) && *at == price
            }
            _ => false,
        },
    };
    if !follows {
        return Err(LedgerError::PartOutOfTurn(Once::delivered(lease, part)));
    }
    let amount = delivered_pay(before, delivered.pixels(), price).ok_or(LedgerError::TooLarge)?;
    let to = Account::Owed { node, purse: Purse::Stream(stream) };
    Ok(vec![Transfer { from: Account::Stream(stream), to, amount }])
}

/// The operator takes its share of what the stream cost, and its payer gets the rest.
pub(super) fn end<B: Balances>(
    stream: StreamId,
    books: &Reader<'_, B>,
) -> Result<Vec<Transfer>, LedgerError> {
    let from = Account::Stream(stream);
    let First { payer, fee } = first(stream, books)?;
    let left = books.amount(&from);
    let cost = funded(stream, books)?.checked_sub(left).unwrap_or_default();
    let amount = share(cost, u64::from(fee.bps), 10_000).min(left);
    let rest = left.checked_sub(amount).unwrap_or_default();
    let operator = Account::Owed { node: fee.to, purse: Purse::Stream(stream) };
    Ok(vec![
        Transfer { from, to: operator, amount },
        Transfer { from, to: Account::Wallet(payer), amount: rest },
    ])
}

fn need_standing<B: Balances>(stream: StreamId, books: &Reader<'_, B>) -> Result<(), LedgerError> {
    match books.is_posted(&Once::stream_ended(stream)) {
        true => Err(LedgerError::StreamEnded(stream)),
        false => Ok(()),
    }
}

/// What was said when a stream was funded first.
struct First {
    payer: Payer,
    fee: FeeTerms,
}

fn first<B: Balances>(stream: StreamId, books: &Reader<'_, B>) -> Result<First, LedgerError> {
    match books.entry(&Once::funded(stream, 0)).map(|entry| &entry.cause) {
        Some(Cause::StreamFunded { payer, fee, .. }) => Ok(First { payer: *payer, fee: *fee }),
        _ => Err(LedgerError::UnknownStream(stream)),
    }
}

/// All that was ever put aside for it.
fn funded<B: Balances>(stream: StreamId, books: &Reader<'_, B>) -> Result<Amount, LedgerError> {
    let mut sum = Amount::ZERO;
    for part in 0.. {
        let Some(entry) = books.entry(&Once::funded(stream, part)) else { break };
        let Cause::StreamFunded { amount, .. } = entry.cause else { break };
        sum = sum.checked_add(amount).ok_or(LedgerError::TooLarge)?;
    }
    Ok(sum)
}
