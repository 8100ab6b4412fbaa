//! Media playlists: one rendition's segments.

use super::{Address, Date, Seconds};
use std::fmt;
use tessera_media::Ticks;

/// One rendition's segments: a window that slides, or all of them.
///
/// # Example
/// ```
/// use tessera_media::Ticks;
/// use tessera_packaging::hls::{MediaPlaylist, Opening, Segment, State};
///
/// let segment = Segment {
///     uri: "7.m4s".to_owned(),
///     start: Ticks::from_millis(12_000),
///     end: Ticks::from_millis(14_000),
///     opening: Opening { map: "init-1.mp4".to_owned(), ..Opening::default() },
///     parts: vec![],
/// };
/// let playlist = MediaPlaylist {
///     state: State::Live,
///     target_duration_s: 2,
///     media_sequence: 7,
///     discontinuity_sequence: 0,
///     segments: vec![segment],
///     low_latency: None,
/// };
/// assert_eq!(
///     playlist.to_string(),
///     "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n\
///      #EXT-X-MAP:URI=\"init-1.mp4\"\n#EXTINF:2.000000,\n7.m4s\n"
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaPlaylist {
    /// Whether more comes.
    pub state: State,
    /// The target duration in seconds: no segment, rounded to whole seconds, may be longer, and a
    /// playlist must keep it for good. Where a segment is longer all the same, its length is
    /// written, since players reckon with what is written and not with what was promised.
    pub target_duration_s: u32,
    /// The first segment's number, counted from the stream's first on.
    pub media_sequence: u64,
    /// Discontinuities that slid out of the window: those of segments that are no longer listed.
    pub discontinuity_sequence: u64,
    /// Complete segments.
    pub segments: Vec<Segment>,
    /// What low latency adds; `None` in standard latency.
    pub low_latency: Option<LowLatency>,
}

/// Whether more comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// More comes, and the oldest go.
    Live,
    /// Nothing more comes; the oldest may have gone.
    Ended,
    /// Everything is here, from the first segment to the last.
    Complete,
}

/// A complete segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its address.
    pub uri: String,
    /// Where it begins on the session's timeline.
    pub start: Ticks,
    /// Where it ends: where the next one begins, but for discontinuities.
    pub end: Ticks,
    /// What stands before it.
    pub opening: Opening,
    /// The parts it was published in, of a recent segment; of an older one, none.
    pub parts: Vec<Part>,
}

/// What stands before a segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opening {
    /// Whether times or formats do not go on from the segment before.
    pub discontinuity: bool,
    /// The address of its initialization section. It is written where it changes, and after each
    /// discontinuity. Where there is none, as before a gap, it is empty, and nothing is written.
    pub map: String,
    /// When its beginning happened, in milliseconds since 1970, UTC.
    pub date_ms: Option<i64>,
    /// Whether its media is missing, and not to be asked for.
    pub gap: bool,
}

/// Part of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its address.
    pub uri: String,
    /// Where it begins on the session's timeline.
    pub start: Ticks,
    /// Where it ends.
    pub end: Ticks,
    /// Whether decoding can begin with it.
    pub independent: bool,
    /// Whether its media is missing, and not to be asked for.
    pub gap: bool,
}

/// What low latency adds. A player may then ask for a playlist that has a segment or a part, and
/// waits for the answer until it has (`_HLS_msn`, `_HLS_part`).
///
/// It stays when the stream ends, with the newest segments' parts and without what is unfinished or
/// hinted at, and the end is said in a later playlist than the last part: hls.js fetches no more
/// parts from a playlist that has ended, and by them knows that it has all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LowLatency {
    /// The longest any part is to be. All but a segment's last are to be at least 85 % of it. Where
    /// a listed part is longer all the same, its length is written.
    pub part_target: Ticks,
    /// How far from the end players are to stay. Less than three parts is written as three.
    pub part_hold_back: Ticks,
    /// The segment that isn't complete yet: what stands before it, and its parts so far.
    pub unfinished: Option<(Opening, Vec<Part>)>,
    /// The address of the part that comes next, which may be asked for already.
    pub preload_hint: Option<String>,
    /// How far the stream's other playlists are.
    pub reports: Vec<RenditionReport>,
}

/// How far another playlist of the same stream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenditionReport {
    /// Its address, relative to this playlist's.
    pub uri: String,
    /// The number of the last segment that it lists, be it complete or not.
    pub last_msn: u64,
    /// The last part of that segment, counted from 0; `None` where none is listed.
    pub last_part: Option<u64>,
}

/// The version whose rules the text needs: initialization sections of ordinary playlists came with
/// 6, and 7 and 9 are what is usual with them and with low latency.
const VERSION: u32 = 7;
const LOW_LATENCY_VERSION: u32 = 9;

impl MediaPlaylist {
    /// What is written as the target duration, in seconds.
    pub fn target_duration(&self) -> u64 {
        let longest = self.segments.iter().map(|s| Seconds { from: s.start, to: s.end }.rounded());
        longest.max().unwrap_or(0).max(u64::from(self.target_duration_s)).max(1)
    }

    /// What is written as the longest part's duration; `None` where no parts are listed.
    pub fn part_target(&self) -> Option<Ticks> {
        let low = self.low_latency.as_ref()?;
        let unfinished = low.unfinished.iter().flat_map(|(_, parts)| parts);
        let all = self.segments.iter().flat_map(|segment| &segment.parts).chain(unfinished);
        let longest = all.map(|part| part.end - part.start).max();
        Some(low.part_target.max(longest.unwrap_or(Ticks::ZERO)))
    }

    fn write_head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = if self.low_latency.is_some() { LOW_LATENCY_VERSION } else { VERSION };
        let target = self.target_duration();
        writeln!(f, "#EXTM3U")?;
        writeln!(f, "#EXT-X-VERSION:{version}")?;
        writeln!(f, "#EXT-X-TARGETDURATION:{target}")?;
        if let (Some(low), Some(part)) = (&self.low_latency, self.part_target()) {
            let three = |of: Ticks| Ticks(of.0.saturating_mul(3));
            let part_hold_back = Seconds::from(low.part_hold_back.max(three(part)));
            let (hold_back, part) = (target * 3, Seconds::from(part));
            writeln!(
                f,
                "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={part_hold_back},\
                 HOLD-BACK={hold_back}.0"
            )?;
            writeln!(f, "#EXT-X-PART-INF:PART-TARGET={part}")?;
        }
        writeln!(f, "#EXT-X-MEDIA-SEQUENCE:{}", self.media_sequence)?;
        if self.discontinuity_sequence > 0 || self.openings().any(|o| o.discontinuity) {
            writeln!(f, "#EXT-X-DISCONTINUITY-SEQUENCE:{}", self.discontinuity_sequence)?;
        }
        if self.state == State::Complete {
            writeln!(f, "#EXT-X-PLAYLIST-TYPE:VOD")?;
        }
        Ok(())
    }

    fn openings(&self) -> impl Iterator<Item = &Opening> {
        let unfinished = self.low_latency.iter().flat_map(|low| &low.unfinished);
        self.segments.iter().map(|s| &s.opening).chain(unfinished.map(|(opening, _)| opening))
    }
}

impl fmt::Display for MediaPlaylist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_head(f)?;
        let mut map = None;
        for segment in &self.segments {
            segment.opening.write(f, &mut map)?;
            segment.parts.iter().try_for_each(|part| part.fmt(f))?;
            let lasts = Seconds { from: segment.start, to: segment.end };
            writeln!(f, "#EXTINF:{lasts},\n{}", Address(&segment.uri))?;
        }
        if let Some(low) = &self.low_latency {
            if let Some((opening, parts)) = &low.unfinished {
                opening.write(f, &mut map)?;
                parts.iter().try_for_each(|part| part.fmt(f))?;
            }
            if let Some(uri) = &low.preload_hint {
                writeln!(f, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{}\"", Address(uri))?;
            }
            low.reports.iter().try_for_each(|report| report.fmt(f))?;
        }
        if self.state != State::Live {
            writeln!(f, "#EXT-X-ENDLIST")?;
        }
        Ok(())
    }
}

impl Opening {
    /// `map` is the initialization section in force, which this may change.
    fn write<'a>(&'a self, f: &mut fmt::Formatter<'_>, map: &mut Option<&'a str>) -> fmt::Result {
        if self.discontinuity {
            writeln!(f, "#EXT-X-DISCONTINUITY")?;
        }
        let known = !self.gap && !self.map.is_empty();
        if known && (self.discontinuity || *map != Some(&self.map)) {
            writeln!(f, "#EXT-X-MAP:URI=\"{}\"", Address(&self.map))?;
            *map = Some(&self.map);
        } else if self.discontinuity {
            // What follows needs it again.
            *map = None;
        }
        if let Some(ms) = self.date_ms {
            writeln!(f, "#EXT-X-PROGRAM-DATE-TIME:{}", Date(ms))?;
        }
        if self.gap {
            writeln!(f, "#EXT-X-GAP")?;
        }
        Ok(())
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lasts = Seconds { from: self.start, to: self.end };
        let about = match (self.gap, self.independent) {
            (true, _) => ",GAP=YES",
            (false, true) => ",INDEPENDENT=YES",
            (false, false) => "",
        };
        writeln!(f, "#EXT-X-PART:DURATION={lasts},URI=\"{}\"{about}", Address(&self.uri))
    }
}

impl fmt::Display for RenditionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (uri, last_msn) = (Address(&self.uri), self.last_msn);
        write!(f, "#EXT-X-RENDITION-REPORT:URI=\"{uri}\",LAST-MSN={last_msn}")?;
        if let Some(part) = self.last_part {
            write!(f, ",LAST-PART={part}")?;
        }
        writeln!(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(number: i64, map: &str) -> Segment {
        Segment {
            uri: format!("{number}.m4s"),
            start: Ticks::from_millis(10_000 + 2000 * number),
            end: Ticks::from_millis(12_000 + 2000 * number),
            opening: Opening { map: map.to_owned(), ..Opening::default() },
            parts: vec![],
        }
    }

    fn playlist(segments: Vec<Segment>) -> MediaPlaylist {
        MediaPlaylist {
            state: State::Live,
            target_duration_s: 2,
            media_sequence: 5,
            discontinuity_sequence: 0,
            segments,
            low_latency: None,
        }
    }

    fn part(number: i64, part: i64) -> Part {
        let start = 10_000 + 2000 * number + 333 * part;
        Part {
            uri: format!("{number}.{part}.m4s"),
            start: Ticks::from_millis(start),
            end: Ticks::from_millis(start + 333),
            independent: part == 0,
            gap: false,
        }
    }

    fn lines(playlist: &MediaPlaylist) -> Vec<String> {
        playlist.to_string().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_new_initialization_section_is_written_where_it_changes() {
        let text = playlist(vec![segment(5, "a"), segment(6, "a"), segment(7, "b")]).to_string();
        let maps: Vec<_> = text.lines().filter(|line| line.starts_with("#EXT-X-MAP")).collect();
        assert_eq!(maps, ["#EXT-X-MAP:URI=\"a\"", "#EXT-X-MAP:URI=\"b\""]);
        let new_map = text.find("URI=\"b\"").unwrap();
        assert!(text.find("6.m4s").unwrap() < new_map && new_map < text.find("7.m4s").unwrap());
        assert!(!text.contains("DISCONTINUITY") && !text.contains("ENDLIST"));
    }

    #[test]
    fn a_discontinuity_stands_before_its_segment_and_repeats_the_map() {
        let mut after = segment(6, "a");
        after.opening.discontinuity = true;
        after.opening.date_ms = Some(0);
        let lines = lines(&playlist(vec![segment(5, "a"), after]));
        assert_eq!(
            lines[4..],
            [
                "#EXT-X-DISCONTINUITY-SEQUENCE:0",
                "#EXT-X-MAP:URI=\"a\"",
                "#EXTINF:2.000000,",
                "5.m4s",
                "#EXT-X-DISCONTINUITY",
                "#EXT-X-MAP:URI=\"a\"",
                "#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:00.000Z",
                "#EXTINF:2.000000,",
                "6.m4s",
            ]
        );
    }

    #[test]
    fn a_gap_has_no_map_and_what_follows_it_does() {
        let mut gap = segment(6, "");
        gap.opening.gap = true;
        let lines_after = |gap| lines(&playlist(vec![segment(5, "a"), gap, segment(7, "a")]));
        assert_eq!(
            lines_after(gap.clone())[7..],
            ["#EXT-X-GAP", "#EXTINF:2.000000,", "6.m4s", "#EXTINF:2.000000,", "7.m4s"]
        );
        gap.opening.discontinuity = true;
        let again = lines_after(gap);
        assert!(again.ends_with(&[
            "#EXT-X-MAP:URI=\"a\"".to_owned(),
            "#EXTINF:2.000000,".to_owned(),
            "7.m4s".to_owned()
        ]));
    }

    #[test]
    fn nothing_is_written_for_a_section_that_is_not_known() {
        let mut unfinished = Opening { discontinuity: true, ..Opening::default() };
        let mut text = |parts| {
            let low = LowLatency {
                part_target: Ticks::from_millis(333),
                part_hold_back: Ticks::from_millis(999),
                unfinished: Some((unfinished.clone(), parts)),
                preload_hint: None,
                reports: Vec::new(),
            };
            unfinished.map = "b".to_owned();
            lines(&MediaPlaylist { low_latency: Some(low), ..playlist(vec![segment(6, "a")]) })
        };
        let missing = Part { gap: true, ..part(7, 0) };
        assert_eq!(
            text(vec![missing.clone()])[10..],
            ["#EXT-X-DISCONTINUITY", "#EXT-X-PART:DURATION=0.333000,URI=\"7.0.m4s\",GAP=YES"]
        );
        assert_eq!(
            text(vec![missing, part(7, 1)])[10..],
            [
                "#EXT-X-DISCONTINUITY",
                "#EXT-X-MAP:URI=\"b\"",
                "#EXT-X-PART:DURATION=0.333000,URI=\"7.0.m4s\",GAP=YES",
                "#EXT-X-PART:DURATION=0.333000,URI=\"7.1.m4s\"",
            ]
        );
    }

    #[test]
    fn discontinuities_that_are_gone_are_counted() {
        let playlist = MediaPlaylist { discontinuity_sequence: 3, ..playlist(vec![]) };
        assert!(playlist.to_string().contains("#EXT-X-DISCONTINUITY-SEQUENCE:3\n"));
    }

    #[test]
    fn an_end_is_said() {
        let ended = MediaPlaylist { state: State::Ended, ..playlist(vec![segment(5, "a")]) };
        assert!(ended.to_string().ends_with("5.m4s\n#EXT-X-ENDLIST\n"));
        assert!(!ended.to_string().contains("PLAYLIST-TYPE"));
        let complete = MediaPlaylist { state: State::Complete, ..ended };
        assert!(complete.to_string().contains("#EXT-X-PLAYLIST-TYPE:VOD\n"));
        assert!(complete.to_string().ends_with("#EXT-X-ENDLIST\n"));
    }

    #[test]
    fn the_target_is_no_less_than_any_segment_rounded() {
        let of = |ms: i64| {
            let mut one = segment(0, "a");
            one.end = one.start + Ticks::from_millis(ms);
            playlist(vec![one]).target_duration()
        };
        assert_eq!((of(1000), of(2499), of(2500), of(7400)), (2, 2, 3, 7));
        assert_eq!(MediaPlaylist { target_duration_s: 0, ..playlist(vec![]) }.target_duration(), 1);
    }

    #[test]
    fn the_part_target_is_no_less_than_any_part() {
        let mut recent = segment(6, "a");
        recent.parts = vec![part(6, 0)];
        let mut late = part(7, 0);
        late.end = late.start + Ticks::from_millis(334);
        let low = LowLatency {
            part_target: Ticks::from_millis(333),
            part_hold_back: Ticks::from_millis(1_000),
            unfinished: Some((Opening::default(), vec![late])),
            preload_hint: None,
            reports: Vec::new(),
        };
        let mut playlist = MediaPlaylist { low_latency: Some(low), ..playlist(vec![recent]) };
        assert_eq!(playlist.part_target(), Some(Ticks::from_millis(334)));
        let text = playlist.to_string();
        assert!(text.contains("PART-HOLD-BACK=1.002000,"), "{text}");
        assert!(text.contains("PART-TARGET=0.334000\n"), "{text}");
        playlist.segments[0].parts[0].end = Ticks::from_millis(23_000);
        assert_eq!(playlist.part_target(), Some(Ticks::from_millis(1_000)));
        playlist.low_latency.as_mut().unwrap().unfinished = None;
        playlist.segments.clear();
        assert_eq!(playlist.part_target(), Some(Ticks::from_millis(333)));
        playlist.low_latency = None;
        assert_eq!(playlist.part_target(), None);
    }

    #[test]
    fn low_latency_adds_parts_hints_and_reports() {
        let mut recent = segment(6, "a");
        recent.parts = vec![part(6, 0), part(6, 1)];
        let unfinished = Opening { map: "b".to_owned(), ..Opening::default() };
        let low = LowLatency {
            part_target: Ticks::from_millis(333),
            part_hold_back: Ticks::from_millis(500),
            unfinished: Some((unfinished, vec![part(7, 0)])),
            preload_hint: Some("7.1.m4s".to_owned()),
            reports: vec![
                RenditionReport {
                    uri: "../b/live.m3u8".to_owned(),
                    last_msn: 7,
                    last_part: Some(0),
                },
                RenditionReport { uri: "../c/live.m3u8".to_owned(), last_msn: 6, last_part: None },
            ],
        };
        let playlist =
            MediaPlaylist { low_latency: Some(low), ..playlist(vec![segment(5, "a"), recent]) };
        assert_eq!(
            lines(&playlist),
            [
                "#EXTM3U",
                "#EXT-X-VERSION:9",
                "#EXT-X-TARGETDURATION:2",
                "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.999000,HOLD-BACK=6.0",
                "#EXT-X-PART-INF:PART-TARGET=0.333000",
                "#EXT-X-MEDIA-SEQUENCE:5",
                "#EXT-X-MAP:URI=\"a\"",
                "#EXTINF:2.000000,",
                "5.m4s",
                "#EXT-X-PART:DURATION=0.333000,URI=\"6.0.m4s\",INDEPENDENT=YES",
                "#EXT-X-PART:DURATION=0.333000,URI=\"6.1.m4s\"",
                "#EXTINF:2.000000,",
                "6.m4s",
                "#EXT-X-MAP:URI=\"b\"",
                "#EXT-X-PART:DURATION=0.333000,URI=\"7.0.m4s\",INDEPENDENT=YES",
                "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"7.1.m4s\"",
                "#EXT-X-RENDITION-REPORT:URI=\"../b/live.m3u8\",LAST-MSN=7,LAST-PART=0",
                "#EXT-X-RENDITION-REPORT:URI=\"../c/live.m3u8\",LAST-MSN=6",
            ]
        );
    }
}
