//! A file, read once: everything that stays the same from frame to frame.

use crate::accessor::Source;
use crate::animation::Animation;
use crate::camera::{CameraInfo, Projection};
use crate::deform::{Deformation, Shapes};
use crate::document::{Document, LightKind, Primitive, lookup};
use crate::environment;
use crate::error::{Findings, Note, Report, SceneError};
use crate::extensions;
use crate::graph::{Graph, Standing};
use crate::json;
use crate::light::Punctual;
use crate::limits::{Limits, exceeds};
use crate::material::{Materials, Reader};
use crate::math::Affine;
use crate::mesh::Needs;
use crate::openexr;
use crate::package::Package;
use crate::placement::{self, Placement, Shown, Stands};
use crate::radiance;
use crate::validate::validate_shared;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tessera_shaders::layout::{CanonicalScene, EnvironmentCell, Material, NONE};

/// A parsed file: everything is decoded once; frames are cheap.
#[derive(Debug)]
pub struct Asset {
    pub(crate) graph: Graph,
    pub(crate) animation: Animation,
    pub(crate) placements: Vec<Placement>,
    copies: Vec<Affine>,
    pub(crate) cameras: Vec<CameraOfNode>,
    pub(crate) punctual: Vec<PunctualOfNode>,
    /// The meshes that keep their shape.
    fixed: Shapes,
    /// What changes shape from frame to frame; `None` where nothing does.
    pub(crate) deformation: Option<Deformation>,
    triangle_count: usize,
    pub(crate) materials: Arc<Vec<Material>>,
    /// The luminance that each material emits, averaged over its texture.
    pub(crate) emitted: Vec<f64>,
    pub(crate) texels: Arc<Vec<u32>>,
    pub(crate) environment: Option<EnvironmentOfScene>,
    report: Report,
}

/// A camera at a node.
#[derive(Debug)]
pub(crate) struct CameraOfNode {
    pub(crate) node: usize,
    pub(crate) info: CameraInfo,
}

/// A lamp at a node.
#[derive(Debug)]
pub(crate) struct PunctualOfNode {
    pub(crate) node: usize,
    pub(crate) light: Punctual,
}

/// Where the environment's texels lie, and how it is sampled.
#[derive(Debug)]
pub(crate) struct EnvironmentOfScene {
    pub(crate) first_texel: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) cells_width: u32,
    pub(crate) cells_height: u32,
    pub(crate) cells: Arc<Vec<EnvironmentCell>>,
    pub(crate) mean_luminance: f64,
}

impl Asset {
    /// Reads a scene's file, and the `.hdr` or `.exr` that lights it from all around. The file is a
    /// `.glb`, a `.gltf` that holds all it needs, or a `.zip` with either and what it names.
    ///
    /// # Errors
    /// All problems of the file, each with its place. What is merely not supported is a warning
    /// of [`Asset::report`] instead, unless the file says that it can't be shown without.
    pub fn load(
        file: &[u8],
        environment_hdr: Option<&[u8]>,
        limits: &Limits,
    ) -> Result<Self, SceneError> {
        let mut findings = Findings::default();
        let package = Package::open(file, limits).map_err(SceneError::Refused)?;
        let chunks = package.chunks(limits).map_err(|note| SceneError::Refused(vec![note]))?;
        let root = json::read(chunks.json).map_err(|error| {
            SceneError::Refused(vec![Note::new("file", format!("its JSON is broken: {error}"))])
        })?;
        let document = Document::parse(&root, &mut findings);
        extensions::check_required(&document.extensions_required, &mut findings);
        extensions::survey(&root, &mut findings);
        drop(root);
        // Indices can't be trusted while an element is missing.
        findings.check()?;

        let files = package.files(&document, chunks);
        let source = Source { document: &document, files: &files };
        source.check_sparse(limits, &mut findings);
        let graph = Graph::new(&document, limits, &mut findings);
        findings.check()?;
        let animation = Animation::new(source, &graph, limits, &mut findings);
        let cameras = cameras(&document, &graph, &mut findings);
        let punctual = lamps(&document, &graph, &mut findings);
        let used = UsedMaterials::new(&document, &graph, &mut findings);
        let mut materials = Reader::read(source, &used.list, limits, &mut findings);
        let reader = placement::Reader {
            source,
            graph: &graph,
            animation: &animation,
            used: &used,
            materials: &materials,
            limits,
        };
        let Shown { geometry, deformation, placements, copies } = reader.read(&mut findings);
        let environment =
            environment_hdr.and_then(|hdr| environment(hdr, &mut materials, limits, &mut findings));
        findings.check()?;

        let mut asset = Self {
            graph,
            animation,
            placements,
            copies,
            cameras,
            punctual,
            fixed: geometry.into(),
            deformation: Some(deformation).filter(|all| !all.deformed.is_empty()),
            triangle_count: 0,
            materials: Arc::new(materials.materials),
            emitted: materials.emitted,
            texels: Arc::new(materials.texels),
            environment,
            report: Report::default(),
        };
        asset.check_at_start(limits, &mut findings);
        findings.check()?;
        asset.report = findings.into_report();
        Ok(asset)
    }

    /// What of the file changes the picture and is not supported.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The cameras, in the order of the scene's nodes, depth first: what [`crate::View::camera`]
    /// counts.
    pub fn cameras(&self) -> impl ExactSizeIterator<Item = &CameraInfo> {
        self.cameras.iter().map(|camera| &camera.info)
    }

    /// The time of the last key of any animation, in seconds; 0 for a still.
    pub fn duration_s(&self) -> f64 {
        self.animation.duration_s()
    }

    /// Triangles of all meshes: of those that keep their shape each counted once however often it is
    /// placed, of those that morph targets or joints move each as often as it is.
    pub fn triangle_count(&self) -> usize {
        self.triangle_count
    }

    /// Meshes placed in the world.
    pub fn instance_count(&self) -> usize {
        self.placements.len()
    }

    /// The meshes as the nodes stand. Those of a scene in which nothing changes shape are shared by
    /// all frames.
    ///
    /// # Errors
    /// The node whose mesh can't be drawn so.
    pub(crate) fn shapes(&self, standing: &Standing) -> Result<Shapes, Note> {
        let Some(deformation) = &self.deformation else { return Ok(self.fixed.clone()) };
        deformation.shapes(&self.fixed, standing).map_err(|(node, why)| {
            Note::new(format!("nodes[{}].mesh", self.graph.nodes[node].index), why)
        })
    }

    /// From a mesh's own space, unscaled, to the world.
    pub(crate) fn stands(&self, placement: &Placement, to_world: &[Affine]) -> Affine {
        match placement.stands {
            Stands::Node => to_world[placement.node],
            Stands::Copy(copy) => to_world[placement.node].after(&self.copies[copy as usize]),
            Stands::World => Affine::IDENTITY,
        }
    }

    /// Looks at the scene as it stands at the start, and keeps its meshes if they stay so.
    fn check_at_start(&mut self, limits: &Limits, findings: &mut Findings) {
        let standing = self.graph.at(&self.animation, 0.0);
        let Some(shapes) = findings.take(self.shapes(&standing)) else { return };
        self.triangle_count = shapes.triangles.len();
        if self.animation.is_empty() {
            self.deformation = None;
            self.fixed = shapes.clone();
        }
        self.check_placements(&standing, &shapes, limits, findings);
        self.check_shared(shapes, findings);
    }

    /// Checks what the frames will cost, and names what can't be drawn as it stands at the start.
    fn check_placements(
        &self,
        standing: &Standing,
        shapes: &Shapes,
        limits: &Limits,
        findings: &mut Findings,
    ) {
        let mut lights = self.punctual.len() + usize::from(self.environment.is_some());
        let mut vertices = 0usize;
        for placement in &self.placements {
            let details = &shapes.details[placement.mesh as usize];
            vertices = vertices.saturating_add(details.vertex_count as usize);
            if self.emitted[details.material as usize] > 0.0 {
                lights += shapes.meshes[placement.mesh as usize].triangle_count as usize;
            }
        }
        let costs = [
            exceeds("lights, emissive triangles among them,", lights, limits.lights),
            exceeds("vertices of placed meshes", vertices, limits.placed_vertices),
        ];
        let mut affordable = true;
        for message in costs.into_iter().flatten() {
            findings.problem(Note::new("nodes", message));
            affordable = false;
        }
        if !affordable {
            return;
        }
        for placement in self.undrawable(standing, shapes) {
            let place = format!("nodes[{}]", self.graph.nodes[placement.node].index);
            let message = "its mesh is scaled to nothing, or too small or large beside the others; \
                           left out where it is so";
            findings.warn(place, message);
        }
    }

    /// The parts of the scene that stay are checked once, here.
    fn check_shared(&self, shapes: Shapes, findings: &mut Findings) {
        let scene = CanonicalScene {
            frame: bytemuck::Zeroable::zeroed(),
            vertices: shapes.vertices,
            triangles: shapes.triangles,
            meshes: shapes.meshes,
            instance_meshes: Vec::new(),
            instances: Vec::new(),
            materials: Arc::clone(&self.materials),
            texels: Arc::clone(&self.texels),
            lights: Vec::new(),
            cells: self.environment.as_ref().map(|e| Arc::clone(&e.cells)).unwrap_or_default(),
        };
        if let Err(invalid) = validate_shared(&scene) {
            findings.problem(Note::new("scene", invalid.to_string()));
        }
    }
}

fn cameras(document: &Document, graph: &Graph, findings: &mut Findings) -> Vec<CameraOfNode> {
    let mut cameras = Vec::new();
    for (place, node) in graph.nodes.iter().enumerate() {
        let described = &document.nodes[node.index as usize];
        let Some(index) = described.camera else { continue };
        let named = format!("nodes[{}].camera", node.index);
        let found = lookup(&document.cameras, "cameras", index, &named);
        let Some(camera) = findings.take(found) else { continue };
        let projection = Projection::new(camera, &format!("cameras[{index}]"));
        let Some(projection) = findings.take(projection) else { continue };
        let info = CameraInfo { name: described.name.clone(), projection };
        cameras.push(CameraOfNode { node: place, info });
    }
    cameras
}

fn lamps(document: &Document, graph: &Graph, findings: &mut Findings) -> Vec<PunctualOfNode> {
    const LIST: &str = "extensions.KHR_lights_punctual.lights";
    let mut lamps = Vec::new();
    for (place, node) in graph.nodes.iter().enumerate() {
        let Some(light) = &document.nodes[node.index as usize].extensions.light else { continue };
        let named = format!("nodes[{}].extensions.KHR_lights_punctual.light", node.index);
        let found = lookup(&document.lights, "lights", light.light, &named);
        if let Some(described) = findings.take(found) {
            let light = Punctual::new(described, &format!("{LIST}[{}]", light.light), findings);
            lamps.push(PunctualOfNode { node: place, light });
        }
    }
    lamps
}

/// The meshes that the scene shows, in the order of the file.
fn shown_meshes(document: &Document, graph: &Graph) -> BTreeSet<u32> {
    graph.nodes.iter().filter_map(|node| document.nodes[node.index as usize].mesh).collect()
}

/// The materials that the scene shows, in the order of the file; the default one last.
pub(crate) struct UsedMaterials {
    list: Vec<Option<u32>>,
    numbers: BTreeMap<Option<u32>, u32>,
}

impl UsedMaterials {
    fn new(document: &Document, graph: &Graph, findings: &mut Findings) -> Self {
        let mut used = BTreeSet::new();
        let mut uses_default = false;
        for mesh in shown_meshes(document, graph) {
            let Some(described) = document.meshes.get(mesh as usize) else { continue };
            for (i, primitive) in described.primitives.iter().enumerate() {
                match primitive.material {
                    None => uses_default = true,
                    Some(material) => {
                        let place = format!("meshes[{mesh}].primitives[{i}].material");
                        let found = lookup(&document.materials, "materials", material, &place);
                        if findings.take(found).is_some() {
                            used.insert(material);
                        }
                    }
                }
            }
        }
        let mut list: Vec<Option<u32>> = used.into_iter().map(Some).collect();
        if uses_default || list.is_empty() {
            list.push(None);
        }
        let numbers = list.iter().enumerate().map(|(number, &index)| (index, number as u32));
        Self { numbers: numbers.collect(), list }
    }

    pub(crate) fn needs<'a>(
        &self,
        primitive: &Primitive,
        materials: &'a Materials,
    ) -> Option<Needs<'a>> {
        let number = *self.numbers.get(&primitive.material)?;
        Some(Needs {
            material: number,
            tangents: materials.materials.get(number as usize)?.normal_texture.first_texel != NONE,
            coordinates: materials.coordinates.get(number as usize)?,
        })
    }
}

/// Reads the environment and appends its texels to those of the materials.
fn environment(
    hdr: &[u8],
    materials: &mut Materials,
    limits: &Limits,
    findings: &mut Findings,
) -> Option<EnvironmentOfScene> {
    let refuse = |message: String| Note::new("environment", message);
    if let Some(message) = exceeds("bytes", hdr.len(), limits.environment_bytes) {
        findings.problem(refuse(message));
        return None;
    }
    let left = limits.texels.saturating_sub(materials.texels.len());
    let picture = if openexr::is_openexr(hdr) {
        let decoded = findings.take(openexr::decode(hdr, left).map_err(refuse))?;
        if decoded.negative > 0 {
            let message =
                format!("{} of its values are below 0; they count as 0", decoded.negative);
            findings.warn("environment", message);
        }
        decoded.picture
    } else {
        findings.take(radiance::decode(hdr, left).map_err(refuse))?
    };
    if let Some(exposure) = &picture.exposure {
        let message = format!("its exposure of {exposure} is ignored; set the strength instead");
        findings.warn("environment", message);
    }
    let Some(map) = environment::Environment::new(&picture) else {
        findings.warn("environment", "is black");
        return None;
    };
    let first_texel = materials.texels.len() as u32;
    materials.texels.extend(picture.words);
    Some(EnvironmentOfScene {
        first_texel,
        width: map.width,
        height: map.height,
        cells_width: map.cells_width,
        cells_height: map.cells_height,
        cells: Arc::new(map.cells),
        mean_luminance: map.mean_luminance,
    })
}

impl Punctual {
    /// Whether it stands somewhere: a directional light doesn't.
    pub(crate) fn has_place(&self) -> bool {
        self.kind != LightKind::Directional
    }
}
