//! Environments from OpenEXR files: the same as the Radiance file of the same light.

mod common;

use common::{Glb, frame, hdr, problems, view, warns};
use exr::image::write::WritableImage as _;
use exr::image::{AnyChannel, AnyChannels, Encoding, FlatSamples, Image, Layer, Layers};
use exr::meta::attribute::LineOrder;
use exr::meta::header::{ImageAttributes, LayerAttributes};
use exr::prelude::{Blocks, Compression, Vec2, f16};
use proptest::prelude::*;
use std::io::Cursor;
use tessera_scene::{Asset, Limits};

const SIZE: (usize, usize) = (37, 19);

/// A sky whose values a half and a Radiance file both hold.
fn texel(x: u32, y: u32) -> [u8; 4] {
    [128 + x as u8, 3 + y as u8, 70, if (x, y) == (9, 4) { 136 } else { 129 }]
}

fn values(lane: usize) -> Vec<f32> {
    let value = |x: usize, y: usize| {
        let texel = texel(x as u32, y as u32);
        (f64::from(texel[lane]) * libm::exp2(f64::from(texel[3]) - 136.0)) as f32
    };
    (0..SIZE.1).flat_map(|y| (0..SIZE.0).map(move |x| value(x, y))).collect()
}

fn halves(values: &[f32]) -> FlatSamples {
    FlatSamples::F16(values.iter().map(|&value| f16::from_f32(value)).collect())
}

type Pictures = Image<Layers<AnyChannels<FlatSamples>>>;

fn layer(
    name: &str,
    channels: Vec<(&str, FlatSamples)>,
    encoding: Encoding,
) -> Layer<AnyChannels<FlatSamples>> {
    let channels = channels.into_iter().map(|(name, samples)| AnyChannel::new(name, samples));
    let channels = AnyChannels::sort(channels.collect());
    Layer::new(SIZE, LayerAttributes::named(name), encoding, channels)
}

/// A file of these channels.
fn file(channels: Vec<(&str, FlatSamples)>, compression: Compression, blocks: Blocks) -> Vec<u8> {
    let encoding = Encoding { compression, blocks, line_order: LineOrder::Increasing };
    let layers = vec![layer("sky", channels, encoding)];
    written(&Image::from_layers(ImageAttributes::with_size(SIZE), layers))
}

fn written(image: &Pictures) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write().non_parallel().to_buffered(&mut bytes).unwrap();
    bytes.into_inner()
}

fn rgb(as_half: bool) -> Vec<(&'static str, FlatSamples)> {
    let channel = |lane| match as_half {
        true => halves(&values(lane)),
        false => FlatSamples::F32(values(lane)),
    };
    vec![("R", channel(0)), ("G", channel(1)), ("B", channel(2))]
}

fn load(environment: &[u8]) -> Result<Asset, tessera_scene::SceneError> {
    Asset::load(&Glb::triangle().bytes(), Some(environment), &Limits::default())
}

fn hash(environment: &[u8]) -> [u8; 32] {
    let asset = load(environment).unwrap_or_else(|error| panic!("{error}"));
    assert!(asset.report().warnings.is_empty(), "{:?}", asset.report());
    frame(&asset, &view()).hash()
}

#[test]
fn an_openexr_is_the_radiance_file_of_the_same_light() {
    let expected = hash(&hdr(SIZE.0 as u32, SIZE.1 as u32, texel));
    let tiles = Blocks::Tiles(Vec2(16, 8));
    for blocks in [Blocks::ScanLines, tiles] {
        for compression in [
            Compression::Uncompressed,
            Compression::RLE,
            Compression::ZIP1,
            Compression::ZIP16,
            Compression::PIZ,
            Compression::PXR24,
        ] {
            for as_half in [true, false] {
                let file = file(rgb(as_half), compression, blocks);
                assert_eq!(hash(&file), expected, "{blocks:?} {compression} half: {as_half}");
            }
        }
    }
    // Other channels don't matter; another light does.
    let mut more = rgb(true);
    more.push(("A", halves(&values(0))));
    more.push(("Z", FlatSamples::F32(values(1))));
    assert_eq!(hash(&file(more, Compression::ZIP16, Blocks::ScanLines)), expected);
    let mut other = rgb(true);
    other[0].1 = halves(&values(1));
    assert_ne!(hash(&file(other, Compression::ZIP16, Blocks::ScanLines)), expected);
}

fn reason(environment: &[u8]) -> String {
    let notes = problems(load(environment));
    assert_eq!(notes[0].place, "environment");
    notes[0].message.clone()
}

#[test]
fn what_cannot_be_read_of_an_openexr_is_said() {
    let zip = |channels| file(channels, Compression::ZIP16, Blocks::ScanLines);
    let mut grey = rgb(true);
    grey.truncate(1);
    assert!(reason(&zip(grey)).contains("no channel G"));
    let mut whole = rgb(true);
    whole[2].1 = FlatSamples::U32(vec![1; SIZE.0 * SIZE.1]);
    assert!(reason(&zip(whole)).contains("whole numbers"));
    let lossy = file(rgb(true), Compression::B44, Blocks::ScanLines);
    assert!(reason(&lossy).contains("save it with ZIP or PIZ"));
    let mut infinite = values(0);
    infinite[2 * SIZE.0 + 5] = f32::INFINITY;
    let mut channels = rgb(false);
    channels[0].1 = FlatSamples::F32(infinite);
    assert!(reason(&zip(channels)).contains("texel 5, 2"));
    // Two layers, and a picture that is cropped.
    let part = |name: &str| layer(name, rgb(true), Encoding::SMALL_LOSSLESS);
    let cropped = ImageAttributes::with_size((64, 32));
    let cropped = written(&Image::from_layers(cropped, vec![part("sky")]));
    assert!(reason(&cropped).contains("part of its picture"));
    let both = vec![part("sky"), part("ground")];
    let two = written(&Image::from_layers(ImageAttributes::with_size(SIZE), both));
    assert!(reason(&two).contains("several parts"));
}

#[test]
fn values_below_0_count_as_0_and_are_counted() {
    let mut red = values(0);
    red[3] = -1.0;
    let mut channels = rgb(false);
    channels[0].1 = FlatSamples::F32(red);
    let asset = load(&file(channels, Compression::ZIP16, Blocks::ScanLines)).unwrap();
    assert!(warns(asset.report(), "environment"));
    assert!(asset.report().warnings[0].message.starts_with("1 of"), "{:?}", asset.report());
}

#[test]
fn an_openexr_keeps_to_the_limits_and_what_it_claims_is_not_believed() {
    let good = file(rgb(true), Compression::ZIP16, Blocks::ScanLines);
    let limited = |limits: Limits| {
        let scene = Glb::triangle().bytes();
        problems(Asset::load(&scene, Some(&good), &limits))[0].message.clone()
    };
    let texels = SIZE.0 * SIZE.1;
    assert!(limited(Limits { texels: texels - 1, ..Limits::default() }).contains("at most"));
    assert!(limited(Limits { environment_bytes: 10, ..Limits::default() }).contains("bytes"));
    // Both windows, made 8192 texels wide and high.
    let mut claims = good.clone();
    let window: Vec<u8> =
        [0, 0, SIZE.0 as i32 - 1, SIZE.1 as i32 - 1].iter().flat_map(|x| x.to_le_bytes()).collect();
    let windows: Vec<usize> =
        (0..claims.len() - 16).filter(|&i| claims[i..i + 16] == window[..]).collect();
    assert_eq!(windows.len(), 2);
    for at in windows {
        claims[at + 8..at + 12].copy_from_slice(&8191i32.to_le_bytes());
        claims[at + 12..at + 16].copy_from_slice(&8191i32.to_le_bytes());
    }
    assert!(reason(&claims).contains("chunk count"), "{}", reason(&claims));
    // And as many blocks of 16 lines.
    let count = b"chunkCount\0int\0\x04\0\0\0";
    let at = claims.windows(count.len()).position(|bytes| bytes == count).unwrap() + count.len();
    claims[at..at + 4].copy_from_slice(&512i32.to_le_bytes());
    assert!(reason(&claims).contains("shorter than its size"), "{}", reason(&claims));
    for end in (0..good.len()).step_by(41) {
        assert!(load(&good[..end]).is_err(), "{end} bytes");
    }
}

proptest! {
    #[test]
    fn changed_bytes_of_an_openexr_never_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        tiled in any::<bool>(),
    ) {
        let blocks = if tiled { Blocks::Tiles(Vec2(16, 16)) } else { Blocks::ScanLines };
        let mut file = file(rgb(true), Compression::PIZ, blocks);
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if let Ok(asset) = load(&file) {
            tessera_scene::validate(&frame(&asset, &view())).unwrap();
        }
    }
}
