//! Cameras of the file, and one that frames the scene where there is none.

use crate::math::{Affine, Bounds, Vec3, add, cross, normalized, scale};
use serde::Serialize;

/// A camera of the file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CameraInfo {
    /// The name of its node.
    pub name: Option<String>,
    /// Vertical field of view in radians; `None` for an orthographic camera, which can't be used.
    pub yfov: Option<f64>,
}

/// Vertical field of view of the camera that frames the scene: 40°.
const FRAMING_YFOV: f64 = 40.0 / 180.0 * std::f64::consts::PI;
/// How far it stands to the right of the scene's front (+Z).
const FRAMING_AZIMUTH: f64 = 30.0 / 180.0 * std::f64::consts::PI;
/// How far it looks down.
const FRAMING_ELEVATION: f64 = 20.0 / 180.0 * std::f64::consts::PI;

/// A camera in the world: what a frame needs of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Camera {
    pub(crate) origin: Vec3,
    /// To the right edge of the image at distance 1.
    pub(crate) right: Vec3,
    /// To its top edge at distance 1.
    pub(crate) up: Vec3,
    pub(crate) forward: Vec3,
}

impl Camera {
    /// A glTF camera looks along -Z. Its aspect is the image's, whatever the file says, and
    /// scales of its node don't count. `None` where the node's axes have no direction.
    pub(crate) fn at(to_world: &Affine, yfov: f64, aspect: f64) -> Option<Self> {
        let half = libm::tan(0.5 * yfov);
        Some(Self {
            origin: to_world.column(3),
            right: scale(normalized(to_world.column(0))?, half * aspect),
            up: scale(normalized(to_world.column(1))?, half),
            forward: scale(normalized(to_world.column(2))?, -1.0),
        })
    }

    /// Sees the whole sphere around the box, from 30° to the right of the front and 20° above.
    pub(crate) fn framing(bounds: &Bounds, aspect: f64) -> Self {
        let (center, radius) = match bounds.radius() {
            radius if !bounds.is_empty() && radius > 0.0 => (bounds.center(), radius),
            _ if bounds.is_empty() => ([0.0; 3], 1.0),
            _ => (bounds.center(), 1.0),
        };
        let level = libm::cos(FRAMING_ELEVATION);
        let back = [
            level * libm::sin(FRAMING_AZIMUTH),
            libm::sin(FRAMING_ELEVATION),
            level * libm::cos(FRAMING_AZIMUTH),
        ];
        // Unit vectors at right angles: neither can fail.
        let right = normalized(cross([0.0, 1.0, 0.0], back)).unwrap_or([1.0, 0.0, 0.0]);
        let up = cross(back, right);

        let half_up = 0.5 * FRAMING_YFOV;
        let half_across = libm::atan(libm::tan(half_up) * aspect);
        let distance = radius / libm::sin(half_up.min(half_across));
        let half = libm::tan(half_up);
        Self {
            origin: add(center, scale(back, distance)),
            right: scale(right, half * aspect),
            up: scale(up, half),
            forward: scale(back, -1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::{dot, length, sub};

    #[test]
    fn the_framing_camera_sees_the_sphere_in_any_aspect() {
        let bounds = Bounds { lo: [-1.0, 2.0, 5.0], hi: [3.0, 3.0, 6.0] };
        for aspect in [0.3, 1.0, 2.5] {
            let camera = Camera::framing(&bounds, aspect);
            let to_center = sub(bounds.center(), camera.origin);
            assert!((dot(to_center, camera.forward) - length(to_center)).abs() < 1e-12);
            for edge in [camera.right, camera.up] {
                assert!(dot(edge, camera.forward).abs() < 1e-12);
                // The sphere's angle fits into the image's in this direction.
                let sine = bounds.radius() / length(to_center);
                assert!(sine <= libm::sin(libm::atan(length(edge))) + 1e-12);
            }
        }
    }
}
