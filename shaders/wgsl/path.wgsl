// A sample of a pixel: one path from the camera; see src/cpu/path.rs.

const ROULETTE_FROM: u32 = 2u;

struct PathSample {
    radiance: vec3<f32>,
    rays: u32,
}

fn leave(surface: Surface, direction: vec3<f32>) -> vec3<f32> {
    let inward = dot3(surface.geometric_normal, direction) < 0.0;
    return surface.position
        + surface.geometric_normal * select(surface.offset, -surface.offset, inward);
}

fn trace_path(x: u32, y: u32, number: u32) -> PathSample {
    let seed = pixel_seed(frame.seed, frame.number, x, y);
    let alpha_seed = scramble(seed ^ scramble(number));
    let seen = camera_ray(x, y, sample_pair(seed, number, DIMENSION_PIXEL));
    var origin = seen.origin;
    var direction = seen.direction;
    var throughput = vec3<f32>(1.0, 1.0, 1.0);
    var radiance = vec3<f32>(0.0, 0.0, 0.0);
    var density = 0.0;
    var rays = 0u;
    var vertex = 0u;
    loop {
        rays = rays + 1u;
        let hit = closest(Query(origin, direction, T_FAR, alpha_seed + rays));
        if !hit.found {
            if vertex > 0u {
                let weight = power_heuristic(density, miss_density(direction));
                radiance = radiance
                    + flush3(throughput * environment_radiance(direction)) * weight;
            } else if frame.background == 1u {
                radiance = environment_radiance(direction);
            }
            break;
        }
        let surface = surface_at(hit, direction);
        if max_component(surface.emission) > 0.0 {
            var weight = 1.0;
            if vertex != 0u && !surface.unlit {
                let other =
                    hit_density(surface, hit.instance, hit.triangle, direction, hit.t);
                weight = power_heuristic(density, other);
            }
            radiance = radiance + flush3(throughput * surface.emission) * weight;
        }
        if vertex > frame.max_bounces || surface.unlit {
            break;
        }

        // The shading frame.
        let normal = surface.shading_normal;
        let axes = basis(normal);
        let to_viewer = -direction;
        let viewer = vec3<f32>(
            dot3(axes.tangent, to_viewer),
            dot3(axes.bitangent, to_viewer),
            dot3(normal, to_viewer),
        );
        let bsdf = bsdf_new(surface, viewer);

        // Light, drawn.
        let light_bits = sample_bits(seed, number, vertex_dimension(vertex, DIMENSION_LIGHT));
        let light_point =
            sample_pair(seed, number, vertex_dimension(vertex, DIMENSION_LIGHT_POINT));
        let light = sample_light(
            surface.position,
            f32(light_bits.x) * TWO_TO_MINUS_24,
            light_bits.y,
            light_point.x,
            light_point.y,
        );
        if light.density > 0.0 && max_component(light.radiance) > 0.0 {
            let to_light = unit3(light.direction);
            let above = dot3(surface.geometric_normal, to_light);
            let evaluation = bsdf_evaluate(
                bsdf,
                vec3<f32>(
                    dot3(axes.tangent, to_light),
                    dot3(axes.bitangent, to_light),
                    dot3(normal, to_light),
                ),
            );
            if above > 0.0 && max_component(evaluation.value) > 0.0 {
                rays = rays + 1u;
                let shadow = Query(
                    leave(surface, to_light),
                    light.direction,
                    light.t_max,
                    alpha_seed + rays,
                );
                if !occluded(shadow) {
                    var weight = 1.0;
                    if !light.point_like {
                        weight = power_heuristic(light.density, evaluation.density);
                    }
                    let scale = div(weight, light.density);
                    let arriving = flush3(light.radiance * scale);
                    radiance = radiance + flush3(throughput * evaluation.value) * arriving;
                }
            }
        }

        // The next direction.
        let choice = sample_pair(seed, number, vertex_dimension(vertex, DIMENSION_CHOICE));
        let place = sample_pair(seed, number, vertex_dimension(vertex, DIMENSION_DIRECTION));
        let towards = bsdf_sample(bsdf, choice.x, place.x, place.y);
        let evaluation = bsdf_evaluate(bsdf, towards);
        let next = flush3(
            (axes.tangent * towards.x + axes.bitangent * towards.y) + normal * towards.z,
        );
        if evaluation.density == 0.0 || dot3(surface.geometric_normal, next) <= 0.0 {
            break;
        }
        let scale = div(1.0, evaluation.density);
        throughput = flush3(throughput * flush3(evaluation.value * scale));
        let strongest = max_component(throughput);
        if strongest == 0.0 || !is_finite(strongest) {
            break;
        }
        if vertex >= ROULETTE_FROM {
            let chance = lesser(root(strongest), 1.0);
            if choice.y >= chance {
                break;
            }
            throughput = throughput * div(1.0, chance);
        }
        density = evaluation.density;
        origin = leave(surface, next);
        direction = unit3(next);
        vertex = vertex + 1u;
    }
    return PathSample(radiance, rays);
}

@compute @workgroup_size(8, 8)
fn render(@builtin(global_invocation_id) id: vec3<u32>) {
    let column = id.x;
    let row = slice.row_start + id.y;
    if column >= slice.width || row >= slice.row_end {
        return;
    }
    let index = row * slice.width + column;
    var r = sums[index].words[0];
    var g = sums[index].words[1];
    var b = sums[index].words[2];
    var rays = sums[index].words[3];
    for (var number = slice.sample_start; number < slice.sample_end; number = number + 1u) {
        let path = trace_path(slice.x + column, slice.y + row, number);
        rays = add_wide(rays, vec2<u32>(path.rays, 0u));
        if is_finite(path.radiance.x) && is_finite(path.radiance.y) && is_finite(path.radiance.z) {
            r = add_wide(r, quantize(path.radiance.x));
            g = add_wide(g, quantize(path.radiance.y));
            b = add_wide(b, quantize(path.radiance.z));
        }
    }
    sums[index].words[0] = r;
    sums[index].words[1] = g;
    sums[index].words[2] = b;
    sums[index].words[3] = rays;
}
