//! What a file becomes: each test writes a small file by hand and looks at the buffers.

mod common;

use common::{Glb, close3, frame, merge, png, png_of, textured, view, warns};
use serde_json::json;
use tessera_shaders::layout::{Material, Texture};

#[test]
fn a_camera_is_where_its_node_says() {
    let mut glb = Glb::triangle();
    let camera = json!({"type": "perspective", "perspective": {"yfov": 1.0, "znear": 0.1}});
    glb.push("cameras", camera);
    // Turned a quarter to the left: it looks along -X, from (4, 1, 2); scale must not matter.
    let half = 0.5f64.sqrt();
    glb.node(json!({
        "camera": 0, "name": "Left", "translation": [4, 1, 2],
        "rotation": [0, half, 0, half], "scale": [3, 3, 3],
    }));
    let asset = glb.asset();
    assert_eq!(asset.cameras().next().unwrap().name.as_deref(), Some("Left"));

    let scene = frame(&asset, &view());
    let f = scene.frame;
    // The furthest coordinate is 4, so the world shrinks to a quarter.
    assert_eq!(f.scale_log2, -2);
    assert!(close3(f.camera_origin, [1.0, 0.25, 0.5]), "{:?}", f.camera_origin);
    assert!(close3(f.camera_forward, [-1.0, 0.0, 0.0]), "{:?}", f.camera_forward);
    let tan = libm::tan(0.5);
    assert!(close3(f.camera_up, [0.0, tan, 0.0]), "{:?}", f.camera_up);
    assert!(close3(f.camera_right, [0.0, 0.0, -2.0 * tan]), "{:?}", f.camera_right);
    assert_eq!((f.width, f.height, f.number, f.seed, f.max_bounces), (64, 32, 3, 7, 5));
    assert_eq!((f.inverse_width, f.inverse_height), (1.0 / 64.0, 1.0 / 32.0));
}

#[test]
fn an_orthographic_camera_shows_as_much_as_it_says() {
    let mut glb = Glb::triangle();
    let camera = json!({"type": "orthographic", "orthographic": {"xmag": 9, "ymag": 3}});
    glb.push("cameras", camera);
    glb.node(json!({"camera": 0, "translation": [4, 1, 2], "scale": [3, 3, 3]}));
    let asset = glb.asset();
    let camera = serde_json::to_value(asset.cameras().next().unwrap()).unwrap();
    assert_eq!(camera, json!({"name": null, "orthographic": {"ymag": 3.0}}));
    let f = frame(&asset, &view()).frame;
    // The image is twice as wide as high, so rays start at up to 4 + 6 to the right.
    assert_eq!((f.scale_log2, f.parallel), (-3, 1));
    assert_eq!(f.camera_origin, [0.5, 0.125, 0.25]);
    assert_eq!(f.camera_forward, [0.0, 0.0, -1.0]);
    assert_eq!((f.camera_up, f.camera_right), ([0.0, 0.375, 0.0], [0.75, 0.0, 0.0]));
}

#[test]
fn without_a_camera_one_frames_the_scene() {
    let scene = Glb::triangle().scene();
    let f = scene.frame;
    let unit = libm::exp2(f64::from(f.scale_log2));
    // The middle of the triangle's box is in the middle of the image.
    let to_middle: [f64; 3] =
        std::array::from_fn(|axis| [0.5, 0.5, 0.0][axis] * unit - f64::from(f.camera_origin[axis]));
    let length = to_middle.iter().map(|x| x * x).sum::<f64>().sqrt();
    assert!(close3(f.camera_forward, to_middle.map(|x| x / length)));
    assert!(f.camera_origin[1] > 0.0 && f.camera_origin[2] > 0.0);
}

#[test]
fn a_shared_mesh_is_stored_once_and_placed_twice() {
    let mut glb = Glb::triangle();
    let child = glb.push("nodes", json!({"mesh": 0, "translation": [0, 2, 0]}));
    // A mirrored parent, given as a matrix: x to -x, and 1 up.
    glb.node(json!({
        "children": [child],
        "matrix": [-1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1],
    }));
    let scene = glb.scene();
    assert_eq!((scene.meshes.len(), scene.triangles.len(), scene.vertices.len()), (1, 1, 3));
    assert_eq!(scene.instance_meshes, [0, 0]);
    let [first, second] = scene.instances[..] else { panic!("two instances") };
    assert_eq!((first.mirrored, second.mirrored), (0, 1));

    // The vertex (1, 0, 0) of the second one stands at (-1, 3, 0).
    let unit = libm::exp2(f64::from(scene.frame.scale_log2)) as f32;
    let x = scene.vertices[1].position;
    let world: Vec<f32> = second
        .local_to_world
        .iter()
        .map(|r| r[0] * x[0] + r[1] * x[1] + r[2] * x[2] + r[3])
        .collect();
    assert_eq!(world, [-unit, 3.0 * unit, 0.0]);
    for axis in 0..3 {
        let (lo, hi) = ([-1.0, 3.0, 0.0], [0.0, 4.0, 0.0]);
        assert!(second.lo[axis] < lo[axis] * unit && second.lo[axis] > lo[axis] * unit - 1e-4);
        assert!(second.hi[axis] > hi[axis] * unit && second.hi[axis] < hi[axis] * unit + 1e-4);
    }
    assert!(second.stretch >= unit && second.stretch < unit * 1.0001);
}

#[test]
fn matrices_undo_each_other() {
    let mut glb = Glb::triangle();
    glb.json["nodes"][0] = json!({
        "mesh": 0, "translation": [3, -1, 7], "rotation": [0.1, 0.7, -0.3, 0.6], "scale": [2, 0.5, 9],
    });
    let scene = glb.scene();
    let instance = scene.instances[0];
    let at = |m: [[f32; 4]; 3], r: usize, c: usize| f64::from(m[r][c]);
    for row in 0..3 {
        for column in 0..4 {
            let mut sum = if column == 3 { at(instance.world_to_local, row, 3) } else { 0.0 };
            for k in 0..3 {
                sum += at(instance.world_to_local, row, k) * at(instance.local_to_world, k, column);
            }
            let expected = f64::from(u8::from(row == column));
            assert!((sum - expected).abs() < 1e-5, "{row} {column}: {sum}");
        }
    }
}

#[test]
fn indices_of_every_width_give_the_same_triangles() {
    let scene = |component, bytes: &[u8]| {
        let mut glb = Glb::triangle();
        let indices = glb.accessor(component, "SCALAR", 3, bytes);
        glb.json["meshes"][0]["primitives"][0]["indices"] = json!(indices);
        glb.scene()
    };
    let expected = Glb::triangle().scene().hash();
    assert_eq!(scene(5121, &[0, 1, 2]).hash(), expected);
    assert_eq!(scene(5123, &[0, 0, 1, 0, 2, 0]).hash(), expected);
    assert_eq!(scene(5125, &[0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]).hash(), expected);
    assert_ne!(scene(5121, &[0, 2, 1]).hash(), expected);
}

#[test]
fn interleaved_vertices_are_read_by_their_stride() {
    let mut glb = Glb::triangle();
    let mut bytes = Vec::new();
    for [x, y] in [[0.0f32, 0.0], [1.0, 0.0], [0.0, 1.0]] {
        for value in [x, y, 0.0, 99.0] {
            bytes.extend(value.to_le_bytes());
        }
    }
    let interleaved = glb.accessor(5126, "VEC3", 3, &bytes);
    glb.json["bufferViews"][interleaved]["byteStride"] = json!(16);
    glb.json["meshes"][0]["primitives"][0]["attributes"]["POSITION"] = json!(interleaved);
    assert_eq!(glb.scene().hash(), Glb::triangle().scene().hash());
}

#[test]
fn without_normals_each_triangle_is_flat() {
    let mut glb = Glb::card(&json!({}));
    glb.json["meshes"][0]["primitives"][0]["attributes"].as_object_mut().unwrap().remove("NORMAL");
    let scene = glb.scene();
    assert_eq!(scene.vertices.len(), 6);
    assert!(scene.vertices.iter().all(|vertex| vertex.normal == [0.0, 0.0, 1.0]));
}

#[test]
fn normals_get_unit_length_and_lacking_ones_are_made() {
    let mut glb = Glb::card(&json!({}));
    let normals = glb.floats(3, &[0.0, 0.0, 5.0, 3.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0, 1e-30, 0.0]);
    glb.json["meshes"][0]["primitives"][0]["attributes"]["NORMAL"] = json!(normals);
    let scene = glb.scene();
    let normals: Vec<_> = scene.vertices.iter().map(|vertex| vertex.normal).collect();
    assert_eq!(normals[0], [0.0, 0.0, 1.0]);
    assert!(close3(normals[1], [0.6, 0.0, 0.8]));
    assert_eq!(normals[2], [0.0, 0.0, 1.0]);
    assert_eq!(normals[3], [0.0, 1.0, 0.0]);
}

#[test]
fn vertices_that_nothing_uses_are_left_out() {
    let mut glb = Glb::triangle();
    let mut positions = vec![50.0f32; 300];
    positions[150..153].copy_from_slice(&[0.0, 0.0, 0.0]);
    positions[153..156].copy_from_slice(&[1.0, 0.0, 0.0]);
    positions[210..213].copy_from_slice(&[0.0, 1.0, 0.0]);
    let positions = glb.floats(3, &positions);
    let indices = glb.accessor(5121, "SCALAR", 3, &[50, 51, 70]);
    let primitive = json!({"attributes": {"POSITION": positions}, "indices": indices});
    glb.json["meshes"][0]["primitives"][0] = primitive;
    assert_eq!(glb.scene().hash(), Glb::triangle().scene().hash());
}

#[test]
fn normalised_texture_coordinates_are_fractions() {
    let mut glb = Glb::card(&json!({}));
    let texture = glb.picture(&png(1, 1, &[1, 2, 3, 4]));
    textured(&mut glb, &json!({"pbrMetallicRoughness": {"baseColorTexture": {"index": texture}}}));
    let bytes: Vec<u8> =
        [0u16, 65535, 13107, 0, 1, 2, 3, 4].iter().flat_map(|x| x.to_le_bytes()).collect();
    let uvs = glb.accessor(5123, "VEC2", 4, &bytes);
    glb.json["accessors"][uvs]["normalized"] = json!(true);
    glb.json["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_0"] = json!(uvs);
    let scene = glb.scene();
    let uv = |i: usize| (scene.vertices[i].u, scene.vertices[i].v);
    assert_eq!(uv(0), (0.0, 1.0));
    assert_eq!(uv(1), (0.2, 0.0));
    assert_eq!(uv(2).0, (1.0 / 65535.0f64) as f32);
}

#[test]
fn an_upright_card_has_the_tangent_of_its_texture() {
    let normal_mapped = |uvs: &[f32]| {
        let mut glb = Glb::card(&json!({}));
        let texture = glb.picture(&png(1, 1, &[128, 128, 255, 255]));
        textured(&mut glb, &json!({"normalTexture": {"index": texture, "scale": 0.5}}));
        let uvs = glb.floats(2, uvs);
        glb.json["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_0"] = json!(uvs);
        glb.scene()
    };
    let upright = normal_mapped(&[0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
    assert_eq!(upright.materials[0].normal_scale, 0.5);
    assert_eq!(upright.vertices.len(), 4);
    // Green means up in the picture, which is +Y here: the bitangent is normal × tangent.
    assert!(upright.vertices.iter().all(|vertex| vertex.tangent == [1.0, 0.0, 0.0, 1.0]));
    let mirrored = normal_mapped(&[1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0]);
    assert!(mirrored.vertices.iter().all(|vertex| vertex.tangent == [-1.0, 0.0, 0.0, -1.0]));
    let flipped = normal_mapped(&[0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0]);
    assert!(flipped.vertices.iter().all(|vertex| vertex.tangent == [1.0, 0.0, 0.0, -1.0]));
    // A texture without extent still gives tangents of unit length at right angles.
    let degenerate = normal_mapped(&[0.5; 8]);
    for vertex in degenerate.vertices.iter() {
        let [x, y, z, w] = vertex.tangent;
        assert!((x * x + y * y - 1.0).abs() < 1e-6 && z == 0.0 && w == 1.0);
    }
}

#[test]
fn a_seam_in_the_texture_splits_the_vertices_on_it() {
    // Two triangles share the diagonal; the second one's texture is mirrored.
    let mut glb = Glb::card(&json!({}));
    let texture = glb.picture(&png(1, 1, &[128, 128, 255, 255]));
    textured(&mut glb, &json!({"normalTexture": {"index": texture}}));
    let uvs = glb.floats(2, &[0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 2.0, 0.0]);
    glb.json["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_0"] = json!(uvs);
    let scene = glb.scene();
    assert_eq!(scene.vertices.len(), 6);
    let sign = |triangle: usize| {
        scene.triangles[triangle].corners.map(|corner| scene.vertices[corner as usize].tangent[3])
    };
    assert_eq!(sign(0), [-1.0; 3]);
    assert_eq!(sign(1), [1.0; 3]);
}

#[test]
fn given_tangents_are_kept_and_need_no_normal_map_to_be_absent() {
    let mut glb = Glb::card(&json!({}));
    let tangents = glb.floats(4, &[0.0, 2.0, 0.0, -1.0].repeat(4));
    glb.json["meshes"][0]["primitives"][0]["attributes"]["TANGENT"] = json!(tangents);
    assert!(glb.scene().vertices.iter().all(|vertex| vertex.tangent == [0.0; 4]));
    let texture = glb.picture(&png(1, 1, &[128, 128, 255, 255]));
    textured(&mut glb, &json!({"normalTexture": {"index": texture}}));
    assert!(glb.scene().vertices.iter().all(|vertex| vertex.tangent == [0.0, 1.0, 0.0, -1.0]));
}

#[test]
fn a_material_is_what_the_file_says() {
    let mut glb = Glb::card(&json!({}));
    let base = glb.picture(&png(2, 1, &[1, 2, 3, 4, 5, 6, 7, 8]));
    let other = glb.picture(&png(1, 1, &[9, 9, 9, 9]));
    glb.push("samplers", json!({"wrapS": 33071, "wrapT": 33648, "magFilter": 9728}));
    glb.json["textures"][base]["sampler"] = json!(0);
    textured(
        &mut glb,
        &json!({
            "pbrMetallicRoughness": {
                "baseColorFactor": [0.1, 0.2, 0.3, 0.4], "metallicFactor": 0.5, "roughnessFactor": 0.6,
                "baseColorTexture": {"index": base}, "metallicRoughnessTexture": {"index": other},
            },
            "emissiveFactor": [0.5, 0.25, 0.0],
            "extensions": {"KHR_materials_emissive_strength": {"emissiveStrength": 8}},
            "alphaMode": "MASK", "alphaCutoff": 0.75, "doubleSided": true,
            "occlusionTexture": {"index": other},
        }),
    );
    let asset = glb.asset();
    assert!(asset.report().warnings.is_empty(), "{:?}", asset.report());
    let scene = frame(&asset, &view());
    let material = scene.materials[0];
    assert_eq!(material.base_color, [0.1, 0.2, 0.3, 0.4]);
    assert_eq!((material.metallic, material.roughness), (0.5, 0.6));
    assert_eq!(material.emission, [4.0, 2.0, 0.0]);
    assert_eq!((material.alpha_mode, material.alpha_cutoff), (Material::MASK, 0.75));
    let flags = Texture::CLAMP | Texture::MIRROR << 2 | Texture::NEAREST;
    let expected = Texture { first_texel: 0, width: 2, height: 1, flags };
    assert_eq!(material.base_color_texture, expected);
    assert_eq!(material.metallic_roughness_texture.flags, Texture::REPEAT);
    assert_eq!(material.metallic_roughness_texture.first_texel, 2);
    assert_eq!(material.emission_texture, Texture::NONE);
    assert_eq!(scene.texels[..], [0x0403_0201, 0x0807_0605, 0x0909_0909]);
}

#[test]
fn without_a_material_there_is_the_default_one() {
    let scene = Glb::triangle().scene();
    assert_eq!(scene.materials.len(), 1);
    assert_eq!(scene.materials[0].base_color, [1.0; 4]);
    assert_eq!((scene.materials[0].metallic, scene.materials[0].roughness), (1.0, 1.0));
}

#[test]
fn one_picture_in_two_images_is_stored_once() {
    let mut glb = Glb::card(&json!({}));
    let file = png(2, 2, &[7; 16]);
    let (a, b) = (glb.picture(&file), glb.picture(&file));
    textured(
        &mut glb,
        &json!({
            "pbrMetallicRoughness": {"baseColorTexture": {"index": a}},
            "emissiveTexture": {"index": b},
        }),
    );
    assert_eq!(glb.scene().texels.len(), 4);
}

#[test]
fn pictures_of_every_kind_become_rgba() {
    use png::{BitDepth, ColorType};
    let texels = |file: &[u8]| {
        let mut glb = Glb::card(&json!({}));
        let texture = glb.picture(file);
        let info = json!({"index": texture});
        textured(&mut glb, &json!({"pbrMetallicRoughness": {"baseColorTexture": info}}));
        glb.scene().texels.iter().map(|word| word.to_le_bytes()).collect::<Vec<_>>()
    };
    let kind = |color, depth, data: &[u8]| texels(&png_of(2, 1, color, depth, data));
    assert_eq!(
        kind(ColorType::Grayscale, BitDepth::Eight, &[5, 250]),
        [[5, 5, 5, 255], [250, 250, 250, 255]]
    );
    assert_eq!(
        kind(ColorType::Grayscale, BitDepth::One, &[0b0100_0000]),
        [[0, 0, 0, 255], [255; 4]]
    );
    assert_eq!(
        kind(ColorType::GrayscaleAlpha, BitDepth::Eight, &[5, 6, 7, 8]),
        [[5, 5, 5, 6], [7, 7, 7, 8]]
    );
    assert_eq!(
        kind(ColorType::Rgb, BitDepth::Eight, &[1, 2, 3, 4, 5, 6]),
        [[1, 2, 3, 255], [4, 5, 6, 255]]
    );
    assert_eq!(
        kind(ColorType::Indexed, BitDepth::Eight, &[1, 0]),
        [[40, 50, 60, 128], [10, 20, 30, 255]]
    );
    let deep = [0x01, 0x80, 0x01, 0x82, 0xff, 0xff, 0, 0, 0, 0x80, 0, 0x81];
    assert_eq!(kind(ColorType::Rgb, BitDepth::Sixteen, &deep), [[1, 2, 255, 255], [0, 0, 1, 255]]);
}

#[test]
fn a_jpeg_becomes_about_what_was_put_in() {
    let (width, height) = (40u32, 24u32);
    let original = |x: u32, y: u32| [(x * 6) as u8, (y * 10) as u8, 128];
    let pixels: Vec<u8> =
        (0..height).flat_map(|y| (0..width).flat_map(move |x| original(x, y))).collect();
    let mut file = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut file, 95)
        .encode(&pixels, width, height, image::ExtendedColorType::Rgb8)
        .unwrap();
    let mut glb = Glb::card(&json!({}));
    let texture = glb.picture(&file);
    textured(&mut glb, &json!({"pbrMetallicRoughness": {"baseColorTexture": {"index": texture}}}));
    let scene = glb.scene();
    assert_eq!(scene.texels.len(), (width * height) as usize);
    for (i, texel) in scene.texels.iter().enumerate() {
        let [r, g, b, a] = texel.to_le_bytes();
        let expected = original(i as u32 % width, i as u32 / width);
        assert_eq!(a, 255);
        assert!([r, g, b].iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 8), "texel {i}");
    }
}

#[test]
fn the_srgb_table_is_the_standards() {
    let srgb = Glb::triangle().scene().frame.srgb;
    let value = |code: usize| f64::from(srgb[code / 4][code % 4]);
    assert_eq!((value(0), value(255)), (0.0, 1.0));
    // IEC 61966-2-1: 10 lies on the straight part, 188 is about half the light.
    assert!((value(10) - 10.0 / 255.0 / 12.92).abs() < 1e-9);
    assert!((value(188) - 0.502_886_5).abs() < 1e-6, "{}", value(188));
    assert!((1..256).all(|code| value(code) > value(code - 1)));
}

#[test]
fn nodes_move_along_their_keys() {
    let mut glb = Glb::triangle();
    let times = glb.floats(1, &[0.0, 2.0]);
    let places = glb.floats(3, &[0.0, 0.0, 0.0, 0.0, 0.0, -4.0]);
    let half = 0.5f32.sqrt();
    let turns = glb.floats(4, &[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, half, half]);
    let animation = |path: &str, output: usize| {
        json!({
            "channels": [{"sampler": 0, "target": {"node": 0, "path": path}}],
            "samplers": [{"input": times, "output": output}],
        })
    };
    glb.push("animations", animation("translation", places));
    glb.push("animations", animation("rotation", turns));
    let mut again = animation("translation", turns);
    merge(&mut again, &json!({"name": "Other"}));
    glb.push("animations", again);

    let asset = glb.asset();
    assert_eq!(asset.duration_s(), 2.0);
    // The third one moves what the first one moves; it isn't even read.
    assert!(warns(asset.report(), "animations[2] (Other)"), "{:?}", asset.report());
    let world = |time: f64| {
        let scene = asset.frame(&view(), 0, time).unwrap();
        let unit = libm::exp2(f64::from(scene.frame.scale_log2)) as f32;
        scene.instances[0].local_to_world.map(|row| row.map(|x| x / unit))
    };
    assert!(close3(world(1.0).map(|row| row[3]), [0.0, 0.0, -2.0]));
    assert!(close3(world(1.0).map(|row| row[0]), [0.5f64.sqrt(), 0.5f64.sqrt(), 0.0]));
    assert!(close3(world(2.0).map(|row| row[0]), [0.0, 1.0, 0.0]));
    assert_eq!(world(7.0), world(2.0));
    assert_eq!(world(-1.0), world(0.0));
}

#[test]
fn an_instance_scaled_to_nothing_is_left_out_and_named() {
    let mut glb = Glb::triangle();
    glb.node(json!({"mesh": 0, "scale": [1, 0, 1]}));
    glb.node(json!({"mesh": 0, "scale": [1, 1e-20, 1]}));
    let asset = glb.asset();
    assert!(warns(asset.report(), "nodes[1]") && warns(asset.report(), "nodes[2]"));
    assert!(!warns(asset.report(), "nodes[0]"));
    let scene = frame(&asset, &view());
    assert_eq!((scene.instances.len(), scene.frame.instance_count), (1, 1));
}

#[test]
fn an_empty_scene_is_a_scene() {
    let asset = Glb::new().asset();
    assert!(warns(asset.report(), "scene"));
    let scene = frame(&asset, &view());
    assert_eq!((scene.instances.len(), scene.frame.light_count, scene.materials.len()), (0, 0, 1));
}
