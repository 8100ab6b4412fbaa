//! What lights a scene becomes, and what the environment does.

mod common;

use common::{Glb, close, close3, frame, hdr, png, textured, view};
use serde_json::json;
use tessera_scene::{Asset, Limits, View};
use tessera_shaders::layout::{Light, NONE};

#[test]
fn lamps_have_their_units_places_and_cones() {
    let mut glb = Glb::triangle();
    let far = json!({"translation": [0, 8, 0]});
    glb.light(json!({"type": "point", "intensity": 3, "color": [1, 0.5, 0.25], "range": 12}), far);
    glb.light(
        json!({"type": "spot", "intensity": 5, "spot": {"innerConeAngle": 0.3, "outerConeAngle": 0.6}}),
        // A quarter turn about X: -Z becomes +Y.
        json!({"rotation": [0.5f64.sqrt(), 0, 0, 0.5f64.sqrt()], "scale": [2, 2, 2]}),
    );
    glb.light(json!({"type": "directional", "intensity": 2}), json!({}));
    let scene = glb.scene();
    assert_eq!(scene.frame.scale_log2, -3);
    let [point, spot, sun, padding] = scene.lights[..] else { panic!("{:?}", scene.lights) };

    assert_eq!((point.kind, point.position, point.range), (Light::POINT, [0.0, 1.0, 0.0], 1.5));
    // Lengths shrink by 8, so candelas do by 64, for the same irradiance.
    assert_eq!(point.intensity, [3.0 / 64.0, 1.5 / 64.0, 0.75 / 64.0]);

    assert_eq!(spot.kind, Light::SPOT);
    assert!(close3(spot.direction, [0.0, 1.0, 0.0]), "{:?}", spot.direction);
    let cones =
        |angle: f64| libm::cos(angle) * f64::from(spot.spot_scale) + f64::from(spot.spot_offset);
    assert!((cones(0.3) - 1.0).abs() < 1e-5 && cones(0.6).abs() < 1e-5);
    assert_eq!((spot.range, spot.intensity), (0.0, [5.0 / 64.0; 3]));

    assert_eq!((sun.kind, sun.direction), (Light::DIRECTIONAL, [0.0, 0.0, -1.0]));
    assert_eq!(sun.intensity, [2.0; 3]);
    assert_eq!((padding.probability, padding.intensity), (0.0, [0.0; 3]));
    assert_eq!(scene.frame.light_count, 4);
}

#[test]
fn emissive_triangles_are_lights_by_their_area() {
    let mut glb = Glb::new();
    // Areas 1 : 3, and one without any.
    let positions = glb.floats(
        3,
        &[
            0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, //
            0.0, 0.0, 1.0, 3.0, 0.0, 1.0, 0.0, 1.0, 1.0, //
            0.0, 0.0, 2.0, 1.0, 0.0, 2.0, 2.0, 0.0, 2.0,
        ],
    );
    let mesh = glb.mesh(&json!({"attributes": {"POSITION": positions}, "material": 0}));
    glb.push("materials", json!({"emissiveFactor": [1, 1, 1]}));
    glb.node(json!({"mesh": mesh, "translation": [9, 0, 0]}));
    glb.node(json!({"mesh": mesh}));
    let scene = glb.scene();
    assert_eq!(scene.instances.iter().map(|i| i.first_light).collect::<Vec<_>>(), [0, 3]);
    let own: Vec<_> = scene.lights.iter().map(|l| (l.kind, l.instance, l.triangle)).collect();
    assert_eq!(own[..6], [0, 1].map(|i| [0, 1, 2].map(|t| (Light::TRIANGLE, i, t))).concat());
    for (light, share) in scene.lights.iter().zip([1.0, 3.0, 0.0, 1.0, 3.0, 0.0]) {
        assert!((f64::from(light.probability) - share / 8.0).abs() < 1e-6, "{light:?}");
        assert_eq!(light.probability == 0.0, share == 0.0);
    }
}

#[test]
fn a_black_emissive_texture_makes_no_lights_and_one_texel_does() {
    let lights = |last: u8| {
        let mut rgba = [0, 0, 0, 255].repeat(64);
        rgba[4 * 63] = last;
        let mut glb = Glb::card(&json!({}));
        let texture = glb.picture(&png(8, 8, &rgba));
        let emissive = json!({"emissiveFactor": [1, 1, 1], "emissiveTexture": {"index": texture}});
        textured(&mut glb, &emissive);
        let scene = glb.scene();
        (scene.instances[0].first_light, scene.frame.light_count)
    };
    assert_eq!(lights(0), (NONE, 0));
    assert_eq!(lights(1), (0, 2));
}

fn under_sky(glb: &Glb, view: &View) -> tessera_shaders::layout::CanonicalScene {
    let sky = hdr(16, 8, |x, y| [x as u8 + 1, y as u8 + 1, 7, 130]);
    let asset = Asset::load(&glb.bytes(), Some(&sky), &Limits::default()).unwrap();
    assert!(asset.report().warnings.is_empty());
    frame(&asset, view)
}

#[test]
fn the_environment_is_the_last_light_and_its_words_are_the_files() {
    let mut glb = Glb::triangle();
    glb.light(json!({"type": "point"}), json!({}));
    let turned = View { environment_rotation_deg: 30.0, environment_strength: 2.5, ..view() };
    let scene = under_sky(&glb, &turned);
    let f = scene.frame;
    assert_eq!((f.environment_texel, f.environment_width, f.environment_height), (0, 16, 8));
    assert_eq!(scene.texels[17].to_le_bytes(), [2, 2, 7, 130]);
    assert_eq!((f.cells_width, f.cells_height, scene.cells.len()), (16, 8, 128));
    assert_eq!((f.environment_light, f.light_count), (1, 2));
    assert_eq!(scene.lights[1].kind, Light::ENVIRONMENT);
    assert!((0.25..=0.75).contains(&scene.lights[1].probability));
    assert_eq!((f.environment_strength, f.background), (2.5, 1));
    assert!(close(f.rotation_cos, libm::cos(std::f64::consts::FRAC_PI_6)));
    assert!(close(f.rotation_sin, 0.5));
    for (degrees, cos, sin) in
        [(0.0, 1.0, 0.0), (90.0, 0.0, 1.0), (-90.0, 0.0, -1.0), (180.0, -1.0, 0.0)]
    {
        let view = View { environment_rotation_deg: degrees, ..view() };
        let f = under_sky(&glb, &view).frame;
        assert_eq!((f.rotation_cos, f.rotation_sin), (cos, sin));
    }
}

#[test]
fn without_strength_there_is_no_environment() {
    let off = View { environment_strength: 0.0, background_black: true, ..view() };
    let scene = under_sky(&Glb::triangle(), &off);
    let f = scene.frame;
    assert_eq!((f.environment_texel, f.environment_light, f.light_count), (NONE, NONE, 0));
    assert_eq!((scene.cells.len(), f.background), (0, 0));
}
