//! From a pixel to a ray.

use super::Scene;
use super::math::{Vec3, unit3};

/// The direction of the camera's ray through (`jx`, `jy`) of pixel (`x`, `y`): a pinhole, and a
/// box filter one pixel wide.
#[inline(always)]
pub fn camera_direction(scene: &Scene<'_>, x: u32, y: u32, jx: f32, jy: f32) -> Vec3 {
    let frame = scene.frame;
    let across = 2.0 * ((x as f32 + jx) * frame.inverse_width) - 1.0;
    let up = 1.0 - 2.0 * ((y as f32 + jy) * frame.inverse_height);
    unit3(
        (Vec3::from_array(frame.camera_forward) + Vec3::from_array(frame.camera_right) * across)
            + Vec3::from_array(frame.camera_up) * up,
    )
}
