//! The portal: the built files of `web/dist`, which the program carries. Whatever is no path of the
//! interface answers its one page, which finds its own way from there.

use crate::problem::{Code, Refusal};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use rust_embed::{Embed, EmbeddedFile};
use std::borrow::Cow;

#[derive(Embed)]
#[folder = "../web/dist"]
struct Files;

const PAGE: &str = "index.html";
/// Files here are named by their content.
const ASSETS: &str = "assets/";
/// Where the interface is: what is unknown there is refused and not shown a page.
const INTERFACE: [&str; 7] =
    ["/v1", "/node/v1", "/auditor/v1", "/gateway/v1", "/healthz", "/metrics", "/openapi.json"];

/// Scripts and styles are the portal's own; streams are played from their gateways.
const POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; \
    media-src 'self' blob: http: https:; connect-src 'self' blob: http: https:; \
    style-src 'self' 'unsafe-inline'; worker-src 'self' blob:; \
    script-src 'self' 'wasm-unsafe-eval'; frame-ancestors 'none'; base-uri 'none'";

/// Answers a path that no route has.
pub(super) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    let is_interface = INTERFACE.iter().any(|prefix| {
        path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    if is_interface || !matches!(method, Method::GET | Method::HEAD) {
        return unknown("See /openapi.json for what there is.");
    }
    let name = path.trim_start_matches('/');
    if let Some(file) = Files::get(name) {
        let lasting = name.starts_with(ASSETS);
        return send(&file, &headers, lasting);
    }
    match (name.starts_with(ASSETS), Files::get(PAGE)) {
        (false, Some(page)) => send(&page, &headers, false),
        _ => unknown("The portal has no such file; load its page again."),
    }
}

fn unknown(what: &str) -> Response {
    Refusal::new(Code::RouteNotFound, what).into_response()
}

fn send(file: &EmbeddedFile, asked: &HeaderMap, lasting: bool) -> Response {
    let tag = format!("\"{}\"", hex::encode(&file.metadata.sha256_hash()[..16]));
    let keep = if lasting { "public, max-age=31536000, immutable" } else { "no-cache" };
    let fixed: [(HeaderName, &'static str); 3] = [
        (header::CACHE_CONTROL, keep),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    let known =
        asked.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let tagged = [(header::ETAG, tag)];
    if known {
        return (StatusCode::NOT_MODIFIED, fixed, tagged).into_response();
    }
    let kind = HeaderValue::from_str(file.metadata.mimetype());
    let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let body = match &file.data {
        Cow::Borrowed(bytes) => Body::from(*bytes),
        Cow::Owned(bytes) => Body::from(bytes.clone()),
    };
    (fixed, tagged, [(header::CONTENT_TYPE, kind)], body).into_response()
}
