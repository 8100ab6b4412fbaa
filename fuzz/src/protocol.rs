//! What nodes, artists, broadcasters and readers of receipts send and are sent: JSON, results, headers,
//! and texts as people write them.

use crate::{Memory, Target};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::{Debug, Display};
use std::str::FromStr;
use tessera_protocol::commit::{AuditSecret, Commit, NodeKey, UnitResult};
use tessera_protocol::job::{FrameSpan, JobSpec};
use tessera_protocol::node::DeviceClass;
use tessera_protocol::quote::{Quote, QuoteTerms};
use tessera_protocol::receipt::Receipt;
use tessera_protocol::release::{Release, ReleaseVersion};
use tessera_protocol::settings::RenderSettings;
use tessera_protocol::stream::claim::{ClaimReceipt, RenditionResult, SegmentClaim};
use tessera_protocol::stream::ladder::{Ladder, RenditionName};
use tessera_protocol::stream::{SegmentNumber, gateway, view, worker};
use tessera_protocol::submit::{self, SubmitHeader};
use tessera_protocol::terms::{Promise, Terms};
use tessera_protocol::verdict::{Verdict, Wrong, WrongPixel};
use tessera_protocol::*;

const MEMORY: Memory = Memory { bytes: 1 << 20, times: 256 };

/// A node's results: a header, and packed sums behind it.
pub static SUBMIT: Target = Target {
    run: |input| {
        if let Ok((header, units)) = submit::decode(input) {
            assert_eq!(
                units.iter().map(|unit| unit.len() as u64).collect::<Vec<_>>(),
                header.packed_bytes
            );
            let owned: Vec<Vec<u8>> = units.iter().map(|unit| unit.to_vec()).collect();
            let again = submit::encode(&header, &owned);
            assert_eq!(submit::decode(&again).expect("what was written is read"), (header, units));
        }
    },
    seeds: || {
        let commit = commit();
        let signature = commit.sign(&keys().0);
        let packed = vec![tessera_film::pack::pack(&pixels())];
        let header = SubmitHeader { commit, signature, packed_bytes: vec![packed[0].len() as u64] };
        let seed = submit::encode(&header, &packed);
        assert!(submit::decode(&seed).is_ok());
        vec![seed]
    },
    words: &[],
    memory: MEMORY,
};

/// Packed sums. The first two bytes say how many are expected.
pub static SUMS: Target = Target {
    run: |input| {
        let Some((count, packed)) = input.split_first_chunk::<2>() else { return };
        let pixels = usize::from(u16::from_le_bytes(*count) & 0xfff);
        if let Ok(sums) = tessera_film::pack::unpack(packed, pixels, 1 << 20) {
            assert_eq!(sums.len(), pixels);
            let again = tessera_film::pack::pack(&sums);
            assert_eq!(tessera_film::pack::unpack(&again, pixels, 1 << 20), Ok(sums));
        }
    },
    seeds: || {
        let noise = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let sums = |pixel: fn(u64, u64) -> PixelSum| (0..512).map(|n| pixel(n, noise(n))).collect();
        let all: [Vec<PixelSum>; 3] = [
            sums(|n, _| PixelSum { r: n, g: 2 * n, b: 7, rays: 4 }),
            sums(|n, noise| PixelSum { r: noise, g: noise / 3, b: n, rays: noise & 31 }),
            pixels(),
        ];
        let behind_count = |sums: &Vec<PixelSum>| {
            [&(sums.len() as u16).to_le_bytes()[..], &tessera_film::pack::pack(sums)].concat()
        };
        all.iter().map(behind_count).collect()
    },
    words: &["TSP1"],
    memory: MEMORY,
};

/// JSON, behind a byte that says what it is to be.
pub static JSON: Target = Target {
    run: |input| {
        let Some((&kind, text)) = input.split_first() else { return };
        KINDS[usize::from(kind) % KINDS.len()](text);
    },
    seeds: || {
        let seeds = json_seeds();
        assert!(
            seeds.iter().all(|seed| KINDS[usize::from(seed[0])](&seed[1..])),
            "each is what it is to be"
        );
        seeds
    },
    words: &[
        "\"verified\"",
        "\"rejected\"",
        "\"alike\"",
        "\"tolerant\"",
        "\"exact\"",
        "\"black\"",
        "\"by\":\"wallet\"",
    ],
    memory: MEMORY,
};

/// Texts, behind a byte that says what one is to be.
pub static TEXT: Target = Target {
    run: |input| {
        let Some((&kind, text)) = input.split_first() else { return };
        let Ok(text) = std::str::from_utf8(text) else { return };
        let same: [fn(&str); 6] = [
            written::<ReleaseVersion>,
            written::<Amount>,
            written::<RayPrice>,
            written::<BlobHash>,
            written::<LeaseId>,
            written::<Hours>,
        ];
        match usize::from(kind) % (same.len() + 2) {
            n if n < same.len() => same[n](text),
            6 => {
                if let Ok(ladder) = text.parse::<Ladder>() {
                    let json = serde_json::to_string(&ladder).expect("plain data is JSON");
                    assert_eq!(serde_json::from_str::<Ladder>(&json).expect("it is read"), ladder);
                    for rendition in ladder.renditions() {
                        rendition.size_for(1920, 1080);
                    }
                }
            }
            _ => drop(tus::announced(text)),
        }
    },
    seeds: || {
        let hash = BlobHash([7; 32]);
        let texts = [
            "1.2.3".to_owned(),
            "12.000345".to_owned(),
            "0.5".to_owned(),
            hash.to_string(),
            LeaseId([3; 16]).to_string(),
            "mon-fri 19:00-07:00, sat-sun".to_owned(),
            "360p:800k, 720p30:2800k,1080p:3M:h265".to_owned(),
            format!("filename c2hvdA==, {},is_draft", tus::metadata(hash)),
        ];
        texts.iter().enumerate().map(|(n, text)| [&[n as u8], text.as_bytes()].concat()).collect()
    },
    words: &["blake3 ", ":av1", ":h265", "sun", "00:00-24:00"],
    memory: MEMORY,
};

pub use tessera_protocol::house::hours::Hours;

/// What is read is written as what is read again to be the same.
fn written<T: FromStr + Display + Debug + PartialEq>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let again = value.to_string().parse::<T>().ok().expect("what was written is read");
        assert_eq!(again, value);
    }
}

/// Whether the text is such JSON. What is read is written as what is read again.
fn survives<T: DeserializeOwned + Serialize>(text: &[u8]) -> bool {
    read::<T>(text).is_some()
}

fn read<T: DeserializeOwned + Serialize>(text: &[u8]) -> Option<T> {
    let value: T = serde_json::from_slice(text).ok()?;
    let json = serde_json::to_string(&value).expect("plain data is JSON");
    let again: T = serde_json::from_str(&json).expect("what was written is read");
    assert_eq!(serde_json::to_string(&again).expect("plain data is JSON"), json);
    Some(value)
}

/// What is done with JSON of each kind.
const KINDS: [fn(&[u8]) -> bool; 20] = [
    receipt,
    |text| read::<Quote>(text).map(|quote| quote.is_signed()).is_some(),
    |text| read::<JobSpec>(text).map(|spec| drop((spec.validate(), spec.units()))).is_some(),
    |text| read::<Release>(text).map(|release| release.is_signed()).is_some(),
    |text| {
        let presented = read::<worker::PresentedReceipts>(text);
        presented.map(|p| p.receipts.iter().all(ClaimReceipt::is_signed_by_both)).is_some()
    },
    survives::<lease::LeaseGrant>,
    survives::<lease::LeaseRequest>,
    survives::<node::JoinRequest>,
    survives::<view::StreamSpec>,
    |text| {
        read::<account::SignUpRequest>(text).is_some_and(|request| {
            let _ = request.validate();
            true
        })
    },
    survives::<account::SignInRequest>,
    survives::<webhook::WebhookRequest>,
    survives::<finance::QuoteRequest>,
    survives::<gateway::SegmentReports>,
    survives::<gateway::SessionBeat>,
    survives::<gateway::GatewayJoinRequest>,
    survives::<worker::WorkerJoinRequest>,
    survives::<worker::StreamLeaseGrant>,
    survives::<audit::AuditFinding>,
    survives::<job::ObjectionRequest>,
];

fn receipt(text: &[u8]) -> bool {
    let Some(receipt) = read::<Receipt>(text) else { return false };
    let _ = receipt.check();
    // No changed receipt is signed; so what its check comes to last is looked at in any case.
    if let Verdict::Rejected(wrong) = &receipt.verdict
        && let Wrong::Pixel(pixel) = &**wrong
    {
        for result in &receipt.commit.results {
            pixel.proof.pixel(result.root, pixel.pixel);
        }
    }
    true
}

fn json_seeds() -> Vec<Vec<u8>> {
    let seed = |kind: u8, json: serde_json::Result<String>| {
        [&[kind], json.expect("plain data is JSON").as_bytes()].concat()
    };
    let (node, master) = keys();
    let commit = commit();
    let price = RayPrice(1_000_000_000);
    let terms = Terms {
        master: commit.master,
        class: commit.class,
        price,
        factor: SceneFactor(1500),
        signature: master.sign(&Promise::of(&commit, price, SceneFactor(1500)).message()),
    };
    let wrong = WrongPixel {
        unit: UnitIndex(7),
        frame: FrameNumber(0),
        x: 17,
        y: 0,
        samples: SampleRange { start: 0, end: 2 },
        pixel: 17,
        proof: tree::prove(&pixels(), 17).expect("a pixel"),
        signed: pixels()[17],
        found: PixelSum { r: 99, ..pixels()[17] },
    };
    let verdicts =
        [Verdict::Verified { pixels: 40 }, Verdict::Rejected(Box::new(Wrong::Pixel(wrong)))];
    let receipts = verdicts.map(|verdict| {
        let signature = commit.sign(&node);
        let receipt = Receipt::issue(
            &master,
            commit.clone(),
            signature,
            terms.clone(),
            AuditSecret([3; 32]),
            verdict,
        );
        assert_eq!(receipt.check(), Ok(()));
        seed(0, serde_json::to_string(&receipt))
    });
    let spec = JobSpec {
        name: "a job".to_owned(),
        scene: BlobHash([1; 32]),
        settings: RenderSettings::default(),
        frames: FrameSpan { first: FrameNumber(0), last: FrameNumber(9) },
        fps: 25,
        tile: 128,
        samples_per_unit: 16,
        class: DeviceClass::Exact,
    };
    let quote = QuoteTerms {
        master: commit.master,
        spec: SpecHash([1; 32]),
        scene: BlobHash([1; 32]),
        environment: None,
        seed: QuoteSeed([2; 32]),
        frames_probed: 3,
        pixels: 4000,
        rays_mean_milli: 5500,
        rays_upper: 1 << 40,
        factor: SceneFactor(1500),
        price_max: price,
        margin_permille: 100,
        ceiling: Amount(77),
        valid_until_ms: 1 << 40,
    };
    let quote = Quote::issue(&master, quote, QuoteSecret([5; 32]), commit.kernel);
    let version = ReleaseVersion { major: 1, minor: 2, patch: 3 };
    let release =
        Release::sign(version, "x86_64-unknown-linux-gnu", (9, BlobHash([1; 32])), &master);
    let claim = SegmentClaim {
        node: node.node(),
        gateway: GatewayId(master.node().0),
        lease: commit.lease,
        session: SessionId([4; 16]),
        generation: Generation(6),
        segment: SegmentNumber(5),
        renditions: vec![RenditionResult {
            rendition: RenditionName::try_from("720p".to_owned()).expect("a name"),
            frames: 50,
            pixels: 50 * 1280 * 720,
            bytes: 99_999,
            hash: MediaHash([8; 32]),
        }],
    };
    let signature = node.sign(&claim.message());
    let presented = ClaimReceipt::countersign(claim, signature, &master);
    let presented = worker::PresentedReceipts { receipts: vec![presented] };
    let mut seeds = Vec::from(receipts);
    let text = |text: &str| Ok(text.to_owned());
    seeds.extend([
        seed(1, serde_json::to_string(&quote)),
        seed(2, serde_json::to_string(&spec)),
        seed(3, serde_json::to_string(&release)),
        seed(4, serde_json::to_string(&presented)),
        seed(8, text(r#"{"name":"a stream","ladder":[{"name":"720p","height":720,"bits_per_s":2800000,"codec":"h264","max_fps":30}],"latency":"low","record":true,"restream":"rtmp://there/live","max_price":7}"#)),
        seed(9, text(r#"{"name":"somebody","password":"a long password"}"#)),
        seed(10, text(r#"{"by":"wallet","address":"a","challenge":"b","signature":"c"}"#)),
        seed(11, text(r#"{"url":"https://example.org/hook"}"#)),
    ]);
    seeds
}

fn keys() -> (NodeKey, NodeKey) {
    (NodeKey::from_secret(&[1; 32]), NodeKey::from_secret(&[2; 32]))
}

fn pixels() -> Vec<PixelSum> {
    (0..40).map(|n| PixelSum { r: n, g: 1, b: 2, rays: 4 }).collect()
}

fn commit() -> Commit {
    let (node, master) = keys();
    Commit {
        master: MasterId(master.node().0),
        node: node.node(),
        job: JobId([1; 16]),
        class: DeviceClass::Exact,
        kernel: KernelId([2; 32]),
        scene: SceneHash([3; 32]),
        settings: SettingsHash([4; 32]),
        lease: LeaseId([5; 16]),
        generation: Generation(6),
        secret: AuditSecret([3; 32]).hash(),
        results: vec![UnitResult { unit: UnitIndex(7), root: tree::root(&pixels()), rays: 160 }],
    }
}
