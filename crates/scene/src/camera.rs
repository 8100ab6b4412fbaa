//! Cameras of the file, and one that frames the scene where there is none.

use crate::document;
use crate::error::Note;
use crate::math::{Affine, Bounds, Vec3, add, cross, normalized, scale};
use serde::Serialize;

/// A camera of the file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CameraInfo {
    /// The name of its node.
    pub name: Option<String>,
    /// How it shows the world.
    #[serde(flatten)]
    pub projection: Projection,
}

/// How a camera shows the world.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Projection {
    /// What is further away is smaller.
    Perspective {
        /// Vertical field of view in radians.
        yfov: f64,
    },
    /// By parallel rays.
    Orthographic {
        /// Half of the height that it shows, in the world's units.
        ymag: f64,
    },
}

impl Projection {
    /// Of a camera of the file.
    pub(crate) fn new(camera: &document::Camera, place: &str) -> Result<Self, Note> {
        let refuse = |inner: &str, value: f64, what: &str| {
            Err(Note::new(format!("{place}.{inner}"), format!("is {value}, which is no {what}")))
        };
        match (&camera.perspective, &camera.orthographic) {
            (Some(perspective), None) => match perspective.yfov {
                yfov if yfov > 0.0 && yfov < std::f64::consts::PI => Ok(Self::Perspective { yfov }),
                yfov => refuse("perspective.yfov", yfov, "angle of view"),
            },
            (None, Some(orthographic)) => match orthographic.ymag {
                ymag if ymag > 0.0 && ymag < MOST_HEIGHT => Ok(Self::Orthographic { ymag }),
                ymag => refuse("orthographic.ymag", ymag, "height"),
            },
            _ => Err(Note::new(place, "is neither perspective nor orthographic")),
        }
    }
}

/// An orthographic camera's image reaches less far than this.
const MOST_HEIGHT: f64 = 1e30;

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
    /// To the right edge of the image: at distance 1, or where its rays start if they are parallel.
    pub(crate) right: Vec3,
    /// To its top edge, likewise.
    pub(crate) up: Vec3,
    pub(crate) forward: Vec3,
    pub(crate) parallel: bool,
}

impl Camera {
    /// A glTF camera looks along -Z. Its aspect is the image's, whatever the file says, and
    /// scales of its node don't count. `None` where the node's axes have no direction.
    pub(crate) fn at(to_world: &Affine, projection: Projection, aspect: f64) -> Option<Self> {
        let (half, parallel) = match projection {
            Projection::Perspective { yfov } => (libm::tan(0.5 * yfov), false),
            Projection::Orthographic { ymag } => (ymag, true),
        };
        Some(Self {
            origin: to_world.column(3),
            right: scale(normalized(to_world.column(0))?, half * aspect),
            up: scale(normalized(to_world.column(1))?, half),
            forward: scale(normalized(to_world.column(2))?, -1.0),
            parallel,
        })
    }

    /// The box of where its rays start.
    pub(crate) fn bounds(&self) -> Bounds {
        let mut bounds = Bounds::EMPTY;
        bounds.add(self.origin);
        if self.parallel {
            for (x, y) in [(-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0)] {
                bounds.add(add(self.origin, add(scale(self.right, x), scale(self.up, y))));
            }
        }
        bounds
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
            parallel: false,
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
