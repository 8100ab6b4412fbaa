//! The kernel on the device, and what it is bound to.

use super::super::gpu::device::{BINDINGS, DeviceError};
use super::buffer::Buffer;
use super::owned::{Logical, Owned};
use ash::vk;
use std::ffi::CString;
use std::sync::Arc;
use tessera_shaders::wgsl::ENTRY_POINT;

/// The kernel, ready to run.
pub(super) struct Pipeline {
    device: Arc<Logical>,
    pub(super) raw: Owned<vk::Pipeline>,
    pub(super) layout: Owned<vk::PipelineLayout>,
    /// Goes with the pool.
    pub(super) bindings: vk::DescriptorSet,
    _pool: Owned<vk::DescriptorPool>,
    _set_layout: Owned<vk::DescriptorSetLayout>,
}

/// The frame and the slice are uniforms, everything else is storage.
const UNIFORMS: usize = 2;

fn kind(binding: usize) -> vk::DescriptorType {
    if binding < UNIFORMS {
        vk::DescriptorType::UNIFORM_BUFFER
    } else {
        vk::DescriptorType::STORAGE_BUFFER
    }
}

/// Storage buffers that a device must let the kernel have.
pub(super) const STORAGE_BUFFERS: u32 = (BINDINGS - UNIFORMS) as u32;

impl Pipeline {
    /// From SPIR-V.
    pub(super) fn new(device: &Arc<Logical>, words: &[u32]) -> Result<Self, DeviceError> {
        let set_layout = set_layout(device)?;
        let (pool, bindings) = descriptor_set(device, set_layout.raw)?;
        let set_layouts = [set_layout.raw];
        let create = vk::PipelineLayoutCreateInfo::default().set_layouts(&set_layouts);
        // SAFETY: the set's layout is this device's, and the struct lives until the call returns.
        let layout = unsafe {
            Owned::new(
                device,
                |device| device.create_pipeline_layout(&create, None),
                ash::Device::destroy_pipeline_layout,
            )
        }?;
        let raw = pipeline(device, layout.raw, words)?;
        Ok(Self {
            device: Arc::clone(device),
            raw,
            layout,
            bindings,
            _pool: pool,
            _set_layout: set_layout,
        })
    }

    /// Binds the kernel to `buffers`, in the order of its bindings.
    pub(super) fn bind(&self, buffers: [&Buffer; BINDINGS]) {
        let whole = |buffer: &Buffer| {
            [vk::DescriptorBufferInfo::default().buffer(buffer.raw.raw).range(vk::WHOLE_SIZE)]
        };
        let buffers = buffers.map(whole);
        let writes: [_; BINDINGS] = std::array::from_fn(|binding| {
            vk::WriteDescriptorSet::default()
                .dst_set(self.bindings)
                .dst_binding(binding as u32)
                .descriptor_type(kind(binding))
                .buffer_info(&buffers[binding])
        });
        // SAFETY: set and buffers are this device's, the structs live until the call returns, and no
        // submission uses the set now: each is waited for.
        unsafe { self.device.raw.update_descriptor_sets(&writes, &[]) };
    }
}

fn set_layout(device: &Arc<Logical>) -> Result<Owned<vk::DescriptorSetLayout>, DeviceError> {
    let bindings: [_; BINDINGS] = std::array::from_fn(|binding| {
        vk::DescriptorSetLayoutBinding::default()
            .binding(binding as u32)
            .descriptor_type(kind(binding))
            .descriptor_count(1)
            .stage_flags(vk::ShaderStageFlags::COMPUTE)
    });
    let create = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
    // SAFETY: the struct lives until the call returns.
    unsafe {
        Owned::new(
            device,
            |device| device.create_descriptor_set_layout(&create, None),
            ash::Device::destroy_descriptor_set_layout,
        )
    }
}

/// The only set, and the pool that it goes with.
fn descriptor_set(
    device: &Arc<Logical>,
    layout: vk::DescriptorSetLayout,
) -> Result<(Owned<vk::DescriptorPool>, vk::DescriptorSet), DeviceError> {
    let size = |ty, count| vk::DescriptorPoolSize { ty, descriptor_count: count };
    let sizes = [
        size(vk::DescriptorType::UNIFORM_BUFFER, UNIFORMS as u32),
        size(vk::DescriptorType::STORAGE_BUFFER, STORAGE_BUFFERS),
    ];
    let create = vk::DescriptorPoolCreateInfo::default().max_sets(1).pool_sizes(&sizes);
    // SAFETY: the struct lives until the call returns; submissions that use the set are waited for.
    let pool = unsafe {
        Owned::new(
            device,
            |device| device.create_descriptor_pool(&create, None),
            ash::Device::destroy_descriptor_pool,
        )
    }?;
    let layouts = [layout];
    let allocate =
        vk::DescriptorSetAllocateInfo::default().descriptor_pool(pool.raw).set_layouts(&layouts);
    // SAFETY: pool and layout are this device's, and the struct lives until the call returns.
    let set = unsafe { device.raw.allocate_descriptor_sets(&allocate) }?[0];
    Ok((pool, set))
}

fn pipeline(
    device: &Arc<Logical>,
    layout: vk::PipelineLayout,
    words: &[u32],
) -> Result<Owned<vk::Pipeline>, DeviceError> {
    let create = vk::ShaderModuleCreateInfo::default().code(words);
    // SAFETY: the words are naga's translation of WGSL that its validator accepted, with decorations and
    // execution modes added that the device offers.
    let module = unsafe {
        Owned::new(
            device,
            |device| device.create_shader_module(&create, None),
            ash::Device::destroy_shader_module,
        )
    }?;
    let entry = CString::new(ENTRY_POINT).map_err(DeviceError::failed)?;
    let stage = vk::PipelineShaderStageCreateInfo::default()
        .stage(vk::ShaderStageFlags::COMPUTE)
        .module(module.raw)
        .name(&entry);
    let create = [vk::ComputePipelineCreateInfo::default().stage(stage).layout(layout)];
    // SAFETY: module and layout are this device's and fit each other: the layout has all bindings of the
    // kernel. The structs live until the call returns. A pipeline that failed is none to destroy.
    unsafe {
        Owned::new(
            device,
            |device| {
                let made =
                    device.create_compute_pipelines(vk::PipelineCache::null(), &create, None);
                made.map(|made| made[0]).map_err(|(_, error)| error)
            },
            ash::Device::destroy_pipeline,
        )
    }
}
