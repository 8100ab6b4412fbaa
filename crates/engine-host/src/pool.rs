//! Engines kept ready, and a bound on how many work at once.

use crate::host::{Engine, EngineConfig, EngineError, Lane};
use std::sync::{Arc, Mutex, PoisonError};
use tessera_media::task::Task;
use tokio::sync::Semaphore;

/// Engines of one configuration. Clones share them.
#[derive(Clone)]
pub struct EnginePool(Arc<Inner>);

struct Inner {
    config: EngineConfig,
    /// Engines that wait for a task.
    idle: Mutex<Vec<Engine>>,
    /// How many wait at least, and at most.
    ready: usize,
    most: Arc<Semaphore>,
}

impl EnginePool {
    /// A pool that keeps `ready` engines waiting and lets `most` lanes be under way at once.
    pub fn new(config: EngineConfig, ready: usize, most: usize) -> Self {
        let most = Arc::new(Semaphore::new(most.max(1)));
        Self(Arc::new(Inner { config, idle: Mutex::default(), ready, most }))
    }

    /// Starts the engines that are to wait. The error is that of the first that does not start.
    pub async fn warm(&self) -> Result<(), EngineError> {
        while self.idle().len() < self.0.ready {
            let engine = Engine::start(&self.0.config).await?;
            self.idle().push(engine);
        }
        Ok(())
    }

    /// Gives a task to an engine, waiting while as many lanes as may be are under way.
    pub async fn lane(&self, task: Task) -> Result<Lane, EngineError> {
        // Never closed, so there is always a permit some time.
        let place =
            Arc::clone(&self.0.most).acquire_owned().await.map_err(|_| EngineError::Over)?;
        let engine = match self.take() {
            Some(engine) => engine,
            None => Engine::start(&self.0.config).await?,
        };
        let refill = self.clone();
        tokio::spawn(async move {
            // Whoever asks for the next lane learns why no engine starts.
            let _ = refill.warm().await;
        });
        let pool = self.clone();
        Ok(Lane::begin(engine, task, Some(place), Box::new(move |engine| pool.put(engine))))
    }

    /// Lanes that could begin now without waiting.
    pub fn free(&self) -> usize {
        self.0.most.available_permits()
    }

    fn take(&self) -> Option<Engine> {
        let mut idle = self.idle();
        std::iter::from_fn(|| idle.pop()).find_map(|mut engine| engine.lives().then_some(engine))
    }

    fn put(&self, engine: Engine) {
        let mut idle = self.idle();
        if idle.len() <= self.0.ready {
            idle.push(engine);
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Engine>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
