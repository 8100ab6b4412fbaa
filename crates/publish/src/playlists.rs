//! What is known of a session, as playlists. Pure.
//!
//! In low latency:
//! - A part of the sound in which there is none is a gap: players reckon a part's time from the parts
//!   before it. A part in which a slow rendition has no picture is left out of its playlist: the
//!   picture before it stays, so that nothing is missing, and hls.js never gets past a gap between
//!   pictures.
//! - Parts are counted by their places in a playlist, for each by itself: so players count them, and
//!   ask by these counts for what comes.
//! - An initialisation section is named where there is one. Where a track has nothing yet in the
//!   segment under way, the last one stays in force.
//! - The target durations are promised from the first playlist on. Where a picture lasts longer than
//!   a part is to be, the part cannot be divided. [`MediaPlaylist`] then writes the longer length as
//!   long as the part is listed: players wait and buffer by what is written (RFC 8216bis would have
//!   both, no longer part and no other target), and without the part they would lose pictures.

use crate::session::Open;
use crate::shelf::{Reach, View};
use crate::spec::FinishedPart;
use crate::state::{self, Rates, State, Window};
use crate::track::{InitId, MediaName, Track};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use tessera_media::{Ticks, TrackFormat, VideoFormat};
use tessera_packaging::codec_string;
use tessera_packaging::hls::{
    AudioRendition, LowLatency, MediaPlaylist, MultivariantPlaylist, Opening, Part,
    RenditionReport, Segment, State as Going, Variant,
};
use tessera_protocol::SessionId;
use tessera_protocol::stream::view::Latency;
use tessera_protocol::stream::{Rendition, SegmentNumber};

/// Parts are listed of segments that begin within so many target durations of the end (RFC 8216bis,
/// 6.2.2).
const TARGETS_WITH_PARTS: i64 = 3;

/// All playlists of this moment.
pub(crate) fn view(state: &State, open: Option<&Open>, window: Window) -> View {
    let renditions = state.spec.ladder.renditions();
    let tracks: Vec<_> = renditions
        .iter()
        .map(|rendition| Track::Rendition(rendition.name.clone()))
        .chain(has_sound(state, open).then_some(Track::Sound))
        .collect();
    let reaches = tracks.iter().map(|track| (track.clone(), reach(state, open, track))).collect();
    let moment = Moment { state, open, window, reaches, hint: hint(state, open) };
    let playlists = tracks.iter().filter_map(|track| {
        Some((track.clone(), Bytes::from(moment.playlist(track)?.to_string())))
    });
    View {
        spec: state.spec.clone(),
        multivariant: multivariant(state, open, &|track| format!("{track}/index.m3u8"))
            .map(|playlist| Bytes::from(playlist.to_string())),
        playlists: playlists.collect(),
        reaches: moment.reaches,
        hint: moment.hint,
        ended: state.ended.is_some(),
        target_s: state.target_s,
        newest_ms: state.segments.back().map(|segment| segment.program_date_time_ms),
    }
}

fn reach(state: &State, open: Option<&Open>, track: &Track) -> Reach {
    let count = |parts: usize| u32::try_from(parts).unwrap_or(u32::MAX);
    let complete = state.segments.back();
    let open_parts = |open: &Open| (open.sequence, count(parts_under_way(open, track).len()));
    Reach {
        complete: complete.map(|last| (last.sequence, count(parts_of(last, track).len()))),
        open: open.map(open_parts),
    }
}

fn hint(state: &State, open: Option<&Open>) -> Option<(SegmentNumber, u32)> {
    let low = state.spec.latency == Latency::Low && state.ended.is_none();
    let next = match open {
        Some(open) => (open.head.number, open.muxed.parts()),
        None => (state.next, 0),
    };
    low.then_some(next)
}

fn has_sound(state: &State, open: Option<&Open>) -> bool {
    state.rates.contains_key(&Track::Sound)
        || open.is_some_and(|open| open.muxed.tracks.contains_key(&Track::Sound))
}

struct Moment<'a> {
    state: &'a State,
    open: Option<&'a Open>,
    window: Window,
    /// How far each playlist goes, of those that there are.
    reaches: BTreeMap<Track, Reach>,
    hint: Option<(SegmentNumber, u32)>,
}

impl Moment<'_> {
    /// The live playlist of a track; `None` before there is anything to list.
    fn playlist(&self, track: &Track) -> Option<MediaPlaylist> {
        let (state, session) = (self.state, self.state.spec.session);
        let open = self.open.map(|open| open.sequence);
        let listed: Vec<_> = state.listed(self.window, open).collect();
        let first = match (listed.first(), open) {
            (Some(first), _) => {
                (first.sequence, first.discontinuities - u64::from(first.discontinuity))
            }
            (None, Some(open)) => (open, state.discontinuities()),
            (None, None) => return None,
        };
        let end = listed.last().map_or(Ticks::ZERO, |last| last.end());
        let recent = end.0 - TARGETS_WITH_PARTS * i64::from(state.target_s) * Ticks::PER_SECOND;
        let low = state.spec.latency == Latency::Low;
        let mut segments = Vec::new();
        let mut before: Option<&state::Segment> = None;
        for segment in &listed {
            let missing =
                before.map(|before| gaps(before, segment.sequence, segment.start, session));
            segments.extend(missing.into_iter().flatten());
            let with_parts = low && segment.start.0 >= recent;
            segments.push(live_segment(track, session, segment, with_parts));
            before = Some(segment);
        }
        if let (Some(before), Some(open)) = (before, self.open) {
            segments.extend(gaps(before, open.sequence, open.head.start, session));
        }
        Some(MediaPlaylist {
            state: if state.ended.is_some() { Going::Ended } else { Going::Live },
            target_duration_s: state.target_s,
            media_sequence: first.0,
            discontinuity_sequence: first.1,
            segments,
            low_latency: low.then(|| self.low_latency(track, &listed)),
        })
    }

    fn low_latency(&self, track: &Track, listed: &[&Arc<state::Segment>]) -> LowLatency {
        let session = self.state.spec.session;
        let unfinished = self.open.map(|open| {
            let shown = shown_in(open, track);
            let muxed = open.muxed.tracks.get(&shown);
            let in_force = || listed.iter().rev().find_map(|s| Some(s.tracks.get(&shown)?.init));
            let map = muxed.map(|muxed| muxed.init).or_else(in_force);
            let opening = Opening {
                discontinuity: open.discontinuity,
                map: map.map(|init| init_uri(track, &shown, session, init)).unwrap_or_default(),
                date_ms: Some(open.head.program_date_time_ms),
                gap: false,
            };
            let name = |part| MediaName::Part(open.head.number, part);
            let uri = |part| uri(track, &shown, session, name(part));
            (opening, live_parts(parts_under_way(open, track), open.head.start, uri))
        });
        let preload_hint = self.hint.map(|(number, part)| {
            // Between segments the last one tells: where the source stood in, it is likely to go on.
            let last = || Some(self.state.segments.back()?.shown_for(track)?.0);
            let shown = self.open.map(|open| shown_in(open, track)).or_else(last);
            let shown = shown.unwrap_or_else(|| track.clone());
            uri(track, &shown, session, MediaName::Part(number, part))
        });
        let report = |(other, reach): (&Track, &Reach)| {
            let (last_msn, parts) = reach.open.or(reach.complete)?;
            Some(RenditionReport {
                uri: format!("../{other}/index.m3u8"),
                last_msn,
                last_part: parts.checked_sub(1).map(u64::from),
            })
        };
        let others = self.reaches.iter().filter(|(other, _)| *other != track);
        LowLatency {
            part_target: FinishedPart::TARGET,
            part_hold_back: Ticks(FinishedPart::TARGET.0 * 3),
            unfinished,
            preload_hint,
            reports: if self.state.ended.is_some() {
                Vec::new()
            } else {
                others.filter_map(report).collect()
            },
        }
    }
}

/// The track whose media a rendition's playlist lists in the segment under way.
fn shown_in(open: &Open, track: &Track) -> Track {
    match track {
        Track::Rendition(_) if open.muxed.tracks.contains_key(&Track::Source) => Track::Source,
        other => other.clone(),
    }
}

/// Media's address, from the playlist of `of` on; `shown` is the track that the media is of.
fn uri(of: &Track, shown: &Track, session: SessionId, name: MediaName) -> String {
    if of == shown { format!("{session}/{name}") } else { format!("../{shown}/{session}/{name}") }
}

fn init_uri(of: &Track, shown: &Track, session: SessionId, id: InitId) -> String {
    uri(of, shown, session, MediaName::Init(id))
}

fn live_segment(
    track: &Track,
    session: SessionId,
    segment: &Arc<state::Segment>,
    with_parts: bool,
) -> Segment {
    let name = MediaName::Segment(segment.number);
    let shown = segment.shown_for(track);
    let (of, stretch) = shown.unzip();
    let of = of.unwrap_or_else(|| track.clone());
    let parts = with_parts.then(|| {
        let name = |part| MediaName::Part(segment.number, part);
        let uri = |part| uri(track, &of, session, name(part));
        live_parts(parts_of(segment, track), segment.start, uri)
    });
    Segment {
        uri: uri(track, &of, session, name),
        start: segment.start,
        end: segment.end(),
        opening: Opening {
            discontinuity: segment.discontinuity,
            map: stretch
                .map(|stretch| init_uri(track, &of, session, stretch.init))
                .unwrap_or_default(),
            date_ms: Some(segment.program_date_time_ms),
            gap: stretch.is_none(),
        },
        parts: parts.unwrap_or_default(),
    }
}

/// What stands in the places between a segment and the one that is listed next.
fn gaps(
    before: &state::Segment,
    next_sequence: u64,
    next_start: Ticks,
    session: SessionId,
) -> impl Iterator<Item = Segment> {
    let missing = next_sequence.saturating_sub(before.sequence + 1);
    let (end, number) = (before.end(), before.number.0);
    let time = (next_start.0 - end.0).max(0);
    let at = move |place: u64| {
        let share = i128::from(time) * i128::from(place) / i128::from(missing.max(1));
        Ticks(end.0 + i64::try_from(share).unwrap_or(0))
    };
    (0..missing).map(move |place| Segment {
        // A number that is used up, and has no media.
        uri: format!("{session}/{}", MediaName::Segment(SegmentNumber(number + 1 + place))),
        start: at(place),
        end: at(place + 1),
        opening: Opening { gap: true, ..Opening::default() },
        parts: Vec::new(),
    })
}

/// A part, its number, and how long after its segment it begins.
type Placed = (u32, Ticks, state::Part);

/// The parts that a track's playlist lists of a segment.
fn parts_of(segment: &state::Segment, track: &Track) -> Vec<Placed> {
    let own = segment.shown_for(track).map(|(_, stretch)| &stretch.parts[..]);
    let mut all = segment.tracks.values().map(|stretch| &stretch.parts[..]);
    placed(track, own, all.next().unwrap_or_default())
}

fn parts_under_way(open: &Open, track: &Track) -> Vec<Placed> {
    let own = open.muxed.tracks.get(&shown_in(open, track)).map(|muxed| &muxed.parts[..]);
    let mut all = open.muxed.tracks.values().map(|muxed| &muxed.parts[..]);
    placed(track, own, all.next().unwrap_or_default())
}

/// `any` are the parts of any track of the segment, which are as many and as long.
fn placed(track: &Track, own: Option<&[state::Part]>, any: &[state::Part]) -> Vec<Placed> {
    let mut at = Ticks::ZERO;
    let all = (0..).zip(own.unwrap_or(any)).map(|(number, part)| {
        let from = at;
        at = at + part.duration;
        let length = if own.is_some() { part.length } else { 0 };
        (number, from, state::Part { length, ..*part })
    });
    all.filter(|(_, _, part)| part.length > 0 || *track == Track::Sound).collect()
}

fn live_parts(parts: Vec<Placed>, start: Ticks, uri: impl Fn(u32) -> String) -> Vec<Part> {
    let part = |(number, from, part): Placed| {
        let (start, uri) = (start + from, uri(number));
        let (end, gap) = (start + part.duration, part.length == 0);
        Part { uri, start, end, independent: part.independent, gap }
    };
    parts.into_iter().map(part).collect()
}

/// The playlist of playlists, whose addresses `at` gives; `None` before there is anything to play.
pub(crate) fn multivariant(
    state: &State,
    open: Option<&Open>,
    at: &dyn Fn(&Track) -> String,
) -> Option<MultivariantPlaylist> {
    let sound = format_of(state, open, &Track::Sound).and_then(|format| match format {
        TrackFormat::Audio(sound) => Some(sound),
        TrackFormat::Video(_) => None,
    });
    let audio = sound.and_then(|sound| {
        let rates = rates(state, &Track::Sound);
        Some(AudioRendition {
            uri: at(&Track::Sound),
            bits_per_s: rates.map_or(0, |rates| rates.peak_bits_per_s),
            codec: codec_string(&TrackFormat::Audio(sound.clone())).ok()?,
            channels: sound.channels,
        })
    });
    let variants: Option<Vec<_>> =
        state.spec.ladder.renditions().iter().map(|r| variant(state, open, r, at)).collect();
    Some(MultivariantPlaylist { variants: variants?, audio })
}

fn variant(
    state: &State,
    open: Option<&Open>,
    rendition: &Rendition,
    at: &dyn Fn(&Track) -> String,
) -> Option<Variant> {
    let track = Track::Rendition(rendition.name.clone());
    // Before the first worker's segment there is only the source to tell from.
    let format = video_of(state, open, &track).or_else(|| video_of(state, open, &Track::Source))?;
    let asked = u64::from(rendition.bits_per_s);
    let measured = rates(state, &track).or_else(|| rates(state, &Track::Source));
    Some(Variant {
        uri: at(&track),
        peak_bits_per_s: measured.map_or(0, |rates| rates.peak_bits_per_s).max(asked),
        average_bits_per_s: measured.map_or(asked, Rates::average_bits_per_s),
        codec: codec_string(&TrackFormat::Video(format.clone())).ok()?,
        width: format.width,
        height: format.height,
        frame: measured.and_then(Rates::unit_duration),
    })
}

fn rates<'a>(state: &'a State, track: &Track) -> Option<&'a Rates> {
    state.rates.get(track).filter(|rates| rates.duration > Ticks::ZERO)
}

fn video_of<'a>(
    state: &'a State,
    open: Option<&'a Open>,
    track: &Track,
) -> Option<&'a VideoFormat> {
    match format_of(state, open, track)? {
        TrackFormat::Video(format) => Some(format),
        TrackFormat::Audio(_) => None,
    }
}

/// The newest format of a track that is known.
fn format_of<'a>(
    state: &'a State,
    open: Option<&'a Open>,
    track: &Track,
) -> Option<&'a TrackFormat> {
    let newest = state.segments.iter().rev().find_map(|segment| segment.tracks.get(track));
    let listed = newest.and_then(|stretch| state.inits.get(&stretch.init));
    let coming = || {
        let muxed = &open?.muxed;
        muxed.inits.get(&muxed.tracks.get(track)?.init)
    };
    listed.or_else(coming).map(|init| &init.format)
}
