// What is where a ray hit; see src/cpu/surface.rs.

const EDGE_SCALE: f32 = 0x1p20f;
const INVERSE_EDGE_SCALE_SQUARED: f32 = 0x1p-40f;
const OFFSET: f32 = 0x1p-19f;
const LEAST_COSINE: f32 = 0x1p-7f;
const LEAST_ALPHA: f32 = 0x1p-10f;
const DIELECTRIC_F0: f32 = 0x1.47ae14p-5f;

struct Surface {
    position: vec3<f32>,
    geometric_normal: vec3<f32>,
    shading_normal: vec3<f32>,
    offset: f32,
    diffuse: vec3<f32>,
    f0: vec3<f32>,
    alpha: f32,
    emission: vec3<f32>,
    unlit: bool,
    area: f32,
}

struct NormalAndArea {
    normal: vec3<f32>,
    area: f32,
}

fn triangle_normal(
    local_to_world: array<vec4<f32>, 3>,
    a: vec3<f32>,
    b: vec3<f32>,
    c: vec3<f32>,
) -> NormalAndArea {
    let ab = transform_direction(local_to_world, b - a) * EDGE_SCALE;
    let ac = transform_direction(local_to_world, c - a) * EDGE_SCALE;
    let n = cross3(ab, ac);
    let area = (root(dot3(n, n)) * 0.5) * INVERSE_EDGE_SCALE_SQUARED;
    return NormalAndArea(unit3(n), flush(area));
}

fn weigh3(a: vec3<f32>, b: vec3<f32>, c: vec3<f32>, w: vec3<f32>) -> vec3<f32> {
    return flush3((a * w.x + b * w.y) + c * w.z);
}

fn weigh(a: f32, b: f32, c: f32, w: vec3<f32>) -> f32 {
    return flush((a * w.x + b * w.y) + c * w.z);
}

fn weigh_uv(corners: array<u32, 3>, w: vec3<f32>) -> vec2<f32> {
    return vec2<f32>(
        weigh(vertices[corners[0]].u, vertices[corners[1]].u, vertices[corners[2]].u, w),
        weigh(vertices[corners[0]].v, vertices[corners[1]].v, vertices[corners[2]].v, w),
    );
}

fn further_uv(triangle: Triangle, number: u32, w: vec3<f32>) -> vec2<f32> {
    let a = triangle.corners[0] + triangle.more;
    let b = triangle.corners[1] + triangle.more;
    let c = triangle.corners[2] + triangle.more;
    if number == 1u {
        return weigh_uv(array<u32, 3>(a, b, c), w);
    }
    if number == 2u {
        return vec2<f32>(
            weigh(vertices[a].position.x, vertices[b].position.x, vertices[c].position.x, w),
            weigh(vertices[a].position.y, vertices[b].position.y, vertices[c].position.y, w),
        );
    }
    return vec2<f32>(
        weigh(vertices[a].normal.x, vertices[b].normal.x, vertices[c].normal.x, w),
        weigh(vertices[a].normal.y, vertices[b].normal.y, vertices[c].normal.y, w),
    );
}

fn uv_of(texture: Texture, uv: vec2<f32>, triangle: Triangle, w: vec3<f32>) -> vec2<f32> {
    let number = texture.flags >> COORDINATES_SHIFT;
    if number == 0u {
        return uv;
    }
    return further_uv(triangle, number, w);
}

fn texture_uv(texture: Texture, triangle: u32, w: vec3<f32>) -> vec2<f32> {
    return uv_of(texture, weigh_uv(triangles[triangle].corners, w), triangles[triangle], w);
}

fn color_of(triangle: Triangle, w: vec3<f32>) -> vec4<f32> {
    let a = vertices[triangle.corners[0] + triangle.more].tangent;
    let b = vertices[triangle.corners[1] + triangle.more].tangent;
    let c = vertices[triangle.corners[2] + triangle.more].tangent;
    return vec4<f32>(
        lesser(weigh(a.x, b.x, c.x, w), 1.0),
        lesser(weigh(a.y, b.y, c.y, w), 1.0),
        lesser(weigh(a.z, b.z, c.z, w), 1.0),
        lesser(weigh(a.w, b.w, c.w, w), 1.0),
    );
}

fn is_there(seed: u32, instance: u32, material: u32, triangle: u32, weights: vec3<f32>) -> bool {
    let uv = texture_uv(materials[material].base_color_texture, triangle, weights);
    let texel =
        sample_texture(materials[material].base_color_texture, uv.x, uv.y, ENCODING_SRGB);
    var alpha = flush(texel.alpha * materials[material].base_color.w);
    if triangles[triangle].more != 0u {
        alpha = flush(alpha * color_of(triangles[triangle], weights).w);
    }
    if materials[material].alpha_mode == ALPHA_MASK {
        return alpha >= materials[material].alpha_cutoff;
    }
    let random = scramble(scramble(seed + instance) + triangle) >> 8u;
    return f32(random) < alpha * 16777216.0;
}

fn sample_at(
    texture: Texture,
    uv: vec2<f32>,
    triangle: Triangle,
    w: vec3<f32>,
    encoding: u32,
) -> vec3<f32> {
    let place = uv_of(texture, uv, triangle, w);
    return sample_texture(texture, place.x, place.y, encoding).color;
}

fn surface_at(hit: Hit, direction: vec3<f32>) -> Surface {
    let instance = instances[hit.instance];
    let material = materials[instance.material];
    let triangle = triangles[hit.triangle];
    let a = vertices[triangle.corners[0]];
    let b = vertices[triangle.corners[1]];
    let c = vertices[triangle.corners[2]];
    let w = hit.weights;
    let local = weigh3(a.position, b.position, c.position, w);
    let position = transform_point(instance.local_to_world, local);
    let flat_side =
        triangle_normal(instance.local_to_world, a.position, b.position, c.position);
    let reach = greater(
        greater(max_magnitude(a.position), max_magnitude(b.position)),
        max_magnitude(c.position),
    );
    let uv = weigh_uv(triangle.corners, w);

    let viewer = -direction;
    let turned = dot3(flat_side.normal, viewer) < 0.0;
    let geometric_normal = select(flat_side.normal, -flat_side.normal, turned);
    let vertex_normal = transform_transposed(
        instance.world_to_local,
        weigh3(a.normal, b.normal, c.normal, w),
    );
    let outside = unit3(vertex_normal);
    let smooth_normal =
        select(outside, -outside, dot3(outside, geometric_normal) < 0.0);
    var shading = smooth_normal;
    if material.normal_texture.first_texel != NONE {
        let tangent = transform_direction(
            instance.local_to_world,
            weigh3(a.tangent.xyz, b.tangent.xyz, c.tangent.xyz, w),
        );
        let side = select(1.0, -1.0, dot3(vertex_normal, smooth_normal) < 0.0);
        let handedness =
            select(a.tangent.w, -a.tangent.w, instance.mirrored == 1u) * side;
        let map = sample_at(material.normal_texture, uv, triangle, w, ENCODING_LINEAR);
        let x = flush((map.x * 2.0 - 1.0) * material.normal_scale);
        let y = flush((map.y * 2.0 - 1.0) * material.normal_scale);
        let z = map.z * 2.0 - 1.0;
        let along = unit3(tangent - smooth_normal * dot3(smooth_normal, tangent));
        let across = cross3(smooth_normal, along) * handedness;
        let bumpy = unit3((along * x + across * y) + smooth_normal * greater(z, 0.0));
        if dot3(bumpy, bumpy) != 0.0 {
            shading = bumpy;
        }
    }
    let facing = dot3(shading, viewer);
    if facing < LEAST_COSINE {
        shading = unit3(shading + viewer * (LEAST_COSINE - facing));
    }

    let texel = sample_at(material.base_color_texture, uv, triangle, w, ENCODING_SRGB);
    var base = flush3(texel * material.base_color.xyz);
    if triangle.more != 0u {
        base = flush3(base * color_of(triangle, w).xyz);
    }
    let rough =
        sample_at(material.metallic_roughness_texture, uv, triangle, w, ENCODING_LINEAR);
    let metallic = flush(rough.z * material.metallic);
    let roughness = flush(rough.y * material.roughness);
    var emission = vec3<f32>(0.0, 0.0, 0.0);
    let unlit = material.unlit == 1u;
    if unlit {
        emission = base;
    } else if instance.first_light != NONE {
        emission = material.emission
            * sample_at(material.emission_texture, uv, triangle, w, ENCODING_SRGB);
    }
    return Surface(
        position,
        geometric_normal,
        shading,
        flush((reach * instance.stretch + max_magnitude(position)) * OFFSET),
        flush3(base * (1.0 - metallic)),
        vec3<f32>(
            flush(lerp(DIELECTRIC_F0, base.x, metallic)),
            flush(lerp(DIELECTRIC_F0, base.y, metallic)),
            flush(lerp(DIELECTRIC_F0, base.z, metallic)),
        ),
        greater(magnitude(roughness * roughness), LEAST_ALPHA),
        flush3(emission),
        unlit,
        flat_side.area,
    );
}
