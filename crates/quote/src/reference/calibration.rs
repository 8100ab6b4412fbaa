//! The scene whose rays count as one: sixty-four balls on a floor.

use super::rays::send;
use super::steps::Steps;
use super::walk::{MeshTrees, Reference};
use bytemuck::Zeroable as _;
use std::sync::Arc;
use tessera_shaders::cpu::math::{Vec3, cross3, unit3, vec3};
use tessera_shaders::layout::{CanonicalScene, Frame, Instance, Mesh, NONE, Triangle, Vertex};

/// The seed that the calibration scene is looked at with.
const SEED: [u8; 32] = *b"tessera calibration scene, v1\0\0\0";
/// Balls along a side of their square.
const SIDE: u32 = 8;
/// The radius of a ball, and half its distance to the next.
const RADIUS: f32 = 0.0625;
/// How often a ball's eight faces are each cut in four.
const CUTS: u32 = 3;

/// What `chains` chains of rays do in the calibration scene.
pub fn steps(chains: u32) -> Steps {
    let scene = scene();
    let meshes = MeshTrees::build(&scene);
    send(&Reference::new(&scene, &meshes), &SEED, chains, u64::MAX)
}

/// The scene: a floor of 2 × 2, and on it touching balls of 512 triangles in a square, seen from
/// above at an angle. No materials, since the reference asks for none.
fn scene() -> CanonicalScene {
    let mut corners = vec![[-1.0, 0.0, -1.0], [-1.0, 0.0, 1.0], [1.0, 0.0, 1.0], [1.0, 0.0, -1.0]];
    let mut triangles = vec![[0, 1, 2], [0, 2, 3]];
    ball(&mut corners, &mut triangles);
    let meshes = vec![
        Mesh { first_triangle: 0, triangle_count: 2 },
        Mesh { first_triangle: 2, triangle_count: triangles.len() as u32 - 2 },
    ];
    let mut instances = vec![placed(&meshes[0], [0.0; 3], 1.0, [1.0, 0.0, 1.0])];
    for i in 0..SIDE * SIDE {
        let [x, z] = [i % SIDE, i / SIDE].map(|n| (n as f32 - 3.5) * (2.0 * RADIUS));
        instances.push(placed(&meshes[1], [x, RADIUS, z], RADIUS, [RADIUS; 3]));
    }
    let vertex = |position| Vertex { position, ..Vertex::zeroed() };
    CanonicalScene {
        frame: view(instances.len() as u32),
        vertices: Arc::new(corners.into_iter().map(vertex).collect()),
        triangles: Arc::new(
            triangles.into_iter().map(|corners| Triangle { corners, more: 0 }).collect(),
        ),
        meshes: Arc::new(meshes),
        instance_meshes: (0..instances.len()).map(|i| u32::from(i > 0)).collect(),
        instances,
        materials: Arc::default(),
        texels: Arc::default(),
        lights: Vec::new(),
        cells: Arc::default(),
    }
}

fn view(instance_count: u32) -> Frame {
    let from = vec3(0.25, 0.75, 1.5);
    let forward = unit3(-from);
    let right = unit3(cross3(forward, vec3(0.0, 1.0, 0.0)));
    let up = cross3(right, forward);
    let half = 0.375;
    let array = |v: Vec3| [v.x, v.y, v.z];
    Frame {
        camera_origin: array(from),
        camera_forward: array(forward),
        camera_right: array(right * half),
        camera_up: array(up * half),
        instance_count,
        ..Frame::zeroed()
    }
}

fn placed(mesh: &Mesh, at: [f32; 3], size: f32, reach: [f32; 3]) -> Instance {
    // Powers of two: inverses are exact.
    let inverse = 1.0 / size;
    let rows = |scale: f32, shift: f32| {
        let mut rows = [[0.0; 4]; 3];
        for axis in 0..3 {
            rows[axis][axis] = scale;
            rows[axis][3] = at[axis] * shift;
        }
        rows
    };
    Instance {
        world_to_local: rows(inverse, -inverse),
        local_to_world: rows(size, 1.0),
        lo: [0, 1, 2].map(|axis| at[axis] - reach[axis]),
        hi: [0, 1, 2].map(|axis| at[axis] + reach[axis]),
        first_triangle: mesh.first_triangle,
        first_light: NONE,
        ..Instance::zeroed()
    }
}

/// An octahedron whose faces are cut in four, again and again, and corners moved out to the sphere.
fn ball(corners: &mut Vec<[f32; 3]>, triangles: &mut Vec<[u32; 3]>) {
    for sides in 0..8u32 {
        let [x, y, z] = [1, 2, 4].map(|bit| if sides & bit == 0 { 1.0 } else { -1.0 });
        let face = [vec3(x, 0.0, 0.0), vec3(0.0, y, 0.0), vec3(0.0, 0.0, z)];
        cut(face, CUTS, corners, triangles);
    }
}

fn cut(
    [a, b, c]: [Vec3; 3],
    cuts: u32,
    corners: &mut Vec<[f32; 3]>,
    triangles: &mut Vec<[u32; 3]>,
) {
    if cuts == 0 {
        let first = corners.len() as u32;
        corners.extend([a, b, c].map(|v| [v.x, v.y, v.z]));
        triangles.push([first, first + 1, first + 2]);
        return;
    }
    let [ab, bc, ca] = [a + b, b + c, c + a].map(unit3);
    for face in [[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]] {
        cut(face, cuts - 1, corners, triangles);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scene_is_what_it_says() {
        let scene = scene();
        assert_eq!((scene.triangles.len(), scene.instances.len()), (2 + 512, 65));
        let far = scene.vertices[4..]
            .iter()
            .map(|v| v.position.iter().map(|x| x * x).sum::<f32>())
            .fold(0.0f32, |worst, squared| worst.max((squared - 1.0).abs()));
        assert!(far < 1e-6, "{far}");
    }
}
