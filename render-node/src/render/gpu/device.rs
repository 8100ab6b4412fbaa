//! A Vulkan device, the kernel's pipeline on it, and its buffers.

use super::super::RenderError;
use super::spirv::{self, Exactness, FloatControls};
use std::sync::{Arc, Mutex};
use tessera_shaders::wgsl::{ENTRY_POINT, WORKGROUP};

/// Buffers that the kernel reads, the uniforms included, in the order of their bindings.
const INPUTS: u32 = 11;

/// A device with the kernel on it.
pub(super) struct Gpu {
    pub(super) name: String,
    pub(super) controls: FloatControls,
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    /// What the device complained of outside of any call.
    complaint: Arc<Mutex<Option<String>>>,
}

/// A Vulkan device by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The device's and its driver's names.
    pub name: String,
    /// Whether it may render exact work; where not, why not.
    pub exactness: Result<(), String>,
}

/// All Vulkan devices of this machine.
pub fn find_all() -> Vec<Found> {
    adapters()
        .iter()
        .map(|adapter| Found {
            name: adapter_name(&adapter.get_info()),
            exactness: float_controls(adapter).exactness(),
        })
        .collect()
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
    format!("{} ({} {})", info.name, info.driver, info.driver_info).replace(" )", ")")
}

/// What the device says of its floating-point arithmetic.
fn float_controls(adapter: &wgpu::Adapter) -> FloatControls {
    // SAFETY: the handles are only read from, while `adapter` keeps them alive.
    let Some(hal) = (unsafe { adapter.as_hal::<wgpu::hal::api::Vulkan>() }) else {
        return FloatControls::default();
    };
    let mut controls = ash::vk::PhysicalDeviceFloatControlsProperties::default();
    let mut properties = ash::vk::PhysicalDeviceProperties2::default().push_next(&mut controls);
    // SAFETY: the physical device belongs to this instance, and the chain of structs lives until
    // the call returns.
    unsafe {
        hal.shared_instance()
            .raw_instance()
            .get_physical_device_properties2(hal.raw_physical_device(), &mut properties);
    }
    FloatControls {
        rounds_to_nearest_even: controls.shader_rounding_mode_rte_float32 == ash::vk::TRUE,
        preserves_special_values: controls.shader_signed_zero_inf_nan_preserve_float32
            == ash::vk::TRUE,
    }
}

pub(super) fn device_error(error: impl std::fmt::Display) -> RenderError {
    RenderError::Device(format!("the device failed: {error}"))
}

impl Gpu {
    pub(super) fn open(
        wanted: Option<&str>,
        wgsl: &str,
        exactness: Exactness,
    ) -> Result<Self, RenderError> {
        let adapters = adapters();
        let names: Vec<String> =
            adapters.iter().map(|adapter| adapter_name(&adapter.get_info())).collect();
        let fits = |name: &String| wanted.is_none_or(|wanted| name.contains(wanted));
        let Some(index) = names.iter().position(fits) else {
            return Err(RenderError::Device(match wanted {
                _ if names.is_empty() => "no Vulkan device was found: install the GPU's driver, \
                    or render with --backend cpu"
                    .to_owned(),
                wanted => format!(
                    "no Vulkan device is called {:?}; there are: {}",
                    wanted.unwrap_or_default(),
                    names.join(", ")
                ),
            }));
        };
        let adapter = &adapters[index];
        let controls = float_controls(adapter);
        let (device, queue) = open_device(adapter)?;
        let complaint = Arc::new(Mutex::new(None));
        let heard = Arc::clone(&complaint);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            if let Ok(mut complaint) = heard.lock() {
                complaint.get_or_insert(error.to_string());
            }
        }));
        let words = spirv::compile(wgsl, exactness, controls)
            .map_err(|error| RenderError::Device(error.to_string()))?;
        let (layout, pipeline) = create_pipeline(&device, words);
        let gpu = Self {
            name: names[index].clone(),
            controls,
            device,
            queue,
            pipeline,
            layout,
            complaint,
        };
        gpu.check()?;
        Ok(gpu)
    }

    /// Fails if the device complained.
    fn check(&self) -> Result<(), RenderError> {
        match self.complaint.lock().map(|complaint| complaint.clone()) {
            Ok(None) => Ok(()),
            Ok(Some(complaint)) => Err(device_error(complaint)),
            Err(poisoned) => Err(device_error(poisoned)),
        }
    }

    fn buffer(
        &self,
        bytes: u64,
        usage: wgpu::BufferUsages,
        contents: &[u8],
    ) -> Result<wgpu::Buffer, RenderError> {
        let limits = self.device.limits();
        let most = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        if bytes > most {
            return Err(RenderError::Device(format!(
                "the scene needs a buffer of {} MiB; {} binds at most {} MiB: use --backend cpu",
                bytes >> 20,
                self.name,
                most >> 20
            )));
        }
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            // No device binds an empty buffer.
            size: bytes.max(16).next_multiple_of(4),
            usage: usage | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        self.queue.write_buffer(&buffer, 0, contents);
        self.check()?;
        Ok(buffer)
    }

    pub(super) fn uniform(&self, bytes: &[u8]) -> Result<wgpu::Buffer, RenderError> {
        self.buffer(bytes.len() as u64, wgpu::BufferUsages::UNIFORM, bytes)
    }

    pub(super) fn storage(&self, bytes: &[u8]) -> Result<wgpu::Buffer, RenderError> {
        self.buffer(bytes.len() as u64, wgpu::BufferUsages::STORAGE, bytes)
    }

    /// The output: new buffers are zero.
    pub(super) fn zeroed_sums(&self, bytes: u64) -> Result<wgpu::Buffer, RenderError> {
        self.buffer(bytes, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC, &[])
    }

    /// `inputs` are the frame's uniform and then the storage buffers.
    pub(super) fn bind(
        &self,
        inputs: &[wgpu::Buffer],
        slice: &wgpu::Buffer,
        sums: &wgpu::Buffer,
    ) -> wgpu::BindGroup {
        let (frame, storage) = inputs.split_at(1);
        let buffers = frame.iter().chain([slice]).chain(storage).chain([sums]);
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

    pub(super) fn submit_and_wait(&self, encoder: wgpu::CommandEncoder) -> Result<(), RenderError> {
        self.queue.submit([encoder.finish()]);
        self.device.poll(wgpu::PollType::wait_indefinitely()).map_err(device_error)?;
        self.check()
    }

    /// Copies the first `bytes` of `buffer` to the host.
    pub(super) fn read(&self, buffer: &wgpu::Buffer, bytes: u64) -> Result<Vec<u8>, RenderError> {
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: bytes,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, bytes);
        self.submit_and_wait(encoder)?;
        staging.map_async(wgpu::MapMode::Read, .., |_| {});
        self.device.poll(wgpu::PollType::wait_indefinitely()).map_err(device_error)?;
        let view = staging.get_mapped_range(..).map_err(device_error)?;
        Ok(view.to_vec())
    }
}

fn open_device(adapter: &wgpu::Adapter) -> Result<(wgpu::Device, wgpu::Queue), RenderError> {
    let descriptor = wgpu::DeviceDescriptor {
        label: None,
        required_features: wgpu::Features::PASSTHROUGH_SHADERS,
        // All that the device has: scenes are large.
        required_limits: adapter.limits(),
        ..Default::default()
    };
    pollster::block_on(adapter.request_device(&descriptor)).map_err(device_error)
}

fn create_pipeline(
    device: &wgpu::Device,
    words: Vec<u32>,
) -> (wgpu::BindGroupLayout, wgpu::ComputePipeline) {
    let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    };
    let entries: Vec<_> = (0..=INPUTS)
        .map(|binding| match binding {
            0 | 1 => entry(binding, wgpu::BufferBindingType::Uniform),
            INPUTS => entry(binding, wgpu::BufferBindingType::Storage { read_only: false }),
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
