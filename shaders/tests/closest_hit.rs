//! No tree changes a hit, and the box rule is why.
//!
//! The rule for hits is written here a second time, and applied to every triangle in turn. On
//! random triangles, as far as 10^5 from the origin and as small as 10^-2, trees of all shapes must
//! give that hit to the bit. Without the part of the rule that looks at the triangle's own box,
//! such triangles give different hits to different trees.

mod support;

use bytemuck::Zeroable;
use std::sync::Arc;
use support::Random;
use tessera_shaders::bvh::{Accel, MeshTrees, Shape};
use tessera_shaders::cpu::Scene;
use tessera_shaders::cpu::intersect::{
    Hit, Interval, Query, SlabRay, T_FAR, closest, occluded, padded_box,
};
use tessera_shaders::cpu::math::{
    Vec3, div, flush, magnitude, transform_direction, transform_point, vec3,
};
use tessera_shaders::cpu::sampler::scramble;
use tessera_shaders::layout::{
    CanonicalScene, Frame, Instance, Material, Mesh, NONE, Texture, Triangle, Vertex,
};

type Corners = [[f32; 3]; 3];
type Rows = [[f32; 4]; 3];

const IDENTITY: Rows = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];

/// Meshes, and where each instance shows which of them.
struct World {
    scene: CanonicalScene,
    /// Corners of each mesh.
    meshes: Vec<Vec<Corners>>,
}

/// A map from a mesh's space to the world, and back.
struct Map {
    there: Rows,
    back: Rows,
    stretch: f32,
}

impl Map {
    const IDENTITY: Self = Self { there: IDENTITY, back: IDENTITY, stretch: 1.0 };

    /// A turn, a scale between 10^-3 and 10^3 that is not the same along all axes, and a move.
    fn random(random: &mut Random, reach: f64) -> Self {
        let scale: [f64; 3] = {
            let size = random.magnitude(-3.0, 3.0);
            std::array::from_fn(|_| size * random.between(0.5, 2.0))
        };
        let z = random.direction();
        let x = {
            let other = random.direction();
            let cross = [
                z[1] * other[2] - z[2] * other[1],
                z[2] * other[0] - z[0] * other[2],
                z[0] * other[1] - z[1] * other[0],
            ];
            let length = cross.iter().map(|c| c * c).sum::<f64>().sqrt();
            cross.map(|c| c / length)
        };
        let y = [z[1] * x[2] - z[2] * x[1], z[2] * x[0] - z[0] * x[2], z[0] * x[1] - z[1] * x[0]];
        let turn = [x, y, z];
        let move_by: [f64; 3] = random.direction().map(|d| d * reach);
        let mut there = IDENTITY;
        let mut back = IDENTITY;
        for i in 0..3 {
            for j in 0..3 {
                there[i][j] = (turn[j][i] * scale[j]) as f32;
                back[i][j] = (turn[i][j] / scale[i]) as f32;
            }
            there[i][3] = move_by[i] as f32;
            let moved: f64 = (0..3).map(|j| turn[i][j] * move_by[j]).sum();
            back[i][3] = (-moved / scale[i]) as f32;
        }
        Self { there, back, stretch: scale.iter().fold(0.0, |m: f64, s| m.max(*s)) as f32 * 1.001 }
    }
}

impl World {
    fn new(meshes: Vec<Vec<Corners>>, placed: &[(u32, Map)]) -> Self {
        let mut vertices = Vec::new();
        let mut triangles = Vec::new();
        let mut list = Vec::new();
        for mesh in &meshes {
            let first_triangle = triangles.len() as u32;
            list.push(Mesh { first_triangle, triangle_count: mesh.len() as u32 });
            for corners in mesh {
                let first = vertices.len() as u32;
                triangles.push(Triangle { corners: [first, first + 1, first + 2], more: 0 });
                vertices.extend(corners.map(|position| Vertex { position, ..Vertex::zeroed() }));
            }
        }
        let instances = placed
            .iter()
            .map(|(mesh, map)| {
                let (mut lo, mut hi) = ([f32::INFINITY; 3], [f32::NEG_INFINITY; 3]);
                for corner in meshes[*mesh as usize].iter().flatten() {
                    let p = transform_point(&map.there, Vec3::from_array(*corner));
                    for (i, x) in [p.x, p.y, p.z].into_iter().enumerate() {
                        (lo[i], hi[i]) = (lo[i].min(x), hi[i].max(x));
                    }
                }
                let largest = lo.iter().chain(&hi).fold(0.0f32, |m, x| m.max(x.abs()));
                let padding = largest * 2f32.powi(-16);
                Instance {
                    world_to_local: map.back,
                    local_to_world: map.there,
                    lo: lo.map(|x| x - padding),
                    hi: hi.map(|x| x + padding),
                    first_triangle: list[*mesh as usize].first_triangle,
                    first_light: NONE,
                    stretch: map.stretch,
                    ..Instance::zeroed()
                }
            })
            .collect::<Vec<_>>();
        let material = Material {
            base_color_texture: Texture::NONE,
            metallic_roughness_texture: Texture::NONE,
            normal_texture: Texture::NONE,
            emission_texture: Texture::NONE,
            ..Material::zeroed()
        };
        let frame = Frame { instance_count: instances.len() as u32, ..Frame::zeroed() };
        let scene = CanonicalScene {
            frame,
            vertices: Arc::new(vertices),
            triangles: Arc::new(triangles),
            meshes: Arc::new(list),
            instance_meshes: placed.iter().map(|(mesh, _)| *mesh).collect(),
            instances,
            materials: Arc::new(vec![material]),
            texels: Arc::default(),
            lights: Vec::new(),
            cells: Arc::default(),
        };
        Self { scene, meshes }
    }

    fn trees(&self, shape: Shape) -> Accel {
        let scene = &self.scene;
        let trees = MeshTrees::build(&scene.meshes, &scene.triangles, &scene.vertices, shape);
        Accel::build(scene, &trees, shape)
    }

    /// Makes every surface a veil of this alpha.
    fn veiled(mut self, alpha: f32) -> Self {
        let material = &mut Arc::make_mut(&mut self.scene.materials)[0];
        material.alpha_mode = Material::BLEND;
        material.base_color[3] = alpha;
        self
    }

    /// Whether a triangle is there for a ray: by a hash of the two, and of nothing else.
    fn is_there(&self, query: &Query, instance: u32, triangle: u32) -> bool {
        let material = &self.scene.materials[0];
        let number = scramble(query.alpha_seed.wrapping_add(instance)).wrapping_add(triangle);
        material.alpha_mode == Material::OPAQUE
            || f64::from(scramble(number) >> 8) / 2f64.powi(24) < f64::from(material.base_color[3])
    }

    /// The rule for hits, applied to every triangle: the least (t, instance, triangle).
    fn closest_by_rule(&self, query: &Query) -> Option<(f32, u32, u32)> {
        let world = SlabRay::new(query.origin, query.direction);
        let mut best: Option<(f32, u32, u32)> = None;
        for (number, instance) in self.scene.instances.iter().enumerate() {
            let bounds = world.interval(instance.lo, instance.hi);
            let ray = LocalRay::new(&instance.world_to_local, query);
            let mesh = self.scene.instance_meshes[number] as usize;
            for (i, corners) in self.meshes[mesh].iter().enumerate() {
                let Some(t) = ray.meet(corners) else { continue };
                if t >= T_MIN && t < query.t_max && holds(bounds, t) && holds(ray.own(corners), t) {
                    let hit = (t, number as u32, instance.first_triangle + i as u32);
                    if self.is_there(query, hit.1, hit.2) && best.is_none_or(|best| hit < best) {
                        best = Some(hit);
                    }
                }
            }
        }
        best
    }
}

/// 2^-60.
const T_MIN: f32 = f32::from_bits(0x2180_0000);

/// Part of the rule: t lies between entry and exit, within 2^-20 of itself.
fn holds(interval: Interval, t: f32) -> bool {
    interval.entry <= t * (1.0 + 2f32.powi(-20)) && t * (1.0 - 2f32.powi(-20)) <= interval.exit
}

/// Whether a tree goes into a box when the best hit so far is at `t`.
fn is_visited(interval: Interval, t: f32) -> bool {
    let exit = interval.exit * (1.0 + 2f32.powi(-17));
    let limit = t * (1.0 + 2f32.powi(-20));
    interval.exit > 0.0 && interval.entry <= if exit < limit { exit } else { limit }
}

/// A ray in a mesh's own space.
struct LocalRay {
    origin: Vec3,
    slab: SlabRay,
    axis: u32,
    shear: Vec3,
}

impl LocalRay {
    fn new(world_to_local: &Rows, query: &Query) -> Self {
        let origin = transform_point(world_to_local, query.origin);
        let direction = transform_direction(world_to_local, query.direction);
        let (x, y, z) = (magnitude(direction.x), magnitude(direction.y), magnitude(direction.z));
        let axis = if z >= x && z >= y { 2 } else { u32::from(y >= x) };
        let d = Self::turn(direction, axis);
        let shear = vec3(div(d.x, d.z), div(d.y, d.z), div(1.0, d.z));
        Self { origin, slab: SlabRay::new(origin, direction), axis, shear }
    }

    fn turn(v: Vec3, axis: u32) -> Vec3 {
        [vec3(v.y, v.z, v.x), vec3(v.z, v.x, v.y), v][axis as usize]
    }

    fn project(&self, corner: [f32; 3]) -> Vec3 {
        let p = Self::turn(Vec3::from_array(corner) - self.origin, self.axis);
        vec3(p.x - self.shear.x * p.z, p.y - self.shear.y * p.z, p.z * self.shear.z)
    }

    /// Where the ray meets the triangle between its edges, as `meet` of the kernel has it.
    fn meet(&self, corners: &Corners) -> Option<f32> {
        let [a, b, c] = corners.map(|corner| self.project(corner));
        let u = flush(c.x * b.y - c.y * b.x);
        let v = flush(a.x * c.y - a.y * c.x);
        let w = flush(b.x * a.y - b.y * a.x);
        let any = |outside: fn(f32) -> bool| [u, v, w].into_iter().any(outside);
        if any(|x| x < 0.0) && any(|x| x > 0.0) {
            return None;
        }
        let det = flush((u + v) + w);
        (det != 0.0).then(|| div((u * a.z + v * b.z) + w * c.z, det))
    }

    /// Where the ray is inside of the triangle's own box.
    fn own(&self, [a, b, c]: &Corners) -> Interval {
        let (lo, hi) = padded_box(*a, *b, *c);
        self.slab.interval(lo, hi)
    }
}

/// A triangle of about this size somewhere within `spread` of `around`.
fn triangle(random: &mut Random, around: [f64; 3], spread: f64, size: f64) -> Corners {
    let centre: [f64; 3] = std::array::from_fn(|i| around[i] + random.between(-spread, spread));
    std::array::from_fn(|_| {
        std::array::from_fn(|i| (centre[i] + random.between(-size, size)) as f32)
    })
}

/// A cluster of triangles, some of them twice.
fn cluster(random: &mut Random, count: u32, distance: f64, spread: f64, size: f64) -> Vec<Corners> {
    let around = random.direction().map(|d| d * distance);
    let mut mesh = Vec::new();
    for _ in 0..count {
        let corners = triangle(random, around, spread, size);
        mesh.push(corners);
        if random.below(8) == 0 {
            mesh.push(corners);
        }
    }
    mesh
}

/// A ray from up to `away` off a place on or near `corners`, towards it; one in three in the
/// triangle's plane, but for rounding.
fn ray_towards(random: &mut Random, corners: [Vec3; 3], away: f64) -> Query {
    let weights: [f64; 3] = {
        let (a, b) = (random.between(-0.1, 1.0), random.between(-0.1, 1.0));
        [a, b, 1.0 - a - b]
    };
    let corners = corners.map(|c| [c.x, c.y, c.z].map(f64::from));
    let at: [f64; 3] = std::array::from_fn(|i| (0..3).map(|k| weights[k] * corners[k][i]).sum());
    let direction: [f64; 3] = if random.below(3) == 0 {
        let (a, b) = (random.between(-1.0, 1.0), random.between(-1.0, 1.0));
        let edge = |k: usize, i: usize| corners[k][i] - corners[0][i];
        let along: [f64; 3] = std::array::from_fn(|i| a * edge(1, i) + b * edge(2, i));
        let length = along.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-30);
        along.map(|x| x / length)
    } else {
        random.direction()
    };
    let distance = random.between(0.0, away);
    let origin: [f32; 3] = std::array::from_fn(|i| (at[i] - direction[i] * distance) as f32);
    // Shadow rays are not of unit length.
    let length = if random.below(2) == 0 { 1.0 } else { random.magnitude(-2.0, 2.0) };
    Query {
        origin: Vec3::from_array(origin),
        direction: Vec3::from_array(direction.map(|d| (d * length) as f32)),
        t_max: if random.below(4) == 0 { (distance / length) as f32 } else { T_FAR },
        alpha_seed: random.bits24(),
    }
}

fn identity_of(hit: Hit) -> (u32, u32, u32) {
    (hit.t.to_bits(), hit.instance, hit.triangle)
}

#[test]
fn trees_of_every_shape_give_the_hit_of_the_rule() {
    const ONE_LEAF: Shape = Shape { leaf_size: u32::MAX, bins: 1 };
    let shapes = [
        ONE_LEAF,
        Shape { leaf_size: 1, bins: 1 },
        Shape { leaf_size: 1, bins: 16 },
        Shape { leaf_size: 3, bins: 2 },
        Shape { leaf_size: 8, bins: 4 },
        Shape::default(),
    ];
    let mut random = Random(11);
    let (mut hits, mut ties) = (0u32, 0u32);
    for world in 0..240 {
        let distance = if world % 4 == 0 { 1.0 } else { random.magnitude(0.0, 5.0) };
        let spread = random.magnitude(-2.0, 1.0);
        let size = random.magnitude(-2.0, 0.0);
        let meshes: Vec<Vec<Corners>> = (0..=random.below(2))
            .map(|_| {
                let count = 1 + random.below(60);
                cluster(&mut random, count, distance, spread, size)
            })
            .collect();
        let mut placed: Vec<(u32, Map)> = Vec::new();
        for mesh in 0..meshes.len() as u32 {
            placed.push((mesh, Map::IDENTITY));
            // The same again in the same place: instances, too, must be told apart.
            if random.below(3) == 0 {
                placed.push((mesh, Map::IDENTITY));
            }
            if random.below(2) == 0 {
                placed.push((mesh, Map::random(&mut random, distance)));
            }
        }
        let opaque = World::new(meshes, &placed);
        let world = if world % 3 == 0 { opaque.veiled(0.5) } else { opaque };
        let trees = shapes.map(|shape| world.trees(shape));
        for _ in 0..600 {
            let number = random.below(placed.len() as u32) as usize;
            let (mesh, map) = &placed[number];
            let mesh = &world.meshes[*mesh as usize];
            let corners = mesh[random.below(mesh.len() as u32) as usize];
            let corners = corners.map(|c| transform_point(&map.there, Vec3::from_array(c)));
            // From among the triangles, or from as far as single precision can aim at them.
            let away = f64::from(map.stretch) * spread.max(size) * 4.0
                + if random.below(2) == 0 { random.magnitude(0.0, 5.0) } else { 0.0 };
            let query = ray_towards(&mut random, corners, away);
            let expected = world.closest_by_rule(&query);
            hits += u32::from(expected.is_some());
            for (shape, accel) in shapes.iter().zip(&trees) {
                let scene = Scene::new(&world.scene, accel);
                let found = closest(&scene, &query);
                assert_eq!(
                    found.map(identity_of),
                    expected.map(|(t, instance, triangle)| (t.to_bits(), instance, triangle)),
                    "{shape:?} {query:?}"
                );
                assert_eq!(occluded(&scene, &query), expected.is_some(), "{shape:?} {query:?}");
            }
            if let Some((t, ..)) = expected {
                let beyond = Query { t_max: t, ..query };
                let nearer = world.closest_by_rule(&beyond);
                ties += u32::from(nearer.is_none());
                assert!(!occluded(&Scene::new(&world.scene, &trees[1]), &beyond), "{query:?}");
            }
        }
    }
    // A good part of the rays hits something, or all of this says little.
    assert!(hits > 48_000, "{hits}");
    assert_eq!(hits, ties);
}

/// Where the triangles of a search lie and how large they are, and where rays start.
#[derive(Debug, Clone, Copy)]
struct Search {
    /// From the origin of the mesh.
    distance: f64,
    spread: f64,
    size: f64,
    /// Rays start up to this far from the triangle at which they aim.
    away: f64,
}

/// How many of 10^5 rays give another hit to a tree with one leaf than to a tree of leaves of one
/// triangle each, visited as their boxes are entered; and how many hit at all.
fn disagreements(search: Search, with_rule: bool) -> (u32, u32) {
    let Search { distance, spread, size, away } = search;
    let mut random = Random(13);
    let (mut different, mut hits) = (0, 0);
    for _ in 0..400 {
        let mesh = cluster(&mut random, 12, distance, spread, size);
        for _ in 0..250 {
            let corners = mesh[random.below(mesh.len() as u32) as usize];
            let query = ray_towards(&mut random, corners.map(Vec3::from_array), away);
            let ray = LocalRay::new(&IDENTITY, &query);
            let leaf = |corners: &Corners| {
                let own = ray.own(corners);
                let t = ray.meet(corners).filter(|&t| t >= T_MIN && t < query.t_max);
                (own, t.filter(|&t| !with_rule || holds(own, t)))
            };
            let mut leaves: Vec<(Interval, Option<f32>)> = mesh.iter().map(leaf).collect();
            let one_leaf = leaves.iter().filter_map(|(_, t)| *t).reduce(f32::min);
            leaves.sort_by(|a, b| a.0.entry.total_cmp(&b.0.entry));
            let mut many_leaves: Option<f32> = None;
            for (own, t) in leaves {
                let limit = many_leaves.unwrap_or(query.t_max);
                if is_visited(own, limit)
                    && let Some(t) = t
                    && t < limit
                {
                    many_leaves = Some(t);
                }
            }
            hits += u32::from(one_leaf.is_some());
            different += u32::from(one_leaf != many_leaves);
        }
    }
    (different, hits)
}

/// A triangle's box is padded by a part of its coordinates, which hides all doubt far from the
/// mesh's origin. Near it, a ray in the triangle's plane meets it at a t that is mostly rounding.
#[test]
fn without_the_box_rule_trees_would_disagree() {
    let near = Search { distance: 0.0, spread: 1.0, size: 1.0, away: 3.0 };
    let small = Search { distance: 0.0, spread: 0.02, size: 0.01, away: 0.03 };
    let aside = Search { distance: 1.0, spread: 1.0, size: 1.0, away: 0.3 };
    let far = Search { distance: 100.0, spread: 1.0, size: 1.0, away: 0.03 };
    let very_far = Search { distance: 1e5, spread: 1.0, size: 0.01, away: 1e5 };
    for (search, in_doubt) in [(near, 50), (small, 50), (aside, 50), (far, 1), (very_far, 0)] {
        let (with, hits) = disagreements(search, true);
        assert!(hits > 10_000, "{search:?}: {hits} hits");
        assert_eq!(with, 0, "{search:?}: with the rule");
        let (without, _) = disagreements(search, false);
        println!("{search:?}: {hits} hits, {without} in doubt without the rule");
        assert!(without >= in_doubt, "{search:?}: {without} in doubt without the rule");
    }
}
