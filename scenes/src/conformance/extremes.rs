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
use crate::shapes::{card, cuboid, join, moved, quad, sphere};

pub(super) fn scenes() -> Vec<Scene> {
    let scaled = "The room a thousand million times as large or small, by its vertices or by a node \
                  above all: products of three lengths neither overflow nor vanish, and the picture \
                  is the room's.";
    let at =
        |name, model: &Model| Scene { spp: 8, max_bounces: 5, ..Scene::new(name, scaled, model) };
    vec![
        at("room-times-1e9", &room().scaled(1e9)),
        at("room-times-1e-9", &room().scaled(1e-9)),
        at("room-under-a-node-of-1e9", &under_a_node(room(), 1e9)),
        at("room-under-a-node-of-1e-9", &under_a_node(room(), 1e-9)),
        inner_scales(),
        denormal_trap(),
        tiny_colours(),
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

/// Two smooth metals face each other, ten units apart. The camera between them looks straight at
/// the first, which sends the ray to the second behind the camera, which is tilted a little and
/// sends it past the first onto a lamp. Angles stay below 0.006, where Schlick's fifth power adds
/// less than 1e-23, so that each metal passes on just its base colour: green and blue by 1e-20
/// twice, or by 1e-8 and 1e-20. Red passes whole and keeps roulette from ending the path, and the
/// lamp has none.
pub(crate) fn denormal_trap() -> Scene {
    let mut model = Model::new();
    let metal = |dim: f32| Material::metal([1.0, dim, dim], 0.0);
    let half = |x: f32| quad([x, -0.01, 0.0], [0.01, 0.0, 0.0], [0.0, 0.02, 0.0]);
    model.thing(half(-0.01), metal(1e-20));
    model.thing(half(0.0), metal(1e-8));
    let back = model.material(metal(1e-20));
    let back = model.shape(card([0.0; 3], 0.1, 0.1), back);
    let tilt_deg = 180.0 + 0.004f32.to_degrees();
    model.node(Node::mesh(back).at([0.0, 0.0, 10.0]).turned(turn([0.0, 1.0, 0.0], tilt_deg)));
    // On both sides of the first metal, and a little behind it, so that it lights only the second.
    let strips = [card([-0.09, 0.0, -0.001], 0.1, 0.12), card([0.09, 0.0, -0.001], 0.1, 0.12)];
    model.thing(join(strips), Material::lamp([0.0, 3e38, 3e38]));
    model.camera([0.0, 0.0, 5.0], [0.0; 3], 0.1);
    let note = "A throughput of 1e-40 meets a radiance of 3e38: the left half is black because the \
                throughput was flushed, the right half, where it is 1e-28, is as bright as a sample may be.";
    Scene { width: 32, height: 32, spp: 8, ..Scene::new("denormal-trap", note, &model) }
}

fn tiny_colours() -> Scene {
    let mut model = Model::new();
    // Base colours 2^-92, 2^-94 … 2^-132, left to right.
    for i in 0..21u8 {
        let colour = libm::ldexp(1.0, -92 - 2 * i32::from(i)) as f32;
        let x = 0.1 * f32::from(i) - 1.0;
        model.thing(card([x, 0.0, 0.0], 0.1, 2.0), Material::metal([colour; 3], 1.0));
    }
    // At the camera itself: half vector and view are one, and the metal shows its base colour alone.
    let intensity = libm::ldexp(1.0, 127) as f32;
    model.point_lamp([0.0, 0.0, 3.0], intensity);
    model.camera([0.0, 0.0, 3.0], [0.0; 3], 36.0);
    let note = "Base colours from 2^-92 down to denormals under 2^127 W/sr: where black begins is the \
                same column on every device.";
    Scene { max_bounces: 1, ..Scene::new("tiny-colours", note, &model) }
}

fn tiny_lamp() -> Scene {
    let mut model = Model::new();
    model.thing(card([0.0, 0.0, -0.5], 3.0, 3.0), Material::matt([0.6; 3]));
    let speck = card([0.0; 3], 1e-16, 1e-16);
    let glare = Material { double_sided: true, ..Material::lamp([3e38; 3]) };
    let speck = {
        let glare = model.material(glare);
        model.shape(speck, glare)
    };
    model.node(Node::mesh(speck));
    model.node(Node::mesh(speck).at([0.5, 0.5, 0.5]));
    model.point_lamp([1.0, 1.0, 1.0], 1.0);
    model.camera([0.2, 0.4, 5.0], [0.0; 3], 30.0);
    let note = "Lamps whose area is 1e-32 and whose radiance is 3e38: with an area of 0 they do not \
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
    model.thing(card([-0.9, 0.8, 0.0], 0.8, 0.8), Material::lamp([3e38, 1.0, 1e-30]));
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
