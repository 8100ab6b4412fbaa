//! The command line, one file a command.

pub mod check;
pub mod house;
#[cfg(target_os = "linux")]
pub mod install;
pub mod release;
pub mod render;
pub mod run;
pub mod stake;
pub mod status;
#[cfg(target_os = "linux")]
pub mod update;
pub mod wish;

use crate::render::cpu::CpuBackend;
use crate::render::gpu::GpuBackend;
use crate::render::gpu::device::Device;
use crate::render::vulkan::VulkanDevice;
use crate::render::wgpu::WgpuDevice;
use crate::render::{Backend, RenderError};

/// Which backend to use, for every command that renders.
#[derive(Debug, Clone, clap::Args)]
pub struct BackendArguments {
    /// What renders: the processor, or a Vulkan device.
    #[arg(long, value_enum, default_value_t = BackendKind::Cpu)]
    pub backend: BackendKind,
    /// The Vulkan device, by a part of its name; the first one by default. Of several that are called the same,
    /// the second is `#2`: `render-node check` shows all. A node uses one device; start one node for each.
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
    /// Whether a Vulkan driver may rearrange arithmetic: it may be faster, and its bits are its own.
    #[arg(long, value_enum, default_value_t = Arithmetic::Exact)]
    pub arithmetic: Arithmetic,
    /// Threads of the cpu backend; one for each core by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
}

/// A kind of backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum BackendKind {
    /// The kernel's twin on all cores.
    Cpu,
    /// The WGSL kernel on a Vulkan device, through wgpu.
    Wgpu,
    /// The same kernel through Vulkan itself.
    Vulkan,
}

/// What a Vulkan driver may make of the kernel's arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Arithmetic {
    /// Nothing: the same bits as everywhere.
    Exact,
    /// What it likes. Such a node gets tolerant jobs only.
    Fast,
}

impl BackendArguments {
    /// Starts the backend.
    pub fn open(&self) -> Result<Box<dyn Backend>, RenderError> {
        Ok(match self.backend {
            BackendKind::Cpu => Box::new(CpuBackend::new(self.threads.map(usize::from))),
            BackendKind::Wgpu => self.on_gpu::<WgpuDevice>()?,
            BackendKind::Vulkan => self.on_gpu::<VulkanDevice>()?,
        })
    }

    fn on_gpu<D: Device + 'static>(&self) -> Result<Box<dyn Backend>, RenderError> {
        let device = self.device.as_deref();
        Ok(Box::new(match self.arithmetic {
            Arithmetic::Exact => GpuBackend::<D>::new(device)?,
            Arithmetic::Fast => GpuBackend::<D>::fast(device)?,
        }))
    }
}
