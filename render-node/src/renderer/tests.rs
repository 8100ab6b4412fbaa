//! What becomes of an order whose renderer fails, hangs or is no longer wanted. That one whose process is killed
//! is started again is shown with a real one (`tests/tests/devices.rs`).

use super::line::Launch;
use super::wire::{Order, SceneFile};
use super::{ANSWERS_WITHIN, Failure, Rendered, Renderer};
use crate::render::cpu::CpuBackend;
use crate::render::{Backend, Brake, DeviceDescription, RenderError};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use tessera_protocol::lease::Unit;
use tessera_protocol::settings::RenderSettings;
use tessera_protocol::{BlobHash, FrameNumber, PixelSum, SampleRange, TileRect, UnitIndex};
use tessera_reference::PreparedFrame;
use tokio::sync::Notify;

const UNITS: u64 = 3;

/// What happens at the renderings of a test, counted from 0 over all renderers.
#[derive(Clone, Default)]
struct Story {
    events: Arc<HashMap<u32, Event>>,
    started: Arc<AtomicU32>,
    rendered: Arc<AtomicU32>,
    /// Told at each rendering that begins.
    begins: Arc<Notify>,
}

/// Instead of a rendering.
enum Event {
    /// The device is lost.
    Lost,
    /// The thread is gone.
    Panics,
    /// Nothing, and the brake is not asked: until the test is over.
    Hangs(Mutex<Option<mpsc::Receiver<()>>>),
    /// Nothing, but the brake is asked all the time.
    Goes,
}

impl Story {
    fn with(events: impl IntoIterator<Item = (u32, Event)>) -> Self {
        Self { events: Arc::new(events.into_iter().collect()), ..Self::default() }
    }

    async fn renderer(&self) -> Renderer {
        let story = self.clone();
        let launch = Launch::threads(move || {
            story.started.fetch_add(1, Ordering::Relaxed);
            Player { story: story.clone(), device: CpuBackend::new(Some(1)) }
        });
        Renderer::start(launch).await.unwrap()
    }

    fn started(&self) -> u32 {
        self.started.load(Ordering::Relaxed)
    }

    fn rendered(&self) -> u32 {
        self.rendered.load(Ordering::Relaxed)
    }
}

struct Player {
    story: Story,
    device: CpuBackend,
}

impl Backend for Player {
    fn describe(&self) -> DeviceDescription {
        self.device.describe()
    }

    fn load(&mut self, frame: Arc<PreparedFrame>) -> Result<(), RenderError> {
        self.device.load(frame)
    }

    fn unload(&mut self) {
        self.device.unload();
    }

    fn render(
        &mut self,
        rect: TileRect,
        samples: SampleRange,
        brake: &Brake,
    ) -> Result<Vec<PixelSum>, RenderError> {
        let now = self.story.rendered.fetch_add(1, Ordering::Relaxed);
        self.story.begins.notify_one();
        match self.story.events.get(&now) {
            None => self.device.render(rect, samples, brake),
            Some(Event::Lost) => Err(RenderError::Device("it was lost".into())),
            Some(Event::Panics) => panic!("as the test wants it"),
            Some(Event::Hangs(until)) => {
                let until = until.lock().unwrap().take().expect("it hangs once");
                let _ = until.recv();
                Err(RenderError::Cancelled)
            }
            Some(Event::Goes) => {
                while brake.may_go_on() {
                    std::thread::yield_now();
                }
                Err(RenderError::Cancelled)
            }
        }
    }
}

struct World {
    order: Order,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let glb = tessera_scenes::conformance().swap_remove(0).glb;
        let scene = SceneFile { blob: BlobHash::of(&glb), path: folder.path().join("scene") };
        std::fs::write(&scene.path, glb).unwrap();
        let unit = |index: u32| Unit {
            index: UnitIndex(index.into()),
            frame: FrameNumber(0),
            rect: TileRect { x: 8 * index, y: 0, width: 8, height: 8 },
            samples: SampleRange { start: 0, end: 1 },
        };
        let units = (0..UNITS as u32).map(unit).collect();
        let settings = RenderSettings { width: 24, height: 8, spp: 1, ..RenderSettings::default() };
        Self {
            order: Order { scene, environment: None, settings, fps: 24, units },
            _folder: folder,
        }
    }

    /// What comes out when nothing goes wrong.
    async fn expected(&self) -> Rendered {
        Story::default().renderer().await.render(&self.order, &Brake::default()).await.unwrap()
    }

    async fn is_right(&self, rendered: &Rendered) {
        let expected = self.expected().await;
        assert_eq!(rendered.scene, expected.scene);
        let made = |rendered: &Rendered| -> Vec<_> {
            rendered.units.iter().map(|unit| (unit.result, unit.packed.clone())).collect()
        };
        assert_eq!(made(rendered), made(&expected));
    }
}

#[tokio::test]
async fn one_that_fails_is_started_again_and_does_only_what_is_left() {
    let world = World::new();
    for event in [Event::Lost, Event::Panics] {
        let story = Story::with([(1, event)]);
        let mut renderer = story.renderer().await;
        let rendered = renderer.render(&world.order, &Brake::default()).await.unwrap();
        world.is_right(&rendered).await;
        assert_eq!(story.started(), 2);
        assert_eq!(u64::from(story.rendered()), UNITS + 1, "what was done is not done again");
        renderer.render(&world.order, &Brake::default()).await.unwrap();
        assert_eq!(story.started(), 2, "the second one serves on");
    }
}

#[tokio::test]
async fn what_fails_twice_is_told_and_the_next_order_finds_another_renderer() {
    let world = World::new();
    let story = Story::with([(0, Event::Lost), (1, Event::Lost)]);
    let mut renderer = story.renderer().await;
    let failure = renderer.render(&world.order, &Brake::default()).await.unwrap_err();
    assert_eq!(failure, Failure::Device("it was lost".into()));
    assert_eq!((story.started(), story.rendered()), (2, 2));
    let rendered = renderer.render(&world.order, &Brake::default()).await.unwrap();
    world.is_right(&rendered).await;
    assert_eq!(story.started(), 3);
}

#[tokio::test]
async fn one_that_hangs_is_given_up_and_one_that_is_slow_or_held_is_not() {
    let world = World::new();
    let (over, until) = mpsc::channel();
    let story = Story::with([(0, Event::Hangs(Mutex::new(Some(until))))]);
    let mut renderer = story.renderer().await;
    let rendered = renderer.render(&world.order, &Brake::default()).await.unwrap();
    world.is_right(&rendered).await;
    assert_eq!(story.started(), 2);
    drop(over);

    let story = Story::with([(0, Event::Goes)]);
    let mut renderer = story.renderer().await;
    let longer = ANSWERS_WITHIN + Duration::from_secs(1);
    let brake = Brake::default();
    let goes_on = renderer.render(&world.order, &brake);
    assert!(tokio::time::timeout(longer, goes_on).await.is_err(), "it asks its brake");
    assert_eq!(story.started(), 1);

    // Held before it begins, so that no unit is rendered until it is let go.
    let story = Story::default();
    let (mut renderer, brake) = (story.renderer().await, Brake::default());
    brake.hold(true);
    let let_go = async {
        tokio::time::sleep(longer).await;
        assert_eq!(story.rendered(), 0);
        brake.hold(false);
    };
    let (rendered, ()) = tokio::join!(renderer.render(&world.order, &brake), let_go);
    world.is_right(&rendered.unwrap()).await;
    assert_eq!(story.started(), 1);
}

#[tokio::test]
async fn a_hold_and_a_cancel_reach_the_rendering() {
    let world = World::new();
    let story = Story::with([(0, Event::Goes)]);
    let mut renderer = story.renderer().await;
    let brake = Brake::of(Arc::new(AtomicBool::new(false)));
    let cancelled = async {
        story.begins.notified().await;
        brake.hold(true);
        brake.cancel();
    };
    let (outcome, ()) = tokio::join!(renderer.render(&world.order, &brake), cancelled);
    assert_eq!(outcome.unwrap_err(), Failure::Cancelled);

    // One that nobody waits for any more makes room for the next.
    let story = Story::with([(0, Event::Goes)]);
    let (mut renderer, brake) = (story.renderer().await, Brake::default());
    tokio::select! {
        outcome = renderer.render(&world.order, &brake) => panic!("{outcome:?}"),
        () = story.begins.notified() => {}
    }
    let rendered = renderer.render(&world.order, &Brake::default()).await.unwrap();
    world.is_right(&rendered).await;
    assert_eq!(story.started(), 1);
}

#[tokio::test]
async fn a_scene_that_cannot_be_read_is_no_fault_of_the_renderer() {
    let mut world = World::new();
    let story = Story::default();
    let mut renderer = story.renderer().await;
    let right = world.order.clone();
    world.order.scene.blob = BlobHash([7; 32]);
    let failure = renderer.render(&world.order, &Brake::default()).await.unwrap_err();
    assert_eq!(failure, Failure::Damaged(BlobHash([7; 32])));
    world.order.units.clear();
    let failure = renderer.render(&world.order, &Brake::default()).await.unwrap_err();
    assert!(matches!(failure, Failure::CannotDo(_)), "{failure}");
    world.order = right;
    let rendered = renderer.render(&world.order, &Brake::default()).await.unwrap();
    world.is_right(&rendered).await;
    assert_eq!(story.started(), 1);
}

/// Another device each time.
struct Stranger(CpuBackend, u32);

impl Backend for Stranger {
    fn describe(&self) -> DeviceDescription {
        DeviceDescription { backend: "cpu", device: format!("device {}", self.1) }
    }

    fn load(&mut self, frame: Arc<PreparedFrame>) -> Result<(), RenderError> {
        self.0.load(frame)
    }

    fn unload(&mut self) {
        self.0.unload();
    }

    fn render(
        &mut self,
        _: TileRect,
        _: SampleRange,
        _: &Brake,
    ) -> Result<Vec<PixelSum>, RenderError> {
        Err(RenderError::Device("it was lost".into()))
    }
}

#[tokio::test]
async fn a_device_that_comes_back_as_another_is_not_used() {
    let world = World::new();
    let mut count = 0;
    let launch = Launch::threads(move || {
        count += 1;
        Stranger(CpuBackend::new(Some(1)), count)
    });
    let mut renderer = Renderer::start(launch).await.unwrap();
    let failure = renderer.render(&world.order, &Brake::default()).await.unwrap_err();
    let Failure::Device(reason) = failure else { panic!("{failure:?}") };
    assert!(reason.contains("was device 1, and is device 2 with the same hashes"), "{reason}");
}
