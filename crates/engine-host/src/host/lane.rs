//! One task on one engine.

use super::process::Queue;
use super::{Engine, EngineError};
use tessera_media::task::Task;
use tessera_media::wire::{self, Body, Message};
use tokio::sync::OwnedSemaphorePermit;

/// Takes an engine back whose lane ended well.
pub(crate) type Home = Box<dyn FnOnce(Engine) + Send + Sync>;

/// A task under way. Dropping it, or its receiver, before it is over ends the engine's process: that
/// is how a lane is cancelled, at once and whatever the engine is doing.
pub struct Lane {
    sender: LaneSender,
    receiver: LaneReceiver,
}

/// The way to the engine; clones share it.
#[derive(Clone)]
pub struct LaneSender {
    queue: Queue,
    lane: wire::Lane,
}

/// The way from the engine.
pub struct LaneReceiver {
    lane: wire::Lane,
    /// `None` once the lane is over.
    engine: Option<(Engine, Home)>,
    /// Its place among the lanes of a pool, for as long as it lives.
    place: Option<OwnedSemaphorePermit>,
}

impl Lane {
    pub(crate) fn begin(
        mut engine: Engine,
        task: Task,
        place: Option<OwnedSemaphorePermit>,
        home: Home,
    ) -> Self {
        let lane = wire::Lane(engine.next_lane);
        engine.next_lane = engine.next_lane.wrapping_add(1);
        engine.process.begin();
        let queue = engine.process.queue();
        queue.begin(Message { lane, body: Body::Begin(task) });
        let receiver = LaneReceiver { lane, engine: Some((engine, home)), place };
        Self { sender: LaneSender { queue, lane }, receiver }
    }

    /// Both directions: they have to be served at the same time, since an engine that cannot write
    /// stops reading.
    pub fn split(self) -> (LaneSender, LaneReceiver) {
        (self.sender, self.receiver)
    }

    /// The engine's process.
    pub fn pid(&self) -> Option<u32> {
        self.receiver.pid()
    }
}

impl LaneSender {
    /// Sends what the task takes, waiting while the engine doesn't read. [`EngineError::Over`] once
    /// the engine is gone; its receiver says why.
    pub async fn send(&self, body: Body) -> Result<(), EngineError> {
        self.queue.send(Message { lane: self.lane, body }).await
    }
}

impl LaneReceiver {
    /// What the engine gives: never `Failed` or `Finished`. `None` when it has finished well; after
    /// an error there is only `None`. May be dropped and called again.
    pub async fn recv(&mut self) -> Option<Result<Body, EngineError>> {
        let (engine, _) = self.engine.as_mut()?;
        let message = match engine.process.receive().await {
            Ok(message) => message,
            Err(error) => return self.over(error),
        };
        if message.lane != self.lane {
            let what = format!("a message of lane {}, which it was not given", message.lane.0);
            let error = engine.process.nonsense(what);
            return self.over(error);
        }
        match message.body {
            Body::Finished => {
                let (engine, home) = self.engine.take()?;
                self.place = None;
                home(engine);
                None
            }
            // The engine may be what a malformed source made of it: it is not used again.
            Body::Failed(because) => self.over(EngineError::Failed(because)),
            body @ (Body::Bytes(_)
            | Body::Track(_)
            | Body::Source(..)
            | Body::Format(..)
            | Body::Coded(..)
            | Body::Done(_)
            | Body::Report(_)) => Some(Ok(body)),
            Body::Begin(_) | Body::Cut(_) | Body::End | Body::Cancel | Body::Control(_) => {
                let error = engine.process.nonsense("a message that only it is sent".to_owned());
                self.over(error)
            }
        }
    }

    /// The engine's process, while the lane is under way.
    pub fn pid(&self) -> Option<u32> {
        self.engine.as_ref().map(|(engine, _)| engine.pid())
    }

    /// Dropping the engine ends its process.
    fn over(&mut self, error: EngineError) -> Option<Result<Body, EngineError>> {
        (self.engine, self.place) = (None, None);
        Some(Err(error))
    }
}
