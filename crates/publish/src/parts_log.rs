//! The parts of a segment under way, as they were listed: so that a killed process's viewers find
//! them again.
//!
//! A file `parts-<number>`: its first record says of which segment, each further one is a part, or
//! takes one back. It is never synced: it outlives the process and not the machine's power, and
//! costs no waiting.

use crate::files::Files;
use crate::journal::trying;
use crate::mux::{Muxed, MuxedTrack, Stretch};
use crate::record;
use crate::spec::SegmentHead;
use crate::state::{Init, Part};
use crate::steps::Ready;
use crate::track::{InitId, Track};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tessera_durable::{Access, Error};
use tessera_media::Ticks;
use tessera_protocol::stream::SegmentNumber;

const PREFIX: &str = "parts-";

/// A log that is open for writing.
pub(crate) struct PartsLog<D: Files> {
    disk: D,
    path: PathBuf,
    file: D::File,
    /// What it has said already.
    inits: Vec<InitId>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    head: SegmentHead,
    sequence: u64,
    discontinuity: bool,
}

/// What is said before a part's bytes, which follow track by track.
#[derive(Debug, Serialize, Deserialize)]
struct Added {
    duration: Ticks,
    independent: bool,
    inits: BTreeMap<InitId, Init>,
    tracks: BTreeMap<Track, AddedTrack>,
}

#[derive(Debug, Serialize, Deserialize)]
struct AddedTrack {
    init: InitId,
    units: u32,
    length: u64,
}

/// The last part, which is this one, was not listed: the fence stopped it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Withdrawn {
    withdrawn: u32,
}

/// Whether a file of this name is one.
pub(crate) fn is_name(name: &str) -> bool {
    name.starts_with(PREFIX)
}

impl<D: Files> PartsLog<D> {
    pub(crate) fn start(
        disk: D,
        folder: &Path,
        head: &SegmentHead,
        sequence: u64,
        discontinuity: bool,
    ) -> Result<Self, Error> {
        let path = folder.join(format!("{PREFIX}{}", head.number));
        if trying("look for", &path, disk.exists(&path))? {
            // An attempt's whose journal failed.
            trying("replace", &path, disk.remove_file(&path))?;
        }
        let mut file = trying("make", &path, disk.create_new(&path, Access::Umask))?;
        let mut bytes = Vec::new();
        record::put(&Begun { head: head.clone(), sequence, discontinuity }, &[], &mut bytes);
        trying("write", &path, disk.append(&mut file, &bytes))?;
        Ok(Self { disk, path, file, inits: Vec::new() })
    }

    /// Adds a part, before it is listed.
    pub(crate) fn add(&mut self, part: &Muxed, stretch: Stretch) -> Result<(), Error> {
        let new = part.inits.iter().filter(|(id, _)| !self.inits.contains(id));
        let inits: BTreeMap<_, _> = new.map(|(&id, init)| (id, init.clone())).collect();
        self.inits.extend(inits.keys());
        let track = |(track, muxed): (&Track, &MuxedTrack)| {
            let length = muxed.parts.iter().map(|part| part.length).sum();
            (track.clone(), AddedTrack { init: muxed.init, units: muxed.units, length })
        };
        let added = Added {
            duration: stretch.duration,
            independent: stretch.independent,
            inits,
            tracks: part.tracks.iter().map(track).collect(),
        };
        let media: Vec<&[u8]> =
            part.tracks.values().flat_map(|track| &track.bytes).map(|bytes| &bytes[..]).collect();
        let mut bytes = Vec::new();
        record::put(&added, &media, &mut bytes);
        trying("write", &self.path, self.disk.append(&mut self.file, &bytes))
    }

    /// Takes the last part back.
    pub(crate) fn withdraw(&mut self, part: u32) -> Result<(), Error> {
        let mut bytes = Vec::new();
        record::put(&Withdrawn { withdrawn: part }, &[], &mut bytes);
        // What was said with it is said again.
        self.inits.clear();
        trying("write", &self.path, self.disk.append(&mut self.file, &bytes))
    }

    /// Removes it: its segment is published, or withdrawn.
    pub(crate) fn remove(self) {
        // One that stays is removed when the session is next opened.
        if let Err(error) = self.disk.remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "could not be removed");
        }
    }
}

/// Segments that were under way when a process was killed, and what is there of each, in order.
pub(crate) fn left<D: Files>(
    disk: &D,
    folder: &Path,
) -> Result<Vec<(PathBuf, Option<Ready>)>, Error> {
    let mut left = Vec::new();
    for name in trying("list", folder, disk.list(folder))? {
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let Some(Ok(number)) = number.map(crate::track::number) else { continue };
        let path = folder.join(&name);
        let bytes = trying("read", &path, disk.read(&path))?;
        left.push((SegmentNumber(number), path, read(&Bytes::from(bytes))));
    }
    left.sort_by_key(|(number, ..)| *number);
    Ok(left.into_iter().map(|(_, path, ready)| (path, ready)).collect())
}

/// Reads a log up to its first record that is not whole; `None` where there is no part in it.
fn read(bytes: &Bytes) -> Option<Ready> {
    let mut rest = bytes.clone();
    let (begun, _): (Begun, _) = record::take(&mut rest)?;
    let Begun { head, sequence, discontinuity } = begun;
    let mut parts = Vec::new();
    loop {
        if let Some((added, media)) = record::take::<Added>(&mut rest) {
            let Some(part) = part_of(added, media) else { break };
            parts.push(part);
        } else if let Some((Withdrawn { withdrawn }, _)) = record::take(&mut rest) {
            parts.truncate(withdrawn as usize);
        } else {
            break;
        }
    }
    let mut muxed = Muxed::default();
    parts.into_iter().for_each(|part| muxed.append(part));
    (muxed.parts() > 0).then(|| Ready {
        duration: muxed.duration(),
        head,
        sequence,
        discontinuity,
        muxed,
        in_parts: true,
        receipt: None,
    })
}

fn part_of(added: Added, mut media: Bytes) -> Option<Muxed> {
    let Added { duration, independent, inits, tracks } = added;
    let mut muxed = Muxed { inits, ..Muxed::default() };
    for (track, AddedTrack { init, units, length }) in tracks {
        let length_here = usize::try_from(length).ok().filter(|&length| length <= media.len())?;
        let bytes = vec![media.split_to(length_here)];
        let independent = length > 0 && (independent || track == Track::Sound);
        let parts = vec![Part { duration, length, independent }];
        muxed.tracks.insert(track, MuxedTrack { init, units, parts, bytes });
    }
    Some(muxed)
}
