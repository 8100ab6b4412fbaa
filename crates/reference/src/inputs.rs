//! What a device reads of a frame.

use crate::PreparedFrame;

/// Storage buffers that the kernel reads; it writes one more.
pub const ARRAYS: usize = 9;

/// A frame's bytes in the order of the kernel's bindings, the slice and the sums left out.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// The uniform.
    pub frame: &'a [u8],
    /// The storage buffers.
    pub arrays: [&'a [u8]; ARRAYS],
}

impl<'a> Inputs<'a> {
    /// Those of `frame`.
    pub fn of(frame: &'a PreparedFrame) -> Self {
        let (scene, accel) = (&frame.scene, &frame.accel);
        Self {
            frame: bytemuck::bytes_of(&scene.frame),
            arrays: [
                bytemuck::cast_slice(&scene.vertices),
                bytemuck::cast_slice(&scene.triangles),
                bytemuck::cast_slice(&accel.instances),
                bytemuck::cast_slice(&scene.materials),
                bytemuck::cast_slice(&scene.texels),
                bytemuck::cast_slice(&scene.lights),
                bytemuck::cast_slice(&scene.cells),
                bytemuck::cast_slice(&accel.nodes),
                bytemuck::cast_slice(&accel.leaves),
            ],
        }
    }

    /// What they take of a device's memory.
    pub fn bytes(&self) -> u64 {
        self.arrays.iter().chain([&self.frame]).map(|bytes| buffer_size(bytes.len() as u64)).sum()
    }
}

/// The size of a buffer that holds `bytes`: no device binds an empty one.
pub fn buffer_size(bytes: u64) -> u64 {
    bytes.max(16).next_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Source;
    use tessera_protocol::FrameNumber;
    use tessera_protocol::settings::RenderSettings;

    #[test]
    fn a_frame_takes_what_its_buffers_do_and_an_empty_one_takes_some() {
        assert_eq!([0, 1, 16, 17, 20].map(buffer_size), [16, 16, 16, 20, 20]);
        let scene = tessera_scenes::conformance().swap_remove(0);
        let settings = RenderSettings { width: 8, height: 8, ..Default::default() };
        let mut source = Source::load(&scene.glb, None).unwrap();
        let mut frame = source.frame(&settings, FrameNumber(0), 0.0).unwrap();
        let before = Inputs::of(&frame).bytes();
        let leaf = frame.accel.leaves[0];
        frame.accel.leaves.push(leaf);
        assert_eq!(Inputs::of(&frame).bytes() - before, size_of_val(&leaf) as u64);
        let held = Inputs::of(&frame).arrays.iter().map(|bytes| bytes.len() as u64).sum::<u64>();
        assert!(Inputs::of(&frame).bytes() > held, "the uniform counts, too");
    }
}
