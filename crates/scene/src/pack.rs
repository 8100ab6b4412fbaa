//! Packing a `.gltf` with the files that it names, so that it can be sent as one.

use crate::document::Document;
use crate::error::{Findings, Note, SceneError};
use crate::limits::{Limits, exceeds};
use crate::names::{self, Uri};
use std::collections::{BTreeMap, BTreeSet};

/// The files that a `.gltf` names, by their paths below its folder, joined by `/`. None leads out
/// of it, and none is what a `data:` URI holds.
///
/// # Errors
/// It is no `.gltf`, or names what can't be packed: all of it at once.
pub fn files_of_gltf(gltf: &[u8], limits: &Limits) -> Result<BTreeSet<String>, SceneError> {
    let mut findings = Findings::default();
    if let Some(message) = exceeds("bytes of JSON", gltf.len(), limits.json_bytes) {
        findings.problem(Note::new("file", message));
        findings.check()?;
    }
    let gltf = gltf.strip_prefix(b"\xef\xbb\xbf").unwrap_or(gltf);
    let root = serde_json::from_slice(gltf).map_err(|error| {
        SceneError::Refused(vec![Note::new("file", format!("its JSON is broken: {error}"))])
    })?;
    let document = Document::parse(&root, &mut findings);
    let buffers = document.buffers.iter().map(|buffer| &buffer.uri).enumerate();
    let images = document.images.iter().map(|image| &image.uri).enumerate();
    let buffers = buffers.map(|(i, uri)| (format!("buffers[{i}].uri"), uri));
    let images = images.map(|(i, uri)| (format!("images[{i}].uri"), uri));
    let mut named = BTreeSet::new();
    for (place, uri) in buffers.chain(images) {
        match uri.as_ref().map(|uri| names::parse(uri)) {
            Some(Ok(Uri::File(name))) => {
                named.insert(name);
            }
            Some(Err(why)) => findings.problem(Note::new(place, why)),
            Some(Ok(Uri::Data(_))) | None => {}
        }
    }
    findings.check()?;
    Ok(named)
}

/// A `.zip` of these files, by name, stored as they are: the same files give the same bytes.
///
/// # Errors
/// A name or a size that the format can't hold.
pub fn pack(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, String> {
    let write = || -> Result<Vec<u8>, rawzip::Error> {
        let mut archive = rawzip::ZipArchiveWriter::new(Vec::new());
        for (name, bytes) in files {
            let file = archive.new_file(name).compression_method(rawzip::CompressionMethod::STORE);
            let (mut entry, config) = file.start()?;
            let mut writer = config.wrap(&mut entry);
            std::io::Write::write_all(&mut writer, bytes)?;
            let (_, descriptor) = writer.finish()?;
            entry.finish(descriptor)?;
        }
        archive.finish()
    };
    write().map_err(|error| format!("the scene can't be packed: {error}"))
}
