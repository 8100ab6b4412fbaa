//! The kernel for GPUs: its WGSL, put together.
//!
//! Workgroups are [`WORKGROUP`] wide and high; bindings are numbered as in `wgsl/layout.wgsl`.

/// Invocations of a workgroup along each axis.
pub const WORKGROUP: u32 = 8;

/// The entry point.
pub const ENTRY_POINT: &str = "render";

/// The files, in the order in which one may use another's names.
pub const FILES: [(&str, &str); 12] = [
    ("layout.wgsl", include_str!("../wgsl/layout.wgsl")),
    ("math.wgsl", include_str!("../wgsl/math.wgsl")),
    ("sampler.wgsl", include_str!("../wgsl/sampler.wgsl")),
    ("texture.wgsl", include_str!("../wgsl/texture.wgsl")),
    ("intersect.wgsl", include_str!("../wgsl/intersect.wgsl")),
    ("camera.wgsl", include_str!("../wgsl/camera.wgsl")),
    ("surface.wgsl", include_str!("../wgsl/surface.wgsl")),
    ("bsdf.wgsl", include_str!("../wgsl/bsdf.wgsl")),
    ("environment.wgsl", include_str!("../wgsl/environment.wgsl")),
    ("light.wgsl", include_str!("../wgsl/light.wgsl")),
    ("film.wgsl", include_str!("../wgsl/film.wgsl")),
    ("path.wgsl", include_str!("../wgsl/path.wgsl")),
];

/// The whole kernel.
pub fn source() -> String {
    FILES.map(|(_, text)| text).join("\n")
}
