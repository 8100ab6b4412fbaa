//! From files to frames that a backend can render.

use std::sync::Arc;
use tessera_protocol::settings::RenderSettings;
use tessera_protocol::{FrameNumber, KernelId, SceneHash};
use tessera_scene::{Asset, Limits, Report, SceneError, View};
use tessera_shaders::bvh::{Accel, MeshTrees, Shape};
use tessera_shaders::layout::CanonicalScene;

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

/// A scene's files, read once; its frames are cheap.
#[derive(Debug)]
pub struct Source {
    asset: Asset,
    shape: Shape,
    trees: Option<Arc<MeshTrees>>,
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
        let trees = self.trees.get_or_insert_with(|| {
            Arc::new(MeshTrees::build(&scene.meshes, &scene.triangles, &scene.vertices, self.shape))
        });
        let accel = Accel::build(&scene, trees, self.shape);
        let hash = SceneHash(scene.hash());
        Ok(PreparedFrame { scene, accel, hash })
    }
}
