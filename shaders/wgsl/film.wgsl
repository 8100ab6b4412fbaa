// From a sample's radiance to integers of two words, low word first; see src/cpu/film.rs.

const CLAMP: f32 = 0x1p16f;

fn quantize(x: f32) -> vec2<u32> {
    if x <= 0.0 {
        return vec2<u32>(0u, 0u);
    }
    let bits = bitcast<u32>(lesser(x, CLAMP));
    let mantissa = (bits & 0x7fffffu) | 0x800000u;
    let shift = i32(bits >> 23u) - 126;
    if shift > 0 {
        return vec2<u32>(mantissa << u32(shift), mantissa >> u32(32 - shift));
    }
    if shift == 0 {
        return vec2<u32>(mantissa, 0u);
    }
    if shift >= -24 {
        return vec2<u32>((mantissa + (1u << u32(-shift - 1))) >> u32(-shift), 0u);
    }
    return vec2<u32>(0u, 0u);
}

fn add_wide(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let low = a.x + b.x;
    return vec2<u32>(low, a.y + b.y + select(0u, 1u, low < a.x));
}
