//! The rays that are counted: short chains such as a path tracer's.

use super::steps::Steps;
use super::walk::Reference;
use crate::random::Random;
use tessera_shaders::cpu::math::{Vec3, dot3, unit3};
use tessera_shaders::layout::Frame;

/// Rays of a chain at most.
pub const LENGTH: u32 = 3;

/// Sends `chains` chains of rays into a frame.
///
/// A chain starts as the camera's ray through a random place of the image. What it hits reflects
/// it like chalk: about the triangle's normal, by the cosine; and the next likewise. None starts once
/// all before weigh `most`: a scene in which each ray asks each triangle shall not take hours.
pub fn send(reference: &Reference<'_>, seed: &[u8; 32], chains: u32, most: u64) -> Steps {
    let frame = &reference.scene().frame;
    let mut random = Random::new(seed, b"steps", frame.number);
    let mut steps = Steps::default();
    for _ in 0..chains {
        if steps.weight() >= most {
            break;
        }
        let mut origin = Vec3::from_array(frame.camera_origin);
        let mut direction = through_the_image(frame, &mut random);
        for _ in 0..LENGTH {
            let Some(place) = reference.closest(origin, direction, &mut steps) else { break };
            origin = place.position;
            direction = unit3(place.normal + on_the_sphere(&mut random));
        }
    }
    steps
}

fn through_the_image(frame: &Frame, random: &mut Random) -> Vec3 {
    let across = 2.0 * random.unit() - 1.0;
    let up = 1.0 - 2.0 * random.unit();
    unit3(
        (Vec3::from_array(frame.camera_forward) + Vec3::from_array(frame.camera_right) * across)
            + Vec3::from_array(frame.camera_up) * up,
    )
}

/// A direction, none likelier than another: the first of random places in a cube that lies in its
/// ball, and not so near to the middle that its direction would be coarse.
fn on_the_sphere(random: &mut Random) -> Vec3 {
    loop {
        let [x, y, z] = [0; 3].map(|_| 2.0 * random.unit() - 1.0);
        let place = Vec3 { x, y, z };
        let squared = dot3(place, place);
        if (0.0001..=1.0).contains(&squared) {
            return unit3(place);
        }
    }
}
