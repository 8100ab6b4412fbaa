//! The trees as the CPU searches them: four boxes a node and four triangles a block, side by side.
//!
//! Collapsed from binary trees of [`crate::bvh`], which GPUs search as they are. Instances with the
//! same map from the world are gathered in a [`Group`], so that a ray is taken to their space once;
//! all that a scene's author left in place is one group. Any tree gives the same hits.

use crate::bvh::{Bounds, Builder, Shape, children};
use crate::cpu::intersect::padded_box;
use crate::layout::{Instance, LeafTriangle, Node};
use std::collections::HashMap;
use std::sync::Arc;

/// A child of a node: another node, or a leaf, whose number means what the tree is over.
#[derive(Debug, Clone, Copy)]
pub struct Child(u32);

/// What a [`Child`] is.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// The index of a node.
    Node(u32),
    /// The number of a leaf.
    Leaf(u32),
}

impl Child {
    const LEAF: u32 = 1 << 31;
    /// Stands in a box that no ray meets.
    pub(crate) const NONE: Self = Self(Self::LEAF);

    fn leaf(number: u32) -> Self {
        Self(number | Self::LEAF)
    }

    /// What it is.
    #[inline(always)]
    pub fn kind(self) -> Kind {
        if self.0 & Self::LEAF == 0 { Kind::Node(self.0) } else { Kind::Leaf(self.0 & !Self::LEAF) }
    }
}

/// Four boxes, and what is in them.
#[repr(C, align(16))]
#[derive(Debug, Clone, Copy)]
pub struct Node4 {
    /// Least corners, by axis and then by child.
    pub lo: [[f32; 4]; 3],
    /// Greatest corners.
    pub hi: [[f32; 4]; 3],
    /// The children.
    pub children: [Child; 4],
}

/// Four triangles. Where there are fewer, the rest are points, which nothing hits.
#[repr(C, align(16))]
#[derive(Debug, Clone, Copy)]
pub struct Block {
    /// By corner, axis and triangle.
    pub corners: [[[f32; 4]; 3]; 3],
    /// The triangles' numbers in the scene.
    pub triangles: [u32; 4],
}

impl Block {
    /// A corner of one of the triangles.
    #[inline(always)]
    pub fn corner(&self, corner: usize, triangle: usize) -> [f32; 3] {
        let [x, y, z] = &self.corners[corner];
        [x[triangle], y[triangle], z[triangle]]
    }
}

/// A tree, or a part of one.
#[derive(Debug, Clone, Copy)]
struct Branch {
    bounds: Bounds,
    child: Child,
}

/// Adds a node over at most four branches.
fn join(nodes: &mut Vec<Node4>, branches: &[Branch]) -> Child {
    let nowhere = Branch { bounds: Bounds::NOWHERE, child: Child::NONE };
    let branch = |i: usize| branches.get(i).copied().unwrap_or(nowhere);
    let corners = |of: fn(&Bounds) -> [f32; 3]| {
        std::array::from_fn(|axis| std::array::from_fn(|i| of(&branch(i).bounds)[axis]))
    };
    nodes.push(Node4 {
        lo: corners(|bounds| bounds.lo),
        hi: corners(|bounds| bounds.hi),
        children: std::array::from_fn(|i| branch(i).child),
    });
    Child(nodes.len() as u32 - 1)
}

/// Collapses the binary tree under `root`; `leaf` makes branches of its leaves.
fn collapse(
    nodes: &mut Vec<Node4>,
    binary: &[Node],
    root: u32,
    leaf: &mut impl FnMut(&mut Vec<Node4>, u32, u32) -> Branch,
) -> Branch {
    // The inner node with the largest box is met most often, so it is opened first.
    let mut open = children(&binary[root as usize]);
    while open.len() < 4
        && let Some(widest) = (0..open.len())
            .filter(|&i| open[i].count == 0)
            .max_by(|&a, &b| open[a].bounds.half_area().total_cmp(&open[b].bounds.half_area()))
    {
        let opened = open.swap_remove(widest);
        open.extend(children(&binary[opened.first as usize]));
    }
    let branches: Vec<Branch> = open
        .into_iter()
        .map(|child| match child.count {
            0 => collapse(nodes, binary, child.first, leaf),
            count => leaf(nodes, child.first, count),
        })
        .collect();
    let bounds = branches.iter().fold(Bounds::EMPTY, |all, branch| all.with(branch.bounds));
    match branches[..] {
        [only] => only,
        _ => Branch { bounds, child: join(nodes, &branches) },
    }
}

/// The trees over the meshes of an asset.
#[derive(Debug, Clone, Default)]
pub struct MeshTrees4 {
    nodes: Vec<Node4>,
    blocks: Vec<Block>,
    roots: Vec<Branch>,
}

impl MeshTrees4 {
    /// Collapses the binary trees with these roots.
    pub fn new(binary: &[Node], leaves: &[LeafTriangle], roots: &[u32]) -> Self {
        let mut meshes = Self::default();
        for &root in roots {
            let blocks = &mut meshes.blocks;
            let branch = collapse(&mut meshes.nodes, binary, root, &mut |nodes, first, count| {
                pack(nodes, blocks, &leaves[first as usize..(first + count) as usize])
            });
            meshes.roots.push(branch);
        }
        meshes
    }
}

/// Puts triangles into a block, or into a tree of blocks where they are more than four.
fn pack(nodes: &mut Vec<Node4>, blocks: &mut Vec<Block>, leaves: &[LeafTriangle]) -> Branch {
    let bounds = leaves.iter().fold(Bounds::EMPTY, |all, leaf| {
        let (lo, hi) = padded_box(leaf.a, leaf.b, leaf.c);
        all.with(Bounds { lo, hi })
    });
    if leaves.len() > 4 {
        let part = leaves.len().div_ceil(4).next_multiple_of(4);
        let branches: Vec<Branch> =
            leaves.chunks(part).map(|leaves| pack(nodes, blocks, leaves)).collect();
        return Branch { bounds, child: join(nodes, &branches) };
    }
    let mut block = Block { corners: [[[0.0; 4]; 3]; 3], triangles: [0; 4] };
    for (i, leaf) in leaves.iter().enumerate() {
        for (corner, position) in [leaf.a, leaf.b, leaf.c].into_iter().enumerate() {
            for (axis, coordinate) in position.into_iter().enumerate() {
                block.corners[corner][axis][i] = coordinate;
            }
        }
        block.triangles[i] = leaf.triangle;
    }
    blocks.push(block);
    Branch { bounds, child: Child::leaf(blocks.len() as u32 - 1) }
}

/// Instances with the same map from the world to their own space.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// Columns of that map; the fourth row is empty.
    pub world_to_local: [[f32; 4]; 4],
    /// The tree over the instances, in their space; a leaf is an instance.
    pub root: Child,
}

/// The trees of one frame.
#[derive(Debug, Clone)]
pub struct Accel4 {
    meshes: Arc<MeshTrees4>,
    /// The trees of the meshes that the instances show; a leaf is a block.
    pub instance_roots: Vec<Child>,
    /// Nodes of the trees over instances and over groups.
    pub nodes: Vec<Node4>,
    /// The groups.
    pub groups: Vec<Group>,
    /// The tree over the groups, in the world; a leaf is a group. `None` in an empty scene.
    pub root: Option<Child>,
}

impl Accel4 {
    /// Puts a frame's instances over the meshes' trees.
    pub fn new(
        meshes: &Arc<MeshTrees4>,
        instances: &[Instance],
        instance_meshes: &[u32],
        shape: Shape,
    ) -> Self {
        let roots: Vec<Branch> =
            instance_meshes.iter().map(|&mesh| meshes.roots[mesh as usize]).collect();
        let mut by_map: HashMap<[[u32; 4]; 3], Vec<u32>> = HashMap::new();
        for (number, instance) in instances.iter().enumerate() {
            let map = instance.world_to_local.map(|row| row.map(f32::to_bits));
            by_map.entry(map).or_default().push(number as u32);
        }
        let mut nodes = Vec::new();
        let mut groups = Vec::new();
        let mut in_world = Vec::new();
        for members in by_map.values() {
            let branch = |&number: &u32| Branch {
                bounds: roots[number as usize].bounds,
                child: Child::leaf(number),
            };
            let branches: Vec<Branch> = members.iter().map(branch).collect();
            let root = over(&mut nodes, &branches, shape).child;
            let bounds = members.iter().fold(Bounds::EMPTY, |all, &number| {
                let Instance { lo, hi, .. } = instances[number as usize];
                all.with(Bounds { lo, hi })
            });
            in_world.push(Branch { bounds, child: Child::leaf(groups.len() as u32) });
            let [x, y, z] = instances[members[0] as usize].world_to_local;
            let world_to_local =
                std::array::from_fn(|column| [x[column], y[column], z[column], 0.0]);
            groups.push(Group { world_to_local, root });
        }
        let root = (!groups.is_empty()).then(|| over(&mut nodes, &in_world, shape).child);
        let instance_roots = roots.iter().map(|root| root.child).collect();
        Self { meshes: Arc::clone(meshes), instance_roots, nodes, groups, root }
    }

    /// Nodes of the meshes' trees.
    #[inline(always)]
    pub fn mesh_nodes(&self) -> &[Node4] {
        &self.meshes.nodes
    }

    /// Blocks of the meshes' trees.
    #[inline(always)]
    pub fn blocks(&self) -> &[Block] {
        &self.meshes.blocks
    }
}

/// Builds a tree over branches; at least one.
fn over(nodes: &mut Vec<Node4>, branches: &[Branch], shape: Shape) -> Branch {
    let boxes: Vec<Bounds> = branches.iter().map(|branch| branch.bounds).collect();
    let mut order: Vec<u32> = (0..branches.len() as u32).collect();
    let mut binary = Vec::new();
    let shape = Shape { leaf_size: 1, ..shape };
    let root = Builder { boxes: &boxes, shape, nodes: &mut binary }.build(&mut order, 0);
    collapse(nodes, &binary, root, &mut |_, first, _| branches[order[first as usize] as usize])
}
