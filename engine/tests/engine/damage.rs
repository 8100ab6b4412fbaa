//! Damaged segments: answered, one way or the other, by a process that lives on.

use crate::child::Engine;
use crate::clips::{Source, times};
use crate::ladder::{task, whole};
use tessera_media::AccessUnit;
use tessera_media::task::Pace;
use tessera_media::wire::Body;

/// Numbers that look random, the same in every run (an LCG by Knuth's constants).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

fn mutated(segment: &[AccessUnit], numbers: &mut Numbers) -> Vec<AccessUnit> {
    let mut segment = segment.to_vec();
    for _ in 0..1 + numbers.below(8) {
        let at = numbers.below(segment.len());
        let unit = &mut segment[at];
        let mut data = unit.data.to_vec();
        match numbers.below(5) {
            // Keeps the unit's head whole now and then, so that what follows is looked at.
            0 | 1 if !data.is_empty() => {
                for _ in 0..1 + numbers.below(20) {
                    let byte = numbers.below(data.len());
                    data[byte] ^= 1 << numbers.below(8);
                }
            }
            2 => data.truncate(numbers.below(data.len() + 1)),
            3 => data.extend_from_within(..data.len() / 2),
            _ => unit.keyframe = !unit.keyframe,
        }
        unit.data = data.into();
    }
    if numbers.below(4) == 0 {
        segment.remove(numbers.below(segment.len()));
    }
    segment
}

#[test]
fn two_hundred_mutated_segments_are_all_answered() {
    let source = Source::clip("160x96", "25", 1, "-bf 2 -refs 3");
    let mut engine = Engine::start();
    let mut numbers = Numbers(3);
    let mut done = 0;
    for turn in 0..200 {
        let segment = mutated(&source.pictures, &mut numbers);
        let pace = if turn % 2 == 0 { Pace::Segment } else { Pace::Live };
        let said = engine.run(task(&source.video, "96p:100k", pace), whole(&segment));
        match said.last() {
            Some(Body::Finished) => done += 1,
            Some(Body::Failed(reason)) => assert!(!reason.is_empty()),
            other => panic!("{other:?}"),
        }
        let units = said.iter().filter(|body| matches!(body, Body::Coded(..))).count();
        // Whatever the damage, a segment that is done has a frame for each of its units.
        if let Some(Body::Finished) = said.last() {
            assert_eq!(units, segment.len());
        }
    }
    // Most damage is small: it must not cost the segment.
    assert!(done > 100, "{done} of 200");
    let whole = engine.run(task(&source.video, "96p:100k", Pace::Segment), whole(&source.pictures));
    assert_eq!(whole.last(), Some(&Body::Finished));
    assert!(engine.end().success());
}

#[test]
fn a_picture_that_is_lost_is_stood_in_for() {
    let source = Source::clip("320x180", "25", 1, "-bf 0");
    let mut damaged = source.pictures.clone();
    // The IDR picture stays, some others go altogether.
    for at in [3, 4, 20, 24] {
        damaged[at].data = vec![0, 0, 0, 1, 0x41].into();
    }
    let task = task(&source.video, "180p:300k", Pace::Segment);
    let made = crate::child::Made::of(Engine::start().run(task, whole(&damaged)));
    assert_eq!(times(&made.renditions[0].units), times(&source.pictures));
    assert_eq!(made.done[0].frames_in, 25);
}

#[test]
fn a_segment_of_which_nothing_can_be_decoded_fails() {
    let source = Source::clip("320x180", "25", 1, "-bf 0");
    let mut damaged = source.pictures.clone();
    damaged.iter_mut().for_each(|unit| unit.data = vec![0, 0, 0, 1, 0x41].into());
    let task = task(&source.video, "180p:300k", Pace::Segment);
    let said = Engine::start().run(task, whole(&damaged));
    let Some(Body::Failed(reason)) = said.last() else { panic!("{said:?}") };
    assert!(reason.contains("damaged"), "{reason}");
}
