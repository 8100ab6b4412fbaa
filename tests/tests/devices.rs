//! What becomes of a unit when its device is lost, and of a scene that its device cannot hold.
//!
//! The devices are real ones behind a [`Faulty`], which has them lost at dispatches that a test names, and may say
//! that they have less memory. One of wgpu is then really gone and says so itself; of Vulkan's no driver can be asked
//! to lose one, so its word is taken from it. Everything else, above all what follows, is the node's own. What becomes
//! of a unit whose renderer is killed is seen with real processes.

use render_node::render::conformance::{expected, settings_of};
use render_node::render::gpu::GpuBackend;
use render_node::render::gpu::device::{Device, DeviceError, Inputs, Kernel};
use render_node::render::gpu::spirv::FloatControls;
use render_node::render::vulkan::VulkanDevice;
use render_node::render::wgpu::WgpuDevice;
use render_node::render::{Backend, Brake, RenderError};
use rustix::process::{Pid, Signal, kill_process};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tessera_protocol::settings::RenderSettings;
use tessera_protocol::{FrameNumber, PixelSum, SampleRange, sums};
use tessera_reference::{PreparedFrame, Source};
use tessera_scenes::Scene;
use tessera_shaders::layout::Slice;
use world::farm::{Device as NodeDevice, Farm};
use world::process::{Process, eventually};
use world::usage::{Usage, children};
use world::vulkan::{Driver, with_drivers};

/// What a test has happen, and what happened. A backend works on the thread that asks it to.
#[derive(Debug, Default)]
struct Story {
    /// Dispatches, counted from 0 over all openings, before which the device is lost.
    lost_before: BTreeSet<u32>,
    /// All the memory that there is, which is a card's own then.
    memory: Option<u64>,
    opened: u32,
    uploaded: u32,
    dispatched: u32,
}

thread_local! {
    static STORY: RefCell<Story> = RefCell::default();
}

fn story<T>(of: impl FnOnce(&mut Story) -> T) -> T {
    STORY.with_borrow_mut(of)
}

/// How a device is lost.
trait Lose {
    fn lose(&self) -> Result<(), DeviceError>;
}

impl Lose for WgpuDevice {
    fn lose(&self) -> Result<(), DeviceError> {
        WgpuDevice::lose(self);
        Ok(())
    }
}

impl Lose for VulkanDevice {
    fn lose(&self) -> Result<(), DeviceError> {
        Err(DeviceError::Lost("by the test".to_owned()))
    }
}

struct Faulty<D>(D);

impl<D: Device + Lose> Device for Faulty<D> {
    type Scene = D::Scene;
    type Tile = D::Tile;

    const BACKEND: &'static str = D::BACKEND;

    fn open(wanted: Option<&str>, kernel: &Kernel) -> Result<Self, DeviceError> {
        story(|story| story.opened += 1);
        D::open(wanted, kernel).map(Self)
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn controls(&self) -> FloatControls {
        self.0.controls()
    }

    fn has_own_memory(&self) -> bool {
        let real = self.0.has_own_memory();
        assert!(!real, "a processor renders, out of main memory");
        story(|story| story.memory).is_some()
    }

    fn free_memory(&self) -> u64 {
        let real = self.0.free_memory();
        assert_ne!(real, 0, "the device has memory");
        story(|story| story.memory).unwrap_or(real)
    }

    fn upload(&self, inputs: &Inputs<'_>) -> Result<D::Scene, DeviceError> {
        story(|story| story.uploaded += 1);
        self.0.upload(inputs)
    }

    fn begin(&self, bytes: u64) -> Result<D::Tile, DeviceError> {
        self.0.begin(bytes)
    }

    fn dispatch(&self, scene: &D::Scene, tile: &D::Tile, slice: &Slice) -> Result<(), DeviceError> {
        let now = story(|story| {
            story.dispatched += 1;
            story.lost_before.contains(&(story.dispatched - 1))
        });
        if now {
            self.0.lose()?;
        }
        self.0.dispatch(scene, tile, slice)
    }

    fn read(&self, tile: &D::Tile) -> Result<Vec<u8>, DeviceError> {
        self.0.read(tile)
    }
}

fn room() -> (Scene, Arc<PreparedFrame>) {
    let mut scenes = tessera_scenes::conformance().into_iter();
    let scene = scenes.find(|scene| scene.name == "room").expect("it exists");
    let mut source = Source::load(&scene.glb, scene.environment.as_deref()).expect("it loads");
    let frame = source.frame(&settings_of(&scene), FrameNumber(0), scene.time_s);
    (scene, Arc::new(frame.expect("it can be prepared")))
}

fn open<D: Device + Lose>() -> GpuBackend<Faulty<D>> {
    STORY.take();
    GpuBackend::new(Some(Driver::Lavapipe.device())).expect("lavapipe opens")
}

fn render(backend: &mut impl Backend, scene: &Scene) -> Result<Vec<PixelSum>, RenderError> {
    let samples = SampleRange { start: 0, end: scene.spp };
    backend.render(settings_of(scene).frame_rect(), samples, &Brake::default())
}

fn is_right(scene: &Scene, pixels: &[PixelSum]) -> bool {
    Some(sums::hash(pixels)) == expected(scene.name)
}

/// Lost in the middle of the room: its samples so far are gone with the device, and none counts twice.
fn a_lost_device_is_opened_again<D: Device + Lose>() {
    let (scene, frame) = room();
    let mut backend = open::<D>();
    backend.load(frame).unwrap();
    assert!(is_right(&scene, &render(&mut backend, &scene).unwrap()));
    let (opened, uploaded, dispatched) =
        story(|story| (story.opened, story.uploaded, story.dispatched));
    assert_eq!((opened, uploaded), (1, 1));
    assert!(dispatched > 1, "the room takes several dispatches");

    story(|story| story.lost_before = [dispatched + 1].into());
    assert!(is_right(&scene, &render(&mut backend, &scene).unwrap()));
    story(|story| assert_eq!((story.opened, story.uploaded), (2, 2)));
    assert!(is_right(&scene, &render(&mut backend, &scene).unwrap()), "the new one serves on");
    story(|story| assert_eq!((story.opened, story.uploaded), (2, 2)));
}

/// Lost twice by one unit: the unit is given up, the node is not.
fn a_unit_that_loses_its_device_twice_is_given_up<D: Device + Lose>() {
    let (scene, frame) = room();
    let mut backend = open::<D>();
    backend.load(frame).unwrap();
    story(|story| story.lost_before = [0, 1].into());
    let error = render(&mut backend, &scene).unwrap_err();
    assert!(matches!(&error, RenderError::Device(reason) if reason.contains("lost")), "{error}");
    assert!(is_right(&scene, &render(&mut backend, &scene).unwrap()));
    story(|story| assert_eq!((story.opened, story.uploaded), (3, 3)));
}

fn a_scene_that_does_not_fit_is_refused<D: Device + Lose>() {
    let (scene, frame) = room();
    let needed = Inputs::of(&frame).bytes();
    let mut backend = open::<D>();
    story(|story| story.memory = Some(needed - 1));
    let error = backend.load(Arc::clone(&frame)).unwrap_err();
    assert!(matches!(error, RenderError::TooLarge(_)), "{error}");
    let error = error.to_string();
    assert!(error.contains("device memory") && error.contains("--backend cpu"), "{error}");
    story(|story| assert_eq!(story.uploaded, 0, "nothing of it was brought to the device"));
    let nothing = render(&mut backend, &scene).unwrap_err();
    assert!(matches!(nothing, RenderError::Request(_)), "{nothing}");

    story(|story| story.memory = Some(needed));
    assert_eq!(backend.device_memory(), Some(needed));
    backend.load(frame).unwrap();
    assert_eq!(backend.device_memory(), Some(2 * needed), "what the next one replaces counts");
    story(|story| story.memory = None);
    assert_eq!(backend.device_memory(), None, "it has none of its own");
    assert!(is_right(&scene, &render(&mut backend, &scene).unwrap()));
    story(|story| assert_eq!(story.opened, 1, "no device was lost"));
}

#[test]
fn a_lost_device_is_opened_again_and_its_unit_done_again() {
    with_drivers("a_lost_device_is_opened_again_and_its_unit_done_again", |_| {
        a_lost_device_is_opened_again::<WgpuDevice>();
        a_lost_device_is_opened_again::<VulkanDevice>();
    });
}

#[test]
fn a_unit_that_loses_its_device_again_is_given_up() {
    with_drivers("a_unit_that_loses_its_device_again_is_given_up", |_| {
        a_unit_that_loses_its_device_twice_is_given_up::<WgpuDevice>();
        a_unit_that_loses_its_device_twice_is_given_up::<VulkanDevice>();
    });
}

#[test]
fn a_scene_that_a_device_cannot_hold_is_refused_before_it_gets_there() {
    with_drivers("a_scene_that_a_device_cannot_hold_is_refused_before_it_gets_there", |_| {
        a_scene_that_does_not_fit_is_refused::<WgpuDevice>();
        a_scene_that_does_not_fit_is_refused::<VulkanDevice>();
    });
}

/// The renderer of a node that runs.
async fn renderer_of(node: &Process) -> u32 {
    eventually("the node has a renderer", async || children(node.id()).pop()).await
}

/// Settings with which the scene takes one unit of seconds.
fn seconds_of(scene: &Scene) -> RenderSettings {
    RenderSettings { width: 64, height: 64, spp: 1024, environment: None, ..settings_of(scene) }
}

/// Waits until the renderer has computed for a while: it is in the midst of the unit.
async fn is_at_work(renderer: u32) {
    let before = Usage::of(renderer).cpu_s;
    eventually("it is at work", async || (Usage::of(renderer).cpu_s > before + 0.3).then_some(()))
        .await;
}

fn kill(process: u32) {
    let process = i32::try_from(process).ok().and_then(Pid::from_raw).expect("it is a process");
    kill_process(process, Signal::KILL).expect("it runs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_whose_renderer_is_killed_is_done_again_under_the_same_lease() {
    let (scene, _) = room();
    let farm = Farm::new(Duration::from_secs(2));
    let _master = farm.start_master();
    let client = farm.client().await;
    let mut node = farm.start_node("node", NodeDevice::Cpu);
    farm.joined(&client, 1).await;
    let first = renderer_of(&node).await;

    let settings = seconds_of(&scene);
    let job = farm.submit(&client, &scene, settings.clone(), 1, (64, settings.spp)).await;
    is_at_work(first).await;
    kill(first);
    let job = farm.completed(&client, job.id).await;
    let hash = client.frames(job.id).await.unwrap()[0].hash.expect("assembled").to_string();
    assert_eq!(hash, farm.render_alone(&scene, &settings, 0));
    let log = client.log(job.id, 10).await.unwrap();
    assert_eq!(log.len(), 1, "{log:?}");
    assert_eq!(client.nodes().await.unwrap()[0].record.abandoned, 0);
    assert!(!node.ended(), "{}", farm.said("node"));
    let second = renderer_of(&node).await;
    assert_ne!(first, second);
    let said = farm.said("node");
    assert!(said.contains("its process ended (signal: 9 (SIGKILL))"), "{said}");

    // It ends with its node, however that ends.
    node.kill();
    let gone = async || (!std::path::Path::new(&format!("/proc/{second}")).exists()).then_some(());
    eventually("the renderer is gone as well", gone).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_that_kills_two_renderers_is_given_back_with_the_reason() {
    let (scene, _) = room();
    let farm = Farm::new(Duration::from_secs(2));
    let _master = farm.start_master();
    let client = farm.client().await;
    let node = farm.start_node("node", NodeDevice::Cpu);
    farm.joined(&client, 1).await;
    let settings = seconds_of(&scene);
    let job = farm.submit(&client, &scene, settings, 1, (64, 1024)).await;
    let mut last = 0;
    for _ in 0..2 {
        let renderer = eventually("there is another renderer", async || {
            children(node.id()).pop().filter(|renderer| *renderer != last)
        })
        .await;
        is_at_work(renderer).await;
        kill(renderer);
        last = renderer;
    }
    let given_back = eventually("the lease is given back", async || {
        client.log(job.id, 10).await.ok()?.into_iter().find_map(|entry| entry.reason)
    })
    .await;
    assert!(given_back.contains("SIGKILL"), "{given_back}");
    farm.completed(&client, job.id).await;
}
