//! The one shape: a square tile with rounded corners and a rounded front edge.

use crate::maths::{Vec3, sin_cos_deg, unit};
use crate::model::Part;

/// Points along a quarter turn of the outline.
const CORNER: u32 = 3;
/// Points of the whole outline.
const OUTLINE: u32 = 4 * CORNER;
const CORNER_RADIUS: f32 = 0.14;
const EDGE_RADIUS: f32 = 0.1;
/// Before a node makes it thinner.
const DEPTH: f32 = 0.42;

/// A tile of width and height 1, its back at z = 0 and its front at z = 0.42: 92 triangles.
pub(super) fn tile() -> Part {
    let mut part = Part::default();
    // (distance inwards from the outline, z, how much the normal leans to the front in degrees)
    let back = ring(&mut part, 0.0, 0.0, 0.0);
    let side = ring(&mut part, 0.0, DEPTH - EDGE_RADIUS, 0.0);
    let shoulder = 1.0 - std::f32::consts::FRAC_1_SQRT_2;
    let shoulder = EDGE_RADIUS * shoulder;
    let edge = ring(&mut part, shoulder, DEPTH - shoulder, 45.0);
    let front = ring(&mut part, EDGE_RADIUS, DEPTH, 90.0);
    for (lower, upper) in [(back, side), (side, edge), (edge, front)] {
        band(&mut part, lower, upper);
    }
    cap(&mut part, front, false);
    let base = ring(&mut part, 0.0, 0.0, -90.0);
    cap(&mut part, base, true);
    part
}

/// Adds the outline at one height; returns its first corner.
fn ring(part: &mut Part, inset: f32, z: f32, lean_deg: f32) -> u32 {
    let first = part.positions.len() as u32;
    let (rise, reach) = sin_cos_deg(lean_deg);
    for i in 0..OUTLINE {
        let quarter = (i / CORNER) as f32;
        let angle = 90.0 * (quarter + (i % CORNER) as f32 / (CORNER - 1) as f32);
        let (sin, cos) = sin_cos_deg(angle);
        let sign = |x: f64| if x > 0.0 { 1.0 } else { -1.0 };
        let (middle_sin, middle_cos) = sin_cos_deg(90.0 * quarter + 45.0);
        let centre = 0.5 - CORNER_RADIUS;
        let radius = CORNER_RADIUS - inset;
        let place = |middle: f64, along: f64| centre * sign(middle) + radius * along as f32;
        part.positions.push([place(middle_cos, cos), place(middle_sin, sin), z]);
        let normal: Vec3 = [(reach * cos) as f32, (reach * sin) as f32, rise as f32];
        part.normals.push(unit(normal));
    }
    first
}

fn band(part: &mut Part, lower: u32, upper: u32) {
    for i in 0..OUTLINE {
        let next = (i + 1) % OUTLINE;
        part.indices.extend([lower + i, lower + next, upper + next]);
        part.indices.extend([lower + i, upper + next, upper + i]);
    }
}

fn cap(part: &mut Part, ring: u32, facing_back: bool) {
    for i in 1..OUTLINE - 1 {
        let (a, b) = if facing_back { (i + 1, i) } else { (i, i + 1) };
        part.indices.extend([ring, ring + a, ring + b]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maths::{cross, dot, sub};

    #[test]
    fn the_tile_faces_outwards_and_its_normals_agree() {
        let tile = tile();
        assert_eq!(tile.indices.len() / 3, 92);
        for triangle in tile.indices.chunks_exact(3) {
            let [a, b, c] = [0, 1, 2].map(|k| tile.positions[triangle[k] as usize]);
            let face = cross(sub(b, a), sub(c, a));
            for &corner in triangle {
                assert!(dot(face, tile.normals[corner as usize]) > 0.0, "{a:?} {b:?} {c:?}");
            }
        }
    }
}
