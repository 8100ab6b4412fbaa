// What a ray hits: the canonical hit; see src/cpu/intersect.rs.

const T_MIN: f32 = 0x1p-60f;
const T_FAR: f32 = 0x1p60f;
const SLAB_INFINITY: f32 = 0x1p100f;
const SLIGHTLY_MORE: f32 = 0x1.00001p0f;
const SLIGHTLY_LESS: f32 = 0x1.ffffep-1f;
const CLEARLY_MORE: f32 = 0x1.00008p0f;
const PADDING: f32 = 0x1p-20f;
const STACK: u32 = 64u;

struct Query {
    origin: vec3<f32>,
    direction: vec3<f32>,
    t_max: f32,
    alpha_seed: u32,
}

struct Hit {
    found: bool,
    t: f32,
    instance: u32,
    triangle: u32,
    weights: vec3<f32>,
}

struct SlabRay {
    origin: vec3<f32>,
    inverse_direction: vec3<f32>,
}

struct Interval {
    entry: f32,
    exit: f32,
}

fn slab_inverse(d: f32) -> f32 {
    let i = div(1.0, d);
    return select(i, SLAB_INFINITY, i == 0.0);
}

fn slab_ray(origin: vec3<f32>, direction: vec3<f32>) -> SlabRay {
    return SlabRay(
        origin,
        vec3<f32>(slab_inverse(direction.x), slab_inverse(direction.y), slab_inverse(direction.z)),
    );
}

fn slab_interval(ray: SlabRay, lo: vec3<f32>, hi: vec3<f32>) -> Interval {
    let a = (lo - ray.origin) * ray.inverse_direction;
    let b = (hi - ray.origin) * ray.inverse_direction;
    let near = select(b, a, a < b);
    let far = select(b, a, a > b);
    return Interval(
        greater(greater(near.x, near.y), near.z),
        lesser(lesser(far.x, far.y), far.z),
    );
}

fn interval_holds(interval: Interval, t: f32) -> bool {
    return interval.entry <= t * SLIGHTLY_MORE && t * SLIGHTLY_LESS <= interval.exit;
}

fn interval_may_hold(interval: Interval, t: f32) -> bool {
    return interval.exit > 0.0
        && interval.entry <= lesser(interval.exit * CLEARLY_MORE, t * SLIGHTLY_MORE);
}

struct Box {
    lo: vec3<f32>,
    hi: vec3<f32>,
}

fn padded_box(a: vec3<f32>, b: vec3<f32>, c: vec3<f32>) -> Box {
    let pad = greater(greater(max_magnitude(a), max_magnitude(b)), max_magnitude(c)) * PADDING;
    return Box(
        vec3<f32>(
            lesser(lesser(a.x, b.x), c.x) - pad,
            lesser(lesser(a.y, b.y), c.y) - pad,
            lesser(lesser(a.z, b.z), c.z) - pad,
        ),
        vec3<f32>(
            greater(greater(a.x, b.x), c.x) + pad,
            greater(greater(a.y, b.y), c.y) + pad,
            greater(greater(a.z, b.z), c.z) + pad,
        ),
    );
}

struct LocalRay {
    origin: vec3<f32>,
    axis: u32,
    shear: vec3<f32>,
    slab: SlabRay,
}

// Turns the axes so that `axis` comes last.
fn turn(v: vec3<f32>, axis: u32) -> vec3<f32> {
    if axis == 2u {
        return v;
    }
    return select(v.yzx, v.zxy, axis == 1u);
}

fn local_ray(world_to_local: array<vec4<f32>, 3>, query: Query) -> LocalRay {
    let origin = transform_point(world_to_local, query.origin);
    let direction = transform_direction(world_to_local, query.direction);
    let x = magnitude(direction.x);
    let y = magnitude(direction.y);
    let z = magnitude(direction.z);
    var axis = 0u;
    if z >= x && z >= y {
        axis = 2u;
    } else if y >= x {
        axis = 1u;
    }
    let d = turn(direction, axis);
    return LocalRay(
        origin,
        axis,
        vec3<f32>(div(d.x, d.z), div(d.y, d.z), div(1.0, d.z)),
        slab_ray(origin, direction),
    );
}

fn project_corner(ray: LocalRay, corner: vec3<f32>) -> vec3<f32> {
    let p = turn(corner - ray.origin, ray.axis);
    return vec3<f32>(p.x - ray.shear.x * p.z, p.y - ray.shear.y * p.z, p.z * ray.shear.z);
}

struct Meeting {
    found: bool,
    t: f32,
    weights: vec3<f32>,
    det: f32,
}

fn meet(ray: LocalRay, triangle: LeafTriangle) -> Meeting {
    let a = project_corner(ray, triangle.a);
    let b = project_corner(ray, triangle.b);
    let c = project_corner(ray, triangle.c);
    let u = flush(c.x * b.y - c.y * b.x);
    let v = flush(a.x * c.y - a.y * c.x);
    let w = flush(b.x * a.y - b.y * a.x);
    let nothing = Meeting(false, 0.0, vec3<f32>(0.0, 0.0, 0.0), 0.0);
    if (u < 0.0 || v < 0.0 || w < 0.0) && (u > 0.0 || v > 0.0 || w > 0.0) {
        return nothing;
    }
    let det = flush((u + v) + w);
    if det == 0.0 {
        return nothing;
    }
    let t = div((u * a.z + v * b.z) + w * c.z, det);
    return Meeting(true, t, vec3<f32>(u, v, w), det);
}

struct Best {
    found: bool,
    t: f32,
    instance: u32,
    triangle: u32,
    weights: vec3<f32>,
    det: f32,
}

fn tie_goes_to(instance: u32, triangle: u32, best: Best) -> bool {
    return instance < best.instance || (instance == best.instance && triangle < best.triangle);
}

// Tests the triangles of one leaf. Returns the best hit so far.
fn search_leaf(
    local: LocalRay,
    query: Query,
    bounds: Interval,
    instance: u32,
    material: u32,
    first: u32,
    count: u32,
    so_far: Best,
    any: bool,
) -> Best {
    var best = so_far;
    for (var i = first; i < first + count; i = i + 1u) {
        let leaf = leaves[i];
        let meeting = meet(local, leaf);
        if !meeting.found || meeting.t < T_MIN || !interval_holds(bounds, meeting.t) {
            continue;
        }
        let t = meeting.t;
        let nearer = t < best.t
            || (best.found && t == best.t && tie_goes_to(instance, leaf.triangle, best));
        if !nearer {
            continue;
        }
        let own = padded_box(leaf.a, leaf.b, leaf.c);
        if !interval_holds(slab_interval(local.slab, own.lo, own.hi), t) {
            continue;
        }
        if materials[material].alpha_mode != ALPHA_OPAQUE {
            let weights = meeting.weights * div(1.0, meeting.det);
            if !is_there(query.alpha_seed, instance, material, leaf.triangle, weights) {
                continue;
            }
        }
        best = Best(true, t, instance, leaf.triangle, meeting.weights, meeting.det);
        if any {
            return best;
        }
    }
    return best;
}

// Searches the tree of one instance.
fn search_instance(
    world: SlabRay,
    query: Query,
    instance: u32,
    so_far: Best,
    any: bool,
) -> Best {
    var best = so_far;
    let bounds = slab_interval(world, instances[instance].lo, instances[instance].hi);
    if !interval_may_hold(bounds, best.t) {
        return best;
    }
    let local = local_ray(instances[instance].world_to_local, query);
    let material = instances[instance].material;
    var stack: array<u32, STACK>;
    var depth = 0u;
    var index = instances[instance].root;
    loop {
        let node = nodes[index];
        let left = slab_interval(local.slab, node.left_lo, node.left_hi);
        let right = slab_interval(local.slab, node.right_lo, node.right_hi);
        let swapped = right.entry < left.entry;
        var next = NONE;
        for (var i = 0u; i < 2u; i = i + 1u) {
            let is_left = (i == 0u) != swapped;
            var interval = right;
            var first = node.right_first;
            var count = node.right_count;
            if is_left {
                interval = left;
                first = node.left_first;
                count = node.left_count;
            }
            if !interval_may_hold(interval, best.t) {
                continue;
            }
            if count > 0u {
                best = search_leaf(
                    local, query, bounds, instance, material, first, count, best, any,
                );
                if any && best.found {
                    return best;
                }
            } else if next == NONE {
                next = first;
            } else {
                stack[depth] = first;
                depth = depth + 1u;
            }
        }
        if next == NONE {
            if depth == 0u {
                return best;
            }
            depth = depth - 1u;
            next = stack[depth];
        }
        index = next;
    }
    return best;
}

fn search(query: Query, any: bool) -> Best {
    var best = Best(false, query.t_max, 0u, 0u, vec3<f32>(0.0, 0.0, 0.0), 0.0);
    if frame.instance_count == 0u {
        return best;
    }
    let world = slab_ray(query.origin, query.direction);
    var stack: array<u32, STACK>;
    var depth = 0u;
    var index = slice.root;
    loop {
        let node = nodes[index];
        let left = slab_interval(world, node.left_lo, node.left_hi);
        let right = slab_interval(world, node.right_lo, node.right_hi);
        let swapped = right.entry < left.entry;
        var next = NONE;
        for (var i = 0u; i < 2u; i = i + 1u) {
            let is_left = (i == 0u) != swapped;
            var interval = right;
            var first = node.right_first;
            var count = node.right_count;
            if is_left {
                interval = left;
                first = node.left_first;
                count = node.left_count;
            }
            if !interval_may_hold(interval, best.t) {
                continue;
            }
            if count > 0u {
                // A leaf of this tree is one instance.
                best = search_instance(world, query, first, best, any);
                if any && best.found {
                    return best;
                }
            } else if next == NONE {
                next = first;
            } else {
                stack[depth] = first;
                depth = depth + 1u;
            }
        }
        if next == NONE {
            if depth == 0u {
                return best;
            }
            depth = depth - 1u;
            next = stack[depth];
        }
        index = next;
    }
    return best;
}

fn closest(query: Query) -> Hit {
    let best = search(query, false);
    if !best.found {
        return Hit(false, 0.0, 0u, 0u, vec3<f32>(0.0, 0.0, 0.0));
    }
    let weights = flush3(best.weights * div(1.0, best.det));
    return Hit(true, best.t, best.instance, best.triangle, weights);
}

fn occluded(query: Query) -> bool {
    return search(query, true).found;
}
