//! A proxy in the environment. That is a process's own, so the test runs itself again with one.

use axum::Router;
use axum::http::{HeaderMap, Uri};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tessera_client::{Client, MasterAddress, PlainHttp};
use tokio::net::TcpListener;

/// Where the second run finds its master.
const MASTER: &str = "MASTER_OF_THE_PROXY_TEST";
/// A master elsewhere: an address that nobody has (RFC 5737).
const ELSEWHERE: &str = "http://192.0.2.1:7878";

/// What a server was asked for, and whether with a token.
type Seen = Arc<Mutex<Vec<(String, bool)>>>;

/// Says yes to everything.
async fn server() -> (String, Seen) {
    let seen = Seen::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let noted = Arc::clone(&seen);
    let routes = Router::new().fallback(async move |uri: Uri, headers: HeaderMap| {
        noted.lock().unwrap().push((uri.to_string(), headers.contains_key("authorization")));
    });
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (address, seen)
}

async fn ask(master: &str) {
    let master = MasterAddress::parse(master, PlainHttp::Anywhere).unwrap();
    let client = Client::new(master, Some("token".into())).unwrap();
    client.with_patience(Duration::ZERO).health().await.unwrap();
}

#[tokio::test]
async fn a_master_on_this_machine_is_spoken_to_without_a_proxy() {
    if let Ok(master) = std::env::var(MASTER) {
        ask(&master).await;
        // Otherwise a proxy that nobody looks for would prove nothing.
        return ask(ELSEWHERE).await;
    }
    let ((master, asked), (proxy, passed)) = (server().await, server().await);
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "a_master_on_this_machine_is_spoken_to_without_a_proxy"]);
    again.env(MASTER, master).env("HTTP_PROXY", &proxy).env("ALL_PROXY", &proxy);
    for name in ["http_proxy", "all_proxy", "NO_PROXY", "no_proxy", "REQUEST_METHOD"] {
        again.env_remove(name);
    }
    let output = tokio::task::spawn_blocking(move || again.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(*asked.lock().unwrap(), [("/healthz".to_owned(), true)]);
    assert_eq!(*passed.lock().unwrap(), [(format!("{ELSEWHERE}/healthz"), true)]);
}
