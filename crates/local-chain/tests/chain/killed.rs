//! The real process, killed while it works.

use crate::support::{SOL, open, state, still, transfer};
use solana_keypair::Keypair;
use solana_rpc_client::nonblocking::rpc_client::RpcClient;
use solana_signature::Signature;
use solana_signer::Signer;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_local-chain");

struct Process {
    child: Child,
    url: String,
}

impl Process {
    async fn start(folder: &Path) -> Self {
        Self::start_by(folder, Command::new(PROGRAM)).await
    }

    /// Started by a command that takes the program's arguments.
    async fn start_by(folder: &Path, mut command: Command) -> Self {
        let address = folder.join("address");
        let _ = std::fs::remove_file(&address);
        let child = command
            .arg("--state")
            .arg(state(folder))
            .args(["--listen", "127.0.0.1:0", "--address-file"])
            .arg(&address)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut process = Self { child, url: String::new() };
        let deadline = Instant::now() + Duration::from_secs(60);
        while process.url.is_empty() {
            assert!(Instant::now() < deadline, "it does not start");
            assert!(process.child.try_wait().unwrap().is_none(), "it ended");
            let text = std::fs::read_to_string(&address).unwrap_or_default();
            process.url = text.lines().next().unwrap_or_default().into();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        process
    }

    fn client(&self) -> RpcClient {
        RpcClient::new(self.url.clone())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends transfers one after another until the process is gone; those that were answered. Counts
/// them in `count` as they are.
async fn send_until_killed(
    client: &RpcClient,
    (from, to): (&Keypair, &Keypair),
    first: u64,
    count: &AtomicU64,
) -> Vec<Signature> {
    let mut answered = Vec::new();
    for lamports in first.. {
        let send = async {
            let hash = client.get_latest_blockhash().await?;
            client.send_transaction(&transfer(from, &to.pubkey(), lamports, hash)).await
        };
        match send.await {
            Ok(signature) => {
                answered.push(signature);
                count.fetch_add(1, Ordering::SeqCst);
            }
            // The process is gone; what it says while it is there would be a fault.
            Err(error) if error.to_string().contains("error sending request") => break,
            Err(error) => panic!("refused: {error}"),
        }
    }
    answered
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_survives_a_kill_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (Keypair::new(), Keypair::new());
    let mut answered = Vec::new();
    for round in 0..6_u64 {
        let mut process = Process::start(folder.path()).await;
        let client = process.client();
        client.request_airdrop(&from.pubkey(), 1_000 * SOL).await.unwrap();
        let count = AtomicU64::new(0);
        let kill = async {
            // The next one is under way by then, somewhere between socket, VM and disk.
            while count.load(Ordering::SeqCst) < 5 + 3 * round {
                tokio::task::yield_now().await;
            }
            process.child.kill().unwrap();
        };
        // Amounts of its own for each round: two may lie within one slot.
        let first = SOL / 100 + 1_000 * round;
        let sending = send_until_killed(&client, (&from, &to), first, &count);
        let (sent, ()) = tokio::join!(sending, kill);
        process.child.wait().unwrap();
        answered.extend(sent);
        // The journal gives the same twice, and the next process knows all that was answered.
        let once = open(folder.path(), still()).unwrap().state_hash();
        assert_eq!(open(folder.path(), still()).unwrap().state_hash(), once);
        let process = Process::start(folder.path()).await;
        let client = process.client();
        for some in answered.chunks(200) {
            let statuses = client.get_signature_statuses_with_history(some).await.unwrap().value;
            assert!(statuses.iter().all(|status| status.as_ref().is_some_and(|s| s.err.is_none())));
        }
    }
    assert!(answered.len() > 20, "only {} were sent", answered.len());
}

/// Its files may not grow beyond some length, as on a disk that is full: what does not fit is not
/// acknowledged, nothing is told of it, and a start with room has all that was.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_the_chain_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // The first journal holds the program, and the last one is written anew at each start.
    for _ in 0..2 {
        drop(Process::start(folder.path()).await);
    }
    // In blocks of half a kilobyte. The signal that would end the process is ignored.
    let limited = "trap '' XFSZ; ulimit -f 20; exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", limited, "sh", PROGRAM]);
    let process = Process::start_by(folder.path(), command).await;
    let client = process.client();
    let (from, to) = (Keypair::new(), Keypair::new());
    client.request_airdrop(&from.pubkey(), 1_000 * SOL).await.unwrap();
    let mut answered = Vec::new();
    let error = loop {
        let hash = client.get_latest_blockhash().await.unwrap();
        let lamports = SOL / 100 + answered.len() as u64;
        let sent = transfer(&from, &to.pubkey(), lamports, hash);
        match client.send_transaction(&sent).await {
            Ok(signature) => answered.push(signature),
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.contains("journal") && error.contains("started again"), "{error}");
    assert!(!answered.is_empty());
    let error = client.get_balance(&to.pubkey()).await.unwrap_err().to_string();
    assert!(error.contains("started again"), "{error}");
    drop(process);

    let process = Process::start(folder.path()).await;
    let client = process.client();
    let statuses = client.get_signature_statuses(&answered).await.unwrap().value;
    assert!(statuses.iter().all(Option::is_some));
    let count = answered.len() as u64;
    let sum = count * (SOL / 100) + count * (count - 1) / 2;
    assert_eq!(client.get_balance(&to.pubkey()).await.unwrap(), sum);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_when_asked_and_keeps_to_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Process::start(folder.path()).await;
    let client = process.client();
    let slot = client.get_slot().await.unwrap();
    let id = process.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let status = tokio::task::spawn_blocking(move || process.child.wait().unwrap()).await.unwrap();
    assert!(status.success(), "{status}");
    let process = Process::start(folder.path()).await;
    assert!(process.client().get_slot().await.unwrap() >= slot);

    let output = Command::new(PROGRAM)
        .arg("--state")
        .arg(state(folder.path()))
        .args(["--listen", "0.0.0.0:0"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("other machines"), "{words}");
}
