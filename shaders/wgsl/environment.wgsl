// Light from outside; see src/cpu/environment.rs.

const TWO_TO_MINUS_16: f32 = 0x1p-16f;
const TWO_PI_SQUARED: f32 = 0x1.3bd3ccp4f;

struct EnvironmentSample {
    direction: vec3<f32>,
    density: f32,
}

struct MapCoordinates {
    u: f32,
    v: f32,
    sine: f32,
}

fn turn_to_map(d: vec3<f32>) -> vec3<f32> {
    let c = frame.rotation_cos;
    let s = frame.rotation_sin;
    return vec3<f32>(flush(d.x * c - d.z * s), d.y, flush(d.x * s + d.z * c));
}

fn turn_to_world(d: vec3<f32>) -> vec3<f32> {
    let c = frame.rotation_cos;
    let s = frame.rotation_sin;
    return vec3<f32>(flush(d.x * c + d.z * s), d.y, flush(d.z * c - d.x * s));
}

fn map_coordinates(d: vec3<f32>) -> MapCoordinates {
    let sine = root(flush(d.x * d.x + d.z * d.z));
    return MapCoordinates(atan2_turns(d.z, d.x) + 0.5, 2.0 * atan2_turns(sine, d.y), sine);
}

fn fetch_environment(x: u32, y: u32) -> vec3<f32> {
    let word = texels[frame.environment_texel + y * frame.environment_width + x];
    let exponent = word >> 24u;
    if exponent < 37u {
        return vec3<f32>(0.0, 0.0, 0.0);
    }
    let scale = bitcast<f32>((exponent - 9u) << 23u);
    return vec3<f32>(f32(word & 255u), f32((word >> 8u) & 255u), f32((word >> 16u) & 255u))
        * scale;
}

fn environment_column(i: i32) -> u32 {
    let width = i32(frame.environment_width);
    if i < 0 {
        return u32(width - 1);
    }
    return u32(select(i, 0, i >= width));
}

fn environment_row(i: i32) -> u32 {
    let height = i32(frame.environment_height);
    if i < 0 {
        return 0u;
    }
    return u32(select(i, height - 1, i >= height));
}

fn environment_radiance(direction: vec3<f32>) -> vec3<f32> {
    if frame.environment_texel == NONE {
        return vec3<f32>(0.0, 0.0, 0.0);
    }
    let map = map_coordinates(turn_to_map(direction));
    let x = map.u * f32(frame.environment_width) - 0.5;
    let y = map.v * f32(frame.environment_height) - 0.5;
    let left = floor(x);
    let top = floor(y);
    let tx = flush(x - left);
    let ty = flush(y - top);
    let x0 = environment_column(i32(left));
    let x1 = environment_column(i32(left) + 1);
    let y0 = environment_row(i32(top));
    let y1 = environment_row(i32(top) + 1);
    let upper = lerp3(fetch_environment(x0, y0), fetch_environment(x1, y0), tx);
    let lower = lerp3(fetch_environment(x0, y1), fetch_environment(x1, y1), tx);
    return flush3(lerp3(upper, lower, ty) * frame.environment_strength);
}

fn density_per_solid_angle(density: f32, sine: f32) -> f32 {
    return div(density, TWO_PI_SQUARED * sine);
}

fn environment_density(direction: vec3<f32>) -> f32 {
    let map = map_coordinates(turn_to_map(direction));
    let x = u32(lesser(map.u * f32(frame.cells_width), f32(frame.cells_width - 1u)));
    let y = u32(lesser(map.v * f32(frame.cells_height), f32(frame.cells_height - 1u)));
    return density_per_solid_angle(cells[y * frame.cells_width + x].density, map.sine);
}

const ALL: u32 = 0x1000000u;

// Where `bits` fall among the starts of the rows.
fn choose_row(bits: u32) -> u32 {
    var low = 0u;
    var high = frame.cells_height;
    while high - low > 1u {
        let middle = (low + high) / 2u;
        if cells[middle * frame.cells_width].row_start <= bits {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

// Where `bits` fall among the starts of a row's cells.
fn choose_column(row: u32, bits: u32) -> u32 {
    var low = 0u;
    var high = frame.cells_width;
    while high - low > 1u {
        let middle = (low + high) / 2u;
        if cells[row * frame.cells_width + middle].start <= bits {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

fn sample_environment(row_bits: u32, cell_bits: u32, fill: u32) -> EnvironmentSample {
    let width = frame.cells_width;
    let height = frame.cells_height;
    let row_fill = f32(fill & 0xffffu) * TWO_TO_MINUS_16;
    let cell_fill = f32(fill >> 16u) * TWO_TO_MINUS_16;
    let row = choose_row(row_bits);
    let row_start = cells[row * width].row_start;
    var row_end = ALL;
    if row + 1u < height {
        row_end = cells[(row + 1u) * width].row_start;
    }
    let down = div(f32(row_bits - row_start) + row_fill, f32(row_end - row_start));
    let column = choose_column(row, cell_bits);
    let start = cells[row * width + column].start;
    var end = ALL;
    if column + 1u < width {
        end = cells[row * width + column + 1u].start;
    }
    let across = div(f32(cell_bits - start) + cell_fill, f32(end - start));
    let map_u = div(f32(column) + across, f32(width));
    let map_v = div(f32(row) + down, f32(height));
    let phi = sin_cos_turns(map_u + 0.5);
    let theta = sin_cos_turns(map_v * 0.5);
    let direction = flush3(vec3<f32>(theta.x * phi.y, theta.y, theta.x * phi.x));
    return EnvironmentSample(
        turn_to_world(direction),
        density_per_solid_angle(cells[row * width + column].density, theta.x),
    );
}
