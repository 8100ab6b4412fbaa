//! Jobs to try quotes on.
#![allow(dead_code, reason = "each user needs a part of it")]

use tessera_protocol::job::{FrameSpan, JobSpec};
use tessera_protocol::node::DeviceClass;
use tessera_protocol::settings::{Environment, RenderSettings};
use tessera_protocol::{BlobHash, FrameNumber, SampleRange};
use tessera_reference::{Pixel, PreparedFrame, Source, sums};
use tessera_scenes::Scene;
use tessera_scenes::model::Model;

/// Files, and what is asked for with them.
pub(crate) struct Job {
    pub(crate) glb: Vec<u8>,
    pub(crate) sky: Option<Vec<u8>>,
    pub(crate) spec: JobSpec,
}

impl Job {
    /// One frame, of 48 × 48 pixels unless changed.
    pub(crate) fn new(name: &str, glb: Vec<u8>, sky: Option<Vec<u8>>, max_bounces: u32) -> Self {
        let environment = sky.as_ref().map(|sky| Environment {
            blob: BlobHash::of(sky),
            strength: 1.0,
            rotation_deg: 0.0,
        });
        let settings = RenderSettings {
            width: 48,
            height: 48,
            spp: 32,
            max_bounces,
            environment,
            ..Default::default()
        };
        let spec = JobSpec {
            name: name.to_owned(),
            scene: BlobHash::of(&glb),
            settings,
            frames: FrameSpan { first: FrameNumber(0), last: FrameNumber(0) },
            fps: 5,
            tile: 16,
            samples_per_unit: 1,
            class: DeviceClass::Exact,
        };
        Self { glb, sky, spec }
    }

    pub(crate) fn of_model(name: &str, model: &Model, max_bounces: u32) -> Self {
        Self::new(name, model.to_glb(), None, max_bounces)
    }

    /// A sample scene, at its own time and in its own light.
    pub(crate) fn of_scene(scene: Scene) -> Self {
        let mut job = Self::new(scene.name, scene.glb, scene.environment, scene.max_bounces);
        job.spec.settings.background = scene.background;
        if let Some(environment) = &mut job.spec.settings.environment {
            environment.strength = scene.environment_strength;
            environment.rotation_deg = scene.environment_rotation_deg;
        }
        job.frames((scene.time_s * 5.0 + 0.5) as u32, 1)
    }

    pub(crate) fn conformance(name: &str) -> Self {
        let scene = tessera_scenes::conformance().into_iter().find(|scene| scene.name == name);
        Self::of_scene(scene.expect("there is such a scene"))
    }

    /// The sample animation, small.
    pub(crate) fn mosaic() -> Self {
        let film = tessera_scenes::sample_animation();
        let job = Self::new(film.name, film.glb, film.environment, film.max_bounces);
        let mut job = job.sized(48, 27, 64).frames(0, film.frames);
        job.spec.fps = film.fps;
        job
    }

    pub(crate) fn frames(mut self, first: u32, count: u32) -> Self {
        self.spec.frames =
            FrameSpan { first: FrameNumber(first), last: FrameNumber(first + count - 1) };
        self
    }

    pub(crate) fn sized(mut self, width: u32, height: u32, spp: u32) -> Self {
        let settings = &mut self.spec.settings;
        (settings.width, settings.height, settings.spp) = (width, height, spp);
        self
    }

    pub(crate) fn source(&self) -> Source {
        Source::load(&self.glb, self.sky.as_deref()).unwrap()
    }

    pub(crate) fn frame(&self, source: &mut Source, number: u32) -> PreparedFrame {
        let number = FrameNumber(number);
        source.frame(&self.spec.settings, number, self.spec.time_s(number)).unwrap()
    }

    /// Rays of each pixel of a frame, all samples of it, row by row.
    pub(crate) fn rays_of_pixels(&self, source: &mut Source, number: u32) -> Vec<u64> {
        let settings = &self.spec.settings;
        let samples = SampleRange { start: 0, end: settings.spp };
        let pixels: Vec<_> = (0..settings.width * settings.height)
            .map(|i| Pixel { x: i % settings.width, y: i / settings.width, samples })
            .collect();
        let frame = self.frame(source, number);
        sums(&frame, &pixels, 2).iter().map(|sum| sum.rays).collect()
    }

    /// Rays of each frame of the job.
    pub(crate) fn rays_of_frames(&self) -> Vec<u64> {
        let mut source = self.source();
        let span = self.spec.frames;
        (span.first.0..=span.last.0)
            .map(|number| self.rays_of_pixels(&mut source, number).iter().sum())
            .collect()
    }
}
