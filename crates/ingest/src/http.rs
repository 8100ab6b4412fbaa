//! MPEG-TS pushed by HTTP: segments, or one endless body.
//!
//! - `PUT` or `POST /live/{key}/{n}.ts` sends segment `n`; digits at the end of the name count, so
//!   `index12.ts` is segment 12. A body is read while it arrives.
//! - `PUT` or `POST /live/{key}/stream.ts` sends a stream for as long as its body lasts.
//! - Playlists (`….m3u8`) that segmenters send along are read away.
//!
//! A key's segments are one visit until none came for [`Limits::idle`]. They are taken one at a time,
//! in the order in which they come: a gap in the numbers is passed over. A number that was taken
//! already is answered with 200 and dropped; where its body broke off, what is missing is taken. A
//! lower number is late and dropped as well, unless it lies far back or comes after a pause: then
//! the sender was started anew, and another visit begins.

mod segments;

use crate::limits::Door;
use crate::tracks::NotTaken;
use crate::ts::TsReader;
use crate::visit::Visit;
use crate::{Broker, Closed, Limits, Protocol, Refusal, RefusalReason, StreamKey};
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::put;
use http_body_util::BodyExt;
use segments::Segments;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Longest playlist that is read away.
const MAX_PLAYLIST: usize = 1 << 20;

/// The routes, to be merged into the gateway's HTTP server, which has to give the peers' addresses
/// (`into_make_service_with_connect_info::<SocketAddr>()`, or the extension `ConnectInfo`).
pub fn router<B: Broker>(broker: Arc<B>, limits: Limits) -> axum::Router {
    let segments = Segments::default();
    let entrance = Arc::new(Entrance { broker, limits, door: Door::default(), segments });
    axum::Router::new()
        .route("/live/{key}/{file}", put(take::<B>).post(take::<B>))
        .with_state(entrance)
}

struct Entrance<B> {
    broker: Arc<B>,
    limits: Limits,
    door: Door,
    segments: Segments,
}

/// Why a request was not taken to its end.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0}")]
    Refused(#[from] Refusal),
    #[error("this visit was ended: {}", .0.0)]
    Closed(#[from] Closed),
    #[error("{0}")]
    NotTaken(#[from] NotTaken),
    #[error("{0}: try again later")]
    Crowded(&'static str),
    #[error(
        "send segments as /live/KEY/0.ts, /live/KEY/1.ts …, or a stream as /live/KEY/stream.ts"
    )]
    Name,
    #[error("this body has more than {0} bytes, which is the limit: make shorter segments")]
    Length(usize),
    #[error("the body broke off: send this segment again")]
    Broken,
    #[error("the body did not go on for {0:?}: send it again")]
    Slow(Duration),
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Refused(refusal) => match refusal.reason {
                RefusalReason::BadKey => StatusCode::FORBIDDEN,
                RefusalReason::InUse => StatusCode::CONFLICT,
                RefusalReason::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            },
            Self::Closed(_) => StatusCode::FORBIDDEN,
            Self::NotTaken(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Crowded(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Name => StatusCode::NOT_FOUND,
            Self::Length(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Broken => StatusCode::BAD_REQUEST,
            Self::Slow(_) => StatusCode::REQUEST_TIMEOUT,
        };
        (status, format!("{self}\n")).into_response()
    }
}

/// What a file's name asks for.
#[derive(Debug, PartialEq, Eq)]
enum File {
    Segment(u64),
    Stream,
    Playlist,
}

impl File {
    fn parse(name: &str) -> Option<Self> {
        if name.ends_with(".m3u8") {
            return Some(Self::Playlist);
        }
        let stem = name.strip_suffix(".ts")?;
        let digits = &stem[stem.trim_end_matches(|c: char| c.is_ascii_digit()).len()..];
        match digits {
            "" => (stem == "stream").then_some(Self::Stream),
            digits => digits.parse().ok().map(Self::Segment),
        }
    }
}

async fn take<B: Broker>(
    State(entrance): State<Arc<Entrance<B>>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path((key, name)): Path<(String, String)>,
    body: Body,
) -> Result<&'static str, Problem> {
    let place = entrance.door.enter(peer.ip(), &entrance.limits).map_err(Problem::Crowded)?;
    let key = StreamKey::parse(&key).ok_or_else(Refusal::bad_key)?;
    let file = File::parse(&name).ok_or(Problem::Name)?;
    // A task of its own: a sender that does not wait for its answer would otherwise take the end
    // of what it sent with it.
    let taking = tokio::spawn(async move {
        let _place = place;
        entrance.take(key, file, peer, body).await
    });
    taking.await.map_err(|_| Problem::Broken)?
}

impl<B: Broker> Entrance<B> {
    async fn take(
        &self,
        key: StreamKey,
        file: File,
        peer: SocketAddr,
        body: Body,
    ) -> Result<&'static str, Problem> {
        let (broker, limits) = (Arc::clone(&self.broker), &self.limits);
        match file {
            File::Segment(number) => {
                self.segments.take(broker, key, peer, limits, number, body).await
            }
            File::Stream => stream(broker, key, peer, limits, body).await,
            File::Playlist if self.segments.are_coming(&key) => {
                let mut body = Pieces::new(body, MAX_PLAYLIST, limits.idle);
                while body.next().await?.is_some() {}
                Ok("segments are read without a playlist\n")
            }
            File::Playlist => Err(Refusal::bad_key().into()),
        }
    }
}

/// Takes one endless body.
async fn stream<B: Broker>(
    broker: Arc<B>,
    key: StreamKey,
    peer: SocketAddr,
    limits: &Limits,
    body: Body,
) -> Result<&'static str, Problem> {
    let mut visit = Visit::open(broker, key, Protocol::Http, peer, limits.handshake).await?;
    let mut body = Pieces::new(body, usize::MAX, limits.idle);
    let mut reader = TsReader::default();
    loop {
        let piece = tokio::select! {
            closed = visit.closed() => return Err(closed.into()),
            piece = body.next() => piece?,
        };
        let Some(piece) = piece else { break };
        reader.read(&piece, &mut visit.tracks)?;
        visit.flush().await?;
    }
    reader.boundary(&mut visit.tracks);
    visit.flush().await?;
    Ok("the stream was taken to its end\n")
}

/// A body in pieces, within limits.
struct Pieces {
    body: Body,
    left: usize,
    most: usize,
    patience: Duration,
}

impl Pieces {
    fn new(body: Body, most: usize, patience: Duration) -> Self {
        Self { body, left: most, most, patience }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            let frame = timeout(self.patience, self.body.frame()).await;
            let Some(frame) = frame.map_err(|_| Problem::Slow(self.patience))? else {
                return Ok(None);
            };
            // Trailers say nothing here.
            let Ok(piece) = frame.map_err(|_| Problem::Broken)?.into_data() else { continue };
            self.left = self.left.checked_sub(piece.len()).ok_or(Problem::Length(self.most))?;
            return Ok(Some(piece));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_sent() {
        for (name, file) in [
            ("0.ts", Some(File::Segment(0))),
            ("index00012.ts", Some(File::Segment(12))),
            ("a1b22.ts", Some(File::Segment(22))),
            ("stream.ts", Some(File::Stream)),
            ("index.m3u8", Some(File::Playlist)),
            ("other.ts", None),
            ("1.mp4", None),
            ("99999999999999999999.ts", None),
        ] {
            assert_eq!(File::parse(name), file, "{name}");
        }
    }
}
