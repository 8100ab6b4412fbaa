//! Broken files, each refused or warned of at its place and for its reason, with memory in proportion to
//! the file: what a file merely claims takes none. Others are in `refuse.rs`.
//!
//! `cargo test --release --package tessera-scene --test hostile -- --nocapture` prints them all.

mod common;
#[allow(unreachable_pub, reason = "it is public where it is at home")]
#[path = "../../../fuzz/src/memory.rs"]
mod memory;

use common::{Glb, container, hdr, png, png_of, textured, view};
use serde_json::{Value, json};
use tessera_scene::{Asset, Limits, Note, SceneError};

/// Memory that any file may take while it is read …
const BYTES: usize = 64 << 10;
/// … and that each of its bytes may: JSON is the costly part, `{},` becoming an element with all its
/// members.
const TIMES: usize = 80;

/// What becomes of a file: the place that is named, and words of the reason.
enum Fate {
    Refused(&'static str, &'static str),
    Warned(&'static str, &'static str),
    /// Refused or warned of, somewhere below this place.
    Named(&'static str),
    /// Odd, but nothing is wrong with it.
    Fine,
}

use Fate::{Fine, Named, Refused, Warned};

struct Case {
    name: &'static str,
    glb: Vec<u8>,
    sky: Option<Vec<u8>>,
    fate: Fate,
}

fn case(name: &'static str, glb: Vec<u8>, fate: Fate) -> Case {
    Case { name, glb, sky: None, fate }
}

/// A card with this member of its JSON changed.
fn with(pointer: &str, value: &Value) -> Vec<u8> {
    changed(Glb::card(&json!({})), pointer, value)
}

fn changed(mut glb: Glb, pointer: &str, value: &Value) -> Vec<u8> {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = glb.json.pointer_mut(parent).unwrap_or_else(|| panic!("no {pointer}"));
    match key.parse::<usize>() {
        Ok(index) => parent[index] = value.clone(),
        Err(_) => parent[key] = value.clone(),
    }
    glb.bytes()
}

/// A card's bytes after a change.
fn edited(edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut file = Glb::card(&json!({})).bytes();
    edit(&mut file);
    file
}

/// The first bytes of a card, in a header that doesn't know that it was cut.
fn cut(end: usize) -> Vec<u8> {
    edited(|file| {
        file.truncate(end);
        file[8..12].copy_from_slice(&(end as u32).to_le_bytes());
    })
}

/// Where a card's JSON ends.
fn json_end() -> usize {
    let file = Glb::card(&json!({})).bytes();
    20 + u32::from_le_bytes(file[12..16].try_into().unwrap()) as usize
}

/// A file of this JSON, with nothing behind it.
fn text(json: &str) -> Vec<u8> {
    container(json.as_bytes(), &[])
}

/// A valid file with these members as well.
fn member(member: &str) -> Vec<u8> {
    text(&format!(r#"{{"asset":{{"version":"2.0"}},{member}}}"#))
}

fn containers() -> Vec<Case> {
    let end = json_end();
    let word = |at: usize, value: u32| {
        edited(|file| file[at..at + 4].copy_from_slice(&value.to_le_bytes()))
    };
    let whole = edited(|_| {}).len() as u32;
    let lost = "holds no bytes for it";
    vec![
        case("nothing at all", Vec::new(), Refused("file", "is neither a .glb")),
        case("the magic alone", b"glTF".to_vec(), Refused("file", "ends within its header")),
        case(
            "a cut header",
            edited(|f| f.truncate(11)),
            Refused("file", "shorter than its header"),
        ),
        case("a header alone", cut(12), Refused("file", "no whole JSON chunk")),
        case("a cut chunk's header", cut(17), Refused("file", "no whole JSON chunk")),
        case("a cut JSON chunk", cut(end - 9), Refused("file", "no whole JSON chunk")),
        case("no binary chunk", cut(end), Refused("buffers[0]", lost)),
        case("a cut binary header", cut(end + 5), Refused("buffers[0]", lost)),
        case("a cut binary chunk", cut(end + 20), Refused("buffers[0]", lost)),
        case("another magic", edited(|f| f[0] = b'G'), Refused("file", "is neither a .glb")),
        case("version 2^32 - 1", word(4, u32::MAX), Refused("file", "version 4294967295")),
        case("a length of 2^32 - 1", word(8, u32::MAX), Refused("file", "shorter than its header")),
        case("a length of 0", word(8, 0), Refused("file", "no whole JSON chunk")),
        case("a length within the JSON", word(8, 40), Refused("file", "no whole JSON chunk")),
        case(
            "a length one too many",
            word(8, whole + 1),
            Refused("file", "shorter than its header"),
        ),
        case(
            "a JSON chunk of 2^32 - 1",
            word(12, u32::MAX),
            Refused("file", "no whole JSON chunk"),
        ),
        case("an empty JSON chunk", word(12, 0), Refused("file", "JSON is broken")),
        case("a binary chunk first", word(16, 0x004E_4942), Refused("file", "no whole JSON chunk")),
        case("a binary chunk of 2^32 - 1", word(end, u32::MAX), Refused("buffers[0]", lost)),
        case("a second chunk of another kind", word(end + 4, 7), Refused("buffers[0]", lost)),
    ]
}

fn documents() -> Vec<Case> {
    let broken = |reason| Refused("file", reason);
    let deep = |open: &str, close: &str| {
        member(&format!("\"extras\":{}0{}", open.repeat(100_000), close.repeat(100_000)))
    };
    let mut no_text = member("\"extras\":\"?\"");
    let at = no_text.iter().position(|&b| b == b'?').unwrap();
    no_text[at] = 0xff;
    let long = "x".repeat(1 << 16);
    let many = vec![json!({"attributes": {"POSITION": 0}}); 2000];
    let mut long_type = Glb::card(&json!({}));
    long_type.json["accessors"][0]["type"] = json!(long);
    long_type.json["meshes"][0]["primitives"] = json!(many);
    vec![
        case("bytes that are no text", no_text, broken("JSON is broken")),
        case("a byte order mark", text("\u{feff}{}"), broken("JSON is broken")),
        case("two values", text("{}{}"), broken("JSON is broken")),
        case("a text without an end", text("{\"asset"), broken("JSON is broken")),
        case("arrays 10^5 deep", deep("[", "]"), broken("recursion limit")),
        case("objects 10^5 deep", deep("{\"a\":", "}"), broken("recursion limit")),
        case("a number beyond all", member("\"extras\":1e999"), broken("out of range")),
        case("NaN as JSON has none", member("\"extras\":NaN"), broken("JSON is broken")),
        case(
            "a key twice",
            member("\"nodes\":[],\"nodes\":[]"),
            Refused("file", "\"nodes\" twice"),
        ),
        case(
            "a key twice, further in",
            member(r#""nodes":[{"mesh":0,"mesh":1}]"#),
            broken("\"mesh\" twice"),
        ),
        case("no asset", text("{}"), Refused("asset.version", "is \"\"")),
        case(
            "a version that is a number",
            with("/asset/version", &json!(2.0)),
            Refused("asset.version", "not 2.x"),
        ),
        case("version 3.0", with("/asset/version", &json!("3.0")), Refused("asset.version", "3.0")),
        case(
            "nodes that are a text",
            with("/nodes", &json!("none")),
            Refused("nodes", "not an array"),
        ),
        case(
            "a node that is a number",
            with("/nodes/0", &json!(7)),
            Refused("nodes[0]", "invalid type"),
        ),
        case("an index below 0", with("/nodes/0/mesh", &json!(-1)), Refused("nodes[0]", "-1")),
        case("half an index", with("/nodes/0/mesh", &json!(0.5)), Refused("nodes[0]", "0.5")),
        case(
            "an index of 2^32",
            with("/nodes/0/mesh", &json!(1u64 << 32)),
            Refused("nodes[0]", "4294967296"),
        ),
        case(
            "an index of 2^32 - 1",
            with("/nodes/0/mesh", &json!(u32::MAX)),
            Refused("nodes[0].mesh", "4294967295"),
        ),
        case(
            "a mesh without primitives",
            with("/meshes/0", &json!({})),
            Refused("meshes[0]", "primitives"),
        ),
        case(
            "a mesh of no primitives",
            with("/meshes/0/primitives", &json!([])),
            Warned("scene", "nothing to show"),
        ),
        case(
            "an attribute that is a text",
            with("/meshes/0/primitives/0/attributes/POSITION", &json!("0")),
            Refused("meshes[0]", "invalid type"),
        ),
        case(
            "requirements that are a text",
            with("/extensionsRequired", &json!("KHR_x")),
            Refused("extensionsRequired", "not an array"),
        ),
        case(
            "a requirement that is a number",
            with("/extensionsRequired", &json!([1])),
            Refused("extensionsRequired[0]", "invalid type"),
        ),
        case(
            "a long text in each of many problems",
            long_type.bytes(),
            Refused("accessors[0]", "needs 3 numbers"),
        ),
        case(
            "a long key over many members",
            member(&format!("\"{long}\":[{}{{}}]", "{},".repeat(2000))),
            Warned("scene", "nothing to show"),
        ),
    ]
}

fn trees() -> Vec<Case> {
    let nodes = |nodes: &[Value]| {
        let mut glb = Glb::card(&json!({}));
        glb.json["nodes"] = json!(nodes);
        glb.bytes()
    };
    let branch: Vec<Value> = (1..=100_000).map(|i| json!({"children": [i]})).collect();
    let moved = |node: Value| {
        let mut glb = Glb::card(&json!({}));
        common::merge(&mut glb.json["nodes"][0], &node);
        glb.bytes()
    };
    let left_out = "left out";
    vec![
        case("a branch of 10^5 nodes", nodes(&branch), Refused("nodes[1024]", "at most 1024")),
        case(
            "a child that is not there",
            nodes(&[json!({"children": [9]})]),
            Refused("nodes[0].children[0]", "is 9"),
        ),
        case(
            "a child of two parents",
            nodes(&[
                json!({"children": [1, 2]}),
                json!({"children": [3]}),
                json!({"children": [3]}),
                json!({}),
            ]),
            Refused("nodes[3]", "two parents"),
        ),
        case(
            "a child listed twice",
            nodes(&[json!({"children": [1, 1]}), json!({})]),
            Refused("nodes[1]", "two parents"),
        ),
        case(
            "a root listed twice",
            with("/scenes/0/nodes", &json!([0, 0])),
            Refused("nodes[0]", "two parents"),
        ),
        case(
            "a ring of three",
            nodes(&[json!({"children": [1]}), json!({"children": [2]}), json!({"children": [0]})]),
            Refused("nodes[0]", "own ancestor"),
        ),
        case(
            "a ring that no scene shows",
            member(r#""nodes":[{"children":[1]},{"children":[0]}]"#),
            Warned("scene", "nothing to show"),
        ),
        case(
            "a matrix of fifteen numbers",
            moved(json!({"matrix": vec![1; 15]})),
            Refused("nodes[0]", "invalid length"),
        ),
        case(
            "a matrix of nothing",
            moved(json!({"matrix": vec![0; 16]})),
            Warned("nodes[0]", left_out),
        ),
        case(
            "a matrix of 10^308",
            moved(json!({"matrix": vec![1e308; 16]})),
            Warned("nodes[0]", left_out),
        ),
        case("a scale of 0", moved(json!({"scale": [1, 0, 1]})), Warned("nodes[0]", left_out)),
        case(
            "a place at 10^308",
            moved(json!({"translation": [1e308, 0, 0]})),
            Warned("nodes[0]", left_out),
        ),
        case(
            "a denormal scale",
            moved(json!({"scale": [5e-324, 5e-324, 5e-324]})),
            Warned("nodes[0]", left_out),
        ),
        case(
            "a skin that is not there",
            moved(json!({"skin": 7})),
            Warned("meshes[0].primitives[0]", "skins[7]"),
        ),
    ]
}

fn numbers() -> Vec<Case> {
    let many = 1u64 << 40;
    let accessor = |extra: Value| {
        let mut glb = Glb::card(&json!({}));
        common::merge(&mut glb.json["accessors"][0], &extra);
        glb.bytes()
    };
    // Positions that are all 0, by an accessor without bytes, of all that the limits allow.
    let zeros = |count: u64| {
        let mut glb = Glb::triangle();
        glb.json["accessors"][0] = json!({"componentType": 5126, "count": count, "type": "VEC3"});
        glb.bytes()
    };
    let positions = |values: [f32; 9]| {
        let mut glb = Glb::triangle();
        let positions = glb.floats(3, &values);
        glb.json["meshes"][0]["primitives"][0]["attributes"]["POSITION"] = json!(positions);
        glb.bytes()
    };
    let (max, tiny) = (f32::MAX, f32::from_bits(1));
    let indices = |component: u32, bytes: &[u8]| {
        let mut glb = Glb::triangle();
        let indices = glb.accessor(component, "SCALAR", 3, bytes);
        glb.json["meshes"][0]["primitives"][0]["indices"] = json!(indices);
        glb.bytes()
    };
    let sparse = |count: u64, indices: [u16; 2]| {
        let mut glb = Glb::triangle();
        let bytes: Vec<u8> = indices.iter().flat_map(|i| i.to_le_bytes()).collect();
        let (indices, values) = (glb.view(&bytes), glb.view(&[0; 24]));
        glb.json["accessors"][0]["sparse"] = json!({
            "count": count, "indices": {"bufferView": indices, "componentType": 5123},
            "values": {"bufferView": values},
        });
        glb.bytes()
    };
    let mut elsewhere = Glb::card(&json!({}));
    elsewhere.json["buffers"] = json!([{"byteLength": 500}, {"byteLength": 500}]);
    elsewhere.json["bufferViews"][0]["buffer"] = json!(1);
    let beyond = "reaches beyond";
    vec![
        case(
            "2^40 positions in a few bytes",
            accessor(json!({"count": many})),
            Refused("accessors[0]", beyond),
        ),
        case("2^40 positions without bytes", zeros(many), Refused("accessors[0]", "without bytes")),
        case(
            "2^25 positions without bytes",
            zeros(3 << 24),
            Refused("accessors[0]", "without bytes"),
        ),
        case(
            "a stride of 0",
            changed(Glb::card(&json!({})), "/bufferViews/0/byteStride", &json!(0)),
            Refused("accessors[0]", "byteStride"),
        ),
        case(
            "a stride of 253",
            with("/bufferViews/0/byteStride", &json!(253)),
            Refused("accessors[0]", "byteStride"),
        ),
        case(
            "a stride of 2^63",
            with("/bufferViews/0/byteStride", &json!(1u64 << 63)),
            Refused("accessors[0]", "byteStride"),
        ),
        case(
            "a view of 2^64 - 1 bytes",
            with("/bufferViews/0/byteLength", &json!(u64::MAX)),
            Refused("bufferViews[0]", beyond),
        ),
        case(
            "a buffer longer than the file",
            with("/buffers", &json!([{"byteLength": many}])),
            Fine,
        ),
        case(
            "a buffer shorter than its views",
            with("/buffers", &json!([{"byteLength": 8}])),
            Refused("bufferViews[0]", beyond),
        ),
        case("bytes in a buffer without any", elsewhere.bytes(), Named("buffers[1]")),
        case(
            "positions that are matrices",
            accessor(json!({"type": "MAT4"})),
            Refused("accessors[0]", "MAT4"),
        ),
        case(
            "positions of an unknown type",
            accessor(json!({"type": ""})),
            Refused("accessors[0]", "needs 3 numbers"),
        ),
        case(
            "fewer normals than positions",
            with("/accessors/1/count", &json!(3)),
            Refused("meshes[0].primitives[0].attributes.NORMAL", "as many"),
        ),
        case(
            "positions up to the largest float",
            positions([0.0, 0.0, 0.0, max, 0.0, 0.0, 0.0, -max, 0.0]),
            Fine,
        ),
        case(
            "positions of the smallest denormal",
            positions([0.0, 0.0, 0.0, tiny, 0.0, 0.0, 0.0, tiny, 0.0]),
            Fine,
        ),
        case("a triangle in one point", positions([0.0; 9]), Fine),
        case(
            "an infinite position",
            positions([0.0, 0.0, 0.0, f32::INFINITY, 0.0, 0.0, 0.0, 1.0, 0.0]),
            Refused("accessors[1]", "element 1"),
        ),
        case(
            "indices that are floats",
            indices(5126, &[0; 12]),
            Refused("accessors[1]", "can't be indices"),
        ),
        case(
            "indices that have signs",
            indices(5120, &[0, 1, 2]),
            Refused("accessors[1]", "can't be indices"),
        ),
        case(
            "an index of 2^32 - 1 among the corners",
            indices(5125, &[0, 0, 0, 0, 1, 0, 0, 0, 255, 255, 255, 255]),
            Refused("meshes[0].primitives[0].indices", "beyond the 3"),
        ),
        case("sparse values beyond the accessor", sparse(2, [1, 3]), Named("accessors[0]")),
        case("sparse values out of order", sparse(2, [2, 1]), Named("accessors[0]")),
        case("more sparse values than elements", sparse(many, [0, 1]), Named("accessors[0]")),
    ]
}

/// A triangle that an animation moves by these keys.
fn moving(times: &[f32], lanes: usize, values: usize, path: &str, interpolation: &str) -> Glb {
    let mut glb = Glb::triangle();
    let (input, output) = (glb.floats(1, times), glb.floats(lanes, &vec![0.5; lanes * values]));
    glb.push(
        "animations",
        json!({
            "channels": [{"sampler": 0, "target": {"node": 0, "path": path}}],
            "samplers": [{"input": input, "output": output, "interpolation": interpolation}],
        }),
    );
    glb
}

fn animations() -> Vec<Case> {
    let channel = "animations[0].channels[0]";
    let place =
        |times: &[f32], values: usize, how: &str| moving(times, 3, values, "translation", how);
    let good = || place(&[0.0, 1.0], 2, "LINEAR");
    let mut twice = good();
    let again = twice.json["animations"][0].clone();
    twice.push("animations", again);
    vec![
        case(
            "times that go back",
            place(&[1.0, 0.5], 2, "LINEAR").bytes(),
            Refused(channel, "don't ascend"),
        ),
        case(
            "times that stand still",
            place(&[1.0, 1.0], 2, "STEP").bytes(),
            Refused(channel, "don't ascend"),
        ),
        case(
            "a time that is no number",
            place(&[0.0, f32::NAN], 2, "STEP").bytes(),
            Refused("accessors[1]", "element 1"),
        ),
        case(
            "more values than times",
            place(&[0.0, 1.0], 3, "LINEAR").bytes(),
            Refused(channel, "2 times, but 3 values"),
        ),
        case(
            "splines without tangents",
            place(&[0.0, 1.0], 2, "CUBICSPLINE").bytes(),
            Refused(channel, "2 times, but 2 values"),
        ),
        case(
            "an unknown interpolation",
            place(&[0.0], 1, "BEZIER").bytes(),
            Refused(channel, "BEZIER"),
        ),
        case(
            "a rotation of three numbers",
            moving(&[0.0], 3, 1, "rotation", "STEP").bytes(),
            Refused("accessors[2]", "needs 4 numbers"),
        ),
        case(
            "no such sampler",
            changed(good(), "/animations/0/channels/0/sampler", &json!(3)),
            Refused("animations[0].channels[0].sampler", "is 3"),
        ),
        case(
            "no such node",
            changed(good(), "/animations/0/channels/0/target/node", &json!(8)),
            Refused("animations[0].channels[0].target.node", "is 8"),
        ),
        case(
            "an unknown path",
            changed(good(), "/animations/0/channels/0/target/path", &json!("soul")),
            Warned("animations[0].channels[0].target", "soul"),
        ),
        case(
            "two that move the same",
            twice.bytes(),
            Warned("animations[1]", "an earlier animation"),
        ),
        case(
            "2^40 times without bytes",
            changed(
                good(),
                "/accessors/1",
                &json!({"componentType": 5126, "count": 1u64 << 40, "type": "SCALAR"}),
            ),
            Refused("accessors[1]", "without bytes"),
        ),
    ]
}

/// A card with this picture on it.
fn pictured(picture: &[u8]) -> Glb {
    let mut glb = Glb::card(&json!({}));
    let texture = glb.picture(picture);
    textured(
        &mut glb,
        &json!({"emissiveTexture": {"index": texture}, "emissiveFactor": [1, 1, 1]}),
    );
    glb
}

fn pictures() -> Vec<Case> {
    let good = png(2, 2, &[9; 16]);
    // The header's own checksum has to be right for its size to be looked at.
    let sized = |width: u32, height: u32| {
        let mut picture = good.clone();
        picture[16..20].copy_from_slice(&width.to_be_bytes());
        picture[20..24].copy_from_slice(&height.to_be_bytes());
        let sum = crc(&picture[12..29]);
        picture[29..33].copy_from_slice(&sum.to_be_bytes());
        pictured(&picture).bytes()
    };
    let mut damaged = good.clone();
    damaged[45] ^= 0xff;
    // 2^28 texels in 40 kB.
    let bomb =
        png_of(1 << 14, 1 << 14, png::ColorType::Grayscale, png::BitDepth::One, &vec![0; 1 << 25]);
    let mut jpeg = vec![0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0xff, 0xff, 0xff, 0xff, 1, 1, 0x11, 0];
    jpeg.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0, 0xff, 0xd9]);
    let image = |pointer: &str, value: Value| changed(pictured(&good), pointer, &value);
    let uri = |uri: &str| image("/images/0", json!({"uri": uri}));
    let buffer = |uri: &str| with("/buffers", &json!([{"byteLength": 500, "uri": uri}]));
    let mut wrapped = pictured(&good);
    wrapped.json["textures"][0]["sampler"] = json!(0);
    wrapped.json["samplers"] = json!([{"wrapS": 7}]);
    vec![
        case(
            "a PNG that says 16384 × 8192",
            sized(1 << 14, 1 << 13),
            Refused("images[0]", "shorter than its size"),
        ),
        case(
            "a PNG that says 2^31 - 1 squared",
            sized(i32::MAX as u32, i32::MAX as u32),
            Refused("images[0]", "at most 16384"),
        ),
        case("a PNG of 0 × 2", sized(0, 2), Refused("images[0]", "PNG")),
        case("a PNG of 3 × 2 with too few rows", sized(3, 2), Refused("images[0]", "broken PNG")),
        case(
            "a PNG with a changed byte",
            pictured(&damaged).bytes(),
            Refused("images[0]", "broken PNG"),
        ),
        case(
            "a PNG of 2^28 texels",
            pictured(&bomb).bytes(),
            Refused("images[0]", "limit of texels"),
        ),
        case(
            "a JPEG that says 65535 squared",
            pictured(&jpeg).bytes(),
            Refused("images[0]", "at most 16384"),
        ),
        case(
            "a picture in a view that is not there",
            image("/images/0/bufferView", json!(99)),
            Refused("images[0].bufferView", "is 99"),
        ),
        case(
            "a texture without its picture",
            image("/textures/0/source", json!(5)),
            Refused("textures[0].source", "is 5"),
        ),
        case(
            "a material without its texture",
            image("/materials/0/emissiveTexture/index", json!(6)),
            Refused("materials[0].emissiveTexture.index", "is 6"),
        ),
        case(
            "a texture without its sampler",
            image("/textures/0/sampler", json!(2)),
            Refused("textures[0].sampler", "is 2"),
        ),
        case("an unknown wrapping", wrapped.bytes(), Refused("samplers[0]", "wrapping 7")),
        case(
            "a colour of three numbers",
            image("/materials/0/pbrMetallicRoughness", json!({"baseColorFactor": [1, 1, 1]})),
            Refused("materials[0]", "invalid length"),
        ),
        case(
            "a glow of 10^300",
            image("/materials/0/emissiveFactor", json!([1e300, 0, 0])),
            Warned("materials[0].emissiveFactor", "clamped"),
        ),
        case("a data URI that is no Base64", uri("data:image/png;base64,!!!"), Named("images[0]")),
        case("a data URI without data", uri("data:"), Named("images[0]")),
        case("a picture in a folder above", uri("../../../etc/passwd"), Named("images[0]")),
        case("a picture at an address", uri("http://127.0.0.1/picture.png"), Named("images[0]")),
        case("a buffer from the root folder", buffer("/etc/passwd"), Named("buffers[0]")),
        case(
            "a buffer from a folder above, hidden",
            buffer("%2e%2e/%2e%2e/etc/passwd"),
            Named("buffers[0]"),
        ),
        case(
            "a buffer in a malformed data URI",
            buffer("data:application/octet-stream;base64,A"),
            Named("buffers[0]"),
        ),
    ]
}

fn skies() -> Vec<Case> {
    let under = |name, sky: Vec<u8>, fate| Case {
        name,
        glb: Glb::card(&json!({})).bytes(),
        sky: Some(sky),
        fate,
    };
    let head = |size: &str| format!("#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n{size}\n").into_bytes();
    let good = hdr(16, 8, |x, _| [x as u8, 9, 9, 130]);
    let cut = good[..good.len() - 40].to_vec();
    let run = [head("-Y 1 +X 16"), vec![2, 2, 0, 16, 255, 7]].concat();
    let refused = |reason| Refused("environment", reason);
    vec![
        under("a sky of 65536 squared", head("-Y 65536 +X 65536"), refused("at most")),
        under(
            "a sky of 8192 × 4096 in 50 bytes",
            head("-Y 4096 +X 8192"),
            refused("shorter than its size"),
        ),
        under(
            "a sky of 2^32 squared",
            head("-Y 4294967296 +X 4294967296"),
            refused("has the size"),
        ),
        under("a sky below 0", head("-Y -4 +X 4"), refused("has the size")),
        under("a sky that breaks off", cut, refused("row 7")),
        under("a run beyond its row", run, refused("row 0")),
        under("a header without an end", vec![b'#'; 1 << 20], refused("within its header")),
        under(
            "a sky that is none",
            b"RIFF\0\0\0\0WEBP".to_vec(),
            refused("environment").or("within its header"),
        ),
        under("a black sky", hdr(8, 4, |_, _| [0; 4]), Warned("environment", "is black")),
    ]
}

impl Fate {
    /// The same place, for other words.
    fn or(self, words: &'static str) -> Self {
        match self {
            Refused(place, _) => Refused(place, words),
            other => other,
        }
    }
}

/// PNG's checksum.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

fn all() -> Vec<Case> {
    [containers(), documents(), trees(), numbers(), animations(), pictures(), skies()]
        .into_iter()
        .flatten()
        .collect()
}

/// Loads a file and makes a frame of it.
fn load(case: &Case) -> Result<Vec<Note>, SceneError> {
    let asset = Asset::load(&case.glb, case.sky.as_deref(), &Limits::default())?;
    let scene = asset.frame(&view(), 0, 0.5)?;
    tessera_scene::validate(&scene).expect("a frame is fit for a GPU");
    Ok(asset.report().warnings.clone())
}

/// What was said of a file, if it is what was to be said.
fn met(fate: &Fate, result: &Result<Vec<Note>, SceneError>) -> Result<String, String> {
    let (refused, notes): (bool, &[Note]) = match result {
        Ok(warnings) => (false, warnings),
        Err(SceneError::Refused(notes)) => (true, notes),
        Err(SceneError::Frame { note, .. }) => (true, std::slice::from_ref(note)),
        Err(other) => return Err(other.to_string()),
    };
    let at = |place: &str, words: &str| {
        notes.iter().find(|note| note.place == place && note.message.contains(words))
    };
    let note = match fate {
        Refused(place, words) => at(place, words).filter(|_| refused),
        Warned(place, words) => at(place, words).filter(|_| !refused),
        Named(place) => notes.iter().find(|note| note.place.starts_with(place)),
        Fine if refused || !notes.is_empty() => None,
        Fine => return Ok("fine".to_owned()),
    };
    let how = if refused { "refused" } else { "warned" };
    match note {
        Some(note) => Ok(format!("{how}: {note}")),
        None => Err(format!("{how}: {notes:?}")),
    }
}

#[test]
fn each_is_refused_for_its_reason_and_takes_memory_by_its_size() {
    let cases = all();
    assert!(cases.len() >= 60, "only {} files", cases.len());
    let mut wrong = Vec::new();
    println!();
    for case in &cases {
        let bytes = case.glb.len() + case.sky.as_ref().map_or(0, Vec::len);
        let (peak, result) = memory::peak_of(|| load(case));
        let most = BYTES + TIMES * bytes;
        let said = met(&case.fate, &result);
        let name = case.name;
        let line = said.as_ref().map_or("as it should not be", |said| said.as_str());
        println!("{name:42} {bytes:>8} B, {:>8} kB   {line:.110}", peak.div_ceil(1024));
        if let Err(said) = said {
            wrong.push(format!("{name}: {said}"));
        }
        if peak > most {
            wrong.push(format!("{name}: {peak} bytes of memory, where {most} are allowed"));
        }
    }
    println!("{} files", cases.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn meshes_that_fail_at_their_end_count_toward_the_limits() {
    let mut glb = Glb::triangle();
    let mut values = vec![0.5; 3 * 3000];
    values[8999] = f32::NAN;
    let bad = glb.floats(3, &values);
    glb.json["meshes"][0]["primitives"] = json!(vec![json!({"attributes": {"POSITION": bad}}); 5]);
    let limits = Limits { triangles: 2500, ..Limits::default() };
    let notes = common::problems(Asset::load(&glb.bytes(), None, &limits));
    let places: Vec<&str> = notes.iter().map(|note| note.place.as_str()).collect();
    let meshes = [2, 3, 4].map(|i| format!("meshes[0].primitives[{i}]"));
    assert_eq!(places, ["accessors[1]", "accessors[1]", &meshes[0], &meshes[1], &meshes[2]]);
}

#[test]
fn memory_that_is_held_and_let_go_is_counted() {
    let (peak, length) = memory::peak_of(|| {
        let short = vec![1u8; 1000];
        drop(vec![2u8; 70_000]);
        short.len()
    });
    assert!((71_000..80_000).contains(&peak), "{peak}");
    assert_eq!(length, 1000);
}

#[test]
fn another_fate_than_the_expected_one_is_noticed() {
    let refusal =
        Err(SceneError::Refused(vec![Note { place: "file".into(), message: "is odd".into() }]));
    assert!(met(&Refused("file", "odd"), &refusal).is_ok());
    assert!(met(&Refused("file", "even"), &refusal).is_err());
    assert!(met(&Refused("nodes", "odd"), &refusal).is_err());
    assert!(met(&Warned("file", "odd"), &refusal).is_err());
    assert!(met(&Fine, &refusal).is_err());
    assert!(met(&Named("nodes"), &refusal).is_err());
    assert!(met(&Refused("file", "odd"), &Ok(Vec::new())).is_err());
    assert!(met(&Fine, &Ok(Vec::new())).is_ok());
}
