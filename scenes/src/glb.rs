//! A model as the bytes of a `.glb`.
//!
//! The JSON is written from structs, field by field in their order: no map, no formatter's choice
//! and no feature of another crate can change a byte.

mod document;

use crate::model::{
    Alpha, Attachment, Channel, Keys, LampKind, Material, Model, Node, Part, Placement, Reading,
    Texture, TextureId, Wrap,
};
use document as json;
use std::collections::{BTreeMap, BTreeSet};

const FLOAT: u32 = 5126;
const UNSIGNED_BYTE: u32 = 5121;
const UNSIGNED_SHORT: u32 = 5123;
const UNSIGNED_INT: u32 = 5125;

impl Model {
    /// The file. The same model gives the same bytes, on any machine.
    pub fn to_glb(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        for texture in &self.textures {
            writer.texture(texture);
        }
        writer.root.materials =
            self.materials.iter().map(|described| material(described, &self.textures)).collect();
        for parts in &self.meshes {
            let primitives = parts.iter().map(|part| writer.primitive(part)).collect();
            writer.root.meshes.push(json::Mesh { primitives });
        }
        for node in &self.nodes {
            writer.node(node);
        }
        if !self.channels.is_empty() {
            let mut animation = json::Animation::default();
            for channel in &self.channels {
                writer.channel(&mut animation, channel);
            }
            writer.root.animations.push(animation);
        }
        writer.finish(self)
    }
}

#[derive(Default)]
struct Writer {
    root: json::Root,
    binary: Vec<u8>,
    lamps: Vec<json::Lamp>,
    /// Times that several channels share are stored once.
    times: BTreeMap<Vec<u8>, usize>,
}

impl Writer {
    fn view(&mut self, bytes: &[u8]) -> usize {
        self.binary.resize(self.binary.len().next_multiple_of(4), 0);
        let view = json::BufferView {
            buffer: 0,
            byte_offset: self.binary.len(),
            byte_length: bytes.len(),
        };
        self.binary.extend_from_slice(bytes);
        self.root.buffer_views.push(view);
        self.root.buffer_views.len() - 1
    }

    fn accessor(&mut self, accessor: json::Accessor) -> usize {
        self.root.accessors.push(accessor);
        self.root.accessors.len() - 1
    }

    fn floats<const N: usize>(&mut self, values: &[[f32; N]], bounds: bool) -> usize {
        let bytes: Vec<u8> = values.iter().flatten().flat_map(|x| x.to_le_bytes()).collect();
        let bound = |better: fn(f32, f32) -> f32| {
            let first = values.first().copied().unwrap_or([0.0; N]);
            let all = values
                .iter()
                .fold(first, |best, value| std::array::from_fn(|i| better(best[i], value[i])));
            bounds.then(|| wide(all).to_vec())
        };
        let accessor = json::Accessor {
            buffer_view: self.view(&bytes),
            component_type: FLOAT,
            count: values.len(),
            kind: ["SCALAR", "VEC2", "VEC3", "VEC4"][N - 1],
            min: bound(f32::min),
            max: bound(f32::max),
        };
        self.accessor(accessor)
    }

    /// The narrowest integers that hold the indices, as exporters do.
    fn indices(&mut self, indices: &[u32]) -> usize {
        let largest = indices.iter().copied().max().unwrap_or(0);
        let (component_type, width) = match largest {
            0..255 => (UNSIGNED_BYTE, 1),
            255..65_535 => (UNSIGNED_SHORT, 2),
            _ => (UNSIGNED_INT, 4),
        };
        let bytes: Vec<u8> =
            indices.iter().flat_map(|i| i.to_le_bytes().into_iter().take(width)).collect();
        let accessor = json::Accessor {
            buffer_view: self.view(&bytes),
            component_type,
            count: indices.len(),
            kind: "SCALAR",
            min: None,
            max: None,
        };
        self.accessor(accessor)
    }

    fn primitive(&mut self, part: &Part) -> json::Primitive {
        let attributes = json::Attributes {
            position: self.floats(&part.positions, true),
            normal: (!part.normals.is_empty()).then(|| self.floats(&part.normals, false)),
            tangent: (!part.tangents.is_empty()).then(|| self.floats(&part.tangents, false)),
            texcoord_0: (!part.uvs.is_empty()).then(|| self.floats(&part.uvs, false)),
            texcoord_1: (!part.second_uvs.is_empty()).then(|| self.floats(&part.second_uvs, false)),
            color_0: (!part.colours.is_empty()).then(|| self.floats(&part.colours, false)),
        };
        let indices = (!part.indices.is_empty()).then(|| self.indices(&part.indices));
        json::Primitive { attributes, indices, material: part.material.map(|id| id.0) }
    }

    fn texture(&mut self, texture: &Texture) {
        let mime_type = match texture.file {
            crate::model::PictureFile::Png => "image/png",
            crate::model::PictureFile::Jpeg => "image/jpeg",
        };
        let buffer_view = self.view(&texture.picture.encode(texture.file));
        self.root.images.push(json::Image { buffer_view, mime_type });
        self.root
            .samplers
            .push(json::Sampler { wrap_s: wrap(texture.wrap_u), wrap_t: wrap(texture.wrap_v) });
        let index = self.root.images.len() - 1;
        self.root.textures.push(json::Texture { sampler: index, source: index });
    }

    fn node(&mut self, node: &Node) {
        let mut written = json::Node {
            children: node.children.iter().map(|id| id.0).collect(),
            ..json::Node::default()
        };
        match node.placement {
            Placement::Parts { translation, rotation, scale } => {
                written.translation = Some(wide(translation));
                written.rotation = Some(wide(rotation));
                written.scale = Some(wide(scale));
            }
            Placement::Matrix(matrix) => written.matrix = Some(wide(matrix)),
        }
        match &node.attachment {
            Attachment::Nothing => {}
            Attachment::Mesh(mesh) => written.mesh = Some(mesh.0),
            Attachment::Camera { yfov_deg } => {
                let perspective =
                    json::Perspective { yfov: yfov_deg.to_radians().into(), znear: 0.01 };
                written.camera = Some(self.camera(json::Camera {
                    kind: "perspective",
                    perspective: Some(perspective),
                    orthographic: None,
                }));
            }
            Attachment::Orthographic { ymag } => {
                let mag = f64::from(*ymag);
                let orthographic =
                    json::Orthographic { xmag: mag, ymag: mag, zfar: 100.0, znear: 0.0 };
                written.camera = Some(self.camera(json::Camera {
                    kind: "orthographic",
                    perspective: None,
                    orthographic: Some(orthographic),
                }));
            }
            Attachment::Lamp(lamp) => {
                self.lamps.push(json_lamp(lamp));
                written.extensions = Some(json::NodeExtensions {
                    punctual: json::LampReference { light: self.lamps.len() - 1 },
                });
            }
        }
        self.root.nodes.push(written);
    }

    fn camera(&mut self, camera: json::Camera) -> usize {
        self.root.cameras.push(camera);
        self.root.cameras.len() - 1
    }

    fn channel(&mut self, animation: &mut json::Animation, channel: &Channel) {
        let times: Vec<[f32; 1]> = channel.times.iter().map(|&t| [t]).collect();
        let key: Vec<u8> = times.iter().flatten().flat_map(|t| t.to_le_bytes()).collect();
        let input = match self.times.get(&key) {
            Some(&accessor) => accessor,
            None => {
                let accessor = self.floats(&times, true);
                self.times.insert(key, accessor);
                accessor
            }
        };
        let (path, output) = match &channel.keys {
            Keys::Translation(values) => ("translation", self.floats(values, false)),
            Keys::Rotation(values) => ("rotation", self.floats(values, false)),
            Keys::Scale(values) => ("scale", self.floats(values, false)),
        };
        let interpolation = if channel.steps { "STEP" } else { "LINEAR" };
        animation.samplers.push(json::AnimationSampler { input, output, interpolation });
        animation.channels.push(json::AnimationChannel {
            sampler: animation.samplers.len() - 1,
            target: json::AnimationTarget { node: channel.node.0, path },
        });
    }

    fn finish(mut self, model: &Model) -> Vec<u8> {
        let children: BTreeSet<usize> =
            model.nodes.iter().flat_map(|node| &node.children).map(|id| id.0).collect();
        let roots = (0..model.nodes.len()).filter(|id| !children.contains(id)).collect();
        self.root.scenes = vec![json::Scene { nodes: roots }];
        if !self.binary.is_empty() {
            self.root.buffers = vec![json::Buffer { byte_length: self.binary.len() }];
        }
        let extended = || self.root.materials.iter().filter_map(|m| m.extensions.as_ref());
        let named = [
            ("KHR_materials_emissive_strength", extended().any(|e| e.strength.is_some())),
            ("KHR_materials_unlit", extended().any(|e| e.unlit.is_some())),
        ];
        let named = named.into_iter().filter(|(_, is_used)| *is_used).map(|(name, _)| name);
        self.root.extensions_used.extend(named);
        if model.textures.iter().any(|texture| transform(&texture.reading).is_some()) {
            self.root.extensions_used.push("KHR_texture_transform");
        }
        if !self.lamps.is_empty() {
            self.root.extensions_used.push("KHR_lights_punctual");
            self.root.extensions =
                Some(json::RootExtensions { punctual: json::Lamps { lights: self.lamps } });
        }
        let text = serde_json::to_vec(&self.root).expect("structs of numbers and names serialise");
        container(text, self.binary)
    }
}

/// The same numbers: every float is a double.
fn wide<const N: usize>(floats: [f32; N]) -> [f64; N] {
    floats.map(f64::from)
}

fn wrap(wrap: Wrap) -> u32 {
    match wrap {
        Wrap::Repeat => 10_497,
        Wrap::Mirror => 33_648,
        Wrap::Clamp => 33_071,
    }
}

/// What the file says of a texture's coordinates beyond their set; `None` if nothing.
fn transform(reading: &Reading) -> Option<json::TextureExtensions> {
    let Reading { scale, turn_deg, offset, .. } = *reading;
    let plain = Reading { set: reading.set, ..Reading::PLAIN } == *reading;
    (!plain).then(|| json::TextureExtensions {
        transform: json::TextureTransform {
            offset: wide(offset),
            rotation: f64::from(turn_deg).to_radians(),
            scale: wide(scale),
        },
    })
}

fn material(material: &Material, textures: &[Texture]) -> json::Material {
    let info = |id: TextureId| {
        let reading = &textures[id.0].reading;
        let tex_coord = (reading.set > 0).then_some(reading.set);
        json::TextureInfo { index: id.0, tex_coord, extensions: transform(reading) }
    };
    let texture = |id: Option<TextureId>| id.map(info);
    let (alpha_mode, alpha_cutoff) = match material.alpha {
        Alpha::Opaque => ("OPAQUE", None),
        Alpha::Mask(cutoff) => ("MASK", Some(cutoff.into())),
        Alpha::Blend => ("BLEND", None),
    };
    json::Material {
        pbr: json::MetallicRoughness {
            base_color_factor: wide(material.base),
            base_color_texture: texture(material.base_texture),
            metallic_factor: material.metallic.into(),
            roughness_factor: material.roughness.into(),
            metallic_roughness_texture: texture(material.metallic_roughness_texture),
        },
        normal_texture: material
            .normal_texture
            .map(|id| json::NormalTexture { info: info(id), scale: material.normal_scale.into() }),
        emissive_factor: wide(material.emissive),
        emissive_texture: texture(material.emissive_texture),
        alpha_mode,
        alpha_cutoff,
        double_sided: material.double_sided,
        extensions: material_extensions(material),
    }
}

fn material_extensions(material: &Material) -> Option<json::MaterialExtensions> {
    let extensions = json::MaterialExtensions {
        strength: (material.emissive_strength != 1.0).then_some(json::EmissiveStrength {
            emissive_strength: material.emissive_strength.into(),
        }),
        unlit: material.unlit.then_some(json::Unlit {}),
    };
    (extensions != json::MaterialExtensions::default()).then_some(extensions)
}

fn json_lamp(lamp: &crate::model::Lamp) -> json::Lamp {
    let (kind, spot) = match lamp.kind {
        LampKind::Point => ("point", None),
        LampKind::Directional => ("directional", None),
        LampKind::Spot { inner_deg, outer_deg } => {
            let (inner, outer) = (inner_deg.to_radians(), outer_deg.to_radians());
            (
                "spot",
                Some(json::Spot { inner_cone_angle: inner.into(), outer_cone_angle: outer.into() }),
            )
        }
    };
    json::Lamp { kind, color: wide(lamp.colour), intensity: lamp.intensity.into(), spot }
}

/// The header, the JSON chunk padded with spaces, the binary chunk padded with zeros.
fn container(mut text: Vec<u8>, mut binary: Vec<u8>) -> Vec<u8> {
    text.resize(text.len().next_multiple_of(4), b' ');
    binary.resize(binary.len().next_multiple_of(4), 0);
    let binary_chunk = if binary.is_empty() { 0 } else { 8 + binary.len() };
    let total = 12 + 8 + text.len() + binary_chunk;
    let word =
        |n: usize| u32::try_from(n).expect("a scene made by code is far below 4 GiB").to_le_bytes();
    let mut bytes = Vec::with_capacity(total);
    bytes.extend(b"glTF");
    bytes.extend(word(2));
    bytes.extend(word(total));
    bytes.extend(word(text.len()));
    bytes.extend(b"JSON");
    bytes.append(&mut text);
    if !binary.is_empty() {
        bytes.extend(word(binary.len()));
        bytes.extend(b"BIN\0");
        bytes.append(&mut binary);
    }
    bytes
}
