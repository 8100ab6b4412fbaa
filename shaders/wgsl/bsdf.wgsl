// How a surface reflects: Lambert under GGX; see src/cpu/bsdf.rs.

const LEAST_CHANCE: f32 = 0.0625;

struct Bsdf {
    viewer: vec3<f32>,
    diffuse: vec3<f32>,
    f0: vec3<f32>,
    alpha: f32,
    row: TableRow,
    through_viewer: f32,
    specular_chance: f32,
}

const COSINES: u32 = 32u;
const ROUGHNESSES: u32 = 16u;

struct TableRow {
    first: u32,
    t: f32,
}

fn table_row(alpha: f32) -> TableRow {
    let place = root(alpha) * f32(ROUGHNESSES - 1u);
    let first = lesser(floor(place), f32(ROUGHNESSES - 2u));
    return TableRow(u32(first), place - first);
}

fn albedo_entry(row: u32, column: u32) -> f32 {
    let i = row * COSINES + column;
    return frame.albedo[i >> 2u][i & 3u];
}

fn through(row: TableRow, cosine: f32) -> f32 {
    let place = cosine * f32(COSINES - 1u);
    let first = lesser(floor(place), f32(COSINES - 2u));
    let t = lesser(place - first, 1.0);
    let column = u32(first);
    let low = lerp(albedo_entry(row.first, column), albedo_entry(row.first, column + 1u), t);
    let high =
        lerp(albedo_entry(row.first + 1u, column), albedo_entry(row.first + 1u, column + 1u), t);
    return 1.0 - lerp(low, high, row.t);
}

fn average_entry(i: u32) -> f32 {
    return frame.albedo_average[i >> 2u][i & 3u];
}

fn through_average(row: TableRow) -> f32 {
    return 1.0 - lerp(average_entry(row.first), average_entry(row.first + 1u), row.t);
}

struct Evaluation {
    value: vec3<f32>,
    density: f32,
}

fn schlick_weight(x: f32) -> f32 {
    let m = greater(1.0 - x, 0.0);
    let m2 = m * m;
    return flush((m2 * m2) * m);
}

fn bsdf_new(surface: Surface, viewer: vec3<f32>) -> Bsdf {
    let row = table_row(surface.alpha);
    let through_viewer = through(row, viewer.z);
    let f0 = luminance(surface.f0);
    let specular = f0 + (1.0 - f0) * schlick_weight(viewer.z);
    let diffuse = luminance(surface.diffuse) * through_viewer;
    let chance = div(specular, specular + diffuse);
    var specular_chance = 1.0;
    if diffuse != 0.0 {
        specular_chance = lesser(greater(chance, LEAST_CHANCE), 1.0 - LEAST_CHANCE);
    }
    return Bsdf(
        viewer,
        surface.diffuse,
        surface.f0,
        surface.alpha,
        row,
        div(through_viewer, through_average(row)),
        specular_chance,
    );
}

fn bsdf_evaluate(bsdf: Bsdf, light: vec3<f32>) -> Evaluation {
    let n_l = light.z;
    let n_v = bsdf.viewer.z;
    if n_l <= 0.0 || n_v <= 0.0 {
        return Evaluation(vec3<f32>(0.0, 0.0, 0.0), 0.0);
    }
    let halfway = unit3(light + bsdf.viewer);
    let weight = schlick_weight(dot3(halfway, bsdf.viewer));
    let a2 = bsdf.alpha * bsdf.alpha;

    let d = (halfway.x * halfway.x + halfway.y * halfway.y) + a2 * (halfway.z * halfway.z);
    let distribution = div(a2 * INVERSE_PI, flush(d * d));
    let root_v = root(a2 + (1.0 - a2) * (n_v * n_v));
    let root_l = root(a2 + (1.0 - a2) * (n_l * n_l));
    let visibility = div(0.5, n_l * root_v + n_v * root_l);
    let specular = flush(distribution * visibility);
    let fresnel = bsdf.f0 + (vec3<f32>(1.0, 1.0, 1.0) - bsdf.f0) * weight;
    let passed = bsdf.through_viewer * through(bsdf.row, n_l);
    let value =
        flush3((bsdf.diffuse * (passed * INVERSE_PI) + fresnel * specular) * n_l);

    let specular_density = div(distribution, 2.0 * (n_v + root_v));
    let diffuse_density = n_l * INVERSE_PI;
    let density = bsdf.specular_chance * specular_density
        + (1.0 - bsdf.specular_chance) * diffuse_density;
    return Evaluation(value, flush(density));
}

fn bsdf_sample(bsdf: Bsdf, choice: f32, u: f32, v: f32) -> vec3<f32> {
    let angle = sin_cos_turns(u);
    if choice >= bsdf.specular_chance {
        let radius = root(v);
        return flush3(vec3<f32>(radius * angle.y, radius * angle.x, root(1.0 - v)));
    }
    let stretched = unit3(vec3<f32>(
        bsdf.viewer.x * bsdf.alpha,
        bsdf.viewer.y * bsdf.alpha,
        bsdf.viewer.z,
    ));
    let z = (1.0 - v) * (1.0 + stretched.z) - stretched.z;
    let radius = root(greater(1.0 - z * z, 0.0));
    let cap = vec3<f32>(radius * angle.y, radius * angle.x, z) + stretched;
    let halfway =
        unit3(vec3<f32>(cap.x * bsdf.alpha, cap.y * bsdf.alpha, greater(cap.z, 0.0)));
    return flush3(halfway * (2.0 * dot3(bsdf.viewer, halfway)) - bsdf.viewer);
}
