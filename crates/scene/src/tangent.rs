//! Tangents for normal maps, as MikkTSpace defines them (Mikkelsen 2008, "Simulation of Wrinkled
//! Surfaces Revisited"), for triangles and with its default threshold of 180°.
//!
//! Corners are welded where position, normal and texture coordinate agree. Around a welded corner,
//! triangles that hang together by edges and turn the same way in the texture form a group; the
//! group's tangent is the mean of its triangles', each flattened onto the corner's normal and
//! weighted by its angle there. Written for this crate because published ports use the platform's
//! `acos`, recurse as deep as a fan is wide, or search all triangles for each degenerate one.
//! Where they differ: an edge that more than two triangles share joins them all, and a triangle
//! without area in the texture takes any tangent of its corner.

use crate::math::{Vec3, cross, dot, flush3, normalized, perpendicular, scale, sub, widen};
use std::collections::HashMap;
use tessera_shaders::layout::{Triangle, Vertex};

/// Gives every corner its tangent. Vertices whose corners disagree are split.
///
/// Hash maps are only looked up, never walked, so that their order can't reach the result.
pub(crate) fn add_tangents(vertices: &mut Vec<Vertex>, triangles: &mut [Triangle]) {
    let welded = weld(vertices, triangles);
    let faces: Vec<Face> = triangles.iter().map(|t| Face::new(vertices, t)).collect();
    let mut groups = join(&welded, &faces);
    let sums = accumulate(vertices, triangles, &faces, &mut groups);
    let tangents = choose(vertices, triangles, &welded, &faces, &mut groups, &sums);
    split(vertices, triangles, &tangents);
}

/// For each corner, the first corner that equals it.
fn weld(vertices: &[Vertex], triangles: &[Triangle]) -> Vec<u32> {
    let mut by_value: HashMap<[u32; 8], u32> = HashMap::new();
    let mut by_vertex: Vec<Option<u32>> = vec![None; vertices.len()];
    let mut welded = Vec::with_capacity(3 * triangles.len());
    for (corner, &index) in triangles.iter().flat_map(|t| &t.corners).enumerate() {
        let first = *by_vertex[index as usize].get_or_insert_with(|| {
            let v = &vertices[index as usize];
            let [px, py, pz] = v.position;
            let [nx, ny, nz] = v.normal;
            let key = [px, py, pz, nx, ny, nz, v.u, v.v].map(f32::to_bits);
            *by_value.entry(key).or_insert(corner as u32)
        });
        welded.push(first);
    }
    welded
}

/// What a triangle says about its tangent.
struct Face {
    /// Unit, or 0 where the triangle or its image in the texture is degenerate.
    tangent: Vec3,
    /// Whether the texture is seen unmirrored, u to the right and v *up*.
    upright: bool,
}

impl Face {
    fn new(vertices: &[Vertex], triangle: &Triangle) -> Self {
        let [a, b, c] = triangle.corners.map(|i| &vertices[i as usize]);
        let p = |v: &Vertex| widen(v.position);
        let (ab, ac) = (sub(p(b), p(a)), sub(p(c), p(a)));
        let uv = |v: &Vertex| [f64::from(v.u) - f64::from(a.u), f64::from(v.v) - f64::from(a.v)];
        let ([bu, bv], [cu, cv]) = (uv(b), uv(c));
        let area = bu * cv - bv * cu;
        let flat = cross(ab, ac) == [0.0; 3];
        let along_u = sub(scale(ab, cv), scale(ac, bv));
        let tangent = if area == 0.0 || flat { None } else { normalized(along_u) };
        let sign = if area < 0.0 { -1.0 } else { 1.0 };
        Self {
            tangent: tangent.map_or([0.0; 3], |t| scale(t, sign)),
            // glTF's v points down, hence the sign.
            upright: area < 0.0,
        }
    }

    fn counts(&self) -> bool {
        self.tangent != [0.0; 3]
    }
}

/// Disjoint sets of corners.
struct Groups(Vec<u32>);

impl Groups {
    fn find(&mut self, mut i: u32) -> u32 {
        while self.0[i as usize] != i {
            let parent = self.0[i as usize];
            self.0[i as usize] = self.0[parent as usize];
            i = self.0[i as usize];
        }
        i
    }

    /// The smaller root stays, so that the result doesn't depend on the order of joining.
    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.find(a), self.find(b));
        self.0[a.max(b) as usize] = a.min(b);
    }
}

fn join(welded: &[u32], faces: &[Face]) -> Groups {
    let mut groups = Groups((0..welded.len() as u32).collect());
    let mut edges: HashMap<(u32, u32, bool), (u32, u32)> = HashMap::new();
    for (f, face) in faces.iter().enumerate().filter(|(_, face)| face.counts()) {
        for side in 0..3 {
            let (i, j) = ((3 * f + side) as u32, (3 * f + (side + 1) % 3) as u32);
            let (a, b) = (welded[i as usize], welded[j as usize]);
            let (a, b, i, j) = if a < b { (a, b, i, j) } else { (b, a, j, i) };
            let (first_i, first_j) = *edges.entry((a, b, face.upright)).or_insert((i, j));
            groups.join(first_i, i);
            groups.join(first_j, j);
        }
    }
    groups
}

/// The sum of each group's tangents, at the group's root.
fn accumulate(
    vertices: &[Vertex],
    triangles: &[Triangle],
    faces: &[Face],
    groups: &mut Groups,
) -> Vec<Vec3> {
    let mut sums = vec![[0.0; 3]; 3 * triangles.len()];
    for (f, (triangle, face)) in triangles.iter().zip(faces).enumerate() {
        if !face.counts() {
            continue;
        }
        for side in 0..3 {
            let [here, next, last] = [side, (side + 1) % 3, (side + 2) % 3]
                .map(|i| &vertices[triangle.corners[i] as usize]);
            let normal = widen(here.normal);
            let flatten = |v: Vec3| normalized(sub(v, scale(normal, dot(normal, v))));
            let edge = |to: &Vertex| flatten(sub(widen(to.position), widen(here.position)));
            let (Some(a), Some(b)) = (edge(next), edge(last)) else { continue };
            let Some(tangent) = flatten(face.tangent) else { continue };
            let angle = libm::acos(dot(a, b).clamp(-1.0, 1.0));
            let sum = &mut sums[groups.find((3 * f + side) as u32) as usize];
            for (s, t) in sum.iter_mut().zip(tangent) {
                *s += angle * t;
            }
        }
    }
    sums
}

/// The tangent of each corner: its group's, else that of another group of the same welded corner,
/// else any at a right angle to the normal.
fn choose(
    vertices: &[Vertex],
    triangles: &[Triangle],
    welded: &[u32],
    faces: &[Face],
    groups: &mut Groups,
    sums: &[Vec3],
) -> Vec<[f32; 4]> {
    let mut found: Vec<Option<[f32; 4]>> = vec![None; welded.len()];
    let mut of_welded: Vec<Option<[f32; 4]>> = vec![None; welded.len()];
    for corner in 0..welded.len() {
        let face = &faces[corner / 3];
        let root = groups.find(corner as u32) as usize;
        if let (true, Some(t)) = (face.counts(), normalized(sums[root])) {
            let [x, y, z] = flush3(t);
            let tangent = [x, y, z, if face.upright { 1.0 } else { -1.0 }];
            found[corner] = Some(tangent);
            of_welded[welded[corner] as usize].get_or_insert(tangent);
        }
    }
    let fallback = |corner: usize| {
        let vertex = triangles[corner / 3].corners[corner % 3];
        let [x, y, z] = flush3(perpendicular(widen(vertices[vertex as usize].normal)));
        [x, y, z, 1.0]
    };
    found
        .iter()
        .enumerate()
        .map(|(corner, tangent)| {
            tangent.or(of_welded[welded[corner] as usize]).unwrap_or_else(|| fallback(corner))
        })
        .collect()
}

/// Writes tangents into vertices; a vertex that gets several is repeated for each.
fn split(vertices: &mut Vec<Vertex>, triangles: &mut [Triangle], tangents: &[[f32; 4]]) {
    let mut taken = vec![false; vertices.len()];
    let mut copies: HashMap<(u32, [u32; 4]), u32> = HashMap::new();
    for (corner, &tangent) in tangents.iter().enumerate() {
        let index = &mut triangles[corner / 3].corners[corner % 3];
        let original = *index;
        *index = *copies.entry((original, tangent.map(f32::to_bits))).or_insert_with(|| {
            if std::mem::replace(&mut taken[original as usize], true) {
                vertices.push(Vertex { tangent, ..vertices[original as usize] });
                (vertices.len() - 1) as u32
            } else {
                vertices[original as usize].tangent = tangent;
                original
            }
        });
    }
}
