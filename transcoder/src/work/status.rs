//! `transcoder status`: what the worker here has earned, and why it gets no sessions. The worker itself asks
//! its master now and then, and keeps the answer in its folder.

use super::agent::Config;
use std::path::PathBuf;
use std::time::Duration;
use tessera_client::{Status, WorkerClient};
use tessera_protocol::NodeId;

/// How old what is kept becomes while the worker runs.
pub(super) const EVERY: Duration = Duration::from_secs(10);

/// Which worker.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The worker's own folder.
    #[arg(long, value_name = "DIR", default_value = ".tessera-worker")]
    state: PathBuf,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

/// Prints what the worker was told last.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let status = Status::read(&arguments.state)?;
    match arguments.json {
        true => println!("{}", serde_json::to_string(&status)?),
        false => println!("{status}"),
    }
    Ok(())
}

/// Asks how the worker stands and keeps that. That it could not is no reason to work less.
pub(super) async fn note(client: &WorkerClient, node: NodeId, config: &Config) {
    let told = match tokio::try_join!(client.earnings(), client.why()) {
        Ok(told) => told,
        Err(error) => {
            return tracing::debug!(%error, "the master does not say how the worker stands");
        }
    };
    let status = Status::now(node, &config.name, &config.master, told);
    let state = config.state.clone();
    let written = tokio::task::spawn_blocking(move || status.write(&state)).await;
    match written {
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(error)) => tracing::debug!(%error, "the status could not be written"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::extract::State;
    use axum::http::StatusCode;
    use axum::routing::{get, post};
    use axum::{Json, Router};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tessera_client::{Enrolment, MasterAddress, PlainHttp};
    use tessera_protocol::commit::NodeKey;
    use tessera_protocol::finance::EarningsView;
    use tessera_protocol::job::Why;
    use tessera_protocol::node::ChallengeView;
    use tessera_protocol::stream::worker::{WorkerAbility, WorkerJoinView};
    use tessera_protocol::{Amount, PixelPrice};

    /// A master that has paid five base units, until it is away.
    async fn master(away: Arc<AtomicBool>) -> MasterAddress {
        let earned = |State(away): State<Arc<AtomicBool>>| async move {
            let view = EarningsView { paid: Amount(5), ..EarningsView::default() };
            let here = !away.load(Ordering::SeqCst);
            here.then_some(Json(view)).ok_or(StatusCode::SERVICE_UNAVAILABLE)
        };
        let why = async || Json([Why { code: "too_slow".into(), sentence: "Too slow.".into() }]);
        let challenge = async || Json(ChallengeView { challenge: "00".repeat(32) });
        let joined = async || Json(WorkerJoinView { token: "t".into(), heartbeat_ms: 1000 });
        let router = Router::new()
            .route("/node/v1/challenge", post(challenge))
            .route("/node/v1/worker/join", post(joined))
            .route("/node/v1/earnings", get(earned))
            .route("/node/v1/worker/why", get(why))
            .with_state(away);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        MasterAddress::parse(&url, PlainHttp::LoopbackOnly).unwrap()
    }

    #[tokio::test]
    async fn what_the_master_says_is_kept_and_stays_while_it_is_away() {
        let away = Arc::new(AtomicBool::new(false));
        let (folder, master) = (tempfile::tempdir().unwrap(), master(away.clone()).await);
        let able = WorkerAbility {
            pixels_per_s: 1,
            codecs: vec![],
            encoders: String::new(),
            price: PixelPrice(1),
            uplink_bits_per_s: None,
        };
        let key = NodeKey::from_secret(&[1; 32]);
        let enrolment = Enrolment::new(master.clone(), "t".into()).unwrap();
        let (_, client) = enrolment.worker_join(&key, "a worker", &able).await.unwrap();
        let state = folder.path().to_path_buf();
        let (token, name) = (String::new(), String::from("a worker"));
        let config = Config { master, token, name, able, sessions: 1, state };
        note(&client, key.node(), &config).await;
        let kept = Status::read(folder.path()).unwrap();
        assert_eq!((kept.node, kept.name.as_str()), (key.node(), "a worker"));
        assert_eq!((kept.earnings.paid, kept.why[0].code.as_str()), (Amount(5), "too_slow"));
        away.store(true, Ordering::SeqCst);
        note(&client, key.node(), &config).await;
        assert_eq!(Status::read(folder.path()).unwrap(), kept);
    }
}
