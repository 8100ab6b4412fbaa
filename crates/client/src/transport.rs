//! One request and its answer, and when to ask again.

use crate::error::root_cause;
use crate::{Backoff, ClientError, MasterAddress};
use reqwest::header::{ACCEPT, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use std::time::Duration;
use tessera_protocol::problem::Problem;

/// Nobody answers within this: a master on the same continent accepts in well under a second.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest silence in the middle of an answer. Longer than the longest wait for work and than the
/// pause between two signs of life of an event stream.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// A refusal longer than this is cut: it is a sentence, or not from a master.
const MAX_PROBLEM_BYTES: usize = 64 * 1024;

/// Connections to one master, with the token that opens it.
#[derive(Clone)]
pub(crate) struct Transport {
    http: reqwest::Client,
    master: MasterAddress,
    token: Option<String>,
    /// How long, all waits together, a call that may be repeated waits to be repeated.
    patience: Duration,
}

impl Transport {
    pub(crate) fn new(master: MasterAddress, token: Option<String>) -> Result<Self, ClientError> {
        // The first caller in the process wins; a second installation of the same provider is no
        // error worth telling.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("tessera/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            // A master does not redirect; following one would carry the token elsewhere.
            .redirect(reqwest::redirect::Policy::none());
        if master.is_loopback() {
            // A proxy that the environment names would get the token in the clear, and find itself
            // at a loopback address, or another machine.
            http = http.no_proxy();
        }
        let http = http.build().map_err(|error| ClientError::Tls(root_cause(&error)))?;
        Ok(Self { http, master, token, patience: Duration::ZERO })
    }

    pub(crate) fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    pub(crate) fn with_token(mut self, token: String) -> Self {
        self.token = Some(token);
        self
    }

    pub(crate) fn master(&self) -> &MasterAddress {
        &self.master
    }

    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, self.master.join(path));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends once; an answer other than 2xx is an error.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|error| self.broken(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.refusal(response).await)
    }

    /// Sends once and reads the answer as JSON.
    pub(crate) async fn send_for_json<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, ClientError> {
        let answer = self.send_for_some_json(request).await?;
        answer.ok_or_else(|| self.not_understood("an answer without a body"))
    }

    /// The same, where 204 says that there is nothing.
    pub(crate) async fn send_for_some_json<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<Option<T>, ClientError> {
        let response = self.send(request.header(ACCEPT, "application/json")).await?;
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        let body = response.bytes().await.map_err(|error| self.broken(&error))?;
        serde_json::from_slice(&body)
            .map(Some)
            .map_err(|error| self.not_understood(error.to_string()))
    }

    /// Repeats `attempt` while it fails for a reason that may pass and the patience lasts. Only for
    /// calls that do the same thing once or ten times.
    pub(crate) async fn repeating<T, F>(
        &self,
        mut attempt: impl FnMut() -> F + Send,
    ) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>> + Send,
        T: Send,
    {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(3));
        let mut waited = Duration::ZERO;
        loop {
            let error = match attempt().await {
                Err(error) if error.is_transient() => error,
                answer => return answer,
            };
            let wait = backoff.next_wait().max(error.retry_after().unwrap_or_default());
            waited += wait;
            if waited > self.patience {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// What a failure of the connection means.
    pub(crate) fn broken(&self, error: &reqwest::Error) -> ClientError {
        let (master, cause) = (self.master.to_string(), root_cause(error));
        if error.is_connect() {
            ClientError::Unreachable { master, cause }
        } else if error.is_builder() {
            ClientError::NotUnderstood { master, cause }
        } else {
            ClientError::Interrupted { master, cause }
        }
    }

    pub(crate) fn not_understood(&self, cause: impl Into<String>) -> ClientError {
        ClientError::NotUnderstood { master: self.master.to_string(), cause: cause.into() }
    }

    async fn refusal(&self, mut response: Response) -> ClientError {
        let status = response.status();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        let mut body = Vec::new();
        while let Ok(Some(piece)) = response.chunk().await {
            if body.len() + piece.len() > MAX_PROBLEM_BYTES {
                break;
            }
            body.extend_from_slice(&piece);
        }
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) if status.as_u16() == 401 => {
                ClientError::Unauthorised { master: self.master.to_string(), problem }
            }
            Ok(problem) => ClientError::Refused { problem, retry_after },
            // What stands before a master says these without a problem's body; they pass as well.
            Err(_) if matches!(status.as_u16(), 502..=504) => ClientError::Interrupted {
                master: self.master.to_string(),
                cause: format!("HTTP status {status}"),
            },
            Err(_) => self.not_understood(format!("HTTP status {status}")),
        }
    }
}
