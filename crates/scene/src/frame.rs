//! One frame: everything that moves, in the kernel's units.

use crate::asset::Asset;
use crate::camera::{Camera, Projection};
use crate::deform::Shapes;
use crate::error::{Note, SceneError};
use crate::graph::Standing;
use crate::light::Lights;
use crate::math::{
    Affine, Bounds, Vec3, flush, flush3, length, power_of_two, srgb_to_linear, unit_exponent, widen,
};
use crate::placement::Placement;
use crate::validate::{MOST_ENTRY, validate, validate_frame};
use std::sync::Arc;
use tessera_protocol::settings::{Background, RenderSettings};
use tessera_shaders::layout::{CanonicalScene, Frame, Instance, NONE};

/// Everything but the scene, frame number and time that a frame depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Pixels across, 1 to [`View::MAX_SIDE`].
    pub width: u32,
    /// Pixels down, 1 to [`View::MAX_SIDE`].
    pub height: u32,
    /// Chooses the random numbers.
    pub seed: u32,
    /// Bounces after the camera's edge, at most [`View::MAX_BOUNCES`].
    pub max_bounces: u32,
    /// Which camera of [`Asset::cameras`]; `None` is the first one, or one that frames the scene
    /// where there is none.
    pub camera: Option<u32>,
    /// Multiplies the environment's radiance; 0 to 10^6. At 0 there is no environment.
    pub environment_strength: f32,
    /// Turns the environment about +Y, counter-clockwise seen from above; -360 to 360.
    pub environment_rotation_deg: f32,
    /// The camera sees black, not the environment, where it sees nothing.
    pub background_black: bool,
}

impl From<&RenderSettings> for View {
    fn from(settings: &RenderSettings) -> Self {
        let environment = settings.environment.as_ref();
        Self {
            width: settings.width,
            height: settings.height,
            seed: settings.seed,
            max_bounces: settings.max_bounces,
            camera: settings.camera,
            environment_strength: environment.map_or(1.0, |e| e.strength),
            environment_rotation_deg: environment.map_or(0.0, |e| e.rotation_deg),
            background_black: settings.background == Background::Black,
        }
    }
}

impl View {
    /// Longest side of a frame, in pixels.
    pub const MAX_SIDE: u32 = RenderSettings::MAX_SIDE;
    /// Most bounces.
    pub const MAX_BOUNCES: u32 = RenderSettings::MAX_BOUNCES;

    fn check(&self) -> Result<(), SceneError> {
        let refuse =
            |setting, value: String, allowed| Err(SceneError::View { setting, value, allowed });
        for (setting, side) in [("width", self.width), ("height", self.height)] {
            if !(1..=Self::MAX_SIDE).contains(&side) {
                return refuse(setting, side.to_string(), "1 to 16384");
            }
        }
        if self.max_bounces > Self::MAX_BOUNCES {
            return refuse("max_bounces", self.max_bounces.to_string(), "0 to 64");
        }
        // Ranges contain no NaN.
        if !(0.0..=1e6).contains(&self.environment_strength) {
            let value = self.environment_strength.to_string();
            return refuse("environment_strength", value, "0 to 1000000");
        }
        if !(-360.0..=360.0).contains(&self.environment_rotation_deg) {
            let value = self.environment_rotation_deg.to_string();
            return refuse("environment_rotation_deg", value, "-360 to 360");
        }
        Ok(())
    }
}

impl Asset {
    /// The scene at a time, ready to be rendered. A pure function of the files and the arguments.
    ///
    /// # Errors
    /// The view is outside its limits, or the camera or a light can't be used at this time.
    pub fn frame(
        &self,
        view: &View,
        number: u32,
        time_s: f64,
    ) -> Result<CanonicalScene, SceneError> {
        view.check()?;
        if !time_s.is_finite() {
            let allowed = "any number of seconds";
            return Err(SceneError::View { setting: "time", value: time_s.to_string(), allowed });
        }
        let standing = self.graph.at(&self.animation, time_s);
        let unusable_mesh = |note| SceneError::Frame { time_s, note };
        let shapes = self.shapes(&standing).map_err(unusable_mesh)?;
        let Standing { to_world, .. } = &standing;
        let camera = self.camera(view, to_world, time_s)?;
        let boxes = self.boxes(to_world, &shapes);
        let world = World::new(self, to_world, &camera, &boxes);

        let placed = self.place(to_world, &shapes, &world, &boxes);
        let mut scene = CanonicalScene {
            frame: self.frame_of(view, number, &camera, &world),
            vertices: shapes.vertices,
            triangles: shapes.triangles,
            meshes: shapes.meshes,
            instance_meshes: placed.meshes,
            instances: placed.instances,
            materials: Arc::clone(&self.materials),
            texels: Arc::clone(&self.texels),
            lights: Vec::new(),
            cells: Arc::default(),
        };
        self.light(&mut scene, to_world, &world, placed.lights, time_s)?;
        scene.frame.instance_count = scene.instances.len() as u32;
        // Meshes that stay were checked when the file was read.
        let checked =
            if self.deformation.is_some() { validate(&scene) } else { validate_frame(&scene) };
        checked.map_err(|invalid| unusable(time_s, "scene", invalid.to_string()))?;
        Ok(scene)
    }

    fn camera(&self, view: &View, to_world: &[Affine], time_s: f64) -> Result<Camera, SceneError> {
        let aspect = f64::from(view.width) / f64::from(view.height);
        let chosen = match view.camera {
            None => self.default_camera(),
            Some(asked) => {
                let available = self.cameras.len();
                let camera = self.cameras.get(asked as usize);
                let camera = camera.ok_or(SceneError::NoSuchCamera { asked, available })?;
                Some((camera.node, camera.info.projection))
            }
        };
        let Some((node, projection)) = chosen else {
            // As the scene stands at the start: a camera that follows each frame's box would shake.
            let start = self.graph.at(&self.animation, 0.0);
            let shapes =
                self.shapes(&start).map_err(|note| SceneError::Frame { time_s: 0.0, note })?;
            return Ok(Camera::framing(&joined(&self.boxes(&start.to_world, &shapes)), aspect));
        };
        Camera::at(&to_world[node], projection, aspect)
            .filter(|camera| camera.bounds().is_finite())
            .ok_or_else(|| {
                let place = format!("nodes[{}]", self.graph.nodes[node].index);
                unusable(time_s, &place, "its camera is scaled to nothing".into())
            })
    }

    /// The first camera's node and how it shows the world.
    fn default_camera(&self) -> Option<(usize, Projection)> {
        self.cameras.first().map(|camera| (camera.node, camera.info.projection))
    }

    /// The box of each placement, in the world's units.
    fn boxes(&self, to_world: &[Affine], shapes: &Shapes) -> Vec<Bounds> {
        self.placements.iter().map(|one| self.bounds(one, to_world, shapes)).collect()
    }

    /// The box of an instance's vertices, in the world's units.
    fn bounds(&self, placement: &Placement, to_world: &[Affine], shapes: &Shapes) -> Bounds {
        let details = &shapes.details[placement.mesh as usize];
        let to_world = self.local_to_world(placement, to_world, shapes);
        let first = details.first_vertex as usize;
        let mut bounds = Bounds::EMPTY;
        for vertex in &shapes.vertices[first..][..details.vertex_count as usize] {
            bounds.add(to_world.point(widen(vertex.position)));
        }
        bounds
    }

    /// From the normalised space of the mesh to the world.
    fn local_to_world(
        &self,
        placement: &Placement,
        to_world: &[Affine],
        shapes: &Shapes,
    ) -> Affine {
        let exponent = shapes.details[placement.mesh as usize].exponent;
        self.stands(placement, to_world).scaled(power_of_two(-exponent), 1.0)
    }

    /// From the normalised space of the mesh to the kernel's world.
    fn to_normalized(
        &self,
        placement: &Placement,
        to_world: &[Affine],
        shapes: &Shapes,
        world: &World,
    ) -> Affine {
        self.local_to_world(placement, to_world, shapes).scaled(world.unit, world.unit)
    }

    fn place(
        &self,
        to_world: &[Affine],
        shapes: &Shapes,
        world: &World,
        boxes: &[Bounds],
    ) -> Placed {
        let mut placed = Placed::default();
        for (placement, bounds) in self.placements.iter().zip(boxes) {
            let to_normalized = self.to_normalized(placement, to_world, shapes, world);
            let mesh = shapes.meshes[placement.mesh as usize];
            let material = shapes.details[placement.mesh as usize].material;
            let Some(mut instance) = instance(&to_normalized, &bounds.scaled(world.unit)) else {
                continue;
            };
            instance.material = material;
            instance.first_triangle = mesh.first_triangle;
            let emitted = self.emitted[material as usize];
            if emitted > 0.0 {
                instance.first_light = placed.lights.len() as u32;
                let first = mesh.first_triangle as usize;
                placed.lights.add_triangles(
                    placed.instances.len() as u32,
                    mesh.first_triangle,
                    &shapes.triangles[first..][..mesh.triangle_count as usize],
                    &shapes.vertices,
                    &to_normalized,
                    emitted,
                );
            }
            placed.meshes.push(placement.mesh);
            placed.instances.push(instance);
        }
        placed
    }

    /// The placements that can't be drawn as the scene stands, seen by the camera that is chosen
    /// where none is asked for.
    pub(crate) fn undrawable(
        &self,
        standing: &Standing,
        shapes: &Shapes,
    ) -> impl Iterator<Item = &Placement> {
        let to_world = &standing.to_world;
        let boxes = self.boxes(to_world, shapes);
        let camera = match self.default_camera() {
            Some((node, projection)) => Camera::at(&to_world[node], projection, 1.0),
            None => None,
        };
        let camera = camera.unwrap_or_else(|| Camera::framing(&joined(&boxes), 1.0));
        let world = World::new(self, to_world, &camera, &boxes);
        self.placements.iter().zip(boxes).filter_map(move |(placement, bounds)| {
            let to_normalized = self.to_normalized(placement, to_world, shapes, &world);
            let drawable = instance(&to_normalized, &bounds.scaled(world.unit)).is_some();
            (!drawable).then_some(placement)
        })
    }

    fn frame_of(&self, view: &View, number: u32, camera: &Camera, world: &World) -> Frame {
        let (rotation_cos, rotation_sin) = turn(f64::from(view.environment_rotation_deg));
        let (albedo, albedo_average) = tessera_shaders::albedo::tables();
        // Edges of the image are directions, or lengths in the world.
        let reach = if camera.parallel { world.unit } else { 1.0 };
        let mut srgb = [[0.0; 4]; 64];
        for (code, value) in srgb.iter_mut().flatten().enumerate() {
            *value = flush(srgb_to_linear(code as u8));
        }
        Frame {
            camera_origin: flush3(camera.origin.map(|x| x * world.unit)),
            width: view.width,
            camera_right: flush3(camera.right.map(|x| x * reach)),
            height: view.height,
            camera_up: flush3(camera.up.map(|x| x * reach)),
            seed: view.seed,
            camera_forward: flush3(camera.forward),
            number,
            inverse_width: 1.0 / view.width as f32,
            inverse_height: 1.0 / view.height as f32,
            max_bounces: view.max_bounces,
            light_count: 0,
            environment_texel: NONE,
            environment_width: 0,
            environment_height: 0,
            environment_light: NONE,
            cells_width: 0,
            cells_height: 0,
            environment_strength: flush(f64::from(view.environment_strength)),
            background: u32::from(!view.background_black),
            rotation_cos,
            rotation_sin,
            scale_log2: world.scale_log2,
            instance_count: 0,
            padding: [0; 3],
            parallel: u32::from(camera.parallel),
            srgb,
            albedo,
            albedo_average,
        }
    }

    /// Adds punctual lights and the environment, and the table over all lights.
    fn light(
        &self,
        scene: &mut CanonicalScene,
        to_world: &[Affine],
        world: &World,
        mut lights: Lights,
        time_s: f64,
    ) -> Result<(), SceneError> {
        for punctual in &self.punctual {
            let (light, power) = punctual
                .light
                .placed(&to_world[punctual.node], world.unit, world.radius)
                .map_err(|what| {
                    let place = format!("nodes[{}]", self.graph.nodes[punctual.node].index);
                    unusable(time_s, &place, format!("its light {what}"))
                })?;
            lights.add(light, power);
        }
        let frame = &mut scene.frame;
        let strength = f64::from(frame.environment_strength);
        let environment = self.environment.as_ref().filter(|_| strength > 0.0);
        let power = environment.map(|environment| {
            let area = std::f64::consts::PI * world.radius * world.radius;
            environment.mean_luminance * strength * 4.0 * std::f64::consts::PI * area
        });
        if let Some(environment) = environment {
            frame.environment_texel = environment.first_texel;
            frame.environment_width = environment.width;
            frame.environment_height = environment.height;
            frame.cells_width = environment.cells_width;
            frame.cells_height = environment.cells_height;
            scene.cells = Arc::clone(&environment.cells);
        }
        let table = lights.into_table(power);
        if table.lights.is_empty() {
            for instance in &mut scene.instances {
                instance.first_light = NONE;
            }
        }
        frame.light_count = table.lights.len() as u32;
        frame.environment_light = table.environment;
        scene.lights = table.lights;
        Ok(())
    }
}

fn unusable(time_s: f64, place: &str, message: String) -> SceneError {
    SceneError::Frame { time_s, note: Note::new(place, message) }
}

/// The box around all boxes that can be measured.
fn joined(boxes: &[Bounds]) -> Bounds {
    let mut all = Bounds::EMPTY;
    for bounds in boxes.iter().filter(|bounds| bounds.is_finite()) {
        all.join(bounds);
    }
    all
}

/// The kernel's units in terms of the world's.
struct World {
    scale_log2: i32,
    /// 2^scale_log2.
    unit: f64,
    /// Half the diagonal of all instances' box, in the kernel's units.
    radius: f64,
}

impl World {
    /// Units in which no coordinate of an instance, a ray's start or a lamp exceeds 2.
    fn new(asset: &Asset, to_world: &[Affine], camera: &Camera, boxes: &[Bounds]) -> Self {
        let scene = joined(boxes);
        let mut all = scene;
        all.join(&camera.bounds());
        for punctual in asset.punctual.iter().filter(|punctual| punctual.light.has_place()) {
            let position = to_world[punctual.node].column(3);
            if position.iter().all(|x| x.is_finite()) {
                all.add(position);
            }
        }
        let scale_log2 = unit_exponent(all.largest());
        let unit = power_of_two(scale_log2);
        let radius = if scene.is_empty() { 0.0 } else { scene.radius() * unit };
        Self { scale_log2, unit, radius }
    }
}

#[derive(Default)]
struct Placed {
    meshes: Vec<u32>,
    instances: Vec<Instance>,
    lights: Lights,
}

/// The share of its own size by which an instance's box is padded: 2^-18, which is 64 roundings.
const PADDING: f64 = 1.0 / (1 << 18) as f64;

/// The geometry of an instance, lights and indices left out. `None` where its map has no inverse,
/// or one so steep that f32 can't follow.
fn instance(to_normalized: &Affine, bounds: &Bounds) -> Option<Instance> {
    let in_range = |rows: &[[f32; 4]; 3]| rows.iter().flatten().all(|x| x.abs() <= MOST_ENTRY);
    let local_to_world = to_normalized.flushed();
    let world_to_local = to_normalized.inverse()?.flushed();
    if !bounds.is_finite() || !in_range(&local_to_world) || !in_range(&world_to_local) {
        return None;
    }
    let extent: Vec3 = std::array::from_fn(|axis| bounds.hi[axis] - bounds.lo[axis]);
    let widest = extent.iter().fold(0.0f64, |m, x| m.max(*x));
    // What the kernel adds up to get from local to world can be larger than the sum: a mesh that
    // lies far from its own origin. Local coordinates are at most 2.
    let terms = to_normalized
        .rows
        .iter()
        .fold(0.0f64, |m, r| m.max(2.0 * (r[0].abs() + r[1].abs() + r[2].abs()) + r[3].abs()));
    let padding = (bounds.largest() + widest + terms) * PADDING;
    let longest = (0..3).map(|axis| length(to_normalized.column(axis))).fold(0.0, f64::max);
    Some(Instance {
        world_to_local,
        local_to_world,
        lo: flush3(bounds.lo.map(|x| x - padding)),
        material: 0,
        hi: flush3(bounds.hi.map(|x| x + padding)),
        first_triangle: 0,
        first_light: NONE,
        root: 0,
        mirrored: u32::from(to_normalized.determinant() < 0.0),
        // Up by one step, so that rounding can't make it shorter than a column.
        stretch: flush(longest).next_up(),
    })
}

/// Cosine and sine of an angle in degrees; exact for quarter turns.
fn turn(degrees: f64) -> (f32, f32) {
    let quarters = degrees / 90.0;
    if quarters == quarters.floor() {
        return match (quarters as i32).rem_euclid(4) {
            0 => (1.0, 0.0),
            1 => (0.0, 1.0),
            2 => (-1.0, 0.0),
            _ => (0.0, -1.0),
        };
    }
    let radians = degrees / 180.0 * std::f64::consts::PI;
    (flush(libm::cos(radians)), flush(libm::sin(radians)))
}
