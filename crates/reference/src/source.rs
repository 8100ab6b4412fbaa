//! From files to frames that a backend can render.

use std::sync::Arc;
use tessera_protocol::settings::RenderSettings;
use tessera_protocol::{FrameNumber, KernelId, SceneHash};
use tessera_scene::{Asset, Limits, Report, SceneError, View};
use tessera_shaders::bvh::{Accel, MeshTrees, Shape};
use tessera_shaders::layout::{CanonicalScene, Material, Mesh, Triangle, Vertex};

/// What this build of the program computes a pixel with.
pub fn kernel_id() -> KernelId {
    KernelId(tessera_scene::KERNEL_ID)
}

/// Why there is no frame.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The scene or its environment cannot be rendered.
    #[error(transparent)]
    Scene(#[from] SceneError),
    /// What is asked for cannot be.
    #[error("{0}")]
    Request(String),
}

/// A scene's files, read once; its frames are cheap, unless meshes change their shape.
#[derive(Debug)]
pub struct Source {
    asset: Asset,
    shape: Shape,
    trees: Option<Trees>,
}

/// The trees over meshes, which stay as long as the meshes do.
#[derive(Debug)]
struct Trees {
    trees: MeshTrees,
    meshes: Arc<Vec<Mesh>>,
    triangles: Arc<Vec<Triangle>>,
    vertices: Arc<Vec<Vertex>>,
}

impl Trees {
    fn build(scene: &CanonicalScene, shape: Shape) -> Self {
        Self {
            trees: MeshTrees::build(&scene.meshes, &scene.triangles, &scene.vertices, shape),
            meshes: Arc::clone(&scene.meshes),
            triangles: Arc::clone(&scene.triangles),
            vertices: Arc::clone(&scene.vertices),
        }
    }

    /// Whether they are over these meshes: the same, not merely equal ones.
    fn fit(&self, scene: &CanonicalScene) -> bool {
        Arc::ptr_eq(&self.meshes, &scene.meshes)
            && Arc::ptr_eq(&self.triangles, &scene.triangles)
            && Arc::ptr_eq(&self.vertices, &scene.vertices)
    }
}

/// One frame: the canonical scene and the trees over it.
#[derive(Debug)]
pub struct PreparedFrame {
    /// What is rendered.
    pub scene: CanonicalScene,
    /// Where its triangles are.
    pub accel: Accel,
    /// Its hash.
    pub hash: SceneHash,
}

/// What is said of a scene without [light](PreparedFrame::has_light).
pub const NO_LIGHT: &str = "nothing in the scene shines, so its pictures will be black: it has no lamp, no material that \
     glows and no environment around it";

impl PreparedFrame {
    /// Whether anything in it may be seen. Light may still fall beside all that the camera sees.
    pub fn has_light(&self) -> bool {
        let shows = |material: &Material| material.unlit == 1 || material.emission != [0.0; 3];
        self.scene.frame.light_count > 0 || self.scene.materials.iter().any(shows)
    }
}

impl Source {
    /// Reads a `.glb` and the `.hdr` beside it, under the default limits.
    pub fn load(glb: &[u8], environment: Option<&[u8]>) -> Result<Self, SourceError> {
        Self::load_with(glb, environment, Shape::default())
    }

    /// The same with trees of another shape, which changes no pixel.
    pub fn load_with(
        glb: &[u8],
        environment: Option<&[u8]>,
        shape: Shape,
    ) -> Result<Self, SourceError> {
        let asset = Asset::load(glb, environment, &Limits::default())?;
        Ok(Self { asset, shape, trees: None })
    }

    /// What the scene holds that the picture will not show.
    pub fn report(&self) -> &Report {
        self.asset.report()
    }

    /// Prepares the frame `number`, which shows the time `time_s`.
    pub fn frame(
        &mut self,
        settings: &RenderSettings,
        number: FrameNumber,
        time_s: f64,
    ) -> Result<PreparedFrame, SourceError> {
        settings.validate().map_err(|error| SourceError::Request(error.to_string()))?;
        let scene = self.asset.frame(&View::from(settings), number.0, time_s)?;
        // Old ones go before new ones are built: both together need not fit into the memory.
        self.trees = self.trees.take().filter(|trees| trees.fit(&scene));
        let trees = self.trees.get_or_insert_with(|| Trees::build(&scene, self.shape));
        let accel = Accel::build(&scene, &trees.trees, self.shape);
        let hash = SceneHash(scene.hash());
        Ok(PreparedFrame { scene, accel, hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A triangle whose morph target pulls it up, by a weight that goes from 0 to 1 in a second.
    fn pulled() -> Vec<u8> {
        let floats: [f32; 22] = [
            0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, // positions
            0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, // what the target adds
            0.0, 1.0, 0.0, 1.0, // times and weights
        ];
        let accessor = |offset: usize, count: usize, shape: &str| {
            serde_json::json!({
                "bufferView": 0, "byteOffset": 4 * offset, "componentType": 5126, "count": count,
                "type": shape,
            })
        };
        let bin: Vec<u8> = floats.iter().flat_map(|x| x.to_le_bytes()).collect();
        let json = serde_json::json!({
            "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0}],
            "meshes": [{"primitives": [{
                "attributes": {"POSITION": 0}, "targets": [{"POSITION": 1}],
            }]}],
            "accessors": [
                accessor(0, 3, "VEC3"), accessor(9, 3, "VEC3"),
                accessor(18, 2, "SCALAR"), accessor(20, 2, "SCALAR"),
            ],
            "bufferViews": [{"buffer": 0, "byteLength": bin.len()}],
            "buffers": [{"byteLength": bin.len()}],
            "animations": [{
                "channels": [{"sampler": 0, "target": {"node": 0, "path": "weights"}}],
                "samplers": [{"input": 2, "output": 3}],
            }],
        });
        let mut json = json.to_string().into_bytes();
        json.resize(json.len().next_multiple_of(4), b' ');
        let word = |x: usize| (x as u32).to_le_bytes();
        let mut file = [b"glTF".as_slice(), &word(2), &word(28 + json.len() + bin.len())].concat();
        file.extend([&word(json.len()), b"JSON".as_slice(), &json].concat());
        file.extend([&word(bin.len()), b"BIN\0".as_slice(), &bin].concat());
        file
    }

    #[test]
    fn a_scene_is_dark_until_something_shines() {
        let settings = RenderSettings { width: 8, height: 8, ..Default::default() };
        let frame = |file: &[u8], environment: Option<&[u8]>| {
            let mut source = Source::load(file, environment).unwrap();
            source.frame(&settings, FrameNumber(0), 0.0).unwrap()
        };
        assert!(!frame(&pulled(), None).has_light());
        let scenes = tessera_scenes::conformance();
        let sky = scenes.iter().find_map(|scene| scene.environment.as_deref());
        assert!(frame(&pulled(), sky).has_light());
        assert!(frame(&scenes[0].glb, None).has_light(), "it has lamps");
        let shows = |change: fn(&mut Material)| {
            let mut frame = frame(&pulled(), None);
            let mut materials = frame.scene.materials.to_vec();
            materials.iter_mut().for_each(change);
            frame.scene.materials = Arc::new(materials);
            frame.has_light()
        };
        assert!(shows(|material| material.unlit = 1));
        assert!(shows(|material| material.emission = [0.0, 0.0, 0.1]));
        assert!(!shows(|material| material.base_color = [1.0; 4]));
    }

    #[test]
    fn trees_follow_meshes_that_change_their_shape() {
        let settings = RenderSettings { width: 8, height: 8, ..Default::default() };
        let leaves = |source: &mut Source, time_s: f64| {
            let frame = source.frame(&settings, FrameNumber(0), time_s).unwrap();
            frame.accel.leaves
        };
        let mut source = Source::load(&pulled(), None).unwrap();
        let first = leaves(&mut source, 0.0);
        let second = leaves(&mut source, 1.0);
        let fresh = leaves(&mut Source::load(&pulled(), None).unwrap(), 1.0);
        assert_ne!(first[0].a, second[0].a);
        assert_eq!((second[0].a, second[0].b), (fresh[0].a, fresh[0].b));
    }
}
