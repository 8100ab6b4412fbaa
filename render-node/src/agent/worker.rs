//! The thread that renders. Rendering blocks for seconds and belongs on no thread of the runtime.

use super::cache::{self, CacheError};
use crate::render::{Backend, Brake, RenderError};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use tessera_film::pack;
use tessera_protocol::commit::UnitResult;
use tessera_protocol::lease::LeaseGrant;
use tessera_protocol::settings::RenderSettings;
use tessera_protocol::{BlobHash, FrameNumber, SceneHash, sums, tree};
use tessera_reference::Source;
use tokio::sync::oneshot;

/// One lease's units, and where their scene lies.
pub(super) struct Assignment {
    pub(super) grant: Arc<LeaseGrant>,
    pub(super) scene: CachedFile,
    pub(super) environment: Option<CachedFile>,
    pub(super) brake: Brake,
}

/// A file in the cache.
#[derive(Debug, Clone)]
pub(super) struct CachedFile {
    pub(super) blob: BlobHash,
    pub(super) path: PathBuf,
}

/// What came out of an assignment, unit by unit in the order of the grant.
#[derive(Debug)]
pub(super) struct Rendered {
    /// The canonical scene of the lease's frame.
    pub(super) scene: SceneHash,
    pub(super) results: Vec<UnitResult>,
    pub(super) packed: Vec<Vec<u8>>,
    /// Pixel samples rendered.
    pub(super) samples: u64,
    /// Time spent on rendering them, preparation not counted.
    pub(super) time: Duration,
}

/// Why nothing came out.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorkError {
    /// The renderer's reason.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// A file could not be read.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The thread is gone: the renderer panicked.
    #[error("the rendering thread ended")]
    ThreadEnded,
}

type Request = (Assignment, oneshot::Sender<Result<Rendered, WorkError>>);

/// Hands assignments to the thread, one after the other.
pub(super) struct Worker {
    requests: mpsc::Sender<Request>,
}

impl Worker {
    pub(super) fn start(backend: Box<dyn Backend>) -> Self {
        let (requests, receive) = mpsc::channel::<Request>();
        std::thread::spawn(move || {
            let mut studio = Studio { backend, source: None, loaded: None };
            for (assignment, answer) in receive {
                // Whoever asked may no longer be there.
                let _ = answer.send(studio.render(&assignment));
            }
        });
        Self { requests }
    }

    /// Renders an assignment. Dropping the future does not stop it; its brake does.
    pub(super) async fn render(&self, assignment: Assignment) -> Result<Rendered, WorkError> {
        let (answer, wait) = oneshot::channel();
        self.requests.send((assignment, answer)).map_err(|_| WorkError::ThreadEnded)?;
        wait.await.map_err(|_| WorkError::ThreadEnded)?
    }
}

/// The backend and what it has loaded, kept from lease to lease.
struct Studio {
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
    fn render(&mut self, assignment: &Assignment) -> Result<Rendered, WorkError> {
        let grant = &assignment.grant;
        let first = grant
            .units
            .first()
            .ok_or_else(|| RenderError::Request("the lease has no units".to_owned()))?;
        let mut rendered = Rendered {
            scene: self.load(assignment, first.frame)?,
            results: Vec::with_capacity(grant.units.len()),
            packed: Vec::with_capacity(grant.units.len()),
            samples: 0,
            time: Duration::ZERO,
        };
        for unit in &grant.units {
            if !assignment.brake.may_go_on() {
                return Err(RenderError::Cancelled.into());
            }
            let begun = Instant::now();
            let pixels = self.backend.render(unit.rect, unit.samples, &assignment.brake)?;
            rendered.time += begun.elapsed();
            rendered.samples += unit.pixel_samples();
            rendered.results.push(UnitResult {
                unit: unit.index,
                root: tree::root(&pixels),
                rays: sums::rays(&pixels),
            });
            rendered.packed.push(pack::pack(&pixels));
        }
        Ok(rendered)
    }

    /// Has the backend load a frame, unless it has. The hash of its scene.
    fn load(
        &mut self,
        assignment: &Assignment,
        frame: FrameNumber,
    ) -> Result<SceneHash, WorkError> {
        let grant = &assignment.grant;
        let source_key = (grant.scene, grant.settings.environment.map(|light| light.blob));
        let key = FrameKey {
            source: source_key,
            settings: grant.settings.clone(),
            frame,
            fps: grant.fps,
        };
        if let Some((_, scene)) = self.loaded.as_ref().filter(|(loaded, _)| *loaded == key) {
            return Ok(*scene);
        }
        // Until the new frame is in, nothing is: an error must not leave the old one's name.
        self.loaded = None;
        let time_s = f64::from(frame.0) / f64::from(grant.fps);
        let source = self.source(assignment, source_key)?;
        let prepared = source.frame(&grant.settings, frame, time_s).map_err(RenderError::from)?;
        let scene = prepared.hash;
        self.backend.load(Arc::new(prepared))?;
        self.loaded = Some((key, scene));
        Ok(scene)
    }

    fn source(
        &mut self,
        assignment: &Assignment,
        key: SourceKey,
    ) -> Result<&mut Source, WorkError> {
        if self.source.as_ref().is_none_or(|(of, _)| *of != key) {
            // The old one goes first: two large scenes need not fit into the memory.
            self.source = None;
            let read = |file: &CachedFile| cache::read(&file.path, file.blob);
            let glb = read(&assignment.scene)?;
            let environment = assignment.environment.as_ref().map(read).transpose()?;
            let source = Source::load(&glb, environment.as_deref()).map_err(RenderError::from)?;
            self.source = Some((key, source));
        }
        self.source.as_mut().map(|(_, source)| source).ok_or(WorkError::ThreadEnded)
    }
}
