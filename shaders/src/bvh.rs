//! Trees of boxes: a binary tree over each mesh's triangles, and one over the instances.
//!
//! Built by the surface area heuristic with bins (Wald 2007, "On fast Construction of SAH-based
//! Bounding Volume Hierarchies"). Any other tree over the same boxes gives the same hits, so
//! nothing here is part of the kernel's contract; [`Shape`] exists for the tests of that.

use crate::bvh4::{Accel4, MeshTrees4};
use crate::cpu::intersect::padded_box;
use crate::cpu::light::Emitter;
use crate::layout::{CanonicalScene, Instance, LeafTriangle, Mesh, Node, Triangle, Vertex};
use std::sync::Arc;

/// How a tree is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Most triangles of a leaf.
    pub leaf_size: u32,
    /// Bins along an axis; 1 splits in the middle of the list instead.
    pub bins: u32,
}

impl Default for Shape {
    /// Four triangles a leaf were fastest on the CPU and on GPUs.
    fn default() -> Self {
        Self { leaf_size: 4, bins: 16 }
    }
}

/// A box.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) lo: [f32; 3],
    pub(crate) hi: [f32; 3],
}

impl Bounds {
    pub(crate) const EMPTY: Self = Self { lo: [f32::INFINITY; 3], hi: [f32::NEG_INFINITY; 3] };
    /// A box that no ray meets; a child that has it is never visited.
    pub(crate) const NOWHERE: Self = Self { lo: [f32::MAX; 3], hi: [f32::MAX; 3] };

    pub(crate) fn with(self, other: Self) -> Self {
        let mut union = self;
        for axis in 0..3 {
            union.lo[axis] = union.lo[axis].min(other.lo[axis]);
            union.hi[axis] = union.hi[axis].max(other.hi[axis]);
        }
        union
    }

    fn center(&self, axis: usize) -> f32 {
        self.lo[axis] * 0.5 + self.hi[axis] * 0.5
    }

    pub(crate) fn half_area(&self) -> f32 {
        let d: [f32; 3] = std::array::from_fn(|axis| (self.hi[axis] - self.lo[axis]).max(0.0));
        d[0] * d[1] + d[1] * d[2] + d[2] * d[0]
    }
}

/// A child: an inner node, or a leaf of `count` items of the order from `first`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Child {
    pub(crate) bounds: Bounds,
    pub(crate) first: u32,
    pub(crate) count: u32,
}

const NO_CHILD: Child = Child { bounds: Bounds::NOWHERE, first: 0, count: 0 };

/// The children that a node has: one where a whole tree is one leaf, otherwise two.
pub(crate) fn children(node: &Node) -> Vec<Child> {
    let child = |lo, hi, first, count| Child { bounds: Bounds { lo, hi }, first, count };
    let mut children = vec![child(node.left_lo, node.left_hi, node.left_first, node.left_count)];
    if node.right_lo != Bounds::NOWHERE.lo {
        children.push(child(node.right_lo, node.right_hi, node.right_first, node.right_count));
    }
    children
}

fn node(left: Child, right: Child) -> Node {
    Node {
        left_lo: left.bounds.lo,
        left_first: left.first,
        left_hi: left.bounds.hi,
        left_count: left.count,
        right_lo: right.bounds.lo,
        right_first: right.first,
        right_hi: right.bounds.hi,
        right_count: right.count,
    }
}

pub(crate) struct Builder<'a> {
    pub(crate) boxes: &'a [Bounds],
    pub(crate) shape: Shape,
    pub(crate) nodes: &'a mut Vec<Node>,
}

impl Builder<'_> {
    /// Builds a tree over `order`, whose first item has the number `base`; returns its root.
    pub(crate) fn build(&mut self, order: &mut [u32], base: u32) -> u32 {
        let root = self.nodes.len() as u32;
        if order.len() <= self.shape.leaf_size as usize || order.len() < 2 {
            let leaf = Child { bounds: self.bounds(order), first: base, count: order.len() as u32 };
            self.nodes.push(node(leaf, NO_CHILD));
        } else {
            self.split(order, base, 0);
        }
        root
    }

    fn bounds(&self, order: &[u32]) -> Bounds {
        order.iter().fold(Bounds::EMPTY, |all, &i| all.with(self.boxes[i as usize]))
    }

    /// Builds an inner node; returns its index.
    fn split(&mut self, order: &mut [u32], base: u32, depth: u32) -> u32 {
        let index = self.nodes.len();
        self.nodes.push(node(NO_CHILD, NO_CHILD));
        let middle = self.partition(order, depth);
        let (left, right) = order.split_at_mut(middle);
        let left = self.child(left, base, depth);
        let right = self.child(right, base + middle as u32, depth);
        self.nodes[index] = node(left, right);
        index as u32
    }

    fn child(&mut self, order: &mut [u32], base: u32, depth: u32) -> Child {
        let bounds = self.bounds(order);
        if order.len() <= self.shape.leaf_size as usize || order.len() == 1 {
            Child { bounds, first: base, count: order.len() as u32 }
        } else {
            Child { bounds, first: self.split(order, base, depth + 1), count: 0 }
        }
    }

    /// Reorders `order` into two parts and returns the length of the first.
    fn partition(&self, order: &mut [u32], depth: u32) -> usize {
        // Halving from here on keeps any tree within the kernel's stack.
        const SAH_DEPTH: u32 = 32;
        if self.shape.bins > 1
            && depth < SAH_DEPTH
            && let Some((axis, limit)) = self.best_split(order)
        {
            let mut middle = 0;
            for i in 0..order.len() {
                if self.boxes[order[i] as usize].center(axis) < limit {
                    order.swap(i, middle);
                    middle += 1;
                }
            }
            if middle > 0 && middle < order.len() {
                return middle;
            }
        }
        order.len() / 2
    }

    /// The cheapest plane among the bins of all axes.
    fn best_split(&self, order: &[u32]) -> Option<(usize, f32)> {
        let bins = self.shape.bins as usize;
        let mut best: Option<(f32, usize, f32)> = None;
        for axis in 0..3 {
            let (mut lo, mut hi) = (f32::INFINITY, f32::NEG_INFINITY);
            for &i in order {
                let center = self.boxes[i as usize].center(axis);
                (lo, hi) = (lo.min(center), hi.max(center));
            }
            let scale = bins as f32 / (hi - lo);
            if !scale.is_finite() || scale <= 0.0 {
                continue;
            }
            let mut filled = vec![(Bounds::EMPTY, 0u32); bins];
            for &i in order {
                let bounds = self.boxes[i as usize];
                let bin = (((bounds.center(axis) - lo) * scale) as usize).min(bins - 1);
                filled[bin] = (filled[bin].0.with(bounds), filled[bin].1 + 1);
            }
            let mut costs = vec![0f32; bins];
            let (mut bounds, mut count) = (Bounds::EMPTY, 0);
            for bin in (1..bins).rev() {
                (bounds, count) = (bounds.with(filled[bin].0), count + filled[bin].1);
                costs[bin] = if count > 0 { bounds.half_area() * count as f32 } else { 0.0 };
            }
            let (mut bounds, mut count) = (Bounds::EMPTY, 0);
            for bin in 1..bins {
                (bounds, count) = (bounds.with(filled[bin - 1].0), count + filled[bin - 1].1);
                if count == 0 || count as usize == order.len() {
                    continue;
                }
                let cost = bounds.half_area() * count as f32 + costs[bin];
                if best.is_none_or(|(least, _, _)| cost < least) {
                    best = Some((cost, axis, lo + bin as f32 / scale));
                }
            }
        }
        best.map(|(_, axis, limit)| (axis, limit))
    }
}

/// The trees over the meshes of an asset, which stay while its frames change.
#[derive(Debug, Clone)]
pub struct MeshTrees {
    nodes: Vec<Node>,
    leaves: Vec<LeafTriangle>,
    roots: Vec<u32>,
    four: Arc<MeshTrees4>,
}

impl MeshTrees {
    /// Builds a tree over each mesh.
    pub fn build(
        meshes: &[Mesh],
        triangles: &[Triangle],
        vertices: &[Vertex],
        shape: Shape,
    ) -> Self {
        let mut trees = Self {
            nodes: Vec::new(),
            leaves: Vec::with_capacity(triangles.len()),
            roots: Vec::new(),
            four: Arc::default(),
        };
        for mesh in meshes {
            let first = mesh.first_triangle;
            let corners: Vec<[[f32; 3]; 3]> = triangles[first as usize..]
                [..mesh.triangle_count as usize]
                .iter()
                .map(|triangle| triangle.corners.map(|i| vertices[i as usize].position))
                .collect();
            let boxes: Vec<Bounds> = corners
                .iter()
                .map(|&[a, b, c]| {
                    let (lo, hi) = padded_box(a, b, c);
                    Bounds { lo, hi }
                })
                .collect();
            let mut order: Vec<u32> = (0..mesh.triangle_count).collect();
            let base = trees.leaves.len() as u32;
            let mut builder = Builder { boxes: &boxes, shape, nodes: &mut trees.nodes };
            trees.roots.push(builder.build(&mut order, base));
            trees.leaves.extend(order.iter().map(|&i| {
                let [a, b, c] = corners[i as usize];
                LeafTriangle { a, triangle: first + i, b, padding_b: 0, c, padding_c: 0 }
            }));
        }
        trees.four = Arc::new(MeshTrees4::new(&trees.nodes, &trees.leaves, &trees.roots));
        trees
    }
}

/// Everything of one frame that tells where triangles are.
#[derive(Debug, Clone)]
pub struct Accel {
    /// Nodes of the meshes' trees, then of the tree over the instances.
    pub nodes: Vec<Node>,
    /// Triangles in the order of the leaves.
    pub leaves: Vec<LeafTriangle>,
    /// The scene's instances, with the roots of their meshes' trees.
    pub instances: Vec<Instance>,
    /// Root of the tree over the instances.
    pub root: u32,
    /// The same for the CPU.
    pub four: Accel4,
    /// What the CPU knows beforehand of the lights.
    pub emitters: Vec<Emitter>,
}

impl Accel {
    /// Puts a frame's instances over the meshes' trees. `bins` of the shape holds for the tree
    /// over instances too; its leaves always hold one instance.
    pub fn build(scene: &CanonicalScene, trees: &MeshTrees, shape: Shape) -> Self {
        let mut instances = scene.instances.clone();
        for (instance, &mesh) in instances.iter_mut().zip(&scene.instance_meshes) {
            instance.root = trees.roots[mesh as usize];
        }
        let boxes: Vec<Bounds> = instances.iter().map(|i| Bounds { lo: i.lo, hi: i.hi }).collect();
        let mut nodes = trees.nodes.clone();
        let mut order: Vec<u32> = (0..instances.len() as u32).collect();
        let shape = Shape { leaf_size: 1, ..shape };
        let before = nodes.len();
        let root = Builder { boxes: &boxes, shape, nodes: &mut nodes }.build(&mut order, 0);
        // Leaves name places in the order; instances stay where they are, so name them instead.
        for node in &mut nodes[before..] {
            if node.left_count > 0 {
                node.left_first = order[node.left_first as usize];
            }
            if node.right_count > 0 {
                node.right_first = order[node.right_first as usize];
            }
        }
        let four = Accel4::new(&trees.four, &instances, &scene.instance_meshes, shape);
        Self {
            nodes,
            leaves: trees.leaves.clone(),
            instances,
            root,
            four,
            emitters: Emitter::all(scene),
        }
    }
}
