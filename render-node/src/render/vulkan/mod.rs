//! A GPU through Vulkan itself: the kernel as plain compute, with nothing in between.
//!
//! It asks for Vulkan 1.1 and no more, so that old drivers will do; rounding to nearest even is asked about by the
//! rules of `VK_KHR_shader_float_controls`, which Vulkan 1.2 took in.
//!
//! # Contract
//! - All `unsafe` code of the backend is below this module, each block with the reason why it is sound.
//! - Whatever is made is destroyed by who holds it, in the right order; nothing is destroyed that the device may
//!   still use, because every submission is waited for before anything else is done.
//!
//! Reading order: [`physical`] → `instance` → `owned` → `commands` → `buffer` → `pipeline` → this.

mod buffer;
mod commands;
mod instance;
mod owned;
pub(crate) mod physical;
mod pipeline;

use super::gpu::GpuBackend;
use super::gpu::device::{ARRAYS, BINDINGS, Device, DeviceError, Inputs, Kernel, choose};
use super::gpu::spirv::{self, FloatControls};
use ash::vk;
use buffer::{Allocator, Buffer, Staging};
use commands::{Commands, Dispatch};
use instance::{Instance, Physical};
use owned::Logical;
use pipeline::{Pipeline, STORAGE_BUFFERS};
use tessera_shaders::layout::Slice;
use tessera_shaders::wgsl::WORKGROUP;

/// Renders on a Vulkan device.
pub type VulkanBackend = GpuBackend<VulkanDevice>;

/// A Vulkan device by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The device's and its driver's names.
    pub name: String,
    /// Whether it may render exact work; where not, why not.
    pub exactness: Result<(), String>,
}

/// All Vulkan devices of this machine; none where there is no Vulkan.
pub fn find_all() -> Vec<Found> {
    let devices = Instance::open().and_then(|instance| instance.devices());
    let found =
        |device: Physical| Found { name: device.name, exactness: device.controls.exactness() };
    devices.unwrap_or_default().into_iter().map(found).collect()
}

/// A Vulkan device with the kernel on it.
pub struct VulkanDevice {
    physical: Physical,
    allocator: Allocator,
    staging: Staging,
    slice: Buffer,
    pipeline: Pipeline,
    commands: Commands,
}

/// A frame's buffers.
pub struct Scene {
    frame: Buffer,
    arrays: [Buffer; ARRAYS],
}

/// A tile's sums.
pub struct Tile {
    sums: Buffer,
}

impl Device for VulkanDevice {
    type Scene = Scene;
    type Tile = Tile;

    const BACKEND: &'static str = "vulkan";

    fn open(wanted: Option<&str>, kernel: &Kernel) -> Result<Self, DeviceError> {
        let instance = Instance::open()?;
        let mut devices = instance.devices()?;
        let names: Vec<String> = devices.iter().map(|device| device.name.clone()).collect();
        let physical = devices.swap_remove(choose(&names, wanted)?);
        let limits = &physical.properties.limits;
        let storage = limits
            .max_per_stage_descriptor_storage_buffers
            .min(limits.max_descriptor_set_storage_buffers);
        if storage < STORAGE_BUFFERS {
            return Err(DeviceError::Failed(format!(
                "{} binds {storage} storage buffers, and the kernel has {STORAGE_BUFFERS}: \
                 use --backend cpu",
                physical.name
            )));
        }
        let words = spirv::compile(&kernel.wgsl, kernel.exactness, physical.controls)
            .map_err(|error| DeviceError::Failed(error.to_string()))?;
        let device = Logical::open(instance, &physical)?;
        let pipeline = Pipeline::new(&device, &words)?;
        let commands = Commands::new(&device, physical.queue_family)?;
        let allocator = Allocator::new(device, &physical);
        let staging = Staging::new(&allocator)?;
        let slice =
            allocator.on_device(size_of::<Slice>() as u64, vk::BufferUsageFlags::UNIFORM_BUFFER)?;
        Ok(Self { physical, allocator, staging, slice, pipeline, commands })
    }

    fn name(&self) -> &str {
        &self.physical.name
    }

    fn controls(&self) -> FloatControls {
        self.physical.controls
    }

    fn has_own_memory(&self) -> bool {
        physical::has_own_memory(&self.allocator.device.instance.raw, self.physical.raw)
    }

    fn free_memory(&self) -> u64 {
        physical::free_memory(&self.allocator.device.instance.raw, self.physical.raw)
    }

    fn upload(&self, inputs: &Inputs<'_>) -> Result<Scene, DeviceError> {
        let frame = self.filled(inputs.frame, vk::BufferUsageFlags::UNIFORM_BUFFER)?;
        let storage = |bytes: &[u8]| self.filled(bytes, vk::BufferUsageFlags::STORAGE_BUFFER);
        let arrays: Vec<_> = inputs.arrays.into_iter().map(storage).collect::<Result<_, _>>()?;
        let arrays = arrays.try_into().map_err(|_| DeviceError::failed("an array went missing"))?;
        Ok(Scene { frame, arrays })
    }

    fn begin(&self, bytes: u64) -> Result<Tile, DeviceError> {
        self.check_binding(bytes)?;
        let sums = self.allocator.on_device(bytes, vk::BufferUsageFlags::STORAGE_BUFFER)?;
        self.commands.zero(&sums)?;
        Ok(Tile { sums })
    }

    fn dispatch(&self, scene: &Scene, tile: &Tile, slice: &Slice) -> Result<(), DeviceError> {
        let of_scene = [&scene.frame, &self.slice].into_iter().chain(&scene.arrays);
        let mut buffers = [&tile.sums; BINDINGS];
        for (place, buffer) in buffers.iter_mut().zip(of_scene) {
            *place = buffer;
        }
        self.pipeline.bind(buffers);
        self.commands.dispatch(&Dispatch {
            pipeline: self.pipeline.raw.raw,
            layout: self.pipeline.layout.raw,
            bindings: self.pipeline.bindings,
            slice: &self.slice,
            contents: bytemuck::bytes_of(slice),
            groups: [
                slice.width.div_ceil(WORKGROUP),
                (slice.row_end - slice.row_start).div_ceil(WORKGROUP),
            ],
        })
    }

    fn read(&self, tile: &Tile) -> Result<Vec<u8>, DeviceError> {
        self.staging.download(&self.commands, &tile.sums)
    }
}

impl VulkanDevice {
    fn filled(&self, bytes: &[u8], usage: vk::BufferUsageFlags) -> Result<Buffer, DeviceError> {
        self.check_binding(bytes.len() as u64)?;
        let buffer = self.allocator.on_device(bytes.len() as u64, usage)?;
        self.staging.upload(&self.commands, bytes, &buffer)?;
        Ok(buffer)
    }

    fn check_binding(&self, bytes: u64) -> Result<(), DeviceError> {
        let most = u64::from(self.physical.properties.limits.max_storage_buffer_range);
        if bytes > most {
            return Err(DeviceError::binding(bytes, &self.physical.name, most));
        }
        Ok(())
    }
}

impl From<vk::Result> for DeviceError {
    fn from(result: vk::Result) -> Self {
        match result {
            vk::Result::ERROR_DEVICE_LOST => Self::Lost(result.to_string()),
            vk::Result::ERROR_OUT_OF_DEVICE_MEMORY | vk::Result::ERROR_OUT_OF_HOST_MEMORY => {
                Self::out_of_memory()
            }
            result => Self::failed(result),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_driver_says_is_told_apart() {
        let of = |result: vk::Result| DeviceError::from(result);
        assert!(matches!(of(vk::Result::ERROR_DEVICE_LOST), DeviceError::Lost(_)));
        assert_eq!(of(vk::Result::ERROR_OUT_OF_DEVICE_MEMORY), DeviceError::out_of_memory());
        assert!(matches!(of(vk::Result::ERROR_INITIALIZATION_FAILED), DeviceError::Failed(_)));
    }
}
