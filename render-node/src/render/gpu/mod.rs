//! The WGSL kernel on a Vulkan device.
//!
//! [`spirv`] makes the kernel exact, [`device`] finds a device that can run it so, and
//! [`GpuBackend`] feeds it. A dispatch is kept short by what the last ones took, since drivers end
//! what runs too long.

pub mod device;
pub mod spirv;

use super::{Backend, Brake, DeviceDescription, RenderError, check_request};
use device::{Gpu, device_error};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tessera_protocol::{PixelSum, SampleRange, TileRect};
use tessera_reference::PreparedFrame;
use tessera_shaders::layout::{Slice, Sum};
use tessera_shaders::wgsl::WORKGROUP;

/// How long a dispatch should take: far from any watchdog, long enough that submitting it is
/// nothing beside it.
const DISPATCH: Duration = Duration::from_millis(100);
/// Pixel samples of the first dispatch, on a device whose speed is not known yet.
const FIRST_BUDGET: u64 = 1 << 14;

/// Renders on a Vulkan device.
pub struct GpuBackend {
    gpu: Gpu,
    frame: Option<Loaded>,
    /// Pixel samples of the next dispatch.
    budget: u64,
}

struct Loaded {
    frame: Arc<PreparedFrame>,
    buffers: Vec<wgpu::Buffer>,
}

impl GpuBackend {
    /// On the first device whose name contains `wanted`, or the first one at all.
    pub fn new(wanted: Option<&str>) -> Result<Self, RenderError> {
        Self::with_kernel(wanted, &tessera_shaders::wgsl::source(), spirv::Exactness::Kept)
    }

    /// The same with arithmetic that the driver may rearrange: its bits are its own.
    pub fn fast(wanted: Option<&str>) -> Result<Self, RenderError> {
        let kernel = tessera_shaders::wgsl::source();
        Self::with_kernel(wanted, &kernel, spirv::Exactness::Dropped)
    }

    /// With another text of the kernel: tests show what each rule is good for by leaving it out.
    pub fn with_kernel(
        wanted: Option<&str>,
        wgsl: &str,
        exactness: spirv::Exactness,
    ) -> Result<Self, RenderError> {
        let gpu = Gpu::open(wanted, wgsl, exactness)?;
        Ok(Self { gpu, frame: None, budget: FIRST_BUDGET })
    }

    /// Whether the device promises what exact work needs; where not, why not.
    pub fn exactness(&self) -> Result<(), String> {
        self.gpu.controls.exactness()
    }

    /// Runs one dispatch and waits for it.
    fn dispatch(
        &mut self,
        bindings: &wgpu::BindGroup,
        slice: &wgpu::Buffer,
        of: Slice,
    ) -> Result<(), RenderError> {
        let started = Instant::now();
        self.gpu.queue.write_buffer(slice, 0, bytemuck::bytes_of(&of));
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&self.gpu.pipeline);
            pass.set_bind_group(0, bindings, &[]);
            pass.dispatch_workgroups(
                of.width.div_ceil(WORKGROUP),
                (of.row_end - of.row_start).div_ceil(WORKGROUP),
                1,
            );
        }
        self.gpu.submit_and_wait(encoder)?;
        let took = started.elapsed().as_secs_f64().max(1e-6);
        let factor = (DISPATCH.as_secs_f64() / took).clamp(0.25, 2.0);
        let done = u64::from(of.width)
            * u64::from(of.row_end - of.row_start)
            * u64::from(of.sample_end - of.sample_start);
        self.budget = ((done as f64 * factor) as u64).max(64);
        Ok(())
    }
}

/// The next part of a tile: all rows of some samples, or some rows of one sample.
fn next_slice(rest: Slice, end: SampleRange, budget: u64) -> Slice {
    let row = u64::from(rest.width);
    let rows = u64::from(rest.row_end - rest.row_start);
    if rest.row_start == 0 && budget >= row * rows {
        let samples = (budget / (row * rows)).min(u64::from(end.end - rest.sample_start)) as u32;
        return Slice { sample_end: rest.sample_start + samples, ..rest };
    }
    // Whole workgroups of rows, so that none is dispatched for a part.
    let rows = (budget / row).max(1).next_multiple_of(u64::from(WORKGROUP)).min(rows) as u32;
    Slice { row_end: rest.row_start + rows, sample_end: rest.sample_start + 1, ..rest }
}

impl Backend for GpuBackend {
    fn describe(&self) -> DeviceDescription {
        DeviceDescription { backend: "wgpu", device: self.gpu.name.clone() }
    }

    fn load(&mut self, frame: Arc<PreparedFrame>) -> Result<(), RenderError> {
        // Freed first: two frames may not fit into the device's memory.
        self.frame = None;
        let (scene, accel) = (&frame.scene, &frame.accel);
        let arrays: [&[u8]; 9] = [
            bytemuck::cast_slice(&scene.vertices),
            bytemuck::cast_slice(&scene.triangles),
            bytemuck::cast_slice(&accel.instances),
            bytemuck::cast_slice(&scene.materials),
            bytemuck::cast_slice(&scene.texels),
            bytemuck::cast_slice(&scene.lights),
            bytemuck::cast_slice(&scene.cells),
            bytemuck::cast_slice(&accel.nodes),
            bytemuck::cast_slice(&accel.leaves),
        ];
        let mut buffers = vec![self.gpu.uniform(bytemuck::bytes_of(&scene.frame))?];
        for bytes in arrays {
            buffers.push(self.gpu.storage(bytes)?);
        }
        self.frame = Some(Loaded { frame, buffers });
        Ok(())
    }

    fn render(
        &mut self,
        rect: TileRect,
        samples: SampleRange,
        brake: &Brake,
    ) -> Result<Vec<PixelSum>, RenderError> {
        let loaded = self
            .frame
            .take()
            .ok_or_else(|| RenderError::Request("no frame was prepared".to_owned()))?;
        let result = self.render_loaded(&loaded, rect, samples, brake);
        self.frame = Some(loaded);
        result
    }
}

impl GpuBackend {
    fn render_loaded(
        &mut self,
        loaded: &Loaded,
        rect: TileRect,
        samples: SampleRange,
        brake: &Brake,
    ) -> Result<Vec<PixelSum>, RenderError> {
        check_request(&loaded.frame, rect, samples)?;
        let mut part = Slice {
            x: rect.x,
            y: rect.y,
            width: rect.width,
            height: rect.height,
            row_start: 0,
            row_end: rect.height,
            sample_start: samples.start,
            sample_end: samples.end,
            padding: [0; 3],
            root: loaded.frame.accel.root,
        };
        let slice = self.gpu.uniform(bytemuck::bytes_of(&part))?;
        let bytes = rect.pixels() * size_of::<Sum>() as u64;
        let sums = self.gpu.zeroed_sums(bytes)?;
        let bindings = self.gpu.bind(&loaded.buffers, &slice, &sums);
        while part.sample_start < samples.end {
            if !brake.may_go_on() {
                return Err(RenderError::Cancelled);
            }
            let now = next_slice(part, samples, self.budget);
            self.dispatch(&bindings, &slice, now)?;
            if now.row_end < rect.height {
                part.row_start = now.row_end;
            } else {
                part.row_start = 0;
                part.sample_start = now.sample_end;
            }
        }
        let words = self.gpu.read(&sums, bytes).map_err(device_error)?;
        Ok(bytemuck::cast_slice::<u8, Sum>(&words).iter().map(pixel_sum).collect())
    }
}

fn pixel_sum(sum: &Sum) -> PixelSum {
    let wide = |[low, high]: [u32; 2]| u64::from(low) | (u64::from(high) << 32);
    let [r, g, b, rays] = sum.words.map(wide);
    PixelSum { r, g, b, rays }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(width: u32, height: u32) -> Slice {
        Slice {
            x: 0,
            y: 0,
            width,
            height,
            row_start: 0,
            row_end: height,
            sample_start: 0,
            sample_end: 4,
            padding: [0; 3],
            root: 0,
        }
    }

    #[test]
    fn slices_cover_each_row_and_sample_once_whatever_the_budget() {
        let end = SampleRange { start: 0, end: 4 };
        for (width, height) in [(64, 64), (7, 33), (200, 1)] {
            for budget in [1, 64, 1000, 4096, 1 << 20] {
                let mut seen = vec![0; (height * 4) as usize];
                let mut part = whole(width, height);
                while part.sample_start < end.end {
                    let now = next_slice(part, end, budget);
                    for sample in now.sample_start..now.sample_end {
                        for row in now.row_start..now.row_end {
                            seen[(sample * height + row) as usize] += 1;
                        }
                    }
                    if now.row_end < height {
                        part.row_start = now.row_end;
                    } else {
                        part.row_start = 0;
                        part.sample_start = now.sample_end;
                    }
                }
                assert!(seen.iter().all(|&n| n == 1), "{width} × {height}, {budget}");
            }
        }
    }
}
