//! What becomes of streams: deposits, segments that workers deliver, the end, the rest that returns.

use crate::books::OF_STREAM;
use crate::history::{History, Stream};
use crate::model::FEE_BPS;
use crate::world::*;
use std::sync::LazyLock;
use tessera_ledger::{Cause, Delivered, FeeTerms, LedgerError, Purse};
use tessera_protocol::commit::NodeKey;
use tessera_protocol::stream::claim::RenditionResult;
use tessera_protocol::stream::{ClaimReceipt, SegmentClaim, SegmentNumber};
use tessera_protocol::{Amount, GatewayId, Generation, LeaseId, MediaHash, PixelPrice, SessionId};

/// So many kinds of segments each lease has.
const SIZES: u8 = 4;

/// Signing takes longer than a whole history: all of them share these.
static SEGMENTS: LazyLock<Vec<Delivered>> = LazyLock::new(|| {
    let gateway = NodeKey::from_secret(&[3; 32]);
    let lanes = (0..STREAMS).flat_map(|stream| (0..LANES).map(move |lane| (stream, lane)));
    let each = lanes.flat_map(|(stream, lane)| (0..SIZES).map(move |size| (stream, lane, size)));
    each.map(|(stream, lane, size)| {
        let key = NodeKey::from_secret(&worker(stream, lane).secret());
        let claim = SegmentClaim {
            node: key.node(),
            gateway: GatewayId(gateway.node().0),
            lease: LeaseId([0xa0 + stream * LANES + lane; 16]),
            session: SessionId([stream; 16]),
            generation: Generation(1),
            segment: SegmentNumber(u64::from(size)),
            renditions: vec![RenditionResult {
                rendition: "720p".to_owned().try_into().expect("a name"),
                frames: 1,
                // Sums of parts of units: what is rounded would add up.
                pixels: 700_001 + 1_300_003 * u64::from(size).pow(2),
                bytes: 1,
                hash: MediaHash([1; 32]),
            }],
        };
        let signature = key.sign(&claim.message());
        let receipt = ClaimReceipt::countersign(claim, signature, &gateway);
        Delivered::from_receipts(&[receipt]).expect("both have signed")
    })
    .collect()
});

/// Who has a lease: one of them has no token account at first, and some render as well.
fn worker(stream: u8, lane: u8) -> Who {
    Who::Node(1 + stream * LANES + lane)
}

/// What a lease is paid for 10^12 pixels.
fn price(stream: u8, lane: u8) -> PixelPrice {
    PixelPrice(11_000_007 + 3_000_001 * u64::from(stream + lane))
}

impl History {
    pub(crate) fn of_a_stream(&mut self) -> Option<()> {
        match self.dice.below(24) {
            0..=4 => self.open_stream(),
            5..=7 => self.top_up_stream(),
            8..=20 => self.deliver(),
            21 => {
                let at = self.some_stream(|stream| !stream.ended)?;
                self.end_stream_at(at)
            }
            _ => {
                let at = self.some_stream(|stream| stream.ended && !stream.closed)?;
                self.close_stream_at(at)
            }
        }
    }

    fn some_stream(&mut self, is: impl Fn(&Stream) -> bool) -> Option<usize> {
        let those: Vec<usize> =
            (0..self.streams.len()).filter(|at| is(&self.streams[*at])).collect();
        self.dice.pick(&those)
    }

    fn open_stream(&mut self) -> Option<()> {
        let number = u8::try_from(self.streams.len()).ok().filter(|number| *number < STREAMS)?;
        let (payer, amount) = (self.dice.one_of(PAYERS), 50 + self.dice.below(700));
        let open = self.world.opening(stream(number).0, Who::Payer(payer), amount);
        self.must(open);
        let (funded, lanes) = (0, Default::default());
        self.streams.push(Stream { number, payer, funded, ended: false, closed: false, lanes });
        self.book_stream_deposit(number, payer, amount);
        self.put_aside(usize::from(number), amount);
        self.done("stream opened")
    }

    fn book_stream_deposit(&mut self, number: u8, payer: u8, amount: u64) {
        let id = self.id(&format!("{OF_STREAM}{}/", stream(number)));
        let payer = crate::world::payer(payer);
        self.ledger.must(Cause::Deposited { id, payer, amount: Amount(amount) });
    }

    fn put_aside(&mut self, at: usize, amount: u64) {
        let Stream { number, payer, funded: part, .. } = self.streams[at];
        self.ledger.must(Cause::StreamFunded {
            stream: stream(number),
            payer: crate::world::payer(payer),
            part,
            amount: Amount(amount),
            fee: FeeTerms { bps: FEE_BPS, to: Who::Operator.id() },
        });
        self.model.stream_funded(number, payer, amount);
        self.streams[at].funded += 1;
    }

    /// More money for a stream, or more that comes when it is over and returns with the rest.
    fn top_up_stream(&mut self) -> Option<()> {
        let at = self.some_stream(|stream| !stream.closed)?;
        let Stream { number, payer, ended, .. } = self.streams[at];
        let amount = 1 + self.dice.below(200);
        let add = farm().top_up(Who::Payer(payer).source(), &stream(number).0, amount);
        self.must(add);
        self.book_stream_deposit(number, payer, amount);
        if ended {
            return self.done("deposit for a stream that is over");
        }
        self.put_aside(at, amount);
        self.done("stream topped up")
    }

    fn deliver(&mut self) -> Option<()> {
        let at = self.some_stream(|stream| !stream.closed)?;
        let Stream { number, lanes, .. } = self.streams[at];
        let (lane, size) = (self.dice.one_of(LANES), self.dice.one_of(SIZES));
        let delivered = SEGMENTS[usize::from((number * LANES + lane) * SIZES + size)];
        let (part, before) = lanes[usize::from(lane)];
        let price = price(number, lane);
        match self.ledger.deliver(delivered, (stream(number), part, before), price) {
            Ok(()) => {
                let (who, pixels) = (worker(number, lane), delivered.pixels());
                self.model.delivered(number, lane, who, price, pixels);
                self.streams[at].lanes[usize::from(lane)] = (part + 1, before + pixels);
                self.done("segments delivered")
            }
            Err(LedgerError::NotEnough { .. }) => self.done("refused: a deposit used up"),
            Err(LedgerError::StreamEnded(_)) => self.done("refused: a stream that ended"),
            Err(error) => panic!("{delivered:?}: {error}"),
        }
    }

    pub(crate) fn end_stream_at(&mut self, at: usize) -> Option<()> {
        let number = self.streams[at].number;
        self.ledger.must(Cause::StreamEnded { stream: stream(number) });
        self.model.stream_ended(number);
        self.streams[at].ended = true;
        self.done("stream ended")
    }

    /// Returns what a stream has left, as a job's.
    pub(crate) fn close_stream_at(&mut self, at: usize) -> Option<()> {
        let Stream { number, payer, .. } = self.streams[at];
        let id = stream(number);
        let (purse, escrow) = (Purse::Stream(id), (id.0, PLACES.stream(number)));
        let closed = self.close_escrow(purse, escrow, payer, &format!("{OF_STREAM}{id}"))?;
        self.streams[at].closed = self.world.job_now(&PLACES.stream(number)).is_none();
        self.done(match closed {
            "refunded" => "stream refunded",
            other => other,
        })
    }
}
