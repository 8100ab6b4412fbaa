//! The trees over a scene are the renderer's own affair: whatever their shape, every conformance
//! scene comes to the same integers.

use render_node::render::conformance::settings_of;
use render_node::render::cpu::CpuBackend;
use render_node::render::{Backend, Brake};
use std::sync::Arc;
use tessera_protocol::{FrameNumber, PixelSum, SampleRange};
use tessera_reference::{PreparedFrame, Source};
use tessera_scenes::{Scene, conformance};
use tessera_shaders::bvh::{Accel, MeshTrees, Shape};
use tessera_shaders::layout::Mesh;

fn prepare(scene: &Scene, shape: Shape) -> Arc<PreparedFrame> {
    let mut source =
        Source::load_with(&scene.glb, scene.environment.as_deref(), shape).expect("it loads");
    let frame = source.frame(&settings_of(scene), FrameNumber(0), scene.time_s);
    Arc::new(frame.expect("it can be prepared"))
}

fn sums(scene: &Scene, frame: &Arc<PreparedFrame>) -> Vec<PixelSum> {
    let mut backend = CpuBackend::new(None);
    backend.load(Arc::clone(frame)).expect("the processor takes every frame");
    let samples = SampleRange { start: 0, end: scene.spp };
    let rect = settings_of(scene).frame_rect();
    backend.render(rect, samples, &Brake::default()).expect("it renders")
}

#[test]
fn trees_of_any_shape_give_the_same_integers() {
    let shapes = [
        Shape { leaf_size: 1, bins: 1 },
        Shape { leaf_size: 8, bins: 4 },
        Shape { leaf_size: 1, bins: 32 },
    ];
    let mut other_trees = 0;
    for scene in conformance() {
        let usual = prepare(&scene, Shape::default());
        let expected = sums(&scene, &usual);
        for shape in shapes {
            let frame = prepare(&scene, shape);
            assert_eq!(frame.hash, usual.hash, "{}: trees are no part of the scene", scene.name);
            other_trees += u32::from(frame.accel.nodes != usual.accel.nodes);
            assert!(sums(&scene, &frame) == expected, "{} with {shape:?}", scene.name);
        }
    }
    // The shapes are not the same tree under three names.
    assert!(other_trees > 40, "{other_trees}");
}

/// A tree over all triangles of the scene but one.
#[test]
fn a_tree_that_leaves_a_triangle_out_is_noticed() {
    let scenes = conformance();
    let scene = scenes.iter().find(|scene| scene.name == "room-times-1e9").expect("it exists");
    let right = prepare(scene, Shape::default());
    let expected = sums(scene, &right);
    let canonical = &right.scene;
    let rebuilt = |meshes: &[Mesh]| {
        let shape = Shape::default();
        let trees = MeshTrees::build(meshes, &canonical.triangles, &canonical.vertices, shape);
        let accel = Accel::build(canonical, &trees, shape);
        Arc::new(PreparedFrame { scene: canonical.clone(), accel, hash: right.hash })
    };
    assert!(sums(scene, &rebuilt(&canonical.meshes)) == expected);
    // The room's shell: floor, ceiling and back wall.
    let mut meshes = canonical.meshes.to_vec();
    meshes[0].triangle_count -= 1;
    assert!(sums(scene, &rebuilt(&meshes)) != expected);
}
