//! The kernel's Rust twin: the CPU backend, the reference in tests, and the referee in disputes.
//!
//! One file a stage, with a sibling of the same name in `wgsl/`; a function has the same name,
//! arguments and order of operations in both. Reading order: [`path`] → [`camera`] →
//! [`intersect`] → [`surface`] → [`bsdf`] → [`light`] → [`environment`] → [`film`], over
//! [`math`], [`sampler`] and [`texture`].

pub mod bsdf;
pub mod camera;
pub mod environment;
pub mod film;
pub mod intersect;
pub mod light;
pub mod math;
pub mod path;
pub mod sampler;
pub mod surface;
pub mod texture;

use self::light::Emitter;
use crate::bvh::Accel;
use crate::bvh4::Accel4;
use crate::layout::{
    CanonicalScene, EnvironmentCell, Frame, Instance, Light, Material, Triangle, Vertex,
};

/// All that the kernel reads, as slices.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// Camera, environment, settings.
    pub frame: &'a Frame,
    /// Corners.
    pub vertices: &'a [Vertex],
    /// Triangles.
    pub triangles: &'a [Triangle],
    /// Instances, with the roots of their trees.
    pub instances: &'a [Instance],
    /// Materials.
    pub materials: &'a [Material],
    /// Texels.
    pub texels: &'a [u32],
    /// Lights.
    pub lights: &'a [Light],
    /// Normals and areas of the lights that are triangles.
    pub emitters: &'a [Emitter],
    /// The environment's importance map.
    pub cells: &'a [EnvironmentCell],
    /// Where the triangles are.
    pub trees: &'a Accel4,
}

impl<'a> Scene<'a> {
    /// A canonical scene with trees over it.
    pub fn new(scene: &'a CanonicalScene, accel: &'a Accel) -> Self {
        Self {
            frame: &scene.frame,
            vertices: &scene.vertices,
            triangles: &scene.triangles,
            instances: &accel.instances,
            materials: &scene.materials,
            texels: &scene.texels,
            lights: &scene.lights,
            cells: &scene.cells,
            emitters: &accel.emitters,
            trees: &accel.four,
        }
    }

    /// The linear value of an sRGB code.
    #[inline(always)]
    fn srgb(&self, code: u32) -> f32 {
        self.frame.srgb[(code >> 2) as usize][(code & 3) as usize]
    }
}
