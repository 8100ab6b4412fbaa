//! Meshes that change shape: morph targets first, then joints.
//!
//! Vertices are moved in f64, sums in the order of the file; colours and texture coordinates stay.
//! What comes out is treated as if the file held it: normals and tangents that are not given are
//! computed from it, so that a moved mesh has the same buffers as one that was written out as it
//! stands. Each placement has vertices of its own; those that joints move stand in the world,
//! whatever their node's own transform.

use crate::accessor::Real;
use crate::document::Primitive;
use crate::error::{Findings, Note};
use crate::graph::Standing;
use crate::limits::{Limits, exceeds};
use crate::math::{Affine, Vec3};
use crate::mesh::{Asked, Geometry, LocalMesh, MeshDetails, Outline, Used, read_all};
use crate::skin::{self, Influences, Skin};
use std::sync::Arc;
use tessera_shaders::layout::{Mesh, Triangle, Vertex};

/// The meshes of a frame.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shapes {
    pub(crate) vertices: Arc<Vec<Vertex>>,
    pub(crate) triangles: Arc<Vec<Triangle>>,
    pub(crate) meshes: Arc<Vec<Mesh>>,
    pub(crate) details: Arc<Vec<MeshDetails>>,
}

impl From<Geometry> for Shapes {
    fn from(geometry: Geometry) -> Self {
        Self {
            vertices: Arc::new(geometry.vertices),
            triangles: Arc::new(geometry.triangles),
            meshes: Arc::new(geometry.meshes),
            details: Arc::new(geometry.details),
        }
    }
}

/// A primitive with all that can move its vertices.
#[derive(Debug)]
pub(crate) struct Deformable {
    pub(crate) rest: Outline,
    targets: Vec<Target>,
    influences: Option<Influences>,
    material: u32,
    /// It has a normal map.
    needs_tangents: bool,
}

/// What a morph target adds to each vertex.
#[derive(Debug)]
struct Target {
    positions: Option<Vec<Vec3>>,
    normals: Option<Vec<Vec3>>,
    tangents: Option<Vec<Vec3>>,
}

impl Deformable {
    /// Reads a primitive, its morph targets and, for a skin of so many joints, what follows them.
    /// `None` where it has nothing to show or was refused. `attempted` counts the triangles
    /// of all that is read, `budget` is what may be kept.
    pub(crate) fn read(
        asked: Asked<'_>,
        joint_count: Option<usize>,
        limits: &Limits,
        (attempted, budget): (&mut usize, &mut usize),
        findings: &mut Findings,
    ) -> Option<Self> {
        let read = Outline::read(asked, attempted, limits, findings);
        let (rest, used) = findings.take(read).flatten()?;
        let moved = Self::moved(asked, rest, &used, joint_count, budget, findings);
        findings.take(moved)
    }

    fn moved(
        asked: Asked<'_>,
        rest: Outline,
        used: &Used,
        joint_count: Option<usize>,
        budget: &mut usize,
        findings: &mut Findings,
    ) -> Result<Self, Note> {
        let Asked { source, primitive, place, needs } = asked;
        let mut spend = |values: usize| {
            let message = exceeds("numbers of meshes that change shape", values, *budget);
            *budget = budget.saturating_sub(values);
            message.map_or(Ok(()), |message| Err(Note::new(place, message)))
        };
        spend(rest.values())?;
        let influences = match joint_count {
            Some(count) => {
                // Two sets of four joints at most.
                spend(used.vertices.len() * 17)?;
                Some(Influences::read(source, primitive, used, count, place, findings)?)
            }
            None => None,
        };
        let mut targets = Vec::with_capacity(primitive.targets.len());
        for (i, target) in primitive.targets.iter().enumerate() {
            let quantized = source.document.quantized;
            let read = |name: &str, is_kept: bool| -> Result<Option<Vec<Vec3>>, Note> {
                let real = match name {
                    _ if !quantized => Real::Floats,
                    "POSITION" => Real::Integers,
                    _ => Real::Normalized,
                };
                let Some(&index) = target.get(name).filter(|_| is_kept) else { return Ok(None) };
                let place = format!("{place}.targets[{i}].{name}");
                let view = source.view(index, 3, &place)?;
                view.require_real(real, "what a morph target adds")?;
                if view.len() != used.of {
                    return Err(Note::new(place, "has not as many elements as POSITION"));
                }
                read_all::<3>(&view, &used.vertices).map(Some)
            };
            spend(3 * target.len().min(3) * used.vertices.len())?;
            for name in target.keys() {
                if name.starts_with("COLOR_") || name.starts_with("TEXCOORD_") {
                    let message = "ignored, colours and texture coordinates stay as they are";
                    findings.warn(format!("{place}.targets[{i}].{name}"), message);
                }
            }
            targets.push(Target {
                positions: read("POSITION", true)?,
                normals: read("NORMAL", rest.normals.is_some())?,
                tangents: read("TANGENT", rest.tangents.is_some())?,
            });
        }
        let (material, needs_tangents) = (needs.material, needs.tangents);
        Ok(Self { rest, targets, influences, material, needs_tangents })
    }

    /// The vertices under these weights of the morph targets.
    pub(crate) fn morphed(&self, weights: &[f64]) -> Outline {
        let mut outline = self.rest.clone();
        for (target, &weight) in self.targets.iter().zip(weights) {
            if weight == 0.0 {
                continue;
            }
            let Outline { positions, normals, tangents, .. } = &mut outline;
            add(Some(positions), target.positions.as_ref(), weight);
            add(normals.as_mut(), target.normals.as_ref(), weight);
            let deltas = target.tangents.iter().flatten();
            for (tangent, delta) in tangents.iter_mut().flatten().zip(deltas) {
                for (x, d) in tangent.iter_mut().zip(delta) {
                    *x += weight * d;
                }
            }
        }
        outline
    }

    /// The mesh under these weights and, where joints move it, in the world.
    fn shape(&self, weights: &[f64], joints: Option<&[Affine]>) -> Result<LocalMesh, &'static str> {
        let mut outline = self.morphed(weights);
        if let (Some(influences), Some(joints)) = (&self.influences, joints) {
            let Outline { positions, normals, tangents, .. } = &mut outline;
            for (i, map) in influences.blended(joints).enumerate() {
                positions[i] = map.point(positions[i]);
                if let Some(normals) = normals {
                    normals[i] = skin::normal(&map, normals[i]);
                }
                if let Some(tangents) = tangents {
                    tangents[i] = skin::tangent(&map, tangents[i]);
                }
            }
        }
        LocalMesh::build(&outline, self.needs_tangents)
    }
}

fn add(to: Option<&mut Vec<Vec3>>, deltas: Option<&Vec<Vec3>>, weight: f64) {
    for (v, delta) in to.into_iter().flatten().zip(deltas.into_iter().flatten()) {
        for (x, d) in v.iter_mut().zip(delta) {
            *x += weight * d;
        }
    }
}

/// A deformable primitive at a node.
#[derive(Debug)]
pub(crate) struct Deformed {
    /// Place in [`crate::graph::Graph::nodes`].
    pub(crate) node: usize,
    /// Index of [`Deformation::primitives`].
    pub(crate) primitive: usize,
    /// Index of [`Deformation::skins`].
    pub(crate) skin: Option<usize>,
}

/// All that changes shape.
#[derive(Debug, Default)]
pub(crate) struct Deformation {
    pub(crate) primitives: Vec<Deformable>,
    pub(crate) skins: Vec<Skin>,
    /// Each becomes a mesh, after those that keep their shape.
    pub(crate) deformed: Vec<Deformed>,
}

impl Deformation {
    /// The meshes as the nodes stand.
    ///
    /// # Errors
    /// The node whose mesh can't be drawn so, and why.
    pub(crate) fn shapes(
        &self,
        fixed: &Shapes,
        standing: &Standing,
    ) -> Result<Shapes, (usize, &'static str)> {
        let joints: Vec<Vec<Affine>> =
            self.skins.iter().map(|skin| skin.to_world(&standing.to_world)).collect();
        let mut geometry = Geometry {
            vertices: fixed.vertices.to_vec(),
            triangles: fixed.triangles.to_vec(),
            meshes: fixed.meshes.to_vec(),
            details: fixed.details.to_vec(),
            ..Geometry::default()
        };
        for deformed in &self.deformed {
            let primitive = &self.primitives[deformed.primitive];
            let weights = standing.weights.get(&deformed.node).map_or(&[][..], Vec::as_slice);
            let joints = deformed.skin.map(|skin| joints[skin].as_slice());
            let mesh = primitive.shape(weights, joints).map_err(|why| (deformed.node, why))?;
            geometry.append(mesh, primitive.material);
        }
        Ok(geometry.into())
    }
}

/// Whether morph targets can move a primitive.
pub(crate) fn has_targets(primitive: &Primitive) -> bool {
    !primitive.targets.is_empty()
}
