//! Where light comes from: emitting surfaces, lamps without extent, the sky.

use super::{clear_sky, even_sky, ground, room};
use crate::Scene;
use crate::environment::Packing;
use crate::maths::scatter;
use crate::model::{Lamp, LampKind, Material, Model, Node};
use crate::picture::Picture;
use crate::shapes::{card, cuboid, floor, moved, quad, sphere};
use tessera_protocol::settings::Background;

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene {
            spp: 8,
            max_bounces: 5,
            ..Scene::new(
                "room",
                "Indirect light in a room with an emitting ceiling and a point lamp: the ordinary case.",
                &room(),
            )
        },
        Scene {
            max_bounces: 0,
            ..Scene::new(
                "no-bounces",
                "With 0 bounces there is direct light and no other: shadows are black.",
                &room(),
            )
        },
        furnace("furnace-dielectric", Material::matt([1.0; 3])),
        furnace("furnace-metal", Material::metal([1.0; 3], 0.4)),
        lamps(),
        sun("sun", 0.0, Packing::Flat, Background::Environment),
        sun("sun-turned", 137.0, Packing::Runs, Background::Black),
        many_lamps(),
        window(),
        hall(),
    ]
}

fn furnace(name: &'static str, material: Material) -> Scene {
    let mut model = Model::new();
    model.thing(sphere(1.0, 16, 24), material);
    model.camera([0.0, 0.0, 4.0], [0.0; 3], 36.0);
    let note = "A white ball in even light of radiance 1: the whole integral of the lobe, over directions and over light sampling.";
    Scene { max_bounces: 16, ..Scene::new(name, note, &model).under(even_sky([1.0; 3])) }
}

fn lamps() -> Scene {
    let mut model = Model::new();
    ground(&mut model, 6.0);
    model.thing(moved(sphere(0.4, 12, 20), [-0.9, 0.4, 0.0]), Material::matt([0.7, 0.3, 0.3]));
    let ball = moved(sphere(0.4, 12, 20), [0.9, 0.4, 0.0]);
    model.thing(ball, Material { roughness: 0.2, ..Material::matt([0.2, 0.3, 0.7]) });
    model.point_lamp([-1.6, 1.0, 0.8], 4.0);
    let spot = LampKind::Spot { inner_deg: 9.0, outer_deg: 16.0 };
    let spot = Lamp { kind: spot, colour: [0.3, 1.0, 0.4], intensity: 30.0 };
    model.lamp(spot, [1.6, 2.2, 1.6], [0.7, 0.2, 0.0]);
    let evening = Lamp { kind: LampKind::Directional, colour: [1.0, 0.7, 0.4], intensity: 0.7 };
    model.lamp(evening, [0.0, 1.0, 0.0], [1.0, 0.2, -0.8]);
    model.camera([0.0, 1.6, 4.5], [0.0, 0.4, 0.0], 36.0);
    let note =
        "Point, spot and directional lamps, each with its own shadow; the spot's edge is soft.";
    Scene { max_bounces: 2, ..Scene::new("lamps", note, &model) }
}

fn sun(name: &'static str, rotation_deg: f32, packing: Packing, background: Background) -> Scene {
    let mut model = Model::new();
    ground(&mut model, 5.0);
    model.thing(moved(cuboid([0.8, 1.2, 0.8]), [-0.6, 0.6, 0.0]), Material::matt([0.8, 0.6, 0.4]));
    let ball = moved(sphere(0.45, 12, 20), [0.7, 0.45, 0.3]);
    model.thing(ball, Material { roughness: 0.25, ..Material::matt([0.6, 0.1, 0.1]) });
    model.camera([0.5, 1.6, 4.5], [0.0, 0.6, 0.0], 38.0);
    let note = "A sun in a few texels lights the scene: the map is sampled by importance, turned by \
                its angle, and drawn or left out behind.";
    let scene = Scene::new(name, note, &model).under(clear_sky([-0.5, 0.5, 0.4], packing));
    Scene {
        environment_strength: 0.5,
        environment_rotation_deg: rotation_deg,
        background,
        max_bounces: 3,
        ..scene
    }
}

fn many_lamps() -> Scene {
    let mut model = Model::new();
    ground(&mut model, 6.0);
    for i in 0..144u32 {
        let place = [(i % 12) as f32 * 0.4 - 2.2, 1.0 + scatter(i, 1), (i / 12) as f32 * 0.4 - 2.2];
        // Powers over four decades, so that choosing by power and choosing evenly differ.
        let power = libm::powf(10.0, 4.0 * scatter(i, 2) - 2.6);
        let colour = [scatter(i, 3), scatter(i, 4), scatter(i, 5)].map(|x| (0.1 + x) * power);
        let lamp = moved(floor([0.0; 3], 0.05 + 0.1 * scatter(i, 6), 0.1), place);
        model.thing(lamp, Material { double_sided: true, ..Material::lamp(colour) });
    }
    for i in 0..8u32 {
        model.point_lamp([i as f32 * 0.6 - 2.1, 0.15, scatter(i, 7) * 3.0 - 1.5], 0.05);
    }
    model.camera([0.0, 2.2, 5.5], [0.0, 0.4, 0.0], 40.0);
    let note = "288 emitting triangles and 8 lamps of very different power: the choice of a light and \
                its probability agree.";
    Scene { max_bounces: 2, ..Scene::new("many-lamps", note, &model) }
}

fn window() -> Scene {
    let mut model = Model::new();
    ground(&mut model, 6.0);
    let panes = Picture::opaque(16, 16, |x, y| {
        let lead = x % 4 == 0 || y % 4 == 0;
        if lead { [0; 3] } else { [((x / 4) * 80) as u8, 120, 250 - ((y / 4) * 80) as u8] }
    });
    let panes = model.picture(panes);
    let glass = Material { emissive_texture: Some(panes), ..Material::lamp([6.0; 3]) };
    model.thing(card([0.0, 1.2, -1.0], 2.4, 2.0), glass);
    model.thing(moved(sphere(0.35, 12, 20), [0.3, 0.35, 0.4]), Material::metal([0.9; 3], 0.1));
    model.camera([0.8, 1.4, 5.0], [0.0, 0.8, 0.0], 36.0);
    let note =
        "An emissive texture lights the room: its texels count where a light ray ends on them.";
    Scene { max_bounces: 3, spp: 8, ..Scene::new("window", note, &model) }
}

fn hall() -> Scene {
    let mut model = Model::new();
    let mirror = model.material(Material::metal([0.97, 0.95, 0.9], 0.05));
    let left = model.shape(quad([-1.0, 0.0, 4.0], [0.0, 0.0, -8.0], [0.0, 2.0, 0.0]), mirror);
    let right = model.shape(quad([1.0, 0.0, -4.0], [0.0, 0.0, 8.0], [0.0, 2.0, 0.0]), mirror);
    model.node(Node::mesh(left));
    model.node(Node::mesh(right));
    ground(&mut model, 8.0);
    model.thing(moved(sphere(0.2, 8, 12), [0.2, 0.8, -1.0]), Material::lamp([16.0, 11.0, 6.0]));
    model.camera([0.4, 1.0, 3.6], [-0.3, 0.8, 0.0], 45.0);
    let note = "Light between two mirrors for 24 bounces: roulette ends paths at the same vertex everywhere.";
    Scene { max_bounces: 24, ..Scene::new("hall-of-mirrors", note, &model) }
}
