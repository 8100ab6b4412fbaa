//! glTF 2.0 to the canonical scene that the kernel renders.
//!
//! A `.glb`, a `.gltf` that holds all it needs, or a `.zip` with one of them and its files, perhaps
//! with a Radiance `.hdr` or an OpenEXR around it, becomes the buffers of
//! [`tessera_shaders::layout`]: decoded texels, vertices, tangents, matrices, light tables and a
//! camera. It renders nothing, builds no tree of boxes, and fetches nothing that a file refers to.
//!
//! # Contract
//! [`Asset::frame`] is a pure function of the files, the [`View`], the frame's number and the
//! time: the same bits on every machine. Sums are in a stated order, in f64 where that helps;
//! maths beyond what IEEE 754 rounds correctly is `libm`'s; decoders are scalar; no hash map is
//! walked and no threads are used. [`KERNEL_ID`] covers all of it.
//!
//! - **Units.** The world is scaled by 2^k so that the coordinate furthest from 0, of any
//!   instance's box, a camera ray's start or a lamp, lies in [1, 2). Intensities of point and spot lights
//!   are scaled by 2^2k, ranges by 2^k; radiance and irradiance stay. Each mesh is scaled by a
//!   power of two of its own, which its instances' matrices undo. So a scene scaled by a power of
//!   two gives the same buffers, except for `scale_log2`.
//! - **Numbers** are finite, never -0, and 0 if below 2^-100. What isn't is refused by name.
//! - **A mesh** is one glTF primitive, with vertices in the order of the file and those left out
//!   that nothing uses. Without normals it is flat: each triangle has its own corners. Tangents
//!   are the file's, or MikkTSpace's, and there only where a normal map asks for them. What more
//!   its corners have lies in records behind its vertices, one for each of them.
//! - **A mesh that changes shape** is what its primitive would be with its vertices written where
//!   morph targets, then joints, have moved them. Each node that shows it has one of its own, after
//!   those that keep their shape; where joints move it, it stands in the world. Frames of a scene in
//!   which nothing changes shape share vertices, triangles and meshes: the same [`std::sync::Arc`]s,
//!   by which whoever keeps something over them knows that it still holds.
//! - **Order** of instances, cameras and lamps: depth first through the scene, children as they
//!   are listed, copies of EXT_mesh_gpu_instancing as they are listed, primitives as they are listed.
//! - **Lights**: the triangles of emissive instances, then lamps, then the environment, then
//!   lights that are never chosen, up to a power of two. Each is chosen about as often as its
//!   power asks; `probability` is what the quantised table yields, exactly rounded.
//! - **Instances** that are scaled to nothing, or whose matrices leave 2^40, are left out.
//!
//! # What a file means
//! As the glTF 2.0 specification says, and:
//! - All surfaces have two sides, whatever `doubleSided` says, and emit from both. A rasteriser
//!   leaves out back faces that it expects nobody to see; a path tracer's light comes from there,
//!   and a room whose walls were single-sided would have none to an observer outside.
//! - Alpha is factor × texture × vertex. An opaque surface ignores it; a masked one is there where
//!   alpha is at least the cutoff; a blended one with the probability alpha, for each ray and
//!   triangle by itself, so that veils cover each other in any order. Light passes where it is not,
//!   unbent and without a bounce.
//! - Occlusion textures are ignored: a path tracer finds out by itself.
//! - COLOR_0 multiplies base colour and alpha of whatever material; emission it leaves alone.
//! - Whoever looks at an unlit surface (KHR_materials_unlit) sees its base colour: the camera, a
//!   mirror, and what a matt surface gathers, so it brightens what is around it. It reflects
//!   nothing, throws shadows, and is no light that is sampled: it is found by chance.
//! - A texture is read at the set of coordinates that it names, scaled, then turned, then moved by
//!   KHR_texture_transform; anticlockwise where u points right and v down, as other programs do
//!   and not as that extension's sample code would. Tangents of the file are taken as they are,
//!   those that are made here follow the normal map's own coordinates.
//! - 1 candela is 1 W/sr and 1 lux 1 W/m². Emitted radiance is factor × strength × texture.
//! - A camera's aspect is the image's, and its height the file's: `yfov` or `ymag`. Near and far
//!   planes don't clip, but nothing behind an orthographic camera is seen; nor does its node's
//!   scale matter. Unless another is asked for by its number, the first one is used. Without any,
//!   one looks from 30° to the right of the front (+Z) and 20° above, with 40° of vertical field,
//!   at the whole scene as it stands at 0 s.
//! - All animations play together from 0 s, except those that move what an earlier one moves. Keys
//!   move translation, rotation, scale and the weights of morph targets; these move positions,
//!   normals and tangents, not colours or texture coordinates.
//! - A vertex follows at most eight joints, by weights that are divided by their sum; one whose
//!   weights are all 0 follows its first joint.
//! - Points and lines are left out. Textures of EXT_texture_webp are taken before their fallback.
//! - An environment is seen from inside: u = atan2(z, x) / 2π + ½, v = acos(y) / π from the top.
//!   A rotation by +θ turns it about +Y, counter-clockwise seen from above. Of an OpenEXR, R, G and
//!   B count, each texel as the nearest RGBE; there may be scan lines or tiles, in half or float.
//! - In a `.zip` the scene is the only .gltf or .glb; files are named below its folder.
//! - What else changes the picture is in the [`Report`], each with its place in the file; what
//!   `extensionsRequired` names and is not supported is refused.
//!
//! # Reading order
//! `asset` (a file, read once) over `package` with `archive`, `names` and `glb`, then `json`,
//! `document`, `extensions`, `accessor`; its parts `graph`, `animation`, `camera`, `material` with
//! `picture`, `placement` over `mesh` with `coordinates` and `tangent` and `deform` with `skin`,
//! `environment` with `radiance`, `openexr` and `cumulative`; then `frame` with `light` and `alias`;
//! and `validate`, the last gate before a GPU. `pack` makes one file of several.
#![forbid(unsafe_code)]

mod accessor;
mod alias;
mod animation;
mod archive;
mod asset;
mod camera;
mod coordinates;
mod cumulative;
mod deform;
mod document;
mod environment;
mod error;
mod extensions;
mod frame;
mod glb;
mod graph;
mod json;
mod light;
mod limits;
mod material;
mod math;
mod mesh;
mod names;
mod openexr;
mod pack;
mod package;
mod picture;
mod placement;
mod radiance;
mod skin;
mod tangent;
mod validate;

pub use asset::Asset;
pub use camera::{CameraInfo, Projection};
pub use error::{Note, Report, SceneError};
pub use frame::View;
pub use limits::Limits;
pub use pack::{files_of_gltf, pack};
pub use validate::{Invalid, validate};

/// blake3 over the kernel: the names and contents of the sources of this crate and of
/// `tessera-shaders`, and the locked versions of the decoders. A job pins it: renderers with
/// another id may make other pixels.
pub const KERNEL_ID: [u8; 32] = include!(concat!(env!("OUT_DIR"), "/kernel_id.rs"));
