// Textures: integer texels, filtered by hand; see src/cpu/texture.rs.

const INVERSE_255: f32 = 0x1.010102p-8f;

struct Texel {
    color: vec3<f32>,
    alpha: f32,
}

const ENCODING_SRGB: u32 = 0u;
const ENCODING_LINEAR: u32 = 1u;

fn srgb(code: u32) -> f32 {
    return frame.srgb[code >> 2u][code & 3u];
}

fn wrap_coordinate(x: f32, mode: u32) -> f32 {
    if mode == WRAP_REPEAT {
        return x - floor(x);
    }
    if mode == WRAP_CLAMP {
        return select(0.0, lesser(x, 1.0), x > 0.0);
    }
    let m = x - 2.0 * floor(x * 0.5);
    return select(m, 2.0 - m, m > 1.0);
}

fn wrap_index(i: i32, size: u32, mode: u32) -> u32 {
    let last = i32(size) - 1;
    let repeat = mode == WRAP_REPEAT;
    if i < 0 {
        return u32(select(0, last, repeat));
    }
    if i > last {
        return u32(select(last, 0, repeat));
    }
    return u32(i);
}

fn fetch_texel(texture: Texture, x: u32, y: u32, encoding: u32) -> Texel {
    let word = texels[texture.first_texel + y * texture.width + x];
    let r = word & 255u;
    let g = (word >> 8u) & 255u;
    let b = (word >> 16u) & 255u;
    var color: vec3<f32>;
    if encoding == ENCODING_SRGB {
        color = vec3<f32>(srgb(r), srgb(g), srgb(b));
    } else {
        color = vec3<f32>(f32(r), f32(g), f32(b)) * INVERSE_255;
    }
    return Texel(color, f32(word >> 24u) * INVERSE_255);
}

fn blend_texels(a: Texel, b: Texel, t: f32) -> Texel {
    return Texel(lerp3(a.color, b.color, t), lerp(a.alpha, b.alpha, t));
}

fn sample_texture(texture: Texture, u: f32, v: f32, encoding: u32) -> Texel {
    if texture.first_texel == NONE {
        return Texel(vec3<f32>(1.0, 1.0, 1.0), 1.0);
    }
    let mode_u = texture.flags & 3u;
    let mode_v = (texture.flags >> 2u) & 3u;
    let x = wrap_coordinate(u, mode_u) * f32(texture.width);
    let y = wrap_coordinate(v, mode_v) * f32(texture.height);
    if (texture.flags & NEAREST) != 0u {
        let column = wrap_index(i32(floor(x)), texture.width, mode_u);
        let row = wrap_index(i32(floor(y)), texture.height, mode_v);
        return fetch_texel(texture, column, row, encoding);
    }
    let left = floor(x - 0.5);
    let top = floor(y - 0.5);
    let tx = flush((x - 0.5) - left);
    let ty = flush((y - 0.5) - top);
    let x0 = wrap_index(i32(left), texture.width, mode_u);
    let x1 = wrap_index(i32(left) + 1, texture.width, mode_u);
    let y0 = wrap_index(i32(top), texture.height, mode_v);
    let y1 = wrap_index(i32(top) + 1, texture.height, mode_v);
    let upper = blend_texels(
        fetch_texel(texture, x0, y0, encoding),
        fetch_texel(texture, x1, y0, encoding),
        tx,
    );
    let lower = blend_texels(
        fetch_texel(texture, x0, y1, encoding),
        fetch_texel(texture, x1, y1, encoding),
        tx,
    );
    return blend_texels(upper, lower, ty);
}
