//! A `.zip` that holds a scene's files: listed first, each entry checked, then unpacked by name.
//!
//! Read by `rawzip`, which copies nothing and depends on nothing, and `flate2`, which PNGs need
//! anyway: other crates bring ciphers and a dozen ways to compress, of which none is wanted here.

use crate::error::Note;
use crate::limits::{Limits, exceeds};
use crate::names;
use flate2::read::DeflateDecoder;
use rawzip::{CompressionMethod, ZipArchive, ZipFileHeaderRecord, ZipSliceArchive};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::ops::Deref;
use std::rc::Rc;

/// Bytes that lie in the file as they are, or were unpacked.
#[derive(Debug, Clone)]
pub(crate) enum Bytes<'a> {
    InFile(&'a [u8]),
    Unpacked(Rc<Vec<u8>>),
}

impl Deref for Bytes<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::InFile(bytes) => bytes,
            Self::Unpacked(bytes) => bytes,
        }
    }
}

/// The files of a `.zip`, by their names.
#[derive(Debug)]
pub(crate) struct Archive<'a> {
    entries: BTreeMap<String, Entry<'a>>,
}

#[derive(Debug)]
struct Entry<'a> {
    packed: &'a [u8],
    is_deflated: bool,
    /// What the archive says it unpacks to.
    bytes: usize,
    crc: u32,
}

/// Deflate makes no more of a byte.
const MOST_EXPANSION: usize = 1032;

/// Whether a file is a `.zip`, by its first bytes.
pub(crate) fn is_archive(file: &[u8]) -> bool {
    file.starts_with(b"PK\x03\x04") || file.starts_with(b"PK\x05\x06")
}

impl<'a> Archive<'a> {
    /// Lists the entries.
    ///
    /// # Errors
    /// All that is wrong with them, each under its name.
    pub(crate) fn open(file: &'a [u8], limits: &Limits) -> Result<Self, Vec<Note>> {
        let refuse = |message: String| vec![Note::new("file", message)];
        let broken = |error: rawzip::Error| refuse(format!("is a broken .zip: {error}"));
        if let Some(message) = exceeds("bytes", file.len(), limits.file_bytes) {
            return Err(refuse(message));
        }
        let archive = ZipArchive::from_slice(file).map_err(broken)?;
        let mut opened = Self { entries: BTreeMap::new() };
        let mut problems = Vec::new();
        let (mut listed, mut packed) = (0usize, 0usize);
        let mut entries = archive.entries();
        while let Some(record) = entries.next_entry().map_err(broken)? {
            listed += 1;
            if let Some(message) = exceeds("entries", listed, limits.archive_entries) {
                return Err(refuse(message));
            }
            match opened.add(&archive, &record, file) {
                Ok(bytes) => packed = packed.saturating_add(bytes),
                Err(note) => problems.push(note),
            }
        }
        if packed > file.len() {
            problems.extend(refuse("is a .zip whose entries share their bytes".into()));
        }
        if problems.is_empty() { Ok(opened) } else { Err(problems) }
    }

    /// Takes an entry in, unless it is a folder; returns how many bytes it takes in the file.
    fn add(
        &mut self,
        archive: &ZipSliceArchive<&'a [u8]>,
        record: &ZipFileHeaderRecord<'_>,
        file: &'a [u8],
    ) -> Result<usize, Note> {
        let path = record.file_path();
        let shown = names::shown(path.as_bytes());
        let refuse = |message: String| Note::new(shown.clone(), message);
        let name = std::str::from_utf8(path.as_bytes())
            .map_err(|_| refuse("its name is not UTF-8".into()))?;
        let name = names::inside(name).map_err(|why| refuse(format!("its name {why}")))?;
        if record.is_dir() {
            return Ok(0);
        }
        if record.flags().is_encrypted() {
            return Err(refuse("is encrypted; pack it without a password".into()));
        }
        if record.mode().is_symlink() {
            return Err(refuse("is a link to another file; pack the file itself".into()));
        }
        let is_deflated = match record.compression_method() {
            CompressionMethod::STORE => false,
            CompressionMethod::DEFLATE => true,
            other => return Err(refuse(format!("is packed by {other}; use deflate or store"))),
        };
        let broken = |error: rawzip::Error| refuse(format!("is broken: {error}"));
        let (start, end) =
            archive.get_entry(record.wayfinder()).map_err(broken)?.compressed_data_range();
        let packed = file.get(start as usize..end as usize);
        let packed = packed.ok_or_else(|| refuse("reaches beyond the .zip".into()))?;
        let bytes = usize::try_from(record.uncompressed_size_hint());
        let plausible =
            if is_deflated { packed.len().saturating_mul(MOST_EXPANSION) } else { packed.len() };
        let bytes = bytes.ok().filter(|&bytes| bytes <= plausible);
        let bytes =
            bytes.ok_or_else(|| refuse("is shorter than the size that it claims".into()))?;
        let entry = Entry { packed, is_deflated, bytes, crc: record.crc32() };
        if self.entries.insert(name, entry).is_some() {
            return Err(refuse("is there twice".into()));
        }
        Ok(packed.len())
    }

    /// The only scene among the files.
    pub(crate) fn scene(&self) -> Result<&str, Note> {
        let is_scene = |name: &&String| {
            let file = name.rsplit('/').next().unwrap_or_default();
            let ending = file.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
            // What macOS adds to an archive begins with "._".
            !file.starts_with("._") && (ending == "gltf" || ending == "glb")
        };
        let scenes: Vec<&String> = self.entries.keys().filter(is_scene).collect();
        match scenes[..] {
            [scene] => Ok(scene),
            [] => {
                let zip =
                    self.entries.keys().find(|name| name.to_ascii_lowercase().ends_with(".zip"));
                let more =
                    zip.map_or(String::new(), |_| "; a .zip within a .zip is not opened".into());
                Err(Note::new("file", format!("is a .zip without a .gltf or .glb{more}")))
            }
            [first, second, ..] => {
                let message = format!(
                    "is a .zip of several scenes, {first} and {second}; pack one at a time"
                );
                Err(Note::new("file", message))
            }
        }
    }

    /// A file's bytes; `budget` is what may be unpacked, and shrinks.
    pub(crate) fn unpack(&self, name: &str, budget: &mut usize) -> Result<Bytes<'a>, String> {
        let entry = self.entries.get(name).ok_or("is not in the .zip")?;
        if !entry.is_deflated {
            let whole =
                entry.packed.get(..entry.bytes).filter(|_| entry.bytes == entry.packed.len());
            let bytes = whole.ok_or("is not as long in the .zip as it claims")?;
            return entry.checked(bytes).map(|()| Bytes::InFile(bytes));
        }
        if let Some(message) = exceeds("bytes to unpack", entry.bytes, *budget) {
            return Err(message);
        }
        *budget -= entry.bytes;
        let mut bytes = Vec::with_capacity(entry.bytes);
        // One byte more than it claims would show that it lies.
        let mut unpacking = DeflateDecoder::new(entry.packed).take(entry.bytes as u64 + 1);
        let read = unpacking.read_to_end(&mut bytes);
        read.map_err(|error| format!("is broken in the .zip: {error}"))?;
        if bytes.len() != entry.bytes {
            return Err("does not unpack to the size that it claims".into());
        }
        entry.checked(&bytes)?;
        Ok(Bytes::Unpacked(Rc::new(bytes)))
    }
}

impl Entry<'_> {
    fn checked(&self, bytes: &[u8]) -> Result<(), String> {
        if rawzip::crc32(bytes) == self.crc {
            return Ok(());
        }
        Err("is broken in the .zip: its checksum is another".into())
    }
}
