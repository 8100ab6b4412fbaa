//! Names, receipts and segments to keep books with.

use tessera_ledger::{Account, Books, CarryTerms, Cause, Delivered, FeeTerms, Payer, Verified};
use tessera_protocol::commit::{AuditSecret, Commit, NodeKey, SignatureBytes, UnitResult};
use tessera_protocol::node::DeviceClass;
use tessera_protocol::receipt::Receipt;
use tessera_protocol::stream::claim::RenditionResult;
use tessera_protocol::stream::{ClaimReceipt, SegmentClaim, SegmentNumber};
use tessera_protocol::terms::Terms;
use tessera_protocol::verdict::{Verdict, Wrong};
use tessera_protocol::{
    Amount, GatewayId, Generation, JobId, KernelId, LeaseId, MasterId, MediaHash, NodeId, RayPrice,
    ResultRoot, SceneFactor, SceneHash, SecretHash, SessionId, SettingsHash, StreamId, UnitIndex,
};

pub(crate) fn payer(n: u8) -> Payer {
    Payer([n; 8])
}

pub(crate) fn job(n: u8) -> JobId {
    JobId([n; 16])
}

pub(crate) fn node(n: u8) -> NodeId {
    NodeId([n; 32])
}

pub(crate) fn operator() -> NodeId {
    node(0xff)
}

pub(crate) fn lease(n: u32) -> LeaseId {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    LeaseId(bytes)
}

pub(crate) fn stream(n: u8) -> StreamId {
    StreamId([n; 16])
}

/// A receipt over work at a price of one base unit a factored ray, unsigned.
pub(crate) fn receipt(n: u32, job: JobId, node: NodeId, rays: u64, verdict: Verdict) -> Receipt {
    let (unsigned, master) = (SignatureBytes([0; 64]), MasterId([9; 32]));
    let (factor, price) = (SceneFactor::ONE, RayPrice(1_000_000_000));
    let results = vec![UnitResult { unit: UnitIndex(0), root: ResultRoot([0; 32]), rays }];
    let commit = Commit {
        master,
        node,
        job,
        class: DeviceClass::Exact,
        kernel: KernelId([0; 32]),
        scene: SceneHash([0; 32]),
        settings: SettingsHash([0; 32]),
        lease: lease(n),
        generation: Generation(1),
        secret: SecretHash([0; 32]),
        results,
    };
    let pay = if verdict.counts() { Amount(rays) } else { Amount::ZERO };
    let signature = unsigned.clone();
    let terms = Terms { master, class: DeviceClass::Exact, price, factor, signature };
    let (secret, signature) = (AuditSecret([0; 32]), unsigned.clone());
    Receipt { commit, signature, terms, secret, verdict, pay, master_signature: unsigned }
}

pub(crate) fn right() -> Verdict {
    Verdict::Verified { pixels: 40 }
}

pub(crate) fn wrong() -> Verdict {
    let (signed, found) = (SceneHash([1; 32]), SceneHash([2; 32]));
    Verdict::Rejected(Box::new(Wrong::Scene { signed, found }))
}

pub(crate) fn verified(n: u32, job: JobId, node: NodeId, pay: u64) -> Verified {
    Verified::from_receipt(&receipt(n, job, node, pay, right())).unwrap()
}

pub(crate) fn earned(n: u32, job: JobId, node: NodeId, pay: u64, epoch: u64) -> Cause {
    Cause::LeaseVerified { verified: verified(n, job, node, pay), held: false, epoch }
}

/// The receipt of a segment's only rendition, of so many million pixels, signed by both sides.
pub(crate) fn claimed(worker: &NodeKey, of: u32, segment: u64, megapixels: u64) -> ClaimReceipt {
    let gateway = NodeKey::from_secret(&[9; 32]);
    let claim = SegmentClaim {
        node: worker.node(),
        gateway: GatewayId(gateway.node().0),
        lease: lease(of),
        session: SessionId([1; 16]),
        generation: Generation(1),
        segment: SegmentNumber(segment),
        renditions: vec![RenditionResult {
            rendition: "720p".to_owned().try_into().unwrap(),
            frames: 1,
            pixels: megapixels * 1_000_000,
            bytes: 1,
            hash: MediaHash([0; 32]),
        }],
    };
    let signature = worker.sign(&claim.message());
    ClaimReceipt::countersign(claim, signature, &gateway)
}

/// A segment of so many million pixels, under this lease.
pub(crate) fn delivered(worker: &NodeKey, of: u32, megapixels: u64) -> Delivered {
    Delivered::from_receipts(&[claimed(worker, of, 0, megapixels)]).unwrap()
}

/// A payer puts money aside for a stream, of which the operator takes a tenth.
pub(crate) fn funded(of: u8, n: u8, part: u32, amount: u64) -> Cause {
    let fee = FeeTerms { bps: 1000, to: operator() };
    Cause::StreamFunded { stream: stream(of), payer: payer(n), part, amount: Amount(amount), fee }
}

pub(crate) fn deposited(id: u32, n: u8, amount: u64) -> Cause {
    Cause::Deposited { id: id.to_string(), payer: payer(n), amount: Amount(amount) }
}

/// The payer's quote for a job, of which the reserve carries a fifth and the operator takes a tenth.
pub(crate) fn quote(n: u8, of: u8, ceiling: u64) -> Cause {
    Cause::QuoteAccepted {
        job: job(n),
        payer: payer(of),
        ceiling: Amount(ceiling),
        carry: CarryTerms { job_permille: 200, payer_most: Amount(500) },
        fee: FeeTerms { bps: 1000, to: operator() },
    }
}

pub(crate) fn reserve(id: u32, amount: u64) -> Cause {
    Cause::ReserveFunded { id: id.to_string(), amount: Amount(amount) }
}

pub(crate) fn books(causes: impl IntoIterator<Item = Cause>) -> Books {
    let mut books = Books::default();
    for cause in causes {
        let said = format!("{cause:?}");
        books.post(cause).unwrap_or_else(|error| panic!("{said}: {error}"));
    }
    books
}

pub(crate) fn in_account(books: &Books, account: Account) -> i64 {
    books.balances().find(|(other, _)| **other == account).map_or(0, |(_, balance)| balance)
}
