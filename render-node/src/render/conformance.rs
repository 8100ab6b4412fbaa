//! The conformance scenes: what a device shows before it gets exact work.

use super::{Backend, Brake, RenderError};
use std::sync::Arc;
use tessera_protocol::node::{ConformanceHash, DeviceClass};
use tessera_protocol::settings::{Environment, RenderSettings};
use tessera_protocol::{BlobHash, FrameNumber, ResultHash, SampleRange, sums};
use tessera_reference::Source;
use tessera_scenes::Scene;

/// The seed of every conformance render.
pub const SEED: u32 = 1;

/// What a scene of the collection asks to be rendered with.
pub fn settings_of(scene: &Scene) -> RenderSettings {
    RenderSettings {
        width: scene.width,
        height: scene.height,
        spp: scene.spp,
        seed: SEED,
        max_bounces: scene.max_bounces,
        camera: None,
        environment: scene.environment.as_deref().map(|bytes| Environment {
            blob: BlobHash::of(bytes),
            strength: scene.environment_strength,
            rotation_deg: scene.environment_rotation_deg,
        }),
        background: scene.background,
    }
}

/// Renders every conformance scene on `backend`.
pub fn render_all(backend: &mut dyn Backend) -> Result<Vec<ConformanceHash>, RenderError> {
    tessera_scenes::conformance()
        .iter()
        .map(|scene| {
            let settings = settings_of(scene);
            let mut source = Source::load(&scene.glb, scene.environment.as_deref())?;
            let frame = source.frame(&settings, FrameNumber(0), scene.time_s)?;
            backend.load(Arc::new(frame))?;
            let samples = SampleRange { start: 0, end: scene.spp };
            let pixels = backend.render(settings.frame_rect(), samples, &Brake::default())?;
            Ok(ConformanceHash { scene: scene.name.to_owned(), hash: sums::hash(&pixels) })
        })
        .collect()
}

/// What `scene` must come to, by the list in the repository.
pub fn expected(scene: &str) -> Option<ResultHash> {
    tessera_scenes::golden::frames()
        .find(|(name, _)| *name == scene)
        .and_then(|(_, hash)| hash.parse().ok())
}

/// Exact if every scene is there and came to what it must.
pub fn class_of(hashes: &[ConformanceHash]) -> DeviceClass {
    let all = tessera_scenes::conformance().iter().all(|scene| {
        let expected = expected(scene.name);
        expected.is_some()
            && hashes.iter().any(|h| h.scene == scene.name && Some(h.hash) == expected)
    });
    if all { DeviceClass::Exact } else { DeviceClass::Tolerant }
}
