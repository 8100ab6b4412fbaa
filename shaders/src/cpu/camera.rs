//! From a pixel to a ray.

use super::Scene;
use super::math::{Vec3, flush3, unit3};

/// Where the camera's ray through (`jx`, `jy`) of pixel (`x`, `y`) starts, and its direction: a
/// pinhole or parallel rays, and a box filter one pixel wide.
#[inline(always)]
pub fn camera_ray(scene: &Scene<'_>, x: u32, y: u32, jx: f32, jy: f32) -> (Vec3, Vec3) {
    let frame = scene.frame;
    let across = 2.0 * ((x as f32 + jx) * frame.inverse_width) - 1.0;
    let up = 1.0 - 2.0 * ((y as f32 + jy) * frame.inverse_height);
    let origin = Vec3::from_array(frame.camera_origin);
    let forward = Vec3::from_array(frame.camera_forward);
    let parallel = frame.parallel == 1;
    let middle = if parallel { origin } else { forward };
    let place = (middle + Vec3::from_array(frame.camera_right) * across)
        + Vec3::from_array(frame.camera_up) * up;
    if parallel { (flush3(place), forward) } else { (origin, unit3(place)) }
}
