//! The WGSL kernel on a GPU, by whichever way leads there.
//!
//! [`spirv`] makes the kernel exact, a [`Device`] runs it, and [`GpuBackend`] feeds the device: slice by slice, with
//! the brake asked in between. There are two devices: [`super::wgpu`] and [`super::vulkan`].
//!
//! # Contract
//! - A frame that does not fit into the device's memory is refused before anything of it is brought there.
//! - A device that is lost is opened again, the frame is brought to it again, and the rectangle in hand is
//!   rendered again from its first sample. A rectangle that loses it a second time is refused as the device's failure;
//!   the next one finds it opened anew.
//!
//! Reading order: [`device`] → this → `slices` → [`spirv`].

pub mod device;
mod slices;
pub mod spirv;

use super::{Backend, Brake, DeviceDescription, RenderError, check_request};
use device::{Device, DeviceError, Inputs, Kernel};
use slices::Pace;
use spirv::Exactness;
use std::sync::Arc;
use std::time::Instant;
use tessera_protocol::{PixelSum, SampleRange, TileRect};
use tessera_reference::PreparedFrame;
use tessera_shaders::layout::{Slice, Sum};
use tracing::warn;

/// Renders on a GPU.
pub struct GpuBackend<D: Device> {
    /// The device's whole name: another one has other bits, or none.
    name: String,
    kernel: Kernel,
    frame: Option<Arc<PreparedFrame>>,
    /// The frame on the device. It is dropped first.
    scene: Option<D::Scene>,
    /// Nothing while it is lost.
    device: Option<D>,
    pace: Pace,
}

impl<D: Device> GpuBackend<D> {
    /// On the device called `wanted`, or the first whose name contains it, or the first at all.
    pub fn new(wanted: Option<&str>) -> Result<Self, RenderError> {
        let new = Self::with_kernel(wanted, &tessera_shaders::wgsl::source(), Exactness::Kept)?;
        if let Some(Err(reason)) = new.device.as_ref().map(|device| device.controls().exactness()) {
            // What it makes of the conformance scenes decides; this says why, should they differ.
            warn!("{} promises no exact bits: {reason}", new.name);
        }
        Ok(new)
    }

    /// The same with arithmetic that the driver may rearrange: its bits are its own.
    pub fn fast(wanted: Option<&str>) -> Result<Self, RenderError> {
        Self::with_kernel(wanted, &tessera_shaders::wgsl::source(), Exactness::Dropped)
    }

    /// With another text of the kernel: tests show what each rule is good for by leaving it out.
    pub fn with_kernel(
        wanted: Option<&str>,
        wgsl: &str,
        exactness: Exactness,
    ) -> Result<Self, RenderError> {
        let kernel = Kernel { wgsl: wgsl.to_owned(), exactness };
        let device = D::open(wanted, &kernel)?;
        Ok(Self {
            name: device.name().to_owned(),
            kernel,
            frame: None,
            scene: None,
            device: Some(device),
            pace: Pace::default(),
        })
    }

    /// Does something with the device and the frame on it; once more if the device is lost.
    fn on_device<T>(
        &mut self,
        mut work: impl FnMut(&D, &D::Scene, &PreparedFrame, &mut Pace) -> Result<T, Stop>,
    ) -> Result<T, RenderError> {
        match self.attempt(&mut work) {
            Err(Stop::Device(DeviceError::Lost(reason))) => {
                warn!("{} was lost ({reason}); it is opened again", self.name);
            }
            outcome => return outcome.map_err(RenderError::from),
        }
        self.attempt(&mut work).map_err(RenderError::from)
    }

    /// The same at most once. A device that fails is not used any more: who comes next opens it anew.
    fn attempt<T>(
        &mut self,
        work: &mut impl FnMut(&D, &D::Scene, &PreparedFrame, &mut Pace) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let outcome = self.work_with(work);
        if let Err(Stop::Device(DeviceError::Lost(_) | DeviceError::Failed(_))) = outcome {
            self.forget_device();
        }
        outcome
    }

    fn work_with<T>(
        &mut self,
        work: &mut impl FnMut(&D, &D::Scene, &PreparedFrame, &mut Pace) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let frame = self.frame.as_ref().ok_or(Stop::NothingPrepared)?;
        let device = match self.device.take() {
            Some(device) => device,
            None => D::open(Some(&self.name), &self.kernel)?,
        };
        let device = self.device.insert(device);
        let scene = match self.scene.take() {
            Some(scene) => scene,
            None => upload(device, frame)?,
        };
        work(device, self.scene.insert(scene), frame, &mut self.pace)
    }

    /// What the device held goes before it, and its speed with it: perhaps a watchdog took it.
    fn forget_device(&mut self) {
        self.scene = None;
        self.device = None;
        self.pace = Pace::default();
    }
}

/// Why there is no result.
enum Stop {
    Device(DeviceError),
    Cancelled,
    NothingPrepared,
}

impl From<DeviceError> for Stop {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}

impl From<Stop> for RenderError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Device(error) => error.into(),
            Stop::Cancelled => Self::Cancelled,
            Stop::NothingPrepared => Self::Request("no frame was prepared".to_owned()),
        }
    }
}

/// Brings the frame to the device, if there is room.
fn upload<D: Device>(device: &D, frame: &PreparedFrame) -> Result<D::Scene, DeviceError> {
    let inputs = Inputs::of(frame);
    let (needed, free) = (inputs.bytes(), device.free_memory());
    if needed > free {
        return Err(DeviceError::TooLarge(format!(
            "the scene needs {} MiB of device memory; {} has {} MiB free: use --backend cpu",
            needed.div_ceil(1 << 20),
            device.name(),
            free >> 20
        )));
    }
    device.upload(&inputs)
}

impl<D: Device> Backend for GpuBackend<D> {
    fn describe(&self) -> DeviceDescription {
        DeviceDescription { backend: D::BACKEND, device: self.name.clone() }
    }

    fn device_memory(&self) -> Option<u64> {
        let device = self.device.as_ref().filter(|device| device.has_own_memory())?;
        let held = self.scene.as_ref().and(self.frame.as_ref());
        let held = held.map_or(0, |frame| Inputs::of(frame).bytes());
        Some(device.free_memory().saturating_add(held))
    }

    fn load(&mut self, frame: Arc<PreparedFrame>) -> Result<(), RenderError> {
        // Freed first: two frames may not fit into the device's memory.
        self.unload();
        self.frame = Some(frame);
        let loaded = self.on_device(|_, _, _, _| Ok(()));
        if loaded.is_err() {
            self.frame = None;
        }
        loaded
    }

    fn unload(&mut self) {
        self.scene = None;
        self.frame = None;
    }

    fn render(
        &mut self,
        rect: TileRect,
        samples: SampleRange,
        brake: &Brake,
    ) -> Result<Vec<PixelSum>, RenderError> {
        if let Some(frame) = &self.frame {
            check_request(frame, rect, samples)?;
        }
        self.on_device(|device, scene, frame, pace| {
            let tile = device.begin(rect.pixels() * size_of::<Sum>() as u64)?;
            let mut rest = Some(Slice {
                x: rect.x,
                y: rect.y,
                width: rect.width,
                height: rect.height,
                row_start: 0,
                row_end: rect.height,
                sample_start: samples.start,
                sample_end: samples.end,
                padding: [0; 3],
                root: frame.accel.root,
            });
            while let Some(part) = rest {
                if !brake.may_go_on() {
                    return Err(Stop::Cancelled);
                }
                let now = pace.next(part);
                let started = Instant::now();
                device.dispatch(scene, &tile, &now)?;
                pace.measured(&now, started.elapsed());
                rest = slices::after(part, now);
            }
            Ok(pixel_sums(&device.read(&tile)?))
        })
    }
}

fn pixel_sums(bytes: &[u8]) -> Vec<PixelSum> {
    let wide = |[low, high]: [u32; 2]| u64::from(low) | (u64::from(high) << 32);
    let of = |bytes: &[u8]| {
        let [r, g, b, rays] = bytemuck::pod_read_unaligned::<Sum>(bytes).words.map(wide);
        PixelSum { r, g, b, rays }
    };
    bytes.chunks_exact(size_of::<Sum>()).map(of).collect()
}
