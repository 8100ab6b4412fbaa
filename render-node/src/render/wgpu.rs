//! A GPU through wgpu: portable, and as careful as a browser has to be.

use super::gpu::GpuBackend;
use super::gpu::device::{
    BINDINGS, Device, DeviceError, Inputs, Kernel, buffer_size, choose, tell_apart,
};
use super::gpu::spirv::{self, FloatControls};
use super::vulkan::physical;
use std::sync::{Arc, Mutex};
use tessera_shaders::layout::Slice;
use tessera_shaders::wgsl::{ENTRY_POINT, WORKGROUP};

/// Renders on a Vulkan device through wgpu.
pub type WgpuBackend = GpuBackend<WgpuDevice>;

/// A device of wgpu with the kernel on it.
pub struct WgpuDevice {
    name: String,
    controls: FloatControls,
    adapter: wgpu::Adapter,
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    slice: wgpu::Buffer,
    /// What the device complained of outside of any call.
    complaint: Arc<Mutex<Option<DeviceError>>>,
}

/// A tile's sums.
pub struct Tile {
    sums: wgpu::Buffer,
}

impl Device for WgpuDevice {
    /// The uniform, then the storage buffers.
    type Scene = Vec<wgpu::Buffer>;
    type Tile = Tile;

    const BACKEND: &'static str = "wgpu";

    fn open(wanted: Option<&str>, kernel: &Kernel) -> Result<Self, DeviceError> {
        let mut adapters = adapters();
        let names = adapters.iter().map(|adapter| adapter_name(&adapter.get_info()));
        let names = tell_apart(&names.collect::<Vec<_>>());
        let index = choose(&names, wanted)?;
        let adapter = adapters.swap_remove(index);
        let controls = float_controls(&adapter);
        let words = spirv::compile(&kernel.wgsl, kernel.exactness, controls)
            .map_err(|error| DeviceError::Failed(error.to_string()))?;
        let (device, queue) = open_device(&adapter)?;
        let complaint = listen(&device);
        let (layout, pipeline) = create_pipeline(&device, words);
        let slice = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: size_of::<Slice>() as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let name = names[index].clone();
        let opened =
            Self { name, controls, adapter, device, queue, pipeline, layout, slice, complaint };
        opened.check()?;
        Ok(opened)
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn controls(&self) -> FloatControls {
        self.controls
    }

    fn has_own_memory(&self) -> bool {
        let kind = self.adapter.get_info().device_type;
        matches!(kind, wgpu::DeviceType::DiscreteGpu | wgpu::DeviceType::VirtualGpu)
    }

    fn free_memory(&self) -> u64 {
        // What was dropped is freed only now; a lost device says so at the next call.
        let _ = self.device.poll(wgpu::PollType::wait_indefinitely());
        // SAFETY: the handles are only read from, while the adapter keeps them alive.
        let hal = unsafe { self.adapter.as_hal::<wgpu::hal::api::Vulkan>() };
        hal.map_or(u64::MAX, |hal| {
            let instance = hal.shared_instance().raw_instance();
            physical::free_memory(instance, hal.raw_physical_device())
        })
    }

    fn upload(&self, inputs: &Inputs<'_>) -> Result<Self::Scene, DeviceError> {
        let mut buffers = vec![self.buffer(inputs.frame, wgpu::BufferUsages::UNIFORM)?];
        for bytes in inputs.arrays {
            buffers.push(self.buffer(bytes, wgpu::BufferUsages::STORAGE)?);
        }
        Ok(buffers)
    }

    fn begin(&self, bytes: u64) -> Result<Tile, DeviceError> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        // New buffers are zero.
        Ok(Tile { sums: self.empty_buffer(bytes, usage)? })
    }

    fn dispatch(&self, scene: &Self::Scene, tile: &Tile, slice: &Slice) -> Result<(), DeviceError> {
        self.queue.write_buffer(&self.slice, 0, bytemuck::bytes_of(slice));
        let bindings = self.bind(scene, tile);
        let mut encoder = self.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, &bindings, &[]);
            pass.dispatch_workgroups(
                slice.width.div_ceil(WORKGROUP),
                (slice.row_end - slice.row_start).div_ceil(WORKGROUP),
                1,
            );
        }
        self.submit_and_wait(encoder)
    }

    fn read(&self, tile: &Tile) -> Result<Vec<u8>, DeviceError> {
        let bytes = tile.sums.size();
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: bytes,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&tile.sums, 0, &staging, 0, bytes);
        self.submit_and_wait(encoder)?;
        staging.map_async(wgpu::MapMode::Read, .., |_| {});
        self.device.poll(wgpu::PollType::wait_indefinitely()).map_err(DeviceError::failed)?;
        self.check()?;
        let view = staging.get_mapped_range(..).map_err(DeviceError::failed)?;
        Ok(view.to_vec())
    }
}

impl WgpuDevice {
    /// Ends the device as one ends that is lost: tests show what follows.
    pub fn lose(&self) {
        self.device.destroy();
    }

    /// Fails if the device complained since it was asked last.
    fn check(&self) -> Result<(), DeviceError> {
        match self.complaint.lock().map(|mut complaint| complaint.take()) {
            Ok(None) => Ok(()),
            Ok(Some(complaint)) => Err(complaint),
            Err(poisoned) => Err(DeviceError::failed(poisoned)),
        }
    }

    fn buffer(
        &self,
        contents: &[u8],
        usage: wgpu::BufferUsages,
    ) -> Result<wgpu::Buffer, DeviceError> {
        let buffer =
            self.empty_buffer(contents.len() as u64, usage | wgpu::BufferUsages::COPY_DST)?;
        self.queue.write_buffer(&buffer, 0, contents);
        self.check()?;
        Ok(buffer)
    }

    fn empty_buffer(
        &self,
        bytes: u64,
        usage: wgpu::BufferUsages,
    ) -> Result<wgpu::Buffer, DeviceError> {
        let limits = self.device.limits();
        let most = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        if bytes > most {
            return Err(DeviceError::binding(bytes, &self.name, most));
        }
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: buffer_size(bytes),
            usage,
            mapped_at_creation: false,
        });
        self.check()?;
        Ok(buffer)
    }

    fn bind(&self, scene: &[wgpu::Buffer], tile: &Tile) -> wgpu::BindGroup {
        let (frame, storage) = scene.split_at(1);
        let buffers = frame.iter().chain([&self.slice]).chain(storage).chain([&tile.sums]);
        let entries: Vec<_> = (0..)
            .zip(buffers)
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &self.layout,
            entries: &entries,
        })
    }

    fn submit_and_wait(&self, encoder: wgpu::CommandEncoder) -> Result<(), DeviceError> {
        self.queue.submit([encoder.finish()]);
        let waited = self.device.poll(wgpu::PollType::wait_indefinitely());
        // Where the device was lost, its own word says so, and the wait's does not.
        self.check()?;
        waited.map(|_| ()).map_err(DeviceError::failed)
    }
}

fn adapters() -> Vec<wgpu::Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: wgpu::Backends::VULKAN,
        flags: wgpu::InstanceFlags::ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    pollster::block_on(instance.enumerate_adapters(wgpu::Backends::VULKAN))
}

fn adapter_name(info: &wgpu::AdapterInfo) -> String {
    physical::full_name(&info.name, &info.driver, &info.driver_info)
}

fn float_controls(adapter: &wgpu::Adapter) -> FloatControls {
    // SAFETY: the handles are only read from, while `adapter` keeps them alive.
    let hal = unsafe { adapter.as_hal::<wgpu::hal::api::Vulkan>() };
    hal.map_or_else(FloatControls::default, |hal| {
        let instance = hal.shared_instance().raw_instance();
        physical::float_controls(instance, hal.raw_physical_device())
    })
}

fn open_device(adapter: &wgpu::Adapter) -> Result<(wgpu::Device, wgpu::Queue), DeviceError> {
    let descriptor = wgpu::DeviceDescriptor {
        label: None,
        required_features: wgpu::Features::PASSTHROUGH_SHADERS,
        // All that the device has: scenes are large.
        required_limits: adapter.limits(),
        ..Default::default()
    };
    pollster::block_on(adapter.request_device(&descriptor)).map_err(DeviceError::failed)
}

/// Where the device's first complaint will be; that it is lost comes before any other.
fn listen(device: &wgpu::Device) -> Arc<Mutex<Option<DeviceError>>> {
    let complaint = Arc::new(Mutex::new(None));
    let heard = Arc::clone(&complaint);
    device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        let error = match error {
            wgpu::Error::OutOfMemory { .. } => DeviceError::out_of_memory(),
            error => DeviceError::failed(error),
        };
        if let Ok(mut complaint) = heard.lock() {
            complaint.get_or_insert(error);
        }
    }));
    let heard = Arc::clone(&complaint);
    device.set_device_lost_callback(move |reason, message| {
        if let Ok(mut complaint) = heard.lock() {
            *complaint = Some(DeviceError::Lost(format!("{reason:?} {message}").trim().to_owned()));
        }
    });
    complaint
}

fn create_pipeline(
    device: &wgpu::Device,
    words: Vec<u32>,
) -> (wgpu::BindGroupLayout, wgpu::ComputePipeline) {
    const SUMS: u32 = BINDINGS as u32 - 1;
    let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    };
    let entries: Vec<_> = (0..=SUMS)
        .map(|binding| match binding {
            0 | 1 => entry(binding, wgpu::BufferBindingType::Uniform),
            SUMS => entry(binding, wgpu::BufferBindingType::Storage { read_only: false }),
            _ => entry(binding, wgpu::BufferBindingType::Storage { read_only: true }),
        })
        .collect();
    let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: None,
        entries: &entries,
    });
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: None,
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    // SAFETY: the words are naga's translation of WGSL that its validator accepted, with
    // decorations and execution modes added. Indices are in range because scenes are validated
    // before they are loaded.
    let module = unsafe {
        device.create_shader_module_passthrough(wgpu::ShaderModuleDescriptorPassthrough {
            entry_points: vec![wgpu::PassthroughShaderEntryPoint {
                name: ENTRY_POINT.into(),
                workgroup_size: (WORKGROUP, WORKGROUP, 1),
            }]
            .into(),
            spirv: Some(words.into()),
            ..Default::default()
        })
    };
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some(ENTRY_POINT),
        compilation_options: wgpu::PipelineCompilationOptions::default(),
        cache: None,
    });
    (layout, pipeline)
}
