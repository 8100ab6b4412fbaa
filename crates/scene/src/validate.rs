//! The last gate before a GPU, whose shaders run unchecked.

use crate::math::TINY;
use crate::{alias, cumulative};
use tessera_shaders::layout::{
    CanonicalScene, Frame, Instance, Light, Material, Mesh, NONE, Texture, Triangle, Vertex,
};

/// What is wrong with a canonical scene.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part} {index}: {what}")]
pub struct Invalid {
    /// Which array.
    pub part: &'static str,
    /// Which element of it.
    pub index: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

/// Checks every index and every number that the kernel relies on.
///
/// # Errors
/// The first thing found to break the contract of `tessera_shaders::layout`.
pub fn validate(scene: &CanonicalScene) -> Result<(), Invalid> {
    validate_shared(scene)?;
    validate_frame(scene)
}

/// Of [`validate`], what does not change from frame to frame.
pub(crate) fn validate_shared(scene: &CanonicalScene) -> Result<(), Invalid> {
    all("vertex", &scene.vertices, check_vertex)?;
    all("triangle", &scene.triangles, |triangle| check_triangle(triangle, &scene.vertices))?;
    all("mesh", &scene.meshes, |mesh| check_mesh(mesh, scene.triangles.len()))?;
    ensure("material", 0, !scene.materials.is_empty(), "there is none")?;
    all("material", &scene.materials, |material| check_material(material, scene.texels.len()))?;
    all("cell", &scene.cells, |cell| {
        first(&[
            (number(cell.density) && cell.density >= 0.0, "its density is no density"),
            (cell.start <= cumulative::ONE, "it starts beyond 1"),
            (cell.row_start <= cumulative::ONE, "its row starts beyond 1"),
            (cell.padding == 0, "its padding is not 0"),
        ])
    })
}

/// Of [`validate`], what belongs to a frame.
pub(crate) fn validate_frame(scene: &CanonicalScene) -> Result<(), Invalid> {
    let same = scene.instance_meshes.len() == scene.instances.len();
    ensure("instance", 0, same, "there are not as many instances as placed meshes")?;
    for (i, (instance, &mesh)) in scene.instances.iter().zip(&scene.instance_meshes).enumerate() {
        let mesh = scene.meshes.get(mesh as usize);
        ensure("instance", i, mesh.is_some(), "its mesh is not there")?;
        let Some(mesh) = mesh else { continue };
        check_instance(instance, *mesh, scene).map_err(|what| invalid("instance", i, what))?;
    }
    let count = scene.lights.len();
    let whole = count == 0 || (count.is_power_of_two() && count <= alias::MOST);
    ensure("light", 0, whole, "there is no power of two of them")?;
    all("light", &scene.lights, |light| check_light(light, scene))?;
    check_frame(&scene.frame, scene).map_err(|what| invalid("frame", 0, what))
}

fn invalid(part: &'static str, index: usize, what: &'static str) -> Invalid {
    Invalid { part, index, what }
}

fn ensure(
    part: &'static str,
    index: usize,
    holds: bool,
    what: &'static str,
) -> Result<(), Invalid> {
    if holds { Ok(()) } else { Err(invalid(part, index, what)) }
}

fn all<T>(
    part: &'static str,
    items: &[T],
    check: impl Fn(&T) -> Result<(), &'static str>,
) -> Result<(), Invalid> {
    for (i, item) in items.iter().enumerate() {
        check(item).map_err(|what| invalid(part, i, what))?;
    }
    Ok(())
}

/// The first of several conditions that doesn't hold.
fn first(conditions: &[(bool, &'static str)]) -> Result<(), &'static str> {
    conditions.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, what)| Err(what))
}

/// Finite, not -0, and not so small that flushing denormals could matter.
fn number(x: f32) -> bool {
    x.to_bits() == 0 || (x.is_finite() && f64::from(x.abs()) >= TINY)
}

fn numbers(xs: &[f32]) -> bool {
    xs.iter().all(|&x| number(x))
}

/// A number from 0 to 1.
fn unit(x: f32) -> bool {
    number(x) && (0.0..=1.0).contains(&x)
}

fn check_vertex(vertex: &Vertex) -> Result<(), &'static str> {
    let Vertex { position, u, normal, v, tangent } = vertex;
    first(&[
        (numbers(position) && numbers(normal), "its position or normal is no number"),
        (
            number(*u) && number(*v) && numbers(tangent),
            "its texture coordinate or tangent is no number",
        ),
    ])
}

fn check_triangle(triangle: &Triangle, vertices: &[Vertex]) -> Result<(), &'static str> {
    let Triangle { corners, more } = *triangle;
    let record_is_there = |&c: &u32| (u64::from(c) + u64::from(more)) < vertices.len() as u64;
    first(&[
        (corners.iter().all(|&c| (c as usize) < vertices.len()), "a corner is not there"),
        (corners.iter().all(record_is_there), "a corner's record is not there"),
    ])?;
    let is_near = |&c: &u32| vertices[c as usize].position.iter().all(|x| x.abs() <= 2.0);
    first(&[(corners.iter().all(is_near), "a corner's position is beyond 2")])
}

fn check_mesh(mesh: &Mesh, triangles: usize) -> Result<(), &'static str> {
    let end = u64::from(mesh.first_triangle) + u64::from(mesh.triangle_count);
    first(&[
        (mesh.triangle_count > 0, "it is empty"),
        (end <= triangles as u64, "its triangles are not there"),
    ])
}

fn check_texture(texture: &Texture, texels: usize) -> Result<(), &'static str> {
    if *texture == Texture::NONE {
        return Ok(());
    }
    let Texture { first_texel, width, height, flags } = *texture;
    let end = u64::from(first_texel) + u64::from(width) * u64::from(height);
    first(&[
        (width > 0 && height > 0, "a texture has no texels"),
        (width <= 1 << 16 && height <= 1 << 16, "a texture is too large"),
        (end <= texels as u64, "a texture's texels are not there"),
        (flags < 128 && flags & 3 != 3 && (flags >> 2) & 3 != 3, "a texture's flags are unknown"),
    ])
}

fn check_material(material: &Material, texels: usize) -> Result<(), &'static str> {
    first(&[
        (material.base_color.iter().all(|&x| unit(x)), "its base colour is not within 0 to 1"),
        (unit(material.metallic) && unit(material.roughness), "its surface is not within 0 to 1"),
        (
            numbers(&material.emission) && material.emission.iter().all(|&x| x >= 0.0),
            "its emission is no radiance",
        ),
        (number(material.normal_scale) && number(material.alpha_cutoff), "a factor is no number"),
        (material.alpha_mode <= Material::BLEND, "its alpha mode is unknown"),
        (material.unlit <= 1 && material.padding == [0; 3], "its flags are unknown"),
    ])?;
    for texture in [
        &material.base_color_texture,
        &material.metallic_roughness_texture,
        &material.normal_texture,
        &material.emission_texture,
    ] {
        check_texture(texture, texels)?;
    }
    Ok(())
}

fn check_instance(
    instance: &Instance,
    mesh: Mesh,
    scene: &CanonicalScene,
) -> Result<(), &'static str> {
    let matrices = [instance.world_to_local, instance.local_to_world];
    let entries = || matrices.iter().flatten().flatten();
    let lights_end = u64::from(instance.first_light) + u64::from(mesh.triangle_count);
    let is_first_light =
        |light: &Light| light.kind == Light::TRIANGLE && light.triangle == mesh.first_triangle;
    let light = scene.lights.get(instance.first_light as usize);
    let dark = instance.first_light == NONE;
    first(&[
        (entries().all(|&x| number(x) && x.abs() <= MOST_ENTRY), "its matrix is out of range"),
        (numbers(&instance.lo) && numbers(&instance.hi), "its box is no box"),
        (instance.lo.iter().zip(&instance.hi).all(|(lo, hi)| lo <= hi), "its box is empty"),
        ((instance.material as usize) < scene.materials.len(), "its material is not there"),
        (instance.first_triangle == mesh.first_triangle, "it begins elsewhere than its mesh"),
        (dark || lights_end <= scene.lights.len() as u64, "its lights are not there"),
        (dark || light.is_some_and(is_first_light), "its lights are others"),
        (instance.root == 0 && instance.mirrored <= 1, "its flags are unknown"),
        (number(instance.stretch) && instance.stretch > 0.0, "its stretch is no length"),
    ])
}

/// Most that an entry of an instance's matrices may be: 2^40.
pub(crate) const MOST_ENTRY: f32 = (1u64 << 40) as f32;

fn check_light(light: &Light, scene: &CanonicalScene) -> Result<(), &'static str> {
    let triangle = light.kind == Light::TRIANGLE;
    let instance = scene.instances.get(light.instance as usize);
    let belongs = |instance: &Instance| {
        let within = light.triangle.checked_sub(instance.first_triangle);
        (light.triangle as usize) < scene.triangles.len()
            && instance.first_light != NONE
            && within.and_then(|i| scene.lights.get(instance.first_light as usize + i as usize))
                == Some(light)
    };
    first(&[
        (light.kind <= Light::ENVIRONMENT, "its kind is unknown"),
        (!triangle || instance.is_some_and(belongs), "its triangle is another"),
        ((light.alias as usize) < scene.lights.len(), "its alias is not there"),
        (light.threshold <= alias::ONE, "its threshold is beyond 1"),
        (unit(light.probability), "its probability is none"),
        (numbers(&light.position) && numbers(&light.direction), "it is nowhere"),
        (
            numbers(&light.intensity) && light.intensity.iter().all(|&x| x >= 0.0),
            "its intensity is none",
        ),
        (number(light.spot_scale) && number(light.spot_offset), "its cone is none"),
        (number(light.range) && light.range >= 0.0, "its range is none"),
        (light.padding == [0; 2], "its padding is not 0"),
    ])
}

fn check_frame(frame: &Frame, scene: &CanonicalScene) -> Result<(), &'static str> {
    let rays = [frame.camera_origin, frame.camera_right, frame.camera_up, frame.camera_forward];
    let side = 1..=crate::View::MAX_SIDE;
    let cells = u64::from(frame.cells_width) * u64::from(frame.cells_height);
    first(&[
        (rays.iter().all(|v| numbers(v)), "its camera is no camera"),
        (side.contains(&frame.width) && side.contains(&frame.height), "its size is out of range"),
        (frame.inverse_width == 1.0 / frame.width as f32, "its inverse width is not that"),
        (frame.inverse_height == 1.0 / frame.height as f32, "its inverse height is not that"),
        (frame.light_count as usize == scene.lights.len(), "it counts other lights"),
        (frame.instance_count as usize == scene.instances.len(), "it counts other instances"),
        (cells == scene.cells.len() as u64, "it counts other cells"),
        (
            number(frame.environment_strength) && frame.environment_strength >= 0.0,
            "its environment's strength is none",
        ),
        (number(frame.rotation_cos) && number(frame.rotation_sin), "its rotation is none"),
        (frame.background <= 1, "its background is unknown"),
        (frame.parallel <= 1 && frame.padding == [0; 3], "its camera is of no known kind"),
        (frame.srgb.iter().flatten().all(|&x| unit(x)), "its sRGB table is none"),
    ])?;
    check_environment(frame, scene)
}

fn check_environment(frame: &Frame, scene: &CanonicalScene) -> Result<(), &'static str> {
    let light = scene.lights.get(frame.environment_light as usize);
    let is_environment = |light: &Light| light.kind == Light::ENVIRONMENT;
    let lit = frame.environment_light != NONE;
    if frame.environment_texel == NONE {
        return first(&[
            (!lit, "its environment shines without texels"),
            (scene.cells.is_empty(), "its environment has cells without texels"),
        ]);
    }
    let texels = u64::from(frame.environment_width) * u64::from(frame.environment_height);
    let end = u64::from(frame.environment_texel) + texels;
    let (width, height) = (frame.cells_width, frame.cells_height);
    first(&[
        (texels > 0 && end <= scene.texels.len() as u64, "its environment's texels are not there"),
        (
            frame.environment_width <= 1 << 16 && frame.environment_height <= 1 << 16,
            "its environment is too large",
        ),
        (width.is_power_of_two() && height.is_power_of_two(), "its cells are no power of two"),
        (!lit || light.is_some_and(is_environment), "its environment's light is another"),
    ])?;
    check_starts(frame, scene)
}

/// The kernel's search among starts needs the first to be 0 and none to go back.
fn check_starts(frame: &Frame, scene: &CanonicalScene) -> Result<(), &'static str> {
    let mut row_starts = Vec::with_capacity(frame.cells_height as usize);
    for row in scene.cells.chunks_exact(frame.cells_width as usize) {
        first(&[
            (row[0].start == 0 && row.is_sorted_by_key(|cell| cell.start), "a row has no order"),
            (row.iter().all(|cell| cell.row_start == row[0].row_start), "a row starts twice"),
        ])?;
        row_starts.push(row[0].row_start);
    }
    let ordered = row_starts.first() == Some(&0) && row_starts.is_sorted();
    first(&[(ordered, "its rows have no order")])
}
