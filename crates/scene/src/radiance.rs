//! Radiance `.hdr` files to RGBE words, bit for bit: floats never come in between.

/// An equirectangular picture: R in the lowest byte, then G, B and the exponent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Radiance {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) words: Vec<u32>,
    /// Exposure that the header says was applied, if it is not 1.
    pub(crate) exposure: Option<String>,
}

/// To the kernel, values with lesser exponents are 0: down to 2^-100 no mantissa is lost.
pub(crate) const LEAST_EXPONENT: u8 = 37;

/// Longest line of a header.
const MOST_HEADER_BYTES: usize = 1 << 16;

/// Reads a picture of at most `most_texels`.
pub(crate) fn decode(file: &[u8], most_texels: usize) -> Result<Radiance, String> {
    let mut input = Input { bytes: file, at: 0 };
    let (width, height, exposure) = header(&mut input)?;
    let texels = u64::from(width) * u64::from(height);
    if texels > most_texels as u64 {
        return Err(format!("has {texels} texels; at most {most_texels} are accepted"));
    }
    // Run-length coding shrinks a row to no less than two bytes for 127 values; so this bounds
    // what a short file can make us allocate.
    if texels > 64 * (file.len() as u64) {
        return Err("is shorter than its size needs".into());
    }

    let mut words = Vec::with_capacity(texels as usize);
    for y in 0..height {
        row(&mut input, width as usize, &mut words)
            .ok_or_else(|| format!("is broken in row {y} of {height}"))?;
    }
    Ok(Radiance { width, height, words, exposure })
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Input<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn four(&mut self) -> Option<[u8; 4]> {
        let four = self.bytes.get(self.at..self.at + 4)?.try_into().ok()?;
        self.at += 4;
        Some(four)
    }

    fn line(&mut self) -> Option<String> {
        let rest = self.bytes.get(self.at..)?;
        let rest = &rest[..rest.len().min(MOST_HEADER_BYTES)];
        let end = rest.iter().position(|&b| b == b'\n')?;
        self.at += end + 1;
        Some(String::from_utf8_lossy(&rest[..end]).trim_end().to_owned())
    }
}

fn header(input: &mut Input<'_>) -> Result<(u32, u32, Option<String>), String> {
    let cut = || "ends within its header".to_owned();
    let magic = input.line().ok_or_else(cut)?;
    if !magic.starts_with("#?") {
        return Err("is neither a Radiance .hdr nor an OpenEXR".into());
    }
    let mut format = None;
    let mut exposure = None;
    loop {
        let line = input.line().ok_or_else(cut)?;
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("FORMAT=") {
            format = Some(value.trim().to_owned());
        }
        if let Some(value) = line.strip_prefix("EXPOSURE=")
            && value.trim().parse() != Ok(1.0)
        {
            exposure = Some(value.trim().to_owned());
        }
    }
    if format.as_deref() != Some("32-bit_rle_rgbe") {
        let format = format.unwrap_or_default();
        return Err(format!("has the format {format:?}; only 32-bit_rle_rgbe is supported"));
    }
    let size = input.line().ok_or_else(cut)?;
    let parts: Vec<&str> = size.split_ascii_whitespace().collect();
    let (height, width) = match parts[..] {
        ["-Y", height, "+X", width] => (height.parse(), width.parse()),
        _ => return Err(format!("is turned or mirrored ({size:?}); only -Y … +X … is supported")),
    };
    match (width, height) {
        (Ok(width @ 1..=65536), Ok(height @ 1..=65536)) => Ok((width, height, exposure)),
        _ => Err(format!("has the size {size:?}")),
    }
}

fn row(input: &mut Input<'_>, width: usize, words: &mut Vec<u32>) -> Option<()> {
    let start = input.four()?;
    let is_new = start[0] == 2 && start[1] == 2 && start[2] < 128;
    if is_new && (8..32768).contains(&width) {
        if usize::from(u16::from_be_bytes([start[2], start[3]])) != width {
            return None;
        }
        new_row(input, width, words)
    } else {
        old_row(input, start, width, words)
    }
}

/// Four channels one after the other, each in runs.
fn new_row(input: &mut Input<'_>, width: usize, words: &mut Vec<u32>) -> Option<()> {
    let first = words.len();
    words.resize(first + width, 0);
    let row = &mut words[first..];
    for channel in 0..4 {
        let mut x = 0;
        while x < width {
            let code = usize::from(input.byte()?);
            let (count, repeated) =
                if code > 128 { (code - 128, Some(input.byte()?)) } else { (code, None) };
            if count == 0 || x + count > width {
                return None;
            }
            for word in &mut row[x..x + count] {
                let value = match repeated {
                    Some(value) => value,
                    None => input.byte()?,
                };
                *word |= u32::from(value) << (8 * channel);
            }
            x += count;
        }
    }
    for word in row {
        *word = canonical(word.to_le_bytes());
    }
    Some(())
}

/// Texel by texel; 1 1 1 n repeats the one before n times, and further such words n × 256, …
fn old_row(
    input: &mut Input<'_>,
    start: [u8; 4],
    width: usize,
    words: &mut Vec<u32>,
) -> Option<()> {
    let end = words.len() + width;
    let mut texel = start;
    let mut shift = 0;
    loop {
        if let [1, 1, 1, count] = texel {
            let count = usize::from(count) << shift;
            let before = *words.last()?;
            if count > end - words.len() {
                return None;
            }
            words.resize(words.len() + count, before);
            shift += 8;
            if shift > 16 {
                return None;
            }
        } else {
            words.push(canonical(texel));
            shift = 0;
        }
        if words.len() == end {
            return Some(());
        }
        texel = input.four()?;
    }
}

/// One word for each value: black is 0, and so is what is below 2^-100.
fn canonical(rgbe: [u8; 4]) -> u32 {
    let black = rgbe[0] | rgbe[1] | rgbe[2] == 0;
    if black || rgbe[3] < LEAST_EXPONENT { 0 } else { u32::from_le_bytes(rgbe) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(size: &str, data: &[u8]) -> Vec<u8> {
        let mut file =
            format!("#?RADIANCE\n# made by hand\nFORMAT=32-bit_rle_rgbe\n\n{size}\n").into_bytes();
        file.extend(data);
        file
    }

    const A: [u8; 4] = [10, 20, 30, 130];
    const B: [u8; 4] = [1, 2, 3, 129];

    #[test]
    fn flat_rows_are_read_as_they_are() {
        let picture = decode(&file("-Y 2 +X 1", &[A, B].concat()), 2).unwrap();
        assert_eq!((picture.width, picture.height), (1, 2));
        assert_eq!(picture.words, [A, B].map(u32::from_le_bytes));
    }

    #[test]
    fn old_runs_repeat_the_texel_before() {
        let data = [A, [1, 1, 1, 3], B, B].concat();
        let picture = decode(&file("-Y 1 +X 6", &data), 6).unwrap();
        assert_eq!(picture.words, [A, A, A, A, B, B].map(u32::from_le_bytes));
    }

    #[test]
    fn consecutive_old_runs_count_in_base_256() {
        let data = [A, [1, 1, 1, 2], [1, 1, 1, 1]].concat();
        let picture = decode(&file("-Y 1 +X 259", &data), 1000).unwrap();
        assert_eq!(picture.words, vec![u32::from_le_bytes(A); 259]);
    }

    #[test]
    fn new_runs_are_read_channel_by_channel() {
        let mut data = vec![2, 2, 0, 8];
        data.extend([128 + 8, 10]);
        data.extend([3, 1, 2, 3, 128 + 5, 20]);
        data.extend([128 + 8, 30]);
        data.extend([128 + 8, 130]);
        let picture = decode(&file("-Y 1 +X 8", &data), 8).unwrap();
        let greens = [1, 2, 3, 20, 20, 20, 20, 20];
        assert_eq!(picture.words, greens.map(|g| u32::from_le_bytes([10, g, 30, 130])));
    }

    #[test]
    fn black_and_tiny_values_are_one_word() {
        let data = [[0, 0, 0, 200], [255, 255, 255, 36], [255, 0, 0, 37]].concat();
        let picture = decode(&file("-Y 1 +X 3", &data), 3).unwrap();
        assert_eq!(picture.words, [0, 0, u32::from_le_bytes([255, 0, 0, 37])]);
    }

    #[test]
    fn what_is_not_such_a_picture_is_refused_with_a_reason() {
        let refusal = |bytes: &[u8]| decode(bytes, 100).unwrap_err();
        assert!(refusal(b"P6 1 1").contains("ends within"));
        assert!(refusal(b"P6\n1 1\n").contains("neither a Radiance"));
        assert!(refusal(&file("+Y 1 +X 1", &A)).contains("turned"));
        assert!(refusal(&file("-Y 0 +X 1", &A)).contains("size"));
        assert!(refusal(&file("-Y 20 +X 20", &A)).contains("at most 100"));
        assert!(refusal(&file("-Y 2 +X 1", &A)).contains("row 1"));
        assert!(refusal(&file("-Y 1 +X 2", &[[1, 1, 1, 2]].concat())).contains("row 0"));
        assert!(refusal(&file("-Y 1 +X 2", &[A, [1, 1, 1, 2]].concat())).contains("row 0"));
        let xyz = b"#?RADIANCE\nFORMAT=32-bit_rle_xyze\n\n-Y 1 +X 1\nabcd";
        assert!(refusal(xyz).contains("xyze"));
    }

    #[test]
    fn exposure_is_noticed() {
        let with = |line: &str| {
            let head = format!("#?RGBE\nFORMAT=32-bit_rle_rgbe\n{line}\n\n-Y 1 +X 1\n");
            decode(&[head.as_bytes(), &A].concat(), 1).unwrap().exposure
        };
        assert_eq!(with("EXPOSURE=2.5"), Some("2.5".to_owned()));
        assert_eq!(with("EXPOSURE=1.0"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(data in proptest::collection::vec(any::<u8>(), 0..300), w in 1..40u32) {
            if let Ok(picture) = decode(&file(&format!("-Y 3 +X {w}"), &data), 1000) {
                prop_assert_eq!(picture.words.len() as u32, 3 * w);
            }
        }
    }
}
