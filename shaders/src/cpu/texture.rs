//! Textures: integer texels, filtered by hand, since samplers differ from device to device.

use super::Scene;
use super::math::{Vec3, lesser};
use super::math::{floor, flush, lerp, vec3};
use crate::layout::{NONE, Texture};

/// 1/255, rounded.
const INVERSE_255: f32 = f32::from_bits(0x3b80_8081);

/// Linear colour and alpha.
#[derive(Debug, Clone, Copy)]
pub struct Texel {
    /// Colour.
    pub color: Vec3,
    /// Coverage.
    pub alpha: f32,
}

/// What the codes of a texture mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Colours through the sRGB table; alpha is linear.
    Srgb,
    /// All four linear.
    Linear,
}

/// Brings a coordinate into [0, 1] by the texture's wrapping rule.
#[inline(always)]
fn wrap_coordinate(x: f32, mode: u32) -> f32 {
    match mode {
        Texture::REPEAT => x - floor(x),
        Texture::CLAMP => {
            if x > 0.0 {
                lesser(x, 1.0)
            } else {
                0.0
            }
        }
        _ => {
            let m = x - 2.0 * floor(x * 0.5);
            if m > 1.0 { 2.0 - m } else { m }
        }
    }
}

/// Brings a neighbour's index, -1 to `size`, into the texture.
#[inline(always)]
fn wrap_index(i: i32, size: u32, mode: u32) -> u32 {
    let last = size as i32 - 1;
    let repeat = mode == Texture::REPEAT;
    let wrapped = if i < 0 {
        if repeat { last } else { 0 }
    } else if i > last {
        if repeat { 0 } else { last }
    } else {
        i
    };
    wrapped as u32
}

#[inline(always)]
fn fetch(scene: &Scene<'_>, texture: &Texture, x: u32, y: u32, encoding: Encoding) -> Texel {
    let word = scene.texels[(texture.first_texel + y * texture.width + x) as usize];
    let (r, g, b, a) = (word & 255, (word >> 8) & 255, (word >> 16) & 255, word >> 24);
    let color = match encoding {
        Encoding::Srgb => vec3(scene.srgb(r), scene.srgb(g), scene.srgb(b)),
        Encoding::Linear => vec3(r as f32, g as f32, b as f32) * INVERSE_255,
    };
    Texel { color, alpha: a as f32 * INVERSE_255 }
}

#[inline(always)]
fn blend(a: Texel, b: Texel, t: f32) -> Texel {
    Texel {
        color: vec3(
            lerp(a.color.x, b.color.x, t),
            lerp(a.color.y, b.color.y, t),
            lerp(a.color.z, b.color.z, t),
        ),
        alpha: lerp(a.alpha, b.alpha, t),
    }
}

/// The texture at (u, v); white and opaque where there is none.
#[inline(always)]
pub fn sample_texture(
    scene: &Scene<'_>,
    texture: &Texture,
    u: f32,
    v: f32,
    encoding: Encoding,
) -> Texel {
    if texture.first_texel == NONE {
        return Texel { color: Vec3::ONE, alpha: 1.0 };
    }
    let (mode_u, mode_v) = (texture.flags & 3, (texture.flags >> 2) & 3);
    let x = wrap_coordinate(u, mode_u) * texture.width as f32;
    let y = wrap_coordinate(v, mode_v) * texture.height as f32;
    if texture.flags & Texture::NEAREST != 0 {
        let x = wrap_index(floor(x) as i32, texture.width, mode_u);
        let y = wrap_index(floor(y) as i32, texture.height, mode_v);
        return fetch(scene, texture, x, y, encoding);
    }
    let (left, top) = (floor(x - 0.5), floor(y - 0.5));
    let (tx, ty) = (flush((x - 0.5) - left), flush((y - 0.5) - top));
    let x0 = wrap_index(left as i32, texture.width, mode_u);
    let x1 = wrap_index(left as i32 + 1, texture.width, mode_u);
    let y0 = wrap_index(top as i32, texture.height, mode_v);
    let y1 = wrap_index(top as i32 + 1, texture.height, mode_v);
    let upper =
        blend(fetch(scene, texture, x0, y0, encoding), fetch(scene, texture, x1, y0, encoding), tx);
    let lower =
        blend(fetch(scene, texture, x0, y1, encoding), fetch(scene, texture, x1, y1, encoding), tx);
    blend(upper, lower, ty)
}
