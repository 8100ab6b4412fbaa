//! The renderer's side: one thread renders, one listens, one says that it goes on.

use super::studio::Studio;
use super::wire::{self, Order, Said, Shown, Told};
use crate::render::{Backend, Brake, RenderError};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;
use tessera_protocol::node::ConformanceHash;

/// How often a rendering that goes on is said to.
const BEAT: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 1000 });

/// A device that is open, and its hashes.
pub struct Opened {
    /// What renders.
    pub backend: Box<dyn Backend>,
    /// What it makes of the conformance scenes.
    pub conformance: Vec<ConformanceHash>,
}

/// Opens the device and renders what it is told, until `told` ends; `at_end` is called then, whatever the device
/// is doing.
pub fn serve(
    open: impl FnOnce() -> Result<Opened, RenderError>,
    told: impl Read + Send + 'static,
    said: impl Write + Send + 'static,
    at_end: impl FnOnce() + Send + 'static,
) {
    let house = Brake::default();
    let mouth = Mouth { said: Arc::new(Mutex::new(said)), is_heard: Arc::new(true.into()) };
    let (give, orders) = mpsc::channel();
    std::thread::spawn({
        let (house, mouth) = (house.clone(), mouth.clone());
        move || {
            listen(told, &house, &give);
            mouth.is_heard.store(false, Ordering::Relaxed);
            at_end();
        }
    });
    let opened = match open() {
        Ok(opened) => opened,
        Err(error) => return mouth.say(&Said::NotOpened(error.to_string()), &[]),
    };
    let device = opened.backend.describe();
    let (backend, conformance) = (device.backend.to_owned(), opened.conformance);
    mouth.say(&Said::Memory(opened.backend.device_memory()), &[]);
    mouth.say(&Said::Opened(Shown { backend, device: device.device, conformance }), &[]);
    std::thread::spawn({
        let mouth = mouth.clone();
        move || beat(&house, &mouth)
    });
    let mut studio = Studio::new(opened.backend);
    for (number, order, brake) in orders {
        let rendered = studio.render(number, &order, &brake, |said, body| mouth.say(said, body));
        let last = match rendered {
            Ok(()) => Said::Done { number },
            Err(failure) => Said::Failed { number, failure },
        };
        mouth.say(&Said::Memory(studio.device_memory()), &[]);
        mouth.say(&last, &[]);
    }
}

/// Where what is said goes to.
struct Mouth<W> {
    said: Arc<Mutex<W>>,
    is_heard: Arc<AtomicBool>,
}

impl<W> Clone for Mouth<W> {
    fn clone(&self) -> Self {
        Self { said: self.said.clone(), is_heard: self.is_heard.clone() }
    }
}

impl<W: Write> Mouth<W> {
    /// Says something. That nobody hears it is learnt from the other direction, which ends too.
    fn say(&self, message: &Said, body: &[u8]) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = wire::write(&mut *said, message, body) {
            tracing::debug!(%error, "nobody hears this renderer");
        }
    }
}

/// Takes what the node says until it ends, or says what cannot be understood.
fn listen(mut told: impl Read, house: &Brake, orders: &mpsc::Sender<(u64, Box<Order>, Brake)>) {
    let mut newest: Option<(u64, Brake)> = None;
    while let Ok(Some((told, _))) = wire::read(&mut told) {
        match told {
            Told::Render { number, order } => {
                if let Some((_, brake)) = newest.take() {
                    brake.cancel();
                }
                let brake = house.another();
                newest = Some((number, brake.clone()));
                if orders.send((number, order, brake)).is_err() {
                    break;
                }
            }
            Told::Cancel { number } => {
                if let Some((_, brake)) = newest.as_ref().filter(|(newest, _)| *newest == number) {
                    brake.cancel();
                }
            }
            Told::Hold(held) => house.hold(held),
        }
    }
    if let Some((_, brake)) = newest {
        brake.cancel();
    }
}

/// Says that the rendering goes on, as long as it asks its brake.
fn beat(house: &Brake, mouth: &Mouth<impl Write>) {
    while mouth.is_heard.load(Ordering::Relaxed) {
        if house.was_asked() {
            mouth.say(&Said::Alive, &[]);
        }
        std::thread::park_timeout(BEAT);
    }
}
