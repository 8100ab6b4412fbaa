//! Nodes that move.

use super::{clear_sky, ground};
use crate::Scene;
use crate::environment::Packing;
use crate::maths::turn;
use crate::model::{Channel, Keys, Lamp, LampKind, Material, Model, Node};
use crate::shapes::{cuboid, moved, sphere};

pub(super) fn scenes() -> Vec<Scene> {
    let between = "Linear and stepped keys of place, turn and size between two keys, nested, of a \
                   mesh, a lamp and the camera; turns take the short way.";
    let after = "The same long after the last key: everything rests where it ended.";
    let at = |name, note, time_s| {
        let scene = Scene::new(name, note, &clockwork());
        Scene { time_s, ..scene.under(clear_sky([-0.4, 0.6, 0.6], Packing::Flat)) }
    };
    vec![at("motion-between-keys", between, 0.4), at("motion-after-the-end", after, 9.0)]
}

fn clockwork() -> Model {
    let mut model = Model::new();
    ground(&mut model, 6.0);
    let red = model.material(Material::matt([0.7, 0.15, 0.1]));
    let arm = model.shape(moved(cuboid([0.9, 0.15, 0.15]), [0.45, 0.0, 0.0]), red);
    let brass = model.material(Material::metal([0.85, 0.65, 0.3], 0.25));
    let ball = model.shape(sphere(0.18, 10, 16), brass);
    let channel =
        |node, times: &[f32], keys| Channel { node, times: times.to_vec(), keys, steps: false };

    let hand = model.node(Node::mesh(ball).at([0.9, 0.0, 0.0]));
    model.animate(channel(hand, &[0.0, 1.0], Keys::Scale(vec![[1.0; 3], [2.0, 0.5, 1.0]])));
    let lower = model.node(Node { children: vec![hand], ..Node::mesh(arm).at([0.9, 0.0, 0.0]) });
    let z = [0.0, 0.0, 1.0];
    let bend = vec![turn(z, 0.0), turn(z, -100.0), turn(z, 40.0)];
    model.animate(channel(lower, &[0.0, 0.3, 1.0], Keys::Rotation(bend)));
    let upper = model.node(Node { children: vec![lower], ..Node::mesh(arm).at([-0.8, 0.5, 0.0]) });
    // The same turn with the other sign: the short way is not the one the numbers suggest.
    let swing = vec![turn(z, 10.0), turn(z, 80.0).map(|x| -x)];
    model.animate(channel(upper, &[0.1, 0.9], Keys::Rotation(swing)));

    let jumper = model.node(Node::mesh(ball));
    let stops = vec![[1.2, 0.2, 0.5], [0.6, 0.2, 0.9], [0.0, 0.2, 1.3]];
    let jump = channel(jumper, &[0.0, 0.35, 0.8], Keys::Translation(stops));
    model.animate(Channel { steps: true, ..jump });
    // One key only, and first keys after the time shown.
    let late = model.node(Node::mesh(ball));
    model.animate(channel(late, &[0.5], Keys::Translation(vec![[-1.2, 0.2, 0.9]])));
    let lamp = Lamp { kind: LampKind::Point, colour: [0.4, 0.6, 1.0], intensity: 1.5 };
    let lamp = model.lamp(lamp, [0.0, 1.0, 1.0], [0.0; 3]);
    model.animate(channel(
        lamp,
        &[0.0, 1.0],
        Keys::Translation(vec![[-1.0, 0.6, 1.0], [1.0, 0.6, 1.0]]),
    ));
    let camera = model.camera([0.0, 1.4, 5.0], [0.0, 0.6, 0.0], 36.0);
    model.animate(channel(
        camera,
        &[0.0, 1.0],
        Keys::Translation(vec![[0.0, 1.4, 5.0], [0.6, 1.4, 5.0]]),
    ));
    model
}
