//! Pictures whose right answer is known without rendering.
//!
//! The answers come from closed forms, and where there is none from quadrature in doubles of
//! glTF's BRDF, whose diffuse layer gets what the coat above it leaves. So white dielectrics and a
//! smooth white metal reflect all light; a rough metal, whose lobe counts one scattering only,
//! loses some.

mod brdf;

use crate::Scene;
use crate::conformance::{denormal_trap, sealed};
use crate::environment::{Packing, sky};
use crate::maths::{Quat, Vec3, turn};
use crate::model::{Alpha, Lamp, LampKind, Material, Model, Node, Reading};
use crate::picture::Picture;
use crate::shapes::{card, cuboid, floor, moved, quad, sphere};
use brdf::Surface;

/// A scene and its right picture.
#[derive(Debug, Clone)]
pub struct KnownAnswer {
    /// The scene; its settings give enough samples for [`Self::agreement`].
    pub scene: Scene,
    /// Linear radiance of each pixel, row by row from the top left; `None` where nothing is
    /// claimed.
    pub expected: Vec<Option<[f64; 3]>>,
    /// How near a rendering must come.
    pub agreement: Agreement,
}

/// How near a rendering must come. Errors are relative to the expected value, and absolute where
/// that is 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Agreement {
    /// Every pixel by itself.
    EachPixel(f64),
    /// The mean over all pixels with a claim: for scenes that cannot be free of noise.
    Mean(f64),
}

/// A picture that is not the known one.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    /// The scene's name.
    pub scene: &'static str,
    /// The pixel, counted row by row; `None` for the mean.
    pub pixel: Option<usize>,
    /// What was rendered.
    pub got: [f64; 3],
    /// What is right.
    pub expected: [f64; 3],
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { scene, pixel, got, expected } = self;
        match pixel {
            Some(pixel) => {
                write!(f, "{scene}: pixel {pixel} is {got:?}, and {expected:?} is right")
            }
            None => write!(f, "{scene}: the mean is {got:?}, and {expected:?} is right"),
        }
    }
}

impl std::error::Error for Mismatch {}

impl KnownAnswer {
    /// Compares a rendering, linear radiance row by row from the top left, with the answer.
    /// Panics if it has another number of pixels.
    pub fn check(&self, rendered: &[[f64; 3]]) -> Result<(), Mismatch> {
        assert_eq!(rendered.len(), self.expected.len(), "a rendering of another size");
        let claims = self.expected.iter().zip(rendered).enumerate();
        let claims = claims.filter_map(|(i, (expected, got))| Some((i, (*expected)?, *got)));
        let differs = |got: [f64; 3], expected: [f64; 3], tolerance: f64| {
            got.into_iter().zip(expected).any(|(got, expected)| {
                let scale = if expected == 0.0 { 1.0 } else { expected.abs() };
                let near = (got - expected).abs() <= tolerance * scale;
                !near
            })
        };
        let mismatch =
            |pixel, got, expected| Mismatch { scene: self.scene.name, pixel, got, expected };
        match self.agreement {
            Agreement::EachPixel(tolerance) => {
                for (i, expected, got) in claims {
                    if differs(got, expected, tolerance) {
                        return Err(mismatch(Some(i), got, expected));
                    }
                }
            }
            Agreement::Mean(tolerance) => {
                let (mut got, mut expected, mut count) = ([0.0; 3], [0.0; 3], 0.0);
                for (_, e, g) in claims {
                    got = std::array::from_fn(|k| got[k] + g[k]);
                    expected = std::array::from_fn(|k| expected[k] + e[k]);
                    count += 1.0;
                }
                let (got, expected) = (got.map(|x| x / count), expected.map(|x| x / count));
                if differs(got, expected, tolerance) {
                    return Err(mismatch(None, got, expected));
                }
            }
        }
        Ok(())
    }
}

/// Every scene with a known answer.
pub fn known_answers() -> Vec<KnownAnswer> {
    let mut all =
        vec![emitter(), upright(), turned_texture(), orthographic(), sealed_ball(), trap()];
    all.extend([sky_axes("sky-axes", 0.0), sky_axes("sky-axes-turned", 90.0)]);
    all.extend(lamps());
    all.extend(under_even_sky());
    all.extend([mirror_furnace(), mirror_box(), panel(), veil(), veiled_lamp()]);
    all.extend([unlit_room(), vertex_colours(), cut_out(), blended(), from_behind()]);
    all
}

const SIDE: u32 = 16;

/// The same answer in every pixel.
fn uniform(scene: Scene, expected: [f64; 3], agreement: Agreement) -> KnownAnswer {
    let pixels = (scene.width * scene.height) as usize;
    KnownAnswer { scene, expected: vec![Some(expected); pixels], agreement }
}

fn scene(name: &'static str, note: &'static str, model: &Model) -> Scene {
    Scene { width: SIDE, height: SIDE, spp: 64, ..Scene::new(name, note, model) }
}

fn emitter() -> KnownAnswer {
    let mut model = Model::new();
    model.thing(card([0.0; 3], 4.0, 4.0), Material::lamp([2.5, 0.5, 0.125]));
    model.camera([0.0, 0.0, 2.0], [0.0; 3], 30.0);
    let note = "An emitting surface seen directly has its own radiance, in every sample.";
    let scene = Scene { max_bounces: 0, ..scene("emitter", note, &model) };
    uniform(scene, [2.5, 0.5, 0.125], Agreement::EachPixel(1e-6))
}

/// Red top left, green top right, blue bottom left, white bottom right.
fn quarters(x: u32, y: u32) -> [u8; 3] {
    match (x < 8, y < 8) {
        (true, true) => [255, 0, 0],
        (false, true) => [0, 255, 0],
        (true, false) => [0, 0, 255],
        (false, false) => [255, 255, 255],
    }
}

/// What is claimed where each pixel is one texel of the quarters, of which that at (x, y) shows.
fn show_quarters(seen: impl Fn(u32, u32) -> (u32, u32)) -> Vec<Option<[f64; 3]>> {
    let claim = |i: u32| {
        let (x, y) = seen(i % SIDE, i / SIDE);
        // Filtering mixes the quarters near their borders and, the texture repeating, at its edge.
        let clear = |k: u32| (2..6).contains(&(k % 8));
        let colour = quarters(x, y).map(|c| f64::from(c) / 255.0);
        (clear(x) && clear(y)).then_some(colour)
    };
    (0..SIDE * SIDE).map(claim).collect()
}

fn upright() -> KnownAnswer {
    let mut model = Model::new();
    let texture = model.picture(Picture::opaque(16, 16, quarters));
    let material = Material { emissive_texture: Some(texture), ..Material::lamp([1.0; 3]) };
    // The card just fills the picture: a pixel is a texel.
    model.thing(card([0.0; 3], 2.0, 2.0), material);
    model.camera([0.0, 0.0, 4.0], [0.0; 3], 2.0 * libm::atanf(0.25).to_degrees());
    let note =
        "A texture lies the right way up and is decoded from sRGB: red, green above blue, white.";
    let scene = Scene { max_bounces: 0, ..scene("upright", note, &model) };
    let expected = show_quarters(|x, y| (x, y));
    KnownAnswer { scene, expected, agreement: Agreement::EachPixel(1e-6) }
}

/// The same card, its texture read at a second set that shows twice as much of it as fits, halved
/// and turned by a quarter: what was at the left is at the top.
fn turned_texture() -> KnownAnswer {
    let mut model = Model::new();
    let base = model.picture(Picture::opaque(2, 2, |_, _| [0; 3]));
    let reading = Reading { set: 1, scale: [0.5; 2], turn_deg: 90.0, offset: [0.0, 1.0] };
    let texture = model.picture_read(Picture::opaque(16, 16, quarters), reading);
    let material = Material {
        base_texture: Some(base),
        emissive_texture: Some(texture),
        ..Material::lamp([1.0; 3])
    };
    let mut card = card([0.0; 3], 2.0, 2.0);
    card.second_uvs = card.uvs.iter().map(|uv| uv.map(|x| 2.0 * x)).collect();
    model.thing(card, material);
    model.camera([0.0, 0.0, 4.0], [0.0; 3], 2.0 * libm::atanf(0.25).to_degrees());
    let note = "A texture's own coordinates, scaled, then turned anticlockwise, then moved: its \
                picture turns clockwise.";
    let scene = Scene { max_bounces: 0, ..scene("turned-texture", note, &model) };
    // u' = v and v' = 1 - u.
    let expected = show_quarters(|x, y| (y, SIDE - 1 - x));
    KnownAnswer { scene, expected, agreement: Agreement::EachPixel(1e-6) }
}

/// The same picture on two cards, of which the left one is near and the right one far.
fn orthographic() -> KnownAnswer {
    let mut model = Model::new();
    let texture = model.picture(Picture::opaque(16, 16, quarters));
    let material = Material { emissive_texture: Some(texture), ..Material::lamp([1.0; 3]) };
    let material = model.material(material);
    for (left, z, first_u) in [(-1.0, 1.5, 0.0), (0.0, -30.0, 0.5)] {
        let mut half = quad([left, -1.0, z], [1.0, 0.0, 0.0], [0.0, 2.0, 0.0]);
        half.uvs.iter_mut().for_each(|uv| uv[0] = first_u + 0.5 * uv[0]);
        let half = model.shape(half, material);
        model.node(Node::mesh(half));
    }
    model.orthographic([0.0, 0.0, 4.0], [0.0; 3], 1.0);
    let note = "An orthographic camera shows what is near and what is far at the same size.";
    let scene = Scene { max_bounces: 0, ..scene("orthographic-upright", note, &model) };
    let expected = show_quarters(|x, y| (x, y));
    KnownAnswer { scene, expected, agreement: Agreement::EachPixel(1e-6) }
}

fn sealed_ball() -> KnownAnswer {
    let scene = Scene { name: "sealed-black", ..sealed() };
    uniform(scene, [0.0; 3], Agreement::EachPixel(0.0))
}

/// The metals meet in the middle of the picture.
fn trap() -> KnownAnswer {
    let scene = Scene { name: "denormal-trap-black", ..denormal_trap() };
    let (middle, brightest) = (scene.width / 2, 65_536.0);
    let claim = |i: u32| match i % scene.width {
        x if x + 1 < middle => Some([0.0; 3]),
        x if x > middle => Some([brightest; 3]),
        _ => None,
    };
    let expected = (0..scene.width * scene.height).map(claim).collect();
    KnownAnswer { expected, agreement: Agreement::EachPixel(0.0), scene }
}

/// Six faces of different radiance; the camera looks along −Z through 140 degrees.
fn sky_axes(name: &'static str, rotation_deg: f32) -> KnownAnswer {
    const FACES: [[[f32; 3]; 2]; 3] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]],
        [[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]],
        [[0.0, 0.0, 1.0], [1.0, 1.0, 0.0]],
    ];
    /// The axis that `d` is nearest to, and by how much it leads.
    fn face(d: [f64; 3]) -> ([f32; 3], f64) {
        let size = d.map(f64::abs);
        let axis = (0..3).fold(0, |best, k| if size[k] > size[best] { k } else { best });
        let second = (0..3).filter(|&k| k != axis).map(|k| size[k]).fold(0.0, f64::max);
        (FACES[axis][usize::from(d[axis] < 0.0)], (size[axis] - second) / size[axis])
    }
    let map = sky(256, 128, Packing::Runs, |d| face(d.map(f64::from)).0);
    let mut model = Model::new();
    // Something behind the camera: a scene without any triangle is another test's business.
    model.thing(card([0.0, 0.0, 9.0], 0.1, 0.1), Material::default());
    model.camera([0.0; 3], [0.0, 0.0, -1.0], 140.0);
    let note = "Each axis of the map is where the convention puts it, and a positive angle turns the \
                map anticlockwise seen from above.";
    let scene = Scene { max_bounces: 0, spp: 4, ..scene(name, note, &model) };
    let scene = Scene { environment_rotation_deg: rotation_deg, ..scene.under(map) };
    let (sin, cos) = crate::maths::sin_cos_deg(-rotation_deg);
    let claim = |i: u32| {
        let tangent = libm::tan(70f64.to_radians());
        let place = |k: u32| ((f64::from(k) + 0.5) / f64::from(SIDE) * 2.0 - 1.0) * tangent;
        let (x, y, z) = (place(i % SIDE), -place(i / SIDE), -1.0);
        // Looking at a turned map is turning the look the other way.
        let (colour, lead) = face([cos * x + sin * z, y, cos * z - sin * x]);
        (lead > 0.3).then_some(colour.map(f64::from))
    };
    let expected = (0..SIDE * SIDE).map(claim).collect();
    KnownAnswer { scene, expected, agreement: Agreement::EachPixel(1e-6) }
}

/// A level surface seen from straight above through so small an angle that its middle speaks for
/// all of it.
fn tabletop(surface: &Surface) -> Model {
    let mut model = Model::new();
    model.thing(floor([0.0; 3], 20.0, 20.0), surface.material());
    model.camera([0.0, 3.0, 0.0], [0.0; 3], 0.02);
    model
}

const UP: [f64; 3] = [0.0, 1.0, 0.0];
const CLAY: Surface = Surface { base: [0.5, 0.3, 0.8], metallic: 0.0, roughness: 1.0 };
const BRUSHED: Surface = Surface { base: [0.9, 0.6, 0.3], metallic: 1.0, roughness: 0.7 };

fn lamps() -> Vec<KnownAnswer> {
    let diagonal = [0.5f64.sqrt(), 0.5f64.sqrt(), 0.0];
    let lit = |name,
               note,
               surface: &Surface,
               kind,
               from: Vec3,
               to: Vec3,
               intensity: f32,
               irradiance: f64| {
        let mut model = tabletop(surface);
        model.lamp(Lamp { kind, colour: [1.0, 0.5, 0.25], intensity }, from, to);
        let f = surface.brdf().value(UP, diagonal).map(|f| f * diagonal[1] * irradiance);
        let expected = [f[0], f[1] * 0.5, f[2] * 0.25];
        let scene = Scene { max_bounces: 1, spp: 16, ..scene(name, note, &model) };
        uniform(scene, expected, Agreement::EachPixel(2e-3))
    };
    let from = [2.0, 2.0, 0.0];
    let point = "Radiance under a point lamp: BRDF × intensity × cosine over the distance squared.";
    let sun = "Radiance under a directional lamp: BRDF × irradiance × cosine.";
    let spot = "Within its inner cone a spot is a point lamp; beyond the outer one it is dark.";
    let cone = LampKind::Spot { inner_deg: 10.0, outer_deg: 20.0 };
    let mut dark = lit("spot-beside", spot, &CLAY, cone, from, [2.0, 0.0, 0.0], 40.0, 0.0);
    dark.agreement = Agreement::EachPixel(0.0);
    vec![
        lit("point-lamp", point, &CLAY, LampKind::Point, from, [0.0; 3], 40.0, 40.0 / 8.0),
        lit(
            "point-lamp-on-metal",
            point,
            &BRUSHED,
            LampKind::Point,
            from,
            [0.0; 3],
            40.0,
            40.0 / 8.0,
        ),
        lit("directional-lamp", sun, &CLAY, LampKind::Directional, from, [0.0; 3], 3.0, 3.0),
        lit("spot-ahead", spot, &CLAY, cone, from, [0.0; 3], 40.0, 40.0 / 8.0),
        dark,
    ]
}

/// A flat surface under a sky of radiance 1 reflects its directional albedo.
fn under_even_sky() -> Vec<KnownAnswer> {
    let note = "A flat surface under an even sky of radiance 1 reflects its directional albedo.";
    let cases = [
        ("albedo-clay", CLAY, 0.0),
        ("albedo-clay-slanted", CLAY, 60.0),
        ("albedo-glaze", Surface { roughness: 0.5, ..CLAY }, 45.0),
        ("albedo-metal", BRUSHED, 0.0),
        ("albedo-metal-slanted", BRUSHED, 60.0),
        ("albedo-white-metal", Surface { base: [1.0; 3], ..BRUSHED }, 30.0),
    ];
    cases
        .into_iter()
        .map(|(name, surface, slant_deg)| {
            let mut model = Model::new();
            let material = model.material(surface.material());
            let plate = model.shape(card([0.0; 3], 40.0, 40.0), material);
            let slant: Quat = turn([1.0, 0.0, 0.0], -slant_deg);
            model.node(Node::mesh(plate).turned(slant));
            model.camera([0.0, 0.0, 3.0], [0.0; 3], 0.1);
            let scene = Scene { max_bounces: 2, ..scene(name, note, &model) };
            let expected = surface.brdf().albedo(libm::cos(f64::from(slant_deg).to_radians()));
            uniform(
                scene.under(sky(8, 4, Packing::Flat, |_| [1.0; 3])),
                expected,
                Agreement::Mean(0.01),
            )
        })
        .collect()
}

fn mirror_furnace() -> KnownAnswer {
    let mut model = Model::new();
    let mirror = model.material(Material::metal([1.0; 3], 0.0));
    let plate = model.shape(card([0.0; 3], 40.0, 40.0), mirror);
    model.node(Node::mesh(plate).turned(turn([1.0, 1.0, 0.0], -40.0)));
    model.camera([0.0, 0.0, 3.0], [0.0; 3], 20.0);
    let note = "A smooth white metal in even light of radiance 1 cannot be seen: it is 1 too.";
    let scene = scene("mirror-furnace", note, &model).under(sky(8, 4, Packing::Flat, |_| [1.0; 3]));
    uniform(scene, [1.0; 3], Agreement::Mean(0.005))
}

/// Inside a cube of smooth white metal that emits 1, the camera sees 1, and each
/// of the 5 bounces and the light gathered after the last adds 1.
fn mirror_box() -> KnownAnswer {
    let mut inside = cuboid([2.0, 2.0, 2.0]);
    inside.indices.chunks_exact_mut(3).for_each(|triangle| triangle.swap(1, 2));
    inside.normals.iter_mut().for_each(|normal| *normal = normal.map(|x| -x));
    let glowing = Material { emissive: [1.0; 3], ..Material::metal([1.0; 3], 0.0) };
    let mut model = Model::new();
    model.thing(inside, glowing);
    model.camera([0.2, 0.1, 0.4], [-0.3, 0.2, -1.0], 60.0);
    let note = "Mirrors that glow by 1, seen with 5 bounces, show 7: bounces are counted as promised, \
                and the two ways to find a light share it.";
    let scene = Scene { max_bounces: 5, ..scene("mirror-box", note, &model) };
    uniform(scene, [7.0; 3], Agreement::Mean(0.02))
}

/// Irradiance from a square lamp beside the view, which a node made out of a unit square.
fn panel() -> KnownAnswer {
    let mut model = tabletop(&CLAY);
    let glow = model.material(Material::lamp([5.0, 4.0, 3.0]));
    let unit_square = model.shape(card([0.0; 3], 1.0, 1.0), glow);
    // Facing down: right stays right, and what was up points forward.
    let (centre, size) = ([1.5f32, 1.2, 0.3], [1.6f32, 0.8]);
    let facing_down = turn([1.0, 0.0, 0.0], 90.0);
    model.node(
        Node::mesh(unit_square).at(centre).turned(facing_down).stretched([size[0], size[1], 3.0]),
    );
    let note = "Light from an emitting square, by quadrature over it: areas are those of the \
                instance, not of the mesh.";
    let scene = Scene { max_bounces: 1, ..scene("panel", note, &model) };

    const CELLS: u32 = 200;
    let clay = CLAY.brdf();
    let mut sum = [0.0; 3];
    for i in 0..CELLS * CELLS {
        let along =
            |k: u32, size: f32| ((f64::from(k) + 0.5) / f64::from(CELLS) - 0.5) * f64::from(size);
        let [x, y, z] = centre.map(f64::from);
        let to = [x + along(i % CELLS, size[0]), y, z + along(i / CELLS, size[1])];
        let square = to.iter().map(|x| x * x).sum::<f64>();
        let towards = to.map(|x| x / square.sqrt());
        // Lamp and table face each other: both cosines are the same.
        let weight = towards[1] * towards[1] / square;
        let f = clay.value(UP, towards);
        sum = std::array::from_fn(|k| sum[k] + f[k] * weight);
    }
    let cell = f64::from(size[0]) * f64::from(size[1]) / f64::from(CELLS * CELLS);
    let expected = [5.0 * sum[0] * cell, 4.0 * sum[1] * cell, 3.0 * sum[2] * cell];
    uniform(scene, expected, Agreement::Mean(0.01))
}

fn veil() -> KnownAnswer {
    let mut model = Model::new();
    let blend =
        Material { base: [0.0, 0.0, 0.0, 0.25], alpha: Alpha::Blend, ..Material::lamp([4.0; 3]) };
    model.thing(card([0.0; 3], 4.0, 4.0), blend);
    model.thing(card([0.0, 0.0, -1.0], 8.0, 8.0), Material::lamp([1.0; 3]));
    model.camera([0.0, 0.0, 2.0], [0.0; 3], 30.0);
    let note =
        "A glowing veil of alpha 1/4 before a glowing wall: a quarter of one, three of the other.";
    let scene = Scene { max_bounces: 0, ..scene("veil", note, &model) };
    uniform(scene, [1.75; 3], Agreement::Mean(0.03))
}

fn veiled_lamp() -> KnownAnswer {
    let mut model = tabletop(&CLAY);
    let sun = Lamp { kind: LampKind::Directional, colour: [1.0; 3], intensity: 3.0 };
    model.lamp(sun, [2.0, 2.0, 0.0], [0.0; 3]);
    // Across the light and out of the camera's sight.
    let film =
        Material { alpha: Alpha::Blend, double_sided: true, ..Material::metal([0.0; 3], 1.0) };
    let film = Material { base: [0.0, 0.0, 0.0, 0.3], ..film };
    model.thing(quad([0.7, 1.0, -1.0], [0.6, 0.0, 0.0], [0.0, 0.0, 2.0]), film);
    let note = "A lamp through a veil of alpha 0.3 gives seven tenths of its light.";
    let scene = Scene { max_bounces: 1, ..scene("veiled-lamp", note, &model) };
    let diagonal = [0.5f64.sqrt(), 0.5f64.sqrt(), 0.0];
    let expected = CLAY.brdf().value(UP, diagonal).map(|f| f * diagonal[1] * 3.0 * 0.7);
    uniform(scene, expected, Agreement::Mean(0.03))
}

/// A room of one unlit colour with a smooth white metal and a white dielectric in it: both return
/// all light, so nothing is seen of them. Two lamps change nothing.
fn unlit_room() -> KnownAnswer {
    let mut model = Model::new();
    model.thing(cuboid([6.0; 3]), Material::unlit([0.5, 0.25, 0.125]));
    model.thing(moved(sphere(0.5, 16, 24), [-0.6, 0.0, 0.0]), Material::metal([1.0; 3], 0.0));
    model.thing(moved(cuboid([0.8; 3]), [0.6, 0.0, 0.0]), Material::matt([1.0; 3]));
    model.camera([0.0, 0.0, 2.8], [0.0; 3], 50.0);
    let note = "An unlit surface is seen in its base colour, directly, in a mirror, and by what a matt \
                surface gathers; it reflects nothing.";
    let scene = Scene { max_bounces: 16, ..scene("unlit-room", note, &model) };
    uniform(scene, [0.5, 0.25, 0.125], Agreement::Mean(0.005))
}

/// Colours that are the same plane over both triangles of a card, times the material's.
fn vertex_colours() -> KnownAnswer {
    let at = |x: f64, y: f64| [0.5 + 0.25 * x, 0.5 - 0.25 * y, 0.75 + 0.125 * (x + y)];
    let mut model = Model::new();
    let mut card = card([0.0; 3], 2.0, 2.0);
    let colour = |p: &[f32; 3]| {
        let [r, g, b] = at(p[0].into(), p[1].into()).map(|x| x as f32);
        [r, g, b, 0.0]
    };
    card.colours = card.positions.iter().map(colour).collect();
    model.thing(card, Material::unlit([1.0, 0.5, 0.25]));
    model.orthographic([0.0, 0.0, 4.0], [0.0; 3], 1.0);
    model.point_lamp([0.0, 0.0, 1.0], 50.0);
    let note = "Colours of vertices multiply the material's; an opaque surface's alpha is ignored.";
    let scene = scene("vertex-colours-known", note, &model);
    let claim = |i: u32| {
        let place = |k: u32| (f64::from(k) + 0.5) / f64::from(SIDE / 2) - 1.0;
        let [r, g, b] = at(place(i % SIDE), -place(i / SIDE));
        Some([r, 0.5 * g, 0.25 * b])
    };
    let expected = (0..SIDE * SIDE).map(claim).collect();
    KnownAnswer { scene, expected, agreement: Agreement::EachPixel(0.004) }
}

/// Adds a card that fills the picture, of an unlit colour, whose alpha rises from 0 at one side to
/// half at the other: vertices, a texture and a factor share in it.
fn alpha_ramp(model: &mut Model, z: f32, colour: [f32; 3], alpha: Alpha, rises_right: bool) {
    let two_thirds = model.picture(Picture::new(1, 1, |_, _| [255, 255, 255, 170]));
    let [r, g, b] = colour;
    let material = Material {
        base: [r, g, b, 0.75],
        base_texture: Some(two_thirds),
        alpha,
        ..Material::unlit([0.0; 3])
    };
    let mut card = card([0.0, 0.0, z], 2.0, 2.0);
    let ramp = |x: f32| 0.5 + if rises_right { 0.5 * x } else { -0.5 * x };
    card.colours = card.positions.iter().map(|p| [1.0, 1.0, 1.0, ramp(p[0])]).collect();
    model.thing(card, material);
}

/// A wall of radiance 1 behind everything, and a camera for cards that fill the picture.
fn before_a_wall(model: &mut Model) {
    model.thing(card([0.0, 0.0, -2.0], 4.0, 4.0), Material::lamp([1.0; 3]));
    model.orthographic([0.0, 0.0, 4.0], [0.0; 3], 1.0);
}

fn cut_out() -> KnownAnswer {
    let mut model = Model::new();
    // An eighth is reached at a quarter of the width.
    alpha_ramp(&mut model, 0.0, [0.5, 0.25, 0.125], Alpha::Mask(0.125), true);
    before_a_wall(&mut model);
    let note = "Factor, texture and vertex multiply to alpha; below the cutoff there is nothing.";
    let scene = Scene { max_bounces: 0, ..scene("cut-out", note, &model) };
    let claim = |i: u32| match i % SIDE {
        x if x < SIDE / 4 - 1 => Some([1.0; 3]),
        x if x > SIDE / 4 => Some([0.5, 0.25, 0.125]),
        _ => None,
    };
    let expected = (0..SIDE * SIDE).map(claim).collect();
    KnownAnswer { scene, expected, agreement: Agreement::EachPixel(1e-6) }
}

fn blended() -> KnownAnswer {
    let (front, back) = ([0.5f32, 0.25, 0.0], [0.0f32, 0.5, 1.0]);
    let mut model = Model::new();
    // The one behind comes first in the file.
    alpha_ramp(&mut model, -1.0, back, Alpha::Blend, false);
    alpha_ramp(&mut model, 0.0, front, Alpha::Blend, true);
    before_a_wall(&mut model);
    let note = "Two veils whose alpha runs against each other: each is there by itself, so they \
                cover what is behind as the nearer over the further one.";
    let scene = Scene { max_bounces: 0, ..scene("blended", note, &model) };
    let claim = |i: u32| {
        let along = (f64::from(i % SIDE) + 0.5) / f64::from(SIDE);
        let over = |alpha: f64, colour: f32, behind: f64| {
            alpha * f64::from(colour) + (1.0 - alpha) * behind
        };
        let pixel = |k: usize| over(0.5 * along, front[k], over(0.5 - 0.5 * along, back[k], 1.0));
        Some(std::array::from_fn(pixel))
    };
    let expected = (0..SIDE * SIDE).map(claim).collect();
    KnownAnswer { scene, expected, agreement: Agreement::Mean(0.01) }
}

/// A single-sided card, lit and seen from behind.
fn from_behind() -> KnownAnswer {
    let mut model = Model::new();
    model.thing(card([0.0; 3], 4.0, 4.0), CLAY.material());
    let sun = Lamp { kind: LampKind::Directional, colour: [1.0; 3], intensity: 3.0 };
    model.lamp(sun, [0.0, 0.0, -2.0], [0.0; 3]);
    model.orthographic([0.0, 0.0, -4.0], [0.0; 3], 1.0);
    let note = "All surfaces have two sides, whatever the file says of it.";
    let scene = Scene { max_bounces: 1, ..scene("from-behind", note, &model) };
    let expected = CLAY.brdf().value(UP, UP).map(|f| 3.0 * f);
    uniform(scene, expected, Agreement::EachPixel(0.004))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(agreement: Agreement) -> KnownAnswer {
        KnownAnswer { agreement, ..emitter() }
    }

    #[test]
    fn the_right_picture_passes_and_a_wrong_pixel_does_not() {
        let known = answer(Agreement::EachPixel(0.01));
        let mut picture: Vec<_> = known.expected.iter().map(|pixel| pixel.unwrap()).collect();
        assert_eq!(known.check(&picture), Ok(()));
        picture[17][1] *= 1.02;
        assert_eq!(known.check(&picture).unwrap_err().pixel, Some(17));
        picture[17][1] = f64::NAN;
        assert!(known.check(&picture).is_err());
    }

    #[test]
    fn a_mean_forgives_noise_but_no_bias() {
        let known = answer(Agreement::Mean(0.01));
        let noisy = |bias: f64| -> Vec<[f64; 3]> {
            let sign = |i: usize| if i.is_multiple_of(2) { 0.5 } else { 1.5 };
            let pixels = known.expected.iter().enumerate();
            pixels.map(|(i, e)| e.unwrap().map(|x| x * sign(i) * bias)).collect()
        };
        assert_eq!(known.check(&noisy(1.0)), Ok(()));
        assert_eq!(known.check(&noisy(1.02)).unwrap_err().pixel, None);
    }

    #[test]
    fn one_quantum_is_too_much_where_black_is_known() {
        let known = sealed_ball();
        let mut picture = vec![[0.0; 3]; known.expected.len()];
        assert_eq!(known.check(&picture), Ok(()));
        picture[5][2] = 2f64.powi(-24) / f64::from(known.scene.spp);
        assert!(known.check(&picture).is_err());
    }

    #[test]
    fn claims_about_the_sky_name_at_least_five_faces_and_turn_with_it() {
        let colours = |known: &KnownAnswer| {
            let mut all: Vec<_> =
                known.expected.iter().flatten().map(|c| c.map(|x| x as u8)).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        let (still, turned) = (sky_axes("a", 0.0), sky_axes("b", 90.0));
        let middle = (SIDE * SIDE / 2 + SIDE / 2) as usize;
        assert_eq!(colours(&still).len(), 5);
        // −Z ahead; turned by 90 degrees the map brings there what was at +X.
        assert_eq!(still.expected[middle], Some([1.0, 1.0, 0.0]));
        assert_eq!(turned.expected[middle], Some([1.0, 0.0, 0.0]));
    }
}
