//! Goal: a session that was kept plays from end to end and seeks, and its frames are those that were
//! published.

use crate::common::clips::{frames, hashes, packets, path, run};
use crate::common::{SESSION, Server, Source, names, spec};
use std::path::Path;
use tessera_media::Ticks;
use tessera_protocol::stream::view::Latency;
use tessera_publish::{Library, LibraryOptions};

const SEGMENTS: u64 = 6;

fn open(folder: &Path) -> Library {
    let public_url = "http://gateway.example".to_owned();
    Library::open(folder, LibraryOptions { public_url, ..LibraryOptions::default() }).unwrap()
}

/// Publishes a session whose fourth segment is the source's own.
fn session(library: &Library, source: &Source) -> tessera_publish::Publisher {
    let publisher = library.begin(spec(Latency::Standard, true)).unwrap();
    for number in 0..SEGMENTS {
        let segment = if number == 3 { source.stand_in(number) } else { source.segment(number) };
        publisher.segment(segment, || true).unwrap();
    }
    publisher.end("the source left", 0).unwrap();
    publisher
}

#[test]
fn a_recording_plays_seeks_and_shows_what_was_published() {
    let folder = tempfile::tempdir().unwrap();
    let library = open(folder.path());
    let source = Source::encoded();
    let publisher = session(&library, &source);
    let server = Server::start(&library);
    let at = |name: &str| format!("/recordings/{SESSION}/{name}");
    assert_eq!(server.get(&at("index.m3u8")).status, 404, "it is not complete yet");
    let recording = publisher.finish_recording().unwrap().unwrap();
    assert_eq!(recording.playlist_url, format!("http://gateway.example{}", at("index.m3u8")));
    assert_eq!(recording.mp4_url, format!("http://gateway.example{}", at("180p.mp4")));
    assert_eq!(recording.duration_ms, SEGMENTS * 480);
    assert_eq!(publisher.finish_recording().unwrap(), Some(recording));

    let units: Vec<_> = (0..SEGMENTS).flat_map(|number| source.pictures(0, number)).collect();
    let file = folder.path().join(SESSION.to_string()).join("180p.mp4");
    let http = server.url(&at("180p.mp4"));
    let shown = frames(&file, "0:v");
    assert_eq!(shown.len(), units.len());
    // Over HTTP, by the playlist: the same pictures, the same sound.
    let playlist = server.url(&at("index.m3u8"));
    let over_http = |track: &str| packets(Path::new(&playlist), track);
    assert_eq!(hashes(&over_http("0:a")), hashes(&packets(&file, "0:a")));
    let data = |input: &str, track| {
        let arguments =
            ["-v", "error", "-i", input, "-map", track, "-c", "copy", "-copytb", "1", "-f", "data"];
        run("ffmpeg", &[&arguments[..], &["-"]].concat())
    };
    let published: Vec<u8> = units.iter().flat_map(|unit| unit.data.to_vec()).collect();
    assert!(data(&playlist, "0:v:0") == published, "the playlist shows something else");
    assert!(data(path(&file), "0:v") == published, "the MP4 shows something else");

    // To a frame in the midst of a segment, by ranges of HTTP.
    let mut in_order: Vec<_> = units.iter().map(|unit| unit.pts).collect();
    in_order.sort();
    for frame in [5, 29, 61] {
        let since = in_order[frame] - in_order[0] - Ticks(1800);
        #[rustfmt::skip]
        let seen = run("ffmpeg", &[
            "-v", "error", "-ss", &since.seconds().to_string(), "-i", &http, "-map", "0:v",
            "-frames:v", "1", "-f", "framemd5", "-",
        ]);
        let seen = String::from_utf8(seen).unwrap();
        assert!(seen.trim_end().ends_with(&shown[frame].1), "frame {frame}: {seen}");
    }

    // Ranges as HTTP has them.
    let whole = server.get(&at("180p.mp4"));
    let part = server.ask("GET", &at("180p.mp4"), &[("Range", "bytes=10-19")]);
    assert_eq!((part.status, &part.body[..]), (206, &whole.body[10..20]));
    assert_eq!(part.header("content-range"), format!("bytes 10-19/{}", whole.body.len()));
    let beyond = server.ask("GET", &at("180p.mp4"), &[("Range", "bytes=999999999-")]);
    assert_eq!(beyond.status, 416);
    let known = server.ask("GET", &at("180p.mp4"), &[("If-None-Match", whole.header("etag"))]);
    assert_eq!((known.status, known.body.len()), (304, 0));
}

#[test]
fn a_recording_outlives_restarts_and_collection() {
    let folder = tempfile::tempdir().unwrap();
    let source = Source::tiny();
    let library = open(folder.path());
    drop(session(&library, &source));
    drop(library);
    // Killed before the recording was made: it is made after the restart.
    let library = open(folder.path());
    assert_eq!(library.unfinished(), [SESSION]);
    let publisher = library.reopen(SESSION).unwrap();
    publisher.finish_recording().unwrap().unwrap();
    let reported: Vec<_> = publisher.unreported(99).iter().map(|r| r.segment).collect();
    publisher.mark_reported(&reported).unwrap();
    drop(publisher);
    drop(library);
    // Killed before the master knew.
    let library = open(folder.path());
    assert_eq!(library.unfinished(), [SESSION]);
    let publisher = library.reopen(SESSION).unwrap();
    assert!(publisher.finish_recording().unwrap().is_some());
    publisher.settle().unwrap();
    drop(publisher);
    assert_eq!(library.unfinished(), []);
    assert_eq!(library.collect(i64::MAX).unwrap(), 1);
    drop(library);

    let library = open(folder.path());
    assert_eq!(library.unfinished(), []);
    let server = Server::start(&library);
    let get = |name: &str| server.get(&format!("/recordings/{SESSION}/{name}"));
    for playlist in ["180p.media.m3u8", "96p.media.m3u8", "sound.1.media.m3u8"] {
        let text = get(playlist).text().to_owned();
        assert!(text.contains("#EXT-X-PLAYLIST-TYPE:VOD") && text.ends_with("#EXT-X-ENDLIST\n"));
        let media: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(media.len(), SEGMENTS as usize);
        for name in media {
            let segment = get(name);
            assert_eq!((segment.status, &segment.body[4..8]), (200, &b"moof"[..]), "{name}");
        }
        let map = text.lines().find(|line| line.starts_with("#EXT-X-MAP")).unwrap();
        assert_eq!(get(map.split('"').nth(1).unwrap()).status, 200);
    }
    assert_eq!(get("180p.mp4").status, 200);
    for nothing in ["96p.mp4", "journal-1", "7.m4s", "0.0-99999999.m4s", "9.0-1.m4s"] {
        assert_eq!(get(nothing).status, 404, "{nothing}");
    }
}

#[test]
fn what_is_not_recorded_is_collected() {
    let folder = tempfile::tempdir().unwrap();
    let source = Source::tiny();
    let library = open(folder.path());
    let publisher = library.begin(spec(Latency::Standard, false)).unwrap();
    publisher.segment(source.segment(0), || true).unwrap();
    publisher.end("the source left", 1_000).unwrap();
    assert_eq!(publisher.finish_recording().unwrap(), None);
    assert_eq!(library.collect(i64::MAX).unwrap(), 0, "the master knows nothing yet");
    publisher.mark_reported(&[tessera_protocol::stream::SegmentNumber(0)]).unwrap();
    publisher.settle().unwrap();
    assert_eq!(library.collect(i64::MAX).unwrap(), 0, "a publisher is in use");
    drop(publisher);
    assert_eq!(library.collect(600_999).unwrap(), 0, "it ended a moment ago");
    assert_eq!(library.collect(601_000).unwrap(), 1);
    assert_eq!(names(folder.path()), Vec::<String>::new());
}
