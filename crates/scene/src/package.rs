//! A scene's file as it comes: a `.glb`, a `.gltf`, or a `.zip` that holds one of them with all
//! that it names. Its first bytes tell which.

use crate::archive::{Archive, Bytes, is_archive};
use crate::document::Document;
use crate::error::Note;
use crate::glb::{Glb, is_glb};
use crate::limits::{Limits, exceeds};
use crate::names::{self, Uri};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// A file, opened as far as its document.
#[derive(Debug)]
pub(crate) struct Package<'a> {
    scene: Bytes<'a>,
    archive: Option<Archive<'a>>,
    /// Of the scene within the archive: its name up to the last `/`.
    folder: String,
    /// Bytes that may still be unpacked.
    budget: usize,
}

/// The files that a document names: each is there, or there is a reason why not.
#[derive(Debug, Default)]
pub(crate) struct Files<'a> {
    pub(crate) buffers: Vec<Result<Bytes<'a>, String>>,
    /// Bytes of all buffers; what several of them are made of counts once.
    pub(crate) buffer_bytes: usize,
    /// Of images that name one.
    pub(crate) images: Vec<Option<Result<Bytes<'a>, String>>>,
}

impl<'a> Package<'a> {
    /// # Errors
    /// All that is wrong with an archive.
    pub(crate) fn open(file: &'a [u8], limits: &Limits) -> Result<Self, Vec<Note>> {
        let mut budget = limits.file_bytes;
        if !is_archive(file) {
            let (scene, folder) = (Bytes::InFile(file), String::new());
            return Ok(Self { scene, archive: None, folder, budget });
        }
        let archive = Archive::open(file, limits)?;
        let name = archive.scene().map_err(|note| vec![note])?.to_owned();
        let unpacked = archive.unpack(&name, &mut budget);
        let scene = unpacked.map_err(|why| vec![Note::new(names::shown(name.as_bytes()), why)])?;
        let folder = name.rfind('/').map_or(String::new(), |end| name[..=end].to_owned());
        Ok(Self { scene, archive: Some(archive), folder, budget })
    }

    /// The document, and the bytes that a `.glb` holds beside it.
    pub(crate) fn chunks(&self, limits: &Limits) -> Result<Glb<'_>, Note> {
        if is_glb(&self.scene) || !looks_like_json(&self.scene) {
            return Glb::parse(&self.scene, limits);
        }
        let json = self.scene.strip_prefix(BOM).unwrap_or(&self.scene);
        let message = exceeds("bytes of JSON", json.len(), limits.json_bytes);
        message.map_or(Ok(Glb { json, bin: None }), |message| Err(Note::new("file", message)))
    }

    /// What the document names, each file unpacked once.
    pub(crate) fn files<'b>(&'b self, document: &Document, glb: Glb<'b>) -> Files<'b> {
        let mut opened = Opened { package: self, unpacked: BTreeMap::new(), budget: self.budget };
        let mut files = Files::default();
        for (i, buffer) in document.buffers.iter().enumerate() {
            files.buffers.push(match (&buffer.uri, glb.bin) {
                (Some(uri), _) => opened.read(uri),
                (None, Some(bin)) if i == 0 => Ok(Bytes::InFile(bin)),
                (None, _) => Err("names no file, and the file holds no bytes for it".into()),
            });
        }
        let distinct: BTreeSet<(*const u8, usize)> =
            files.buffers.iter().flatten().map(|bytes| (bytes.as_ptr(), bytes.len())).collect();
        files.buffer_bytes = distinct.iter().fold(0, |sum, (_, len)| sum.saturating_add(*len));
        for image in &document.images {
            files.images.push(image.uri.as_ref().map(|uri| opened.read(uri)));
        }
        files
    }
}

const BOM: &[u8] = b"\xef\xbb\xbf";

fn looks_like_json(file: &[u8]) -> bool {
    let file = file.strip_prefix(BOM).unwrap_or(file);
    file.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}

/// Files, as they are asked for.
struct Opened<'a> {
    package: &'a Package<'a>,
    unpacked: BTreeMap<String, Result<Bytes<'a>, String>>,
    budget: usize,
}

impl<'a> Opened<'a> {
    fn read(&mut self, uri: &str) -> Result<Bytes<'a>, String> {
        let name = match names::parse(uri).map_err(|why| format!("its URI {why}"))? {
            Uri::Data(bytes) => return Ok(Bytes::Unpacked(Rc::new(bytes))),
            Uri::File(name) => format!("{}{name}", self.package.folder),
        };
        let Some(archive) = &self.package.archive else {
            return Err(format!("lies outside the file, in {name}; pack both into one .zip"));
        };
        if let Some(known) = self.unpacked.get(&name) {
            return known.clone();
        }
        let unpacked = archive.unpack(&name, &mut self.budget);
        let unpacked = unpacked.map_err(|why| format!("{} {why}", names::shown(name.as_bytes())));
        self.unpacked.insert(name, unpacked.clone());
        unpacked
    }
}
