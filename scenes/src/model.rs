//! What a scene consists of, in glTF's own terms: plain lists that refer to each other by index.
//!
//! A [`Model`] is data. [`crate::glb`] writes it; [`Model::scaled`] makes it larger or smaller.

use crate::maths::{NO_TURN, Quat, Vec3};
use crate::picture::Picture;

/// Index of a material in its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaterialId(pub(crate) usize);
/// Index of a texture in its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextureId(pub(crate) usize);
/// Index of a mesh in its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeshId(pub(crate) usize);
/// Index of a node in its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeId(pub(crate) usize);

/// A whole scene.
#[derive(Debug, Clone, Default)]
pub struct Model {
    pub(crate) textures: Vec<Texture>,
    pub(crate) materials: Vec<Material>,
    pub(crate) meshes: Vec<Vec<Part>>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) channels: Vec<Channel>,
}

/// A picture, where it is read, and how it continues outside of 0..1.
#[derive(Debug, Clone)]
pub struct Texture {
    /// The texels.
    pub picture: Picture,
    /// How the file stores them.
    pub file: PictureFile,
    /// Beyond the left and right edge.
    pub wrap_u: Wrap,
    /// Beyond the top and bottom edge.
    pub wrap_v: Wrap,
    /// At which coordinates it is read.
    pub reading: Reading,
}

/// Which of a part's coordinates a texture is read at, and how they are scaled, turned and moved
/// before (KHR_texture_transform).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// 0 for [`Part::uvs`], 1 for [`Part::second_uvs`].
    pub set: usize,
    /// The scale.
    pub scale: [f32; 2],
    /// The turn in degrees, anticlockwise where u points right and v down.
    pub turn_deg: f32,
    /// The move.
    pub offset: [f32; 2],
}

impl Reading {
    /// The first coordinates as they are.
    pub const PLAIN: Self = Self { set: 0, scale: [1.0; 2], turn_deg: 0.0, offset: [0.0; 2] };
}

/// A picture's format inside the `.glb`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureFile {
    /// Lossless.
    Png,
    /// Baseline JPEG at high quality; alpha is lost.
    Jpeg,
}

/// What a texture shows outside of 0..1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrap {
    /// The picture again.
    Repeat,
    /// The picture again, every other one mirrored.
    Mirror,
    /// Its edge.
    Clamp,
}

/// A metallic-roughness material; the defaults are glTF's, except that it is no metal.
#[derive(Debug, Clone)]
pub struct Material {
    /// Linear base colour and alpha.
    pub base: [f32; 4],
    /// sRGB texture that multiplies `base`.
    pub base_texture: Option<TextureId>,
    /// 0 dielectric, 1 metal.
    pub metallic: f32,
    /// Perceptual roughness.
    pub roughness: f32,
    /// Linear texture: green multiplies `roughness`, blue `metallic`.
    pub metallic_roughness_texture: Option<TextureId>,
    /// Tangent-space normals.
    pub normal_texture: Option<TextureId>,
    /// Multiplies x and y of the texture's normals.
    pub normal_scale: f32,
    /// Linear emission, each at most 1.
    pub emissive: [f32; 3],
    /// Multiplies `emissive`: radiance in W/(sr m²).
    pub emissive_strength: f32,
    /// sRGB texture that multiplies the emission.
    pub emissive_texture: Option<TextureId>,
    /// What alpha does.
    pub alpha: Alpha,
    /// Whether back faces are part of the surface.
    pub double_sided: bool,
    /// Whether it shows its base colour, whatever light falls on it (KHR_materials_unlit).
    pub unlit: bool,
}

/// What alpha does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Alpha {
    /// Nothing.
    Opaque,
    /// Below the cutoff the surface is not there.
    Mask(f32),
    /// The share of light that the surface catches.
    Blend,
}

impl Default for Material {
    fn default() -> Self {
        Self {
            base: [1.0; 4],
            base_texture: None,
            metallic: 0.0,
            roughness: 1.0,
            metallic_roughness_texture: None,
            normal_texture: None,
            normal_scale: 1.0,
            emissive: [0.0; 3],
            emissive_strength: 1.0,
            emissive_texture: None,
            alpha: Alpha::Opaque,
            double_sided: false,
            unlit: false,
        }
    }
}

impl Material {
    /// A rough dielectric of this linear colour.
    pub fn matt(colour: [f32; 3]) -> Self {
        let [r, g, b] = colour;
        Self { base: [r, g, b, 1.0], ..Self::default() }
    }

    /// A metal of this linear colour at normal incidence.
    pub fn metal(colour: [f32; 3], roughness: f32) -> Self {
        Self { metallic: 1.0, roughness, ..Self::matt(colour) }
    }

    /// A surface that shows this linear colour in any light.
    pub fn unlit(colour: [f32; 3]) -> Self {
        Self { unlit: true, ..Self::matt(colour) }
    }

    /// A lamp of this radiance, as black as glTF allows: a metal of base colour 0 has no coat and
    /// reflects at grazing angles only. The largest component becomes the strength.
    pub fn lamp(radiance: [f32; 3]) -> Self {
        let strength = radiance.into_iter().fold(0.0, f32::max);
        let emissive = if strength > 0.0 { radiance.map(|x| x / strength) } else { [0.0; 3] };
        Self { emissive, emissive_strength: strength, ..Self::metal([0.0; 3], 1.0) }
    }
}

/// Triangles of one material. Empty lists are left out of the file.
#[derive(Debug, Clone, Default)]
pub struct Part {
    /// Corners.
    pub positions: Vec<Vec3>,
    /// Unit normals, one a corner; without any the triangles are flat.
    pub normals: Vec<Vec3>,
    /// Tangents, with the handedness as the fourth number.
    pub tangents: Vec<[f32; 4]>,
    /// Texture coordinates; v runs downwards.
    pub uvs: Vec<[f32; 2]>,
    /// Other texture coordinates.
    pub second_uvs: Vec<[f32; 2]>,
    /// Linear colours and alphas, which multiply the material's.
    pub colours: Vec<[f32; 4]>,
    /// Three corners a triangle, anticlockwise from the front; without any, each three positions.
    pub indices: Vec<u32>,
    /// `None` is glTF's default material: a rough white metal.
    pub material: Option<MaterialId>,
}

/// Where a node stands in its parent.
#[derive(Debug, Clone)]
pub enum Placement {
    /// Scaled, then turned, then moved.
    Parts {
        /// The move.
        translation: Vec3,
        /// The turn.
        rotation: Quat,
        /// The scale along each axis.
        scale: Vec3,
    },
    /// Any affine map, column by column.
    Matrix([f32; 16]),
}

/// What hangs on a node.
#[derive(Debug, Clone)]
pub enum Attachment {
    /// Nothing: a group.
    Nothing,
    /// An instance of a mesh.
    Mesh(MeshId),
    /// A perspective camera.
    Camera {
        /// Vertical field of view in degrees.
        yfov_deg: f32,
    },
    /// A camera whose rays are parallel.
    Orthographic {
        /// Half of the height that it shows.
        ymag: f32,
    },
    /// A punctual light.
    Lamp(Lamp),
}

/// A light without extent (KHR_lights_punctual); it shines along −Z where it has a direction.
#[derive(Debug, Clone, Copy)]
pub struct Lamp {
    /// Its kind.
    pub kind: LampKind,
    /// Linear colour.
    pub colour: [f32; 3],
    /// W/sr for points and spots, W/m² for directional light.
    pub intensity: f32,
}

/// The three kinds of punctual light.
#[derive(Debug, Clone, Copy)]
pub enum LampKind {
    /// In all directions.
    Point,
    /// In a cone.
    Spot {
        /// Half the angle of full strength, in degrees.
        inner_deg: f32,
        /// Half the angle beyond which it is dark, in degrees.
        outer_deg: f32,
    },
    /// From infinitely far away.
    Directional,
}

/// A node: a place and what is there.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its place in its parent.
    pub placement: Placement,
    /// What is there.
    pub attachment: Attachment,
    /// Nodes placed in this one.
    pub children: Vec<NodeId>,
}

impl Node {
    /// A node at the origin.
    pub fn new(attachment: Attachment) -> Self {
        let placement =
            Placement::Parts { translation: [0.0; 3], rotation: NO_TURN, scale: [1.0; 3] };
        Self { placement, attachment, children: Vec::new() }
    }

    /// An instance of `mesh`.
    pub fn mesh(mesh: MeshId) -> Self {
        Self::new(Attachment::Mesh(mesh))
    }

    /// A group of nodes that are in the model already.
    pub fn group(children: Vec<NodeId>) -> Self {
        Self { children, ..Self::new(Attachment::Nothing) }
    }

    /// The same, elsewhere.
    #[must_use]
    pub fn at(mut self, to: Vec3) -> Self {
        if let Placement::Parts { translation, .. } = &mut self.placement {
            *translation = to;
        }
        self
    }

    /// The same, turned.
    #[must_use]
    pub fn turned(mut self, by: Quat) -> Self {
        if let Placement::Parts { rotation, .. } = &mut self.placement {
            *rotation = by;
        }
        self
    }

    /// The same, larger or smaller along each axis.
    #[must_use]
    pub fn stretched(mut self, by: Vec3) -> Self {
        if let Placement::Parts { scale, .. } = &mut self.placement {
            *scale = by;
        }
        self
    }

    /// The same, placed by a matrix instead.
    #[must_use]
    pub fn placed(self, matrix: [f32; 16]) -> Self {
        Self { placement: Placement::Matrix(matrix), ..self }
    }
}

/// One animated property of one node.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Whose.
    pub node: NodeId,
    /// Seconds, growing.
    pub times: Vec<f32>,
    /// What it is at those times.
    pub keys: Keys,
    /// Jumps at each key instead of moving between them.
    pub steps: bool,
}

/// The values at a channel's times.
#[derive(Debug, Clone)]
pub enum Keys {
    /// Places.
    Translation(Vec<Vec3>),
    /// Turns.
    Rotation(Vec<Quat>),
    /// Sizes.
    Scale(Vec<Vec3>),
}

impl Model {
    /// An empty model.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a texture.
    pub fn texture(&mut self, texture: Texture) -> TextureId {
        self.textures.push(texture);
        TextureId(self.textures.len() - 1)
    }

    /// Adds a lossless, repeating texture.
    pub fn picture(&mut self, picture: Picture) -> TextureId {
        self.picture_read(picture, Reading::PLAIN)
    }

    /// Adds a lossless, repeating texture, read at coordinates of its own.
    pub fn picture_read(&mut self, picture: Picture, reading: Reading) -> TextureId {
        let (wrap_u, wrap_v) = (Wrap::Repeat, Wrap::Repeat);
        self.texture(Texture { picture, file: PictureFile::Png, wrap_u, wrap_v, reading })
    }

    /// Adds a material.
    pub fn material(&mut self, material: Material) -> MaterialId {
        self.materials.push(material);
        MaterialId(self.materials.len() - 1)
    }

    /// Adds a mesh of several materials.
    pub fn mesh(&mut self, parts: Vec<Part>) -> MeshId {
        self.meshes.push(parts);
        MeshId(self.meshes.len() - 1)
    }

    /// Adds a mesh of one material.
    pub fn shape(&mut self, part: Part, material: MaterialId) -> MeshId {
        self.mesh(vec![Part { material: Some(material), ..part }])
    }

    /// Adds a node. Nodes that are nobody's children stand in the scene itself.
    pub fn node(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() - 1)
    }

    /// Adds a shape as its own mesh, material and node: for things that exist once.
    pub fn thing(&mut self, part: Part, material: Material) -> NodeId {
        let material = self.material(material);
        let mesh = self.shape(part, material);
        self.node(Node::mesh(mesh))
    }

    /// Adds a camera at `from`, looking at `to`.
    pub fn camera(&mut self, from: Vec3, to: Vec3, yfov_deg: f32) -> NodeId {
        let camera = Node::new(Attachment::Camera { yfov_deg });
        self.node(camera.at(from).turned(crate::maths::look_at(from, to)))
    }

    /// Adds a camera of parallel rays at `from`, looking at `to`, that shows `ymag` of the world
    /// above that and as much below.
    pub fn orthographic(&mut self, from: Vec3, to: Vec3, ymag: f32) -> NodeId {
        let camera = Node::new(Attachment::Orthographic { ymag });
        self.node(camera.at(from).turned(crate::maths::look_at(from, to)))
    }

    /// Adds a lamp at `from`, shining at `to`.
    pub fn lamp(&mut self, lamp: Lamp, from: Vec3, to: Vec3) -> NodeId {
        let node = Node::new(Attachment::Lamp(lamp));
        self.node(node.at(from).turned(crate::maths::look_at(from, to)))
    }

    /// Adds a white lamp that shines everywhere.
    pub fn point_lamp(&mut self, at: Vec3, intensity: f32) -> NodeId {
        let lamp = Lamp { kind: LampKind::Point, colour: [1.0; 3], intensity };
        self.node(Node::new(Attachment::Lamp(lamp)).at(at))
    }

    /// Animates a node.
    pub fn animate(&mut self, channel: Channel) {
        self.channels.push(channel);
    }

    /// The node itself, to change it after it was added.
    pub fn node_mut(&mut self, node: NodeId) -> &mut Node {
        &mut self.nodes[node.0]
    }

    /// The same picture from a world `factor` times as large: vertices, places and the intensities
    /// of lamps at a distance, which must grow by the square. Directional and emitted light stay.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        let length = |x: f32| (f64::from(x) * factor) as f32;
        for part in self.meshes.iter_mut().flatten() {
            for position in &mut part.positions {
                *position = position.map(length);
            }
        }
        for node in &mut self.nodes {
            match &mut node.placement {
                Placement::Parts { translation, .. } => *translation = translation.map(length),
                Placement::Matrix(matrix) => {
                    matrix[12..15].iter_mut().for_each(|x| *x = length(*x));
                }
            }
            match &mut node.attachment {
                Attachment::Lamp(Lamp { kind, intensity, .. })
                    if !matches!(kind, LampKind::Directional) =>
                {
                    *intensity = (f64::from(*intensity) * factor * factor) as f32;
                }
                Attachment::Orthographic { ymag } => *ymag = length(*ymag),
                _ => {}
            }
        }
        for channel in &mut self.channels {
            if let Keys::Translation(places) = &mut channel.keys {
                places.iter_mut().for_each(|place| *place = place.map(length));
            }
        }
        self
    }
}
