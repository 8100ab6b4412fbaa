//! Primitives to the corners and triangles of canonical meshes.

use crate::accessor::{Real, Source, View};
use crate::coordinates::{Coordinates, Further};
use crate::document::Primitive;
use crate::error::{Findings, Note};
use crate::limits::{Limits, exceeds};
use crate::math::{
    Vec3, add, cross, flush3, normalized, perpendicular, power_of_two, scale, sub, unit_exponent,
    widen,
};
use crate::tangent::add_tangents;
use bytemuck::Zeroable;
use tessera_shaders::layout::{Mesh, Triangle, Vertex};

/// All meshes of a scene that keep their shape, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Geometry {
    pub(crate) vertices: Vec<Vertex>,
    pub(crate) triangles: Vec<Triangle>,
    pub(crate) meshes: Vec<Mesh>,
    pub(crate) details: Vec<MeshDetails>,
    /// Corners that each frame adds.
    pub(crate) reserved: usize,
    /// Records that each frame adds.
    pub(crate) reserved_records: usize,
    /// Triangles of all that was read, also of what was refused in the end: many meshes that fail at
    /// their last number must not cost more than as many that don't.
    pub(crate) attempted: usize,
}

/// What the host knows of a mesh beyond its triangles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MeshDetails {
    pub(crate) first_vertex: u32,
    pub(crate) vertex_count: u32,
    pub(crate) material: u32,
    /// Its vertices are the file's × 2^this.
    pub(crate) exponent: i32,
}

/// A primitive and what is asked of it.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) primitive: &'a Primitive,
    pub(crate) place: &'a str,
    pub(crate) needs: Needs<'a>,
}

impl Geometry {
    /// Adds a primitive as a mesh. `None` where it has nothing to show or was refused.
    pub(crate) fn add(
        &mut self,
        asked: Asked<'_>,
        limits: &Limits,
        findings: &mut Findings,
    ) -> Option<u32> {
        let read = Outline::read(asked, &mut self.attempted, limits, findings);
        let (outline, _) = findings.take(read).flatten()?;
        self.add_outline(&outline, asked, limits, findings)
    }

    /// Adds what a primitive became as a mesh. `None` where it was refused.
    pub(crate) fn add_outline(
        &mut self,
        outline: &Outline,
        asked: Asked<'_>,
        limits: &Limits,
        findings: &mut Findings,
    ) -> Option<u32> {
        let room = self.room(outline, asked.place, limits);
        findings.take(room)?;
        let local = LocalMesh::build(outline, asked.needs.tangents)
            .map_err(|message| Note::new(asked.place, message));
        Some(self.append(findings.take(local)?, asked.needs.material))
    }

    /// Keeps room for a mesh that each frame makes.
    pub(crate) fn reserve(
        &mut self,
        outline: &Outline,
        place: &str,
        limits: &Limits,
    ) -> Result<(), Note> {
        self.room(outline, place, limits)?;
        self.reserved += outline.corners.len();
        self.reserved_records += outline.most_records();
        Ok(())
    }

    /// Splitting gives each corner a vertex of its own at most, and a record of what more it has.
    fn room(&self, outline: &Outline, place: &str, limits: &Limits) -> Result<(), Note> {
        let corners = self.reserved.saturating_add(outline.corners.len());
        let records = self.reserved_records.saturating_add(outline.most_records());
        let triangles = self.triangles.len().saturating_add(corners / 3);
        let vertices = self.vertices.len().saturating_add(corners).saturating_add(records);
        let message = exceeds("triangles", triangles, limits.triangles)
            .or_else(|| exceeds("vertices", vertices, limits.vertices));
        message.map_or(Ok(()), |message| Err(Note::new(place, message)))
    }

    /// Adds a mesh, and returns its number.
    pub(crate) fn append(&mut self, local: LocalMesh, material: u32) -> u32 {
        let first_vertex = self.vertices.len() as u32;
        let first_triangle = self.triangles.len() as u32;
        self.meshes.push(Mesh { first_triangle, triangle_count: local.triangles.len() as u32 });
        self.details.push(MeshDetails {
            first_vertex,
            vertex_count: local.vertices.len() as u32,
            material,
            exponent: local.exponent,
        });
        let more = if local.records.is_empty() { 0 } else { local.vertices.len() as u32 };
        self.vertices.extend(local.vertices);
        self.vertices.extend(local.records);
        self.triangles.extend(local.triangles.into_iter().map(|mut triangle| {
            triangle.corners = triangle.corners.map(|corner| corner + first_vertex);
            triangle.more = more;
            triangle
        }));
        (self.meshes.len() - 1) as u32
    }
}

/// What a primitive's material asks of its geometry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needs<'a> {
    pub(crate) material: u32,
    /// It has a normal map.
    pub(crate) tangents: bool,
    /// Those of its textures; the normal map's are the first.
    pub(crate) coordinates: &'a [Coordinates],
}

/// How the vertices that a primitive lists make triangles.
#[derive(Debug, Clone, Copy)]
enum Order {
    List,
    Strip,
    Fan,
}

impl Order {
    /// `None` for points and lines.
    fn of(mode: Option<u32>, place: &str) -> Result<Option<Self>, Note> {
        Ok(Some(match mode.unwrap_or(4) {
            0..=3 => return Ok(None),
            4 => Self::List,
            5 => Self::Strip,
            6 => Self::Fan,
            other => return Err(Note::new(place, format!("is {other}, which is no mode"))),
        }))
    }

    /// Triangles that so many listed vertices make.
    fn triangles(self, listed: usize) -> usize {
        match self {
            Self::List => listed / 3,
            Self::Strip | Self::Fan => listed.saturating_sub(2),
        }
    }
}

/// The accessors of a primitive that are read.
struct Attributes<'a> {
    indices: Option<View<'a>>,
    position: View<'a>,
    normal: Option<View<'a>>,
    tangent: Option<View<'a>>,
    uv: Option<(View<'a>, Coordinates)>,
    further: Further<'a>,
}

impl<'a> Attributes<'a> {
    fn find(
        source: Source<'a>,
        primitive: &Primitive,
        place: &str,
        needs: Needs<'_>,
        findings: &mut Findings,
    ) -> Result<Option<Self>, Note> {
        let attribute = |name: &str, lanes| {
            let index = primitive.attributes.get(name);
            let place = format!("{place}.attributes.{name}");
            index.map(|&index| source.view(index, lanes, &place)).transpose()
        };
        let Some(position) = attribute("POSITION", 3)? else { return Ok(None) };
        let quantized = |real| if source.document.quantized { real } else { Real::Floats };
        position.require_real(quantized(Real::Integers), "positions")?;
        let normal = attribute("NORMAL", 3)?;
        let tangent = if needs.tangents { attribute("TANGENT", 4)? } else { None };
        for (view, what) in [(&normal, "normals"), (&tangent, "tangents")] {
            view.as_ref()
                .map_or(Ok(()), |view| view.require_real(quantized(Real::Normalized), what))?;
        }
        let (own, further) = needs.coordinates.split_at(needs.coordinates.len().min(1));
        let uv_name = own.first().map(Coordinates::attribute).unwrap_or_default();
        let uv = attribute(&uv_name, 2)?;
        match &uv {
            Some(uv) => uv.require_real(source.real_coordinates(), "texture coordinates")?,
            None if !own.is_empty() => {
                let message = format!("has no {uv_name}; its textures show one colour");
                findings.warn(format!("{place}.attributes"), message);
            }
            None => {}
        }
        for (view, name) in [(&normal, "NORMAL"), (&tangent, "TANGENT"), (&uv, uv_name.as_str())] {
            if view.as_ref().is_some_and(|view| view.len() != position.len()) {
                let message = "has not as many elements as POSITION";
                return Err(Note::new(format!("{place}.attributes.{name}"), message));
            }
        }
        let indices = primitive
            .indices
            .map(|index| source.view(index, 1, &format!("{place}.indices")))
            .transpose()?;
        indices.as_ref().map_or(Ok(()), View::require_index)?;
        // Tangents belong to given normals; without these both are computed.
        let tangent = tangent.filter(|_| normal.is_some());
        let further = Further::find(source, primitive, place, further, position.len(), findings)?;
        let uv = uv.zip(own.first().copied());
        Ok(Some(Self { indices, position, normal, tangent, uv, further }))
    }

    /// Vertices that the primitive lists, several times or not.
    fn listed(&self) -> usize {
        self.indices.as_ref().map_or(self.position.len(), View::len)
    }

    /// The vertex of each corner of the triangles that the listed vertices make.
    fn corners(&self, order: Order, place: &str) -> Result<Vec<u32>, Note> {
        let listed = self.list(place)?;
        let whole = match order {
            Order::List => listed.len().is_multiple_of(3),
            Order::Strip | Order::Fan => listed.len() != 1 && listed.len() != 2,
        };
        if !whole {
            let message = format!("has {} corners, which are no whole triangles", listed.len());
            return Err(Note::new(place, message));
        }
        let triangles = listed.windows(3);
        Ok(match order {
            Order::List => listed,
            // Every other triangle is turned, so that all have the same front.
            Order::Strip => triangles
                .enumerate()
                .flat_map(|(i, v)| if i % 2 == 0 { [v[0], v[1], v[2]] } else { [v[0], v[2], v[1]] })
                .collect(),
            Order::Fan => triangles.flat_map(|v| [v[1], v[2], listed[0]]).collect(),
        })
    }

    fn list(&self, place: &str) -> Result<Vec<u32>, Note> {
        let count = self.listed();
        let Some(indices) = &self.indices else { return Ok((0..count as u32).collect()) };
        let vertices = self.position.len();
        (0..count)
            .map(|i| Some(indices.index(i)).filter(|&index| (index as usize) < vertices))
            .collect::<Option<Vec<u32>>>()
            .ok_or_else(|| {
                let message = format!("names a vertex beyond the {vertices} there are");
                Note::new(format!("{place}.indices"), message)
            })
    }
}

/// The vertices of a primitive that its triangles use, as the file has them, or as morph targets
/// and joints have moved them.
#[derive(Debug, Clone)]
pub(crate) struct Outline {
    pub(crate) positions: Vec<Vec3>,
    pub(crate) normals: Option<Vec<Vec3>>,
    pub(crate) tangents: Option<Vec<[f64; 4]>>,
    uvs: Option<Vec<[f32; 2]>>,
    /// What more the vertices have, one for each, or none: see [`Vertex::more`].
    records: Vec<Vertex>,
    /// Three vertices a triangle.
    pub(crate) corners: Vec<u32>,
}

/// Which vertices of a primitive are used.
#[derive(Debug)]
pub(crate) struct Used {
    /// Ascending.
    pub(crate) vertices: Vec<u32>,
    /// How many there are.
    pub(crate) of: usize,
}

impl Outline {
    /// `None` where a primitive has nothing to show. `attempted` counts the triangles of all that
    /// is read.
    pub(crate) fn read(
        asked: Asked<'_>,
        attempted: &mut usize,
        limits: &Limits,
        findings: &mut Findings,
    ) -> Result<Option<(Self, Used)>, Note> {
        let Asked { source, primitive, place, needs } = asked;
        let mode = format!("{place}.mode");
        let Some(order) = Order::of(primitive.mode, &mode)? else {
            findings.warn(mode, "points and lines are not rendered; left out");
            return Ok(None);
        };
        let Some(attributes) = Attributes::find(source, primitive, place, needs, findings)? else {
            findings.warn(format!("{place}.attributes"), "has no POSITION; left out");
            return Ok(None);
        };
        *attempted = attempted.saturating_add(order.triangles(attributes.listed()));
        if let Some(message) = exceeds("triangles", *attempted, limits.triangles) {
            return Err(Note::new(place, message));
        }
        let indices = attributes.corners(order, place)?;
        if indices.is_empty() {
            findings.warn(place, "has no triangles; left out");
            return Ok(None);
        }
        let of = attributes.position.len();
        let (used, corners) = compact(&indices, of);
        let outline = Self {
            positions: read_all(&attributes.position, &used)?,
            normals: attributes.normal.map(|view| read_all(&view, &used)).transpose()?,
            tangents: attributes.tangent.map(|view| read_all(&view, &used)).transpose()?,
            uvs: attributes.uv.map(|(view, map)| read_uvs(&view, &map, &used)).transpose()?,
            records: match attributes.further.is_empty() {
                true => Vec::new(),
                false => attributes.further.records(&used)?,
            },
            corners,
        };
        Ok(Some((outline, Used { vertices: used, of })))
    }

    /// Numbers that it keeps.
    pub(crate) fn values(&self) -> usize {
        let a_vertex = 3
            + if self.normals.is_some() { 3 } else { 0 }
            + if self.tangents.is_some() { 4 } else { 0 }
            + if self.uvs.is_some() { 2 } else { 0 };
        self.positions.len() * a_vertex + 12 * self.records.len() + self.corners.len()
    }

    /// Records of its mesh at most: one for each corner, where there are any.
    fn most_records(&self) -> usize {
        if self.records.is_empty() { 0 } else { self.corners.len() }
    }
}

/// A mesh by itself: indices count from its own first vertex.
pub(crate) struct LocalMesh {
    vertices: Vec<Vertex>,
    triangles: Vec<Triangle>,
    /// One a vertex, or none.
    records: Vec<Vertex>,
    exponent: i32,
}

impl LocalMesh {
    /// With tangents, if `tangents` asks for them: the given ones, or computed ones.
    ///
    /// # Errors
    /// Vertices have been moved to where they can't be measured.
    pub(crate) fn build(outline: &Outline, tangents: bool) -> Result<Self, &'static str> {
        let Outline { positions, normals, tangents: given, uvs, records, corners } = outline;
        if !positions.iter().flatten().all(|x| x.is_finite()) {
            return Err("its vertices are moved beyond all numbers");
        }
        let largest = positions.iter().flatten().fold(0.0f64, |m, x| m.max(x.abs()));
        let exponent = unit_exponent(largest);
        let unit = power_of_two(exponent);

        let mut vertices: Vec<Vertex> = (0..positions.len())
            .map(|i| Vertex {
                position: flush3(scale(positions[i], unit)),
                u: uvs.as_ref().map_or(0.0, |uvs| uvs[i][0]),
                normal: [0.0; 3],
                v: uvs.as_ref().map_or(0.0, |uvs| uvs[i][1]),
                tangent: [0.0; 4],
            })
            .collect();
        let triangle = |corners: &[u32; 3]| Triangle { corners: *corners, more: 0 };
        let mut triangles: Vec<Triangle> =
            corners.as_chunks::<3>().0.iter().map(triangle).collect();

        match normals {
            Some(normals) => set_normals(&mut vertices, &triangles, normals),
            None => make_flat(&mut vertices, &mut triangles),
        }
        match given {
            _ if !tangents => {}
            Some(given) => set_tangents(&mut vertices, given),
            None => add_tangents(&mut vertices, &mut triangles),
        }
        let records = match records.is_empty() {
            true => Vec::new(),
            false => follow(records, corners, &triangles, vertices.len()),
        };
        Ok(Self { vertices, triangles, records, exponent })
    }
}

/// Records in the order of the vertices, which may have been split since: each corner is still
/// where it was among the corners.
fn follow(
    records: &[Vertex],
    corners: &[u32],
    triangles: &[Triangle],
    vertices: usize,
) -> Vec<Vertex> {
    let mut followed = vec![Vertex::zeroed(); vertices];
    let now = triangles.iter().flat_map(|triangle| triangle.corners);
    for (now, &then) in now.zip(corners) {
        followed[now as usize] = records[then as usize];
    }
    followed
}

/// The vertices that are used, ascending, and each corner's place among them.
///
/// Many primitives may share one long accessor; the work is bounded by the corners of each.
fn compact(indices: &[u32], vertices: usize) -> (Vec<u32>, Vec<u32>) {
    if vertices <= 4 * indices.len() {
        let mut place = vec![u32::MAX; vertices];
        for &index in indices {
            place[index as usize] = 0;
        }
        let used: Vec<u32> = (0..vertices as u32).filter(|&i| place[i as usize] == 0).collect();
        for (new, &old) in used.iter().enumerate() {
            place[old as usize] = new as u32;
        }
        let corners = indices.iter().map(|&index| place[index as usize]).collect();
        return (used, corners);
    }
    let mut used = indices.to_vec();
    used.sort_unstable();
    used.dedup();
    let corners = indices.iter().map(|index| used.partition_point(|x| x < index) as u32).collect();
    (used, corners)
}

pub(crate) fn read_all<const N: usize>(
    view: &View<'_>,
    used: &[u32],
) -> Result<Vec<[f64; N]>, Note> {
    used.iter().map(|&i| view.element(i as usize)).collect()
}

fn read_uvs(view: &View<'_>, map: &Coordinates, used: &[u32]) -> Result<Vec<[f32; 2]>, Note> {
    used.iter().map(|&i| Ok(map.apply(view.element(i as usize)?))).collect()
}

/// Twice the area and the direction of a triangle's front.
fn face_normal(vertices: &[Vertex], triangle: &Triangle) -> Vec3 {
    let [a, b, c] = triangle.corners.map(|i| widen(vertices[i as usize].position));
    cross(sub(b, a), sub(c, a))
}

/// Normals of the file; where one has no length, the mean of the faces around.
fn set_normals(vertices: &mut [Vertex], triangles: &[Triangle], normals: &[Vec3]) {
    let mut lacking = false;
    for (vertex, &normal) in vertices.iter_mut().zip(normals) {
        match normalized(normal) {
            Some(normal) => vertex.normal = flush3(normal),
            None => lacking = true,
        }
    }
    if !lacking {
        return;
    }
    let mut sums = vec![[0.0; 3]; vertices.len()];
    for triangle in triangles {
        let face = face_normal(vertices, triangle);
        for corner in triangle.corners {
            sums[corner as usize] = add(sums[corner as usize], face);
        }
    }
    for (vertex, sum) in vertices.iter_mut().zip(sums).filter(|(v, _)| v.normal == [0.0; 3]) {
        vertex.normal = flush3(normalized(sum).unwrap_or([0.0, 0.0, 1.0]));
    }
}

/// Each triangle gets corners of its own, with its own normal.
fn make_flat(vertices: &mut Vec<Vertex>, triangles: &mut [Triangle]) {
    let mut flat = Vec::with_capacity(3 * triangles.len());
    for triangle in triangles {
        let normal = normalized(face_normal(vertices, triangle)).unwrap_or([0.0, 0.0, 1.0]);
        triangle.corners = triangle.corners.map(|corner| {
            flat.push(Vertex { normal: flush3(normal), ..vertices[corner as usize] });
            (flat.len() - 1) as u32
        });
    }
    *vertices = flat;
}

fn set_tangents(vertices: &mut [Vertex], given: &[[f64; 4]]) {
    for (vertex, &[x, y, z, w]) in vertices.iter_mut().zip(given) {
        let tangent = normalized([x, y, z]).unwrap_or_else(|| perpendicular(widen(vertex.normal)));
        let [x, y, z] = flush3(tangent);
        vertex.tangent = [x, y, z, if w < 0.0 { -1.0 } else { 1.0 }];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_ways_to_compact_agree(
            indices in proptest::collection::vec(0u32..50, 13..60),
        ) {
            let dense = compact(&indices, 50);
            let sparse = compact(&indices, 100_000);
            prop_assert_eq!(&dense, &sparse);
            let (used, corners) = dense;
            for (&index, &corner) in indices.iter().zip(&corners) {
                prop_assert_eq!(used[corner as usize], index);
            }
            prop_assert!(used.is_sorted());
        }
    }
}
