//! A session that was kept, as files that outlive everything else: an MP4 of the best rendition
//! with the sound, and playlists of all renditions over the segments as they lie there.

use crate::files::Files;
use crate::journal::trying;
use crate::playlists;
use crate::publisher::PublishError;
use crate::session::Session;
use crate::shelf::segment_file;
use crate::state::{Recorded, Segment, State, Stretch};
use crate::track::{RecordingName, Track};
use bytes::Bytes;
use std::sync::Arc;
use tessera_durable::{Access, Writer, write_file};
use tessera_media::{Ticks, TrackFormat};
use tessera_packaging::hls::{self, MediaPlaylist, Opening};
use tessera_packaging::recording::{Layout, Recording, SourceId};
use tessera_protocol::stream::SegmentNumber;

/// Writes all files of a recording durably.
pub(crate) fn write<D: Files>(
    session: &Session<D>,
    state: &State,
) -> Result<Recorded, PublishError> {
    let best = Track::Rendition(state.spec.ladder.renditions()[0].name.clone());
    write_mp4(session, state, &best)?;
    write_playlists(session, state)?;
    let duration = state.segments.iter().fold(Ticks::ZERO, |sum, s| sum + s.duration);
    Ok(Recorded { mp4: best, duration_ms: duration.millis().unsigned_abs() })
}

fn write_mp4<D: Files>(
    session: &Session<D>,
    state: &State,
    best: &Track,
) -> Result<(), PublishError> {
    let mut files = SegmentFiles { session, last: None };
    let mut recording = Recording::default();
    // Where the stretch of each source begins.
    let mut sources = Vec::new();
    for segment in &state.segments {
        for track in [best, &Track::Sound] {
            let Some((_, stretch)) = segment.shown_for(track) else { continue };
            let Some(init) = state.inits.get(&stretch.init) else { continue };
            let bytes = files.stretch(segment.number, stretch)?;
            let id = SourceId(sources.len() as u64);
            let pushed = match &init.format {
                TrackFormat::Video(format) => recording.push_pictures(id, format, &bytes),
                TrackFormat::Audio(format) => recording.push_sound(id, format, &bytes),
            };
            match pushed {
                Ok(()) => sources.push((segment.number, stretch.offset)),
                // One file cannot show everything that playlists can: it goes on without.
                Err(error) => tracing::warn!(
                    session = %session.id,
                    segment = %segment.number,
                    %track,
                    %error,
                    "a segment is not in the recording's MP4"
                ),
            }
        }
    }
    let Layout { head, copies, .. } = recording.finish().map_err(PublishError::Recording)?;
    let write = || {
        let mut writer = Writer::create(session.disk.clone(), &session.folder, Access::Umask)?;
        writer.write(&head)?;
        for copy in copies {
            let (number, offset) = sources[copy.source.0 as usize];
            let file = files.whole(number)?;
            let (from, to) = (offset + copy.range.start, offset + copy.range.end);
            writer.write(&file[from as usize..to as usize])?;
        }
        writer.commit(&session.folder.join(RecordingName::Mp4(best.clone()).to_string()))
    };
    write().map_err(PublishError::Media)
}

/// Segments' files, the last one read at hand.
struct SegmentFiles<'a, D: Files> {
    session: &'a Session<D>,
    last: Option<(SegmentNumber, Bytes)>,
}

impl<D: Files> SegmentFiles<'_, D> {
    fn whole(&mut self, number: SegmentNumber) -> Result<Bytes, tessera_durable::Error> {
        if let Some((_, bytes)) = self.last.as_ref().filter(|(last, _)| *last == number) {
            return Ok(bytes.clone());
        }
        let path = segment_file(&self.session.folder, number);
        let bytes = Bytes::from(trying("read", &path, self.session.disk.read(&path))?);
        self.last = Some((number, bytes.clone()));
        Ok(bytes)
    }

    fn stretch(&mut self, number: SegmentNumber, of: &Stretch) -> Result<Bytes, PublishError> {
        let file = self.whole(number).map_err(PublishError::Media)?;
        let (from, to) = (of.offset as usize, (of.offset + of.length) as usize);
        if to > file.len() {
            let short = std::io::Error::other("the file is shorter than its record says");
            let path = segment_file(&self.session.folder, number);
            return trying("read", &path, Err(short)).map_err(PublishError::Media);
        }
        Ok(file.slice(from..to))
    }
}

fn write_playlists<D: Files>(session: &Session<D>, state: &State) -> Result<(), PublishError> {
    let write = |name: RecordingName, bytes: &[u8]| {
        let path = session.folder.join(name.to_string());
        write_file(&session.disk, &path, bytes, Access::Umask).map_err(PublishError::Media)
    };
    for (id, init) in &state.inits {
        write(RecordingName::Init(*id), &init.bytes)?;
    }
    let name = |track: &Track| RecordingName::Playlist(track.clone()).to_string();
    let multivariant = playlists::multivariant(state, None, &name);
    let renditions = state.spec.ladder.renditions().iter();
    let sound = multivariant.as_ref().and_then(|all| all.audio.as_ref()).map(|_| Track::Sound);
    for track in renditions.map(|r| Track::Rendition(r.name.clone())).chain(sound) {
        let text = playlist(state, &track).to_string();
        write(RecordingName::Playlist(track), text.as_bytes())?;
    }
    // The last: whoever finds it finds the others.
    let text = multivariant.map(|all| all.to_string()).unwrap_or_default();
    write(RecordingName::Multivariant, text.as_bytes())
}

fn playlist(state: &State, track: &Track) -> MediaPlaylist {
    let segments = state.segments.iter().enumerate();
    MediaPlaylist {
        state: hls::State::Complete,
        target_duration_s: state.target_s,
        media_sequence: 0,
        discontinuity_sequence: 0,
        segments: segments.map(|(at, segment)| recorded_segment(track, segment, at > 0)).collect(),
        low_latency: None,
    }
}

fn recorded_segment(track: &Track, segment: &Arc<Segment>, follows: bool) -> hls::Segment {
    let stretch = segment.shown_for(track).map(|(_, stretch)| stretch);
    let (offset, length) = stretch.map_or((0, 0), |stretch| (stretch.offset, stretch.length));
    let map = stretch.map(|stretch| RecordingName::Init(stretch.init).to_string());
    hls::Segment {
        uri: RecordingName::Stretch { of: segment.number, offset, length }.to_string(),
        start: segment.start,
        end: segment.end(),
        opening: Opening {
            discontinuity: segment.discontinuity && follows,
            map: map.unwrap_or_default(),
            date_ms: Some(segment.program_date_time_ms),
            gap: stretch.is_none(),
        },
        parts: Vec::new(),
    }
}
