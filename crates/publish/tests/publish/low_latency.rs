//! Goal: parts are listed as they come, players that wait for one are answered when it is there, and
//! a segment is the same whether it came in parts or at once.

use crate::common::clips::run;
use crate::common::{SESSION, Server, Source, live, spec};
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use tessera_media::Ticks;
use tessera_protocol::stream::SegmentNumber;
use tessera_protocol::stream::view::Latency;
use tessera_publish::track::Track;
use tessera_publish::{Library, LibraryOptions, Pictures, PublishError, Publisher};

fn open(folder: &Path) -> (Library, Server, Arc<Publisher>) {
    let options = LibraryOptions { max_waiting: 2, ..LibraryOptions::default() };
    let library = Library::open(folder, options).unwrap();
    let server = Server::start(&library);
    let publisher = library.begin(spec(Latency::Low, false)).unwrap();
    (library, server, Arc::new(publisher))
}

/// A playlist's lines from the first that ends so, without dates.
fn lines_from(server: &Server, track: &str, end: &str) -> Vec<String> {
    let text = server.get(&live(&format!("{track}/index.m3u8"))).text().to_owned();
    let lines: Vec<_> = text.lines().filter(|line| !line.contains("DATE-TIME")).collect();
    let from = lines.iter().position(|line| line.ends_with(end)).expect(&text);
    lines[from..].iter().map(|&line| line.to_owned()).collect()
}

/// Those of them that list parts: how long each is, which it is, and what is said of it.
fn parts_in(lines: &[String]) -> Vec<String> {
    let parts = lines.iter().filter_map(|line| line.strip_prefix("#EXT-X-PART:DURATION="));
    parts.map(|part| part.replace(&format!("URI=\"{SESSION}/"), "").replace(".m4s\"", "")).collect()
}

fn whole(publisher: &Publisher, source: &Source, number: u64) {
    for part in source.parts(number) {
        publisher.part(part, || true).unwrap();
    }
    publisher.segment(source.after_parts(number), || true).unwrap();
}

#[test]
fn parts_are_listed_as_they_come() {
    let folder = tempfile::tempdir().unwrap();
    let (_library, server, publisher) = open(folder.path());
    let source = Source::tiny();
    whole(&publisher, &source, 0);
    let [first, second, _] = source.parts(1).try_into().unwrap();
    publisher.part(first, || true).unwrap();
    publisher.part(second, || true).unwrap();

    let text = server.get(&live("180p/index.m3u8")).text().to_owned();
    let map = text.lines().find(|line| line.starts_with("#EXT-X-MAP")).unwrap();
    let part = |name: &str, independent: &str| {
        format!("#EXT-X-PART:DURATION=0.160000,URI=\"{SESSION}/{name}.m4s\"{independent}\n")
    };
    let expected = [
        "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n\
         #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.050000,HOLD-BACK=6.0\n\
         #EXT-X-PART-INF:PART-TARGET=0.350000\n#EXT-X-MEDIA-SEQUENCE:0\n",
        &format!("{map}\n#EXT-X-PROGRAM-DATE-TIME:2026-11-20T12:00:10.000Z\n"),
        &part("0.0", ",INDEPENDENT=YES"),
        &part("0.1", ""),
        &part("0.2", ""),
        &format!("#EXTINF:0.480000,\n{SESSION}/0.m4s\n"),
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-20T12:00:10.480Z\n",
        &part("1.0", ",INDEPENDENT=YES"),
        &part("1.1", ""),
        &format!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{SESSION}/1.2.m4s\"\n"),
        "#EXT-X-RENDITION-REPORT:URI=\"../96p/index.m3u8\",LAST-MSN=1,LAST-PART=1\n",
        "#EXT-X-RENDITION-REPORT:URI=\"../sound.1/index.m3u8\",LAST-MSN=1,LAST-PART=1\n",
    ];
    assert_eq!(text, expected.concat());

    // A part is the same from memory as from the disk, and the segment is its parts.
    let media = |name: &str| server.get(&live(&format!("180p/{SESSION}/{name}"))).body;
    let listed = [media("1.0.m4s"), media("1.1.m4s")];
    publisher.part(source.parts(1).swap_remove(2), || true).unwrap();
    publisher.segment(source.after_parts(1), || true).unwrap();
    assert_eq!([media("1.0.m4s"), media("1.1.m4s")], listed);
    assert_eq!(media("1.m4s"), [&listed[0][..], &listed[1], &media("1.2.m4s")].concat());
    assert_eq!(server.get(&live(&format!("180p/{SESSION}/1.3.m4s"))).status, 404);
}

#[test]
fn a_player_that_waits_is_answered_when_the_part_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (library, server, publisher) = open(folder.path());
    let source = Source::tiny();
    whole(&publisher, &source, 0);
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::scope(|threads| {
        for (who, path) in [
            ("playlist", live("96p/index.m3u8?_HLS_msn=1&_HLS_part=1")),
            ("part", live(&format!("96p/{SESSION}/1.0.m4s"))),
        ] {
            let (server, tell) = (&server, tell.clone());
            threads.spawn(move || tell.send((who, server.get(&path))).unwrap());
        }
        // Both hold a place; a third player finds none, and is told to come back.
        while library.waiting() < 2 {
            std::thread::yield_now();
        }
        let refused = server.get(&live("96p/index.m3u8?_HLS_msn=1"));
        assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
        assert!(told.try_recv().is_err(), "nothing was published yet");
        let [first, second, _] = source.parts(1).try_into().unwrap();
        publisher.part(first, || true).unwrap();
        let (who, part) = told.recv().unwrap();
        assert_eq!((who, part.status), ("part", 200));
        assert_eq!(&part.body[4..8], b"moof");
        assert!(told.try_recv().is_err(), "the playlist's part is not there yet");
        publisher.part(second, || true).unwrap();
        let (who, playlist) = told.recv().unwrap();
        assert_eq!((who, playlist.status), ("playlist", 200));
        assert!(playlist.text().contains("/1.1.m4s\"\n#EXT-X-PRELOAD-HINT"));
    });
    let at_once = server.get(&live("96p/index.m3u8?_HLS_msn=1&_HLS_part=0"));
    assert_eq!(at_once.status, 200);
    assert_eq!(server.get(&live("96p/index.m3u8?_HLS_msn=9")).status, 400);
    assert_eq!(server.get(&live("96p/index.m3u8?_HLS_part=1")).status, 400);
    assert_eq!(server.get(&live(&format!("96p/{SESSION}/1.7.m4s"))).status, 404);
    // The end answers everybody.
    publisher.end("the source left", 0).unwrap();
    let ended = server.get(&live("96p/index.m3u8?_HLS_msn=3"));
    assert!(ended.text().ends_with("#EXT-X-ENDLIST\n"));
    assert!(!ended.text().contains("PRELOAD-HINT"));
}

#[test]
fn ffmpeg_plays_what_came_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let (_library, server, publisher) = open(folder.path());
    let source = Source::encoded();
    for number in 0..3 {
        whole(&publisher, &source, number);
    }
    publisher.end("the source left", 0).unwrap();
    let url = server.url(&live("index.m3u8"));
    let from = ["-v", "error", "-live_start_index", "0", "-i", &url];
    let seen =
        run("ffmpeg", &[&from[..], &["-map", "0:v:0", "-c", "copy", "-f", "data", "-"]].concat());
    let published: Vec<u8> =
        (0..3).flat_map(|number| source.pictures(0, number)).flat_map(|unit| unit.data).collect();
    assert!(seen == published);
}

#[test]
fn what_does_not_fit_the_segment_under_way_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (_library, _server, publisher) = open(folder.path());
    let source = Source::tiny();
    let [first, second, _] = source.parts(0).try_into().unwrap();
    let early = publisher.part(second.clone(), || true);
    assert!(matches!(early, Err(PublishError::Part { given: 1, expected: 0, .. })));
    let fenced = publisher.part(first.clone(), || false);
    assert!(matches!(fenced, Err(PublishError::Fenced(SegmentNumber(0)))));
    assert_eq!(publisher.next_segment(), SegmentNumber(0));
    publisher.part(first.clone(), || true).unwrap();
    let again = publisher.part(first, || true);
    assert!(matches!(again, Err(PublishError::Part { given: 0, expected: 1, .. })));
    let mut changed = second;
    let Pictures::Renditions(renditions) = &mut changed.pictures else { unreachable!() };
    renditions[0].1.width += 2;
    let refused = publisher.part(changed, || true);
    assert!(matches!(refused, Err(PublishError::FormatChanged(SegmentNumber(0)))));
}

#[test]
fn a_segment_that_is_cut_short_keeps_what_was_listed() {
    let folder = tempfile::tempdir().unwrap();
    let (library, server, publisher) = open(folder.path());
    let source = Source::tiny();
    whole(&publisher, &source, 0);
    let [first, second, _] = source.parts(1).try_into().unwrap();
    publisher.part(first, || true).unwrap();
    publisher.part(second, || true).unwrap();
    let media =
        |server: &Server, name: &str| server.get(&live(&format!("96p/{SESSION}/{name}"))).body;
    let listed = [media(&server, "1.0.m4s"), media(&server, "1.1.m4s")];
    // The process is killed: nothing is told to the publisher any more.
    std::mem::forget(publisher);
    drop((library, server));

    let library = Library::open(folder.path(), LibraryOptions::default()).unwrap();
    let server = Server::start(&library);
    assert_eq!([media(&server, "1.0.m4s"), media(&server, "1.1.m4s")], listed);
    let publisher = library.begin(spec(Latency::Low, false)).unwrap();
    assert_eq!(publisher.next_segment(), SegmentNumber(2));
    assert_eq!(publisher.timeline_end(), Some(source.start(1) + Ticks(2 * 4 * 3600)));
    let unreported = publisher.unreported(9);
    assert_eq!(unreported[1].duration_ms, 320);
    assert_eq!(unreported[1].receipt, None);
    // The next one goes on behind a discontinuity, in the next place.
    publisher.part(source.parts(2).swap_remove(0), || true).unwrap();
    let text = publisher.playlist(&Track::Sound).unwrap();
    let text = std::str::from_utf8(&text).unwrap();
    let end = text.find("/1.m4s").unwrap();
    let rest = &text[end..];
    assert!(rest.find("#EXT-X-DISCONTINUITY\n").unwrap() < rest.find("/2.0.m4s").unwrap());
    assert!(server.get(&live("96p/index.m3u8?_HLS_msn=2&_HLS_part=0")).status == 200);
}

#[test]
fn a_part_that_the_fence_stops_while_it_is_written_is_never_listed() {
    let folder = tempfile::tempdir().unwrap();
    let (library, server, publisher) = open(folder.path());
    let source = Source::tiny();
    whole(&publisher, &source, 0);
    let before = server.get(&live("96p/index.m3u8")).text().to_owned();
    let media = |name: &str| server.get(&live(&format!("96p/{SESSION}/{name}"))).status;
    for index in 0..2 {
        // The lease ends between the first question and the second.
        let part = source.parts(1).swap_remove(index);
        let asked = Cell::new(0);
        let fenced = publisher.part(part.clone(), || asked.replace(asked.get() + 1) == 0);
        assert!(matches!(fenced, Err(PublishError::Fenced(SegmentNumber(1)))), "{fenced:?}");
        let text = server.get(&live("96p/index.m3u8")).text().to_owned();
        let listed = parts_in(&lines_from(&server, "96p", "/0.m4s"));
        assert_eq!(listed.len(), index, "{text}");
        assert!(index > 0 || text == before, "{text}");
        // It can be given again, in its place.
        if index == 0 {
            assert_eq!(publisher.next_segment(), SegmentNumber(2), "the number is used");
            publisher.part(part, || true).unwrap();
            assert_eq!(media("1.0.m4s"), 200);
        }
    }
    let nothing = publisher.segment(source.after_parts(2), || true);
    assert!(matches!(nothing, Err(PublishError::Part { segment: SegmentNumber(2), .. })));
    let text = server.get(&live("96p/index.m3u8")).text().to_owned();
    assert!(!text.contains("#EXT-X-GAP"), "its place was used twice: {text}");

    // A killed process's successor finds the part that was listed, and not the other.
    std::mem::forget(publisher);
    drop((library, server));
    let library = Library::open(folder.path(), LibraryOptions::default()).unwrap();
    let publisher = library.reopen(SESSION).unwrap();
    assert_eq!(publisher.timeline_end(), Some(source.start(1) + Ticks(4 * 3600)));
}

#[test]
fn a_segment_of_which_no_part_was_listed_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (_library, server, publisher) = open(folder.path());
    let source = Source::tiny();
    whole(&publisher, &source, 0);
    let asked = Cell::new(0);
    let first = source.parts(1).swap_remove(0);
    assert!(publisher.part(first, || asked.replace(asked.get() + 1) == 0).is_err());
    let none = publisher.segment(source.after_parts(1), || true);
    assert!(matches!(none, Err(PublishError::Part { segment: SegmentNumber(1), .. })));
    whole(&publisher, &source, 2);
    let rest = lines_from(&server, "180p", "/0.m4s");
    // Its number and its place are used up.
    assert_eq!(rest[1..4], ["#EXT-X-GAP", "#EXTINF:0.480000,", &format!("{SESSION}/1.m4s")]);
    assert_eq!(parts_in(&rest).len(), 3);
}

#[test]
fn no_part_is_longer_than_its_playlist_says() {
    let folder = tempfile::tempdir().unwrap();
    let (_library, server, publisher) = open(folder.path());
    let source = Source::tiny();
    let promised = |track: &str| {
        let text = server.get(&live(&format!("{track}/index.m3u8"))).text().to_owned();
        let lines = text.lines().filter(|line| line.contains("PART-"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let control = "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES";
    let usual = [
        format!("{control},PART-HOLD-BACK=1.050000,HOLD-BACK=6.0"),
        "#EXT-X-PART-INF:PART-TARGET=0.350000".to_owned(),
    ];
    whole(&publisher, &source, 0);
    assert_eq!(promised("180p"), usual);
    // The source stops for a second: a picture lasts that long, and cannot be divided.
    let [mut first, ..] = <[_; 3]>::try_from(source.parts(1)).unwrap();
    first.duration = first.duration + Ticks::from_millis(1_000);
    let mut end = source.after_parts(1);
    end.duration = first.duration;
    publisher.part(first, || true).unwrap();
    let longer = [
        format!("{control},PART-HOLD-BACK=3.480000,HOLD-BACK=6.0"),
        "#EXT-X-PART-INF:PART-TARGET=1.160000".to_owned(),
    ];
    for track in ["180p", "96p", "sound.1"] {
        assert_eq!(promised(track), longer);
        assert_eq!(parts_in(&lines_from(&server, track, "/0.m4s")).len(), 1);
    }
    publisher.segment(end, || true).unwrap();
    assert_eq!(promised("180p"), longer);
    // It is said as long as the part is listed: for three target durations.
    for number in 4..17 {
        whole(&publisher, &source, number);
    }
    assert_eq!(parts_in(&lines_from(&server, "96p", "/0.m4s")).len(), 36);
    assert_eq!(promised("96p"), usual);
}

#[test]
fn a_part_without_a_picture_of_a_rendition_is_not_in_its_playlist() {
    let folder = tempfile::tempdir().unwrap();
    let (library, server, publisher) = open(folder.path());
    let source = Source::tiny();
    whole(&publisher, &source, 0);
    let mut parts = source.parts(1);
    let Pictures::Renditions(renditions) = &mut parts[2].pictures else { unreachable!() };
    renditions[1].2.clear();
    let slow = ["0.160000,1.0,INDEPENDENT=YES", "0.160000,1.1"];
    std::thread::scope(|threads| {
        for part in parts {
            publisher.part(part, || true).unwrap();
        }
        let lines = lines_from(&server, "96p", "/0.m4s");
        assert_eq!(parts_in(&lines), slow);
        assert_eq!(parts_in(&lines_from(&server, "180p", "/0.m4s")).len(), 3);
        // Each playlist counts its own parts, and says so of the other.
        assert!(
            lines.contains(&format!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{SESSION}/1.3.m4s\""))
        );
        let report = |track: &str, part| {
            let uri = format!("URI=\"../{track}/index.m3u8\"");
            format!("#EXT-X-RENDITION-REPORT:{uri},LAST-MSN=1,LAST-PART={part}")
        };
        assert!(lines.contains(&report("180p", 2)), "{lines:?}");
        let others = lines_from(&server, "180p", "/0.m4s");
        assert!(others.contains(&report("96p", 1)), "{others:?}");
        // Whoever waits for its third part gets the next segment's first.
        let waits = threads.spawn(|| server.get(&live("96p/index.m3u8?_HLS_msn=1&_HLS_part=2")));
        while library.waiting() == 0 && !waits.is_finished() {
            std::thread::yield_now();
        }
        publisher.segment(source.after_parts(1), || true).unwrap();
        publisher.part(source.parts(2).swap_remove(0), || true).unwrap();
        let answer = waits.join().unwrap();
        assert!(answer.text().contains("/2.0.m4s\",INDEPENDENT=YES\n"), "{}", answer.text());
    });
    let lines = lines_from(&server, "96p", "/0.m4s");
    assert_eq!(parts_in(&lines)[..2], slow);
    assert_eq!(server.get(&live(&format!("96p/{SESSION}/1.2.m4s"))).status, 404);
    assert!(!lines.iter().any(|line| line.contains("GAP")), "{lines:?}");
}

#[test]
fn parts_without_sound_keep_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let (_library, server, publisher) = open(folder.path());
    let source = Source::tiny();
    whole(&publisher, &source, 0);
    let map = lines_from(&server, "sound.1", ".mp4\"")[0].clone();
    // The source comes back, and its sound a little later; then it stops.
    let mut parts = source.parts(1);
    (parts[0].sound, parts[2].sound) = (None, None);
    let independent = "0.160000,1.1,INDEPENDENT=YES";
    let expected = ["0.160000,1.0,GAP=YES", independent, "0.160000,1.2,GAP=YES"];
    for (index, part) in parts.into_iter().enumerate() {
        publisher.part(part, || true).unwrap();
        let listed = lines_from(&server, "sound.1", "/0.m4s");
        assert_eq!(parts_in(&listed), expected[..=index]);
        // What is said before the first part stays as it is.
        assert_eq!(listed[1..3], ["#EXT-X-DISCONTINUITY", &map]);
        assert_eq!(parts_in(&lines_from(&server, "180p", "/0.m4s")).len(), index + 1);
        assert!(listed.last().unwrap().ends_with(&format!("LAST-MSN=1,LAST-PART={index}")));
    }
    publisher.segment(source.after_parts(1), || true).unwrap();
    let media = |name: &str| server.get(&live(&format!("sound.1/{SESSION}/{name}"))).status;
    assert_eq!(parts_in(&lines_from(&server, "sound.1", "/0.m4s")), expected);
    assert_eq!(["1.0.m4s", "1.1.m4s", "1.2.m4s"].map(media), [404, 200, 404]);

    // A segment without any sound is a gap with as many parts.
    for mut part in source.parts(2) {
        part.sound = None;
        publisher.part(part, || true).unwrap();
    }
    publisher.segment(source.after_parts(2), || true).unwrap();
    let silent = lines_from(&server, "sound.1", "/1.m4s");
    let gap =
        |part| format!("#EXT-X-PART:DURATION=0.160000,URI=\"{SESSION}/2.{part}.m4s\",GAP=YES");
    assert_eq!(silent[1..3], ["#EXT-X-DISCONTINUITY", "#EXT-X-GAP"]);
    assert_eq!(silent[3..6], [0, 1, 2].map(gap));
    let text = server.get(&live("sound.1/index.m3u8")).text().to_owned();
    assert!(!text.contains("URI=\"\""), "{text}");
}

#[test]
fn sound_that_was_never_there_names_no_initialisation() {
    let folder = tempfile::tempdir().unwrap();
    let (_library, server, publisher) = open(folder.path());
    let source = Source::tiny();
    let [mut first, second, _] = source.parts(0).try_into().unwrap();
    first.sound = None;
    publisher.part(first, || true).unwrap();
    assert_eq!(server.get(&live("sound.1/index.m3u8")).status, 404, "there is no sound yet");
    publisher.part(second, || true).unwrap();
    let listed = lines_from(&server, "sound.1", ".mp4\"");
    let expected = ["0.160000,0.0,GAP=YES", "0.160000,0.1,INDEPENDENT=YES"];
    assert_eq!(parts_in(&listed), expected);

    // Behind a great hole nothing older is listed, so nothing is in force either.
    let [mut later, ..] = <[_; 3]>::try_from(source.parts(1_003)).unwrap();
    later.sound = None;
    publisher.part(later, || true).unwrap();
    let text = server.get(&live("sound.1/index.m3u8")).text().to_owned();
    assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:1003\n"), "{text}");
    assert!(!text.contains("#EXT-X-MAP") && text.contains("/1003.0.m4s\",GAP=YES\n"), "{text}");
}

#[test]
fn an_open_segment_behind_a_great_hole_is_listed_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (_library, server, publisher) = open(folder.path());
    let source = Source::tiny();
    whole(&publisher, &source, 0);
    publisher.part(source.parts(1_003).swap_remove(0), || true).unwrap();
    let alone = server.get(&live("96p/index.m3u8")).text().to_owned();
    assert!(alone.contains("#EXT-X-MEDIA-SEQUENCE:1003\n"), "{alone}");
    assert!(!alone.contains("#EXT-X-GAP") && !alone.contains("#EXTINF"), "{alone}");
    assert!(alone.contains("/1003.0.m4s"), "{alone}");
}

#[test]
fn a_target_duration_stays_as_it_was_first_said() {
    let folder = tempfile::tempdir().unwrap();
    let (_library, server, publisher) = open(folder.path());
    let source = Source::tiny();
    let target = || {
        let text = server.get(&live("96p/index.m3u8")).text().to_owned();
        text.lines().find(|line| line.contains("TARGETDURATION")).unwrap().to_owned()
    };
    let [first, second, third] = source.parts(0).try_into().unwrap();
    publisher.part(first, || true).unwrap();
    assert_eq!(target(), "#EXT-X-TARGETDURATION:2");
    publisher.part(second, || true).unwrap();
    publisher.part(third, || true).unwrap();
    // As long as gateways make them.
    let mut end = source.after_parts(0);
    end.duration = Ticks::from_millis(2_000);
    publisher.segment(end, || true).unwrap();
    assert_eq!(target(), "#EXT-X-TARGETDURATION:2");
}

#[test]
fn between_segments_the_hint_is_at_what_stood_in() {
    let folder = tempfile::tempdir().unwrap();
    let (_library, server, publisher) = open(folder.path());
    let source = Source::tiny();
    let hint = |track| {
        let lines = lines_from(&server, track, ".m4s");
        let hint = lines.into_iter().find(|line| line.contains("PRELOAD-HINT")).unwrap();
        hint.split('"').nth(1).unwrap().to_owned()
    };
    whole(&publisher, &source, 0);
    assert_eq!(hint("96p"), format!("{SESSION}/1.0.m4s"));
    for part in source.stand_in_parts(1) {
        publisher.part(part, || true).unwrap();
    }
    publisher.segment(source.after_parts(1), || true).unwrap();
    assert_eq!(hint("96p"), format!("../source.1/{SESSION}/2.0.m4s"));
    assert_eq!(hint("sound.1"), format!("{SESSION}/2.0.m4s"));
}
