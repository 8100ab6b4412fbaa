//! Texture coordinates as a material asks for them, and what more a corner has.
//!
//! A texture names a set of coordinates and may move, turn and scale them (KHR_texture_transform).
//! That map is affine, so it is applied to the vertices, once, here: the kernel knows nothing of it.
//! The first that a material asks for are the vertices' own; others, which are rare, lie in records
//! behind the mesh's vertices, see [`Vertex::more`].

use crate::accessor::{Real, Source, View};
use crate::document::{Primitive, TextureInfo, lookup};
use crate::error::{Findings, Note};
use crate::math::flush;
use tessera_shaders::layout::Vertex;

const WHITE: [f32; 4] = [1.0; 4];
/// Most that a texture may be moved or scaled.
const MOST: f64 = 1e6;

/// Where textures are read: a set of a primitive's coordinates, and a map of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Coordinates {
    set: u32,
    /// u and v as weights of the set's u, its v, and 1.
    rows: [[f64; 3]; 2],
}

impl Coordinates {
    /// As a texture asks for them.
    pub(crate) fn new(info: &TextureInfo, place: &str, findings: &mut Findings) -> Self {
        let Some(transform) = &info.extensions.transform else {
            return Self { set: info.tex_coord, rows: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]] };
        };
        let place = format!("{place}.extensions.KHR_texture_transform");
        let mut within = |name: &str, value: f64| {
            if !(-MOST..=MOST).contains(&value) {
                let message = format!("is {value}; clamped to {} to {MOST}", -MOST);
                findings.warn(format!("{place}.{name}"), message);
            }
            value.clamp(-MOST, MOST)
        };
        let [x, y] = transform.offset.map(|value| within("offset", value));
        let [across, down] = transform.scale.map(|value| within("scale", value));
        let turn = within("rotation", transform.rotation);
        let (sin, cos) = (libm::sin(turn), libm::cos(turn));
        // Anticlockwise for somebody who sees u to the right and v down.
        Self {
            set: transform.tex_coord.unwrap_or(info.tex_coord),
            rows: [[cos * across, sin * down, x], [-sin * across, cos * down, y]],
        }
    }

    /// The attribute that holds the set.
    pub(crate) fn attribute(&self) -> String {
        format!("TEXCOORD_{}", self.set)
    }

    pub(crate) fn apply(&self, [u, v]: [f64; 2]) -> [f32; 2] {
        self.rows.map(|[a, b, c]| flush((a * u + b * v) + c))
    }
}

/// The accessors of what more a primitive's corners have than the kernel's vertices hold.
#[derive(Debug, Default)]
pub(crate) struct Further<'a> {
    coordinates: Vec<(Coordinates, Option<View<'a>>)>,
    color: Option<Color<'a>>,
}

/// COLOR_0, with alpha or without.
#[derive(Debug)]
enum Color<'a> {
    Rgb(View<'a>),
    Rgba(View<'a>),
}

impl<'a> Color<'a> {
    fn find(
        source: Source<'a>,
        primitive: &Primitive,
        place: &str,
        vertices: usize,
    ) -> Result<Option<Self>, Note> {
        let Some(&index) = primitive.attributes.get("COLOR_0") else { return Ok(None) };
        let place = format!("{place}.attributes.COLOR_0");
        let accessor = lookup(&source.document.accessors, "accessors", index, &place)?;
        let has_alpha = accessor.shape == "VEC4";
        let view = source.view(index, if has_alpha { 4 } else { 3 }, &place)?;
        view.require_real(Real::Normalized, "colours")?;
        if view.len() != vertices {
            return Err(Note::new(place, "has not as many elements as POSITION"));
        }
        Ok(Some(if has_alpha { Self::Rgba(view) } else { Self::Rgb(view) }))
    }

    /// A vertex's colour, clamped to 0 to 1 as glTF says.
    fn of(&self, vertex: usize) -> Result<[f32; 4], Note> {
        let [r, g, b, a] = match self {
            Self::Rgb(view) => view.element(vertex).map(|[r, g, b]| [r, g, b, 1.0])?,
            Self::Rgba(view) => view.element(vertex)?,
        };
        Ok([r, g, b, a].map(|x: f64| flush(x.clamp(0.0, 1.0))))
    }
}

impl<'a> Further<'a> {
    /// `asked` are the coordinates that the material asks for beyond the first.
    pub(crate) fn find(
        source: Source<'a>,
        primitive: &Primitive,
        place: &str,
        asked: &[Coordinates],
        vertices: usize,
        findings: &mut Findings,
    ) -> Result<Self, Note> {
        let color = Color::find(source, primitive, place, vertices)?;
        let mut further = Self { coordinates: Vec::new(), color };
        for coordinates in asked {
            let name = coordinates.attribute();
            let named = format!("{place}.attributes.{name}");
            let view = match primitive.attributes.get(&name) {
                Some(&index) => Some(source.view(index, 2, &named)?),
                None => {
                    let message = format!("has no {name}; its textures show one colour");
                    findings.warn(format!("{place}.attributes"), message);
                    None
                }
            };
            let real = source.real_coordinates();
            view.as_ref().map_or(Ok(()), |view| view.require_real(real, "texture coordinates"))?;
            if view.as_ref().is_some_and(|view| view.len() != vertices) {
                return Err(Note::new(named, "has not as many elements as POSITION"));
            }
            further.coordinates.push((*coordinates, view));
        }
        Ok(further)
    }

    /// Whether there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.coordinates.is_empty() && self.color.is_none()
    }

    /// The record of each vertex in `used`; none at all where they would say nothing.
    pub(crate) fn records(&self, used: &[u32]) -> Result<Vec<Vertex>, Note> {
        let records = used.iter().map(|&vertex| self.record(vertex as usize));
        let mut records = records.collect::<Result<Vec<_>, _>>()?;
        // Many programs write colours that are all white.
        if self.coordinates.is_empty() && records.iter().all(|record| record.tangent == WHITE) {
            records.clear();
        }
        Ok(records)
    }

    fn record(&self, vertex: usize) -> Result<Vertex, Note> {
        let mut further = [[0.0; 2]; Vertex::FURTHER];
        for (place, (coordinates, view)) in further.iter_mut().zip(&self.coordinates) {
            let uv = view.as_ref().map_or(Ok([0.0; 2]), |view| view.element(vertex))?;
            *place = coordinates.apply(uv);
        }
        let color = self.color.as_ref().map_or(Ok(WHITE), |color| color.of(vertex))?;
        Ok(Vertex::more(color, further))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::TextureTransform;

    fn coordinates(transform: TextureTransform) -> Coordinates {
        let mut info = TextureInfo { tex_coord: 3, ..TextureInfo::default() };
        info.extensions.transform = Some(transform);
        Coordinates::new(&info, "", &mut Findings::default())
    }

    #[test]
    fn coordinates_are_scaled_then_turned_then_moved() {
        let quarter = std::f64::consts::FRAC_PI_2;
        let turned = coordinates(TextureTransform { rotation: quarter, ..Default::default() });
        // A quarter turn takes "right" to "up", which is -v.
        for (from, to) in [([1.0, 0.0], [0.0, -1.0]), ([0.0, 1.0], [1.0, 0.0])] {
            let got = turned.apply(from);
            assert!((0..2).all(|i| (f64::from(got[i]) - to[i]).abs() < 1e-7), "{got:?}");
        }
        let all = coordinates(TextureTransform {
            offset: [10.0, 20.0],
            rotation: quarter,
            scale: [2.0, 4.0],
            tex_coord: Some(1),
        });
        assert_eq!((all.attribute().as_str(), all.apply([1.0, 1.0])), ("TEXCOORD_1", [14.0, 18.0]));
        assert_eq!(turned.attribute(), "TEXCOORD_3");
    }
}
