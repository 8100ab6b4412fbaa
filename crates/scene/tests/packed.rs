//! A scene that comes as a `.gltf` or a `.zip`: the same as its `.glb`, or refused with a reason.

mod common;

use common::{Glb, frame, png, problems, textured, view};
use proptest::prelude::*;
use rawzip::{CompressionMethod, ZipArchiveWriter};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write as _;
use tessera_scene::{Asset, Limits, SceneError, files_of_gltf, pack};

/// An entry of an archive.
struct Entry<'a> {
    name: &'a [u8],
    bytes: &'a [u8],
    method: CompressionMethod,
    mode: u32,
    encrypted: bool,
}

fn entry<'a>(name: &'a str, bytes: &'a [u8]) -> Entry<'a> {
    let method = CompressionMethod::DEFLATE;
    Entry { name: name.as_bytes(), bytes, method, mode: 0o100_644, encrypted: false }
}

fn zip(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut archive = ZipArchiveWriter::new(Vec::new());
    for entry in entries {
        let file = archive.new_file(rawzip::path::EntryPath::verbatim(entry.name));
        let file = file.compression_method(entry.method).unix_permissions(entry.mode);
        let (mut packed, config) = file.encrypted(entry.encrypted).start().unwrap();
        let descriptor = if entry.method == CompressionMethod::DEFLATE {
            let deflate =
                flate2::write::DeflateEncoder::new(&mut packed, flate2::Compression::best());
            let mut writer = config.wrap(deflate);
            writer.write_all(entry.bytes).unwrap();
            let (deflate, descriptor) = writer.finish().unwrap();
            deflate.finish().unwrap();
            descriptor
        } else {
            let mut writer = config.wrap(&mut packed);
            writer.write_all(entry.bytes).unwrap();
            writer.finish().unwrap().1
        };
        packed.finish(descriptor).unwrap();
    }
    archive.finish().unwrap()
}

/// A card that shows this picture.
fn card(texel: &[u8]) -> Glb {
    let mut glb = Glb::card(&json!({}));
    let texture = glb.picture(texel);
    textured(
        &mut glb,
        &json!({"emissiveTexture": {"index": texture}, "emissiveFactor": [1, 1, 1]}),
    );
    glb
}

const TEXELS: [u8; 16] = [9, 8, 7, 255, 6, 5, 4, 255, 3, 2, 1, 255, 0, 99, 0, 255];

/// The same as a `.gltf` whose buffer and picture have these URIs.
fn gltf(glb: &Glb, buffer: &str, image: &str) -> Vec<u8> {
    let mut json = glb.json.clone();
    json["buffers"] = json!([{"byteLength": glb.bin.len(), "uri": buffer}]);
    json["images"] = json!([{"uri": image}]);
    json.to_string().into_bytes()
}

fn load(file: &[u8]) -> Result<Asset, SceneError> {
    Asset::load(file, None, &Limits::default())
}

fn hash(file: &[u8]) -> [u8; 32] {
    let asset = load(file).unwrap_or_else(|error| panic!("{error}"));
    assert!(asset.report().warnings.is_empty(), "{:?}", asset.report());
    frame(&asset, &view()).hash()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn an_archive_is_its_glb() {
    let picture = png(2, 2, &TEXELS);
    let glb = card(&picture);
    let expected = hash(&glb.bytes());
    let scene = gltf(&glb, "My%20data/a.bin", "./pictures/../gr%C3%BCn.png");
    let files = |folder: &str, method| {
        let named = [
            (format!("{folder}scene.gltf"), &scene[..]),
            (format!("{folder}My data/a.bin"), &glb.bin),
            (format!("{folder}grün.png"), &picture),
            ("__MACOSX/._scene.gltf".to_owned(), b"no scene"),
            ("read me.txt".to_owned(), b"Hello."),
        ];
        let entries = named.iter().map(|(name, bytes)| Entry { method, ..entry(name, bytes) });
        zip(&entries.collect::<Vec<_>>())
    };
    for folder in ["", "a/b/"] {
        for method in [CompressionMethod::STORE, CompressionMethod::DEFLATE] {
            assert_eq!(hash(&files(folder, method)), expected, "{folder} {method}");
        }
    }
    assert_eq!(hash(&zip(&[entry("scene.GLB", &glb.bytes())])), expected);
    // A .gltf that holds everything itself, alone and packed.
    let data = |kind: &str, bytes: &[u8]| format!("data:{kind};base64,{}", base64(bytes));
    let alone =
        gltf(&glb, &data("application/octet-stream", &glb.bin), &data("image/png", &picture));
    assert_eq!(hash(&alone), expected);
    assert_eq!(hash(&[b"\xef\xbb\xbf \n", &alone[..]].concat()), expected);
    assert_eq!(hash(&zip(&[entry("alone.gltf", &alone)])), expected);
    // Another picture is another scene.
    assert_ne!(hash(&card(&png(2, 2, &[1; 16])).bytes()), expected);
}

#[test]
fn what_is_packed_here_is_read_here_and_always_the_same() {
    let picture = png(2, 2, &TEXELS);
    let glb = card(&picture);
    let scene = gltf(&glb, "a%20b.bin", "p/a.png");
    let named = files_of_gltf(&scene, &Limits::default()).unwrap();
    assert_eq!(named.iter().collect::<Vec<_>>(), ["a b.bin", "p/a.png"]);
    let files = || {
        BTreeMap::from([
            ("p/a.png".to_owned(), picture.clone()),
            ("scene.gltf".to_owned(), scene.clone()),
            ("a b.bin".to_owned(), glb.bin.clone()),
        ])
    };
    let packed = pack(&files()).unwrap();
    assert_eq!(packed, pack(&files()).unwrap());
    assert_eq!(hash(&packed), hash(&glb.bytes()));
}

#[test]
fn a_gltf_that_names_what_cannot_be_packed_is_refused_by_place() {
    let scene = json!({
        "asset": {"version": "2.0"},
        "buffers": [
            {"byteLength": 1, "uri": "../outside.bin"},
            {"byteLength": 1, "uri": "https://example.org/a.bin"},
        ],
        "images": [{"uri": "good.png"}, {"uri": "/etc/passwd"}],
    });
    let refused = files_of_gltf(scene.to_string().as_bytes(), &Limits::default());
    let Err(SceneError::Refused(notes)) = refused else { panic!("{refused:?}") };
    let places: Vec<&str> = notes.iter().map(|note| note.place.as_str()).collect();
    assert_eq!(places, ["buffers[0].uri", "buffers[1].uri", "images[1].uri"]);
    let few = Limits { json_bytes: 10, ..Limits::default() };
    assert!(files_of_gltf(scene.to_string().as_bytes(), &few).is_err());
    assert!(files_of_gltf(b"{", &Limits::default()).is_err());
}

/// Place and message of the first problem.
fn refusal(file: &[u8]) -> (String, String) {
    let note = problems(load(file)).swap_remove(0);
    (note.place, note.message)
}

#[test]
fn entries_that_mean_harm_are_refused_by_name() {
    let scene = Glb::triangle().bytes();
    let with = |other: Entry<'_>| zip(&[entry("scene.glb", &scene), other]);
    let bzip2 = CompressionMethod::BZIP2;
    let deep = "a/".repeat(33) + "b";
    for (file, place, reason) in [
        (with(entry("../../evil", b"x")), "../../evil", "leads out"),
        (with(entry("/etc/evil", b"x")), "/etc/evil", "absolute"),
        (with(entry("C:\\evil", b"x")), "C:\\\\evil", "absolute"),
        (with(entry("a\nb", b"x")), "a\\nb", "control"),
        (with(entry(&deep, b"x")), deep.as_str(), "folders"),
        (with(Entry { name: b"\xff", ..entry("", b"x") }), "\u{fffd}", "UTF-8"),
        (with(entry("scene.glb", b"x")), "scene.glb", "twice"),
        (with(entry("./scene.glb", b"x")), "./scene.glb", "twice"),
        (with(Entry { encrypted: true, ..entry("a", b"x") }), "a", "encrypted"),
        (with(Entry { mode: 0o120_777, ..entry("a", b"x") }), "a", "link"),
        (with(Entry { method: bzip2, ..entry("a", b"x") }), "a", "deflate"),
    ] {
        let (at, message) = refusal(&file);
        assert_eq!(at, place, "{message}");
        assert!(message.contains(reason), "{place}: {message}");
    }
    // All of them at once.
    let both = zip(&[entry("/a", b"x"), entry("../b", b"x"), entry("scene.glb", &scene)]);
    assert_eq!(problems(load(&both)).len(), 2);
}

#[test]
fn an_archive_without_one_scene_is_refused() {
    let scene = Glb::triangle().bytes();
    let inner = zip(&[entry("scene.glb", &scene)]);
    for (file, reason) in [
        (zip(&[]), "without a .gltf"),
        (zip(&[entry("a.txt", b"x")]), "without a .gltf"),
        (zip(&[entry("scene.zip", &inner)]), "within a .zip"),
        (zip(&[entry("a.glb", &scene), entry("b/c.gltf", b"{}")]), "several scenes"),
    ] {
        let (place, message) = refusal(&file);
        assert_eq!(place, "file");
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn a_file_that_is_missing_or_broken_is_named_where_it_is_used() {
    let picture = png(2, 2, &TEXELS);
    let glb = card(&picture);
    let scene = gltf(&glb, "a.bin", "a.png");
    let at = |bin: &str, image: &str| {
        let entries = [entry("scene.gltf", &scene), entry(bin, &glb.bin), entry(image, &picture)];
        refusal(&zip(&entries))
    };
    assert_eq!(at("b.bin", "a.png"), ("buffers[0]".into(), "a.bin is not in the .zip".into()));
    assert_eq!(at("a.bin", "A.png"), ("images[0]".into(), "a.png is not in the .zip".into()));
    let (place, message) = refusal(&scene);
    assert!(place == "images[0]" && message.contains("pack both into one .zip"), "{message}");
    // A buffer that is shorter than the .gltf says.
    let (place, _) = refusal(&zip(&[
        entry("scene.gltf", &scene),
        entry("a.bin", &glb.bin[..20]),
        entry("a.png", &picture),
    ]));
    assert!(place.starts_with("bufferViews["), "{place}");
    // A changed byte of a stored file.
    let mut changed = pack(&BTreeMap::from([
        ("a.bin".to_owned(), glb.bin.clone()),
        ("a.png".to_owned(), picture.clone()),
        ("scene.gltf".to_owned(), scene),
    ]))
    .unwrap();
    let inside = changed.windows(glb.bin.len()).position(|bytes| bytes == glb.bin).unwrap();
    changed[inside + 30] ^= 1;
    let (place, message) = refusal(&changed);
    assert!(place == "buffers[0]" && message.contains("checksum"), "{place}: {message}");
}

#[test]
fn bombs_are_refused_before_they_are_unpacked() {
    let scene = Glb::triangle().bytes();
    let zeros = vec![0; 1 << 20];
    let text = |limits: &Limits, file: &[u8]| {
        let notes = problems(Asset::load(file, None, limits));
        notes.iter().map(|note| format!("{note}\n")).collect::<String>()
    };
    // Honest, but more than may be unpacked.
    let glb = card(&png(2, 2, &TEXELS));
    let large = gltf(&glb, "a.bin", "a.png");
    let few = Limits { file_bytes: 1 << 16, ..Limits::default() };
    let bomb = zip(&[entry("scene.gltf", &large), entry("a.bin", &zeros), entry("a.png", &zeros)]);
    assert!(bomb.len() < few.file_bytes);
    assert!(text(&few, &bomb).contains("1048576 bytes to unpack"), "{}", text(&few, &bomb));
    // A lie about the size, in the central directory: once too small, once beyond deflate's reach.
    let honest = zip(&[entry("scene.glb", &scene)]);
    let size = (scene.len() as u32).to_le_bytes();
    let central = honest.windows(4).rposition(|four| four == b"PK\x01\x02").unwrap();
    assert_eq!(honest[central + 24..][..4], size);
    for (claim, reason) in [
        (scene.len() as u32 - 1, "claims"),
        (scene.len() as u32 + 1, "claims"),
        (1 << 30, "shorter"),
    ] {
        let mut file = honest.clone();
        file[central + 24..][..4].copy_from_slice(&claim.to_le_bytes());
        let text = text(&Limits::default(), &file);
        assert!(text.contains("scene.glb") && text.contains(reason), "{text}");
    }
    // Entries that share their bytes: the directory names the first entry's place twice.
    let mut shared =
        zip(&[entry("a.bin", &scene), entry("b.bin", &scene), entry("scene.glb", &scene)]);
    let centrals: Vec<usize> =
        (0..shared.len() - 4).filter(|&i| &shared[i..i + 4] == b"PK\x01\x02").collect();
    let few_bytes = shared.len();
    assert_eq!(centrals.len(), 3);
    for at in &centrals[1..] {
        shared[at + 42..at + 46].copy_from_slice(&[0; 4]);
        // Each as long as nearly the whole file.
        shared[at + 20..at + 24].copy_from_slice(&(few_bytes as u32 - 200).to_le_bytes());
    }
    assert!(text(&Limits::default(), &shared).contains("share their bytes"));
    let many = zip(&[entry("scene.glb", &scene), entry("a", b"x")]);
    let few = Limits { archive_entries: 1, ..Limits::default() };
    assert!(text(&few, &many).contains("2 entries"));
    assert!(text(&Limits { file_bytes: 10, ..Limits::default() }, &many).contains("bytes"));
}

fn whole() -> Vec<u8> {
    let picture = png(2, 2, &TEXELS);
    let glb = card(&picture);
    let scene = gltf(&glb, "a.bin", "a.png");
    zip(&[entry("scene.gltf", &scene), entry("a.bin", &glb.bin), entry("a.png", &picture)])
}

#[test]
fn an_archive_cut_anywhere_is_refused() {
    let file = whole();
    for end in (0..file.len()).step_by(7) {
        assert!(matches!(load(&file[..end]), Err(SceneError::Refused(_))), "{end} bytes");
    }
}

proptest! {
    #[test]
    fn changed_bytes_of_an_archive_never_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut file = whole();
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if let Ok(asset) = load(&file)
            && let Ok(scene) = asset.frame(&view(), 0, 0.0)
        {
            tessera_scene::validate(&scene).unwrap();
        }
    }
}
