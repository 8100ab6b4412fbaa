//! The chain behind HTTP: JSON-RPC by POST, one request or up to a hundred in a list.

use crate::LocalChain;
use crate::rpc::{self, Problem};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::Json;
use axum::routing::post;
use serde_json::{Value, json};
use std::io;
use tokio::net::TcpListener;

/// The longest request: a hundred transactions in base64 fit.
pub const MAX_BODY_BYTES: usize = 256 << 10;
/// The longest list of requests.
pub const MAX_BATCH: usize = 100;

/// Answers until `stop` is done, and ends what has begun.
pub async fn serve(
    chain: LocalChain,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = Router::new()
        .route("/", post(answer))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(chain);
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

async fn answer(State(chain): State<LocalChain>, body: Bytes) -> Json<Value> {
    // The disk is waited for within.
    let answered = tokio::task::spawn_blocking(move || all(&chain, &body)).await;
    Json(answered.unwrap_or_else(|_| {
        failure(&Value::Null, &Problem::internal("the request ended in a defect of this program"))
    }))
}

fn all(chain: &LocalChain, body: &[u8]) -> Value {
    match serde_json::from_slice(body) {
        Ok(Value::Array(requests)) if requests.is_empty() || requests.len() > MAX_BATCH => {
            let what = format!("a list holds 1 to {MAX_BATCH} requests");
            failure(&Value::Null, &Problem::invalid_request(what))
        }
        Ok(Value::Array(requests)) => requests.iter().map(|request| one(chain, request)).collect(),
        Ok(request) => one(chain, &request),
        Err(error) => failure(&Value::Null, &Problem::not_json(&error)),
    }
}

fn one(chain: &LocalChain, request: &Value) -> Value {
    let id = &request["id"];
    let Some(method) = request["method"].as_str() else {
        let what = "a request is an object with a method".to_string();
        return failure(id, &Problem::invalid_request(what));
    };
    match rpc::call(chain, method, &request["params"]) {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(problem) => failure(id, &problem),
    }
}

fn failure(id: &Value, problem: &Problem) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": problem })
}
