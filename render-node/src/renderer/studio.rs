//! What an order needs: files are read, frames prepared, units rendered.

use super::Failure;
use super::wire::{Order, Said, SceneFile};
use crate::render::{Backend, Brake, RenderError};
use std::sync::Arc;
use std::time::Instant;
use tessera_film::pack;
use tessera_protocol::commit::UnitResult;
use tessera_protocol::settings::RenderSettings;
use tessera_protocol::{BlobHash, FrameNumber, SceneHash, sums, tree};
use tessera_reference::{Source, SourceError};

/// The backend and what it has loaded, kept from order to order.
pub(super) struct Studio {
    backend: Box<dyn Backend>,
    source: Option<(SourceKey, Source)>,
    loaded: Option<(FrameKey, SceneHash)>,
}

/// What a source was read from.
type SourceKey = (BlobHash, Option<BlobHash>);

/// What a loaded frame was prepared from.
#[derive(Debug, Clone, PartialEq)]
struct FrameKey {
    source: SourceKey,
    settings: RenderSettings,
    frame: FrameNumber,
    fps: u32,
}

impl Studio {
    pub(super) fn new(backend: Box<dyn Backend>) -> Self {
        Self { backend, source: None, loaded: None }
    }

    pub(super) fn device_memory(&self) -> Option<u64> {
        self.backend.device_memory()
    }

    /// Renders an order, and says each step of it with `say`.
    pub(super) fn render(
        &mut self,
        number: u64,
        order: &Order,
        brake: &Brake,
        mut say: impl FnMut(&Said, &[u8]),
    ) -> Result<(), Failure> {
        say(&Said::Begun { number }, &[]);
        let scene = self.load(order)?;
        say(&Said::Loaded { number, scene }, &[]);
        for unit in &order.units {
            if !brake.may_go_on() {
                return Err(Failure::Cancelled);
            }
            let begun = Instant::now();
            let pixels = self.backend.render(unit.rect, unit.samples, brake)?;
            let took_ns = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
            let (root, rays) = (tree::root(&pixels), sums::rays(&pixels));
            let result = UnitResult { unit: unit.index, root, rays };
            say(&Said::Rendered { number, result, took_ns }, &pack::pack(&pixels));
        }
        Ok(())
    }

    /// Has the backend load the order's frame, unless it has. The hash of its scene.
    fn load(&mut self, order: &Order) -> Result<SceneHash, Failure> {
        let frame = order.units.first().map(|unit| unit.frame);
        let frame = frame.ok_or_else(|| Failure::CannotDo("the lease has no units".to_owned()))?;
        let source_key = (order.scene.blob, order.environment.as_ref().map(|file| file.blob));
        let key = FrameKey {
            source: source_key,
            settings: order.settings.clone(),
            frame,
            fps: order.fps,
        };
        if let Some((_, scene)) = self.loaded.as_ref().filter(|(loaded, _)| *loaded == key) {
            return Ok(*scene);
        }
        // Until the new frame is in, nothing is: an error must not leave the old one's name, and two large frames
        // need not fit into the memory.
        self.loaded = None;
        self.backend.unload();
        let time_s = f64::from(frame.0) / f64::from(order.fps);
        let source = self.source(order, source_key)?;
        let prepared = source.frame(&order.settings, frame, time_s)?;
        let scene = prepared.hash;
        self.backend.load(Arc::new(prepared))?;
        self.loaded = Some((key, scene));
        Ok(scene)
    }

    fn source(&mut self, order: &Order, key: SourceKey) -> Result<&mut Source, Failure> {
        let known = self.source.take().filter(|(of, _)| *of == key);
        // Where it is another, the old one has gone by now: two large scenes need not fit into the memory.
        let source = match known {
            Some(known) => known,
            None => (key, read_source(order)?),
        };
        Ok(&mut self.source.insert(source).1)
    }
}

fn read_source(order: &Order) -> Result<Source, Failure> {
    let glb = read(&order.scene)?;
    let environment = order.environment.as_ref().map(read).transpose()?;
    Ok(Source::load(&glb, environment.as_deref())?)
}

/// Reads a file and checks that it is what its name says.
fn read(file: &SceneFile) -> Result<Vec<u8>, Failure> {
    let bytes = std::fs::read(&file.path)
        .map_err(|e| Failure::CannotDo(format!("could not read {}: {e}", file.path.display())))?;
    if BlobHash::of(&bytes) == file.blob { Ok(bytes) } else { Err(Failure::Damaged(file.blob)) }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        RenderError::from(error).into()
    }
}

impl From<RenderError> for Failure {
    fn from(error: RenderError) -> Self {
        match error {
            RenderError::Cancelled => Self::Cancelled,
            RenderError::Device(reason) => Self::Device(reason),
            error => Self::CannotDo(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_another_or_is_gone_is_not_read_as_a_scene() {
        let folder = tempfile::tempdir().unwrap();
        let file = SceneFile { blob: BlobHash::of(&[1; 10]), path: folder.path().join("scene") };
        std::fs::write(&file.path, [1; 10]).unwrap();
        assert_eq!(read(&file), Ok(vec![1; 10]));
        std::fs::write(&file.path, [1; 9]).unwrap();
        assert_eq!(read(&file), Err(Failure::Damaged(file.blob)));
        std::fs::remove_file(&file.path).unwrap();
        assert!(matches!(read(&file), Err(Failure::CannotDo(_))));
    }
}
