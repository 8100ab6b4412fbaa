//! The kernel's twin on the processor's cores.

use super::{Backend, Brake, DeviceDescription, RenderError, check_request};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use tessera_protocol::{PixelSum, SampleRange, TileRect};
use tessera_reference::PreparedFrame;
use tessera_shaders::cpu::Scene;
use tessera_shaders::sums::pixel_sums;

/// Side of the blocks that threads take, in pixels: small enough that threads end together, large
/// enough that a block's rays stay in the cache.
const BLOCK: u32 = 16;

/// Renders on threads of its own.
#[derive(Debug)]
pub struct CpuBackend {
    threads: usize,
    frame: Option<Arc<PreparedFrame>>,
}

impl CpuBackend {
    /// With `threads` threads; `None` is one for each core.
    pub fn new(threads: Option<usize>) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        Self { threads: threads.unwrap_or_else(cores).max(1), frame: None }
    }
}

impl Backend for CpuBackend {
    fn describe(&self) -> DeviceDescription {
        DeviceDescription {
            backend: "cpu",
            device: format!("{}, {} threads", processor_name(), self.threads),
        }
    }

    fn load(&mut self, frame: Arc<PreparedFrame>) -> Result<(), RenderError> {
        self.frame = Some(frame);
        Ok(())
    }

    fn unload(&mut self) {
        self.frame = None;
    }

    fn render(
        &mut self,
        rect: TileRect,
        samples: SampleRange,
        brake: &Brake,
    ) -> Result<Vec<PixelSum>, RenderError> {
        let frame = self
            .frame
            .as_ref()
            .ok_or_else(|| RenderError::Request("no frame was prepared".to_owned()))?;
        check_request(frame, rect, samples)?;
        let scene = Scene::new(&frame.scene, &frame.accel);
        let blocks = blocks(rect);
        let next = AtomicUsize::new(0);
        let mut pixels = vec![PixelSum::default(); rect.pixels() as usize];
        let (send, receive) = mpsc::channel::<(TileRect, Vec<PixelSum>)>();
        std::thread::scope(|scope| {
            for _ in 0..self.threads.min(blocks.len()) {
                let send = send.clone();
                let (blocks, next) = (&blocks, &next);
                scope.spawn(move || {
                    while brake.may_go_on()
                        && let Some(&block) = blocks.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        let Some(sums) = render_block(&scene, block, samples, brake) else {
                            return;
                        };
                        // The receiver outlives the scope's threads.
                        let _ = send.send((block, sums));
                    }
                });
            }
            drop(send);
            for (block, sums) in receive {
                place(&mut pixels, rect, block, &sums);
            }
        });
        if brake.is_cancelled() {
            return Err(RenderError::Cancelled);
        }
        Ok(pixels)
    }
}

fn blocks(rect: TileRect) -> Vec<TileRect> {
    let mut blocks = Vec::new();
    for y in (0..rect.height).step_by(BLOCK as usize) {
        for x in (0..rect.width).step_by(BLOCK as usize) {
            blocks.push(TileRect {
                x: rect.x + x,
                y: rect.y + y,
                width: BLOCK.min(rect.width - x),
                height: BLOCK.min(rect.height - y),
            });
        }
    }
    blocks
}

/// The block's sums, unless it is cancelled. A pixel may have tens of thousands of samples, so the brake is asked
/// for each.
fn render_block(
    scene: &Scene<'_>,
    block: TileRect,
    samples: SampleRange,
    brake: &Brake,
) -> Option<Vec<PixelSum>> {
    let mut sums = Vec::with_capacity(block.pixels() as usize);
    for y in block.y..block.y + block.height {
        for x in block.x..block.x + block.width {
            if !brake.may_go_on() {
                return None;
            }
            let [r, g, b, rays] = pixel_sums(scene, x, y, samples.start..samples.end);
            sums.push(PixelSum { r, g, b, rays });
        }
    }
    Some(sums)
}

fn place(pixels: &mut [PixelSum], rect: TileRect, block: TileRect, sums: &[PixelSum]) {
    for (row, sums) in sums.chunks_exact(block.width as usize).enumerate() {
        let y = (block.y - rect.y) as usize + row;
        let start = y * rect.width as usize + (block.x - rect.x) as usize;
        pixels[start..start + sums.len()].copy_from_slice(sums);
    }
}

/// The processor's name, where the system tells it.
fn processor_name() -> String {
    std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        })
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}
