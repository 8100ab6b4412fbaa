//! The tree of nodes, and where each stands at a time.

use crate::animation::Animation;
use crate::document::{Document, Node, lookup};
use crate::error::{Findings, Note};
use crate::limits::{Limits, exceeds};
use crate::math::{Affine, Vec3};
use std::collections::BTreeMap;

/// The nodes of the scene that is shown, each before its children.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Placed>,
    /// Weights of morph targets at rest, by place in `nodes`, where a node's mesh has targets.
    weights: BTreeMap<usize, Vec<f64>>,
}

/// How the nodes stand at a time.
#[derive(Debug)]
pub(crate) struct Standing {
    /// Every node's map from its own space to the world.
    pub(crate) to_world: Vec<Affine>,
    /// Weights of morph targets, by place in [`Graph::nodes`], where a node's mesh has targets.
    pub(crate) weights: BTreeMap<usize, Vec<f64>>,
}

/// A node of the scene.
#[derive(Debug)]
pub(crate) struct Placed {
    /// Its index in the file.
    pub(crate) index: u32,
    /// Its parent's place in [`Graph::nodes`].
    parent: Option<usize>,
    rest: Pose,
}

/// Where a node stands in its parent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pose {
    matrix: Option<Affine>,
    pub(crate) translation: Vec3,
    pub(crate) rotation: [f64; 4],
    pub(crate) scale: Vec3,
}

impl Pose {
    fn of(node: &Node) -> Self {
        Self {
            matrix: node.matrix.as_ref().map(Affine::from_columns),
            translation: node.translation.unwrap_or([0.0; 3]),
            rotation: node.rotation.unwrap_or([0.0, 0.0, 0.0, 1.0]),
            scale: node.scale.unwrap_or([1.0; 3]),
        }
    }

    /// From now on only translation, rotation and scale count: something moves them.
    pub(crate) fn forget_matrix(&mut self) {
        self.matrix = None;
    }

    fn to_parent(self) -> Affine {
        let trs = || Affine::from_trs(self.translation, self.rotation, self.scale);
        self.matrix.unwrap_or_else(trs)
    }
}

impl Graph {
    /// Walks the scene depth first, children in their order. That is the order of cameras and
    /// lights.
    pub(crate) fn new(document: &Document, limits: &Limits, findings: &mut Findings) -> Self {
        let mut graph = Self { nodes: Vec::new(), weights: BTreeMap::new() };
        let walked = graph.walk(document, limits, findings);
        findings.take(walked);
        for (place, placed) in graph.nodes.iter().enumerate() {
            if let Some(weights) = weights_of(document, placed.index, findings) {
                graph.weights.insert(place, weights);
            }
        }
        graph
    }

    /// For each node of the file, its place in [`Graph::nodes`] if the scene shows it.
    pub(crate) fn places(&self, document: &Document) -> Vec<Option<usize>> {
        let mut places = vec![None; document.nodes.len()];
        for (place, node) in self.nodes.iter().enumerate() {
            places[node.index as usize] = Some(place);
        }
        places
    }

    /// The weights at rest of the morph targets of a node's mesh; `None` where it has no targets.
    pub(crate) fn weights(&self, node: usize) -> Option<&[f64]> {
        self.weights.get(&node).map(Vec::as_slice)
    }

    fn walk(
        &mut self,
        document: &Document,
        limits: &Limits,
        findings: &mut Findings,
    ) -> Result<(), Note> {
        let mut reached = vec![false; document.nodes.len()];
        // Last in, first out: hence the reversals.
        let mut waiting: Vec<Visit> = Vec::new();
        let roots = roots(document)?;
        waiting.extend(roots.iter().rev().map(|&(index, ref place)| Visit {
            index,
            parent: None,
            depth: 1,
            place: place.clone(),
        }));
        while let Some(Visit { index, parent, depth, place }) = waiting.pop() {
            let node = lookup(&document.nodes, "nodes", index, &place)?;
            let here = format!("nodes[{index}]");
            if std::mem::replace(&mut reached[index as usize], true) {
                return Err(Note::new(here, "has two parents, or is its own ancestor"));
            }
            if let Some(message) = exceeds("nodes on one branch", depth, limits.depth) {
                return Err(Note::new(here, message));
            }
            if let Some(message) = exceeds("nodes", self.nodes.len() + 1, limits.nodes) {
                return Err(Note::new("nodes", message));
            }
            warn_of_node(node, &here, findings);
            let me = self.nodes.len();
            self.nodes.push(Placed { index, parent, rest: Pose::of(node) });
            waiting.extend(node.children.iter().enumerate().rev().map(|(i, &child)| Visit {
                index: child,
                parent: Some(me),
                depth: depth + 1,
                place: format!("{here}.children[{i}]"),
            }));
        }
        Ok(())
    }

    /// How the nodes stand at a time.
    pub(crate) fn at(&self, animation: &Animation, time_s: f64) -> Standing {
        let mut poses: Vec<Pose> = self.nodes.iter().map(|node| node.rest).collect();
        let mut weights = self.weights.clone();
        animation.apply(&mut poses, &mut weights, time_s);
        let mut to_world: Vec<Affine> = Vec::with_capacity(poses.len());
        for (node, pose) in self.nodes.iter().zip(poses) {
            let to_parent = pose.to_parent();
            to_world.push(match node.parent {
                Some(parent) => to_world[parent].after(&to_parent),
                None => to_parent,
            });
        }
        Standing { to_world, weights }
    }
}

struct Visit {
    index: u32,
    parent: Option<usize>,
    depth: usize,
    place: String,
}

/// The roots of the scene to be shown, each with the place that names it.
fn roots(document: &Document) -> Result<Vec<(u32, String)>, Note> {
    if document.scenes.is_empty() && document.scene.is_none() {
        let mut is_child = vec![false; document.nodes.len()];
        for &child in document.nodes.iter().flat_map(|node| &node.children) {
            if let Some(is_child) = is_child.get_mut(child as usize) {
                *is_child = true;
            }
        }
        let roots = (0..document.nodes.len() as u32).filter(|&i| !is_child[i as usize]);
        return Ok(roots.map(|i| (i, "nodes".to_owned())).collect());
    }
    let shown = document.scene.unwrap_or(0);
    let scene = lookup(&document.scenes, "scenes", shown, "scene")?;
    let place = |i: usize| format!("scenes[{shown}].nodes[{i}]");
    Ok(scene.nodes.iter().enumerate().map(|(i, &node)| (node, place(i))).collect())
}

/// One weight for each morph target of a node's mesh: the node's, else the mesh's, else 0.
fn weights_of(document: &Document, index: u32, findings: &mut Findings) -> Option<Vec<f64>> {
    let node = document.nodes.get(index as usize)?;
    let (mesh, named) = (node.mesh?, node.weights.is_some());
    let described = document.meshes.get(mesh as usize)?;
    let targets = described.primitives.iter().map(|one| one.targets.len()).max().unwrap_or(0);
    if targets == 0 {
        return None;
    }
    let given = node.weights.as_ref().or(described.weights.as_ref());
    let mut weights = given.cloned().unwrap_or_default();
    if given.is_some() && weights.len() != targets {
        let place = if named { format!("nodes[{index}]") } else { format!("meshes[{mesh}]") };
        let message = format!(
            "has {} weights for {targets} morph targets; those without one stay 0",
            weights.len()
        );
        findings.warn(format!("{place}.weights"), message);
    }
    weights.resize(targets, 0.0);
    Some(weights)
}

fn warn_of_node(node: &Node, place: &str, findings: &mut Findings) {
    if node.skin.is_some() && node.mesh.is_none() {
        findings.warn(format!("{place}.skin"), "moves nothing: the node has no mesh");
    }
    if let Some(matrix) = &node.matrix
        && [matrix[3], matrix[7], matrix[11], matrix[15]] != [0.0, 0.0, 0.0, 1.0]
    {
        findings.warn(format!("{place}.matrix"), "its last row is not 0 0 0 1; ignored");
    }
}
