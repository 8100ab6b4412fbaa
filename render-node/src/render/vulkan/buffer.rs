//! Buffers, and the way of bytes between host and device.

use super::super::gpu::device::{DeviceError, buffer_size};
use super::commands::Commands;
use super::instance::Physical;
use super::owned::{Logical, Owned};
use ash::vk;
use std::sync::Arc;

/// A buffer with memory of its own.
pub(super) struct Buffer {
    // In this order: a buffer goes before its memory.
    pub(super) raw: Owned<vk::Buffer>,
    memory: Owned<vk::DeviceMemory>,
    pub(super) size: u64,
}

/// Where a buffer's memory should lie: the first of these that a device has.
type Wishes = &'static [vk::MemoryPropertyFlags];

/// Some devices have none of their own for buffers.
const ON_DEVICE: Wishes =
    &[vk::MemoryPropertyFlags::DEVICE_LOCAL, vk::MemoryPropertyFlags::empty()];

/// Reading from memory that the processor does not cache takes a hundred times as long.
const ON_HOST: Wishes = &[
    vk::MemoryPropertyFlags::from_raw(
        vk::MemoryPropertyFlags::HOST_VISIBLE.as_raw()
            | vk::MemoryPropertyFlags::HOST_COHERENT.as_raw()
            | vk::MemoryPropertyFlags::HOST_CACHED.as_raw(),
    ),
    vk::MemoryPropertyFlags::from_raw(
        vk::MemoryPropertyFlags::HOST_VISIBLE.as_raw()
            | vk::MemoryPropertyFlags::HOST_COHERENT.as_raw(),
    ),
];

/// Makes buffers on one device.
pub(super) struct Allocator {
    pub(super) device: Arc<Logical>,
    memory: vk::PhysicalDeviceMemoryProperties,
}

impl Allocator {
    pub(super) fn new(device: Arc<Logical>, physical: &Physical) -> Self {
        let instance = &device.instance.raw;
        // SAFETY: the physical device is this instance's.
        let memory = unsafe { instance.get_physical_device_memory_properties(physical.raw) };
        Self { device, memory }
    }

    /// In the device's memory, of at least `bytes`.
    pub(super) fn on_device(
        &self,
        bytes: u64,
        usage: vk::BufferUsageFlags,
    ) -> Result<Buffer, DeviceError> {
        let both_ways = vk::BufferUsageFlags::TRANSFER_SRC | vk::BufferUsageFlags::TRANSFER_DST;
        self.buffer(bytes, usage | both_ways, ON_DEVICE)
    }

    fn buffer(
        &self,
        bytes: u64,
        usage: vk::BufferUsageFlags,
        wishes: Wishes,
    ) -> Result<Buffer, DeviceError> {
        let size = buffer_size(bytes);
        let create = vk::BufferCreateInfo::default().size(size).usage(usage);
        // SAFETY: the struct is valid and lives until the call returns. Who holds the buffer waits for
        // what it submits.
        let raw = unsafe {
            Owned::new(
                &self.device,
                |device| device.create_buffer(&create, None),
                ash::Device::destroy_buffer,
            )
        }?;
        // SAFETY: the buffer is this device's.
        let needs = unsafe { self.device.raw.get_buffer_memory_requirements(raw.raw) };
        let memory_type = self.memory_type(needs.memory_type_bits, wishes)?;
        let allocate = vk::MemoryAllocateInfo::default()
            .allocation_size(needs.size)
            .memory_type_index(memory_type);
        // SAFETY: the device has such a type, and the struct lives until the call returns. The memory is
        // used by this buffer alone, which goes first.
        let memory = unsafe {
            Owned::new(
                &self.device,
                |device| device.allocate_memory(&allocate, None),
                ash::Device::free_memory,
            )
        }?;
        // SAFETY: the memory is new, as large as the buffer needs, and of a type that it takes.
        unsafe { self.device.raw.bind_buffer_memory(raw.raw, memory.raw, 0) }?;
        Ok(Buffer { raw, memory, size })
    }

    fn memory_type(&self, allowed: u32, wishes: Wishes) -> Result<u32, DeviceError> {
        let types = self.memory.memory_types_as_slice();
        let with = |wish: vk::MemoryPropertyFlags| {
            (0..)
                .zip(types)
                .find(|(i, kind)| allowed & (1 << i) != 0 && kind.property_flags.contains(wish))
        };
        wishes
            .iter()
            .find_map(|&wish| with(wish))
            .map(|(i, _)| i)
            .ok_or_else(|| DeviceError::failed("it has no memory for a buffer of the kernel"))
    }
}

/// Bytes that travel at once.
const CHUNK: u64 = 4 << 20;

/// A buffer on the host through which all bytes travel.
pub(super) struct Staging {
    buffer: Buffer,
    device: Arc<Logical>,
}

impl Staging {
    pub(super) fn new(allocator: &Allocator) -> Result<Self, DeviceError> {
        let usage = vk::BufferUsageFlags::TRANSFER_SRC | vk::BufferUsageFlags::TRANSFER_DST;
        let buffer = allocator.buffer(CHUNK, usage, ON_HOST)?;
        Ok(Self { buffer, device: Arc::clone(&allocator.device) })
    }

    /// Has `bytes` at the start of `to`, which is as large at least.
    pub(super) fn upload(
        &self,
        commands: &Commands,
        bytes: &[u8],
        to: &Buffer,
    ) -> Result<(), DeviceError> {
        debug_assert!(bytes.len() as u64 <= to.size);
        for (i, chunk) in (0..).zip(bytes.chunks(CHUNK as usize)) {
            self.mapped(|mapped| mapped[..chunk.len()].copy_from_slice(chunk))?;
            // Copies are of whole words; a buffer's size is too.
            let size = (chunk.len() as u64).next_multiple_of(4);
            commands.copy(&self.buffer, 0, to, i * CHUNK, size)?;
        }
        Ok(())
    }

    /// All of `from`.
    pub(super) fn download(
        &self,
        commands: &Commands,
        from: &Buffer,
    ) -> Result<Vec<u8>, DeviceError> {
        let mut bytes = Vec::with_capacity(from.size as usize);
        while (bytes.len() as u64) < from.size {
            let start = bytes.len() as u64;
            let size = CHUNK.min(from.size - start);
            commands.copy(from, start, &self.buffer, 0, size)?;
            self.mapped(|mapped| bytes.extend_from_slice(&mapped[..size as usize]))?;
        }
        Ok(bytes)
    }

    /// What `work` makes of the buffer's bytes. The device is not at them: every submission is waited for.
    fn mapped<T>(&self, work: impl FnOnce(&mut [u8]) -> T) -> Result<T, DeviceError> {
        let memory = self.buffer.memory.raw;
        let (size, none) = (self.buffer.size, vk::MemoryMapFlags::empty());
        // SAFETY: the memory is visible to the host, at least as large, and not mapped now: this is the
        // only place that maps it, and it unmaps it.
        let start = unsafe { self.device.raw.map_memory(memory, 0, size, none) }?;
        // SAFETY: `size` bytes are mapped there until they are unmapped below, any bytes are valid, and
        // nobody else is at them. New memory has some content, whatever it is.
        let bytes = unsafe { std::slice::from_raw_parts_mut(start.cast::<u8>(), size as usize) };
        let result = work(bytes);
        // SAFETY: it was mapped above, and the bytes are not used any more.
        unsafe { self.device.raw.unmap_memory(memory) };
        Ok(result)
    }
}
