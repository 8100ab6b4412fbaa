//! One queue, and one submission at a time, which is waited for.

use super::super::gpu::device::DeviceError;
use super::buffer::Buffer;
use super::owned::{Logical, Owned};
use ash::vk;
use std::sync::Arc;

/// Records, submits and waits.
pub(super) struct Commands {
    device: Arc<Logical>,
    queue: vk::Queue,
    pool: Owned<vk::CommandPool>,
    /// Goes with the pool.
    buffer: vk::CommandBuffer,
    done: Owned<vk::Fence>,
}

/// Who did something to memory, or will.
#[derive(Clone, Copy)]
struct Access(vk::PipelineStageFlags, vk::AccessFlags);

/// Whatever was written before, by whichever submission.
const ALL_WRITES: Access = Access(
    vk::PipelineStageFlags::from_raw(
        vk::PipelineStageFlags::TRANSFER.as_raw() | vk::PipelineStageFlags::COMPUTE_SHADER.as_raw(),
    ),
    vk::AccessFlags::from_raw(
        vk::AccessFlags::TRANSFER_WRITE.as_raw() | vk::AccessFlags::SHADER_WRITE.as_raw(),
    ),
);
const KERNEL: Access = Access(
    vk::PipelineStageFlags::COMPUTE_SHADER,
    vk::AccessFlags::from_raw(
        vk::AccessFlags::UNIFORM_READ.as_raw()
            | vk::AccessFlags::SHADER_READ.as_raw()
            | vk::AccessFlags::SHADER_WRITE.as_raw(),
    ),
);
const COPY: Access = Access(
    vk::PipelineStageFlags::TRANSFER,
    vk::AccessFlags::from_raw(
        vk::AccessFlags::TRANSFER_READ.as_raw() | vk::AccessFlags::TRANSFER_WRITE.as_raw(),
    ),
);
const HOST: Access = Access(vk::PipelineStageFlags::HOST, vk::AccessFlags::HOST_READ);

/// A dispatch of the kernel.
pub(super) struct Dispatch<'a> {
    pub(super) pipeline: vk::Pipeline,
    pub(super) layout: vk::PipelineLayout,
    pub(super) bindings: vk::DescriptorSet,
    /// The uniform that says which pixels, and what it is to be.
    pub(super) slice: &'a Buffer,
    pub(super) contents: &'a [u8],
    pub(super) groups: [u32; 2],
}

impl Commands {
    pub(super) fn new(device: &Arc<Logical>, queue_family: u32) -> Result<Self, DeviceError> {
        // SAFETY: the device was made with one queue of this family.
        let queue = unsafe { device.raw.get_device_queue(queue_family, 0) };
        let create = vk::CommandPoolCreateInfo::default()
            .flags(vk::CommandPoolCreateFlags::TRANSIENT)
            .queue_family_index(queue_family);
        // SAFETY: the structs live until their calls return, and each submission is waited for, here
        // and below.
        let pool = unsafe {
            Owned::new(
                device,
                |device| device.create_command_pool(&create, None),
                ash::Device::destroy_command_pool,
            )
        }?;
        // SAFETY: see above.
        let done = unsafe {
            Owned::new(
                device,
                |device| device.create_fence(&vk::FenceCreateInfo::default(), None),
                ash::Device::destroy_fence,
            )
        }?;
        let allocate =
            vk::CommandBufferAllocateInfo::default().command_pool(pool.raw).command_buffer_count(1);
        // SAFETY: the pool is this device's, and the struct lives until the call returns.
        let buffer = unsafe { device.raw.allocate_command_buffers(&allocate) }?[0];
        Ok(Self { device: Arc::clone(device), queue, pool, buffer, done })
    }

    /// Copies `size` bytes, a multiple of 4, between buffers that have them.
    pub(super) fn copy(
        &self,
        from: &Buffer,
        from_offset: u64,
        to: &Buffer,
        to_offset: u64,
        size: u64,
    ) -> Result<(), DeviceError> {
        debug_assert!(from_offset + size <= from.size && to_offset + size <= to.size);
        let region = vk::BufferCopy { src_offset: from_offset, dst_offset: to_offset, size };
        self.submit(|device, buffer| {
            barrier(device, buffer, ALL_WRITES, COPY);
            // SAFETY: the command buffer is being recorded, and the callers keep both buffers until
            // the submission is done.
            unsafe { device.cmd_copy_buffer(buffer, from.raw.raw, to.raw.raw, &[region]) };
            barrier(device, buffer, ALL_WRITES, HOST);
        })
    }

    /// Zeroes a buffer.
    pub(super) fn zero(&self, what: &Buffer) -> Result<(), DeviceError> {
        self.submit(|device, buffer| {
            barrier(device, buffer, ALL_WRITES, COPY);
            // SAFETY: the command buffer is being recorded, and the caller keeps the buffer until the
            // submission is done.
            unsafe { device.cmd_fill_buffer(buffer, what.raw.raw, 0, vk::WHOLE_SIZE, 0) };
        })
    }

    /// Runs the kernel once.
    pub(super) fn dispatch(&self, dispatch: &Dispatch<'_>) -> Result<(), DeviceError> {
        self.submit(|device, buffer| {
            barrier(device, buffer, ALL_WRITES, COPY);
            // SAFETY: the command buffer is being recorded; the slice's contents are whole words, a few
            // dozen bytes, and as many as its buffer has.
            unsafe {
                device.cmd_update_buffer(buffer, dispatch.slice.raw.raw, 0, dispatch.contents);
            }
            barrier(device, buffer, ALL_WRITES, KERNEL);
            let compute = vk::PipelineBindPoint::COMPUTE;
            let sets = [dispatch.bindings];
            let [x, y] = dispatch.groups;
            // SAFETY: the command buffer is being recorded. Pipeline, layout and set are of one device
            // and made for each other, the set's buffers are all there, and a frame has no more groups
            // than any device takes.
            unsafe {
                device.cmd_bind_pipeline(buffer, compute, dispatch.pipeline);
                device.cmd_bind_descriptor_sets(buffer, compute, dispatch.layout, 0, &sets, &[]);
                device.cmd_dispatch(buffer, x, y, 1);
            }
        })
    }

    /// Has the queue do what `record` records, and waits for it.
    fn submit(
        &self,
        record: impl FnOnce(&ash::Device, vk::CommandBuffer),
    ) -> Result<(), DeviceError> {
        let device = &self.device.raw;
        let begin = vk::CommandBufferBeginInfo::default()
            .flags(vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT);
        // SAFETY: the last submission was waited for, so the pool's buffer is at rest.
        unsafe {
            device.reset_command_pool(self.pool.raw, vk::CommandPoolResetFlags::empty())?;
            device.begin_command_buffer(self.buffer, &begin)?;
        }
        record(device, self.buffer);
        let buffers = [self.buffer];
        let submits = [vk::SubmitInfo::default().command_buffers(&buffers)];
        let fences = [self.done.raw];
        // SAFETY: the buffer is being recorded, then whole; the fence is in no use; the structs live until
        // the call returns; nobody else has the queue.
        unsafe {
            device.end_command_buffer(self.buffer)?;
            device.reset_fences(&fences)?;
            device.queue_submit(self.queue, &submits, self.done.raw)?;
        }
        // SAFETY: the fence was submitted.
        let waited = unsafe { device.wait_for_fences(&fences, true, u64::MAX) };
        if waited.is_err() {
            // What the device still does must end before its buffers go. A lost device does nothing.
            // SAFETY: nobody else has the queue.
            let _ = unsafe { device.device_wait_idle() };
        }
        Ok(waited?)
    }
}

/// What was done before is done, and can be seen by what comes.
fn barrier(device: &ash::Device, buffer: vk::CommandBuffer, before: Access, after: Access) {
    let memory = [vk::MemoryBarrier::default().src_access_mask(before.1).dst_access_mask(after.1)];
    // SAFETY: the command buffer is being recorded, and stages and accesses fit each other.
    unsafe {
        device.cmd_pipeline_barrier(
            buffer,
            before.0,
            after.0,
            vk::DependencyFlags::empty(),
            &memory,
            &[],
            &[],
        );
    }
}
