//! What a GPU has to do for [`super::GpuBackend`], whatever library leads to it.

use super::super::RenderError;
use super::spirv::{Exactness, FloatControls};
pub use tessera_reference::inputs::{ARRAYS, Inputs, buffer_size};
use tessera_shaders::layout::Slice;

/// Bindings of the kernel: the frame and the slice, the arrays, and the sums last.
pub const BINDINGS: usize = 2 + ARRAYS + 1;

/// What is compiled for a device.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// Its text.
    pub wgsl: String,
    /// What the driver may make of its arithmetic.
    pub exactness: Exactness,
}

/// A GPU with the kernel on it. Every call returns only when the device is done with it.
pub trait Device: Send + Sized {
    /// A frame in the device's memory.
    type Scene: Send;
    /// A tile's sums in the device's memory.
    type Tile;

    /// What its backend is called.
    const BACKEND: &'static str;

    /// Opens the device called `wanted`, or the first whose name contains it, or the first at all.
    fn open(wanted: Option<&str>, kernel: &Kernel) -> Result<Self, DeviceError>;

    /// The device's and its driver's names.
    fn name(&self) -> &str;

    /// What it says of its floating-point arithmetic.
    fn controls(&self) -> FloatControls;

    /// Whether its memory is another than the machine's main memory.
    fn has_own_memory(&self) -> bool;

    /// Bytes of its memory that are free for this program now.
    fn free_memory(&self) -> u64;

    /// Brings a frame into its memory.
    fn upload(&self, inputs: &Inputs<'_>) -> Result<Self::Scene, DeviceError>;

    /// Makes room for `bytes` of sums, all zero.
    fn begin(&self, bytes: u64) -> Result<Self::Tile, DeviceError>;

    /// Adds a slice's samples to the sums.
    fn dispatch(
        &self,
        scene: &Self::Scene,
        tile: &Self::Tile,
        slice: &Slice,
    ) -> Result<(), DeviceError>;

    /// The sums.
    fn read(&self, tile: &Self::Tile) -> Result<Vec<u8>, DeviceError>;
}

/// Why a device did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// It is gone, with all that was in its memory. Opened again, it may work.
    #[error("the device was lost: {0}")]
    Lost(String),
    /// What it was asked to hold is more than it can.
    #[error("{0}")]
    TooLarge(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl DeviceError {
    /// For what a library or driver says.
    pub fn failed(error: impl std::fmt::Display) -> Self {
        Self::Failed(format!("the device failed: {error}"))
    }

    /// For an allocation that failed although there seemed to be room.
    pub fn out_of_memory() -> Self {
        Self::TooLarge("the device's memory does not suffice: use --backend cpu".to_owned())
    }

    /// For a buffer that no binding of the device takes.
    pub fn binding(bytes: u64, device: &str, most: u64) -> Self {
        Self::TooLarge(format!(
            "a buffer of {} MiB is needed, and {device} binds at most {} MiB: use --backend cpu",
            bytes.div_ceil(1 << 20),
            most >> 20
        ))
    }
}

impl From<DeviceError> for RenderError {
    fn from(error: DeviceError) -> Self {
        match error {
            DeviceError::TooLarge(reason) => Self::TooLarge(reason),
            error => Self::Device(error.to_string()),
        }
    }
}

/// Which of `names` is wanted: the one that is called so, or the first that contains it; where none is, why.
pub fn choose(names: &[String], wanted: Option<&str>) -> Result<usize, DeviceError> {
    let exact = wanted.and_then(|wanted| names.iter().position(|name| name == wanted));
    let fits = |name: &String| wanted.is_none_or(|wanted| name.contains(wanted));
    exact.or_else(|| names.iter().position(fits)).ok_or_else(|| {
        DeviceError::Failed(match wanted {
            Some(wanted) if !names.is_empty() => {
                format!("no Vulkan device is called {wanted:?}; there are: {}", names.join(", "))
            }
            _ => "no Vulkan device was found: install the GPU's driver, \
                or render with --backend cpu"
                .to_owned(),
        })
    })
}

/// Tells devices of one name apart: the second is called `… #2`.
pub fn tell_apart(names: &[String]) -> Vec<String> {
    let number = |i: usize| names[..=i].iter().filter(|name| **name == names[i]).count();
    (0..names.len())
        .map(|i| match number(i) {
            1 => names[i].clone(),
            n => format!("{} #{n}", names[i]),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_device_can_be_chosen() {
        let names = ["Big Ti (x)", "Big (x)", "Big (x)", "Small (y)", "Big (x)"];
        let names = tell_apart(&names.map(str::to_owned));
        assert_eq!(names, ["Big Ti (x)", "Big (x)", "Big (x) #2", "Small (y)", "Big (x) #3"]);
        for (i, name) in names.iter().enumerate() {
            assert_eq!(choose(&names, Some(name)), Ok(i));
        }
        assert_eq!(choose(&names, None), Ok(0));
        assert_eq!(choose(&names, Some("Small")), Ok(3));
        assert_eq!(choose(&names, Some("#3")), Ok(4));
        let error = choose(&names, Some("Other")).unwrap_err().to_string();
        assert!(error.contains("Other") && error.contains("Small (y)"), "{error}");
        let error = choose(&[], Some("Small")).unwrap_err().to_string();
        assert!(error.contains("no Vulkan device was found"), "{error}");
    }

    #[test]
    fn only_a_scene_that_is_too_large_is_not_the_devices_fault() {
        let of = |error: DeviceError| RenderError::from(error);
        assert!(matches!(of(DeviceError::binding(9, "x", 8)), RenderError::TooLarge(_)));
        assert!(matches!(of(DeviceError::Lost("gone".into())), RenderError::Device(_)));
        assert!(matches!(of(DeviceError::failed("odd")), RenderError::Device(_)));
    }
}
