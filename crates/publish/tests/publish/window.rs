//! Goal: hours of a session take no more disk and no more memory than a minute of it, and what
//! left the playlists stays for whoever asks a little late.

use crate::common::{SEGMENT, SESSION, Server, Source, live, names, spec};
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::Path;
use tessera_durable::{Access, Disk, OsDisk};
use tessera_media::Ticks;
use tessera_protocol::stream::SegmentNumber;
use tessera_protocol::stream::view::Latency;
use tessera_publish::files::Files;
use tessera_publish::{Library, LibraryOptions, Publisher};

/// Ten segments are listed, twenty more kept.
const LISTED: u64 = 10;
const KEPT: u64 = 30;

fn options() -> LibraryOptions {
    let window = Ticks(SEGMENT.0 * LISTED as i64);
    LibraryOptions { window, ..LibraryOptions::default() }
}

fn open(folder: &Path) -> (Library, Publisher) {
    let library = Library::open(folder, options()).unwrap();
    let publisher = library.begin(spec(Latency::Standard, false)).unwrap();
    (library, publisher)
}

/// The real file system without syncs, so that hours of a session pass in seconds.
#[derive(Debug, Clone)]
struct Unsynced;

impl Disk for Unsynced {
    type File = File;

    fn create_new(&self, path: &Path, access: Access) -> io::Result<File> {
        OsDisk.create_new(path, access)
    }
    fn append(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        OsDisk.append(file, bytes)
    }
    fn sync_file(&self, _: &mut File) -> io::Result<()> {
        Ok(())
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsDisk.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        OsDisk.remove_file(path)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        OsDisk.create_dir(path)
    }
    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
    fn exists(&self, path: &Path) -> io::Result<bool> {
        OsDisk.exists(path)
    }
    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        OsDisk.list(folder)
    }
}

impl Files for Unsynced {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        OsDisk.read(path)
    }
    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        OsDisk.remove_folder(path)
    }
}

fn bytes(folder: &Path) -> u64 {
    names(folder).iter().map(|name| folder.join(name).metadata().unwrap().len()).sum()
}

#[test]
fn thousands_of_segments_take_the_room_of_a_few() {
    let folder = tempfile::tempdir().unwrap();
    let source = Source::tiny();
    let library = Library::open_on(Unsynced, folder.path(), options()).unwrap();
    let publisher = library.begin(spec(Latency::Standard, false)).unwrap();
    let own = folder.path().join(SESSION.to_string());
    let mut most = 0;
    for number in 0..6_000 {
        publisher.segment(source.segment(number), || true).unwrap();
        publisher.mark_reported(&[SegmentNumber(number)]).unwrap();
        if number >= KEPT {
            most = most.max(names(&own).len() as u64);
        }
    }
    assert_eq!(most, KEPT + 1, "segments, and one journal");
    // Each segment is 1 to 2 kB; the journal is begun anew after 2,000 events.
    assert!(bytes(&own) < 3_000_000, "{} bytes", bytes(&own));
    assert!(publisher.unreported(9).is_empty());
}

#[test]
fn what_left_the_playlist_stays_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let source = Source::tiny();
    let (library, publisher) = open(folder.path());
    let server = Server::start(&library);
    for number in 0..=KEPT {
        let mut segment = source.segment(number);
        segment.head.discontinuity = number == 19;
        publisher.segment(segment, || true).unwrap();
    }
    let playlist = server.get(&live("180p/index.m3u8"));
    assert!(playlist.text().contains("#EXT-X-MEDIA-SEQUENCE:21\n"));
    assert!(playlist.text().contains("#EXT-X-DISCONTINUITY-SEQUENCE:1\n"));
    assert_eq!(playlist.text().matches("#EXTINF").count() as u64, LISTED);
    let get = |number: u64| server.get(&live(&format!("180p/{SESSION}/{number}.m4s"))).status;
    assert_eq!((get(KEPT), get(1), get(0)), (200, 200, 404));

    // The same after a restart.
    drop((publisher, server, library));
    let (library, publisher) = open(folder.path());
    let server = Server::start(&library);
    assert_eq!(server.get(&live("180p/index.m3u8")).text(), playlist.text());
    assert_eq!(publisher.next_segment(), SegmentNumber(KEPT + 1));
    assert_eq!(server.get(&live(&format!("180p/{SESSION}/1.m4s"))).status, 200);
}

#[test]
fn playlists_go_on_over_a_number_that_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let source = Source::tiny();
    let (library, publisher) = open(folder.path());
    let server = Server::start(&library);
    let text = || server.get(&live("96p/index.m3u8")).text().to_owned();
    for number in [0, 1, 3] {
        publisher.segment(source.segment(number), || true).unwrap();
    }
    let gone_on = text();
    let media: Vec<_> = gone_on.lines().filter(|line| !line.contains("DATE")).collect();
    let three = media.iter().position(|line| line.ends_with("/3.m4s")).unwrap();
    assert!(media[three - 3..three].contains(&"#EXT-X-DISCONTINUITY"), "{gone_on}");
    assert!(gone_on.contains("#EXT-X-MEDIA-SEQUENCE:0\n") && gone_on.contains("/1.m4s\n"));
    // Another gateway had the session in between: its playlists went as far as its numbers.
    publisher.segment(source.segment(1_003), || true).unwrap();
    let anew = text();
    assert!(anew.contains("#EXT-X-MEDIA-SEQUENCE:1003\n"), "{anew}");
    assert_eq!(anew.matches("#EXTINF").count(), 1);
}
