//! Looking into scenes with this build's own eyes: the same reader that nodes render with.

pub mod shut_in;

use crate::config::Probe;
use std::path::Path;
use std::sync::Arc;
use tessera_protocol::job::JobSpec;
use tessera_protocol::node::ConformanceHash;
use tessera_protocol::{FrameNumber, KernelId};
use tessera_reference::Source;
use tessera_scene::{Asset, Limits, View};

/// The kernel that this build was made with.
pub fn kernel() -> KernelId {
    KernelId(tessera_scene::KERNEL_ID)
}

/// What that kernel makes of each conformance scene.
pub fn conformance() -> anyhow::Result<Vec<ConformanceHash>> {
    let golden = tessera_scenes::golden::frames();
    golden
        .map(|(scene, hash)| Ok(ConformanceHash { scene: scene.to_owned(), hash: hash.parse()? }))
        .collect()
}

/// Looks at a job's pixels with the kernel's twin, on one thread.
pub fn prober() -> Probe {
    Arc::new(|glb, environment, spec, seed| {
        let hdr = environment.map(read).transpose()?;
        let source = Source::load(&read(glb)?, hdr.as_deref());
        let mut source = source.map_err(|error| error.to_string())?;
        tessera_quote::look(&mut source, spec, seed, 1).map_err(|error| error.to_string())
    })
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("the upload could not be read: {error}"))
}

/// Reads a job's scene and prepares its first and its last frame, as a node would. The master has it done in a process
/// of its own: see [`shut_in`].
pub fn inspect(
    glb: &Path,
    environment: Option<&Path>,
    spec: &JobSpec,
) -> Result<Vec<String>, String> {
    let hdr = environment.map(read).transpose()?;
    let asset = Asset::load(&read(glb)?, hdr.as_deref(), &Limits::default())
        .map_err(|error| error.to_string())?;
    let view = View::from(&spec.settings);
    for frame in [spec.frames.first, spec.frames.last] {
        prepare(&asset, &view, spec, frame)?;
    }
    Ok(asset.report().warnings.iter().map(ToString::to_string).collect())
}

fn prepare(asset: &Asset, view: &View, spec: &JobSpec, frame: FrameNumber) -> Result<(), String> {
    match asset.frame(view, frame.0, spec.time_s(frame)) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("frame {frame}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_protocol::BlobHash;
    use tessera_protocol::job::FrameSpan;
    use tessera_protocol::node::DeviceClass;
    use tessera_protocol::settings::RenderSettings;

    fn spec(camera: Option<u32>) -> JobSpec {
        JobSpec {
            name: "shot".into(),
            scene: BlobHash([0; 32]),
            settings: RenderSettings { width: 32, height: 32, camera, ..Default::default() },
            frames: FrameSpan { first: FrameNumber(0), last: FrameNumber(1) },
            fps: 24,
            tile: 16,
            samples_per_unit: 1,
            class: DeviceClass::Exact,
        }
    }

    #[test]
    fn a_scene_of_ours_passes_and_what_cannot_be_rendered_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("scene.glb");
        let scene = tessera_scenes::conformance().swap_remove(0);
        std::fs::write(&file, &scene.glb).unwrap();
        assert_eq!(inspect(&file, None, &spec(None)), Ok(vec![]));
        let no_camera = inspect(&file, None, &spec(Some(99))).unwrap_err();
        assert!(no_camera.contains("camera 99"), "{no_camera}");
        std::fs::write(&file, &scene.glb[..40]).unwrap();
        assert!(inspect(&file, None, &spec(None)).is_err());
    }

    #[test]
    fn the_conformance_hashes_are_hashes() {
        assert!(conformance().is_ok());
    }
}
