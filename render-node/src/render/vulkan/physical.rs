//! What a physical device says of itself.

use super::super::gpu::spirv::FloatControls;
use ash::vk;

/// A device by its own and its driver's names, as people see it and `--device` chooses it.
pub(crate) fn full_name(device: &str, driver: &str, driver_info: &str) -> String {
    format!("{device} ({driver} {driver_info})").replace(" )", ")")
}

/// The [`full_name`] of a device, which must offer Vulkan 1.1.
pub(super) fn name(instance: &ash::Instance, device: vk::PhysicalDevice) -> String {
    let mut driver = vk::PhysicalDeviceDriverProperties::default();
    let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut driver);
    // SAFETY: the physical device belongs to this instance, and the chain of structs lives until
    // the call returns.
    unsafe { instance.get_physical_device_properties2(device, &mut properties) };
    let device = text(properties.properties.device_name_as_c_str());
    full_name(&device, &text(driver.driver_name_as_c_str()), &text(driver.driver_info_as_c_str()))
}

fn text<E>(name: Result<&std::ffi::CStr, E>) -> String {
    name.map_or_else(|_| String::new(), |name| name.to_string_lossy().into_owned())
}

/// What the device says of its floating-point arithmetic; nothing where it does not know the question.
pub(crate) fn float_controls(
    instance: &ash::Instance,
    device: vk::PhysicalDevice,
) -> FloatControls {
    let mut controls = vk::PhysicalDeviceFloatControlsProperties::default();
    let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut controls);
    // SAFETY: the physical device belongs to this instance, and the chain of structs lives until
    // the call returns.
    unsafe { instance.get_physical_device_properties2(device, &mut properties) };
    FloatControls {
        rounds_to_nearest_even: controls.shader_rounding_mode_rte_float32 == vk::TRUE,
        preserves_special_values: controls.shader_signed_zero_inf_nan_preserve_float32 == vk::TRUE,
    }
}

/// Whether the device offers an extension.
pub(super) fn has_extension(
    instance: &ash::Instance,
    device: vk::PhysicalDevice,
    extension: &std::ffi::CStr,
) -> bool {
    // SAFETY: the physical device belongs to this instance.
    let all = unsafe { instance.enumerate_device_extension_properties(device) };
    all.is_ok_and(|all| all.iter().any(|one| one.extension_name_as_c_str() == Ok(extension)))
}

/// Whether the device's memory is another than the machine's: a card's, or what a hypervisor gives as one.
pub(super) fn has_own_memory(instance: &ash::Instance, device: vk::PhysicalDevice) -> bool {
    // SAFETY: the physical device belongs to this instance.
    let properties = unsafe { instance.get_physical_device_properties(device) };
    let (card, virtual_card) =
        (vk::PhysicalDeviceType::DISCRETE_GPU, vk::PhysicalDeviceType::VIRTUAL_GPU);
    [card, virtual_card].contains(&properties.device_type)
}

/// Bytes of the device's own memory that this program may still take: by the driver's budget, which knows of other
/// programs too, or else all there is.
pub(crate) fn free_memory(instance: &ash::Instance, device: vk::PhysicalDevice) -> u64 {
    let mut budget = vk::PhysicalDeviceMemoryBudgetPropertiesEXT::default();
    let has_budget = has_extension(instance, device, ash::ext::memory_budget::NAME);
    let mut properties = vk::PhysicalDeviceMemoryProperties2::default();
    if has_budget {
        properties = properties.push_next(&mut budget);
    }
    // SAFETY: the physical device belongs to this instance and knows the structs of the chain, which
    // live until the call returns.
    unsafe { instance.get_physical_device_memory_properties2(device, &mut properties) };
    let heaps = properties.memory_properties;
    let own = heaps
        .memory_heaps_as_slice()
        .iter()
        .enumerate()
        .filter(|(_, heap)| heap.flags.contains(vk::MemoryHeapFlags::DEVICE_LOCAL));
    own.map(|(i, heap)| match has_budget {
        true => budget.heap_budget[i].saturating_sub(budget.heap_usage[i]),
        false => heap.size,
    })
    .max()
    .unwrap_or(0)
}
