// Arithmetic that gives the same bits everywhere; see src/cpu/math.rs.
//
// The rounding of `/` and `sqrt` is the device's own affair, so here they only propose a result:
// integers then find the correctly rounded one.

const TINY_BITS: u32 = 0x0d800000u;
const INFINITY_BITS: u32 = 0x7f800000u;
const MAGNITUDE_MASK: u32 = 0x7fffffffu;
const INVERSE_PI: f32 = 0x1.45f306p-2f;
const TWO_TO_MINUS_24: f32 = 0x1p-24f;

fn is_plain_bits(bits: u32) -> bool {
    return ((bits & MAGNITUDE_MASK) - TINY_BITS) < (INFINITY_BITS - TINY_BITS);
}

fn flush(x: f32) -> f32 {
    return select(x, 0.0, (bitcast<u32>(x) & MAGNITUDE_MASK) < TINY_BITS);
}

fn is_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & MAGNITUDE_MASK) < INFINITY_BITS;
}

// Mantissas as integers: quotient = round(a 2^shift / b), with 24 bits. Its remainder fits into
// 32 bits even though the product does not, so products may wrap.
fn div(a: f32, b: f32) -> f32 {
    let a_bits = bitcast<u32>(a);
    let b_bits = bitcast<u32>(b);
    if !is_plain_bits(a_bits) || !is_plain_bits(b_bits) {
        return 0.0;
    }
    let ma = (a_bits & 0x7fffffu) | 0x800000u;
    let mb = (b_bits & 0x7fffffu) | 0x800000u;
    let less = ma < mb;
    let shift = select(23u, 24u, less);
    let scale = select(8388608.0, 16777216.0, less);
    let divisor = f32(mb);
    var quotient = u32((f32(ma) / divisor) * scale);
    var remainder = bitcast<i32>((ma << shift) - quotient * mb);
    let step = i32(floor(f32(remainder) / divisor));
    quotient = quotient + bitcast<u32>(step);
    remainder = remainder - step * bitcast<i32>(mb);
    let signed = bitcast<i32>(mb);
    for (var i = 0; i < 2; i = i + 1) {
        if remainder < 0 {
            quotient = quotient - 1u;
            remainder = remainder + signed;
        }
        if remainder >= signed {
            quotient = quotient + 1u;
            remainder = remainder - signed;
        }
    }
    // A tie cannot be: it would need a divisor that is a multiple of 2^24.
    if 2 * remainder > signed {
        quotient = quotient + 1u;
    }
    let exponent = i32((a_bits >> 23u) & 255u) - i32((b_bits >> 23u) & 255u) + 150 - i32(shift);
    if exponent < 1 || exponent > 254 {
        return 0.0;
    }
    // A mantissa rounded up to 2^24 carries into the exponent, as it should.
    let magnitude_bits = (u32(exponent) << 23u) + (quotient - 0x800000u);
    if !is_plain_bits(magnitude_bits) {
        return 0.0;
    }
    return bitcast<f32>(magnitude_bits | ((a_bits ^ b_bits) & 0x80000000u));
}

fn root(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    // Negative numbers have the highest bit and so fail this, too.
    if (bits - TINY_BITS) >= (INFINITY_BITS - TINY_BITS) {
        return 0.0;
    }
    let exponent = i32(bits >> 23u) - 127;
    let odd = (exponent & 1) == 1;
    let mantissa = (bits & 0x7fffffu) | 0x800000u;
    let shift = select(23u, 24u, odd);
    let scale = select(8388608.0, 16777216.0, odd);
    var s = u32(sqrt(f32(mantissa) * scale));
    let first = bitcast<i32>((mantissa << shift) - s * s);
    let step = i32(floor(f32(first) / (2.0 * f32(s))));
    s = s + bitcast<u32>(step);
    var remainder = bitcast<i32>((mantissa << shift) - s * s);
    for (var i = 0; i < 2; i = i + 1) {
        if remainder < 0 {
            s = s - 1u;
            remainder = remainder + i32(2u * s + 1u);
        }
        if remainder > i32(2u * s) {
            remainder = remainder - i32(2u * s + 1u);
            s = s + 1u;
        }
    }
    // (s + 1/2)^2 = s^2 + s + 1/4 is no integer, so a tie cannot be.
    if remainder > i32(s) {
        s = s + 1u;
    }
    let half_exponent = select(exponent, exponent - 1, odd) / 2;
    return bitcast<f32>((u32(half_exponent + 127) << 23u) + (s - 0x800000u));
}

fn lesser(a: f32, b: f32) -> f32 {
    return select(b, a, a < b);
}

fn greater(a: f32, b: f32) -> f32 {
    return select(b, a, a > b);
}

fn magnitude(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) & MAGNITUDE_MASK);
}

fn lerp(a: f32, b: f32, t: f32) -> f32 {
    return a + (b - a) * t;
}

fn lerp3(a: vec3<f32>, b: vec3<f32>, t: f32) -> vec3<f32> {
    return a + (b - a) * t;
}

// (sine, cosine) of turns x 2 pi.
fn sin_cos_turns(turns: f32) -> vec2<f32> {
    let quarters = turns * 4.0;
    let nearest = floor(quarters + 0.5);
    let f = quarters - nearest;
    let f2 = f * f;
    let s = f
        * (0x1.921fb6p0f
            + f2 * (-0x1.4abbcep-1f
                + f2 * (0x1.466bc6p-4f
                    + f2 * (-0x1.32d2ccp-8f + f2 * 0x1.507834p-13f))));
    let c = 1.0
        + f2 * (-0x1.3bd3ccp0f
            + f2 * (0x1.03c1fp-2f
                + f2 * (-0x1.55d3c8p-6f
                    + f2 * (0x1.e1f506p-11f + f2 * -0x1.a6d1f2p-16f))));
    let quadrant = u32(nearest) & 3u;
    if quadrant == 0u {
        return vec2<f32>(s, c);
    }
    if quadrant == 1u {
        return vec2<f32>(c, -s);
    }
    if quadrant == 2u {
        return vec2<f32>(-s, -c);
    }
    return vec2<f32>(-c, s);
}

fn atan_unit_turns(x: f32) -> f32 {
    let far = x > 0x1.a8279ap-2f;
    var y = x;
    if far {
        y = div(x - 1.0, x + 1.0);
    }
    let z = y * y;
    let p = ((0x1.49e1a2p-4f * z + -0x1.1c370ap-3f) * z
        + 0x1.9924bep-3f)
        * z
        + -0x1.555454p-2f;
    let radians = (p * z) * y + y;
    let turns = radians * 0x1.45f306p-3f;
    return select(turns, turns + 0.125, far);
}

fn atan2_turns(y: f32, x: f32) -> f32 {
    let ax = magnitude(x);
    let ay = magnitude(y);
    let steep = ay > ax;
    let ratio = div(select(ay, ax, steep), select(ax, ay, steep));
    var turns = atan_unit_turns(ratio);
    if steep {
        turns = 0.25 - turns;
    }
    if x < 0.0 {
        turns = 0.5 - turns;
    }
    return select(turns, -turns, y < 0.0);
}

fn flush3(v: vec3<f32>) -> vec3<f32> {
    return vec3<f32>(flush(v.x), flush(v.y), flush(v.z));
}

fn dot3(a: vec3<f32>, b: vec3<f32>) -> f32 {
    return flush((a.x * b.x + a.y * b.y) + a.z * b.z);
}

fn cross3(a: vec3<f32>, b: vec3<f32>) -> vec3<f32> {
    return flush3(vec3<f32>(
        a.y * b.z - a.z * b.y,
        a.z * b.x - a.x * b.z,
        a.x * b.y - a.y * b.x,
    ));
}

fn unit3(v: vec3<f32>) -> vec3<f32> {
    return flush3(v * div(1.0, root(dot3(v, v))));
}

fn max_component(v: vec3<f32>) -> f32 {
    return greater(greater(v.x, v.y), v.z);
}

fn max_magnitude(v: vec3<f32>) -> f32 {
    return greater(greater(magnitude(v.x), magnitude(v.y)), magnitude(v.z));
}

fn luminance(c: vec3<f32>) -> f32 {
    return flush(
        (c.x * 0x1.b367ap-3f + c.y * 0x1.6e2eb2p-1f)
            + c.z * 0x1.27bb3p-4f,
    );
}

fn point_row(r: vec4<f32>, p: vec3<f32>) -> f32 {
    return flush(((r.x * p.x + r.y * p.y) + r.z * p.z) + r.w);
}

fn direction_row(r: vec4<f32>, d: vec3<f32>) -> f32 {
    return flush((r.x * d.x + r.y * d.y) + r.z * d.z);
}

fn transform_point(m: array<vec4<f32>, 3>, p: vec3<f32>) -> vec3<f32> {
    return vec3<f32>(point_row(m[0], p), point_row(m[1], p), point_row(m[2], p));
}

fn transform_direction(m: array<vec4<f32>, 3>, d: vec3<f32>) -> vec3<f32> {
    return vec3<f32>(direction_row(m[0], d), direction_row(m[1], d), direction_row(m[2], d));
}

fn transform_transposed(m: array<vec4<f32>, 3>, n: vec3<f32>) -> vec3<f32> {
    return vec3<f32>(
        flush((m[0].x * n.x + m[1].x * n.y) + m[2].x * n.z),
        flush((m[0].y * n.x + m[1].y * n.y) + m[2].y * n.z),
        flush((m[0].z * n.x + m[1].z * n.y) + m[2].z * n.z),
    );
}

struct Basis {
    tangent: vec3<f32>,
    bitangent: vec3<f32>,
}

fn basis(n: vec3<f32>) -> Basis {
    let side = select(-1.0, 1.0, n.z >= 0.0);
    let a = -div(1.0, side + n.z);
    let b = flush((n.x * n.y) * a);
    return Basis(
        flush3(vec3<f32>(1.0 + ((side * n.x) * n.x) * a, side * b, -(side * n.x))),
        flush3(vec3<f32>(b, side + (n.y * n.y) * a, -n.y)),
    );
}
