//! The loader, and the devices that it finds.

use super::super::gpu::device::{DeviceError, tell_apart};
use super::super::gpu::spirv::FloatControls;
use super::physical;
use ash::vk;
use std::sync::Arc;

/// The least that is asked of loader and devices: SPIR-V 1.3, and properties by chains of structs.
const LEAST: u32 = vk::API_VERSION_1_1;
/// The version whose rules the backend keeps to. Devices that know less are asked for less.
const WRITTEN_FOR: u32 = vk::API_VERSION_1_2;

/// An instance, destroyed with its last user.
pub(super) struct Instance {
    pub(super) raw: ash::Instance,
    /// The loader, which has to stay.
    _entry: ash::Entry,
}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: whoever made something of this instance holds it, so nothing of it is left.
        unsafe { self.raw.destroy_instance(None) };
    }
}

/// A device that was found.
pub(super) struct Physical {
    pub(super) raw: vk::PhysicalDevice,
    pub(super) name: String,
    pub(super) controls: FloatControls,
    pub(super) properties: vk::PhysicalDeviceProperties,
    /// The family of its queues that compute, best one that does nothing else.
    pub(super) queue_family: u32,
}

impl Instance {
    pub(super) fn open() -> Result<Arc<Self>, DeviceError> {
        // SAFETY: the loader is the system's own library; what it does when it is loaded is what it
        // does in every program that uses Vulkan.
        let entry = unsafe { ash::Entry::load() }.map_err(|error| {
            DeviceError::Failed(format!(
                "there is no Vulkan on this machine ({error}): install the GPU's driver and \
                 libvulkan1, or render with --backend cpu"
            ))
        })?;
        // SAFETY: asks the loader, which is loaded.
        let version = unsafe { entry.try_enumerate_instance_version() }?;
        if version.is_none_or(|version| version < LEAST) {
            return Err(DeviceError::Failed(
                "this machine's Vulkan is older than 1.1: renew it, or render with --backend cpu"
                    .to_owned(),
            ));
        }
        let application =
            vk::ApplicationInfo::default().application_name(c"tessera").api_version(WRITTEN_FOR);
        let create = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: the structs live until the call returns, and the entry as long as the instance.
        let raw = unsafe { entry.create_instance(&create, None) }?;
        Ok(Arc::new(Self { raw, _entry: entry }))
    }

    /// All devices that know Vulkan 1.1 and compute, in the loader's order, told apart by name.
    pub(super) fn devices(&self) -> Result<Vec<Physical>, DeviceError> {
        // SAFETY: the instance lives.
        let all = unsafe { self.raw.enumerate_physical_devices() }?;
        let mut found: Vec<_> = all.into_iter().filter_map(|raw| self.device(raw)).collect();
        let names: Vec<_> = found.iter().map(|device| device.name.clone()).collect();
        for (device, name) in found.iter_mut().zip(tell_apart(&names)) {
            device.name = name;
        }
        Ok(found)
    }

    fn device(&self, raw: vk::PhysicalDevice) -> Option<Physical> {
        // SAFETY: the physical device is this instance's, here and below.
        let properties = unsafe { self.raw.get_physical_device_properties(raw) };
        if properties.api_version < LEAST {
            return None;
        }
        // SAFETY: see above.
        let families = unsafe { self.raw.get_physical_device_queue_family_properties(raw) };
        let with = |wanted: vk::QueueFlags, without: vk::QueueFlags| {
            families.iter().position(|family| {
                family.queue_flags.contains(wanted) && !family.queue_flags.intersects(without)
            })
        };
        let compute = vk::QueueFlags::COMPUTE;
        let family = with(compute, vk::QueueFlags::GRAPHICS)
            .or_else(|| with(compute, vk::QueueFlags::empty()))?;
        Some(Physical {
            raw,
            name: physical::name(&self.raw, raw),
            controls: physical::float_controls(&self.raw, raw),
            properties,
            queue_family: family as u32,
        })
    }
}
