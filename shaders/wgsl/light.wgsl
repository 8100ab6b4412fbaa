// Lights; see src/cpu/light.rs.

const ALMOST_THERE: f32 = 0x1.ffep-1f;

struct LightSample {
    direction: vec3<f32>,
    t_max: f32,
    radiance: vec3<f32>,
    density: f32,
    point_like: bool,
}

fn triangle_density(probability: f32, area: f32, distance_squared: f32, cosine: f32) -> f32 {
    return div(probability * distance_squared, area * magnitude(cosine));
}

fn hit_density(
    surface: Surface,
    instance: u32,
    triangle: u32,
    direction: vec3<f32>,
    t: f32,
) -> f32 {
    let light =
        instances[instance].first_light + (triangle - instances[instance].first_triangle);
    let probability = lights[light].probability;
    return triangle_density(
        probability,
        surface.area,
        t * t,
        dot3(surface.geometric_normal, direction),
    );
}

fn miss_density(direction: vec3<f32>) -> f32 {
    if frame.environment_light == NONE {
        return 0.0;
    }
    return flush(lights[frame.environment_light].probability * environment_density(direction));
}

fn sample_light(
    origin: vec3<f32>,
    choice: f32,
    choice_bits: u32,
    u: f32,
    v: f32,
) -> LightSample {
    let nothing = vec3<f32>(0.0, 0.0, 0.0);
    let count = frame.light_count;
    if count == 0u {
        return LightSample(nothing, 0.0, nothing, 0.0, true);
    }
    var index = u32(lesser(choice * f32(count), f32(count - 1u)));
    if choice_bits >= lights[index].threshold {
        index = lights[index].alias_of;
    }
    let light = lights[index];
    if light.kind == LIGHT_TRIANGLE {
        return sample_triangle(light, origin, u, v);
    }
    if light.kind == LIGHT_ENVIRONMENT {
        let fill = scramble(choice_bits ^ bitcast<u32>(choice));
        let drawn = sample_environment(u32(u * 16777216.0), u32(v * 16777216.0), fill);
        return LightSample(
            drawn.direction,
            T_FAR,
            environment_radiance(drawn.direction),
            flush(light.probability * drawn.density),
            false,
        );
    }
    if light.kind == LIGHT_DIRECTIONAL {
        return LightSample(-light.direction, T_FAR, light.intensity, light.probability, true);
    }
    return sample_point(light, origin);
}

fn sample_triangle(light: Light, origin: vec3<f32>, u: f32, v: f32) -> LightSample {
    let corners = triangles[light.triangle].corners;
    let a = vertices[corners[0]].position;
    let b = vertices[corners[1]].position;
    let c = vertices[corners[2]].position;
    let spread = root(u);
    let weights = vec3<f32>(1.0 - spread, flush(spread * (1.0 - v)), flush(spread * v));
    let local = flush3((a * weights.x + b * weights.y) + c * weights.z);
    let local_to_world = instances[light.instance].local_to_world;
    let to_light = flush3(transform_point(local_to_world, local) - origin);
    let flat_side = triangle_normal(local_to_world, a, b, c);
    let distance_squared = dot3(to_light, to_light);
    let cosine = dot3(flat_side.normal, unit3(to_light));
    let material = instances[light.instance].material;
    let uv = texture_uv(materials[material].emission_texture, light.triangle, weights);
    let texel =
        sample_texture(materials[material].emission_texture, uv.x, uv.y, ENCODING_SRGB).color;
    return LightSample(
        to_light,
        ALMOST_THERE,
        flush3(materials[material].emission * texel),
        triangle_density(light.probability, flat_side.area, distance_squared, cosine),
        false,
    );
}

fn sample_point(light: Light, origin: vec3<f32>) -> LightSample {
    let to_light = flush3(light.position - origin);
    let distance_squared = dot3(to_light, to_light);
    var fall_off = div(1.0, distance_squared);
    if light.range > 0.0 {
        let ratio = div(distance_squared, light.range * light.range);
        fall_off = fall_off * lesser(greater(1.0 - ratio * ratio, 0.0), 1.0);
    }
    if light.kind == LIGHT_SPOT {
        let cosine = -dot3(light.direction, unit3(to_light));
        let within = lesser(greater(cosine * light.spot_scale + light.spot_offset, 0.0), 1.0);
        fall_off = fall_off * (within * within);
    }
    return LightSample(
        to_light,
        ALMOST_THERE,
        flush3(light.intensity * flush(fall_off)),
        light.probability,
        true,
    );
}

fn power_heuristic(density: f32, other: f32) -> f32 {
    let ratio = div(other, density);
    return div(1.0, 1.0 + ratio * ratio);
}
