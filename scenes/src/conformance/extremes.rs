//! Numbers at the ends of their range.
//!
//! The contract flushes inputs and named intermediates below 2^-100 to +0 and counts a sample that
//! is not finite as 0. These scenes multiply something too small by something huge, so that a
//! value that should have been flushed, and is on one device but not on another, is bright.

use super::{even_sky, ground, room};
use crate::Scene;
use crate::environment::{Packing, encode};
use crate::maths::{NO_TURN, turn};
use crate::model::{Lamp, LampKind, Material, Model, Node, NodeId, Placement};
use crate::picture::Picture;
use crate::shapes::{card, cuboid, moved, quad, sphere};

pub(super) fn scenes() -> Vec<Scene> {
    let scaled = "The room a thousand million times as large or small, by its vertices or by a node \
                  above all: products of three lengths neither overflow nor vanish, and the picture \
                  is the room's.";
    let same = "The room scaled by a power of two, which rounds nothing: not only like the room's \
                picture but the very same integers.";
    let with = |note, name, model: &Model| Scene {
        spp: 8,
        max_bounces: 5,
        ..Scene::new(name, note, model)
    };
    let at = |name, model: &Model| with(scaled, name, model);
    let twin = |name, model: &Model| with(same, name, model);
    vec![
        at("room-times-1e9", &room().scaled(1e9)),
        at("room-times-1e-9", &room().scaled(1e-9)),
        twin("room-times-two-to-the-30", &room().scaled(libm::ldexp(1.0, 30))),
        twin("room-times-two-to-the-minus-30", &room().scaled(libm::ldexp(1.0, -30))),
        at("room-under-a-node-of-1e9", &under_a_node(room(), 1e9)),
        at("room-under-a-node-of-1e-9", &under_a_node(room(), 1e-9)),
        inner_scales(),
        denormal_trap(),
        specks(),
        tiny_slopes(),
        tiny_lamp(),
        dark_sky(),
        overflow(),
    ]
}

/// Scales by one node above all others; lamps know nothing of nodes' scales and grow themselves.
fn under_a_node(model: Model, factor: f32) -> Model {
    let lamps = model.clone().scaled(f64::from(factor)).nodes;
    let mut model = model;
    for (node, scaled) in model.nodes.iter_mut().zip(lamps) {
        node.attachment = scaled.attachment;
    }
    let roots = (0..model.nodes.len()).map(NodeId).collect();
    model.node(Node::group(roots).stretched([factor; 3]));
    model
}

fn inner_scales() -> Scene {
    let mut model = Model::new();
    ground(&mut model, 5.0);
    let red = model.material(Material::matt([0.7, 0.2, 0.1]));
    for (x, size) in [(-1.2f32, 1e12f32), (-0.4, 1e-12), (0.4, 1e15), (1.2, 1e-15)] {
        let ball = model.shape(sphere(0.35 * size, 10, 16), red);
        model.node(Node::mesh(ball).at([x, 0.35, 0.0]).stretched([1.0 / size; 3]));
    }
    // Each node alone has a determinant below the smallest number; together they are ordinary.
    let block = model.shape(cuboid([0.4; 3]), red);
    let inner = model.node(Node::mesh(block).stretched([1e18; 3]));
    model.node(Node::group(vec![inner]).at([0.0, 0.2, 1.0]).stretched([1e-18; 3]));
    model.camera([0.0, 1.2, 4.8], [0.0, 0.4, 0.0], 36.0);
    let note = "Huge meshes under tiny nodes and the reverse: matrices are inverted although their \
                determinants leave the range of 32-bit floats.";
    Scene { max_bounces: 2, ..Scene::new("inner-scales", note, &model).under(even_sky([0.6; 3])) }
}

/// A corridor of two metals that recede from the camera, under a lamp of 2^127 W/sr in the
/// camera's own place. Half vector and view then agree to the last bits, and what Schlick's fifth
/// power makes of those bits, 10^-36, is all that the black metal on the left could reflect.
pub(crate) fn denormal_trap() -> Scene {
    let mut model = Model::new();
    let up = [0.0, 2.0, 0.0];
    let left = quad([-1.0, -1.0, -2.0], [1.0, 0.0, -5.0], up);
    model.thing(left, Material::metal([0.0; 3], 0.15));
    let right = quad([0.0, -1.0, -7.0], [1.0, 0.0, 5.0], up);
    model.thing(right, Material::metal([0.5; 3], 0.15));
    model.point_lamp([0.0; 3], libm::ldexp(1.0, 127) as f32);
    model.camera([0.0; 3], [0.0, 0.0, -1.0], 16.0);
    let note = "Rounding errors to the fifth power, times a lobe's tail, times 2^127: the left half is \
                black because they were flushed, the right half as bright as a sample may be.";
    Scene { width: 32, height: 32, max_bounces: 0, ..Scene::new("denormal-trap", note, &model) }
}

/// Cards that look alike because each is as much nearer as it is smaller.
fn specks() -> Scene {
    let mut model = Model::new();
    let red = model.material(Material::matt([0.7, 0.3, 0.2]));
    for i in 0..12u8 {
        let size = libm::ldexp(1.0, -6 * i32::from(i)) as f32;
        let (column, row) = (f32::from(i % 4) - 1.5, f32::from(i / 4) - 1.0);
        let place = [1.2 * size * column, 1.2 * size * row, -5.0 * size];
        // Small by its node, or small by its vertices.
        let (mesh, node) = if i % 2 == 0 { (1.0, size) } else { (size, 1.0) };
        let card = model.shape(card([0.0; 3], mesh, mesh), red);
        let leaning = turn([1.0, 0.3, 0.0], 20.0);
        model.node(Node::mesh(card).at(place).turned(leaning).stretched([node; 3]));
    }
    super::directional(&mut model, [0.4, -0.6, -0.7], 2.0);
    model.camera([0.0; 3], [0.0, 0.0, -1.0], 52.0);
    let note = "The same card in sizes from 1 to 2^-66, seen under one angle: squares of small edges \
                fall below 2^-100, and where a card turns black is the same everywhere.";
    Scene { max_bounces: 1, ..Scene::new("specks", note, &model).under(even_sky([0.4; 3])) }
}

fn tiny_slopes() -> Scene {
    let mut model = Model::new();
    // Not quite level, and no height at all: the normal is this small slope, made a unit vector.
    let slope = model.picture(Picture::opaque(2, 2, |_, _| [128, 128, 0]));
    let scales = [1e-3, 1e-9, 1e-12, 1e-14, 3e-17, 1e-17, 3e-18, 1e-20, 1e-30];
    for (i, normal_scale) in scales.into_iter().enumerate() {
        let (x, y) = ((i % 3) as f32 - 1.0, (i / 3) as f32 - 1.0);
        let material = Material {
            normal_texture: Some(slope),
            normal_scale,
            ..Material::matt([0.3, 0.6, 0.5])
        };
        model.thing(card([x, y, 0.0], 0.9, 0.9), material);
    }
    super::directional(&mut model, [0.5, 0.2, -0.8], 2.0);
    model.camera([0.0, 0.0, 6.0], [0.0; 3], 30.0);
    let note = "Normals whose squared length is about 1e-38: made units, or taken for none, but the \
                same by every device.";
    Scene { max_bounces: 1, ..Scene::new("tiny-slopes", note, &model) }
}

fn tiny_lamp() -> Scene {
    let mut model = Model::new();
    model.thing(card([0.0, 0.0, -0.5], 3.0, 3.0), Material::matt([0.6; 3]));
    let speck = card([0.0; 3], 1e-16, 1e-16);
    let glare = Material { double_sided: true, ..Material::lamp([1e18; 3]) };
    let speck = {
        let glare = model.material(glare);
        model.shape(speck, glare)
    };
    model.node(Node::mesh(speck));
    model.node(Node::mesh(speck).at([0.5, 0.5, 0.5]));
    model.point_lamp([1.0, 1.0, 1.0], 1.0);
    model.camera([0.2, 0.4, 5.0], [0.0; 3], 30.0);
    let note = "Lamps whose area is 1e-32 and whose radiance is 1e18: with an area of 0 they do not \
                shine, and the point lamp alone lights the wall.";
    Scene { max_bounces: 2, ..Scene::new("tiny-lamp", note, &model) }
}

fn dark_sky() -> Scene {
    let mut model = Model::new();
    ground(&mut model, 5.0);
    model.thing(moved(sphere(0.6, 12, 20), [0.0, 0.6, 0.0]), Material::matt([0.6, 0.5, 0.4]));
    model.point_lamp([1.5, 2.0, 2.0], 6.0);
    model.camera([0.0, 1.2, 4.5], [0.0, 0.6, 0.0], 34.0);
    let note = "A map whose every texel lies below 2^-100: it is black, and its table of \
                probabilities divides by no zero.";
    let map = encode(16, 8, Packing::Flat, |x, y| {
        [libm::ldexp(1.0, -127 + ((x + y) % 20) as i32) as f32, 0.0, 0.0]
    });
    let scene = Scene::new("dark-sky", note, &model).under(map);
    Scene { environment_strength: 2.0, max_bounces: 2, ..scene }
}

fn overflow() -> Scene {
    let mut model = Model::new();
    ground(&mut model, 5.0);
    model.thing(card([-0.9, 0.8, 0.0], 0.8, 0.8), Material::lamp([1e18, 1.0, 1e-30]));
    let ball = moved(sphere(0.5, 12, 20), [0.6, 0.5, 0.0]);
    model.thing(ball, Material::metal([1.0; 3], 0.1));
    let glare = Lamp { kind: LampKind::Point, colour: [1.0, 0.1, 0.0], intensity: 3e38 };
    let lamp =
        Node { placement: PLACE_OF_GLARE, ..Node::new(crate::model::Attachment::Lamp(glare)) };
    model.node(lamp);
    model.camera([0.0, 1.2, 4.5], [0.0, 0.6, 0.0], 34.0);
    let note = "Light that overflows: a sample that is not finite counts 0, one that is too bright is \
                clamped, and no neighbour hears of it.";
    Scene { max_bounces: 3, ..Scene::new("overflow", note, &model).under(even_sky([0.2; 3])) }
}

/// Just above the ground: intensity over the squared distance is not finite there.
const PLACE_OF_GLARE: Placement =
    Placement::Parts { translation: [-1.2, 0.02, 1.0], rotation: NO_TURN, scale: [1.0; 3] };
