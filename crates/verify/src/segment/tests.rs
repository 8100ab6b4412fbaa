//! A film by formula, renditions of it by arithmetic, and what is said of each.

use super::image::{Filter, Image};
use super::*;
use proptest::prelude::*;

/// One plane's samples, row by row.
#[derive(Clone, PartialEq)]
struct Samples {
    width: usize,
    height: usize,
    data: Vec<u8>,
}

impl Samples {
    fn of(width: usize, height: usize, at: impl Fn(i32, i32) -> f32) -> Self {
        let sample = |n| at((n % width) as i32, (n / width) as i32).round().clamp(0.0, 255.0) as u8;
        Self { width, height, data: (0..width * height).map(sample).collect() }
    }

    fn plane(&self) -> Plane<'_> {
        Plane::new(self.width, self.height, self.width, &self.data).unwrap()
    }

    fn resized(&self, width: usize, height: usize) -> Self {
        let image = Image::resized_of(&self.plane(), width, height, Filter::Cubic);
        Self::of(width, height, |x, y| image.row(y as usize)[x as usize])
    }

    /// Coarsely: what transform and quantiser of an encoder do to flat and weak parts, and noise.
    fn coded(&self, strength: f32) -> Self {
        let noise = |x: i32, y: i32| {
            let n = (x as u32)
                .wrapping_mul(374_761_393)
                .wrapping_add((y as u32).wrapping_mul(668_265_263));
            ((n ^ n >> 13).wrapping_mul(1_274_126_177) >> 24) as f32 / 128.0 - 1.0
        };
        Self::of(self.width, self.height, |x, y| self.at(x, y) + strength * noise(x, y))
    }

    fn at(&self, x: i32, y: i32) -> f32 {
        let x = x.clamp(0, self.width as i32 - 1) as usize;
        let y = y.clamp(0, self.height as i32 - 1) as usize;
        f32::from(self.data[y * self.width + x])
    }

    fn mapped(&self, to: impl Fn(i32, i32, f32) -> f32) -> Self {
        Self::of(self.width, self.height, |x, y| to(x, y, self.at(x, y)))
    }
}

/// Luma, blue, red.
type Frame = [Samples; 3];

const WIDTH: usize = 480;
const HEIGHT: usize = 270;

/// Discs with sharp edges that drift over a shaded, striped ground.
fn frame(t: usize) -> Frame {
    let t = t as i32;
    let disc = move |x: i32, y: i32| {
        let centres =
            [(60 + 3 * t, 70, 40), (300 - 2 * t, 150, 60), (200, 40 + 2 * t, 25), (420, 220, 35)];
        centres.iter().position(|&(u, v, r)| (x - u).pow(2) + (y - v).pow(2) < r * r)
    };
    let luma = move |x: i32, y: i32| match disc(x, y) {
        Some(n) => [220.0, 30.0, 180.0, 60.0][n] + ((x + y) % 7) as f32,
        None => 90.0 + x as f32 / 8.0 + if (x / 6 + y / 9) % 2 == 0 { 25.0 } else { 0.0 },
    };
    let chroma = move |shift: f32| {
        move |x: i32, y: i32| 110.0 + shift + disc(2 * x, 2 * y).map_or(0.0, |n| 25.0 * n as f32)
    };
    [
        Samples::of(WIDTH, HEIGHT, luma),
        Samples::of(WIDTH / 2, HEIGHT / 2, chroma(0.0)),
        Samples::of(WIDTH / 2, HEIGHT / 2, chroma(-20.0)),
    ]
}

fn source() -> Vec<Frame> {
    (0..30).map(frame).collect()
}

fn scaled([y, cb, cr]: &Frame, width: usize, height: usize) -> Frame {
    [y.resized(width, height), cb.resized(width / 2, height / 2), cr.resized(width / 2, height / 2)]
}

fn honest(frame: &Frame) -> Frame {
    scaled(frame, 320, 180).map(|plane| plane.coded(4.0))
}

fn luma_only(frame: &Frame, to: impl Fn(&Samples) -> Samples) -> Frame {
    let [y, cb, cr] = honest(frame);
    [to(&y), cb, cr]
}

fn picture([y, cb, cr]: &Frame) -> Picture<'_> {
    Picture { y: y.plane(), cb: cb.plane(), cr: cr.plane() }
}

fn likeness(source: &[Frame], rendition: &[Frame]) -> Likeness {
    let pair = |n: usize| Pair { source: picture(&source[n]), rendition: picture(&rendition[n]) };
    let places = choose(5, source.len());
    measure(&places.into_iter().map(|place| place.map(pair).collect()).collect::<Vec<_>>())
}

fn objections(make: impl Fn(&[Frame]) -> Vec<Frame>) -> Vec<Objection> {
    let source = source();
    judge(&likeness(&source, &make(&source)), 1.0)
}

fn each(make: impl Fn(&Frame) -> Frame) -> impl Fn(&[Frame]) -> Vec<Frame> {
    move |source| source.iter().map(&make).collect()
}

#[test]
fn honest_renditions_of_any_size_meet_no_objection() {
    assert_eq!(objections(each(Clone::clone)), []);
    assert_eq!(objections(each(honest)), []);
    for (width, height) in [(480, 270), (426, 240), (240, 136)] {
        assert_eq!(objections(each(|f| scaled(f, width, height).map(|p| p.coded(3.0)))), []);
    }
}

#[test]
fn what_lacks_detail_is_objected_to() {
    let objects = |make: &dyn Fn(&Samples) -> Samples| {
        let found = objections(each(|frame| luma_only(frame, make)));
        found.iter().any(|objection| matches!(objection, Objection::Detail { .. }))
    };
    assert!(objects(&|y| y.resized(214, 120).resized(320, 180)), "enlarged by half");
    assert!(objects(&|y| y.resized(160, 90).resized(320, 180)), "enlarged to double");
    assert!(
        objects(&|y| y.mapped(|x, v, _| {
            (-1..=1)
                .flat_map(|a| (-1..=1).map(move |b| (a, b)))
                .map(|(a, b)| y.at(x + a, v + b))
                .sum::<f32>()
                / 9.0
        })),
        "blurred"
    );
    assert!(objects(&|y| y.resized(160, 90).resized(320, 180).coded(8.0)), "noise hides nothing");
}

#[test]
fn a_source_without_detail_may_not_be_asked_for_it() {
    let soft: Vec<Frame> =
        source().iter().map(|f| scaled(&scaled(f, 120, 68), WIDTH, HEIGHT)).collect();
    let renditions: Vec<_> = soft.iter().map(|f| scaled(&scaled(f, 160, 90), 320, 180)).collect();
    assert_eq!(judge(&likeness(&soft, &renditions), 1.0), []);
}

#[test]
fn frames_of_another_moment_are_objected_to() {
    let moved = |from: &dyn Fn(usize) -> usize| {
        objections(|source| (0..source.len()).map(|n| honest(&source[from(n)])).collect())
    };
    assert_eq!(moved(&|n| n), []);
    assert!(moved(&|n| n / 2 * 2).contains(&Objection::Moment), "half the frame rate");
    assert!(moved(&|n| if n % 3 == 2 { n - 1 } else { n }).contains(&Objection::Moment));
    assert!(moved(&|n| n.saturating_sub(1)).contains(&Objection::Moment), "one late");
    assert!(moved(&|n| n ^ 1).contains(&Objection::Moment), "in pairs the wrong way round");
    assert!(!moved(&|_| 0).is_empty(), "one picture throughout");
    assert!(!moved(&|n| n.min(15)).is_empty(), "frozen in the middle");
}

#[test]
fn a_still_picture_may_be_repeated() {
    let still = vec![frame(3); 30];
    let rendition = vec![honest(&still[0]); 30];
    assert_eq!(judge(&likeness(&still, &rendition), 1.0), []);
}

#[test]
fn other_light_colours_and_pictures_are_objected_to() {
    let found = |make: &dyn Fn(&Frame) -> Frame| objections(each(make));
    let lighter = found(&|f| luma_only(f, |y| y.mapped(|_, _, a| a + 10.0)));
    assert!(matches!(lighter[..], [Objection::Luma { .. }]), "{lighter:?}");
    let pale = found(&|f| {
        let [y, cb, cr] = honest(f);
        let pale = |plane: Samples| plane.mapped(|_, _, a| 128.0 + (a - 128.0) * 0.5);
        [y, pale(cb), pale(cr)]
    });
    assert!(pale.iter().any(|o| matches!(o, Objection::Chroma { .. })), "{pale:?}");
    let swapped = found(&|f| {
        let [y, cb, cr] = honest(f);
        [y, cr, cb]
    });
    assert!(swapped.iter().any(|o| matches!(o, Objection::Chroma { .. })));
    let mirrored =
        found(&|f| honest(f).map(|p| p.mapped(|x, y, _| p.at(p.width as i32 - 1 - x, y))));
    assert!(mirrored.iter().any(|o| matches!(o, Objection::Picture(_))));
    let black = found(&|f| luma_only(f, |y| y.mapped(|_, _, _| 16.0)));
    assert!(black.iter().any(|o| matches!(o, Objection::Structure { .. })));
    let shifted = found(&|f| honest(f).map(|p| p.mapped(|x, y, _| p.at(x + 4, y + 3))));
    assert!(shifted.iter().any(|o| matches!(o, Objection::Structure { .. })), "{shifted:?}");
}

#[test]
fn what_lies_over_one_spot_is_objected_to() {
    let badge = |light: f32| {
        objections(each(|f| {
            luma_only(f, |y| {
                y.mapped(|x, y, a| {
                    let inside = (280..304).contains(&x) && (8..24).contains(&y);
                    if inside { a + (light - a) * 0.5 } else { a }
                })
            })
        }))
    };
    for light in [255.0, 16.0] {
        let found = badge(light);
        assert!(found.iter().any(|o| matches!(o, Objection::Overlay { .. })), "{light}: {found:?}");
    }
}

#[test]
fn whoever_saves_bytes_must_have_nothing_to_spend_them_on() {
    let source = source();
    let noisy: Vec<_> = source.iter().map(|f| scaled(f, 320, 180).map(|p| p.coded(14.0))).collect();
    let likeness = likeness(&source, &noisy);
    assert_eq!(judge(&likeness, 1.0), []);
    assert!(matches!(judge(&likeness, 0.3)[..], [Objection::Spare { .. }]), "{likeness:?}");
    let exact = Likeness { ssim: 0.995, ..likeness };
    assert_eq!(judge(&exact, 0.05), []);
}

#[test]
fn each_measure_alone_is_enough_to_object() {
    let good = likeness(&source(), &source());
    let gain = |kept, strength| vec![Gain { kept, strength }; 3];
    let spoilt = [
        Likeness { frames: 0, ..good.clone() },
        Likeness { undecodable: 1, ..good.clone() },
        Likeness { hash_bits: 11, ..good.clone() },
        Likeness { luma: 7.0, ..good.clone() },
        Likeness { luma_worst: 40.0, ..good.clone() },
        Likeness { chroma: 4.0, ..good.clone() },
        Likeness { chroma_worst: 30.0, ..good.clone() },
        Likeness { ssim: 0.4, ..good.clone() },
        Likeness { ssim_tile: 0.3, ..good.clone() },
        Likeness { overlay: Overlay { most: 25.0, usual: 1.0 }, ..good.clone() },
        Likeness { overlay_chroma: Overlay { most: 25.0, usual: 1.0 }, ..good.clone() },
        Likeness { fine: gain(0.1, 5.0), coarse: gain(0.4, 9.0), ..good.clone() },
        Likeness { moments: vec![gain(0.05, 5.0)], ..good.clone() },
        Likeness { moments: vec![gain(0.2, 2.5); 2], ..good.clone() },
    ];
    for likeness in spoilt {
        assert_eq!(judge(&likeness, 1.0).len(), 1, "{likeness:?}");
    }
    let unseen =
        Likeness { fine: gain(0.0, 1.0), moments: vec![gain(0.0, 1.0); 3], ..good.clone() };
    assert_eq!(judge(&unseen, 1.0), []);
    let one_lags = Likeness { moments: vec![gain(0.2, 9.0)], ..good };
    assert_eq!(judge(&one_lags, 1.0), []);
}

proptest! {
    #[test]
    fn places_are_in_order_apart_and_inside(seed in any::<u64>(), frames in 0_usize..400) {
        let places = choose(seed, frames);
        prop_assert_eq!(places.is_empty(), frames == 0);
        let mut end = 0;
        for place in &places {
            prop_assert!(place.start >= end && !place.is_empty() && place.len() <= IN_A_ROW);
            end = place.end;
        }
        prop_assert!(end <= frames);
        if frames >= PLACES * IN_A_ROW {
            prop_assert_eq!(places.iter().map(Range::len).sum::<usize>(), PLACES * IN_A_ROW);
        }
    }

    #[test]
    fn no_size_makes_measuring_panic(
        (a, b, c, d) in (1_usize..60, 1_usize..60, 1_usize..60, 1_usize..60),
        value in any::<u8>(),
    ) {
        let flat = |width: usize, height: usize| -> Frame {
            std::array::from_fn(|_| Samples { width, height, data: vec![value; width * height] })
        };
        let (source, rendition) = (flat(a, b), flat(c, d));
        let pair = Pair { source: picture(&source), rendition: picture(&rendition) };
        let likeness = measure(&[vec![pair, pair], vec![pair], vec![]]);
        prop_assert_eq!(judge(&likeness, 1.0), []);
    }
}

#[test]
fn every_frame_may_be_chosen() {
    let mut seen = [false; 60];
    for seed in 0..600 {
        choose(seed, 60).into_iter().flatten().for_each(|n| seen[n] = true);
    }
    assert!(seen.iter().all(|&seen| seen), "{seen:?}");
}

#[test]
fn a_plane_is_not_larger_than_its_bytes() {
    assert!(Plane::new(4, 3, 5, &[0; 14]).is_some());
    assert!(Plane::new(4, 3, 5, &[0; 13]).is_none());
    assert!(Plane::new(4, 3, 3, &[0; 99]).is_none());
    assert!(Plane::new(0, 3, 5, &[0; 99]).is_none());
    assert!(Plane::new(4, 0, 5, &[0; 99]).is_none());
    assert!(Plane::new(4, usize::MAX, usize::MAX, &[0; 99]).is_none());
}
