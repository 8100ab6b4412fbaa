//! EXR: the light itself, and how it was made.

use crate::Picture;
use exr::image::read::read;
use exr::image::{
    AnyChannel, AnyChannels, Encoding, FlatSamples, Image, Layer, write::WritableImage,
};
use exr::meta::attribute::{AttributeValue, Chromaticities, LineOrder, Text};
use exr::meta::header::LayerAttributes;
use exr::prelude::{Blocks, Compression, ReadChannels, ReadLayers, Vec2};
use std::collections::BTreeMap;
use std::io::Cursor;

/// Precedes every attribute of ours, so that none takes the name of a standard one.
const PREFIX: &str = "tessera/";

/// Why bytes are not an EXR of ours, or a picture became none.
#[derive(Debug, thiserror::Error)]
pub enum ExrError {
    /// The format's own refusal: a name too long, a file damaged.
    #[error("the EXR is not valid: {0}")]
    Format(#[from] exr::error::Error),
    /// A file that this crate did not write.
    #[error("the EXR has other channels than R, G and B in 32-bit floats")]
    Channels,
}

/// Linear Rec.709 in 32-bit floats: scan lines, ZIP in blocks of 16, nothing lost. `attributes`
/// go into the header, each as a text named `tessera/` and its key; names longer than 31 bytes in
/// all are not understood by OpenEXR 1.
pub fn encode(
    picture: &Picture,
    attributes: &BTreeMap<String, String>,
) -> Result<Vec<u8>, ExrError> {
    let channel = |name, index: usize| {
        let samples = picture.pixels().iter().map(|pixel| pixel[index]).collect();
        AnyChannel::new(name, FlatSamples::F32(samples))
    };
    let channels = AnyChannels::sort(
        [channel("R", 0), channel("G", 1), channel("B", 2)].into_iter().collect(),
    );
    let encoding = Encoding {
        compression: Compression::ZIP16,
        blocks: Blocks::ScanLines,
        line_order: LineOrder::Increasing,
    };
    let mut own = LayerAttributes::default();
    for (key, value) in attributes {
        let name = text(&format!("{PREFIX}{key}"));
        own.other.insert(name, AttributeValue::Text(text(value)));
    }
    let size = (picture.width() as usize, picture.height() as usize);
    let mut image = Image::from_layer(Layer::new(size, own, encoding, channels));
    image.attributes.chromaticities = Some(REC_709);

    let mut bytes = Cursor::new(Vec::new());
    image.write().to_buffered(&mut bytes)?;
    let mut bytes = bytes.into_inner();
    sort_header(&mut bytes);
    Ok(bytes)
}

/// The picture and the attributes of a file that [`encode`] wrote.
pub fn decode(bytes: &[u8]) -> Result<(Picture, BTreeMap<String, String>), ExrError> {
    let image = read()
        .no_deep_data()
        .largest_resolution_level()
        .all_channels()
        .first_valid_layer()
        .all_attributes()
        .from_buffered(Cursor::new(bytes))?;
    let layer = image.layer_data;
    let [blue, green, red] = layer.channel_data.list.as_slice() else {
        return Err(ExrError::Channels);
    };
    let samples = |name: &str, channel: &AnyChannel<FlatSamples>| match &channel.sample_data {
        FlatSamples::F32(samples) if channel.name.eq(name) => Ok(samples.clone()),
        _ => Err(ExrError::Channels),
    };
    let (red, green, blue) = (samples("R", red)?, samples("G", green)?, samples("B", blue)?);
    let pixels = red.into_iter().zip(green).zip(blue).map(|((r, g), b)| [r, g, b]).collect();

    let Vec2(width, height) = layer.size;
    let side = |length| u32::try_from(length).map_err(|_| ExrError::Channels);
    let picture =
        Picture::new(side(width)?, side(height)?, pixels).map_err(|_| ExrError::Channels)?;
    let ours = |(name, value): (&Text, &AttributeValue)| match value {
        AttributeValue::Text(value) => {
            Some((string(name).strip_prefix(PREFIX)?.to_string(), string(value)))
        }
        _ => None,
    };
    Ok((picture, layer.attributes.other.iter().filter_map(ours).collect()))
}

const REC_709: Chromaticities = Chromaticities {
    red: Vec2(0.64, 0.33),
    green: Vec2(0.30, 0.60),
    blue: Vec2(0.15, 0.06),
    white: Vec2(0.3127, 0.3290),
};

/// Header texts are UTF-8 by OpenEXR's convention; the library's own conversion is Latin-1.
fn text(string: &str) -> Text {
    Text::from_slice_unchecked(string.as_bytes())
}

fn string(text: &Text) -> String {
    String::from_utf8_lossy(text.as_slice()).into_owned()
}

/// Puts the header's attributes into the order of their names.
///
/// The library keeps them in a hash map, whose order differs between runs; equal pictures shall be
/// equal files. The header keeps its length, so the offsets behind it stay right.
fn sort_header(file: &mut [u8]) {
    // Behind the magic number and the version: name, 0, type, 0, length, value; an empty name
    // ends the list.
    const START: usize = 8;
    let mut attributes = Vec::new();
    let mut at = START;
    while file[at] != 0 {
        let zero = |from: usize| from + file[from..].iter().position(|&b| b == 0).expect("a name");
        let length_at = zero(zero(at) + 1) + 1;
        let mut length = [0; 4];
        length.copy_from_slice(&file[length_at..length_at + 4]);
        let end = length_at + 4 + u32::from_le_bytes(length) as usize;
        attributes.push(file[at..end].to_vec());
        at = end;
    }
    // A name and the 0 behind it are a prefix of an attribute, so bytes sort as names do.
    attributes.sort();
    file[START..at].copy_from_slice(&attributes.concat());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than one block of lines, odd sides, and values that only lossless files keep.
    fn picture() -> Picture {
        let value = |i: u32| f32::from_bits(i.wrapping_mul(0x9e37_79b9) >> 2);
        let pixels = (0..37 * 35).map(|i| [value(3 * i), value(3 * i + 1), value(3 * i + 2)]);
        Picture::new(37, 35, pixels.collect()).unwrap()
    }

    fn settings() -> BTreeMap<String, String> {
        let settings =
            [("seed", "7"), ("name", "Büste 雪"), ("spp", "64"), ("scene", "ab"), ("z", "")];
        settings.map(|(key, value)| (key.to_string(), value.to_string())).into()
    }

    #[test]
    fn every_bit_and_every_attribute_comes_back() {
        let (read, attributes) = decode(&encode(&picture(), &settings()).unwrap()).unwrap();
        assert_eq!(attributes, settings());
        assert_eq!((read.width(), read.height()), (37, 35));
        let bits = |picture: &Picture| {
            picture.pixels().as_flattened().iter().map(|v| v.to_bits()).collect::<Vec<_>>()
        };
        assert_eq!(bits(&read), bits(&picture()));
    }

    #[test]
    fn the_file_is_compressed_and_says_what_its_colours_are() {
        let flat = Picture::new(64, 64, vec![[0.5, 0.25, 1.0]; 64 * 64]).unwrap();
        let bytes = encode(&flat, &BTreeMap::new()).unwrap();
        assert!(bytes.len() < 64 * 64 * 12 / 10, "{} bytes", bytes.len());
        let meta = exr::meta::MetaData::read_from_buffered(Cursor::new(&bytes), true).unwrap();
        let header = &meta.headers[0];
        assert_eq!(header.compression, Compression::ZIP16);
        assert_eq!(header.line_order, LineOrder::Increasing);
        assert_eq!(header.shared_attributes.chromaticities, Some(REC_709));
    }

    #[test]
    fn equal_pictures_are_equal_files() {
        let first = encode(&picture(), &settings()).unwrap();
        for _ in 0..8 {
            assert!(encode(&picture(), &settings()).unwrap() == first);
        }
    }

    #[test]
    fn a_name_too_long_is_refused() {
        assert!(encode(&picture(), &[("x".repeat(300), String::new())].into()).is_err());
    }

    #[test]
    fn bytes_that_are_no_exr_are_refused() {
        let bytes = encode(&picture(), &settings()).unwrap();
        assert!(decode(b"").is_err());
        assert!(decode(&bytes[..bytes.len() / 2]).is_err());
    }
}
