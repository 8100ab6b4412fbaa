//! Where surfaces are: instances, exact ties, edges, and triangles that a ray could slip past.

use super::{clear_sky, directional, even_sky, ground, room};
use crate::Scene;
use crate::environment::Packing;
use crate::maths::{Vec3, add, turn};
use crate::model::{Attachment, Material, Model, Node, Part};
use crate::picture::{Picture, normal_texel};
use crate::shapes::{card, cuboid, floor, join, moved, quad, sheet, sphere};

pub(super) fn scenes() -> Vec<Scene> {
    let (near, away) = (2.0, 1000.0);
    let corner = [3000.0, 1000.0, -8000.0];
    vec![
        instances(),
        far("far-and-near", corner, [0.0; 3], near),
        far("far-and-away", corner, [0.0; 3], away),
        far("far-by-its-node", [0.0; 3], corner, away),
        coplanar(),
        grazing(),
        sealed(),
        degenerate(),
        no_camera(),
        orthographic(),
        empty(),
    ]
}

fn instances() -> Scene {
    let mut model = Model::new();
    ground(&mut model, 8.0);
    let red = model.material(Material::matt([0.7, 0.2, 0.15]));
    let brass = model.material(Material::metal([0.85, 0.65, 0.3], 0.3));
    // Two materials and no symmetry: a mirrored copy is seen to be one.
    let boot = model.mesh(vec![
        Part { material: Some(red), ..moved(cuboid([0.3, 0.8, 0.3]), [0.0, 0.4, 0.0]) },
        Part { material: Some(brass), ..moved(cuboid([0.5, 0.2, 0.3]), [0.3, 0.1, 0.0]) },
    ]);
    let ball = model.shape(sphere(0.2, 10, 16), brass);
    let pair = [
        model.node(Node::mesh(boot)),
        model.node(Node::mesh(ball).at([0.0, 1.0, 0.0]).stretched([1.0, 0.5, 2.0])),
    ];
    let tower = model.node(Node::group(pair.to_vec()).turned(turn([0.0, 1.0, 0.0], 20.0)));
    model.node(Node::group(vec![tower]).at([-1.5, 0.0, 0.0]).stretched([0.7, 1.6, 1.0]));
    model.node(Node::mesh(boot).at([-0.3, 0.0, 0.0]).stretched([-1.0, 1.0, 1.0]));
    model.node(Node::mesh(boot).at([0.5, 1.0, 0.3]).stretched([1.0, -1.2, 1.0]));
    let all_negative = Node::mesh(boot).at([1.2, 0.9, 0.0]).stretched([-1.0, -1.0, -1.0]);
    model.node(all_negative.turned(turn([0.0, 0.0, 1.0], 15.0)));
    // A shear, which only a matrix can say.
    let shear = [1.0, 0.0, 0.0, 0.0, 0.6, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.6, 0.0, 0.4, 1.0];
    model.node(Node::mesh(boot).placed(shear));
    model.camera([0.3, 1.5, 5.0], [0.1, 0.6, 0.0], 36.0);
    let note = "One mesh many times, nested, sheared, stretched and mirrored: normals and fronts \
                follow each instance's own map.";
    let scene = Scene::new("instances", note, &model);
    Scene { width: 64, height: 40, ..scene.under(clear_sky([-0.5, 0.7, 0.6], Packing::Flat)) }
}

/// A rippled sheet of cells of 0.01 around `corner`, seen head-on from `distance` away.
fn far(name: &'static str, corner: Vec3, node: Vec3, distance: f32) -> Scene {
    let mut model = Model::new();
    let ripple = |u: f32, v: f32| 0.004 * libm::sinf(40.0 * u) * libm::sinf(34.0 * v);
    let place = |u: f32, v: f32| add(corner, [0.3 * u, 0.3 * v, ripple(u, v)]);
    let material = model.material(Material::matt([0.8, 0.7, 0.5]));
    let cloth = model.shape(sheet(30, 30, place), material);
    model.node(Node::mesh(cloth).at(node));
    let middle = add(add(corner, node), [0.15, 0.15, 0.0]);
    let from = add(middle, [0.0, 0.0, distance]);
    let yfov_deg = 2.0 * libm::atanf(0.17 / distance).to_degrees();
    model.camera(from, middle, yfov_deg);
    directional(&mut model, [0.4, -0.5, -0.6], 3.0);
    let note = "Triangles of 0.01 at coordinates of thousands: t and the box's entry round \
                differently, so only the triangle's own padded box makes the hit canonical.";
    Scene { spp: 8, max_bounces: 2, ..Scene::new(name, note, &model).under(even_sky([0.2; 3])) }
}

fn coplanar() -> Scene {
    let mut model = Model::new();
    let colours = [[1.0, 0.2, 0.1], [0.1, 0.8, 0.2], [0.1, 0.3, 1.0]];
    let glow = colours.map(|colour| model.material(Material::lamp(colour)));
    // The same quad as three instances: the first wins wherever the distances are equal.
    for material in glow {
        let copy = model.shape(card([-0.8, 0.4, 0.0], 0.9, 0.9), material);
        model.node(Node::mesh(copy));
    }
    // The same quad three times in one mesh: the first triangles win.
    let thrice =
        glow.map(|material| Part { material: Some(material), ..card([0.8, 0.4, 0.0], 0.9, 0.9) });
    let thrice = model.mesh(thrice.to_vec());
    model.node(Node::mesh(thrice));
    // Turned in one plane: distances differ in the last bit only.
    for (i, material) in glow.into_iter().enumerate() {
        let leaf = model.shape(card([0.0; 3], 0.9, 0.5), material);
        let turned = turn([0.0, 0.0, 1.0], i as f32 * 50.0);
        model.node(Node::mesh(leaf).at([-0.4, -0.6, 0.0]).turned(turned));
    }
    // Cut into different triangles, both in one plane.
    for (cells, material) in [(1, glow[1]), (7, glow[2])] {
        let cut = sheet(cells, cells, |u, v| [0.3 + 0.9 * u, 0.9 * v - 1.0, 0.1 * u]);
        let cut = model.shape(cut, material);
        model.node(Node::mesh(cut));
    }
    model.camera([1.5, 0.7, 5.0], [0.0, -0.1, 0.0], 28.0);
    let note = "Surfaces in one place: the least (distance, instance, triangle) wins, whatever order \
                the search takes.";
    Scene { max_bounces: 0, spp: 8, ..Scene::new("coplanar", note, &model) }
}

fn grazing() -> Scene {
    let mut model = Model::new();
    // A black wheel of thin spokes in front of the bright sky: a gap between two would shine.
    let spokes = 96;
    let mut wheel = Part { positions: vec![[0.0, 0.0, 0.0]], ..Part::default() };
    for i in 0..spokes {
        let (sin, cos) = crate::maths::sin_cos_deg(360.0 * i as f32 / spokes as f32);
        wheel.positions.push([cos as f32, sin as f32, 0.0]);
        wheel.indices.extend([0, i + 1, (i + 1) % spokes + 1]);
    }
    let black = Material { double_sided: true, ..Material::metal([0.0; 3], 1.0) };
    let black = model.material(black);
    let wheel = model.shape(wheel, black);
    model.node(Node::mesh(wheel).at([-0.5, 0.45, 0.0]).stretched([0.45; 3]));
    let edge_on = turn([1.0, 0.0, 0.0], 89.6);
    model.node(Node::mesh(wheel).at([0.5, 0.45, 0.0]).stretched([0.45; 3]).turned(edge_on));
    // A long floor seen at half a degree, in slivers.
    let slivers = sheet(80, 2, |u, v| [4.0 * u - 2.0, -0.4, 30.0 * v - 28.0]);
    model.thing(slivers, Material { double_sided: true, ..Material::matt([0.6, 0.3, 0.2]) });
    model.camera([0.0, -0.3, 5.0], [0.0, 0.1, 0.0], 26.0);
    let note = "Shared edges and corners head-on, edge-on and in slivers: no ray passes between two \
                triangles that share an edge.";
    let scene = Scene::new("grazing", note, &model).under(even_sky([1.0; 3]));
    Scene { spp: 8, max_bounces: 1, ..scene }
}

/// A lamp inside a closed ball: nothing gets out.
pub(crate) fn sealed() -> Scene {
    let mut model = Model::new();
    let shell = Material { double_sided: true, roughness: 0.3, ..Material::matt([0.9; 3]) };
    model.thing(sphere(1.0, 24, 36), shell);
    model.thing(sphere(0.1, 6, 8), Material::lamp([500.0; 3]));
    model.point_lamp([0.3, 0.5, -0.2], 100.0);
    model.camera([0.6, 0.9, 3.0], [0.0; 3], 44.0);
    let note = "Light inside a closed ball, seen from outside: black to the last quantum, or the ball \
                is not tight.";
    Scene { spp: 8, ..Scene::new("sealed", note, &model) }
}

fn degenerate() -> Scene {
    let mut model = Model::new();
    ground(&mut model, 5.0);
    let mut torn = card([-0.9, 0.7, 0.0], 0.9, 0.9);
    // A point, a line and a doubled corner among the good triangles.
    torn.indices.extend([0, 0, 0, 0, 1, 1, 2, 3, 2]);
    torn.normals[1] = [0.0; 3];
    model.thing(torn, Material::matt([0.7, 0.4, 0.2]));
    let line = [[0.0, 0.2, 0.5], [0.5, 0.7, 0.5], [1.0, 1.2, 0.5]];
    let line = Part { positions: line.to_vec(), ..Part::default() };
    model.thing(line, Material::lamp([1000.0; 3]));
    // One texture coordinate for all corners: no tangent can be made.
    let bumps = model.picture(Picture::opaque(4, 4, |x, _| normal_texel(x as f32 * 0.2, 0.0)));
    let mut smeared = card([0.9, 0.7, 0.0], 0.9, 0.9);
    smeared.uvs = vec![[0.3, 0.3]; 4];
    model.thing(
        smeared,
        Material { normal_texture: Some(bumps), ..Material::matt([0.2, 0.5, 0.6]) },
    );
    let block = model.material(Material::matt([0.6, 0.6, 0.2]));
    let block = model.shape(cuboid([0.5; 3]), block);
    // Squeezed to a plane, to a line and to a point.
    model.node(Node::mesh(block).at([0.0, 0.5, 0.3]).stretched([1.0, 1.0, 0.0]));
    model.node(Node::mesh(block).at([0.0, 1.2, 0.0]).stretched([1.0, 0.0, 0.0]));
    model.node(Node::mesh(block).at([0.4, 1.2, 0.0]).stretched([0.0; 3]));
    directional(&mut model, [0.3, -0.7, -0.6], 2.0);
    model.camera([0.0, 1.2, 4.5], [0.0, 0.6, 0.0], 34.0);
    let note = "Triangles without area, a normal without length, no tangents to be had, instances \
                squeezed flat: none of them makes a number that is not one.";
    Scene { max_bounces: 2, ..Scene::new("degenerate", note, &model).under(even_sky([0.3; 3])) }
}

fn no_camera() -> Scene {
    let mut model = room();
    for node in &mut model.nodes {
        if matches!(node.attachment, Attachment::Camera { .. }) {
            node.attachment = Attachment::Nothing;
        }
    }
    let note = "No camera: the host makes one that frames the scene, the same on every machine.";
    Scene::new("no-camera", note, &model).under(even_sky([0.5; 3]))
}

fn orthographic() -> Scene {
    let mut model = Model::new();
    ground(&mut model, 6.0);
    let block = model.material(Material::matt([0.7, 0.5, 0.2]));
    let block = model.shape(cuboid([0.6; 3]), block);
    for (i, z) in [-1.6, -0.4, 0.8].into_iter().enumerate() {
        model.node(Node::mesh(block).at([i as f32 - 1.0, 0.3, z]));
    }
    model.thing(moved(sphere(0.4, 12, 20), [0.6, 0.4, -1.2]), Material::metal([0.9; 3], 0.2));
    model.orthographic([4.0, 4.0, 4.0], [0.0; 3], 1.8);
    model.camera([0.0, 1.0, 8.0], [0.0; 3], 20.0);
    directional(&mut model, [-0.5, -0.8, -0.2], 2.0);
    let note = "Blocks and a ball from above, by parallel rays: each starts elsewhere.";
    let scene = Scene::new("orthographic", note, &model);
    Scene { width: 64, height: 40, ..scene.under(clear_sky([0.5, 0.7, 0.6], Packing::Flat)) }
}

fn empty() -> Scene {
    let mut model = Model::new();
    // Something, but nowhere near the picture: a camera that sees only sky.
    let behind = join([
        floor([0.0, -1.0, 30.0], 1.0, 1.0),
        quad([0.0, 0.0, 40.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]),
    ]);
    model.thing(behind, Material::default());
    model.camera([0.0; 3], [0.2, 0.15, -1.0], 70.0);
    let note =
        "Nothing but sky in the picture: the map's rows and columns, its seam and its filter.";
    Scene {
        environment_rotation_deg: -100.0,
        ..Scene::new("only-sky", note, &model).under(clear_sky([0.2, 0.4, -0.9], Packing::Runs))
    }
}
