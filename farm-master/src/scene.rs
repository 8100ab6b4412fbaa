//! Looking into scenes with this build's own eyes: the same reader that nodes render with.

pub mod shut_in;

use crate::config::{Inspected, Probe};
use std::path::Path;
use std::sync::Arc;
use tessera_protocol::job::JobSpec;
use tessera_protocol::memory::SceneMemory;
use tessera_protocol::node::ConformanceHash;
use tessera_protocol::{FrameNumber, KernelId};
use tessera_reference::inputs::Inputs;
use tessera_reference::{NO_LIGHT, PreparedFrame, Source};

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
        let mut source = load(glb, environment)?;
        tessera_quote::look(&mut source, spec, seed, 1).map_err(|error| error.to_string())
    })
}

fn load(glb: &Path, environment: Option<&Path>) -> Result<Source, String> {
    let hdr = environment.map(read).transpose()?;
    Source::load(&read(glb)?, hdr.as_deref()).map_err(|error| error.to_string())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("the upload could not be read: {error}"))
}

/// Reads a job's scene and prepares its first and its last frame, as a node would, with all that a device
/// reads of them. What that takes of main memory is what this process took at most since it began: so the
/// master has it done in a process of its own, see [`shut_in`].
pub fn inspect(
    glb: &Path,
    environment: Option<&Path>,
    spec: &JobSpec,
) -> Result<Inspected, String> {
    let mut source = load(glb, environment)?;
    let (first, last) = (spec.frames.first, spec.frames.last);
    // One after the other, as a node has them.
    let (mut device_bytes, mut has_light) = (0, false);
    for frame in std::iter::once(first).chain((last != first).then_some(last)) {
        let prepared = prepare(&mut source, spec, frame)?;
        device_bytes = device_bytes.max(Inputs::of(&prepared).bytes());
        has_light |= prepared.has_light();
    }
    let mut warnings: Vec<_> = source.report().warnings.iter().map(ToString::to_string).collect();
    if !has_light {
        warnings.push(NO_LIGHT.to_owned());
    }
    Ok(Inspected {
        warnings,
        memory: SceneMemory { host_bytes: most_resident_bytes(), device_bytes },
    })
}

fn prepare(
    source: &mut Source,
    spec: &JobSpec,
    frame: FrameNumber,
) -> Result<PreparedFrame, String> {
    let prepared = source.frame(&spec.settings, frame, spec.time_s(frame));
    prepared.map_err(|error| format!("frame {frame}: {error}"))
}

/// What this process had in main memory at most, 0 where the system does not say. Not by `getrusage`: that
/// counts what the process held before it became this program, too.
fn most_resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"));
    let kilobytes = peak.and_then(|peak| peak.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0).saturating_mul(1 << 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_protocol::BlobHash;
    use tessera_protocol::job::FrameSpan;
    use tessera_protocol::node::DeviceClass;
    use tessera_protocol::settings::{Environment, RenderSettings};

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
        let seen = inspect(&file, None, &spec(None)).unwrap();
        assert_eq!(seen.warnings, [""; 0]);
        assert!(seen.memory.device_bytes > 0);
        assert!(seen.memory.host_bytes > seen.memory.device_bytes, "the program itself, too");
        let no_camera = inspect(&file, None, &spec(Some(99))).unwrap_err();
        assert!(no_camera.contains("camera 99"), "{no_camera}");
        std::fs::write(&file, &scene.glb[..40]).unwrap();
        assert!(inspect(&file, None, &spec(None)).is_err());
    }

    #[test]
    fn a_scene_that_nothing_lights_is_told_and_passes() {
        let folder = tempfile::tempdir().unwrap();
        let (file, sky) = (folder.path().join("scene.glb"), folder.path().join("sky.hdr"));
        let mut dark = 0;
        for scene in tessera_scenes::conformance() {
            let Some(environment) = scene.environment else { continue };
            std::fs::write(&file, &scene.glb).unwrap();
            std::fs::write(&sky, &environment).unwrap();
            let mut lit = spec(None);
            lit.settings.environment = Some(Environment {
                blob: BlobHash::of(&environment),
                strength: 1.0,
                rotation_deg: 0.0,
            });
            let under_sky = inspect(&file, Some(&sky), &lit).unwrap().warnings;
            let without = inspect(&file, None, &spec(None)).unwrap().warnings;
            let says = |warnings: &[String], what| warnings.iter().any(|warning| warning == what);
            let is_black = says(&under_sky, "environment: is black");
            assert!(is_black || !says(&under_sky, NO_LIGHT), "{}", scene.name);
            dark += usize::from(says(&without, NO_LIGHT) && !is_black);
        }
        assert!(dark > 0, "some of them have no light but their sky's");
    }

    #[test]
    fn the_conformance_hashes_are_hashes() {
        assert!(conformance().is_ok());
    }
}
