//! PNG: the picture as a display shows it.

use crate::{Picture, view};

/// A PNG with 8 bits a channel, marked as sRGB; [`crate::view`] says what became of the light.
pub fn encode(picture: &Picture) -> Result<Vec<u8>, png::EncodingError> {
    write(picture, png::ColorType::Rgb, &picture.to_srgb8())
}

/// The same with transparency: pixels that are not `there` are clear, and hold nothing.
pub fn encode_cut_out(picture: &Picture, there: &[bool]) -> Result<Vec<u8>, png::EncodingError> {
    let shown = picture.to_srgb8();
    let pixels = shown.chunks_exact(3).zip(there);
    let levels: Vec<u8> = pixels
        .flat_map(|(pixel, there)| match there {
            true => [pixel[0], pixel[1], pixel[2], u8::MAX],
            false => [0; 4],
        })
        .collect();
    write(picture, png::ColorType::Rgba, &levels)
}

fn write(
    picture: &Picture,
    color: png::ColorType,
    levels: &[u8],
) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, picture.width(), picture.height());
    encoder.set_color(color);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_source_srgb(png::SrgbRenderingIntent::RelativeColorimetric);
    encoder.add_text_chunk("Description".to_string(), view::DESCRIPTION.to_string())?;
    let mut writer = encoder.write_header()?;
    writer.write_image_data(levels)?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn a_png_says_that_it_is_srgb_and_holds_the_levels() {
        let pixels = vec![[0.0, 0.5, 1.0], [2.0, 0.25, 0.0], [0.1, 0.2, 0.3]];
        let picture = Picture::new(1, 3, pixels).unwrap();
        let bytes = encode(&picture).unwrap();

        let mut reader = png::Decoder::new(Cursor::new(&bytes)).read_info().unwrap();
        let mut levels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut levels).unwrap();
        assert_eq!((info.width, info.height), (1, 3));
        assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
        assert_eq!(reader.info().srgb, Some(png::SrgbRenderingIntent::RelativeColorimetric));
        assert_eq!(levels, [0, 188, 255, 255, 137, 0, 89, 124, 149]);
    }
}
