//! Goal: what a gateway left is found again, the stream that goes on is the one that viewers see, and
//! nothing is lost of what cannot be read.

use crate::common::{PLAYBACK, SESSION, Server, Source, live, names, spec};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use tessera_protocol::SessionId;
use tessera_protocol::stream::SegmentNumber;
use tessera_protocol::stream::view::Latency;
use tessera_publish::{Library, LibraryOptions, OpenError, PublicationSpec, Publisher};

fn open(folder: &Path) -> (Library, Server) {
    let library = Library::open(folder, LibraryOptions::default()).unwrap();
    let server = Server::start(&library);
    (library, server)
}

fn begin(library: &Library, session: SessionId) -> Publisher {
    library.begin(PublicationSpec { session, ..spec(Latency::Standard, false) }).unwrap()
}

/// The session whose media viewers of the stream are given.
fn playing(server: &Server) -> String {
    let playlist = server.get(&live("96p/index.m3u8"));
    assert_eq!(playlist.status, 200, "{}", playlist.text());
    let media = playlist.text().lines().rfind(|line| line.ends_with(".m4s")).unwrap().to_owned();
    media.split('/').next().unwrap().to_owned()
}

#[test]
fn a_session_that_ended_empty_never_hides_one_that_goes_on() {
    let source = Source::tiny();
    // Whichever the folder names first.
    for other in [SessionId([1; 16]), SessionId([9; 16])] {
        let folder = tempfile::tempdir().unwrap();
        let (library, server) = open(folder.path());
        let live_one = begin(&library, SESSION);
        live_one.segment(source.segment(0), || true).unwrap();
        let empty = begin(&library, other);
        empty.end("the source left before its first keyframe", 1_000).unwrap();
        empty.settle().unwrap();
        drop(empty);
        assert_eq!(playing(&server), SESSION.to_string());
        live_one.segment(source.segment(1), || true).unwrap();

        // The gateway is killed.
        std::mem::forget(live_one);
        drop((library, server));
        let (library, server) = open(folder.path());
        assert_eq!(playing(&server), SESSION.to_string());
        let live_one = begin(&library, SESSION);
        live_one.segment(source.segment(2), || true).unwrap();
        assert_eq!(playing(&server), SESSION.to_string());
        assert_eq!(library.collect(i64::MAX).unwrap(), 1);
        assert_eq!(playing(&server), SESSION.to_string());
    }
}

#[test]
fn viewers_see_the_session_that_was_begun_last() {
    let source = Source::tiny();
    let folder = tempfile::tempdir().unwrap();
    let (library, server) = open(folder.path());
    let older = begin(&library, SESSION);
    older.segment(source.segment(0), || true).unwrap();
    drop(older);
    let newer = SessionId([1; 16]);
    let publisher = begin(&library, newer);
    publisher.segment(source.segment(1), || true).unwrap();
    assert_eq!(playing(&server), newer.to_string());
    // To report an older one does not bring it back; to go on with it does.
    drop(library.reopen(SESSION).unwrap());
    assert_eq!(playing(&server), newer.to_string());
    drop((library, server, publisher));
    let (library, server) = open(folder.path());
    assert_eq!(playing(&server), newer.to_string());
    let older = begin(&library, SESSION);
    assert_eq!(playing(&server), SESSION.to_string());

    // When it is gone, the other one is seen again.
    older.mark_reported(&[SegmentNumber(0)]).unwrap();
    older.end("the source left", 1_000).unwrap();
    older.settle().unwrap();
    drop(older);
    assert_eq!(library.collect(i64::MAX).unwrap(), 1);
    assert_eq!(playing(&server), newer.to_string());
    assert_eq!(server.get(&format!("/watch/{PLAYBACK}")).status, 200);
}

/// Changes one bit of the first record of the one journal in `folder`.
fn damage_journal(folder: &Path) {
    let name = names(folder).into_iter().find(|name| name.starts_with("journal-")).unwrap();
    let path = folder.join(name);
    let mut bytes = fs::read(&path).unwrap();
    bytes[40] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_session_whose_journal_cannot_be_read_is_left_as_it_is() {
    let source = Source::tiny();
    for ended in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join(SESSION.to_string());
        let (library, server) = open(folder.path());
        let publisher = library.begin(spec(Latency::Standard, true)).unwrap();
        publisher.segment(source.segment(0), || true).unwrap();
        if ended {
            publisher.end("the source left", 0).unwrap();
            publisher.finish_recording().unwrap().unwrap();
            publisher.mark_reported(&[SegmentNumber(0)]).unwrap();
            publisher.settle().unwrap();
        }
        drop((publisher, library, server));
        let journal = names(&own).into_iter().find(|name| name.starts_with("journal-")).unwrap();
        let copy = fs::read(own.join(&journal)).unwrap();
        damage_journal(&own);
        let before: Vec<_> = names(&own)
            .into_iter()
            .map(|name| (fs::read(own.join(&name)).unwrap(), name))
            .collect();

        let (library, server) = open(folder.path());
        assert_eq!(library.unfinished(), []);
        assert_eq!(server.get(&live("index.m3u8")).status, 404);
        // Nor is anything begun over it.
        let refused = library.begin(spec(Latency::Standard, true));
        assert!(matches!(refused, Err(OpenError::Damaged { session: SESSION, .. })), "{refused:?}");
        drop((library, server));
        let after: Vec<_> = names(&own)
            .into_iter()
            .map(|name| (fs::read(own.join(&name)).unwrap(), name))
            .collect();
        assert!(after == before, "{:?}", names(&own));

        // With a copy of its journal it is there again.
        fs::write(own.join(journal), copy).unwrap();
        let (library, server) = open(folder.path());
        if ended {
            assert_eq!(server.get(&format!("/recordings/{SESSION}/180p.mp4")).status, 200);
        } else {
            assert_eq!(library.unfinished(), [SESSION]);
        }
    }
}

#[test]
fn a_folder_in_which_nothing_was_begun_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join(SESSION.to_string());
    fs::create_dir(&own).unwrap();
    fs::write(own.join("journal-1"), "").unwrap();
    drop(open(folder.path()));
    assert!(!own.exists());
    // A journal that cannot be read may have said something; a session that begins replaces it.
    fs::create_dir(&own).unwrap();
    fs::write(own.join("journal-1"), "half a record").unwrap();
    let (library, server) = open(folder.path());
    assert_eq!(names(&own), ["journal-1"]);
    let publisher = begin(&library, SESSION);
    publisher.segment(Source::tiny().segment(0), || true).unwrap();
    assert_eq!(playing(&server), SESSION.to_string());
}

#[test]
fn a_panic_while_publishing_costs_no_more_than_opening_again() {
    let source = Source::tiny();
    let folder = tempfile::tempdir().unwrap();
    let (library, server) = open(folder.path());
    let publisher = begin(&library, SESSION);
    publisher.segment(source.segment(0), || true).unwrap();
    let asked = std::cell::Cell::new(0);
    let fence = || asked.replace(asked.get() + 1) == 0 || panic!("for this test");
    let published = catch_unwind(AssertUnwindSafe(|| publisher.segment(source.segment(1), fence)));
    assert!(published.is_err());
    let refused = publisher.segment(source.segment(2), || true);
    assert!(refused.unwrap_err().to_string().contains("has to be opened again"));
    drop(publisher);
    // The journal had the segment already.
    let publisher = begin(&library, SESSION);
    assert_eq!(publisher.next_segment(), SegmentNumber(2));
    publisher.segment(source.segment(2), || true).unwrap();
    let text = server.get(&live("96p/index.m3u8")).text().to_owned();
    assert!(["/0.m4s", "/1.m4s", "/2.m4s"].iter().all(|name| text.contains(name)), "{text}");
}
