//! What a ray hits: the canonical hit, which no acceleration structure changes.
//!
//! A triangle is tested in its instance's own space by the watertight test of Woop, Benthin and
//! Wald (2013), without its fallback to doubles. A hit counts only if its t lies, within 2^-20 of
//! itself, between entry and exit of the triangle's padded box in that space *and* of the
//! instance's padded box in the world. The least (t, instance, triangle) wins. Trees only skip
//! what cannot win: rounding is monotone, so a box that contains another is entered no later and
//! left no earlier, and [`Interval::may_hold`] is implied by the rule for hits.

use super::Scene;
use super::math::{Vec3, div, flush, greater, lesser, magnitude, max_magnitude, vec3};
use super::math::{transform_direction, transform_point};
use crate::layout::{Instance, LeafTriangle, Material, Node};

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
/// Deep enough for any tree that [`crate::bvh`] builds.
const STACK: usize = 64;

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
        let inverse = |d: f32| {
            let i = div(1.0, d);
            if i == 0.0 { SLAB_INFINITY } else { i }
        };
        Self {
            origin,
            inverse: vec3(inverse(direction.x), inverse(direction.y), inverse(direction.z)),
        }
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

    /// Whether a box inside this one could hold a hit that is not farther than `t`.
    #[inline(always)]
    fn may_hold(&self, t: f32) -> bool {
        self.exit > 0.0 && self.entry <= lesser(self.exit * CLEARLY_MORE, t * SLIGHTLY_MORE)
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

/// A ray in an instance's own space, sheared so that it runs along +z.
struct LocalRay {
    origin: Vec3,
    slab: SlabRay,
    axis: u32,
    shear: Vec3,
}

impl LocalRay {
    #[inline(always)]
    fn new(instance: &Instance, query: &Query) -> Self {
        let origin = transform_point(&instance.world_to_local, query.origin);
        let direction = transform_direction(&instance.world_to_local, query.direction);
        let (x, y, z) = (magnitude(direction.x), magnitude(direction.y), magnitude(direction.z));
        let axis = if z >= x && z >= y {
            2
        } else if y >= x {
            1
        } else {
            0
        };
        let d = turn(direction, axis);
        Self {
            origin,
            slab: SlabRay::new(origin, direction),
            axis,
            shear: vec3(div(d.x, d.z), div(d.y, d.z), div(1.0, d.z)),
        }
    }

    /// A corner, seen along the ray.
    #[inline(always)]
    fn project(&self, corner: [f32; 3]) -> Vec3 {
        let p = turn(Vec3::from_array(corner) - self.origin, self.axis);
        vec3(p.x - self.shear.x * p.z, p.y - self.shear.y * p.z, p.z * self.shear.z)
    }
}

/// Turns the axes so that `axis` comes last.
#[inline(always)]
fn turn(v: Vec3, axis: u32) -> Vec3 {
    match axis {
        2 => v,
        1 => vec3(v.z, v.x, v.y),
        _ => vec3(v.y, v.z, v.x),
    }
}

/// Where the ray meets the triangle's plane inside its edges: t and the corners' weights × det.
#[inline(always)]
fn meet(ray: &LocalRay, triangle: &LeafTriangle) -> Option<(f32, [f32; 3], f32)> {
    let (a, b, c) = (ray.project(triangle.a), ray.project(triangle.b), ray.project(triangle.c));
    let u = flush(c.x * b.y - c.y * b.x);
    let v = flush(a.x * c.y - a.y * c.x);
    let w = flush(b.x * a.y - b.y * a.x);
    if (u < 0.0 || v < 0.0 || w < 0.0) && (u > 0.0 || v > 0.0 || w > 0.0) {
        return None;
    }
    let det = flush((u + v) + w);
    if det == 0.0 {
        return None;
    }
    let t = div((u * a.z + v * b.z) + w * c.z, det);
    Some((t, [u, v, w], det))
}

/// The best hit so far, its weights not divided yet.
struct Best {
    t: f32,
    instance: u32,
    triangle: u32,
    weights: [f32; 3],
    det: f32,
}

/// Looks for the closest hit; with `any`, for the first that will do.
#[inline(always)]
fn search(scene: &Scene<'_>, query: &Query, any: bool) -> Option<Best> {
    let mut best: Option<Best> = None;
    let mut t_best = query.t_max;
    let world = SlabRay::new(query.origin, query.direction);
    walk(&world, scene.nodes, scene.root, query.t_max, &mut |first, count, t_limit| {
        for number in first..first + count {
            let instance = &scene.instances[number as usize];
            let bounds = world.interval(instance.lo, instance.hi);
            if !bounds.may_hold(t_best) {
                continue;
            }
            let local = LocalRay::new(instance, query);
            let material = &scene.materials[instance.material as usize];
            walk(&local.slab, scene.nodes, instance.root, t_best, &mut |first, count, t_limit| {
                for leaf in &scene.leaves[first as usize..(first + count) as usize] {
                    let Some((t, weights, det)) = meet(&local, leaf) else { continue };
                    let nearer = match &best {
                        None => t < t_best,
                        Some(b) => {
                            t < b.t
                                || (t == b.t && (number, leaf.triangle) < (b.instance, b.triangle))
                        }
                    };
                    if t < T_MIN || !nearer || !bounds.holds(t) {
                        continue;
                    }
                    let (lo, hi) = padded_box(leaf.a, leaf.b, leaf.c);
                    if !local.slab.interval(lo, hi).holds(t) {
                        continue;
                    }
                    if material.alpha_mode != Material::OPAQUE {
                        let inverse = div(1.0, det);
                        let weights = weights.map(|w| w * inverse);
                        if !scene.is_there(query.alpha_seed, number, leaf.triangle, weights) {
                            continue;
                        }
                    }
                    t_best = t;
                    *t_limit = t;
                    best =
                        Some(Best { t, instance: number, triangle: leaf.triangle, weights, det });
                    if any {
                        return true;
                    }
                }
                false
            });
            *t_limit = t_best;
            if any && best.is_some() {
                return true;
            }
        }
        false
    });
    best
}

/// Visits the leaves that a ray may hit, nearer children first, until `leaf` says that it is done.
/// `leaf` may lower the limit of t.
#[inline(always)]
fn walk(
    ray: &SlabRay,
    nodes: &[Node],
    root: u32,
    mut t_limit: f32,
    leaf: &mut impl FnMut(u32, u32, &mut f32) -> bool,
) {
    let mut stack = [(0u32, 0f32); STACK];
    let mut depth = 0;
    let mut index = root;
    loop {
        let node = &nodes[index as usize];
        let left = ray.interval(node.left_lo, node.left_hi);
        let right = ray.interval(node.right_lo, node.right_hi);
        let mut near = (left, node.left_first, node.left_count);
        let mut far = (right, node.right_first, node.right_count);
        if right.entry < left.entry {
            std::mem::swap(&mut near, &mut far);
        }
        let mut next = None;
        for (interval, first, count) in [near, far] {
            if !interval.may_hold(t_limit) {
                continue;
            }
            if count > 0 {
                if leaf(first, count, &mut t_limit) {
                    return;
                }
            } else if next.is_none() {
                next = Some(first);
            } else {
                stack[depth] = (first, interval.entry);
                depth += 1;
            }
        }
        index = match next {
            Some(first) => first,
            None => loop {
                if depth == 0 {
                    return;
                }
                depth -= 1;
                let (first, entry) = stack[depth];
                if entry <= t_limit * SLIGHTLY_MORE {
                    break first;
                }
            },
        };
    }
}

/// The closest hit.
pub fn closest(scene: &Scene<'_>, query: &Query) -> Option<Hit> {
    if scene.instances.is_empty() {
        return None;
    }
    let best = search(scene, query, false)?;
    let inverse = div(1.0, best.det);
    Some(Hit {
        t: best.t,
        instance: best.instance,
        triangle: best.triangle,
        weights: best.weights.map(|w| flush(w * inverse)),
    })
}

/// Whether anything is hit.
pub fn occluded(scene: &Scene<'_>, query: &Query) -> bool {
    !scene.instances.is_empty() && search(scene, query, true).is_some()
}
