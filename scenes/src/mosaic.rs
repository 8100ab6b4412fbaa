//! The sample animation: a mosaic puts itself together.
//!
//! Seven hundred tiles lie scattered over a polished floor in the last light of a day, rise in a
//! spiral and settle into a rosette, while the camera moves around them in an arc. It shows what
//! the renderer is for: instances of one shape, glazes and metals, a low sun out of a sky map,
//! glowing tiles, a reflecting floor; and it is a mosaic because a *tessera* is one of its tiles.

mod pattern;
mod tile;

use crate::environment::{Packing, sky};
use crate::maths::{NO_TURN, Quat, Vec3, add, dot, look_at, scale, scatter, sub, then, turn, unit};
use crate::model::{Channel, Keys, Material, MaterialId, MeshId, Model, Node};
use crate::shapes::{card, cuboid, floor, join, moved};
use pattern::{Finish, Tessera, tesserae};

/// A short film: the files, and the settings it looks well with.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Its name.
    pub name: &'static str,
    /// What it shows.
    pub note: &'static str,
    /// The scene.
    pub glb: Vec<u8>,
    /// A Radiance `.hdr` beside it.
    pub environment: Option<Vec<u8>>,
    /// Multiplies the map's radiance.
    pub environment_strength: f32,
    /// Turns the map about +Y, in degrees.
    pub environment_rotation_deg: f32,
    /// Number of frames, from frame 0.
    pub frames: u32,
    /// Frames a second; frame `f` shows the time `f / fps`.
    pub fps: u32,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Samples of each pixel.
    pub spp: u32,
    /// Bounces, not counting the camera's edge.
    pub max_bounces: u32,
}

/// The film that `farm demo` renders.
pub fn sample_animation() -> Sample {
    Sample {
        name: "mosaic",
        note: "Seven hundred tiles rise from a polished floor and become a rosette: instances, \
               node animation, glazes and metals, a low sun, glowing tiles, reflections.",
        glb: model().to_glb(),
        environment: Some(dusk()),
        environment_strength: 1.0,
        environment_rotation_deg: 0.0,
        frames: FRAMES,
        fps: FPS,
        width: 640,
        height: 360,
        spp: 48,
        max_bounces: 5,
    }
}

const FRAMES: u32 = 48;
const FPS: u32 = 24;
/// Seconds from the first frame to one past the last.
const LENGTH_S: f32 = FRAMES as f32 / FPS as f32;
/// Where the rosette's middle will be; the tiles' backs touch the board at z = 0.
const MIDDLE: Vec3 = [0.0, 1.5, 0.0];

fn model() -> Model {
    let mut model = Model::new();
    surroundings(&mut model);
    let palette = Palette::new(&mut model);
    for (index, tessera) in tesserae().into_iter().enumerate() {
        fly_in(&mut model, palette.mesh(&tessera), &tessera, index as u32);
    }
    camera(&mut model);
    model
}

/// The floor, the board in its bronze frame, and a cool panel against the warm sun.
fn surroundings(model: &mut Model) {
    let polished = Material { roughness: 0.22, ..Material::matt([0.018, 0.02, 0.024]) };
    model.thing(floor([0.0; 3], 120.0, 120.0), polished);
    let board = moved(cuboid([2.86, 2.86, 0.16]), add(MIDDLE, [0.0, 0.0, -0.08]));
    model.thing(board, Material { roughness: 0.7, ..Material::matt([0.03, 0.029, 0.028]) });
    let rail = |width: f32, height: f32, x: f32, y: f32| {
        moved(cuboid([width, height, 0.26]), add(MIDDLE, [x, y, -0.04]))
    };
    let frame = [
        rail(3.02, 0.08, 0.0, 1.46),
        rail(3.02, 0.08, 0.0, -1.46),
        rail(0.08, 2.84, 1.47, 0.0),
        rail(0.08, 2.84, -1.47, 0.0),
    ];
    model.thing(join(frame), Material::metal([0.36, 0.22, 0.12], 0.4));
    // A lamp without extent would leave sparks wherever the floor mirrors it onto the board.
    let cool = model.material(Material::lamp([7.0, 11.0, 16.0]));
    let panel = model.shape(card([0.0; 3], 1.2, 1.2), cool);
    let (place, aim) = ([4.6, 5.0, 4.4], [0.4, 0.9, 0.5]);
    // A card faces +Z, and what looks at something does so along −Z.
    let facing = then(turn([0.0, 1.0, 0.0], 180.0), look_at(place, aim));
    model.node(Node::mesh(panel).at(place).turned(facing));
}

/// One mesh for each finish: the same shape, another material.
struct Palette {
    meshes: Vec<(Finish, [MeshId; 2])>,
}

impl Palette {
    fn new(model: &mut Model) -> Self {
        let mut meshes = Vec::new();
        for finish in Finish::ALL {
            // Two firings of each glaze: no two neighbours of one colour look quite the same.
            let shades = [1.0, 0.74].map(|shade| {
                let material: MaterialId = model.material(finish.material(shade));
                model.shape(tile::tile(), material)
            });
            meshes.push((finish, shades));
        }
        Self { meshes }
    }

    fn mesh(&self, tessera: &Tessera) -> MeshId {
        let (_, shades) = self
            .meshes
            .iter()
            .find(|(finish, _)| *finish == tessera.finish)
            .expect("the palette holds every finish");
        shades[usize::from(tessera.dark)]
    }
}

/// Adds a tile that lies on the floor, waits for its turn, and flies to its place.
fn fly_in(model: &mut Model, mesh: MeshId, tessera: &Tessera, index: u32) {
    let by_chance = |salt: u32| 2.0 * scatter(index, salt) - 1.0;
    let [u, v] = tessera.place;
    // Settled: upright, turned with its ring, not quite even with its neighbours.
    let to = add(MIDDLE, [u, v, 0.006 * by_chance(1)]);
    let tilt =
        then(turn([1.0, 0.0, 0.0], 3.5 * by_chance(2)), turn([0.0, 1.0, 0.0], 3.5 * by_chance(3)));
    let settled = then(turn([0.0, 0.0, 1.0], tessera.turn_deg), tilt);
    // Scattered: face up on the floor before the board, in a stretched and shaken picture.
    let depth = 1.05 + 1.15 * (v + 1.35) + 0.12 * by_chance(4);
    let from =
        [1.85 * u + 0.12 * by_chance(5), 0.004 + 0.05 * sixth_power(scatter(index, 6)), depth];
    let lying = then(turn([1.0, 0.0, 0.0], -90.0), turn([0.0, 1.0, 0.0], 180.0 * by_chance(7)));

    // The spiral: from the middle outwards and once around.
    let around = libm::atan2f(u, v) / std::f32::consts::TAU + 0.5;
    let out = (u * u + v * v).sqrt() / 1.9;
    let start_s = 0.02 + 0.62 * out + 0.3 * around + 0.1 * scatter(index, 8);
    let flight_s = 0.62 + 0.12 * scatter(index, 9);
    let tumble = [by_chance(10), by_chance(11), 0.4 * by_chance(12)];

    const KEYS: u32 = 12;
    let (mut times, mut places, mut turns) = (vec![0.0], vec![from], vec![lying]);
    for key in 0..=KEYS {
        let passed = key as f32 / KEYS as f32;
        times.push(start_s + flight_s * passed);
        let eased = passed * passed * (3.0 - 2.0 * passed);
        // Up first, then towards the board, and the last stretch straight in.
        let arc = 4.0 * passed * (1.0 - passed);
        let swing = [0.25 * arc * u, 0.35 * arc, 0.5 * arc];
        places.push(add(add(from, scale(sub(to, from), eased)), swing));
        turns.push(then(between(lying, settled, eased), turn(tumble, 360.0 * eased)));
    }
    let node = Node::mesh(mesh).at(to).turned(settled);
    let node = model.node(node.stretched([tessera.size[0], tessera.size[1], 0.1]));
    let channel = |keys| Channel { node, times: times.clone(), keys, steps: false };
    model.animate(channel(Keys::Translation(places)));
    model.animate(channel(Keys::Rotation(turns)));
}

/// `powi` leaves its precision to the platform.
fn sixth_power(x: f32) -> f32 {
    let square = x * x;
    square * square * square
}

/// Between two turns, the short way; near enough to even for keys this dense.
fn between(a: Quat, b: Quat, share: f32) -> Quat {
    let sign = if (0..4).map(|i| a[i] * b[i]).sum::<f32>() < 0.0 { -1.0 } else { 1.0 };
    let mixed: Quat = std::array::from_fn(|i| a[i] + (sign * b[i] - a[i]) * share);
    then(mixed, NO_TURN)
}

/// An arc of fifty degrees around the board, rising.
fn camera(model: &mut Model) {
    let eye = |share: f32| {
        let eased = share * share * (3.0 - 2.0 * share);
        let (sin, cos) = crate::maths::sin_cos_deg(-30.0 + 46.0 * eased);
        let radius = 7.5 - 0.8 * eased;
        [radius * sin as f32, 0.75 + 0.75 * eased, radius * cos as f32]
    };
    let target = |share: f32| [0.0, 1.15 + 0.1 * share, 0.3 - 0.3 * share];
    let keys = FRAMES / 2;
    let shares: Vec<f32> = (0..=keys).map(|key| key as f32 / keys as f32).collect();
    let camera = model.camera(eye(0.0), target(0.0), 34.0);
    let times: Vec<f32> = shares.iter().map(|share| share * LENGTH_S).collect();
    let places = shares.iter().map(|&share| eye(share)).collect();
    let turns = shares.iter().map(|&share| look_at(eye(share), target(share))).collect();
    let channel = |keys| Channel { node: camera, times: times.clone(), keys, steps: false };
    model.animate(channel(Keys::Translation(places)));
    model.animate(channel(Keys::Rotation(turns)));
}

/// A clear evening: a hazy sun low on the left behind the camera, a warm horizon around it, deep
/// blue above. The disc is ten degrees wide and dimmer than the real one for the same light, so
/// that its reflections in metal and in the floor stay free of sparks.
fn dusk() -> Vec<u8> {
    let sun = unit([-0.78, 0.52, 0.6]);
    sky(256, 128, Packing::Runs, |d| {
        let up = d[1].max(0.0);
        let towards = dot(d, sun);
        let horizon = libm::expf(-4.0 * up);
        let glow = libm::expf(-5.0 * (1.0 - towards));
        let warmth = horizon * (0.35 + 0.65 * (0.5 + 0.5 * towards));
        let air = add([0.03, 0.075, 0.21], scale([0.8, 0.4, 0.26], warmth));
        let air = add(air, scale([0.9, 0.5, 0.22], glow * (0.4 + 0.6 * horizon)));
        // Beyond the floor's far edge the map goes on as the floor would: a mirror of the sky.
        let dimmed = 0.1 + 0.7 * libm::expf(12.0 * d[1].min(0.0));
        let base = if d[1] < 0.0 { scale(air, dimmed) } else { air };
        // The cosines of 5.5 and 4.5 degrees.
        let disc = ((towards - 0.995_40) / (0.996_92 - 0.995_40)).clamp(0.0, 1.0);
        add(base, scale([165.0, 112.0, 64.0], disc))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tile_has_arrived_before_the_last_frame_and_none_goes_through_the_floor() {
        let model = model();
        let last_s = (FRAMES - 1) as f32 / FPS as f32;
        let mut flights = 0;
        for channel in &model.channels {
            if let Keys::Translation(places) = &channel.keys {
                assert!(channel.times.is_sorted_by(|a, b| a < b));
                assert!(places.iter().all(|place| place[1] >= 0.0), "{places:?}");
                flights += 1;
            }
        }
        let tiles = tesserae().len();
        assert_eq!(flights, tiles + 1, "each tile and the camera");
        assert!((400..=900).contains(&tiles), "{tiles}");
        let arrivals = model.channels.iter().take(2 * tiles).map(|c| c.times[c.times.len() - 1]);
        assert!(arrivals.fold(0.0, f32::max) < last_s - 0.1);
    }
}
