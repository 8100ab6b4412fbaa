//! Numbers out of the file's bytes, with every bound checked before the first is read.

use crate::document::{Accessor, Document, Sparse, lookup};
use crate::error::{Findings, Note, excerpt};
use crate::limits::{Limits, exceeds};
use crate::package::Files;

/// The bytes of the file with what the document says about them.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) document: &'a Document,
    pub(crate) files: &'a Files<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Component {
    I8,
    U8,
    I16,
    U16,
    U32,
    F32,
}

/// An accessor whose every element lies within the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    /// `None` where all elements are 0.
    bytes: Option<&'a [u8]>,
    stride: usize,
    count: usize,
    lanes: usize,
    component: Component,
    normalized: bool,
    index: u32,
    /// Elements that are others.
    sparse: Option<Replaced<'a>>,
}

/// The elements of a sparse accessor, all of them within the file.
#[derive(Debug, Clone, Copy)]
struct Replaced<'a> {
    count: usize,
    indices: &'a [u8],
    component: Component,
    /// One after the other.
    values: &'a [u8],
}

/// Which components may stand for real numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Real {
    Floats,
    /// And integers that are normalised, of 8 or 16 bits.
    Normalized,
    /// And such integers as they are.
    Integers,
}

impl<'a> Source<'a> {
    /// Which components texture coordinates may have.
    pub(crate) fn real_coordinates(self) -> Real {
        if self.document.quantized { Real::Integers } else { Real::Normalized }
    }

    /// The accessor that `place` names. Its elements must have `lanes` components.
    pub(crate) fn view(self, index: u32, lanes: usize, place: &str) -> Result<View<'a>, Note> {
        let accessor = lookup(&self.document.accessors, "accessors", index, place)?;
        let refuse = |message: String| Note::new(format!("accessors[{index}]"), message);
        let component = component(accessor)
            .ok_or_else(|| refuse(format!("has componentType {}", accessor.component_type)))?;
        if lanes_of(&accessor.shape) != Some(lanes) {
            return Err(refuse(format!(
                "is {}, but {place} needs {lanes} numbers",
                excerpt(&accessor.shape)
            )));
        }
        let count = usize::try_from(accessor.count).map_err(|_| refuse("is too long".into()))?;
        let size = lanes * component.bytes();

        let (bytes, stride) = match accessor.buffer_view {
            // Zeros cost what numbers cost, so as many are taken as bytes could stand for.
            None if count > self.files.buffer_bytes => {
                let message =
                    format!("has {count} elements without bytes, more than the file has bytes");
                return Err(refuse(message));
            }
            None => (None, size),
            Some(view) => {
                let place = format!("accessors[{index}].bufferView");
                let stride = lookup(&self.document.buffer_views, "bufferViews", view, &place)?
                    .byte_stride
                    .map_or(Some(size), |stride| usize::try_from(stride).ok())
                    .filter(|&stride| stride >= size && stride <= 252.max(size))
                    .ok_or_else(|| refuse("has a byteStride outside the specification".into()))?;
                let bytes = self.buffer_view(view, &place)?;
                let elements = usize::try_from(accessor.byte_offset)
                    .ok()
                    .and_then(|offset| bytes.get(offset..))
                    .filter(|rest| fits(rest.len(), count, stride, size))
                    .ok_or_else(|| refuse(format!("reaches beyond bufferViews[{view}]")))?;
                (Some(elements), stride)
            }
        };
        let replaced = |sparse| self.replaced(sparse, count, size, index);
        let sparse = accessor.sparse.as_ref().map(replaced).transpose()?;
        let normalized = accessor.normalized;
        Ok(View { bytes, stride, count, lanes, component, normalized, index, sparse })
    }

    /// The elements of a sparse accessor of `of` elements, each of `size` bytes.
    fn replaced(
        self,
        sparse: &Sparse,
        of: usize,
        size: usize,
        index: u32,
    ) -> Result<Replaced<'a>, Note> {
        let place = format!("accessors[{index}].sparse");
        let refuse = |message: &str| Note::new(&place, message);
        let count = usize::try_from(sparse.count).ok().filter(|&count| count <= of);
        let count = count.ok_or_else(|| refuse("has more elements than its accessor"))?;
        let component = match sparse.indices.component_type {
            5121 => Component::U8,
            5123 => Component::U16,
            5125 => Component::U32,
            _ => return Err(refuse("its indices have an unknown componentType")),
        };
        let bytes = |view: u32, offset: u64, size: usize, what: &str| {
            let place = format!("{place}.{what}.bufferView");
            let bytes = self.buffer_view(view, &place)?;
            usize::try_from(offset)
                .ok()
                .and_then(|offset| bytes.get(offset..))
                .filter(|rest| fits(rest.len(), count, size, size))
                .ok_or_else(|| Note::new(place, "is too short for its elements"))
        };
        let (indices, values) = (&sparse.indices, &sparse.values);
        Ok(Replaced {
            count,
            indices: bytes(indices.buffer_view, indices.byte_offset, component.bytes(), "indices")?,
            component,
            values: bytes(values.buffer_view, values.byte_offset, size, "values")?,
        })
    }

    /// Checks once, for all accessors, that what is sparse ascends and stays within bounds.
    pub(crate) fn check_sparse(self, limits: &Limits, findings: &mut Findings) {
        let mut elements = 0usize;
        for (i, accessor) in self.document.accessors.iter().enumerate() {
            let Some(sparse) = &accessor.sparse else { continue };
            let place = format!("accessors[{i}]");
            let Some(lanes) = lanes_of(&accessor.shape) else { continue };
            let Some(view) = findings.take(self.view(i as u32, lanes, &place)) else { continue };
            let Some(replaced) = view.sparse else { continue };
            elements = elements.saturating_add(replaced.count);
            let message = exceeds("elements of sparse accessors", elements, limits.sparse_elements);
            if let Some(message) = message {
                findings.problem(Note::new(place, message));
                return;
            }
            let mut least = 0;
            let ascends = (0..replaced.count).all(|i| {
                let index = replaced.index(i);
                let is_next = index >= least && index < accessor.count;
                least = index + 1;
                is_next
            });
            if !ascends {
                let message =
                    format!("its {} indices don't ascend within the accessor", sparse.count);
                findings.problem(Note::new(format!("{place}.sparse.indices"), message));
            }
        }
    }

    /// The bytes of a buffer view.
    pub(crate) fn buffer_view(self, index: u32, place: &str) -> Result<&'a [u8], Note> {
        let view = lookup(&self.document.buffer_views, "bufferViews", index, place)?;
        let place = format!("bufferViews[{index}]");
        let buffer =
            lookup(&self.document.buffers, "buffers", view.buffer, &format!("{place}.buffer"))?;
        let bytes = match self.files.buffers.get(view.buffer as usize) {
            Some(Ok(bytes)) => bytes,
            Some(Err(why)) => return Err(Note::new(format!("buffers[{}]", view.buffer), why)),
            None => return Err(Note::new(place, "its buffer is not there")),
        };
        let end = view.byte_offset.checked_add(view.byte_length);
        let range = end.filter(|&end| end <= buffer.byte_length).and_then(|end| {
            Some(usize::try_from(view.byte_offset).ok()?..usize::try_from(end).ok()?)
        });
        range
            .and_then(|range| bytes.get(range))
            .ok_or_else(|| Note::new(place, "reaches beyond its buffer"))
    }
}

fn fits(available: usize, count: usize, stride: usize, size: usize) -> bool {
    match count.checked_sub(1) {
        None => true,
        Some(last) => last
            .checked_mul(stride)
            .and_then(|start| start.checked_add(size))
            .is_some_and(|end| end <= available),
    }
}

fn component(accessor: &Accessor) -> Option<Component> {
    Some(match accessor.component_type {
        5120 => Component::I8,
        5121 => Component::U8,
        5122 => Component::I16,
        5123 => Component::U16,
        5125 => Component::U32,
        5126 => Component::F32,
        _ => return None,
    })
}

fn lanes_of(shape: &str) -> Option<usize> {
    Some(match shape {
        "SCALAR" => 1,
        "VEC2" => 2,
        "VEC3" => 3,
        "VEC4" => 4,
        "MAT4" => 16,
        _ => return None,
    })
}

impl Component {
    fn bytes(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::U32 | Self::F32 => 4,
        }
    }
}

impl Replaced<'_> {
    fn index(&self, i: usize) -> u64 {
        let at = i * self.component.bytes();
        let bytes = &self.indices[at..at + self.component.bytes()];
        bytes.iter().rev().fold(0, |index, &byte| index << 8 | u64::from(byte))
    }

    /// Where an element of the accessor stands among these.
    fn find(&self, element: usize) -> Option<usize> {
        let (mut from, mut to) = (0, self.count);
        while from < to {
            let middle = from + (to - from) / 2;
            match self.index(middle).cmp(&(element as u64)) {
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Greater => to = middle,
                std::cmp::Ordering::Equal => return Some(middle),
            }
        }
        None
    }
}

impl View<'_> {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Refuses components that can't be what is asked for.
    pub(crate) fn require_real(&self, real: Real, what: &str) -> Result<(), Note> {
        let is_real = match self.component {
            Component::F32 => true,
            Component::U32 => false,
            _ => real == Real::Integers || (real == Real::Normalized && self.normalized),
        };
        if is_real { Ok(()) } else { Err(self.note(format!("its components can't be {what}"))) }
    }

    /// Refuses components that are not unsigned integers.
    pub(crate) fn require_index(&self) -> Result<(), Note> {
        let index = matches!(self.component, Component::U8 | Component::U16 | Component::U32)
            && !self.normalized;
        if index { Ok(()) } else { Err(self.note("its components can't be indices".to_owned())) }
    }

    /// The first component of element `i`, as an index. Call [`Self::require_index`] first.
    pub(crate) fn index(&self, i: usize) -> u32 {
        self.number(i, 0) as u32
    }

    /// Element `i`, as indices. Call [`Self::require_index`] first.
    pub(crate) fn indices<const N: usize>(&self, i: usize) -> [u32; N] {
        assert_eq!(N, self.lanes, "the view was made for this many lanes");
        std::array::from_fn(|lane| self.number(i, lane) as u32)
    }

    /// Element `i`, normalised if the accessor says so.
    ///
    /// # Errors
    /// A component is not a finite number.
    pub(crate) fn element<const N: usize>(&self, i: usize) -> Result<[f64; N], Note> {
        assert_eq!(N, self.lanes, "the view was made for this many lanes");
        let element = std::array::from_fn(|lane| self.number(i, lane));
        if element.iter().all(|x| x.is_finite()) {
            return Ok(element);
        }
        Err(self.note(format!("element {i} is not finite")))
    }

    fn note(&self, message: String) -> Note {
        Note::new(format!("accessors[{}]", self.index), message)
    }

    fn number(&self, i: usize, lane: usize) -> f64 {
        let width = self.component.bytes();
        let found = self
            .sparse
            .and_then(|replaced| Some((replaced.values, replaced.find(i)? * self.lanes * width)));
        let element = found.or_else(|| Some((self.bytes?, i * self.stride)));
        let Some((bytes, start)) = element else { return 0.0 };
        let at = start + lane * width;
        let two = || [bytes[at], bytes[at + 1]];
        let four = || [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        let (value, most) = match self.component {
            Component::I8 => (f64::from(bytes[at] as i8), 127.0),
            Component::U8 => (f64::from(bytes[at]), 255.0),
            Component::I16 => (f64::from(i16::from_le_bytes(two())), 32767.0),
            Component::U16 => (f64::from(u16::from_le_bytes(two())), 65535.0),
            Component::U32 => (f64::from(u32::from_le_bytes(four())), 1.0),
            Component::F32 => return f64::from(f32::from_le_bytes(four())),
        };
        if self.normalized { (value / most).max(-1.0) } else { value }
    }
}
