//! Promise 1: a pixel is the same whoever renders it, however the frame is cut, on whatever device.
//!
//! `scenes/golden/frames.txt` holds the hash of each conformance scene. Every backend must come to
//! it, whole and in parts; and each rule of the exactness contract is left out once, to show that
//! its absence would be noticed. After a change of the kernel that is meant:
//! `TESSERA_UPDATE_GOLDEN=1 make test CRATE=tessera-system-tests`.

use render_node::render::conformance::settings_of;
use render_node::render::cpu::CpuBackend;
use render_node::render::gpu::spirv::Exactness;
use render_node::render::vulkan::VulkanBackend;
use render_node::render::wgpu::WgpuBackend;
use render_node::render::{Backend, Brake};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tessera_protocol::{FrameNumber, PixelSum, ResultHash, SampleRange, TileRect, sums};
use tessera_reference::{PreparedFrame, Source};
use tessera_scenes::Scene;
use tessera_shaders::bvh::{Accel, Shape};
use tessera_shaders::wgsl;
use world::vulkan::{Driver, with_drivers};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenes/golden/frames.txt");

fn golden() -> BTreeMap<String, ResultHash> {
    std::fs::read_to_string(GOLDEN)
        .expect("the golden hashes are in the repository")
        .lines()
        .map(|line| {
            let (name, hash) = line.split_once(' ').expect("a name and a hash");
            (name.to_owned(), hash.parse().expect("a hash"))
        })
        .collect()
}

/// Scenes that the slowest of four is asked for where it is not `make soak`: it runs for minutes on all of them.
const SOME: usize = 8;

/// What a backend makes of the first `most` conformance scenes.
fn hashes(backend: &mut dyn Backend, most: usize) -> BTreeMap<String, ResultHash> {
    let hash = |scene: Scene| {
        load(backend, &scene, Shape::default());
        let pixels = render(backend, settings_of(&scene).frame_rect(), 0, scene.spp);
        (scene.name.to_owned(), sums::hash(&pixels))
    };
    let hashes: BTreeMap<_, _> =
        tessera_scenes::conformance().into_iter().take(most).map(hash).collect();
    assert!(hashes.len() == most.min(golden().len()), "{} scenes", hashes.len());
    hashes
}

/// Names of the scenes on which two lists disagree.
fn disagreements(
    a: &BTreeMap<String, ResultHash>,
    b: &BTreeMap<String, ResultHash>,
) -> Vec<String> {
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    names.into_iter().filter(|name| a.get(*name) != b.get(*name)).cloned().collect()
}

fn load(backend: &mut dyn Backend, scene: &Scene, shape: Shape) {
    let mut source = Source::load_with(&scene.glb, scene.environment.as_deref(), shape).unwrap();
    let frame = source.frame(&settings_of(scene), FrameNumber(0), scene.time_s).unwrap();
    backend.load(Arc::new(frame)).unwrap();
}

fn render(backend: &mut dyn Backend, rect: TileRect, start: u32, end: u32) -> Vec<PixelSum> {
    backend.render(rect, SampleRange { start, end }, &Brake::default()).unwrap()
}

/// The frame, put together from tiles of `width` × `height` and sample ranges of `samples`.
fn render_in_parts(
    backend: &mut dyn Backend,
    scene: &Scene,
    (width, height): (u32, u32),
    samples: u32,
) -> Vec<PixelSum> {
    let mut frame = vec![PixelSum::default(); (scene.width * scene.height) as usize];
    for y in (0..scene.height).step_by(height as usize) {
        for x in (0..scene.width).step_by(width as usize) {
            let rect = TileRect {
                x,
                y,
                width: width.min(scene.width - x),
                height: height.min(scene.height - y),
            };
            for start in (0..scene.spp).step_by(samples as usize) {
                let end = (start + samples).min(scene.spp);
                let tile = render(backend, rect, start, end);
                for (i, sum) in tile.into_iter().enumerate() {
                    let (column, row) = (i as u32 % rect.width, i as u32 / rect.width);
                    let pixel = &mut frame[((y + row) * scene.width + x + column) as usize];
                    *pixel = pixel.checked_add(sum).unwrap();
                }
            }
        }
    }
    frame
}

#[test]
fn the_processor_comes_to_the_golden_hashes() {
    let found = hashes(&mut CpuBackend::new(None), usize::MAX);
    if std::env::var_os("TESSERA_UPDATE_GOLDEN").is_some() {
        let lines: Vec<String> =
            found.iter().map(|(name, hash)| format!("{name} {hash}\n")).collect();
        std::fs::write(GOLDEN, lines.concat()).expect("the repository can be written");
    }
    assert_eq!(disagreements(&found, &golden()), [""; 0]);
}

/// The host brings every scene to the same size by a power of two, so such a scale is no scale.
#[test]
fn a_scene_scaled_by_a_power_of_two_is_the_same_scene() {
    let golden = golden();
    for scaled in ["room-times-two-to-the-30", "room-times-two-to-the-minus-30"] {
        assert_eq!(golden[scaled], golden["room"], "{scaled}");
    }
    assert_ne!(golden["room-times-1e9"], golden["room"], "10^9 is no power of two");
}

/// Both ways to a device.
fn both_ways(driver: Driver) -> [Box<dyn Backend>; 2] {
    let device = Some(driver.device());
    [Box::new(WgpuBackend::new(device).unwrap()), Box::new(VulkanBackend::new(device).unwrap())]
}

#[test]
fn every_vulkan_device_comes_to_the_golden_hashes() {
    with_drivers("every_vulkan_device_comes_to_the_golden_hashes", |drivers| {
        for (driver, mut backend) in
            drivers.iter().flat_map(|&driver| both_ways(driver).map(|backend| (driver, backend)))
        {
            let found = backend.describe();
            assert!(found.device.contains(driver.device()), "{found:?} is not {driver:?}");
            let slow = driver == Driver::SwiftShader && found.backend == "vulkan";
            let most = if slow && !cfg!(feature = "soak") { SOME } else { usize::MAX };
            let (found_hashes, golden) = (hashes(&mut *backend, most), golden());
            let expected = golden.into_iter().filter(|(name, _)| found_hashes.contains_key(name));
            assert_eq!(disagreements(&found_hashes, &expected.collect()), [""; 0], "{found:?}");
            println!("{}, {}: {} scenes", found.backend, found.device, found_hashes.len());
        }
    });
}

/// Cuts that share no edge with each other, nor with the blocks and workgroups of the backends.
const CUTS: [((u32, u32), u32); 4] = [((16, 16), 8), ((64, 64), 1), ((13, 7), 3), ((5, 31), 2)];

#[test]
fn parts_of_a_frame_add_up_to_the_whole() {
    let golden = golden();
    let mut backend = CpuBackend::new(None);
    for scene in tessera_scenes::conformance() {
        load(&mut backend, &scene, Shape::default());
        for (tile, samples) in CUTS {
            let frame = render_in_parts(&mut backend, &scene, tile, samples);
            assert_eq!(sums::hash(&frame), golden[scene.name], "{} {tile:?} {samples}", scene.name);
        }
    }
}

#[test]
fn parts_add_up_on_a_vulkan_device_and_other_trees_change_nothing() {
    with_drivers("parts_add_up_on_a_vulkan_device_and_other_trees_change_nothing", |_| {
        let golden = golden();
        for mut backend in both_ways(Driver::Lavapipe) {
            for scene in tessera_scenes::conformance() {
                load(&mut *backend, &scene, Shape { leaf_size: 1, bins: 1 });
                let frame = render_in_parts(&mut *backend, &scene, (29, 11), 3);
                assert_eq!(sums::hash(&frame), golden[scene.name], "{}", scene.name);
            }
        }
    });
}

#[test]
fn a_changed_quantum_changes_the_hash() {
    let scene = &tessera_scenes::conformance()[0];
    let mut backend = CpuBackend::new(None);
    load(&mut backend, scene, Shape::default());
    let whole = TileRect::frame(scene.width, scene.height);
    let mut frame = render(&mut backend, whole, 0, scene.spp);
    assert_eq!(sums::hash(&frame), golden()[scene.name]);
    frame[7].g += 1;
    assert_ne!(sums::hash(&frame), golden()[scene.name]);
}

/// A kernel with the body of one of its functions replaced.
fn replace_body(source: &str, function: &str, body: &str) -> String {
    let start = source.find(function).unwrap_or_else(|| panic!("{function} is in the kernel"));
    let open = start + source[start..].find('{').expect("a body") + 1;
    let close = open + source[open..].find("\n}").expect("its end");
    format!("{}\n    {body}{}", &source[..open], &source[close..])
}

#[test]
fn without_no_contraction_pixels_change() {
    with_drivers("without_no_contraction_pixels_change", |_| {
        let device = Some(Driver::Lavapipe.device());
        let mut backend =
            WgpuBackend::with_kernel(device, &wgsl::source(), Exactness::Dropped).unwrap();
        let differing = disagreements(&hashes(&mut backend, usize::MAX), &golden());
        println!("without NoContraction {} scenes differ: {differing:?}", differing.len());
        assert!(!differing.is_empty());
    });
}

#[test]
fn without_the_denormal_rule_devices_disagree() {
    with_drivers("without_the_denormal_rule_devices_disagree", |drivers| {
        let source = replace_body(&wgsl::source(), "fn flush(", "return x;");
        let found: Vec<_> = drivers
            .iter()
            .map(|driver| {
                let device = Some(driver.device());
                let mut backend =
                    WgpuBackend::with_kernel(device, &source, Exactness::Kept).unwrap();
                hashes(&mut backend, usize::MAX)
            })
            .collect();
        let differing = disagreements(&found[0], &golden());
        println!("without the rule {} scenes differ from the twin: {differing:?}", differing.len());
        assert!(!differing.is_empty());
        if let [lavapipe, swiftshader] = found.as_slice() {
            let differing = disagreements(lavapipe, swiftshader);
            println!("… and {} between the two devices: {differing:?}", differing.len());
            assert!(!differing.is_empty());
        }
    });
}

/// A frame whose trees fit their triangles without any padding.
fn tightly_fitted(scene: &Scene, shape: Shape) -> PreparedFrame {
    let mut source = Source::load_with(&scene.glb, scene.environment.as_deref(), shape).unwrap();
    let mut frame = source.frame(&settings_of(scene), FrameNumber(0), scene.time_s).unwrap();
    for root in frame.accel.instances.iter().map(|i| i.root).collect::<BTreeSet<_>>() {
        fit(&mut frame.accel, root);
    }
    frame
}

type Box3 = ([f32; 3], [f32; 3]);

fn union(a: Box3, b: Box3) -> Box3 {
    (std::array::from_fn(|i| a.0[i].min(b.0[i])), std::array::from_fn(|i| a.1[i].max(b.1[i])))
}

/// Fits the tree below `index`; returns its box.
fn fit(accel: &mut Accel, index: u32) -> Box3 {
    let node = accel.nodes[index as usize];
    let mut child = |first: u32, count: u32| {
        if count == 0 {
            return fit(accel, first);
        }
        let leaves = &accel.leaves[first as usize..(first + count) as usize];
        let corners = leaves.iter().flat_map(|leaf| [leaf.a, leaf.b, leaf.c]);
        corners.map(|p| (p, p)).reduce(union).expect("a leaf has triangles")
    };
    let left = child(node.left_first, node.left_count);
    // A tree of one leaf has no right child: a box that no ray meets.
    let right = if node.right_lo == [f32::MAX; 3] {
        None
    } else {
        Some(child(node.right_first, node.right_count))
    };
    let node = &mut accel.nodes[index as usize];
    (node.left_lo, node.left_hi) = left;
    if let Some((lo, hi)) = right {
        (node.right_lo, node.right_hi) = (lo, hi);
    }
    right.map_or(left, |right| union(left, right))
}

/// Without padding and slack, which only make holes rarer, the box rule alone must hold trees
/// together; without the rule too, what is hit depends on the tree.
#[test]
fn without_the_box_rule_trees_disagree() {
    with_drivers("without_the_box_rule_trees_disagree", |_| {
        let bare = ["SLIGHTLY_MORE", "SLIGHTLY_LESS", "CLEARLY_MORE", "PADDING"].iter().fold(
            wgsl::source(),
            |source, name| {
                let start = source.find(&format!("const {name}: f32 = ")).expect("a constant");
                let end = start + source[start..].find(';').expect("its end");
                let value = if *name == "PADDING" { "0.0" } else { "1.0" };
                format!("{}const {name}: f32 = {value}{}", &source[..start], &source[end..])
            },
        );
        let without_rule = replace_body(&bare, "fn interval_holds(", "return true;");
        let [kept, dropped] = [bare, without_rule].map(|source| {
            let device = Some(Driver::Lavapipe.device());
            let mut backend = WgpuBackend::with_kernel(device, &source, Exactness::Kept).unwrap();
            let all = tessera_scenes::conformance();
            all.iter()
                .filter(|scene| {
                    let shapes = [(1, 1), (4, 16), (64, 16)]
                        .map(|(leaf_size, bins)| Shape { leaf_size, bins });
                    let frames = shapes.map(|shape| {
                        backend.load(Arc::new(tightly_fitted(scene, shape))).unwrap();
                        let whole = TileRect::frame(scene.width, scene.height);
                        sums::hash(&render(&mut backend, whole, 0, scene.spp))
                    });
                    frames.iter().any(|hash| *hash != frames[0])
                })
                .map(|scene| scene.name)
                .collect::<Vec<_>>()
        });
        assert_eq!(kept, [""; 0], "with the rule");
        println!("without the box rule {} scenes depend on the tree: {dropped:?}", dropped.len());
        assert!(!dropped.is_empty());
    });
}
