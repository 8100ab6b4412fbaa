//! The structs of `layout.rs` and of `layout.wgsl` are the same, byte for byte.

use naga::{Module, TypeInner};
use std::mem::{offset_of, size_of};
use tessera_shaders::layout::{
    EnvironmentCell, Frame, Instance, LeafTriangle, Light, Material, Node, Slice, Sum, Texture,
    Triangle, Vertex,
};
use tessera_shaders::wgsl;

fn parse(source: &str) -> Module {
    let module = naga::front::wgsl::parse_str(source)
        .unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)));
    naga::valid::Validator::new(
        naga::valid::ValidationFlags::all(),
        naga::valid::Capabilities::empty(),
    )
    .validate(&module)
    .unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)));
    module
}

/// What differs between `name` in the module and these fields; `None` if nothing does.
fn difference(
    module: &Module,
    name: &str,
    fields: &[(&str, usize)],
    size: usize,
) -> Option<String> {
    let Some((_, ty)) = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some(name)) else {
        return Some(format!("{name} is not in the WGSL"));
    };
    let TypeInner::Struct { members, span } = &ty.inner else {
        return Some(format!("{name} is no struct"));
    };
    let found: Vec<(&str, usize)> = members
        .iter()
        .map(|member| (member.name.as_deref().unwrap_or(""), member.offset as usize))
        .collect();
    if found != fields {
        return Some(format!("{name}: WGSL has {found:?}, Rust has {fields:?}"));
    }
    (*span as usize != size).then(|| format!("{name}: {span} bytes in WGSL, {size} in Rust"))
}

macro_rules! compare {
    ($module:expr, $name:ident { $($field:ident $(as $wgsl:literal)?),* $(,)? }) => {{
        #[allow(unused_mut, reason = "only some fields are renamed")]
        let fields = [$({
            let mut name = stringify!($field);
            $(name = $wgsl;)?
            (name, offset_of!($name, $field))
        }),*];
        if let Some(difference) =
            difference($module, stringify!($name), &fields, size_of::<$name>())
        {
            panic!("{difference}");
        }
    }};
}

#[test]
fn every_struct_has_the_same_fields_at_the_same_offsets() {
    let module = &parse(&wgsl::source());
    compare!(module, Vertex { position, u, normal, v, tangent });
    compare!(module, Triangle { corners, more });
    compare!(
        module,
        Instance {
            world_to_local,
            local_to_world,
            lo,
            material,
            hi,
            first_triangle,
            first_light,
            root,
            mirrored,
            stretch,
        }
    );
    compare!(module, Texture { first_texel, width, height, flags });
    compare!(
        module,
        Material {
            base_color,
            emission,
            metallic,
            roughness,
            normal_scale,
            alpha_mode,
            alpha_cutoff,
            base_color_texture,
            metallic_roughness_texture,
            normal_texture,
            emission_texture,
            unlit,
            padding,
        }
    );
    compare!(module, Light {
        kind, instance, triangle, alias as "alias_of", position, probability, direction, threshold,
        intensity, spot_scale, spot_offset, range, padding,
    });
    compare!(module, EnvironmentCell { density, start, row_start, padding });
    compare!(
        module,
        Frame {
            camera_origin,
            width,
            camera_right,
            height,
            camera_up,
            seed,
            camera_forward,
            number,
            inverse_width,
            inverse_height,
            max_bounces,
            light_count,
            environment_texel,
            environment_width,
            environment_height,
            environment_light,
            cells_width,
            cells_height,
            environment_strength,
            background,
            rotation_cos,
            rotation_sin,
            scale_log2,
            instance_count,
            padding,
            parallel,
            srgb,
            albedo,
            albedo_average,
        }
    );
    compare!(
        module,
        Slice { x, y, width, height, row_start, row_end, sample_start, sample_end, padding, root }
    );
    compare!(
        module,
        Node {
            left_lo,
            left_first,
            left_hi,
            left_count,
            right_lo,
            right_first,
            right_hi,
            right_count,
        }
    );
    compare!(module, LeafTriangle { a, triangle, b, padding_b, c, padding_c });
    compare!(module, Sum { words });
}

#[test]
fn a_moved_field_is_noticed() {
    let moved = wgsl::source().replacen(
        "    density: f32,\n    start: u32,",
        "    start: u32,\n    density: f32,",
        1,
    );
    let fields = [("density", 0), ("start", 4), ("row_start", 8), ("padding", 12)];
    assert_eq!(difference(&parse(&wgsl::source()), "EnvironmentCell", &fields, 16), None);
    assert!(difference(&parse(&moved), "EnvironmentCell", &fields, 16).is_some());
}
