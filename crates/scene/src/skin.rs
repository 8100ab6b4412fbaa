//! Skins: joints, and how much of each every vertex follows.

use crate::accessor::{Real, Source, View};
use crate::document::{Primitive, lookup};
use crate::error::{Findings, Note};
use crate::math::{Affine, Vec3, cross, dot};
use crate::mesh::Used;

/// The joints of a skin.
#[derive(Debug)]
pub(crate) struct Skin {
    /// Places in [`crate::graph::Graph::nodes`].
    joints: Vec<usize>,
    /// From the mesh's own space to each joint's.
    inverse_bind: Vec<Affine>,
}

impl Skin {
    /// `places` tells where the scene has each node of the file; `place` names the skin.
    pub(crate) fn read(
        source: Source<'_>,
        places: &[Option<usize>],
        index: u32,
        place: &str,
    ) -> Result<Self, Note> {
        let skin = lookup(&source.document.skins, "skins", index, place)?;
        let place = format!("skins[{index}]");
        if skin.joints.is_empty() {
            return Err(Note::new(place, "has no joints"));
        }
        let mut joints = Vec::with_capacity(skin.joints.len());
        for (i, &node) in skin.joints.iter().enumerate() {
            let place = format!("{place}.joints[{i}]");
            lookup(&source.document.nodes, "nodes", node, &place)?;
            let joint = places.get(node as usize).copied().flatten();
            let message = "is a node that the scene doesn't hold";
            joints.push(joint.ok_or_else(|| Note::new(place, message))?);
        }
        let place = format!("{place}.inverseBindMatrices");
        let inverse_bind = match skin.inverse_bind_matrices {
            None => vec![Affine::IDENTITY; joints.len()],
            Some(accessor) => {
                let view = source.view(accessor, 16, &place)?;
                view.require_real(Real::Floats, "matrices")?;
                if view.len() < joints.len() {
                    let message =
                        format!("has {} matrices for {} joints", view.len(), joints.len());
                    return Err(Note::new(place, message));
                }
                let matrix = |i| view.element::<16>(i).map(|matrix| Affine::from_columns(&matrix));
                (0..joints.len()).map(matrix).collect::<Result<_, _>>()?
            }
        };
        Ok(Self { joints, inverse_bind })
    }

    pub(crate) fn joint_count(&self) -> usize {
        self.joints.len()
    }

    /// For each joint, the map from the mesh's own space to the world.
    pub(crate) fn to_world(&self, to_world: &[Affine]) -> Vec<Affine> {
        let joints = self.joints.iter().zip(&self.inverse_bind);
        joints.map(|(&node, inverse_bind)| to_world[node].after(inverse_bind)).collect()
    }
}

/// Which joints each vertex follows, and by how much: weights above 0, whose sum is 1.
#[derive(Debug, Default)]
pub(crate) struct Influences {
    /// For each vertex, where its joints end in `joints`.
    ends: Vec<usize>,
    joints: Vec<(u32, f64)>,
}

/// Sets of four joints a vertex that are read.
const SETS: [(&str, &str); 2] = [("JOINTS_0", "WEIGHTS_0"), ("JOINTS_1", "WEIGHTS_1")];

/// Whether a skin can move a primitive.
pub(crate) fn has_joints(primitive: &Primitive) -> bool {
    primitive.attributes.contains_key(SETS[0].0)
}

impl Influences {
    /// Of the vertices that are used, for a skin of so many joints.
    pub(crate) fn read(
        source: Source<'_>,
        primitive: &Primitive,
        used: &Used,
        joint_count: usize,
        place: &str,
        findings: &mut Findings,
    ) -> Result<Self, Note> {
        if primitive.attributes.contains_key("JOINTS_2") {
            let message = "ignored: vertices follow eight joints at most";
            findings.warn(format!("{place}.attributes.JOINTS_2"), message);
        }
        let mut sets = Vec::with_capacity(SETS.len());
        for (joints, weights) in SETS {
            if !primitive.attributes.contains_key(joints) {
                continue;
            }
            let view = |name: &str| -> Result<View<'_>, Note> {
                let place = format!("{place}.attributes.{name}");
                let index = primitive.attributes.get(name);
                let index = index.ok_or_else(|| Note::new(&place, "is missing"))?;
                let view = source.view(*index, 4, &place)?;
                if view.len() == used.of {
                    return Ok(view);
                }
                Err(Note::new(place, "has not as many elements as POSITION"))
            };
            let (joints, weights) = (view(joints)?, view(weights)?);
            joints.require_index()?;
            weights.require_real(Real::Normalized, "weights")?;
            sets.push((joints, weights));
        }
        let mut influences = Self::default();
        let mut loose = 0;
        for &vertex in &used.vertices {
            let follows = influences.add(&sets, vertex as usize, joint_count, place)?;
            loose += usize::from(!follows);
        }
        if loose > 0 {
            let message = format!("are all 0 at {loose} vertices; these follow their first joint");
            findings.warn(format!("{place}.attributes.WEIGHTS_0"), message);
        }
        Ok(influences)
    }

    /// Whether the vertex has any weight.
    fn add(
        &mut self,
        sets: &[(View<'_>, View<'_>)],
        vertex: usize,
        joint_count: usize,
        place: &str,
    ) -> Result<bool, Note> {
        let start = self.joints.len();
        let refuse = |message: String| Note::new(format!("{place}.attributes"), message);
        let check = |joint: u32| {
            if (joint as usize) < joint_count {
                return Ok(joint);
            }
            Err(refuse(format!(
                "vertex {vertex} follows joint {joint}, but its skin has {joint_count}"
            )))
        };
        for (joints, weights) in sets {
            let joints = joints.indices::<4>(vertex);
            for (joint, weight) in joints.into_iter().zip(weights.element::<4>(vertex)?) {
                if weight < 0.0 {
                    return Err(refuse(format!("vertex {vertex} has a weight below 0")));
                }
                if weight > 0.0 {
                    self.joints.push((check(joint)?, weight));
                }
            }
        }
        let sum = self.joints[start..].iter().fold(0.0, |sum, (_, weight)| sum + weight);
        if sum == 0.0 {
            let first = sets.first().map_or(0, |(joints, _)| joints.indices::<4>(vertex)[0]);
            self.joints.push((check(first)?, 1.0));
            self.ends.push(self.joints.len());
            return Ok(false);
        }
        for (_, weight) in &mut self.joints[start..] {
            *weight /= sum;
        }
        self.ends.push(self.joints.len());
        Ok(true)
    }

    /// For each vertex, the mean of its joints' maps, summed in the order of the file.
    pub(crate) fn blended<'a>(&'a self, joints: &'a [Affine]) -> impl Iterator<Item = Affine> + 'a {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let mut rows = [[0.0; 4]; 3];
            for &(joint, weight) in &self.joints[start..end] {
                let matrix = &joints[joint as usize];
                for (cell, x) in rows.as_flattened_mut().iter_mut().zip(matrix.rows.as_flattened())
                {
                    *cell += weight * x;
                }
            }
            start = end;
            Affine { rows }
        })
    }
}

/// Where a map takes normals, up to their length: its inverse, transposed. A map that mirrors
/// turns no normal around.
pub(crate) fn normal(to_world: &Affine, normal: Vec3) -> Vec3 {
    let [x, y, z] = [0, 1, 2].map(|axis| to_world.column(axis));
    let columns = [cross(y, z), cross(z, x), cross(x, y)];
    let sign = if dot(x, columns[0]) < 0.0 { -1.0 } else { 1.0 };
    let at = |r: usize| {
        columns[0][r] * normal[0] + columns[1][r] * normal[1] + columns[2][r] * normal[2]
    };
    [0, 1, 2].map(|r| sign * at(r))
}

/// Where a map takes a tangent. One that mirrors turns its handedness around.
pub(crate) fn tangent(to_world: &Affine, [x, y, z, w]: [f64; 4]) -> [f64; 4] {
    let [tx, ty, tz] = to_world.direction([x, y, z]);
    [tx, ty, tz, if to_world.determinant() < 0.0 { -w } else { w }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::normalized;

    #[test]
    fn normals_stay_at_right_angles_to_the_surface() {
        let map =
            Affine { rows: [[2.0, 0.5, 0.0, 9.0], [0.0, 1.0, 0.25, 1.0], [0.0, 0.0, -3.0, 0.0]] };
        let (n, along) = ([0.0, 0.6, 0.8], [[1.0, 0.0, 0.0], [0.0, 0.8, -0.6]]);
        let moved = normalized(normal(&map, n)).unwrap();
        for direction in along {
            assert!(dot(moved, map.direction(direction)).abs() < 1e-12);
        }
        // Mirrored or not, it stays on the side of the surface where it was.
        assert!(map.determinant() < 0.0);
        assert!(dot(moved, map.direction(n)) > 0.0);
    }
}
