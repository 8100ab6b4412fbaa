//! What fragmented files and recordings have in common, box by box.

use crate::fmp4::ReadError;
use mp4_atom::{
    Atom, Decode, Dinf, Dref, Encode, FourCC, Hdlr, Header, Mdhd, Mdia, Minf, Mvhd, Smhd, Stbl,
    Tkhd, Trak, Url, Vmhd,
};
use tessera_media::TrackFormat;

/// A box's bytes. What this crate puts into boxes always fits them: what might not was refused
/// before.
pub(crate) fn encoded(atom: &impl Atom) -> Vec<u8> {
    let mut bytes = Vec::new();
    atom.encode(&mut bytes).expect("its fields are in range");
    bytes
}

/// A movie that is played as it is: full volume, normal speed.
pub(crate) fn mvhd() -> Mvhd {
    Mvhd { rate: 1.into(), volume: 1.into(), ..Mvhd::default() }
}

/// A track of one kind; its size is that of its largest pictures.
pub(crate) fn track(id: u32, formats: &[TrackFormat], mdhd: Mdhd, stbl: Stbl) -> Trak {
    let dref = Dref { entries: vec![Url { location: String::new() }.into()] };
    let minf = Minf { dinf: Dinf { dref }, stbl, ..Minf::default() };
    let tkhd = Tkhd { track_id: id, enabled: true, in_movie: true, ..Tkhd::default() };
    let handler = |kind, name: &str| Hdlr { handler: FourCC::new(kind), name: name.to_owned() };
    let (tkhd, hdlr, minf) = match formats.first() {
        Some(TrackFormat::Audio(_)) => (
            Tkhd { volume: 1.into(), ..tkhd },
            handler(b"soun", "sound"),
            Minf { smhd: Some(Smhd::default()), ..minf },
        ),
        _ => {
            let sizes = formats.iter().filter_map(|format| match format {
                TrackFormat::Video(video) => Some((video.width, video.height)),
                TrackFormat::Audio(_) => None,
            });
            let (width, height) =
                sizes.max_by_key(|&(w, h)| u64::from(w) * u64::from(h)).unwrap_or_default();
            let edge = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX).into();
            (
                Tkhd { width: edge(width), height: edge(height), ..tkhd },
                handler(b"vide", "pictures"),
                Minf { vmhd: Some(Vmhd::default()), ..minf },
            )
        }
    };
    Trak { tkhd, mdia: Mdia { mdhd, hdlr, minf }, ..Trak::default() }
}

/// A box's kind and body, and what follows it.
pub(crate) fn first(bytes: &[u8]) -> Result<(FourCC, &[u8], &[u8]), ReadError> {
    let mut rest = bytes;
    let Header { kind, size } = Header::decode(&mut rest).map_err(ReadError::of("a box"))?;
    let size = size.ok_or(ReadError::Shape("a box has no size"))?;
    let (body, rest) = rest
        .split_at_checked(size)
        .ok_or(ReadError::Shape("a box is longer than what it is in"))?;
    Ok((kind, body, rest))
}

/// The boxes that these bytes are.
pub(crate) fn all(mut bytes: &[u8]) -> impl Iterator<Item = Result<(FourCC, &[u8]), ReadError>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let next = first(bytes);
        bytes = next.as_ref().map_or(&[], |&(_, _, rest)| rest);
        Some(next.map(|(kind, body, _)| (kind, body)))
    })
}

/// The body of the first box of this kind.
pub(crate) fn child(bytes: &[u8], kind: FourCC) -> Result<&[u8], ReadError> {
    for next in all(bytes) {
        match next? {
            (found, body) if found == kind => return Ok(body),
            _ => {}
        }
    }
    Err(ReadError::Missing(kind))
}
