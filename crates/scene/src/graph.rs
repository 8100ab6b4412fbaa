//! The tree of nodes, and where each stands at a time.

use crate::animation::Animation;
use crate::document::{Document, Node, lookup};
use crate::error::{Findings, Note};
use crate::limits::{Limits, exceeds};
use crate::math::{Affine, Vec3};

/// The nodes of the scene that is shown, each before its children.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Placed>,
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
        let mut graph = Self { nodes: Vec::new() };
        let walked = graph.walk(document, limits, findings);
        findings.take(walked);
        graph
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

    /// Every node's map from its own space to the world.
    pub(crate) fn to_world(&self, animation: &Animation, time_s: f64) -> Vec<Affine> {
        let mut poses: Vec<Pose> = self.nodes.iter().map(|node| node.rest).collect();
        animation.apply(&mut poses, time_s);
        let mut to_world: Vec<Affine> = Vec::with_capacity(poses.len());
        for (node, pose) in self.nodes.iter().zip(poses) {
            let to_parent = pose.to_parent();
            to_world.push(match node.parent {
                Some(parent) => to_world[parent].after(&to_parent),
                None => to_parent,
            });
        }
        to_world
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

fn warn_of_node(node: &Node, place: &str, findings: &mut Findings) {
    if node.skin.is_some() {
        findings.warn(format!("{place}.skin"), "ignored, meshes are not skinned");
    }
    if let Some(matrix) = &node.matrix
        && [matrix[3], matrix[7], matrix[11], matrix[15]] != [0.0, 0.0, 0.0, 1.0]
    {
        findings.warn(format!("{place}.matrix"), "its last row is not 0 0 0 1; ignored");
    }
}
