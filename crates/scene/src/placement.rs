//! Which meshes the scene shows, and where.

use crate::accessor::{Real, Source, View};
use crate::animation::Animation;
use crate::asset::UsedMaterials;
use crate::deform::{Deformable, Deformation, Deformed, has_targets};
use crate::document::{Node, Primitive, lookup};
use crate::error::{Findings, Note};
use crate::graph::Graph;
use crate::limits::{Limits, exceeds};
use crate::material::Materials;
use crate::math::Affine;
use crate::mesh::{Asked, Geometry};
use crate::skin::{self, Skin};
use std::collections::{BTreeMap, BTreeSet};

/// A mesh at a node.
#[derive(Debug)]
pub(crate) struct Placement {
    /// Place in [`Graph::nodes`].
    pub(crate) node: usize,
    /// Index of a canonical mesh.
    pub(crate) mesh: u32,
    pub(crate) stands: Stands,
}

/// What a mesh's own space is placed by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stands {
    /// Its node.
    Node,
    /// Its node, after the map of one of its copies: an index of [`Shown::copies`].
    Copy(u32),
    /// Nothing: joints have moved its vertices to where they are in the world.
    World,
}

/// What the scene shows.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) geometry: Geometry,
    pub(crate) deformation: Deformation,
    pub(crate) placements: Vec<Placement>,
    /// Maps of EXT_mesh_gpu_instancing.
    pub(crate) copies: Vec<Affine>,
}

/// How a primitive comes to its shape.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// It keeps it. The bits of its morph targets' weights; none where all are 0.
    Fixed(Vec<u64>),
    /// Each frame anew.
    Deformed { skin: Option<u32> },
}

/// A primitive of the file, by mesh and place in it, in one of its shapes.
type Key = (u32, usize, Way);

/// What became of a primitive.
#[derive(Debug, Clone, Copy)]
enum Made {
    /// A canonical mesh.
    Fixed(u32),
    /// Index of [`Deformation::primitives`], and of [`Deformation::skins`].
    Deformed(usize, Option<usize>),
}

/// What is read from.
pub(crate) struct Reader<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) graph: &'a Graph,
    pub(crate) animation: &'a Animation,
    pub(crate) used: &'a UsedMaterials,
    pub(crate) materials: &'a Materials,
    pub(crate) limits: &'a Limits,
}

impl Reader<'_> {
    /// Meshes in the order of the file, those that nothing shows left out; placements in the
    /// order of the nodes.
    pub(crate) fn read(&self, findings: &mut Findings) -> Shown {
        let mut shown = Shown::default();
        let made = self.make(&mut shown, findings);
        let fixed = shown.geometry.meshes.len();
        for (place, node, mesh) in self.nodes() {
            let named = format!("nodes[{}].mesh", self.graph.nodes[place].index);
            let found = lookup(&self.source.document.meshes, "meshes", mesh, &named);
            let Some(described) = findings.take(found) else { continue };
            let parts = described.primitives.iter().enumerate().filter_map(|(i, primitive)| {
                made.get(&(mesh, i, self.way(place, node, primitive))).copied()
            });
            let parts: Vec<Made> = parts.collect();
            if let Err(note) = self.place_all(&mut shown, fixed, (place, node), &parts) {
                let is_enough = note.place == "nodes";
                findings.problem(note);
                if is_enough {
                    break;
                }
            }
        }
        if shown.placements.is_empty() {
            findings.warn("scene", "has nothing to show");
        }
        shown
    }

    /// The nodes that have a mesh, with their places in the graph.
    fn nodes(&self) -> impl Iterator<Item = (usize, &Node, u32)> {
        self.graph.nodes.iter().enumerate().filter_map(|(place, placed)| {
            let node = &self.source.document.nodes[placed.index as usize];
            Some((place, node, node.mesh?))
        })
    }

    /// How a primitive of a node's mesh comes to its shape there.
    fn way(&self, place: usize, node: &Node, primitive: &Primitive) -> Way {
        let skin = node.skin.filter(|_| skin::has_joints(primitive));
        let morphs = has_targets(primitive);
        if skin.is_some() || (morphs && self.animation.moves_weights(place)) {
            return Way::Deformed { skin };
        }
        let weights = self.graph.weights(place).filter(|_| morphs).unwrap_or_default();
        if weights.iter().all(|&weight| weight == 0.0) {
            return Way::Fixed(Vec::new());
        }
        Way::Fixed(weights.iter().map(|weight| weight.to_bits()).collect())
    }

    /// Reads every primitive that is shown, once for each way.
    fn make(&self, shown: &mut Shown, findings: &mut Findings) -> BTreeMap<Key, Made> {
        let mut keys = BTreeSet::new();
        for (place, node, mesh) in self.nodes() {
            let Some(described) = self.source.document.meshes.get(mesh as usize) else { continue };
            for (i, primitive) in described.primitives.iter().enumerate() {
                keys.insert((mesh, i, self.way(place, node, primitive)));
                if let Some(skin) = node.skin.filter(|_| !skin::has_joints(primitive)) {
                    let message =
                        format!("skins[{skin}] doesn't move it: the primitive has no JOINTS_0");
                    findings.warn(format!("meshes[{mesh}].primitives[{i}]"), message);
                }
            }
        }
        let places = self.graph.places(self.source.document);
        let mut skins = BTreeMap::new();
        let mut budget = self.limits.deformed_values;
        let mut made = BTreeMap::new();
        for key in keys {
            let (mesh, i, way) = &key;
            let primitive = &self.source.document.meshes[*mesh as usize].primitives[*i];
            let place = format!("meshes[{mesh}].primitives[{i}]");
            let Some(needs) = self.used.needs(primitive, self.materials) else { continue };
            let asked = Asked { source: self.source, primitive, place: &place, needs };
            let part = match way {
                Way::Fixed(weights) => self.fixed(asked, weights, &mut shown.geometry, findings),
                Way::Deformed { skin } => {
                    let deformation = &mut shown.deformation;
                    let skin = match skin {
                        None => None,
                        Some(skin) => {
                            let read = skins.entry(*skin).or_insert_with(|| {
                                self.skin(*skin, &places, deformation, findings)
                            });
                            let Some(skin) = *read else { continue };
                            Some(skin)
                        }
                    };
                    let joints = skin.map(|skin| deformation.skins[skin].joint_count());
                    let spent = (&mut shown.geometry.attempted, &mut budget);
                    Deformable::read(asked, joints, self.limits, spent, findings).map(|one| {
                        deformation.primitives.push(one);
                        Made::Deformed(deformation.primitives.len() - 1, skin)
                    })
                }
            };
            if let Some(part) = part {
                made.insert(key, part);
            }
        }
        made
    }

    fn fixed(
        &self,
        asked: Asked<'_>,
        weights: &[u64],
        geometry: &mut Geometry,
        findings: &mut Findings,
    ) -> Option<Made> {
        if weights.is_empty() {
            return geometry.add(asked, self.limits, findings).map(Made::Fixed);
        }
        let mut budget = self.limits.deformed_values;
        let spent = (&mut geometry.attempted, &mut budget);
        let read = Deformable::read(asked, None, self.limits, spent, findings)?;
        let weights: Vec<f64> = weights.iter().map(|&bits| f64::from_bits(bits)).collect();
        let outline = read.morphed(&weights);
        geometry.add_outline(&outline, asked, self.limits, findings).map(Made::Fixed)
    }

    fn skin(
        &self,
        index: u32,
        places: &[Option<usize>],
        deformation: &mut Deformation,
        findings: &mut Findings,
    ) -> Option<usize> {
        let user = self.nodes().find(|(_, node, _)| node.skin == Some(index));
        let named = user.map_or(0, |(place, ..)| self.graph.nodes[place].index);
        let read = Skin::read(self.source, places, index, &format!("nodes[{named}].skin"));
        deformation.skins.push(findings.take(read)?);
        Some(deformation.skins.len() - 1)
    }

    /// Places a node's parts, and their copies; `fixed` meshes come before all that change shape.
    fn place_all(
        &self,
        shown: &mut Shown,
        fixed: usize,
        (place, node): (usize, &Node),
        parts: &[Made],
    ) -> Result<(), Note> {
        let index = self.graph.nodes[place].index;
        let copies = Copies::find(self.source, node, index)?;
        let count = copies.as_ref().map_or(1, Copies::len).saturating_mul(parts.len());
        let count = shown.placements.len().saturating_add(count);
        if let Some(message) = exceeds("placed meshes", count, self.limits.instances) {
            return Err(Note::new("nodes", message));
        }
        let mut meshes = Vec::with_capacity(parts.len());
        for &part in parts {
            meshes.push(match part {
                Made::Fixed(mesh) => (mesh, false),
                Made::Deformed(primitive, skin) => {
                    let named = format!("nodes[{index}].mesh");
                    let rest = &shown.deformation.primitives[primitive].rest;
                    shown.geometry.reserve(rest, &named, self.limits)?;
                    shown.deformation.deformed.push(Deformed { node: place, primitive, skin });
                    ((fixed + shown.deformation.deformed.len() - 1) as u32, skin.is_some())
                }
            });
        }
        let Some(copies) = copies else {
            for (mesh, in_world) in meshes {
                let stands = if in_world { Stands::World } else { Stands::Node };
                shown.placements.push(Placement { node: place, mesh, stands });
            }
            return Ok(());
        };
        if meshes.iter().any(|(_, in_world)| *in_world) {
            let place = format!("nodes[{index}].extensions.EXT_mesh_gpu_instancing");
            return Err(Note::new(place, "a mesh that joints move can't be copied"));
        }
        for i in 0..copies.len() {
            let stands = Stands::Copy(shown.copies.len() as u32);
            shown.copies.push(copies.map(i)?);
            let placed = meshes.iter().map(|&(mesh, _)| Placement { node: place, mesh, stands });
            shown.placements.extend(placed);
        }
        Ok(())
    }
}

/// The accessors of EXT_mesh_gpu_instancing at a node.
struct Copies<'a> {
    translation: Option<View<'a>>,
    rotation: Option<View<'a>>,
    scale: Option<View<'a>>,
    count: usize,
}

impl<'a> Copies<'a> {
    /// `None` where a node has none, or says nothing of where they are.
    fn find(source: Source<'a>, node: &Node, index: u32) -> Result<Option<Self>, Note> {
        let Some(instancing) = &node.extensions.instancing else { return Ok(None) };
        let place = format!("nodes[{index}].extensions.EXT_mesh_gpu_instancing.attributes");
        let mut count = None;
        let mut find = |name: &str, lanes, real| -> Result<Option<View<'a>>, Note> {
            let Some(&index) = instancing.attributes.get(name) else { return Ok(None) };
            let place = format!("{place}.{name}");
            let view = source.view(index, lanes, &place)?;
            view.require_real(real, "where a copy stands")?;
            if *count.get_or_insert(view.len()) != view.len() {
                return Err(Note::new(place, "has not as many elements as the others"));
            }
            Ok(Some(view))
        };
        let translation = find("TRANSLATION", 3, Real::Floats)?;
        let rotation = find("ROTATION", 4, Real::Normalized)?;
        let scale = find("SCALE", 3, Real::Floats)?;
        Ok(count.map(|count| Self { translation, rotation, scale, count }))
    }

    fn len(&self) -> usize {
        self.count
    }

    /// From the mesh's space to the node's.
    fn map(&self, i: usize) -> Result<Affine, Note> {
        let three = |view: &Option<View<'_>>, otherwise: f64| {
            view.as_ref().map_or(Ok([otherwise; 3]), |view| view.element::<3>(i))
        };
        let rotation = match &self.rotation {
            Some(view) => view.element::<4>(i)?,
            None => [0.0, 0.0, 0.0, 1.0],
        };
        Ok(Affine::from_trs(three(&self.translation, 0.0)?, rotation, three(&self.scale, 1.0)?))
    }
}
