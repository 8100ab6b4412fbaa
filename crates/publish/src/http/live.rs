//! Live playlists and their media.

use super::reply::{FileReply, Keep, Refusal};
use super::{Home, parse};
use crate::session::Session;
use crate::shelf::View;
use crate::track::{MediaName, Track};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tessera_durable::OsDisk;
use tessera_protocol::SessionId;

pub(super) const PLAYLIST: &str = "application/vnd.apple.mpegurl";

/// How long a player waits for a stream's first segment before it is told to come back: players
/// give up by themselves after ten seconds or more.
const FIRST_SEGMENT: Duration = Duration::from_secs(8);

type Live = Arc<Session<OsDisk>>;

fn playing(home: &Home, playback_id: &str) -> Result<Live, Refusal> {
    home.playing(parse(playback_id)?).ok_or_else(Refusal::nothing_here)
}

/// What stands for the whole stream.
pub(super) async fn front(
    State(home): State<Home>,
    Path((playback_id, file)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let live = playing(&home, &playback_id)?;
    match file.as_str() {
        "index.m3u8" => multivariant(&home, &live).await,
        "thumbnail.jpg" => thumbnail(&live),
        _ => Err(Refusal::nothing_here()),
    }
}

async fn multivariant(home: &Home, live: &Live) -> Result<Response, Refusal> {
    let view = wait(home, live, FIRST_SEGMENT, |view| view.multivariant.is_some()).await?;
    view.multivariant.clone().map(playlist_of).ok_or_else(Refusal::nothing_here)
}

pub(super) async fn playlist(
    State(home): State<Home>,
    Path((playback_id, track)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let live = playing(&home, &playback_id)?;
    let track: Track = parse(&track)?;
    let wanted = Wanted::read(query.as_deref().unwrap_or_default())?;
    let view = live.shelf.now();
    let patience = match wanted {
        None => FIRST_SEGMENT,
        Some(wanted) => {
            if wanted.is_too_far(&view) {
                return Err(Refusal::asks_wrongly(
                    "_HLS_msn asks for a segment that is more than two ahead of the playlist.\n",
                ));
            }
            // RFC 8216bis, 6.2.5.2: three target durations.
            Duration::from_secs(3 * u64::from(view.target_s))
        }
    };
    let ready = |view: &View| match wanted {
        None => view.multivariant.is_some(),
        Some(Wanted { segment, part }) => view.answers(&track, segment, part),
    };
    let view = wait(&home, &live, patience, ready).await?;
    view.playlists.get(&track).cloned().map(playlist_of).ok_or_else(Refusal::nothing_here)
}

fn playlist_of(text: Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, PLAYLIST.parse().expect("a type")),
        (header::CACHE_CONTROL, Keep::Never.header()),
    ];
    (headers, text).into_response()
}

pub(super) async fn media(
    State(home): State<Home>,
    Path((playback_id, track, session, file)): Path<(String, String, String, String)>,
    asked: HeaderMap,
) -> Result<Response, Refusal> {
    let id: SessionId = parse(&session)?;
    let live = home.session(parse(&playback_id)?, id).ok_or_else(Refusal::nothing_here)?;
    let (track, name): (Track, MediaName) = (parse(&track)?, parse(&file)?);
    let is_hinted = |view: &View| match name {
        MediaName::Part(segment, part) => view.hints_at(segment, part),
        MediaName::Init(_) | MediaName::Segment(_) => false,
    };
    let find = || live.shelf.find(&track, name);
    let found = match seek(|| is_hinted(&live.shelf.now()), find) {
        Sought::Here(found) => found,
        Sought::Coming => {
            let patience = Duration::from_secs(3 * u64::from(live.shelf.now().target_s));
            wait(&home, &live, patience, |view| !is_hinted(view)).await?;
            find().ok_or_else(Refusal::nothing_here)?
        }
        Sought::Nowhere => return Err(Refusal::nothing_here()),
    };
    let content_type = if track == Track::Sound { "audio/mp4" } else { "video/mp4" };
    let tag = format!("{session}-{track}-{file}");
    FileReply { asked: &asked, tag, content_type, keep: Keep::ForGood }.with(found).await
}

/// Media that a player asks for.
#[derive(Debug, PartialEq, Eq)]
enum Sought<T> {
    Here(T),
    Coming,
    Nowhere,
}

/// Whether it is hinted at is asked first: a part that is published in between would otherwise be
/// neither found before nor hinted at after.
fn seek<T>(is_hinted: impl FnOnce() -> bool, find: impl FnOnce() -> Option<T>) -> Sought<T> {
    let is_hinted = is_hinted();
    match find() {
        Some(found) => Sought::Here(found),
        None if is_hinted => Sought::Coming,
        None => Sought::Nowhere,
    }
}

fn thumbnail(live: &Live) -> Result<Response, Refusal> {
    let jpeg = live.shelf.thumbnail().ok_or_else(Refusal::nothing_here)?;
    let kind = "image/jpeg".parse().expect("a type");
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, Keep::Shortly.header())];
    Ok((headers, jpeg).into_response())
}

/// What a player waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wanted {
    /// By its place in playlists.
    segment: u64,
    part: Option<u32>,
}

impl Wanted {
    /// Reads `_HLS_msn` and `_HLS_part` among whatever else a query has.
    fn read(query: &str) -> Result<Option<Self>, Refusal> {
        let number = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let value = pairs.find(|(key, _)| *key == name).map(|(_, value)| value);
            value.map(crate::track::number).transpose().map_err(|_| {
                Refusal::asks_wrongly("_HLS_msn and _HLS_part must be decimal numbers.\n")
            })
        };
        match (number("_HLS_msn")?, number("_HLS_part")?) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(Refusal::asks_wrongly("_HLS_part needs an _HLS_msn.\n")),
            (Some(segment), part) => {
                let part = part.map(|part| u32::try_from(part).unwrap_or(u32::MAX));
                Ok(Some(Self { segment, part }))
            }
        }
    }

    /// Whether it is so far ahead that the player must have mistaken something (RFC 8216bis,
    /// 6.2.5.2: two beyond the last).
    fn is_too_far(self, view: &View) -> bool {
        let last = view.last().unwrap_or(view.spec.next_segment.0);
        self.segment > last.saturating_add(2)
    }
}

/// Waits until the playlists are as wanted, or nothing more comes.
async fn wait(
    home: &Home,
    live: &Live,
    patience: Duration,
    ready: impl Fn(&View) -> bool,
) -> Result<Arc<View>, Refusal> {
    let now = live.shelf.now();
    if now.ended || ready(&now) {
        return Ok(now);
    }
    let _place = home.waiting.try_acquire().map_err(|_| {
        Refusal::not_now("Too many players wait at once here. Ask again in a second.\n")
    })?;
    let mut views = live.shelf.view.subscribe();
    let wanted = views.wait_for(|view| view.ended || ready(view));
    match tokio::time::timeout(patience, wanted).await {
        Ok(Ok(view)) => Ok(view.clone()),
        _ => Err(Refusal::not_now(
            "Nothing was published in time: the source may have gone away for a moment. Ask again \
             in a second.\n",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_published_while_it_is_sought_is_found() {
        // It is published as soon as anything is asked.
        let asked = std::cell::Cell::new(false);
        let is_published = || asked.replace(true);
        let sought = seek(|| !is_published(), || is_published().then_some("the part"));
        assert_eq!(sought, Sought::Here("the part"));
        assert_eq!(seek(|| true, || None::<()>), Sought::Coming);
        assert_eq!(seek(|| false, || None::<()>), Sought::Nowhere);
    }

    #[test]
    fn directives_are_read() {
        let read = |query| Wanted::read(query).ok();
        let wanted = |segment, part| Some(Some(Wanted { segment, part }));
        assert_eq!(read(""), Some(None));
        assert_eq!(read("token=1"), Some(None));
        assert_eq!(read("_HLS_msn=7"), wanted(7, None));
        assert_eq!(read("a=b&_HLS_part=2&_HLS_msn=7"), wanted(7, Some(2)));
        assert_eq!(read("_HLS_msn=7&_HLS_part=99999999999"), wanted(7, Some(u32::MAX)));
        for query in ["_HLS_part=1", "_HLS_msn=", "_HLS_msn=-1", "_HLS_msn=7&_HLS_part=x"] {
            assert_eq!(read(query), None, "{query}");
        }
    }
}
