//! What knocks at a real master's doors to get in or to keep others out, while somebody honest goes on working.
#![forbid(unsafe_code)]

use reqwest::{Client, StatusCode};
use serde_json::json;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use world::farm::Farm;
use world::process::{Process, eventually};

const PASSWORD: &str = "four random words of ada";
/// Guesses, and the addresses that they come from.
const GUESSES: usize = 100_000;
const NETWORKS: u8 = 100;
/// What each guess holds, so that a log that repeats one is found out.
const GUESSED: &str = "hunter2";
/// Connections that never end their request.
const DAWDLERS: usize = 800;

struct World {
    farm: Farm,
    master: Process,
    http: Client,
}

impl World {
    async fn new() -> Self {
        let farm = Farm::new(Duration::from_secs(10));
        let master = farm.start_master();
        farm.client().await;
        Self { farm, master, http: Client::new() }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.farm.url())
    }

    /// Signs up; the cookie.
    async fn ada(&self) -> String {
        let body = json!({ "name": "ada", "password": PASSWORD });
        let answer = self.http.post(self.at("/v1/accounts")).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    /// Whether who has signed in is let go on.
    async fn goes_on(&self, cookie: &str) -> StatusCode {
        let request = self.http.get(self.at("/v1/session")).header("cookie", cookie);
        request.send().await.unwrap().status()
    }

    /// Memory of the master, in bytes.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.master.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

/// Guesses from one address, half of them at a name that there is. How often each status came.
async fn guess(url: String, from: IpAddr, count: usize) -> BTreeMap<u16, usize> {
    let http = Client::builder().local_address(from).build().unwrap();
    let mut answers = BTreeMap::new();
    for n in 0..count {
        let name = if n % 2 == 0 { "ada".to_owned() } else { format!("nobody{n}") };
        let password = format!("{GUESSED} {from} {n}");
        let body = json!({ "by": "password", "name": name, "password": password });
        let answer = http.post(&url).json(&body).send().await.unwrap();
        *answers.entry(answer.status().as_u16()).or_insert(0) += 1;
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_wrong_passwords_open_nothing_and_hold_up_nobody() {
    let world = World::new().await;
    let cookie = world.ada().await;
    let before = world.memory();
    let begun = Instant::now();
    let mut guesses = JoinSet::new();
    for network in 0..NETWORKS {
        let from = IpAddr::from([127, 0, 1, network + 1]);
        guesses.spawn(guess(world.at("/v1/session"), from, GUESSES / usize::from(NETWORKS)));
    }
    let mut answers = BTreeMap::<u16, usize>::new();
    while let Some(some) = guesses.join_next().await {
        for (status, count) in some.unwrap() {
            *answers.entry(status).or_default() += count;
        }
        assert_eq!(world.goes_on(&cookie).await, StatusCode::OK, "who was in stays in");
    }
    let elapsed = begun.elapsed();
    println!("{answers:?} in {:.1} s", elapsed.as_secs_f64());
    assert_eq!(answers.values().sum::<usize>(), GUESSES);
    let looked_at = answers.remove(&401).unwrap_or(0);
    let told_to_wait = answers.remove(&429).unwrap_or(0);
    assert!(answers.keys().all(|status| *status == 503), "answered otherwise: {answers:?}");
    // Thirty from each address at once, then one in ten seconds.
    let most = usize::from(NETWORKS) * (30 + elapsed.as_secs() as usize / 10 + 1);
    assert!(looked_at <= most, "{looked_at} passwords were looked at, {most} may be");
    assert!(told_to_wait > GUESSES / 2, "{told_to_wait} were told to wait");

    // The log says that it happened, and neither how often nor with what.
    let said = world.farm.said("master");
    assert!(said.contains("too many tries to sign in"), "{said}");
    assert!(!said.contains(GUESSED) && !said.contains(PASSWORD) && !said.contains("nobody"));
    assert!(said.len() < 200_000, "{} bytes of log", said.len());
    let grown = world.memory().saturating_sub(before);
    assert!(grown < 128 << 20, "{grown} bytes more than before");

    // From an address that guessed nothing, and by a way that nobody guessed at.
    let token = std::fs::read_to_string(world.farm.token_file()).unwrap();
    let body = json!({ "by": "token", "token": token.trim() });
    let answer = world.http.post(world.at("/v1/session")).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_never_end_keep_nobody_out() {
    let world = World::new().await;
    let cookie = world.ada().await;
    let address: SocketAddr = world.farm.url().rsplit('/').next().unwrap().parse().unwrap();
    let begin = "POST /v1/session HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    let mut dawdlers = Vec::new();
    for n in 0..DAWDLERS {
        let mut dawdler = TcpStream::connect(address).await.unwrap();
        // Half of them never end the headers, the others never end the body.
        let rest = if n % 2 == 0 { "X-Slow: a" } else { "Content-Length: 100\r\n\r\n{" };
        dawdler.write_all(format!("{begin}{rest}").as_bytes()).await.unwrap();
        dawdlers.push(dawdler);
    }
    // Each is kept alive by a byte now and then; others are served all the while.
    for _ in 0..20 {
        for dawdler in dawdlers.iter_mut().step_by(100) {
            let _ = dawdler.write_all(b" ").await;
        }
        assert_eq!(world.goes_on(&cookie).await, StatusCode::OK);
    }
    // Whoever dawdles with a body is told so in the end, and costs no connection any more.
    let dawdler = &mut dawdlers[1];
    let mut answer = String::new();
    eventually("the request is refused", async || {
        let mut piece = [0; 4096];
        let count = dawdler.read(&mut piece).await.ok()?;
        answer.push_str(&String::from_utf8_lossy(&piece[..count]));
        (count == 0 || answer.contains("request-timed-out")).then_some(())
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}
