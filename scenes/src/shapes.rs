//! Triangles: the few shapes that the scenes are built of. Fronts face outwards.

use crate::maths::{Vec3, add, cross, scale, sin_cos_deg, sub, unit};
use crate::model::Part;

/// A parallelogram with `corner` at the bottom left of its texture, seen from the front:
/// `right` and `up` are its edges, and it faces `right × up`.
pub fn quad(corner: Vec3, right: Vec3, up: Vec3) -> Part {
    let positions = vec![corner, add(corner, right), add(add(corner, right), up), add(corner, up)];
    Part {
        normals: vec![unit(cross(right, up)); 4],
        uvs: vec![[0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]],
        indices: vec![0, 1, 2, 0, 2, 3],
        positions,
        ..Part::default()
    }
}

/// A rectangle around `centre`, facing the viewer of a camera that looks along −Z.
pub fn card(centre: Vec3, width: f32, height: f32) -> Part {
    let corner = sub(centre, [width / 2.0, height / 2.0, 0.0]);
    quad(corner, [width, 0.0, 0.0], [0.0, height, 0.0])
}

/// A level rectangle around `centre`, facing up.
pub fn floor(centre: Vec3, width: f32, depth: f32) -> Part {
    let corner = add(centre, [-width / 2.0, 0.0, depth / 2.0]);
    quad(corner, [width, 0.0, 0.0], [0.0, 0.0, -depth])
}

/// A box around the origin.
pub fn cuboid(size: Vec3) -> Part {
    let [x, y, z] = scale(size, 0.5);
    let [w, h, d] = size;
    join([
        quad([-x, -y, z], [w, 0.0, 0.0], [0.0, h, 0.0]),
        quad([x, -y, -z], [-w, 0.0, 0.0], [0.0, h, 0.0]),
        quad([x, -y, z], [0.0, 0.0, -d], [0.0, h, 0.0]),
        quad([-x, -y, -z], [0.0, 0.0, d], [0.0, h, 0.0]),
        quad([-x, y, z], [w, 0.0, 0.0], [0.0, 0.0, -d]),
        quad([-x, -y, -z], [w, 0.0, 0.0], [0.0, 0.0, d]),
    ])
}

/// A closed sphere of `2 × segments × (rings − 1)` triangles around the origin. Corners at one
/// place have one position, bit for bit, also along the seam and at the poles.
pub fn sphere(radius: f32, rings: u32, segments: u32) -> Part {
    let mut part = Part::default();
    for ring in 0..=rings {
        let (sin, cos) = sin_cos_deg(180.0 * ring as f32 / rings as f32);
        // sin(π) is not quite 0, and a pole must be a point.
        let sin = if ring == 0 || ring == rings { 0.0 } else { sin };
        for segment in 0..=segments {
            let (sin_long, cos_long) =
                sin_cos_deg(360.0 * (segment % segments) as f32 / segments as f32);
            let normal = [sin * cos_long, cos, -sin * sin_long].map(|x| x as f32);
            part.positions.push(scale(normal, radius));
            part.normals.push(normal);
            part.uvs.push([segment as f32 / segments as f32, ring as f32 / rings as f32]);
        }
    }
    for ring in 0..rings {
        for segment in 0..segments {
            let upper = ring * (segments + 1) + segment;
            let lower = upper + segments + 1;
            if ring > 0 {
                part.indices.extend([upper, lower, upper + 1]);
            }
            if ring + 1 < rings {
                part.indices.extend([upper + 1, lower, lower + 1]);
            }
        }
    }
    part
}

/// A sheet of `columns × rows` cells over the rectangle from (0, 0) to (1, 1), with corner
/// `place(u, v)` for each grid point and no normals: it is flat-shaded.
pub fn sheet(columns: u32, rows: u32, place: impl Fn(f32, f32) -> Vec3) -> Part {
    let mut part = Part::default();
    for row in 0..=rows {
        for column in 0..=columns {
            let (u, v) = (column as f32 / columns as f32, row as f32 / rows as f32);
            part.positions.push(place(u, v));
            part.uvs.push([u, 1.0 - v]);
        }
    }
    for row in 0..rows {
        for column in 0..columns {
            let a = row * (columns + 1) + column;
            let c = a + columns + 1;
            part.indices.extend([a, a + 1, c + 1, a, c + 1, c]);
        }
    }
    part
}

/// Several shapes as one.
pub fn join(parts: impl IntoIterator<Item = Part>) -> Part {
    let mut all = Part::default();
    for part in parts {
        let base = all.positions.len() as u32;
        all.indices.extend(part.indices.iter().map(|i| base + i));
        all.positions.extend(part.positions);
        all.normals.extend(part.normals);
        all.tangents.extend(part.tangents);
        all.uvs.extend(part.uvs);
        all.second_uvs.extend(part.second_uvs);
        all.colours.extend(part.colours);
    }
    all
}

/// The same shape elsewhere.
pub fn moved(mut part: Part, by: Vec3) -> Part {
    part.positions.iter_mut().for_each(|position| *position = add(*position, by));
    part
}

/// The same triangles, each with its own three corners and no indices.
pub fn unindexed(part: &Part) -> Part {
    fn spread<T: Copy>(values: &[T], indices: &[u32]) -> Vec<T> {
        if values.is_empty() {
            Vec::new()
        } else {
            indices.iter().map(|&i| values[i as usize]).collect()
        }
    }
    Part {
        positions: spread(&part.positions, &part.indices),
        normals: spread(&part.normals, &part.indices),
        tangents: spread(&part.tangents, &part.indices),
        uvs: spread(&part.uvs, &part.indices),
        second_uvs: spread(&part.second_uvs, &part.indices),
        colours: spread(&part.colours, &part.indices),
        indices: Vec::new(),
        material: part.material,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maths::{dot, length};
    use std::collections::BTreeMap;

    fn corners(part: &Part) -> impl Iterator<Item = [Vec3; 3]> {
        part.indices.chunks_exact(3).map(|t| [0, 1, 2].map(|k| part.positions[t[k] as usize]))
    }

    #[test]
    fn solids_face_outwards_and_are_closed_bit_for_bit() {
        for solid in [cuboid([1.0, 2.0, 3.0]), sphere(2.0, 12, 20)] {
            let mut edges: BTreeMap<_, i32> = BTreeMap::new();
            for [a, b, c] in corners(&solid) {
                let normal = cross(sub(b, a), sub(c, a));
                assert!(length(normal) > 0.0);
                assert!(dot(normal, add(add(a, b), c)) > 0.0);
                for (from, to) in [(a, b), (b, c), (c, a)] {
                    // −0 and +0 are one place.
                    let [from, to] = [from, to].map(|p| p.map(|x| (x + 0.0).to_bits()));
                    *edges.entry((from, to)).or_default() += 1;
                    *edges.entry((to, from)).or_default() -= 1;
                }
            }
            assert!(edges.values().all(|&balance| balance == 0));
        }
    }

    #[test]
    fn a_quad_shows_its_texture_upright_to_whom_it_faces() {
        let card = card([0.0; 3], 2.0, 2.0);
        assert_eq!(card.normals[0], [0.0, 0.0, 1.0]);
        let top_left = card.positions.iter().position(|p| *p == [-1.0, 1.0, 0.0]).unwrap();
        assert_eq!(card.uvs[top_left], [0.0, 0.0]);
    }
}
