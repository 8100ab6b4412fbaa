//! Answers: sentences for what is refused, and files with ranges.

use crate::shelf::Found;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::io::SeekFrom;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

/// What a viewer cannot have, and why.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    sentence: &'static str,
    retry_after_s: Option<u16>,
}

impl Refusal {
    pub(super) fn nothing_here() -> Self {
        let sentence = "There is nothing here. A stream is played by the URL that its broadcaster \
                        gives; media that has left the window, and sessions that ended some time \
                        ago, are gone.\n";
        Self { status: StatusCode::NOT_FOUND, sentence, retry_after_s: None }
    }

    pub(super) fn asks_wrongly(sentence: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, sentence, retry_after_s: None }
    }

    pub(super) fn not_now(sentence: &'static str) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, sentence, retry_after_s: Some(1) }
    }

    fn failed() -> Self {
        let sentence = "The file could not be read.\n";
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, sentence, retry_after_s: None }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        let mut response = (self.status, headers, self.sentence).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// How long others may keep an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// It is different at any moment.
    Never,
    /// A few seconds.
    Shortly,
    /// It never changes: what changes gets another name.
    ForGood,
}

impl Keep {
    pub(super) fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Never => "no-store",
            Self::Shortly => "public, max-age=2",
            Self::ForGood => "public, max-age=86400, immutable",
        })
    }
}

/// A file, or the range of it that is asked for.
pub(super) struct FileReply<'a> {
    pub(super) asked: &'a HeaderMap,
    /// Names this content among all that this URL ever had.
    pub(super) tag: String,
    pub(super) content_type: &'static str,
    pub(super) keep: Keep,
}

impl FileReply<'_> {
    /// Answers with what was found.
    pub(super) async fn with(self, found: Found) -> Result<Response, Refusal> {
        let total = match &found {
            Found::Here(bytes) => bytes.len() as u64,
            Found::File(_, _, length) => *length,
        };
        let tag = format!("\"{}\"", self.tag);
        let asked = |name| self.asked.get(name).and_then(|value| value.to_str().ok());
        if asked(header::IF_NONE_MATCH).is_some_and(|known| known.contains(&tag)) {
            return Ok(self.headed(StatusCode::NOT_MODIFIED.into_response(), &tag));
        }
        let same = asked(header::IF_RANGE).is_none_or(|known| known == tag);
        let range = asked(header::RANGE).filter(|_| same).and_then(|text| range(text, total));
        let (status, start, length) = match range {
            None => (StatusCode::OK, 0, total),
            Some(Ok((start, length))) => (StatusCode::PARTIAL_CONTENT, start, length),
            Some(Err(())) => {
                let all = format!("bytes */{total}");
                let status = StatusCode::RANGE_NOT_SATISFIABLE;
                return Ok((status, [(header::CONTENT_RANGE, all)]).into_response());
            }
        };
        let body = match found {
            Found::Here(bytes) => {
                let (from, to) = (start as usize, (start + length) as usize);
                Body::from(bytes.slice(from..to))
            }
            Found::File(path, offset, _) => file(&path, offset + start, length).await?,
        };
        let mut response = self.headed((status, body).into_response(), &tag);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, length.into());
        if status == StatusCode::PARTIAL_CONTENT {
            let said = format!("bytes {start}-{}/{total}", start + length - 1);
            headers.insert(header::CONTENT_RANGE, said.parse().expect("digits"));
        }
        Ok(response)
    }

    fn headed(&self, mut response: Response, tag: &str) -> Response {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::CACHE_CONTROL, self.keep.header());
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Ok(tag) = tag.parse() {
            headers.insert(header::ETAG, tag);
        }
        response
    }
}

/// A stretch of a file, read while it is sent.
async fn file(path: &Path, start: u64, length: u64) -> Result<Body, Refusal> {
    const PIECE: usize = 64 << 10;
    let mut file = match tokio::fs::File::open(path).await {
        Ok(file) => file,
        // It left the window since it was found.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Refusal::nothing_here());
        }
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "a viewer's file cannot be opened");
            return Err(Refusal::failed());
        }
    };
    if let Err(error) = file.seek(SeekFrom::Start(start)).await {
        tracing::error!(path = %path.display(), %error, "a viewer's file cannot be read");
        return Err(Refusal::failed());
    }
    Ok(Body::from_stream(ReaderStream::with_capacity(file.take(length), PIECE)))
}

/// The first byte and the length of the one range asked for. `None` where the whole is answered:
/// no range of bytes, or several. `Err` where there is nothing at that place.
fn range(text: &str, total: u64) -> Option<Result<(u64, u64), ()>> {
    let (first, last) = text.strip_prefix("bytes=")?.trim().split_once('-')?;
    let number = |text: &str| crate::track::number(text).ok();
    let (start, end) = match (first, last) {
        ("", last) => (total.saturating_sub(number(last)?), total),
        (first, "") => (number(first)?, total),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            (first, last.saturating_add(1).min(total))
        }
    };
    Some(if start < end { Ok((start, end - start)) } else { Err(()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_has_them() {
        for (text, expected) in [
            ("bytes=0-0", Some(Ok((0, 1)))),
            ("bytes=2-5", Some(Ok((2, 4)))),
            ("bytes=2-", Some(Ok((2, 8)))),
            ("bytes=-3", Some(Ok((7, 3)))),
            ("bytes=-30", Some(Ok((0, 10)))),
            ("bytes=9-99", Some(Ok((9, 1)))),
            ("bytes=10-", Some(Err(()))),
            ("bytes=10-12", Some(Err(()))),
            ("bytes=-0", Some(Err(()))),
            ("bytes=5-2", None),
            ("bytes=0-1,4-5", None),
            ("bytes=", None),
            ("bytes=-", None),
            ("bytes=x-1", None),
            ("bytes=0-99999999999999999999", None),
            ("lines=0-1", None),
        ] {
            assert_eq!(range(text, 10), expected, "{text}");
        }
        assert_eq!(range("bytes=0-", 0), Some(Err(())));
    }
}
