//! Half a gigabyte on its way to the farm: through the death of the master, a page that is loaded anew and
//! a net that fails, it arrives as it was sent.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tessera_client::{Client, MasterAddress, PlainHttp, Progress, Transferred, no_progress};
use tessera_protocol::BlobHash;
use world::farm::Farm;
use world::process::{Process, eventually};
use world::proxy::{Line, Proxy};
use world::walk::Walk;

const BYTES: usize = 500_000_000;
/// What is cut a hundred times.
const CUT_BYTES: usize = 20_000_000;
const CUTS: usize = 100;
/// At each of so many cuts the master dies as well.
const CUTS_A_DEATH: usize = 25;
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How often the page asks for the master's death.
const DEATHS: u32 = 2;

/// A scene of one triangle and a very large buffer beside it, no two parts of which are alike.
fn large_scene(path: &Path, bytes: usize) -> BlobHash {
    let json = |bytes: usize| {
        let text = format!(
            r#"{{"asset":{{"version":"2.0"}},"buffers":[{{"byteLength":{bytes}}}],"cameras":[{{"type":"perspective","perspective":{{"yfov":0.8,"znear":0.1}}}}],"nodes":[{{"camera":0}}],"scenes":[{{"nodes":[0]}}],"scene":0}}"#
        );
        format!("{text:width$}", width = text.len().next_multiple_of(4))
    };
    // The length of the text depends on nothing but how many digits its number has.
    let around = 12 + 8 + json(bytes).len() + 8;
    let buffer = (bytes - around) / 4 * 4;
    let text = json(buffer);
    let mut glb = Vec::with_capacity(bytes);
    let total = 12 + 8 + text.len() + 8 + buffer;
    let words = |words: [u32; 2]| words.map(u32::to_le_bytes).concat();
    let length = |bytes: usize| u32::try_from(bytes).unwrap();
    glb.extend(b"glTF");
    glb.extend(words([2, length(total)]));
    glb.extend(words([length(text.len()), 0x4e4f_534a]));
    glb.extend(text.as_bytes());
    glb.extend(words([length(buffer), 0x004e_4942]));
    let start = glb.len();
    glb.resize(total, 0);
    blake3::Hasher::new().finalize_xof().fill(&mut glb[start..]);
    std::fs::write(path, &glb).unwrap();
    BlobHash(*blake3::hash(&glb).as_bytes())
}

/// The hash of what the master keeps under this name, if it does.
fn kept(farm: &Farm, blob: BlobHash) -> Option<BlobHash> {
    let file = farm.path().join("master/blobs/uploads").join(blob.to_string());
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(std::fs::File::open(file).ok()?).unwrap();
    Some(BlobHash(*hasher.finalize().as_bytes()))
}

/// What the page asks for is a file of that name.
fn wish(farm: &Farm, what: &str) -> PathBuf {
    farm.path().join(what)
}

/// Slow enough for things to happen to half a gigabyte.
const LINE: Line = Line { up_bytes_per_s: Some(50_000_000), delay: Duration::ZERO };

/// Cuts the line while the page wishes it.
async fn follow(farm: &Farm, line: &Proxy) -> Infallible {
    let cut = wish(farm, "net-down");
    loop {
        eventually("the page cuts it", async || cut.exists().then_some(())).await;
        line.cut();
        eventually("the page mends it", async || (!cut.exists()).then_some(())).await;
        line.mend();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_gigabyte_comes_through_a_page_that_is_interrupted_five_times() {
    let Some(walk) = Walk::possible() else { return };
    let farm = Farm::new(HEARTBEAT);
    let blob = large_scene(&farm.path().join("large.glb"), BYTES);
    let mut master = farm.start_master();
    farm.client().await;
    let master_at = farm.url().trim_start_matches("http://").parse().unwrap();
    let line = Proxy::start(master_at, LINE).await;
    let url = format!("http://{}", line.address());
    let deaths = Cell::new(0);
    let dying = async {
        for number in 1..=DEATHS {
            let asked = wish(&farm, &format!("kill-{number}"));
            eventually("the page asks for it", async || asked.exists().then_some(())).await;
            kill_and_start_again(&farm, &mut master);
            deaths.set(number);
        }
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        said = walk.take_over(&url, "journeys/upload.js", &farm) => println!("{said}"),
        never = dying => match never {},
        never = follow(&farm, &line) => match never {},
    }
    assert_eq!(deaths.get(), DEATHS);
    assert_eq!(kept(&farm, blob), Some(blob));
}

fn kill_and_start_again(farm: &Farm, master: &mut Process) {
    master.kill();
    *master = farm.start_master();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_gigabyte_comes_through_the_masters_deaths_from_a_program() {
    let farm = Farm::new(HEARTBEAT);
    let file = farm.path().join("large.glb");
    let blob = large_scene(&file, BYTES);
    let mut master = farm.start_master();
    let client = farm.client().await;
    // The upload stands still at each fifth until the master was killed and lives again.
    let (reached, mut at) = tokio::sync::mpsc::channel::<std::sync::mpsc::Sender<()>>(1);
    let deaths = Arc::new(AtomicU64::new(0));
    let sent = Arc::new(AtomicU64::new(0));
    let progress: Progress = Arc::new({
        let (deaths, sent) = (deaths.clone(), sent.clone());
        let last = AtomicU64::new(0);
        move |Transferred { done, .. }| {
            sent.fetch_add(
                done.saturating_sub(last.swap(done, Ordering::Relaxed)),
                Ordering::Relaxed,
            );
            let next = (deaths.load(Ordering::Relaxed) + 1) * (BYTES as u64) / 5;
            if done >= next && deaths.load(Ordering::Relaxed) < 4 {
                deaths.fetch_add(1, Ordering::Relaxed);
                let (go, went) = std::sync::mpsc::channel();
                if tokio::task::block_in_place(|| reached.blocking_send(go)).is_ok() {
                    let _ = tokio::task::block_in_place(|| went.recv());
                }
            }
        }
    });
    let uploading = tokio::spawn(async move { client.upload(&file, progress).await });
    let dying = async {
        while let Some(go) = at.recv().await {
            kill_and_start_again(&farm, &mut master);
            let _ = go.send(());
        }
        std::future::pending::<Infallible>().await
    };
    let uploaded = tokio::select! {
        uploaded = uploading => uploaded.unwrap().unwrap(),
        never = dying => match never {},
    };
    assert_eq!((uploaded.blob, uploaded.known), (blob, false));
    assert_eq!(deaths.load(Ordering::Relaxed), 4);
    assert_eq!(kept(&farm, blob), Some(blob));
    let sent = sent.load(Ordering::Relaxed) as f64 / BYTES as f64;
    println!("four deaths of the master; {sent:.2} times the file was sent");
    assert!(sent < 2.0, "the file was begun anew");
}

/// Where the line is cut, each time counted from the time before: anywhere, but so that all are made before the
/// file is there.
fn random_cuts() -> Vec<usize> {
    let mut random = blake3::Hasher::new().finalize_xof();
    let most = (CUT_BYTES / CUTS) as u64;
    let mut next = || {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        1 + u64::from_le_bytes(bytes) % most
    };
    (0..CUTS).map(|_| next() as usize).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_cut_at_a_hundred_random_bytes_arrives_as_it_was_sent() {
    let farm = Farm::new(HEARTBEAT);
    let file = farm.path().join("large.glb");
    let blob = large_scene(&file, CUT_BYTES);
    let mut master = farm.start_master();
    farm.client().await;
    let token = std::fs::read_to_string(farm.token_file()).unwrap();
    let master_at = farm.url().trim_start_matches("http://").parse().unwrap();
    let line = Proxy::start_with_cuts(master_at, Line::PLAIN, random_cuts()).await;
    let through = format!("http://{}", line.address());
    let through = MasterAddress::parse(&through, PlainHttp::LoopbackOnly).unwrap();
    let client = Client::new(through, Some(token.trim().to_owned())).unwrap();
    let uploading = client.upload(&file, no_progress());
    let dying = async {
        let mut made = line.cuts_made();
        for deaths in 1..CUTS / CUTS_A_DEATH {
            made.wait_for(|made| *made >= deaths * CUTS_A_DEATH).await.unwrap();
            kill_and_start_again(&farm, &mut master);
        }
        std::future::pending::<Infallible>().await
    };
    let uploaded = tokio::select! {
        uploaded = uploading => uploaded.unwrap(),
        never = dying => match never {},
    };
    assert_eq!((uploaded.blob, uploaded.known), (blob, false));
    assert_eq!(*line.cuts_made().borrow(), CUTS);
    assert_eq!(kept(&farm, blob), Some(blob));
}
