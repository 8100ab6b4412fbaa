//! A page that plays a stream where the browser can.

use super::reply::{Keep, Refusal};
use super::{Home, parse};
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::fmt::Write;
use tessera_protocol::PlaybackId;
use tessera_protocol::stream::view::{HealthLevel, Latency};

/// The page loads nothing but its own stream, picture and script.
const POLICY: &str = "default-src 'none'; media-src 'self' blob:; img-src 'self'; \
                      connect-src 'self'; script-src 'self'; style-src 'unsafe-inline'; \
                      base-uri 'none'; form-action 'none'";

pub(super) async fn page(
    State(home): State<Home>,
    Path(playback_id): Path<String>,
) -> Result<Response, Refusal> {
    let id: PlaybackId = parse(&playback_id)?;
    let live = home.playing(id).ok_or_else(Refusal::nothing_here)?;
    let view = live.shelf.now();
    let title = escape(view.spec.title.as_deref().unwrap_or("A live stream"));
    let latency = match (view.ended, view.spec.latency) {
        (true, _) => "The broadcast is over.",
        (_, Latency::Standard) => "Standard latency: segments of about two seconds.",
        (_, Latency::Short) => "Short latency: segments of about one second.",
        (_, Latency::Low) => "Low latency: parts of about a third of a second.",
    };
    let mut notes = String::new();
    for note in live.shelf.health().iter().filter(|note| note.level != HealthLevel::Info) {
        writeln!(notes, "<p class=note>{}</p>", escape(&note.text)).expect("a string grows");
    }
    let html = include_str!("watch.html")
        .replace("{title}", &title)
        .replace("{latency}", latency)
        .replace("{notes}", &notes)
        .replace("{id}", &id.to_string());
    let kind = "text/html; charset=utf-8".parse().expect("a type");
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, Keep::Never.header()),
        (header::CONTENT_SECURITY_POLICY, POLICY.parse().expect("a policy")),
    ];
    Ok((headers, html).into_response())
}

pub(super) async fn script() -> Response {
    let kind = "text/javascript; charset=utf-8".parse().expect("a type");
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, Keep::Shortly.header())];
    (headers, include_str!("watch.js")).into_response()
}

/// Text as it may stand in HTML, quotes and braces of the page's own included.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '<' | '>' | '"' | '\'' | '{' | '}' => {
                write!(out, "&#{};", u32::from(c)).expect("a string grows");
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_title_cannot_write_html() {
        assert_eq!(
            super::escape("<b a=\"{id}\">&'"),
            "&#60;b a=&#34;&#123;id&#125;&#34;&#62;&#38;&#39;"
        );
        assert_eq!(super::escape("Grüße, 你好"), "Grüße, 你好");
    }
}
