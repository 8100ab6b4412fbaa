//! Goal: what is published plays while it is published, over real HTTP, and is what was given.

use crate::common::clips::{path, run};
use crate::common::{PLAYBACK, SESSION, Server, Source, live, spec};
use std::process::{Command, Stdio};
use tessera_protocol::Generation;
use tessera_protocol::stream::SegmentNumber;
use tessera_protocol::stream::view::{HealthLevel, HealthNote, Latency};
use tessera_publish::{Library, LibraryOptions, OpenError, PublicationSpec, PublishError};

fn library(folder: &std::path::Path) -> Library {
    Library::open(folder, LibraryOptions::default()).unwrap()
}

#[test]
fn playlists_say_what_was_published() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path());
    let server = Server::start(&library);
    let source = Source::tiny();
    assert_eq!(server.get(&live("index.m3u8")).status, 404, "nobody sends");
    let publisher = library.begin(spec(Latency::Standard, false)).unwrap();
    for number in 0..2 {
        let report = publisher.segment(source.segment(number), || true).unwrap();
        assert_eq!(report.segment, SegmentNumber(number));
        assert_eq!(report.duration_ms, 480);
    }
    assert_eq!(publisher.next_segment(), SegmentNumber(2));
    assert_eq!(publisher.timeline_end(), Some(source.start(2)));

    let multivariant = server.get(&live("index.m3u8"));
    assert_eq!(multivariant.status, 200);
    assert_eq!(multivariant.header("content-type"), "application/vnd.apple.mpegurl");
    assert_eq!(multivariant.header("cache-control"), "no-store");
    assert_eq!(multivariant.header("access-control-allow-origin"), "*");
    let lines: Vec<_> = multivariant.text().lines().collect();
    assert_eq!(lines[2], "#EXT-X-INDEPENDENT-SEGMENTS");
    assert!(lines[3].ends_with("CHANNELS=\"1\",URI=\"sound.1/index.m3u8\""), "{}", lines[3]);
    assert!(lines[4].contains("RESOLUTION=320x180,FRAME-RATE=25.000"), "{}", lines[4]);
    assert!(lines[4].contains("mp4a.40.2\""), "{}", lines[4]);
    assert_eq!((lines[5], lines[7]), ("180p/index.m3u8", "96p/index.m3u8"));

    let media = server.get(&live("180p/index.m3u8"));
    let text = media.text();
    let map = text.lines().find(|line| line.starts_with("#EXT-X-MAP")).unwrap();
    let expected = format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n{map}\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-11-20T12:00:10.000Z\n#EXTINF:0.480000,\n{SESSION}/0.m4s\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-11-20T12:00:10.480Z\n#EXTINF:0.480000,\n{SESSION}/1.m4s\n"
    );
    assert_eq!(text, expected);

    let init = map.split('"').nth(1).unwrap();
    let init = server.get(&live(&format!("180p/{init}")));
    assert_eq!((init.status, init.header("content-type")), (200, "video/mp4"));
    assert_eq!(&init.body[4..8], b"ftyp");
    let segment = server.get(&live(&format!("sound.1/{SESSION}/1.m4s")));
    assert_eq!((segment.status, segment.header("content-type")), (200, "audio/mp4"));
    assert_eq!(&segment.body[4..8], b"moof");
    assert_eq!(segment.header("cache-control"), "public, max-age=86400, immutable");
    let head = server.ask("HEAD", &live(&format!("sound.1/{SESSION}/1.m4s")), &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), segment.body.len().to_string());
}

#[test]
fn ffmpeg_plays_a_stream_that_grows() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path());
    let server = Server::start(&library);
    let source = Source::encoded();
    let publisher = library.begin(spec(Latency::Standard, false)).unwrap();
    for number in 0..3 {
        publisher.segment(source.segment(number), || true).unwrap();
    }
    let out = folder.path().join("seen.nut");
    #[rustfmt::skip]
    let mut player = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-live_start_index", "0", "-i", &server.url(&live("index.m3u8"))])
        .args(["-map", "0:v:1", "-map", "0:a:0", "-c", "copy", "-flush_packets", "1", path(&out)])
        .stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // It reloads the playlist when it has read what is listed; the session goes on meanwhile.
    let read = || std::fs::metadata(&out).map_or(0, |about| about.len());
    while read() == 0 && player.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    for number in 3..8 {
        publisher.segment(source.segment(number), || true).unwrap();
    }
    publisher.end("the source left", 0).unwrap();
    let finished = player.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&finished.stderr).into_owned();
    assert!(finished.status.success() && said.is_empty(), "{said}");

    // Every packet of the second rendition and of the sound, none twice, none missing.
    let packets = |track| {
        let arguments = [
            "-v",
            "error",
            "-i",
            path(&out),
            "-map",
            track,
            "-c",
            "copy",
            "-copytb",
            "1",
            "-f",
            "data",
        ];
        run("ffmpeg", &[&arguments[..], &["-"]].concat())
    };
    let pictures: Vec<u8> =
        (0..8).flat_map(|number| source.pictures(1, number)).flat_map(|unit| unit.data).collect();
    assert!(packets("0:v") == pictures, "the pictures are not those that were published");
    let sound = source.sound(source.start(0), source.start(8));
    let sound: Vec<u8> = sound.units.into_iter().flat_map(|unit| unit.data).collect();
    assert!(packets("0:a") == sound, "the sound is not that which was published");
}

#[test]
fn the_source_stands_in_between_discontinuities() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path());
    let server = Server::start(&library);
    let source = Source::tiny();
    let publisher = library.begin(spec(Latency::Standard, false)).unwrap();
    publisher.segment(source.segment(0), || true).unwrap();
    let report = publisher.segment(source.stand_in(1), || true).unwrap();
    assert_eq!(report.receipt, None);
    publisher.segment(source.segment(2), || true).unwrap();
    for track in ["180p", "96p"] {
        let text = server.get(&live(&format!("{track}/index.m3u8"))).text().to_owned();
        let plain: Vec<_> =
            text.lines().filter(|l| !l.contains("DATE-TIME") && !l.contains("EXTINF")).collect();
        let (maps, others): (Vec<&str>, Vec<&str>) =
            plain[5..].iter().copied().partition(|line: &&str| line.starts_with("#EXT-X-MAP"));
        assert_eq!(
            others,
            [
                &format!("{SESSION}/0.m4s"),
                "#EXT-X-DISCONTINUITY",
                &format!("../source.1/{SESSION}/1.m4s"),
                "#EXT-X-DISCONTINUITY",
                &format!("{SESSION}/2.m4s"),
            ]
        );
        assert_eq!(maps.len(), 3, "{text}");
        assert_eq!(maps[0], maps[2]);
        assert!(maps[1].contains("../source.1/") && maps[0] != maps[1]);
    }
    let sound = server.get(&live("sound.1/index.m3u8"));
    assert_eq!(sound.text().matches("#EXT-X-DISCONTINUITY\n").count(), 2);
    let stood_in = server.get(&live(&format!("source.1/{SESSION}/1.m4s")));
    assert_eq!(stood_in.status, 200);
    let rendition = server.get(&live(&format!("180p/{SESSION}/1.m4s")));
    assert_eq!(rendition.status, 404, "there is no such rendition of this segment");
}

#[test]
fn the_fence_stops_what_would_be_listed() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path());
    let server = Server::start(&library);
    let source = Source::tiny();
    let publisher = library.begin(spec(Latency::Standard, false)).unwrap();
    publisher.segment(source.segment(0), || true).unwrap();
    let before = server.get(&live("180p/index.m3u8"));

    let fenced = publisher.segment(source.segment(1), || false);
    assert!(matches!(fenced, Err(PublishError::Fenced(SegmentNumber(1)))));
    assert_eq!(publisher.next_segment(), SegmentNumber(1), "nothing was written");
    // The lease ends between the journal and the listing.
    let asked = std::cell::Cell::new(0);
    let fenced = publisher.segment(source.segment(1), || asked.replace(asked.get() + 1) == 0);
    assert!(matches!(fenced, Err(PublishError::Fenced(SegmentNumber(1)))));
    assert_eq!(server.get(&live("180p/index.m3u8")).text(), before.text());
    assert_eq!(publisher.unreported(9).len(), 1);
    let late = publisher.segment(source.segment(1), || true);
    assert!(matches!(late, Err(PublishError::Number { next: SegmentNumber(2), .. })), "{late:?}");

    // It stays withdrawn after a restart.
    drop((publisher, server));
    let library = Library::open(folder.path(), LibraryOptions::default()).unwrap();
    let publisher = library.reopen(SESSION).unwrap();
    assert_eq!(publisher.unreported(9).len(), 1);
    assert_eq!(publisher.next_segment(), SegmentNumber(2));
}

#[test]
fn what_is_not_there_is_refused_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "the secret").unwrap();
    let library = library(folder.path());
    let server = Server::start(&library);
    let source = Source::tiny();
    let publisher = library.begin(spec(Latency::Standard, false)).unwrap();
    publisher.segment(source.segment(0), || true).unwrap();
    let other = "00".repeat(16);
    for path in [
        format!("/live/{other}/index.m3u8"),
        format!("/live/{other}/180p/{SESSION}/0.m4s"),
        live(&format!("180p/{other}/0.m4s")),
        live("1080p/index.m3u8"),
        live(&format!("180p/{SESSION}/1.m4s")),
        live(&format!("180p/{SESSION}/0.0.m4s")),
        live(&format!("180p/{SESSION}/journal-1")),
        live(&format!("180p/{SESSION}/..%2Fjournal-1")),
        live(&format!("180p/{SESSION}/%2e%2e")),
        live("180p/../../secret/index.m3u8"),
        live("..%2f..%2fsecret/index.m3u8"),
        live(&format!("..%2f/{SESSION}/0.m4s")),
        live(&format!("180p/..%2f{SESSION}/0.m4s")),
        live("thumbnail.jpg"),
        "/live/..%2f/index.m3u8".to_owned(),
        "/live/%00/index.m3u8".to_owned(),
        format!("/recordings/{SESSION}/index.m3u8"),
        format!("/recordings/{SESSION}/..%2f..%2fsecret"),
        "/recordings/..%2f/secret".to_owned(),
        "/recordings/../secret".to_owned(),
        format!("/watch/{other}"),
        "/watch/..".to_owned(),
    ] {
        let answer = server.get(&path);
        assert_eq!(answer.status, 404, "{path}");
        let body = String::from_utf8_lossy(&answer.body);
        assert!(!body.contains("secret") && !body.contains("moof"), "{path}: {body}");
    }
    let refused = server.get(&live("1080p/index.m3u8"));
    assert!(refused.text().starts_with("There is nothing here."));
    assert_eq!(server.ask("POST", &live("index.m3u8"), &[]).status, 405);
    let preflight = server.ask("OPTIONS", &live("180p/index.m3u8"), &[]);
    assert_eq!((preflight.status, preflight.header("access-control-allow-headers")), (204, "*"));
    assert_eq!(server.ask("HEAD", &live("index.m3u8"), &[]).status, 200);
}

#[test]
fn sources_may_push_to_the_paths_that_viewers_read() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path());
    let push = axum::routing::put(async || "pushed");
    let pushed = axum::Router::new().route("/live/{key}/{file}", push);
    let server = Server::serve(library.router().merge(pushed));
    let publisher = library.begin(spec(Latency::Standard, false)).unwrap();
    publisher.segment(Source::tiny().segment(0), || true).unwrap();
    assert_eq!(server.ask("PUT", &live("index.m3u8"), &[("Content-Length", "0")]).text(), "pushed");
    let playlist = server.get(&live("index.m3u8"));
    assert!(playlist.text().starts_with("#EXTM3U"));
    assert_eq!(playlist.header("access-control-allow-origin"), "*");
    assert_eq!(server.ask("OPTIONS", &live("index.m3u8"), &[]).status, 204);
}

#[test]
fn the_page_says_what_plays_and_how_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path());
    let server = Server::start(&library);
    let publisher = library.begin(spec(Latency::Low, false)).unwrap();
    publisher.health(&[HealthNote {
        code: "keyframe-interval-long".to_owned(),
        level: HealthLevel::Warning,
        text: "A keyframe every 10 s: latency cannot fall below that.".to_owned(),
    }]);
    publisher.thumbnail(bytes::Bytes::from_static(b"a picture"));
    let page = server.get(&format!("/watch/{PLAYBACK}"));
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let html = page.text();
    assert!(html.contains("<h1>Birds &#38; &#60;bees&#62;</h1>"), "{html}");
    assert!(html.contains("Low latency") && html.contains("every 10 s"));
    assert!(html.contains(&format!("data-playlist=\"../live/{PLAYBACK}/index.m3u8\"")));
    assert!(!html.contains('{') || !html.contains("{id}"), "{html}");
    assert_eq!(
        server.get("/watch/player.js").header("content-type"),
        "text/javascript; charset=utf-8"
    );
    let picture = server.get(&live("thumbnail.jpg"));
    assert_eq!((picture.header("content-type"), picture.text()), ("image/jpeg", "a picture"));
}

#[test]
fn a_viewer_who_is_early_waits_for_the_first_segment() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path());
    let server = Server::start(&library);
    let source = Source::tiny();
    let publisher = library.begin(spec(Latency::Standard, false)).unwrap();
    std::thread::scope(|threads| {
        let early = threads.spawn(|| server.get(&live("index.m3u8")));
        while library.waiting() == 0 {
            std::thread::yield_now();
        }
        publisher.segment(source.segment(0), || true).unwrap();
        assert_eq!(early.join().unwrap().status, 200);
    });
}

#[test]
fn a_session_is_published_by_one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path());
    let publisher = library.begin(spec(Latency::Standard, false)).unwrap();
    let busy = library.begin(spec(Latency::Standard, false));
    assert!(matches!(busy, Err(OpenError::Busy(SESSION))));
    drop(publisher);
    let older = PublicationSpec { generation: Generation(2), ..spec(Latency::Standard, false) };
    let refused = library.begin(older);
    assert!(matches!(refused, Err(OpenError::Generation { known: Generation(3), .. })));
    let newer = PublicationSpec { generation: Generation(4), ..spec(Latency::Standard, false) };
    let publisher = library.begin(newer).unwrap();
    let old = publisher.segment(Source::tiny().segment(0), || true);
    assert!(matches!(old, Err(PublishError::Generation { own: Generation(4), .. })));
    publisher.end("the source left", 0).unwrap();
    drop(publisher);
    let over = library.begin(spec(Latency::Standard, false));
    assert!(matches!(over, Err(OpenError::Ended(SESSION))));
}
