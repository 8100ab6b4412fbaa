//! What surfaces are made of.

use super::{clear_sky, directional, even_sky, ground};
use crate::Scene;
use crate::environment::Packing;
use crate::maths::turn;
use crate::model::{
    Alpha, Material, MaterialId, Model, Node, Part, PictureFile, Reading, Texture, TextureId, Wrap,
};
use crate::picture::{Picture, normal_texel};
use crate::shapes::{card, cuboid, moved, sheet, sphere, unindexed};

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        wraps("texture-wraps", PictureFile::Png),
        wraps("texture-jpeg", PictureFile::Jpeg),
        material_textures(),
        texture_coordinates(),
        normal_maps(),
        roughness(),
        alpha(),
        blend_stack(),
        colours(),
        bare(),
    ]
}

/// A white-on-blue letter F in a frame whose top edge is red and left edge green: whatever is
/// flipped or turned is seen at once.
pub(crate) fn letter() -> Picture {
    const ROWS: [u8; 8] =
        [0, 0b0111_1110, 0b0100_0000, 0b0111_1000, 0b0100_0000, 0b0100_0000, 0b0100_0000, 0];
    Picture::opaque(16, 16, |x, y| match (x, y) {
        (_, 0..=1) => [220, 30, 30],
        (0..=1, _) => [30, 200, 30],
        _ if ROWS[y as usize / 2] >> (7 - x / 2) & 1 == 1 => [255, 255, 255],
        _ => [30, 60, 150],
    })
}

/// The card's texture coordinates, stretched to −1..2 so that all sides of the picture show.
fn three_times(mut card: Part) -> Part {
    card.uvs.iter_mut().for_each(|uv| *uv = uv.map(|x| 3.0 * x - 1.0));
    card
}

fn wraps(name: &'static str, file: PictureFile) -> Scene {
    let mut model = Model::new();
    for (i, wrap) in [Wrap::Repeat, Wrap::Mirror, Wrap::Clamp].into_iter().enumerate() {
        let x = i as f32 * 1.1 - 1.1;
        let plain = Texture {
            picture: letter(),
            file,
            wrap_u: Wrap::Clamp,
            wrap_v: Wrap::Repeat,
            reading: Reading::PLAIN,
        };
        let texture = model.texture(Texture { wrap_u: wrap, ..plain.clone() });
        let across = Material { base_texture: Some(texture), ..Material::default() };
        model.thing(three_times(card([x, 0.55, 0.0], 1.0, 1.0)), across);
        let texture = model.texture(Texture { wrap_v: wrap, ..plain });
        let down = Material { base_texture: Some(texture), ..Material::default() };
        model.thing(three_times(card([x, -0.55, 0.0], 1.0, 1.0)), down);
    }
    model.camera([0.0, 0.0, 6.0], [0.0; 3], 24.0);
    let note = "A letter under every wrap mode, upright where it is upright: texel addressing and \
                filtering by hand, and the decoder of its file.";
    let scene = Scene::new(name, note, &model).under(even_sky([1.0; 3]));
    Scene { width: 64, height: 44, max_bounces: 1, ..scene }
}

fn material_textures() -> Scene {
    let mut model = Model::new();
    // Green is roughness, blue metalness; red is nobody's and must not matter.
    let picture =
        Picture::opaque(8, 8, |x, y| [(x * 36) as u8, (y * 36) as u8, if x < 4 { 0 } else { 255 }]);
    let texture = model.picture(picture);
    let material = Material {
        base: [0.9, 0.6, 0.3, 1.0],
        metallic: 0.9,
        roughness: 0.8,
        metallic_roughness_texture: Some(texture),
        ..Material::default()
    };
    model.thing(sphere(1.0, 20, 32), material);
    model.camera([0.0, 0.6, 4.2], [0.0; 3], 30.0);
    let note = "Roughness and metalness from one texture's green and blue, times their factors.";
    Scene::new("material-textures", note, &model).under(clear_sky([0.6, 0.6, 0.8], Packing::Runs))
}

fn texture_coordinates() -> Scene {
    let mut model = Model::new();
    let moved_letter = |turn_deg, scale, offset| Reading { set: 0, scale, turn_deg, offset };
    let second = Reading { set: 1, ..Reading::PLAIN };
    // A second set on the first's mirror image, and half as large.
    let sheet_at = |x: f32, y: f32| {
        let mut part = card([x, y, 0.0], 0.95, 0.95);
        part.second_uvs = part.uvs.iter().map(|uv| [1.0 - 0.5 * uv[0], 0.5 * uv[1]]).collect();
        part
    };
    let ramp = |x: u32, y: u32| [0, (y * 36) as u8, if x < 4 { 0 } else { 255 }];
    let bump = |x: u32, _: u32| normal_texel(if x % 4 < 2 { 0.5 } else { -0.5 }, 0.0);

    // One texture, its map written into the vertices.
    let letters = model.picture_read(letter(), moved_letter(30.0, [1.5, 0.75], [0.25, -0.5]));
    model.thing(
        sheet_at(-1.0, 0.5),
        Material { base_texture: Some(letters), ..Material::default() },
    );
    // The second set alone, then a normal map at the first with a letter at the second.
    let letters = model.picture_read(letter(), second);
    let of_second = Material { base_texture: Some(letters), ..Material::default() };
    model.thing(sheet_at(0.0, 0.5), of_second.clone());
    let bumps = model.picture_read(Picture::opaque(8, 8, bump), Reading::PLAIN);
    model.thing(sheet_at(1.0, 0.5), Material { normal_texture: Some(bumps), ..of_second });
    // Four textures, each at coordinates of its own; the alpha of one cuts holes.
    let bumps =
        model.picture_read(Picture::opaque(8, 8, bump), moved_letter(45.0, [2.0; 2], [0.0; 2]));
    let ramps =
        model.picture_read(Picture::opaque(8, 8, ramp), moved_letter(90.0, [1.0; 2], [0.0, 1.0]));
    let glow = Picture::opaque(4, 4, |x, y| [if x == y { 90 } else { 0 }, 0, 0]);
    let glow = model.picture_read(glow, moved_letter(0.0, [3.0, 1.0], [0.5, 0.0]));
    let leaf = leaves(&mut model, second);
    let all = Material {
        base_texture: Some(leaf),
        alpha: Alpha::Mask(0.4),
        metallic: 1.0,
        metallic_roughness_texture: Some(ramps),
        normal_texture: Some(bumps),
        emissive: [1.0; 3],
        emissive_texture: Some(glow),
        ..Material::default()
    };
    model.thing(sheet_at(-0.5, -0.5), all.clone());
    // Without normals and tangents in the file corners are split, and keep what is theirs.
    let bare = Part { normals: Vec::new(), ..sheet_at(0.5, -0.5) };
    model.thing(bare, Material { alpha: Alpha::Blend, ..all });
    directional(&mut model, [0.7, -0.6, -0.5], 3.0);
    model.camera([0.0, 0.0, 6.0], [0.0; 3], 22.0);
    let note = "Textures moved, turned and scaled, at the second set, and four of one surface each at \
                coordinates of its own, an emitting and a cut-out one among them.";
    let scene = Scene::new("texture-coordinates", note, &model).under(even_sky([0.3; 3]));
    Scene { width: 64, height: 44, max_bounces: 1, ..scene }
}

fn normal_maps() -> Scene {
    let mut model = Model::new();
    // Domes, as slopes: to the right u grows, up the picture v falls.
    let dome = |x: u32, y: u32| {
        let place = |i: u32| ((i % 16) as f32 - 7.5) / 8.0;
        let (u, v) = (place(x), -place(y));
        if u * u + v * v < 0.8 { normal_texel(-u, -v) } else { normal_texel(0.0, 0.0) }
    };
    let bumps = model.picture(Picture::opaque(32, 32, dome));
    let bumpy = |normal_scale| Material {
        normal_texture: Some(bumps),
        normal_scale,
        roughness: 0.5,
        ..Material::matt([0.6; 3])
    };
    let with_tangents =
        |part: Part, tangent| Part { tangents: vec![tangent; part.positions.len()], ..part };
    let mirrored = |mut part: Part| {
        part.uvs.iter_mut().for_each(|uv| uv[0] = 1.0 - uv[0]);
        part
    };
    let at = |x: f32, y: f32| card([x, y, 0.0], 0.95, 0.95);
    model.thing(with_tangents(at(-1.0, 0.5), [1.0, 0.0, 0.0, 1.0]), bumpy(1.0));
    model.thing(at(0.0, 0.5), bumpy(1.0));
    model.thing(mirrored(at(1.0, 0.5)), bumpy(1.0));
    model.thing(with_tangents(mirrored(at(-1.0, -0.5)), [-1.0, 0.0, 0.0, -1.0]), bumpy(1.0));
    model.thing(at(0.0, -0.5), bumpy(0.3));
    // No normals in the file, and a surface that is not flat: tangents follow the made-up normals.
    let wave =
        sheet(6, 6, |u, v| [0.525 + 0.95 * u, 0.95 * v - 0.975, 0.15 * (u - 0.5) * (v - 0.5)]);
    model.thing(wave, bumpy(1.0));
    directional(&mut model, [0.7, -0.6, -0.5], 3.0);
    model.camera([0.0, 0.0, 6.0], [0.0; 3], 22.0);
    let note = "Bumps rise towards the viewer, lit from the upper left, whether tangents are given, \
                made, or mirrored, and less so at scale 0.3.";
    Scene { width: 64, height: 44, max_bounces: 1, ..Scene::new("normal-maps", note, &model) }
}

fn roughness() -> Scene {
    let mut model = Model::new();
    for i in 0..5u8 {
        let roughness = f32::from(i) / 4.0;
        let x = f32::from(i) * 0.9 - 1.8;
        let dielectric = Material { roughness, ..Material::matt([0.6, 0.1, 0.1]) };
        model.thing(moved(sphere(0.4, 14, 20), [x, 0.45, 0.0]), dielectric);
        let metal = Material::metal([0.95, 0.8, 0.4], roughness);
        model.thing(moved(sphere(0.4, 14, 20), [x, -0.45, 0.0]), metal);
    }
    model.point_lamp([1.0, 2.0, 3.0], 8.0);
    model.camera([0.0, 0.0, 6.5], [0.0; 3], 24.0);
    let note = "Roughness 0 to 1, glazed and metal: the narrowest lobe neither divides by zero nor \
                loses its light.";
    let scene = Scene::new("roughness", note, &model);
    let scene = scene.under(clear_sky([-0.4, 0.6, 0.7], Packing::Flat));
    Scene { width: 64, height: 36, ..scene }
}

fn leaves(model: &mut Model, reading: Reading) -> TextureId {
    let leaf = Picture::new(16, 16, |x, y| {
        let (dx, dy) = (x as i32 * 2 - 15, y as i32 * 2 - 15);
        [40, 160, 60, (255 - (dx * dx + dy * dy)).clamp(0, 255) as u8]
    });
    model.picture_read(leaf, reading)
}

fn alpha() -> Scene {
    let mut model = Model::new();
    ground(&mut model, 5.0);
    let leaf = leaves(&mut model, Reading::PLAIN);
    let with = |alpha, base_alpha| Material {
        base: [1.0, 1.0, 1.0, base_alpha],
        base_texture: Some(leaf),
        alpha,
        double_sided: true,
        ..Material::default()
    };
    let card_at = |x: f32| card([x, 0.7, 0.0], 0.9, 1.2);
    model.thing(card_at(-1.5), with(Alpha::Opaque, 0.2));
    model.thing(card_at(-0.5), with(Alpha::Mask(0.6), 1.0));
    model.thing(card_at(0.5), with(Alpha::Blend, 1.0));
    model.thing(card_at(1.5), with(Alpha::Blend, 0.4));
    directional(&mut model, [0.3, -0.8, -0.5], 2.0);
    model.camera([0.0, 1.4, 5.0], [0.0, 0.6, 0.0], 34.0);
    let note = "Opaque, cut-out and blended surfaces and their shadows: whether a candidate counts is \
                decided by a hash, not by the order of the search.";
    let scene = Scene::new("alpha", note, &model).under(even_sky([0.3, 0.35, 0.4]));
    Scene { width: 64, height: 40, ..scene }
}

fn blend_stack() -> Scene {
    let mut model = Model::new();
    let veil: MaterialId = model.material(Material {
        base: [0.9, 0.5, 0.2, 0.15],
        alpha: Alpha::Blend,
        double_sided: true,
        ..Material::default()
    });
    let pane = model.shape(card([0.0; 3], 1.6, 1.6), veil);
    for i in 0..24u8 {
        // Every third one in the very same plane as its neighbour.
        let z = -0.1 * f32::from(i - i % 3 / 2);
        model.node(
            Node::mesh(pane).at([0.0, 0.0, z]).turned(turn([0.0, 0.0, 1.0], f32::from(i) * 7.0)),
        );
    }
    model.thing(card([0.0, 0.0, -3.0], 4.0, 4.0), Material::lamp([0.5, 0.8, 1.0]));
    model.camera([0.3, 0.2, 5.0], [0.0; 3], 26.0);
    let note = "24 veils behind each other, some in one plane: passing through is no bounce, and no \
                traversal loses or repeats a veil.";
    Scene { spp: 8, max_bounces: 2, ..Scene::new("veils", note, &model).under(even_sky([0.5; 3])) }
}

fn colours() -> Scene {
    let mut model = Model::new();
    ground(&mut model, 5.0);
    let painted = |part: Part, alpha: f32| {
        let colour = |p: &[f32; 3]| [0.5 + 0.4 * p[0], 0.6 * p[1], 0.5 - 0.4 * p[0], 1.0];
        let mut colours: Vec<_> = part.positions.iter().map(colour).collect();
        colours.iter_mut().for_each(|colour| colour[3] = 1.0 - alpha * colour[1]);
        Part { colours, ..part }
    };
    // Split corners keep their colours: this ball has no normals.
    let bare = Part { normals: Vec::new(), ..painted(sphere(0.5, 8, 12), 0.0) };
    model.thing(moved(bare, [-1.4, 0.5, 0.0]), Material::matt([1.0; 3]));
    model.thing(
        moved(painted(sphere(0.5, 8, 12), 0.0), [-0.3, 0.5, 0.4]),
        Material { base: [1.0, 0.8, 0.6, 1.0], ..Material::metal([1.0; 3], 0.3) },
    );
    // Unlit and seen through: below a cutoff, by chance, and as a whole in the metal ball.
    let leaf = leaves(&mut model, Reading::PLAIN);
    for (x, alpha) in [(0.6, Alpha::Mask(0.5)), (1.5, Alpha::Blend), (-2.4, Alpha::Opaque)] {
        let material =
            Material { base_texture: Some(leaf), alpha, ..Material::unlit([1.0, 0.9, 0.8]) };
        model.thing(painted(card([x, 0.6, 0.0], 0.8, 1.1), 0.6), material);
    }
    directional(&mut model, [0.3, -0.8, -0.5], 2.0);
    model.camera([0.0, 1.4, 5.0], [-0.3, 0.5, 0.0], 34.0);
    let note = "Colours of vertices, lit and unlit, their alpha cut out and blended, and unlit \
                surfaces in a mirror.";
    let scene = Scene::new("vertex-colours", note, &model).under(even_sky([0.3, 0.35, 0.4]));
    Scene { width: 64, height: 36, ..scene }
}

fn bare() -> Scene {
    let mut model = Model::new();
    let mut ball = unindexed(&sphere(0.6, 8, 12));
    ball.normals.clear();
    ball.uvs.clear();
    let ball = model.mesh(vec![ball]);
    model.node(Node::mesh(ball).at([-0.7, 0.0, 0.0]));
    let painted = model.material(Material::matt([0.2, 0.5, 0.3]));
    let block = model.mesh(vec![
        Part { material: None, ..moved(cuboid([0.6; 3]), [0.0, -0.3, 0.0]) },
        Part { material: Some(painted), ..unindexed(&moved(cuboid([0.4; 3]), [0.0, 0.3, 0.0])) },
    ]);
    model.node(Node::mesh(block).at([0.8, 0.0, 0.0]).turned(turn([1.0, 1.0, 0.0], 30.0)));
    model.camera([0.0, 0.6, 4.0], [0.0; 3], 32.0);
    let note = "No indices, no normals, no texture coordinates, no material: flat triangles of glTF's \
                default material.";
    Scene::new("bare", note, &model).under(clear_sky([0.5, 0.8, 0.5], Packing::Runs))
}
