//! A client's transport straight into a local chain, and a place to put faults.

use async_trait::async_trait;
use serde_json::{Value, json};
use solana_rpc_client::api::client_error::Result as ClientResult;
use solana_rpc_client::api::request::{RpcError, RpcRequest, RpcResponseErrorData};
use solana_rpc_client::api::response::RpcSimulateTransactionResult;
use solana_rpc_client::nonblocking::rpc_client::RpcClient;
use solana_rpc_client::rpc_client::RpcClientConfig;
use solana_rpc_client::rpc_sender::{RpcSender, RpcTransportStats};
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tessera_local_chain::time::SLOT_MS;
use tessera_local_chain::{LocalChain, rpc};
use tessera_settlement::chain::Chain;

/// What becomes of one request.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// It is answered.
    Served,
    /// It never arrives.
    Lost,
    /// It arrives, and its answer is lost.
    AnswerLost,
    /// It is not looked at, and this is the answer.
    Instead(Value),
    /// It is answered, but as of this slot.
    AsOf(u64),
    /// It is answered as it was the last time, if it was asked before.
    Stale,
    /// It is refused with this code.
    Refused(i64),
}

type Faults = Box<dyn FnMut(&str, &Value) -> Fate + Send>;

/// The endpoint; clones are handles on the same one.
#[derive(Clone)]
pub(crate) struct Endpoint {
    chain: LocalChain,
    faults: Arc<Mutex<Faults>>,
    asked: Arc<Mutex<Vec<String>>>,
    told: Arc<Mutex<HashMap<String, Value>>>,
    /// Milliseconds that each request takes on the chain's clock, and the sum of all so far.
    takes_ms: Arc<AtomicU64>,
    taken_ms: Arc<AtomicU64>,
}

impl Endpoint {
    /// `taken_ms` is added to the chain's clock.
    pub(crate) fn new(chain: LocalChain, taken_ms: Arc<AtomicU64>) -> Self {
        let faults: Faults = Box::new(|_, _| Fate::Served);
        Self {
            chain,
            faults: Arc::new(Mutex::new(faults)),
            asked: Arc::default(),
            told: Arc::default(),
            takes_ms: Arc::default(),
            taken_ms,
        }
    }

    /// Has each request take a slot, as they do where machines are far.
    pub(crate) fn far(&self) {
        self.takes_ms.store(SLOT_MS, Ordering::SeqCst);
    }

    /// Decides over each further request by its method and parameters.
    pub(crate) fn fail(&self, faults: impl FnMut(&str, &Value) -> Fate + Send + 'static) {
        *self.faults.lock().unwrap() = Box::new(faults);
    }

    pub(crate) fn heal(&self) {
        self.fail(|_, _| Fate::Served);
    }

    /// How often this method was asked for.
    pub(crate) fn asked(&self, method: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == method).count()
    }

    pub(crate) fn chain(&self) -> Chain {
        let finalized = solana_commitment_config::CommitmentConfig::finalized();
        let config = RpcClientConfig::with_commitment(finalized);
        Chain::with_client(RpcClient::new_sender(self.clone(), config))
    }

    fn serve(&self, method: &str, params: &Value) -> ClientResult<Value> {
        self.taken_ms.fetch_add(self.takes_ms.load(Ordering::SeqCst), Ordering::SeqCst);
        rpc::call(&self.chain, method, params).map_err(|problem| {
            let problem = serde_json::to_value(problem).unwrap();
            let tried: Option<RpcSimulateTransactionResult> =
                serde_json::from_value(problem["data"].clone()).ok();
            let data = tried.map_or(
                RpcResponseErrorData::Empty,
                RpcResponseErrorData::SendTransactionPreflightFailure,
            );
            let code = problem["code"].as_i64().unwrap();
            let message = problem["message"].as_str().unwrap().to_string();
            RpcError::RpcResponseError { code, message, data }.into()
        })
    }
}

fn lost() -> solana_rpc_client::api::client_error::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the cable is cut").into()
}

#[async_trait]
impl RpcSender for Endpoint {
    async fn send(&self, request: RpcRequest, params: Value) -> ClientResult<Value> {
        let method = request.to_string();
        self.asked.lock().unwrap().push(method.clone());
        let fate = (*self.faults.lock().unwrap())(&method, &params);
        // The same question, whatever it wants to be fresh by.
        let question = format!("{method} {}", params[0]);
        let last = self.told.lock().unwrap().get(&question).cloned();
        match fate {
            Fate::Served => {
                let answer = self.serve(&method, &params)?;
                self.told.lock().unwrap().insert(question, answer.clone());
                Ok(answer)
            }
            Fate::Stale => last.map_or_else(|| self.serve(&method, &params), Ok),
            Fate::Lost => Err(lost()),
            Fate::AnswerLost => {
                let _ = self.serve(&method, &params);
                Err(lost())
            }
            Fate::Instead(answer) => Ok(answer),
            Fate::AsOf(slot) => {
                let mut answer = self.serve(&method, &params)?;
                answer["context"] = json!({ "slot": slot });
                Ok(answer)
            }
            Fate::Refused(code) => Err(RpcError::RpcResponseError {
                code,
                message: "not now".into(),
                data: RpcResponseErrorData::Empty,
            }
            .into()),
        }
    }

    fn get_transport_stats(&self) -> RpcTransportStats {
        RpcTransportStats::default()
    }

    fn url(&self) -> String {
        "a local chain".into()
    }
}
