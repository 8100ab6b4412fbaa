//! The renderers: from a frame prepared on the host to the integers of its pixels.
//!
//! A [`Backend`] renders any rectangle of any range of samples of the frame it was given, to the
//! same bits as every other backend. Frames come from `tessera_reference`; [`cpu`] is the kernel's twin on all
//! cores, [`gpu`] the WGSL kernel on a GPU, which [`wgpu`] or [`vulkan`] leads to.

mod brake;
pub mod conformance;
pub mod cpu;
pub mod gpu;
pub mod vulkan;
pub mod wgpu;

pub use brake::Brake;
use std::sync::Arc;
use tessera_protocol::{PixelSum, SampleRange, TileRect};
use tessera_reference::{PreparedFrame, SourceError};

/// What a backend is and what it runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceDescription {
    /// `cpu`, `wgpu` or `vulkan`.
    pub backend: &'static str,
    /// The device's and driver's own words.
    pub device: String,
}

/// Why nothing was rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// There is no such frame.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Nothing was prepared, or what is asked for lies outside of it.
    #[error("{0}")]
    Request(String),
    /// The scene does not fit into the device's memory.
    #[error("{0}")]
    TooLarge(String),
    /// The device cannot do it, or no longer.
    #[error("{0}")]
    Device(String),
    /// The caller no longer wants it.
    #[error("cancelled")]
    Cancelled,
}

/// Something that renders.
pub trait Backend: Send {
    /// What it is.
    fn describe(&self) -> DeviceDescription;

    /// Bytes of the device's own memory that the next frame may take, what the present one takes among them; `None`
    /// where the device has none of its own.
    fn device_memory(&self) -> Option<u64> {
        None
    }

    /// Prepares one frame; replaces what was prepared before.
    fn load(&mut self, frame: Arc<PreparedFrame>) -> Result<(), RenderError>;

    /// Drops what was prepared, so that there is room to read another scene.
    fn unload(&mut self);

    /// Sums of the pixels of `rect` over `samples`, row by row. Asks `brake` whenever some milliseconds of
    /// work are done: waits while it holds, and stops with [`RenderError::Cancelled`] once it is cancelled.
    fn render(
        &mut self,
        rect: TileRect,
        samples: SampleRange,
        brake: &Brake,
    ) -> Result<Vec<PixelSum>, RenderError>;
}

/// Refuses what the prepared frame does not have.
fn check_request(
    frame: &PreparedFrame,
    rect: TileRect,
    samples: SampleRange,
) -> Result<(), RenderError> {
    let of = &frame.scene.frame;
    if !rect.fits(of.width, of.height) {
        return Err(RenderError::Request(format!(
            "the tile {},{} of {} × {} pixels lies outside of the frame of {} × {}",
            rect.x, rect.y, rect.width, rect.height, of.width, of.height
        )));
    }
    if samples.start >= samples.end {
        return Err(RenderError::Request(format!(
            "samples {}..{} are none",
            samples.start, samples.end
        )));
    }
    Ok(())
}
