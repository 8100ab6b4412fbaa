// Random numbers as a pure function of (seed, frame, pixel, sample, dimension); see
// src/cpu/sampler.rs.

const DIMENSION_PIXEL: u32 = 0u;
const DIMENSION_CHOICE: u32 = 0u;
const DIMENSION_DIRECTION: u32 = 1u;
const DIMENSION_LIGHT: u32 = 2u;
const DIMENSION_LIGHT_POINT: u32 = 3u;

fn vertex_dimension(vertex: u32, which: u32) -> u32 {
    return 1u + vertex * 4u + which;
}

fn scramble(v: u32) -> u32 {
    var x = v;
    x = (x ^ (x >> 16u)) * 0x21f0aaadu;
    x = (x ^ (x >> 15u)) * 0xd35a2d97u;
    return x ^ (x >> 15u);
}

fn pixel_seed(seed: u32, number: u32, x: u32, y: u32) -> u32 {
    return scramble(scramble(scramble(scramble(seed) + number) + y) + x);
}

fn laine_karras(v: u32, seed: u32) -> u32 {
    var x = v;
    x = x ^ (x * 0x3d20adeau);
    x = x + seed;
    x = x * ((seed >> 16u) | 1u);
    x = x ^ (x * 0x05526c56u);
    return x ^ (x * 0x53a22864u);
}

fn sobol_second_reversed(index: u32) -> u32 {
    var x = index;
    x = x ^ ((x & 0xaaaaaaaau) >> 1u);
    x = x ^ ((x & 0xccccccccu) >> 2u);
    x = x ^ ((x & 0xf0f0f0f0u) >> 4u);
    x = x ^ ((x & 0xff00ff00u) >> 8u);
    return x ^ ((x & 0xffff0000u) >> 16u);
}

fn sample_bits(pixel: u32, number: u32, dimension: u32) -> vec2<u32> {
    let seed = scramble(pixel ^ (dimension * 0x9e3779b9u));
    let index = reverseBits(laine_karras(reverseBits(number), seed));
    let first = laine_karras(index, scramble(seed + 0x68bc21ebu));
    let second = laine_karras(sobol_second_reversed(index), scramble(seed + 0x02e5be93u));
    return vec2<u32>(reverseBits(first) >> 8u, reverseBits(second) >> 8u);
}

fn sample_pair(pixel: u32, number: u32, dimension: u32) -> vec2<f32> {
    let bits = sample_bits(pixel, number, dimension);
    return vec2<f32>(f32(bits.x) * TWO_TO_MINUS_24, f32(bits.y) * TWO_TO_MINUS_24);
}
