//! Scenes with more triangles than those that ship.

use tessera_scenes::maths::scatter;
use tessera_scenes::model::{Material, Model, Node, Part};
use tessera_scenes::shapes::{floor, sheet, sphere};

pub(crate) fn models() -> Vec<(&'static str, Model)> {
    vec![
        ("marbles", marbles(12, 24)),
        ("fine-marbles", marbles(96, 192)),
        ("meadow", meadow(20_000)),
        ("dense-meadow", meadow(150_000)),
        ("terrain", terrain(400)),
    ]
}

fn lit() -> Model {
    let mut model = Model::new();
    model.thing(floor([0.0; 3], 12.0, 12.0), Material::matt([0.6; 3]));
    model.point_lamp([2.0, 4.0, 3.0], 40.0);
    model.point_lamp([-3.0, 3.0, 2.0], 20.0);
    model.camera([0.0, 2.6, 6.5], [0.0, 0.4, 0.0], 40.0);
    model
}

/// 300 balls of one mesh, many of which overlap.
fn marbles(rings: u32, segments: u32) -> Model {
    let mut model = lit();
    let clay = model.material(Material { roughness: 0.2, ..Material::matt([0.7, 0.5, 0.3]) });
    let ball = model.shape(sphere(0.25, rings, segments), clay);
    for i in 0..300 {
        let [x, y, z] = [1, 2, 3].map(|salt| scatter(i, salt));
        model.node(Node::mesh(ball).at([5.0 * x - 2.5, 0.2 + 1.2 * y, 5.0 * z - 2.5]));
    }
    model
}

/// Blades of grass in one mesh: long thin triangles, of which every box is full.
fn meadow(blades: u32) -> Model {
    let mut model = lit();
    let mut grass = Part::default();
    for i in 0..blades {
        let [x, z] = [1, 2].map(|salt| 6.0 * scatter(i, salt) - 3.0);
        let [lean, turn, tall] = [3, 4, 5].map(|salt| scatter(i, salt));
        let first = grass.positions.len() as u32;
        let tip = [x + 0.3 * (lean - 0.5), 0.3 + 0.5 * tall, z + 0.3 * (turn - 0.5)];
        grass.positions.extend([[x - 0.01, 0.0, z], [x + 0.01, 0.0, z + 0.01 * turn], tip]);
        grass.indices.extend([first, first + 1, first + 2]);
    }
    model.thing(grass, Material { double_sided: true, ..Material::matt([0.3, 0.6, 0.2]) });
    model
}

/// Hills of `2 × side²` triangles.
fn terrain(side: u32) -> Model {
    let mut model = lit();
    let hill = |u: f32, v: f32| {
        0.4 + 0.3 * wave(2.9 * u) * wave(2.2 * v) + 0.05 * wave(19.0 * u + 15.0 * v)
    };
    let hills = sheet(side, side, |u, v| [6.0 * u - 3.0, hill(u, v), 3.0 - 6.0 * v]);
    model.thing(hills, Material::matt([0.5, 0.4, 0.3]));
    model
}

/// Parabolas up and down, one for each unit of `x`.
fn wave(x: f32) -> f32 {
    let whole = x.floor();
    let t = x - whole;
    let bow = 4.0 * t * (1.0 - t);
    if whole as i64 % 2 == 0 { bow } else { -bow }
}
