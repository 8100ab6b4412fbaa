//! Complete recordings: files as they lie there.

use super::reply::{FileReply, Keep, Refusal};
use super::{Home, live::PLAYLIST, parse};
use crate::shelf::{Found, segment_file};
use crate::track::{RecordingName, Track};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use tessera_protocol::SessionId;

pub(super) async fn file(
    State(home): State<Home>,
    Path((session, file)): Path<(String, String)>,
    asked: HeaderMap,
) -> Result<Response, Refusal> {
    let session: SessionId = parse(&session)?;
    let name: RecordingName = parse(&file)?;
    let folder = home.recording(session).ok_or_else(Refusal::nothing_here)?;
    let path = match &name {
        RecordingName::Stretch { of, .. } => segment_file(&folder, *of),
        other => folder.join(other.to_string()),
    };
    let about = tokio::fs::metadata(&path).await.map_err(|_| Refusal::nothing_here())?;
    let (offset, length) = match name {
        RecordingName::Stretch { offset, length, .. } => (offset, length),
        _ => (0, about.len()),
    };
    if offset.checked_add(length).is_none_or(|end| end > about.len()) {
        return Err(Refusal::nothing_here());
    }
    let content_type = match &name {
        RecordingName::Multivariant | RecordingName::Playlist(_) => PLAYLIST,
        RecordingName::Mp4(Track::Sound) => "audio/mp4",
        _ => "video/mp4",
    };
    let tag = format!("{session}-{file}-{length}");
    let reply = FileReply { asked: &asked, tag, content_type, keep: Keep::ForGood };
    reply.with(Found::File(path, offset, length)).await
}
