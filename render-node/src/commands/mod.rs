//! The command line, one file a command.

pub mod check;
pub mod house;
#[cfg(target_os = "linux")]
pub mod install;
pub mod release;
pub mod render;
pub mod renderer;
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
use clap::ValueEnum as _;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

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
    /// The words that say the same.
    pub fn words(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = Vec::new();
        // In one word: what a device is called may begin with a dash.
        let mut add = |option: &str, value: &str| words.push(format!("{option}={value}").into());
        let name = |value: Option<clap::builder::PossibleValue>| {
            value.map(|value| value.get_name().to_owned()).unwrap_or_default()
        };
        add("--backend", &name(self.backend.to_possible_value()));
        add("--arithmetic", &name(self.arithmetic.to_possible_value()));
        if let Some(device) = &self.device {
            add("--device", device);
        }
        if let Some(threads) = self.threads {
            add("--threads", &threads.to_string());
        }
        words
    }

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

/// What the program notices goes to standard error.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        backend: BackendArguments,
    }

    #[test]
    fn the_words_of_a_backend_say_the_same_again() {
        for line in ["x", "x --backend vulkan --device --odd --arithmetic fast", "x --threads 3"] {
            let line = line.replace("--device --odd", "--device=--odd");
            let said = Line::try_parse_from(line.split(' ')).unwrap().backend;
            let words = ["x".into()].into_iter().chain(said.words());
            let again = Line::try_parse_from(words).unwrap().backend;
            assert_eq!(format!("{said:?}"), format!("{again:?}"));
        }
    }
}
