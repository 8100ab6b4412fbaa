//! How a ray finds what it hits first, step by step counted.

use super::steps::Steps;
use super::tree::{Bounds, Node, Tree};
use std::sync::Arc;
use tessera_shaders::cpu::math::{
    Vec3, cross3, dot3, inverse, max_magnitude, transform_direction, transform_point, unit3,
};
use tessera_shaders::layout::{CanonicalScene, Instance, Mesh, Triangle, Vertex};

/// Most triangles of a leaf.
const LEAF: usize = 4;
/// Nothing nearer is hit, in normalised units: 2^-60.
const NEAREST: f32 = f32::from_bits(0x2180_0000);
/// Farther than anything: 2^60.
const FARTHEST: f32 = f32::from_bits(0x5d80_0000);
/// Stands for 1 / 0: 2^100.
const STEEP: f32 = f32::from_bits(0x7180_0000);
/// How far a bounced ray starts from its surface, in parts of the coordinates: 2^-18.
const OFFSET: f32 = f32::from_bits(0x3680_0000);

/// A tree over each mesh of a scene: what its frames share.
#[derive(Debug, Clone)]
pub struct MeshTrees {
    trees: Vec<Tree>,
    meshes: Arc<Vec<Mesh>>,
    triangles: Arc<Vec<Triangle>>,
    vertices: Arc<Vec<Vertex>>,
}

impl MeshTrees {
    /// Builds a tree over each mesh, in the mesh's own space.
    pub fn build(scene: &CanonicalScene) -> Self {
        let trees = scene.meshes.iter().map(|mesh| {
            let first = mesh.first_triangle;
            let boxes: Vec<_> = (first..first + mesh.triangle_count)
                .map(|triangle| Bounds::around(&corners(scene, triangle)))
                .collect();
            Tree::build(&boxes, LEAF)
        });
        Self {
            trees: trees.collect(),
            meshes: Arc::clone(&scene.meshes),
            triangles: Arc::clone(&scene.triangles),
            vertices: Arc::clone(&scene.vertices),
        }
    }

    /// Whether these are the trees over the meshes of `scene`, shared with the scene that they were
    /// built of.
    pub fn fit(&self, scene: &CanonicalScene) -> bool {
        Arc::ptr_eq(&self.meshes, &scene.meshes)
            && Arc::ptr_eq(&self.triangles, &scene.triangles)
            && Arc::ptr_eq(&self.vertices, &scene.vertices)
    }
}

/// A frame's instances over its meshes.
#[derive(Debug)]
pub struct Reference<'a> {
    scene: &'a CanonicalScene,
    meshes: &'a MeshTrees,
    instances: Tree,
}

/// Where a ray hit, ready for the next one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// A little off the surface, on the side that the ray came from.
    pub position: Vec3,
    /// Across the triangle, towards that side; unit length, zero for one without area.
    pub normal: Vec3,
}

impl<'a> Reference<'a> {
    /// Puts a tree over the instances of `scene`, whose meshes `meshes` must [`MeshTrees::fit`].
    pub fn new(scene: &'a CanonicalScene, meshes: &'a MeshTrees) -> Self {
        let boxes: Vec<_> = scene.instances.iter().map(|i| Bounds { lo: i.lo, hi: i.hi }).collect();
        Self { scene, meshes, instances: Tree::build(&boxes, 1) }
    }

    /// The frame.
    pub fn scene(&self) -> &'a CanonicalScene {
        self.scene
    }

    /// The first thing that a ray hits. All surfaces count as opaque.
    pub fn closest(&self, origin: Vec3, direction: Vec3, steps: &mut Steps) -> Option<Place> {
        steps.rays += 1;
        let world = Ray::new(origin, direction);
        let mut best: Option<(u32, u32)> = None;
        let mut farthest = FARTHEST;
        let mut opened = 0;
        walk(&self.instances, &world, &mut farthest, &mut opened, &mut |number, farthest| {
            steps.instances += 1;
            let instance = &self.scene.instances[number as usize];
            let mesh = self.scene.instance_meshes[number as usize] as usize;
            let local = Ray::new(
                transform_point(&instance.world_to_local, origin),
                transform_direction(&instance.world_to_local, direction),
            );
            let first = self.scene.meshes[mesh].first_triangle;
            let nodes = &mut steps.nodes;
            let triangles = &mut steps.triangles;
            walk(&self.meshes.trees[mesh], &local, farthest, nodes, &mut |item, farthest| {
                *triangles += 1;
                if let Some(t) = local.meets(corners(self.scene, first + item), *farthest) {
                    *farthest = t;
                    best = Some((number, first + item));
                }
            });
        });
        steps.nodes += opened;
        let (number, triangle) = best?;
        steps.hits += 1;
        let instance = &self.scene.instances[number as usize];
        Some(place(instance, corners(self.scene, triangle), origin, direction, farthest))
    }
}

fn corners(scene: &CanonicalScene, triangle: u32) -> [[f32; 3]; 3] {
    scene.triangles[triangle as usize].corners.map(|i| scene.vertices[i as usize].position)
}

fn place(instance: &Instance, corners: [[f32; 3]; 3], from: Vec3, along: Vec3, t: f32) -> Place {
    let [a, b, c] = corners.map(|p| transform_point(&instance.local_to_world, Vec3::from_array(p)));
    // Stretched first, so that small edges' product is not lost: by 2^20 each.
    let grown = f32::from_bits(0x4980_0000);
    let normal = unit3(cross3((b - a) * grown, (c - a) * grown));
    let normal = if dot3(normal, along) > 0.0 { -normal } else { normal };
    let position = from + along * t;
    Place { position: position + normal * (max_magnitude(position) * OFFSET), normal }
}

/// A ray with what the tests of boxes need.
struct Ray {
    origin: [f32; 3],
    inverse: [f32; 3],
    from: Vec3,
    along: Vec3,
}

impl Ray {
    fn new(from: Vec3, along: Vec3) -> Self {
        let steep = |x: f32| {
            let inverse = inverse(x);
            if inverse == 0.0 { STEEP } else { inverse }
        };
        Self {
            origin: [from.x, from.y, from.z],
            inverse: [steep(along.x), steep(along.y), steep(along.z)],
            from,
            along,
        }
    }

    /// Where the ray enters a box, unless it passes by or enters beyond `farthest`.
    fn enters(&self, bounds: &Bounds, farthest: f32) -> Option<f32> {
        let (mut entry, mut exit) = (0.0f32, farthest);
        for axis in 0..3 {
            let a = (bounds.lo[axis] - self.origin[axis]) * self.inverse[axis];
            let b = (bounds.hi[axis] - self.origin[axis]) * self.inverse[axis];
            entry = entry.max(a.min(b));
            exit = exit.min(a.max(b));
        }
        (entry <= exit).then_some(entry)
    }

    /// Where the ray meets a triangle before `farthest`, by Möller and Trumbore's test (1997).
    fn meets(&self, [a, b, c]: [[f32; 3]; 3], farthest: f32) -> Option<f32> {
        let [a, b, c] = [a, b, c].map(Vec3::from_array);
        let (ab, ac) = (b - a, c - a);
        let across = plain_cross(self.along, ac);
        let det = plain_dot(ab, across);
        let to = self.from - a;
        let u = plain_dot(to, across) / det;
        let turned = plain_cross(to, ab);
        let v = plain_dot(self.along, turned) / det;
        let t = plain_dot(ac, turned) / det;
        // A NaN or an infinity, from a triangle seen edge-on, fails one of these.
        (u >= 0.0 && v >= 0.0 && u + v <= 1.0 && t > NEAREST && t < farthest).then_some(t)
    }
}

/// Without the kernel's flush: here no two devices must agree on denormals, which IEEE 754 defines.
fn plain_dot(a: Vec3, b: Vec3) -> f32 {
    (a.x * b.x + a.y * b.y) + a.z * b.z
}

fn plain_cross(a: Vec3, b: Vec3) -> Vec3 {
    Vec3 { x: a.y * b.z - a.z * b.y, y: a.z * b.x - a.x * b.z, z: a.x * b.y - a.y * b.x }
}

/// Visits the items of leaves that a ray enters, nearer leaves first (the first child of equals).
/// `item` may lower `farthest`; `opened` counts inner nodes.
fn walk(
    tree: &Tree,
    ray: &Ray,
    farthest: &mut f32,
    opened: &mut u64,
    item: &mut impl FnMut(u32, &mut f32),
) {
    let Some(root) = tree.nodes.first() else { return };
    let Some(entry) = ray.enters(&root.bounds, *farthest) else { return };
    let mut waiting: Vec<(&Node, f32)> = vec![(root, entry)];
    while let Some((node, entry)) = waiting.pop() {
        if entry >= *farthest {
            continue;
        }
        if node.count > 0 {
            for &i in &tree.order[node.first as usize..][..node.count as usize] {
                item(i, farthest);
            }
            continue;
        }
        *opened += 1;
        let children = [&tree.nodes[node.first as usize], &tree.nodes[node.first as usize + 1]];
        let entries = children.map(|child| ray.enters(&child.bounds, *farthest));
        match entries {
            [Some(a), Some(b)] if b < a => waiting.extend([(children[0], a), (children[1], b)]),
            [Some(a), Some(b)] => waiting.extend([(children[1], b), (children[0], a)]),
            [Some(a), None] => waiting.push((children[0], a)),
            [None, Some(b)] => waiting.push((children[1], b)),
            [None, None] => {}
        }
    }
}
