//! The renderer: a process of its own that reads scenes and has a device render them.
//!
//! Files of strangers are decoded there, and drivers of GPUs live there. Whatever either does to it, the node
//! outlives: it has the key, the journal and the lease, and the renderer is given none of them. It is the same user's
//! process, though, and no jail.
//!
//! # Contract
//! - A renderer that dies, hangs or says that its device failed is ended and started again, once for an order, and
//!   goes on with the units that are left. What kills it twice is the order's failure.
//! - One that is started again has to show the hashes that the first one showed, or it is not used.
//! - Dropping the future of an order cancels it.
//!
//! Reading order: [`wire`] (what is said) → `studio` (an order is rendered) → [`serve`] (in the renderer) → [`line`]
//! (how it is started) → here (in the node).

pub mod line;
pub mod serve;
mod studio;
#[cfg(test)]
mod tests;
pub mod wire;

use crate::render::Brake;
use line::{Launch, Line};
use serde::{Deserialize, Serialize};
use std::sync::mpsc;
use std::time::Duration;
use tessera_protocol::commit::UnitResult;
use tessera_protocol::{BlobHash, SceneHash};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tracing::warn;
use wire::{Order, Said, Shown, Told};

/// A rendering asks its brake at every pixel of a processor and every dispatch of a GPU: who is not heard for so
/// long hangs.
const ANSWERS_WITHIN: Duration = Duration::from_secs(if cfg!(test) { 5 } else { 60 });
/// To read a scene and prepare its frame: the largest that a master takes, on a slow machine.
const LOADS_WITHIN: Duration = Duration::from_secs(600);
/// To open the device and render the conformance scenes, as long as a service may take to start.
const OPENS_WITHIN: Duration = Duration::from_secs(900);
/// How often the brake of an order is looked at: between two pieces of a rendering, about.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What came out of an order.
#[derive(Debug)]
pub struct Rendered {
    /// The canonical scene of the frame.
    pub scene: SceneHash,
    /// All of its units, in its order.
    pub units: Vec<RenderedUnit>,
}

/// One unit of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedUnit {
    /// What is signed of it.
    pub result: UnitResult,
    /// Its packed sums.
    pub packed: Vec<u8>,
    /// Its pixel samples.
    pub samples: u64,
    /// What rendering them took, preparation not counted.
    pub took: Duration,
}

/// What came out of an order so far.
#[derive(Debug, Default)]
struct Progress {
    scene: Option<SceneHash>,
    units: Vec<RenderedUnit>,
}

/// Why nothing came out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Failure {
    /// Nobody wants it any more.
    #[error("cancelled")]
    Cancelled,
    /// It cannot be done here, and why.
    #[error("{0}")]
    CannotDo(String),
    /// A file is not what its name says.
    #[error("the file {0} is damaged")]
    Damaged(BlobHash),
    /// The device failed, or took the renderer with it.
    #[error("{0}")]
    Device(String),
}

/// A renderer that is there whenever it is needed.
#[derive(Debug)]
pub struct Renderer {
    launch: Launch,
    /// Nothing while there is none.
    line: Option<Line>,
    shown: Shown,
    /// Orders so far.
    orders: u64,
}

impl Renderer {
    /// Starts the first one, and waits until its device has shown what it can.
    ///
    /// # Errors
    /// [`Failure::Device`]: there is no such device, or it failed.
    pub async fn start(mut launch: Launch) -> Result<Self, Failure> {
        let (line, shown) = open(&mut launch).await?;
        Ok(Self { launch, line: Some(line), shown, orders: 0 })
    }

    /// The device, and what it made of the conformance scenes.
    pub fn shown(&self) -> &Shown {
        &self.shown
    }

    /// Bytes of the device's own memory that the next frame may take, as was said last; `None` where the device has
    /// none of its own, and while no renderer runs.
    pub fn device_memory(&self) -> Option<u64> {
        self.line.as_ref().and_then(Line::device_memory)
    }

    /// Has an order rendered, for as long as its `brake` lets it.
    ///
    /// # Errors
    /// Nothing of the order is kept then.
    pub async fn render(&mut self, order: &Order, brake: &Brake) -> Result<Rendered, Failure> {
        let mut made = Progress::default();
        let first = self.attempt(order, brake, &mut made).await;
        let outcome = match first {
            Err(Failure::Device(reason)) => {
                warn!(
                    "the renderer failed: {reason}; it is started again and goes on after {} of {} units",
                    made.units.len(),
                    order.units.len()
                );
                self.attempt(order, brake, &mut made).await
            }
            outcome => outcome,
        };
        let scene = outcome?;
        Ok(Rendered { scene, units: made.units })
    }

    /// Renders what is left of an order, at most once. A renderer that fails is not used any more.
    async fn attempt(
        &mut self,
        order: &Order,
        brake: &Brake,
        made: &mut Progress,
    ) -> Result<SceneHash, Failure> {
        // It stays where it is while the order is followed: whoever drops the order's future keeps the renderer.
        let line = match &mut self.line {
            Some(line) => line,
            none => none.insert(start_again(&mut self.launch, &self.shown).await?),
        };
        self.orders += 1;
        let units = order.units.get(made.units.len()..).unwrap_or_default().to_vec();
        let rest = Order { units, ..order.clone() };
        let outcome = follow(line, self.orders, rest, brake, made).await;
        if matches!(outcome, Err(Failure::Device(_))) {
            self.line = None;
        }
        outcome
    }
}

async fn start_again(launch: &mut Launch, before: &Shown) -> Result<Line, Failure> {
    let (line, shown) = open(launch).await?;
    if shown != *before {
        return Err(Failure::Device(format!(
            "the device is no longer the one that joined: it was {}, and is {} with {} hashes",
            before.device,
            shown.device,
            if shown.conformance == before.conformance { "the same" } else { "other" },
        )));
    }
    Ok(line)
}

/// Starts a renderer and waits for its device.
async fn open(launch: &mut Launch) -> Result<(Line, Shown), Failure> {
    let cannot =
        |reason: String| Failure::Device(format!("no renderer could be started: {reason}"));
    let mut line = launch.launch().map_err(|error| cannot(error.to_string()))?;
    let said = tokio::time::timeout(OPENS_WITHIN, line.hear()).await;
    match said.map_err(|_| cannot(silence(OPENS_WITHIN)))?.map_err(cannot)?.0 {
        Said::Opened(shown) => Ok((line, shown)),
        Said::NotOpened(reason) => Err(Failure::Device(reason)),
        other => Err(cannot(format!("it said {other:?} first"))),
    }
}

fn silence(within: Duration) -> String {
    format!("it did nothing for {} s", within.as_secs())
}

/// Gives an order, and follows it to its end.
async fn follow(
    line: &mut Line,
    number: u64,
    order: Order,
    brake: &Brake,
    made: &mut Progress,
) -> Result<SceneHash, Failure> {
    let _cancel = CancelAtLast { tell: line.teller(), number };
    let units = order.units.clone();
    let mut left = units.iter();
    let mut held = brake.is_held();
    line.tell(Told::Hold(held));
    line.tell(Told::Render { number, order: Box::new(order) });
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut within = ANSWERS_WITHIN;
    let mut heard = Instant::now();
    loop {
        let said = tokio::select! {
            biased;
            said = line.hear() => said.map_err(Failure::Device)?,
            _ = looks.tick() => {
                if brake.is_cancelled() {
                    return Err(Failure::Cancelled);
                }
                if brake.is_held() != held {
                    held = !held;
                    line.tell(Told::Hold(held));
                }
                if held {
                    heard = Instant::now();
                }
                continue;
            }
            () = sleep_until(heard + within) => return Err(Failure::Device(silence(within))),
        };
        heard = Instant::now();
        match said {
            (Said::Begun { number: of }, _) if of == number => within = LOADS_WITHIN,
            (Said::Loaded { number: of, scene }, _) if of == number => {
                within = ANSWERS_WITHIN;
                if made.scene.replace(scene).is_some_and(|before| before != scene) {
                    return Err(Failure::Device("it prepared another scene than before".into()));
                }
            }
            (Said::Rendered { number: of, result, took_ns }, packed) if of == number => {
                let Some(unit) = left.next().filter(|unit| unit.index == result.unit) else {
                    return Err(Failure::Device(format!("unit {} was not its next", result.unit)));
                };
                let (samples, took) = (unit.pixel_samples(), Duration::from_nanos(took_ns));
                made.units.push(RenderedUnit { result, packed, samples, took });
            }
            (Said::Done { number: of }, _) if of == number => {
                let whole = made.scene.filter(|_| left.next().is_none());
                return whole.ok_or_else(|| Failure::Device("it did not do all of it".into()));
            }
            (Said::Failed { number: of, failure }, _) if of == number => return Err(failure),
            // What is left of an earlier order, or that it goes on.
            _ => {}
        }
    }
}

/// Tells the renderer that nobody wants an order any more, which after its end means nothing.
struct CancelAtLast {
    tell: mpsc::Sender<Told>,
    number: u64,
}

impl Drop for CancelAtLast {
    fn drop(&mut self) {
        let _ = self.tell.send(Told::Cancel { number: self.number });
    }
}
