//! The portal: the built files of `web/dist`, which the program carries. Whatever is no path of the
//! interface answers its one page, which finds its own way from there.

use crate::problem::{Code, Refusal};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::{Embed, EmbeddedFile};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::LazyLock;

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
        return send(name, &file, &headers, lasting);
    }
    match (name.starts_with(ASSETS), Files::get(PAGE)) {
        (false, Some(page)) => send(PAGE, &page, &headers, false),
        _ => unknown("The portal has no such file; load its page again."),
    }
}

fn unknown(what: &str) -> Response {
    Refusal::new(Code::RouteNotFound, what).into_response()
}

/// Files that get smaller by it, packed at the first question for any.
static PACKED: LazyLock<BTreeMap<Cow<'static, str>, Bytes>> = LazyLock::new(|| {
    let text =
        |name: &str| [".html", ".js", ".css", ".svg"].iter().any(|kind| name.ends_with(kind));
    Files::iter().filter(|name| text(name)).map(|name| (name.clone(), pack(&name))).collect()
});

fn pack(name: &str) -> Bytes {
    let file = Files::get(name).expect("it was listed");
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    let packed = packer.write_all(&file.data).and_then(|()| packer.finish());
    packed.expect("memory takes what is written").into()
}

/// Whether who asks takes gzip (RFC 9110, 12.5.3): named, and not with the weight of a refusal.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let lists = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let weight = |part: &str| part.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok());
        parts.next() == Some("gzip") && parts.all(|part| weight(part) != Some(0.0))
    })
}

fn send(name: &str, file: &EmbeddedFile, asked: &HeaderMap, lasting: bool) -> Response {
    let packed = PACKED.get(name).filter(|_| takes_gzip(asked));
    let hash = hex::encode(&file.metadata.sha256_hash()[..16]);
    let tag = format!("\"{hash}{}\"", if packed.is_some() { "-gzip" } else { "" });
    let keep = if lasting { "public, max-age=31536000, immutable" } else { "no-cache" };
    let fixed: [(HeaderName, &'static str); 4] = [
        (header::CACHE_CONTROL, keep),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::VARY, "accept-encoding"),
    ];
    let known =
        asked.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let tagged = [(header::ETAG, tag)];
    if known {
        return (StatusCode::NOT_MODIFIED, fixed, tagged).into_response();
    }
    let kind = HeaderValue::from_str(file.metadata.mimetype());
    let kind = [(
        header::CONTENT_TYPE,
        kind.unwrap_or(HeaderValue::from_static("application/octet-stream")),
    )];
    if let Some(packed) = packed {
        let coding = [(header::CONTENT_ENCODING, "gzip")];
        return (fixed, tagged, kind, coding, packed.clone()).into_response();
    }
    let body = match &file.data {
        Cow::Borrowed(bytes) => Body::from(*bytes),
        Cow::Owned(bytes) => Body::from(bytes.clone()),
    };
    (fixed, tagged, kind, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_who_takes_it() {
        let takes = |list: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, list.parse().unwrap());
            takes_gzip(&headers)
        };
        assert!(takes("gzip") && takes("br, gzip;q=0.5") && takes("deflate,gzip"));
        assert!(!takes("br") && !takes("gzip;q=0") && !takes("gzip; q=0.0") && !takes("xgzip"));
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
