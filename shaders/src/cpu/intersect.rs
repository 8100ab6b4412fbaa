//! What a ray hits: the canonical hit, which no acceleration structure changes.
//!
//! A triangle is tested in its instance's own space by the watertight test of Woop, Benthin and
//! Wald (2013), without its fallback to doubles. A hit counts only if its t lies, within 2^-20 of
//! itself, between entry and exit of the triangle's padded box in that space *and* of the
//! instance's padded box in the world. The least (t, instance, triangle) wins. Trees only skip
//! what cannot win: rounding is monotone, so a box that contains another is entered no later and
//! left no earlier, and what [`SlabRay4::enter`] asks of boxes is implied by the rule for hits.

use super::Scene;
use super::math::{
    Vec3, div, div4, flush, flush4, greater, inverse, lesser, magnitude, max_magnitude, vec3,
};
use crate::bvh4::{Block, Child, Group, Kind, Node4};
use crate::layout::Material;
use wide::f32x4;

/// Nothing nearer than this is hit; also what is left of a t that underflowed.
const T_MIN: f32 = f32::from_bits(0x2180_0000);
/// Farther than anything in a normalised scene.
pub const T_FAR: f32 = f32::from_bits(0x5d80_0000);
/// Stands for 1/0 in slab tests: 2^100, so that 0 × it is 0.
const SLAB_INFINITY: f32 = f32::from_bits(0x7180_0000);
/// 1 + 2^-20.
const SLIGHTLY_MORE: f32 = f32::from_bits(0x3f80_0008);
/// 1 - 2^-20.
const SLIGHTLY_LESS: f32 = f32::from_bits(0x3f7f_fff0);
/// 1 + 2^-17: more than (1 + 2^-20) / (1 - 2^-20) and all rounding.
const CLEARLY_MORE: f32 = f32::from_bits(0x3f80_0040);
/// How far a triangle's box is padded, in parts of its greatest coordinate: 2^-20.
const PADDING: f32 = f32::from_bits(0x3580_0000);

/// What is asked of the scene: a closest hit or a shadow test, one ray of the count.
#[derive(Debug, Clone, Copy)]
pub struct Query {
    /// Where the ray starts.
    pub origin: Vec3,
    /// Where it goes; of any length.
    pub direction: Vec3,
    /// Hits at or beyond this are not hits.
    pub t_max: f32,
    /// Decides transparency, together with instance and triangle; differs from ray to ray.
    pub alpha_seed: u32,
}

/// A hit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Along the query's direction.
    pub t: f32,
    /// The instance.
    pub instance: u32,
    /// The triangle's number in the scene.
    pub triangle: u32,
    /// Weights of the triangle's corners.
    pub weights: [f32; 3],
}

/// A ray prepared for slab tests.
#[derive(Debug, Clone, Copy)]
pub struct SlabRay {
    origin: Vec3,
    inverse: Vec3,
}

impl SlabRay {
    /// Prepares a ray.
    #[inline(always)]
    pub fn new(origin: Vec3, direction: Vec3) -> Self {
        let direction = f32x4::new([direction.x, direction.y, direction.z, 1.0]);
        let inverse = div4(f32x4::splat(1.0), direction);
        let infinite = inverse.simd_eq(f32x4::splat(0.0));
        let [x, y, z, _] = infinite.select(f32x4::splat(SLAB_INFINITY), inverse).to_array();
        Self { origin, inverse: vec3(x, y, z) }
    }

    /// Where the ray enters and leaves a box.
    #[inline(always)]
    pub fn interval(&self, lo: [f32; 3], hi: [f32; 3]) -> Interval {
        let x0 = (lo[0] - self.origin.x) * self.inverse.x;
        let x1 = (hi[0] - self.origin.x) * self.inverse.x;
        let y0 = (lo[1] - self.origin.y) * self.inverse.y;
        let y1 = (hi[1] - self.origin.y) * self.inverse.y;
        let z0 = (lo[2] - self.origin.z) * self.inverse.z;
        let z1 = (hi[2] - self.origin.z) * self.inverse.z;
        Interval {
            entry: greater(greater(lesser(x0, x1), lesser(y0, y1)), lesser(z0, z1)),
            exit: lesser(lesser(greater(x0, x1), greater(y0, y1)), greater(z0, z1)),
        }
    }
}

/// Where a ray is inside a box.
#[derive(Debug, Clone, Copy)]
pub struct Interval {
    /// From here.
    pub entry: f32,
    /// To here.
    pub exit: f32,
}

impl Interval {
    /// Whether a hit at `t` is one: part of the definition of a hit.
    #[inline(always)]
    fn holds(&self, t: f32) -> bool {
        self.entry <= t * SLIGHTLY_MORE && t * SLIGHTLY_LESS <= self.exit
    }
}

/// The padded box of a triangle, in its own space. Trees are built over these boxes.
#[inline(always)]
pub fn padded_box(a: [f32; 3], b: [f32; 3], c: [f32; 3]) -> ([f32; 3], [f32; 3]) {
    let (a, b, c) = (Vec3::from_array(a), Vec3::from_array(b), Vec3::from_array(c));
    let pad = greater(greater(max_magnitude(a), max_magnitude(b)), max_magnitude(c)) * PADDING;
    (
        [
            lesser(lesser(a.x, b.x), c.x) - pad,
            lesser(lesser(a.y, b.y), c.y) - pad,
            lesser(lesser(a.z, b.z), c.z) - pad,
        ],
        [
            greater(greater(a.x, b.x), c.x) + pad,
            greater(greater(a.y, b.y), c.y) + pad,
            greater(greater(a.z, b.z), c.z) + pad,
        ],
    )
}

/// A ray prepared for four boxes at a time.
struct SlabRay4 {
    origin: [f32x4; 3],
    inverse: [f32x4; 3],
}

impl SlabRay4 {
    #[inline(always)]
    fn new(ray: &SlabRay) -> Self {
        let wide = |v: Vec3| [f32x4::splat(v.x), f32x4::splat(v.y), f32x4::splat(v.z)];
        Self { origin: wide(ray.origin), inverse: wide(ray.inverse) }
    }

    /// Where the ray enters a node's children, and as bits, which of them could hold a hit that is
    /// not farther than `t`: [`SlabRay::interval`] four times.
    #[inline(always)]
    fn enter(&self, node: &Node4, t: f32) -> ([f32; 4], u32) {
        let planes = |axis: usize| {
            let a = (f32x4::new(node.lo[axis]) - self.origin[axis]) * self.inverse[axis];
            let b = (f32x4::new(node.hi[axis]) - self.origin[axis]) * self.inverse[axis];
            (a.fast_min(b), a.fast_max(b))
        };
        let [(x0, x1), (y0, y1), (z0, z1)] = [planes(0), planes(1), planes(2)];
        let entry = x0.fast_max(y0).fast_max(z0);
        let exit = x1.fast_min(y1).fast_min(z1);
        let limit = (exit * f32x4::splat(CLEARLY_MORE)).fast_min(f32x4::splat(t * SLIGHTLY_MORE));
        let held = f32x4::splat(0.0).simd_lt(exit) & entry.simd_le(limit);
        (entry.to_array(), held.to_bitmask())
    }
}

/// A ray in an instance's own space, sheared so that it runs along +z.
struct LocalRay {
    slab: SlabRay,
    /// The axes, turned so that the ray runs along the last one most of all.
    axes: [usize; 3],
    /// Origin and shear along those axes.
    origin: [f32x4; 3],
    shear: [f32x4; 3],
}

impl LocalRay {
    #[inline(always)]
    fn new(group: &Group, query: &Query) -> Self {
        let [c0, c1, c2, c3] = group.world_to_local;
        let (c0, c1, c2, c3) = (f32x4::new(c0), f32x4::new(c1), f32x4::new(c2), f32x4::new(c3));
        // `transform_point` and `transform_direction`, all rows at once.
        let (p, d) = (query.origin, query.direction);
        let origin =
            ((c0 * f32x4::splat(p.x) + c1 * f32x4::splat(p.y)) + c2 * f32x4::splat(p.z)) + c3;
        let direction = (c0 * f32x4::splat(d.x) + c1 * f32x4::splat(d.y)) + c2 * f32x4::splat(d.z);
        let origin = flush4(origin).to_array();
        let direction = flush4(direction).to_array();
        let (x, y, z) = (magnitude(direction[0]), magnitude(direction[1]), magnitude(direction[2]));
        let axes: [usize; 3] = if z >= x && z >= y {
            [0, 1, 2]
        } else if y >= x {
            [2, 0, 1]
        } else {
            [1, 2, 0]
        };
        let turn = |v: &[f32; 4]| [v[axes[0] & 3], v[axes[1] & 3], v[axes[2] & 3]];
        let [dx, dy, dz] = turn(&direction);
        let shear = div4(f32x4::new([dx, dy, 1.0, 1.0]), f32x4::splat(dz)).to_array();
        let [ox, oy, oz] = turn(&origin);
        Self {
            slab: SlabRay::new(
                vec3(origin[0], origin[1], origin[2]),
                vec3(direction[0], direction[1], direction[2]),
            ),
            axes,
            origin: [f32x4::splat(ox), f32x4::splat(oy), f32x4::splat(oz)],
            shear: [f32x4::splat(shear[0]), f32x4::splat(shear[1]), f32x4::splat(shear[2])],
        }
    }

    /// Four corners, seen along the ray.
    #[inline(always)]
    fn project(&self, corners: &[[f32; 4]; 3]) -> [f32x4; 3] {
        let x = f32x4::new(corners[self.axes[0]]) - self.origin[0];
        let y = f32x4::new(corners[self.axes[1]]) - self.origin[1];
        let z = f32x4::new(corners[self.axes[2]]) - self.origin[2];
        [x - self.shear[0] * z, y - self.shear[1] * z, z * self.shear[2]]
    }
}

/// Where a ray meets the planes of a block's triangles.
struct Meeting {
    /// As bits, which triangles it meets inside their edges, at a t that may be one.
    inside: u32,
    /// The corners' weights × det.
    weights: [f32x4; 3],
    det: f32x4,
    /// t × det.
    reach: f32x4,
}

/// Where the ray meets four triangles, none farther than `t_limit`.
#[inline(always)]
fn meet(ray: &LocalRay, block: &Block, t_limit: f32) -> Meeting {
    let [a, b, c] = &block.corners;
    let (a, b, c) = (ray.project(a), ray.project(b), ray.project(c));
    let u = flush4(c[0] * b[1] - c[1] * b[0]);
    let v = flush4(a[0] * c[1] - a[1] * c[0]);
    let w = flush4(b[0] * a[1] - b[1] * a[0]);
    let zero = f32x4::splat(0.0);
    let outside = (u.simd_lt(zero) | v.simd_lt(zero) | w.simd_lt(zero))
        & (zero.simd_lt(u) | zero.simd_lt(v) | zero.simd_lt(w));
    let det = flush4((u + v) + w);
    let reach = (u * a[2] + v * b[2]) + w * c[2];
    // What `div` refuses is refused when t is needed.
    let t = reach / det;
    let near = f32x4::splat(T_MIN).simd_le(t) & t.simd_le(f32x4::splat(t_limit));
    Meeting { inside: near.to_bitmask() & !outside.to_bitmask(), weights: [u, v, w], det, reach }
}

/// The best hit so far, its weights not divided yet.
struct Best {
    t: f32,
    instance: u32,
    triangle: u32,
    weights: [f32; 3],
    det: f32,
}

/// Looks for the closest hit; with `ANY`, for the first that will do.
#[inline(always)]
fn search<const ANY: bool>(scene: &Scene<'_>, query: &Query) -> Option<Best> {
    let trees = scene.trees;
    let world = SlabRay::new(query.origin, query.direction);
    let mut search = Search { scene, query, world, best: None };
    let mut stack = Stack::new();
    let ray = SlabRay4::new(&world);
    walk(&ray, &trees.nodes, trees.root?, query.t_max, &mut stack, &mut |group, t, stack| {
        let group = &trees.groups[group as usize];
        let local = LocalRay::new(group, query);
        let ray = SlabRay4::new(&local.slab);
        walk(&ray, &trees.nodes, group.root, t, stack, &mut |instance, t, stack| {
            let root = trees.instance_roots[instance as usize];
            walk(&ray, trees.mesh_nodes(), root, t, stack, &mut |block, t, _| {
                search.block::<ANY>(&local, instance, &trees.blocks()[block as usize], t)
            })
        })
    });
    search.best
}

/// A search under way.
struct Search<'a> {
    scene: &'a Scene<'a>,
    query: &'a Query,
    world: SlabRay,
    best: Option<Best>,
}

impl Search<'_> {
    /// Looks among a block's triangles; returns the new limit of t, or `None` when done.
    #[inline(always)]
    fn block<const ANY: bool>(
        &mut self,
        local: &LocalRay,
        instance: u32,
        block: &Block,
        mut t_limit: f32,
    ) -> Option<f32> {
        let meeting = meet(local, block, t_limit);
        let mut inside = meeting.inside;
        while inside != 0 {
            let lane = inside.trailing_zeros() as usize & 3;
            inside &= inside - 1;
            let det = meeting.det.to_array()[lane];
            let t = div(meeting.reach.to_array()[lane], det);
            let triangle = block.triangles[lane];
            let nearer = match &self.best {
                None => t < t_limit,
                Some(b) => t < b.t || (t == b.t && (instance, triangle) < (b.instance, b.triangle)),
            };
            if t < T_MIN || !nearer {
                continue;
            }
            let placed = &self.scene.instances[instance as usize];
            if !self.world.interval(placed.lo, placed.hi).holds(t) {
                continue;
            }
            let (lo, hi) =
                padded_box(block.corner(0, lane), block.corner(1, lane), block.corner(2, lane));
            if !local.slab.interval(lo, hi).holds(t) {
                continue;
            }
            let [u, v, w] = &meeting.weights;
            let weights = [u.to_array()[lane], v.to_array()[lane], w.to_array()[lane]];
            let material = &self.scene.materials[placed.material as usize];
            if material.alpha_mode != Material::OPAQUE {
                let inverse = inverse(det);
                let weights = weights.map(|w| w * inverse);
                if !self.scene.is_there(self.query.alpha_seed, instance, triangle, weights) {
                    continue;
                }
            }
            t_limit = t;
            self.best = Some(Best { t, instance, triangle, weights, det });
            if ANY {
                return None;
            }
        }
        Some(t_limit)
    }
}

/// What a walk has yet to visit, and where the ray enters it.
struct Stack {
    near: [(Child, f32); Self::SIZE],
    depth: usize,
    /// For trees deeper than any that is built for a sane scene.
    spill: Vec<(Child, f32)>,
}

impl Stack {
    const SIZE: usize = 16;

    #[inline(always)]
    fn new() -> Self {
        Self { near: [(Child::NONE, 0.0); Self::SIZE], depth: 0, spill: Vec::new() }
    }

    #[inline(always)]
    fn push(&mut self, child: Child, entry: f32) {
        if let Some(free) = self.near.get_mut(self.depth) {
            *free = (child, entry);
        } else {
            self.spill.push((child, entry));
        }
        self.depth += 1;
    }

    #[inline(always)]
    fn pop(&mut self) -> (Child, f32) {
        self.depth -= 1;
        match self.near.get(self.depth) {
            Some(&item) => item,
            None => self.spill.pop().unwrap_or((Child::NONE, f32::INFINITY)),
        }
    }
}

/// Visits the leaves that a ray may hit, nearer ones first. `leaf` is given the limit of t and
/// returns the new one, as does the walk; or `None` when done.
#[inline(always)]
fn walk(
    ray: &SlabRay4,
    nodes: &[Node4],
    root: Child,
    mut t_limit: f32,
    stack: &mut Stack,
    leaf: &mut impl FnMut(u32, f32, &mut Stack) -> Option<f32>,
) -> Option<f32> {
    let base = stack.depth;
    let mut child = root;
    loop {
        match child.kind() {
            Kind::Leaf(number) => t_limit = leaf(number, t_limit, stack)?,
            Kind::Node(index) => {
                let node = &nodes[index as usize];
                let (entries, mut held) = ray.enter(node, t_limit);
                let mut next = || {
                    let i = held.trailing_zeros() as usize;
                    held &= held.wrapping_sub(1);
                    Some((*node.children.get(i)?, *entries.get(i)?))
                };
                if let Some(mut nearest) = next() {
                    while let Some(mut other) = next() {
                        if other.1 < nearest.1 {
                            std::mem::swap(&mut other, &mut nearest);
                        }
                        stack.push(other.0, other.1);
                    }
                    child = nearest.0;
                    continue;
                }
            }
        }
        child = loop {
            if stack.depth == base {
                return Some(t_limit);
            }
            let (child, entry) = stack.pop();
            if entry <= t_limit * SLIGHTLY_MORE {
                break child;
            }
        };
    }
}

/// The closest hit.
#[inline(always)]
pub fn closest(scene: &Scene<'_>, query: &Query) -> Option<Hit> {
    let best = search::<false>(scene, query)?;
    let inverse = inverse(best.det);
    Some(Hit {
        t: best.t,
        instance: best.instance,
        triangle: best.triangle,
        weights: best.weights.map(|w| flush(w * inverse)),
    })
}

/// Whether anything is hit.
#[inline(always)]
pub fn occluded(scene: &Scene<'_>, query: &Query) -> bool {
    search::<true>(scene, query).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_gives_back_all_of_a_deep_tree_last_things_first() {
        let mut stack = Stack::new();
        for round in 0..3u32 {
            for i in 0..50 {
                stack.push(Child::NONE, (round * 100 + i) as f32);
            }
            for i in (20..50).rev() {
                assert_eq!(stack.pop().1, (round * 100 + i) as f32);
            }
        }
        for round in (0..3u32).rev() {
            for i in (0..20).rev() {
                assert_eq!(stack.pop().1, (round * 100 + i) as f32);
            }
        }
        assert_eq!(stack.depth, 0);
        assert!(stack.spill.is_empty());
    }
}
