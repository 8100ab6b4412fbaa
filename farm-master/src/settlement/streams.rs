//! Streams whose owner pays: what was delivered is booked, lease by lease.
//!
//! Segments wait until their pictures could be compared. One rejected comparison decides nothing; a worker
//! that was barred for many is not paid for what waits.

use super::SettlementError;
use crate::app::App;
use crate::store::money::Booked;
use crate::store::stream_pay::{Batch, Forfeit, Unbooked};
use tessera_ledger::{Cause, Delivered, delivered_pay};
use tessera_protocol::stream::ClaimReceipt;

/// Segments that are booked at once.
const SEGMENTS: u32 = 256;

impl App {
    /// Until when segments must have come to be booked now.
    pub(super) fn settled_until(&self) -> i64 {
        let settle = i64::try_from(self.config.segments_settle.as_millis()).unwrap_or(i64::MAX);
        self.clock.now_ms().saturating_sub(settle)
    }

    /// Books segments that were delivered long enough ago.
    pub(super) async fn book_delivered(&self) -> Result<(), SettlementError> {
        let (until_ms, mut after) = (self.settled_until(), 0);
        while let Some((place, found)) =
            self.store.unbooked_segments(after, until_ms, SEGMENTS).await?
        {
            // A lease of which all were taken may have more; one that has to wait is passed.
            let more = found.receipts.len() == SEGMENTS as usize;
            if !self.book_lease_of_stream(found, until_ms).await? || !more {
                after = place;
            }
        }
        Ok(())
    }

    /// Whether all that was found is done with.
    async fn book_lease_of_stream(
        &self,
        found: Unbooked,
        until_ms: i64,
    ) -> Result<bool, SettlementError> {
        let Unbooked { lease, node, .. } = found;
        let batch = |receipts: &[ClaimReceipt]| {
            let last = receipts.last().map(|receipt| receipt.claim.segment)?;
            Some(Batch { lease, last, until_ms })
        };
        let Some(all) = batch(&found.receipts) else { return Ok(true) };
        if found.barred {
            tracing::warn!(%lease, %node, "a barred worker is not paid for what nobody has paid yet");
            self.store.forfeit_segments(all, Forfeit::Rejected).await?;
            return Ok(true);
        }
        let paid = affordable(&found);
        if let Some(of) = batch(paid) {
            let Some(delivered) = Delivered::from_receipts(paid) else {
                tracing::error!(%lease, "nothing is left that proves segments; they are not paid");
                self.store.forfeit_segments(all, Forfeit::Rejected).await?;
                return Ok(true);
            };
            let Unbooked { stream, part, before, price, .. } = found;
            let cause = Cause::SegmentsDelivered { delivered, stream, part, before, price };
            let booked = self.store.book_segments(cause, of, self.clock.now_ms()).await?;
            if let Booked::Refused(refused) = booked {
                tracing::error!(%lease, %refused, "delivered segments cannot be booked");
                return Ok(false);
            }
        }
        if paid.len() == found.receipts.len() {
            return Ok(true);
        }
        if found.stream_goes_on {
            return Ok(false);
        }
        tracing::error!(%lease, %node, "a stream's deposit was used up before all of it was paid");
        self.store.forfeit_segments(all, Forfeit::Unpaid).await?;
        Ok(true)
    }
}

/// The first of the segments, as far as the stream's deposit pays for them.
fn affordable(found: &Unbooked) -> &[ClaimReceipt] {
    let mut pixels = 0u64;
    let fits = |receipt: &ClaimReceipt| {
        for result in &receipt.claim.renditions {
            pixels = pixels.saturating_add(result.pixels);
        }
        delivered_pay(found.before, pixels, found.price).is_some_and(|cost| cost <= found.left)
    };
    let count = found.receipts.iter().map(fits).take_while(|fits| *fits).count();
    &found.receipts[..count]
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_protocol::commit::{NodeKey, SignatureBytes};
    use tessera_protocol::stream::claim::RenditionResult;
    use tessera_protocol::stream::{SegmentClaim, SegmentNumber};
    use tessera_protocol::{
        Amount, GatewayId, Generation, LeaseId, MediaHash, NodeId, PixelPrice, SessionId, StreamId,
    };

    fn receipt(number: u64) -> ClaimReceipt {
        let claim = SegmentClaim {
            node: NodeId([1; 32]),
            gateway: GatewayId([2; 32]),
            lease: LeaseId([3; 16]),
            session: SessionId([4; 16]),
            generation: Generation(1),
            segment: SegmentNumber(number),
            renditions: vec![RenditionResult {
                rendition: "720p".to_owned().try_into().unwrap(),
                frames: 1,
                pixels: 1_000_000,
                bytes: 1,
                hash: MediaHash([1; 32]),
            }],
        };
        let key = NodeKey::from_secret(&[2; 32]);
        ClaimReceipt::countersign(claim, SignatureBytes([0; 64]), &key)
    }

    #[test]
    fn as_many_segments_are_paid_as_the_deposit_pays_for() {
        let found = |left, before| Unbooked {
            stream: StreamId([1; 16]),
            lease: LeaseId([3; 16]),
            node: NodeId([1; 32]),
            barred: false,
            stream_goes_on: true,
            part: 0,
            before,
            // 1.5 base units a segment.
            price: PixelPrice(1_500_000),
            left: Amount(left),
            receipts: (0..4).map(receipt).collect(),
        };
        for (left, before, paid) in [(6, 0, 4), (5, 0, 3), (0, 0, 0), (1, 0, 1), (1, 1_000_000, 0)]
        {
            assert_eq!(affordable(&found(left, before)).len(), paid, "{left} after {before}");
        }
    }
}
