//! The container: a header, a chunk of JSON, a chunk of bytes.

use crate::error::Note;
use crate::limits::{Limits, exceeds};

const JSON: u32 = 0x4E4F_534A;
const BIN: u32 = 0x004E_4942;

/// The two chunks of a `.glb`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Glb<'a> {
    pub(crate) json: &'a [u8],
    /// `None` where the file has none.
    pub(crate) bin: Option<&'a [u8]>,
}

/// Whether a file is a `.glb`, by its first bytes.
pub(crate) fn is_glb(file: &[u8]) -> bool {
    file.starts_with(b"glTF")
}

impl<'a> Glb<'a> {
    pub(crate) fn parse(file: &'a [u8], limits: &Limits) -> Result<Self, Note> {
        let refuse = |message: String| Err(Note::new("file", message));
        if let Some(message) = exceeds("bytes", file.len(), limits.file_bytes) {
            return refuse(message);
        }
        if !is_glb(file) {
            return refuse("is neither a .glb nor a .gltf nor a .zip".into());
        }
        match word(file, 4) {
            Some(2) => {}
            Some(version) => return refuse(format!("is a .glb of version {version}, not 2")),
            None => return refuse("ends within its header".into()),
        }
        let Some(file) = word(file, 8).and_then(|length| file.get(..length as usize)) else {
            return refuse(
                "is shorter than its header says; it may not have been copied whole".into(),
            );
        };

        let Some((JSON, json, rest)) = chunk(file, 12) else {
            return refuse("has no whole JSON chunk".into());
        };
        if let Some(message) = exceeds("bytes of JSON", json.len(), limits.json_bytes) {
            return refuse(message);
        }
        let bin = match chunk(file, rest) {
            Some((BIN, bin, _)) => Some(bin),
            _ => None,
        };
        Ok(Self { json, bin })
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(word.try_into().ok()?))
}

/// The kind and bytes of the chunk at `at`, and where the next one begins.
fn chunk(file: &[u8], at: usize) -> Option<(u32, &[u8], usize)> {
    let length = word(file, at)? as usize;
    let kind = word(file, at + 4)?;
    let end = (at + 8).checked_add(length)?;
    Some((kind, file.get(at + 8..end)?, end))
}
