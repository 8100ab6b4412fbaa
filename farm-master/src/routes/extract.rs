//! Parts of a request, read under limits and refused as problems.

use crate::app::App;
use crate::problem::{Code, Refusal};
use axum::body::{Body, Bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use serde::de::DeserializeOwned;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use utoipa::IntoParams;

/// Largest JSON body, in bytes: a join with all its hashes fits ten times.
const JSON_MAX: usize = 1 << 20;
/// How long it may take to come: nobody's line is that slow, and some come byte by byte to hold up others.
const JSON_WITHIN: Duration = Duration::from_secs(20);

/// A body of JSON.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Refusal;
    async fn from_request(request: Request, _state: &S) -> Result<Self, Refusal> {
        parse(&json_body(request).await?).map(Self)
    }
}

/// The same, where a request may do without.
pub(super) struct OptionalJson<T>(pub(super) Option<T>);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for OptionalJson<T> {
    type Rejection = Refusal;
    async fn from_request(request: Request, _state: &S) -> Result<Self, Refusal> {
        let body = json_body(request).await?;
        if body.is_empty() { Ok(Self(None)) } else { parse(&body).map(Self) }
    }
}

async fn json_body(request: Request) -> Result<Bytes, Refusal> {
    let body = read_body(request.into_body(), JSON_MAX);
    tokio::time::timeout(JSON_WITHIN, body).await.map_err(|_| {
        let seconds = JSON_WITHIN.as_secs();
        Refusal::new(Code::RequestTimedOut, format!("The body did not come within {seconds} s."))
    })?
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| malformed(format!("The body is not the JSON that is expected: {error}.")))
}

/// The same, where the request has to say that it is JSON: no form of another site's page can.
pub(super) struct DeclaredJson<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for DeclaredJson<T> {
    type Rejection = Refusal;
    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let kind = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        let kind = kind.and_then(|kind| kind.split(|byte| *byte == b';').next());
        if !kind.is_some_and(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"application/json")) {
            return Err(malformed("This route takes a body with Content-Type: application/json."));
        }
        Json::from_request(request, state).await.map(|Json(body)| Self(body))
    }
}

/// Where a connection comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl FromRequestParts<Arc<App>> for Peer {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let own = parts.extensions.get().copied().unwrap_or(Self(Ipv4Addr::LOCALHOST.into()));
        // Only the last entry is the proxy's own; what comes before anybody may have sent.
        let told = parts.headers.get_all("x-forwarded-for").iter().next_back();
        let told = told.filter(|_| app.config.behind_tls_proxy);
        let told =
            told.and_then(|told| told.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
        Ok(told.map_or(own, Self))
    }
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn read_body(body: Body, limit: usize) -> Result<Bytes, Refusal> {
    axum::body::to_bytes(body, limit).await.map_err(|error| {
        use std::error::Error as _;
        let mut cause = error.source();
        while let Some(error) = cause {
            if error.is::<http_body_util::LengthLimitError>() {
                return too_large(limit as u64);
            }
            cause = error.source();
        }
        malformed(format!("The body broke off: {error}."))
    })
}

pub(super) fn too_large(limit: u64) -> Refusal {
    Refusal::new(Code::BodyTooLarge, format!("This route takes at most {limit} bytes."))
}

pub(super) fn malformed(detail: impl Into<String>) -> Refusal {
    Refusal::new(Code::RequestMalformed, detail)
}

/// Parts of the path.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Refusal))]
pub(super) struct Path<T>(pub(super) T);

impl From<PathRejection> for Refusal {
    fn from(rejection: PathRejection) -> Self {
        malformed(format!("The path is not right: {}.", rejection.body_text()))
    }
}

/// Parameters of the query.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Refusal))]
pub(super) struct Query<T>(pub(super) T);

impl From<QueryRejection> for Refusal {
    fn from(rejection: QueryRejection) -> Self {
        malformed(format!("The query is not right: {}.", rejection.body_text()))
    }
}

/// Which page of a list.
#[derive(serde::Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    /// `next_cursor` of the page before; the first page has none.
    cursor: Option<String>,
    /// Most entries of the page.
    #[param(minimum = 1, maximum = 200, default = 100)]
    limit: Option<u32>,
}

impl Page {
    const LIMIT: u32 = 100;
    const LIMIT_MAX: u32 = 200;

    pub(super) fn limit(&self) -> Result<u32, Refusal> {
        match self.limit.unwrap_or(Self::LIMIT) {
            limit @ 1..=Self::LIMIT_MAX => Ok(limit),
            limit => {
                Err(malformed(format!("limit is {limit}; it may be 1 to {}.", Self::LIMIT_MAX)))
            }
        }
    }

    pub(super) fn cursor<T: FromStr>(&self) -> Result<Option<T>, Refusal> {
        let parse = |text: &String| {
            text.parse().map_err(|_| malformed("cursor is not one that this list gave out."))
        };
        self.cursor.as_ref().map(parse).transpose()
    }
}

/// The `Idempotency-Key`, where there is one.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=64).contains(&key.len()));
    key.map(|key| Some(key.to_owned()))
        .ok_or_else(|| malformed("Idempotency-Key has 1 to 64 printable ASCII characters."))
}
