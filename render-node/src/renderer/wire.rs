//! What a node and its renderer say to each other, and how it becomes bytes.
//!
//! A message is two lengths (32 bits each, little-endian), a head in JSON and a body of plain bytes. Neither side
//! believes the other's lengths beyond what a message may have.

use super::Failure;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use tessera_protocol::commit::UnitResult;
use tessera_protocol::lease::Unit;
use tessera_protocol::node::ConformanceHash;
use tessera_protocol::settings::RenderSettings;
use tessera_protocol::{BlobHash, SceneHash};

/// Most bytes of a head: that of an order names each of its units.
const MOST_HEAD: u32 = 1 << 20;
/// Most bytes of a body: the sums of one unit, in a form that is never much longer than they are.
const MOST_BODY: u32 = 64 << 20;

/// Units of one frame that are to be rendered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The scene.
    pub scene: SceneFile,
    /// What lies around it, where the settings name something.
    pub environment: Option<SceneFile>,
    /// How it is rendered.
    pub settings: RenderSettings,
    /// Frames a second.
    pub fps: u32,
    /// Which tiles and samples, all of one frame; at least one.
    pub units: Vec<Unit>,
}

/// A file on this machine, and what has to be in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SceneFile {
    /// The hash of its bytes.
    pub blob: BlobHash,
    /// Where it lies.
    pub path: PathBuf,
}

/// What a device is, and what it makes of the conformance scenes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// `cpu`, `wgpu` or `vulkan`.
    pub backend: String,
    /// The device's and driver's own words.
    pub device: String,
    /// One hash for each scene.
    pub conformance: Vec<ConformanceHash>,
}

/// What the renderer is told. Orders have numbers that rise, and the newest alone counts.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Told {
    /// Render this.
    Render { number: u64, order: Box<Order> },
    /// Nobody wants the result of this order any more.
    Cancel { number: u64 },
    /// Stand still between two pieces of work, or go on.
    Hold(bool),
}

/// What the renderer says.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Said {
    /// First of all, and once: the device is there.
    Opened(Shown),
    /// How much of its own memory the device has for the next frame, in bytes, if it has its own. Said just before
    /// `Opened`, and before the end of each order.
    Memory(Option<u64>),
    /// Instead: it is not, and why.
    NotOpened(String),
    /// It began with an order, and prepares its frame now.
    Begun { number: u64 },
    /// The frame is prepared, and this is the hash of its canonical scene.
    Loaded { number: u64, scene: SceneHash },
    /// One unit is rendered; its packed sums are the body.
    Rendered { number: u64, result: UnitResult, took_ns: u64 },
    /// All units of the order are.
    Done { number: u64 },
    /// The rest of the order will not be.
    Failed { number: u64, failure: Failure },
    /// The rendering goes on.
    Alive,
}

/// Writes a message.
pub(super) fn write<M: Serialize>(to: &mut impl Write, message: &M, body: &[u8]) -> io::Result<()> {
    let head = serde_json::to_vec(message)?;
    let length = |bytes: &[u8], most: u32| {
        let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= most);
        length.ok_or_else(|| too_long(bytes.len() as u64))
    };
    to.write_all(&length(&head, MOST_HEAD)?.to_le_bytes())?;
    to.write_all(&length(body, MOST_BODY)?.to_le_bytes())?;
    to.write_all(&head)?;
    to.write_all(body)?;
    to.flush()
}

/// Reads the next message; `None` when the other side has ended between two.
pub(super) fn read<M: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<(M, Vec<u8>)>> {
    let mut lengths = Vec::with_capacity(8);
    from.by_ref().take(8).read_to_end(&mut lengths)?;
    let (head, body) = match lengths[..] {
        [] => return Ok(None),
        [a, b, c, d, e, f, g, h] => {
            (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
        }
        _ => return Err(io::ErrorKind::UnexpectedEof.into()),
    };
    let head = exactly(from, head, MOST_HEAD)?;
    let body = exactly(from, body, MOST_BODY)?;
    Ok(Some((serde_json::from_slice(&head)?, body)))
}

fn exactly(from: &mut impl Read, length: u32, most: u32) -> io::Result<Vec<u8>> {
    if length > most {
        return Err(too_long(length.into()));
    }
    let mut bytes = Vec::new();
    from.take(length.into()).read_to_end(&mut bytes)?;
    if bytes.len() == length as usize {
        Ok(bytes)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

fn too_long(bytes: u64) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a message has a part of {bytes} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_they_were_written_and_cut_ones_are_refused() {
        let mut bytes = Vec::new();
        write(&mut bytes, &Said::Begun { number: 7 }, b"").unwrap();
        let first = bytes.len();
        write(&mut bytes, &Said::Alive, b"sums").unwrap();
        let mut from = &bytes[..];
        assert_eq!(read(&mut from).unwrap(), Some((Said::Begun { number: 7 }, vec![])));
        assert_eq!(read(&mut from).unwrap(), Some((Said::Alive, b"sums".to_vec())));
        assert_eq!(read::<Said>(&mut from).unwrap(), None);
        for cut in 1..first {
            assert!(read::<Said>(&mut &bytes[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn lengths_are_not_believed() {
        for (head, body) in [(MOST_HEAD + 1, 0), (2, MOST_BODY + 1)] {
            let mut bytes = Vec::new();
            bytes.extend(head.to_le_bytes());
            bytes.extend(body.to_le_bytes());
            bytes.extend(b"{}");
            let error = read::<Said>(&mut &bytes[..]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
        }
    }
}
