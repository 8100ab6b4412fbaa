//! A thread for each rendition, each handing its pictures down to the next smaller one.
//!
//! Every codec runs on its rendition's thread alone: a codec's own threads cost more CPU for the
//! same pictures, and renditions are plenty to keep cores busy.

use crate::encode::{Encoder, Settings};
use crate::error::Trouble;
use crate::exchange::Outbox;
use crate::scale::Scaler;
use ffmpeg::format::Pixel;
use ffmpeg::{Rational, frame};
use ffmpeg_next as ffmpeg;
use rustix::time::{ClockId, clock_gettime};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use tessera_media::task::SegmentDone;
use tessera_media::wire::{Body, RenditionIndex};
use tessera_protocol::stream::SegmentNumber;

/// Pictures that wait between two threads.
const WAITING: usize = 4;

/// What is handed down.
#[derive(Clone)]
pub(super) enum Step {
    Shot(Shot),
    /// The frame rates of what follows, for each rendition.
    Rates(Arc<[Rational]>),
    SegmentEnd {
        segment: SegmentNumber,
        frames_in: u32,
        last: bool,
    },
}

/// A picture.
#[derive(Clone)]
pub(super) struct Shot {
    pub(super) frame: Arc<frame::Video>,
    /// Which renditions encode it.
    pub(super) wanted: Vec<bool>,
}

/// The threads.
pub(super) struct Rungs {
    top: Option<SyncSender<Step>>,
    threads: Vec<JoinHandle<Result<(), Trouble>>>,
    dropped: Arc<AtomicBool>,
}

impl Rungs {
    /// Renditions as `plans` have them, largest first.
    pub(super) fn start(plans: Vec<Settings>, outbox: &Outbox) -> Self {
        let dropped = Arc::new(AtomicBool::new(false));
        let ends = Arc::new(Ends::default());
        let mut threads = vec![];
        let mut below = None;
        for (index, plan) in plans.into_iter().enumerate().rev() {
            let (give, take) = sync_channel(WAITING);
            let below = below.replace(give);
            let (outbox, dropped, ends) = (outbox.clone(), Arc::clone(&dropped), Arc::clone(&ends));
            threads.push(thread::spawn(move || {
                let scaler = Scaler::new(plan.width, plan.height, Pixel::YUV420P);
                Rung { index, scaler, below, outbox, dropped, ends }.run(plan, &take)
            }));
        }
        Self { top: below, threads, dropped }
    }

    /// Hands something down.
    pub(super) fn push(&mut self, step: Step) -> Result<(), Trouble> {
        match self.top.as_ref().map(|top| top.send(step)) {
            Some(Ok(())) => Ok(()),
            // The first thread has ended: why, it says itself.
            _ => self.join(),
        }
    }

    /// Waits until all is said.
    pub(super) fn finish(mut self) -> Result<(), Trouble> {
        self.join()
    }

    fn join(&mut self) -> Result<(), Trouble> {
        self.top = None;
        let mut outcome = Ok(());
        // The lowest stands first. A thread that fails ends those above it, for want of somebody
        // to hand down to, and they don't count that as a failure.
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            let ended = ended.unwrap_or_else(|_| Err(Trouble::refused("an encoder panicked")));
            outcome = outcome.and(ended);
        }
        outcome
    }
}

impl Drop for Rungs {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::Relaxed);
        // Whoever drops the threads early has no use for how they end.
        let _ = self.join();
    }
}

struct Rung {
    index: usize,
    scaler: Scaler,
    below: Option<SyncSender<Step>>,
    outbox: Outbox,
    dropped: Arc<AtomicBool>,
    ends: Arc<Ends>,
}

/// How many segments are done. A rendition that is quicker than the smallest one keeps the next
/// segment's first unit back until then, since what is said before `Done` belongs to its segment.
#[derive(Default)]
struct Ends {
    done: Mutex<u64>,
    changed: Condvar,
}

impl Ends {
    fn one_more(&self) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        *done = done.saturating_add(1);
        self.changed.notify_all();
    }

    fn wait_for(&self, count: u64) {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_while(done, |done| *done < count);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

/// Ends all waiting when its thread ends early: then the lane is over, and nobody counts.
struct Early<'a>(&'a Ends);

impl Drop for Early<'_> {
    fn drop(&mut self) {
        *self.0.done.lock().unwrap_or_else(PoisonError::into_inner) = u64::MAX;
        self.0.changed.notify_all();
    }
}

impl Rung {
    fn run(mut self, plan: Settings, above: &Receiver<Step>) -> Result<(), Trouble> {
        let (outbox, ends) = (self.outbox.clone(), Arc::clone(&self.ends));
        let early = Early(&ends);
        let mut encoder = Encoder::open(plan)?;
        let index = RenditionIndex(self.index as u8);
        self.outbox.send(Body::Format(index, encoder.format().clone()))?;
        let ended = Cell::new(0);
        let give = |unit| {
            ends.wait_for(ended.get());
            outbox.send(Body::Coded(index, unit))
        };
        let mut cpu = cpu_ms();
        while let Ok(step) = above.recv() {
            if self.dropped.load(Ordering::Relaxed) {
                return Ok(());
            }
            match step {
                Step::Shot(shot) => {
                    let Some(frame) = self.hand_down(&shot)? else { continue };
                    encoder.push(&frame, give)?;
                }
                Step::Rates(ref rates) => {
                    let before = encoder.format().clone();
                    if let Some(&rate) = rates.get(self.index) {
                        encoder.set_frame_rate(rate, give)?;
                    }
                    if *encoder.format() != before {
                        ends.wait_for(ended.get());
                        self.outbox.send(Body::Format(index, encoder.format().clone()))?;
                    }
                    self.give_below(step)?;
                }
                Step::SegmentEnd { segment, frames_in, last } => {
                    if last {
                        encoder.finish(give)?;
                    }
                    if !self.give_below(step)? {
                        // All above have said all of theirs before they handed this down.
                        let now = cpu_ms();
                        let done = SegmentDone { segment, frames_in, cpu_ms: now - cpu };
                        cpu = now;
                        self.outbox.send(Body::Done(done))?;
                        ends.one_more();
                    }
                    ended.set(ended.get() + 1);
                }
            }
        }
        std::mem::forget(early);
        Ok(())
    }

    /// The picture in this rendition's size, if it is wanted; those below get it before it is
    /// encoded here.
    fn hand_down(&mut self, shot: &Shot) -> Result<Option<Arc<frame::Video>>, Trouble> {
        let wanted = shot.wanted.get(self.index).copied().unwrap_or(false);
        let wanted_below = shot.wanted.iter().skip(self.index + 1).any(|&wanted| wanted);
        if !wanted && !wanted_below {
            return Ok(None);
        }
        let frame = self.scaler.scale(&shot.frame)?;
        if wanted_below {
            let shot = Shot { frame: Arc::clone(&frame), wanted: shot.wanted.clone() };
            self.give_below(Step::Shot(shot))?;
        }
        Ok(wanted.then_some(frame))
    }

    /// Whether there is anybody below.
    fn give_below(&self, step: Step) -> Result<bool, Trouble> {
        let Some(below) = &self.below else { return Ok(false) };
        // Whoever is below and has ended says why; it is joined first.
        below.send(step).map_err(|_| Trouble::Cancelled)?;
        Ok(true)
    }
}

/// CPU time of this process, in milliseconds.
fn cpu_ms() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1000 + time.tv_nsec as u64 / 1_000_000
}
