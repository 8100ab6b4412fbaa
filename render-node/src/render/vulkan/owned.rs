//! The logical device, and handles that go with what holds them.

use super::super::gpu::device::DeviceError;
use super::instance::{Instance, Physical};
use super::physical;
use ash::vk;
use std::sync::Arc;

/// A logical device, destroyed with its last user.
pub(super) struct Logical {
    pub(super) raw: ash::Device,
    pub(super) instance: Arc<Instance>,
}

impl Drop for Logical {
    fn drop(&mut self) {
        // SAFETY: whoever made something of this device holds it, so nothing of it is left; and each
        // submission was waited for.
        unsafe { self.raw.destroy_device(None) };
    }
}

impl Logical {
    pub(super) fn open(
        instance: Arc<Instance>,
        physical: &Physical,
    ) -> Result<Arc<Self>, DeviceError> {
        let queues = [vk::DeviceQueueCreateInfo::default()
            .queue_family_index(physical.queue_family)
            .queue_priorities(&[0.0])];
        // Part of Vulkan 1.2; before it, an extension.
        let controls = ash::khr::shader_float_controls::NAME;
        let extensions: Vec<_> = [controls]
            .into_iter()
            .filter(|name| physical::has_extension(&instance.raw, physical.raw, name))
            .map(std::ffi::CStr::as_ptr)
            .collect();
        // A second line behind the validation of scenes: what lies outside of a buffer is not read.
        let features = vk::PhysicalDeviceFeatures::default().robust_buffer_access(true);
        let create = vk::DeviceCreateInfo::default()
            .queue_create_infos(&queues)
            .enabled_extension_names(&extensions)
            .enabled_features(&features);
        // SAFETY: the physical device is this instance's, its queue family exists, it offers the
        // extensions, every device has the feature, and the structs live until the call returns.
        let raw = unsafe { instance.raw.create_device(physical.raw, &create, None) }?;
        Ok(Arc::new(Self { raw, instance }))
    }
}

/// A handle that is destroyed when it is dropped, while its device is still there.
pub(super) struct Owned<T: Copy> {
    pub(super) raw: T,
    device: Arc<Logical>,
    destroy: Destroy<T>,
}

/// How a kind of handle is destroyed.
pub(super) type Destroy<T> = unsafe fn(&ash::Device, T, Option<&vk::AllocationCallbacks<'_>>);

impl<T: Copy> Owned<T> {
    /// Takes what `create` makes.
    ///
    /// # Safety
    /// `create` makes a handle of the device that `destroy` is for, of which nobody else disposes, and which no
    /// submission uses any more when this is dropped.
    pub(super) unsafe fn new(
        device: &Arc<Logical>,
        create: impl FnOnce(&ash::Device) -> Result<T, vk::Result>,
        destroy: Destroy<T>,
    ) -> Result<Self, DeviceError> {
        let raw = create(&device.raw)?;
        Ok(Self { raw, device: Arc::clone(device), destroy })
    }
}

impl<T: Copy> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: see `new`.
        unsafe { (self.destroy)(&self.device.raw, self.raw, None) };
    }
}
