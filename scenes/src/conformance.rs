//! What every backend must render to the same integers.
//!
//! Small pictures, each aimed at one thing that goes wrong in practice. A backend that is exact on
//! all of them may be admitted to exact work; none of them says what the right picture is — that
//! is what [`crate::known`] is for.

mod extremes;
mod geometry;
mod light;
mod materials;
mod motion;

pub(crate) use extremes::denormal_trap;
pub(crate) use geometry::sealed;

use crate::Scene;
use crate::environment::{Packing, sky};
use crate::maths::{Vec3, add, dot, scale, turn, unit};
use crate::model::{Lamp, LampKind, Material, Model, Node};
use crate::shapes::{cuboid, floor, moved, quad, sphere};

/// Every conformance scene, always in the same order.
pub fn conformance() -> Vec<Scene> {
    [light::scenes(), materials::scenes(), geometry::scenes(), motion::scenes(), extremes::scenes()]
        .concat()
}

/// A room of two units, open to the camera: an ochre and a teal wall, a tilted block and a ball
/// on a step, a lamp in the ceiling and a small warm one without extent near the floor.
fn room() -> Model {
    let mut model = Model::new();
    let chalk = model.material(Material::matt([0.74, 0.72, 0.68]));
    let shell = [
        floor([0.0; 3], 2.0, 2.0),
        quad([-1.0, 2.0, -1.0], [2.0, 0.0, 0.0], [0.0, 0.0, 2.0]),
        quad([-1.0, 0.0, -1.0], [2.0, 0.0, 0.0], [0.0, 2.0, 0.0]),
    ];
    let shell = model.shape(crate::shapes::join(shell), chalk);
    model.node(Node::mesh(shell));
    let ochre = quad([-1.0, 0.0, 1.0], [0.0, 0.0, -2.0], [0.0, 2.0, 0.0]);
    model.thing(ochre, Material::matt([0.65, 0.36, 0.08]));
    let teal = quad([1.0, 0.0, -1.0], [0.0, 0.0, 2.0], [0.0, 2.0, 0.0]);
    model.thing(teal, Material::matt([0.05, 0.37, 0.4]));

    let block = model.shape(cuboid([1.0; 3]), chalk);
    let step = Node::mesh(block).at([0.35, 0.15, 0.2]).stretched([0.8, 0.3, 0.7]);
    model.node(step.turned(turn([0.0, 1.0, 0.0], -18.0)));
    let column = Node::mesh(block).at([-0.4, 0.55, -0.35]).stretched([0.5, 1.1, 0.5]);
    model.node(column.turned(turn([0.1, 1.0, 0.0], 24.0)));
    let ball = moved(sphere(0.3, 12, 20), [0.38, 0.6, 0.2]);
    model.thing(ball, Material::metal([0.9, 0.75, 0.5], 0.35));

    let ceiling_lamp = quad([-0.3, 1.98, -0.3], [0.6, 0.0, 0.0], [0.0, 0.0, 0.6]);
    model.thing(ceiling_lamp, Material::lamp([14.0, 12.6, 11.0]));
    let ember = Lamp { kind: LampKind::Point, colour: [1.0, 0.5, 0.2], intensity: 0.4 };
    model.lamp(ember, [0.7, 0.25, 0.75], [0.7, 0.0, 0.75]);
    model.camera([0.0, 1.0, 4.4], [0.0, 0.98, 0.0], 32.0);
    model
}

/// The same radiance from everywhere.
fn even_sky(radiance: Vec3) -> Vec<u8> {
    sky(8, 4, Packing::Flat, |_| radiance)
}

/// A clear sky above brown ground, and a sun of about 3 degrees towards `sun`.
fn clear_sky(sun: Vec3, packing: Packing) -> Vec<u8> {
    let sun = unit(sun);
    sky(128, 64, packing, move |d| {
        let up = d[1];
        let ground = [0.12, 0.1, 0.08];
        let air = add(scale([0.9, 0.85, 0.8], 0.5 * (1.0 - up)), scale([0.15, 0.3, 0.7], up));
        let base = if up > 0.0 { air } else { ground };
        // The cosine of 1.6 degrees.
        if dot(d, sun) > 0.999_61 { add(base, [900.0, 820.0, 640.0]) } else { base }
    })
}

/// A grey floor for things to stand on, at y = 0.
fn ground(model: &mut Model, side: f32) {
    model.thing(floor([0.0; 3], side, side), Material::matt([0.5; 3]));
}

/// White light as from a sun, W/m² on a surface that faces it.
fn directional(model: &mut Model, towards: Vec3, irradiance: f32) {
    let lamp = Lamp { kind: LampKind::Directional, colour: [1.0; 3], intensity: irradiance };
    model.lamp(lamp, [0.0; 3], towards);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_differ_and_every_scene_is_small_and_says_what_it_proves() {
        let scenes = conformance();
        let names: BTreeSet<_> = scenes.iter().map(|scene| scene.name).collect();
        assert_eq!(names.len(), scenes.len());
        for scene in &scenes {
            assert!(
                scene
                    .name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            );
            assert!(scene.note.len() > 20, "{}", scene.name);
            assert!(scene.width * scene.height * scene.spp <= 32_768, "{}", scene.name);
            assert!(scene.glb.len() < 1 << 20, "{}", scene.name);
        }
    }
}
