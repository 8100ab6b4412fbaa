//! Numbers out of the file's bytes, with every bound checked before the first is read.

use crate::document::{Accessor, Document, lookup};
use crate::error::Note;

/// The bytes of the file with what the document says about them.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) document: &'a Document,
    pub(crate) bin: &'a [u8],
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
}

impl<'a> Source<'a> {
    /// The accessor that `place` names. Its elements must have `lanes` components.
    pub(crate) fn view(self, index: u32, lanes: usize, place: &str) -> Result<View<'a>, Note> {
        let accessor = lookup(&self.document.accessors, "accessors", index, place)?;
        let refuse = |message: String| Note::new(format!("accessors[{index}]"), message);
        if accessor.sparse.is_some() {
            return Err(refuse("is sparse, which is not supported".into()));
        }
        let component = component(accessor)
            .ok_or_else(|| refuse(format!("has componentType {}", accessor.component_type)))?;
        if lanes_of(&accessor.shape) != Some(lanes) {
            return Err(refuse(format!(
                "is {}, but {place} needs {lanes} numbers",
                accessor.shape
            )));
        }
        let count = usize::try_from(accessor.count).map_err(|_| refuse("is too long".into()))?;
        let size = lanes * component.bytes();

        let (bytes, stride) = match accessor.buffer_view {
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
        let normalized = accessor.normalized;
        Ok(View { bytes, stride, count, lanes, component, normalized, index })
    }

    /// The bytes of a buffer view.
    pub(crate) fn buffer_view(self, index: u32, place: &str) -> Result<&'a [u8], Note> {
        let view = lookup(&self.document.buffer_views, "bufferViews", index, place)?;
        let place = format!("bufferViews[{index}]");
        let buffer =
            lookup(&self.document.buffers, "buffers", view.buffer, &format!("{place}.buffer"))?;
        if view.buffer != 0 || buffer.uri.is_some() {
            let message = "lies outside the .glb; pack everything into one file";
            return Err(Note::new(format!("buffers[{}]", view.buffer), message));
        }
        let end = view.byte_offset.checked_add(view.byte_length);
        let range = end.filter(|&end| end <= buffer.byte_length).and_then(|end| {
            Some(usize::try_from(view.byte_offset).ok()?..usize::try_from(end).ok()?)
        });
        range
            .and_then(|range| self.bin.get(range))
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

impl View<'_> {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Refuses components that are neither floats nor, where `normalized` is allowed, normalised
    /// integers.
    pub(crate) fn require_real(&self, normalized: bool, what: &str) -> Result<(), Note> {
        let real = self.component == Component::F32
            || (normalized && self.normalized && self.component != Component::U32);
        if real { Ok(()) } else { Err(self.note(format!("its components can't be {what}"))) }
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
        let Some(bytes) = self.bytes else { return 0.0 };
        let at = i * self.stride + lane * self.component.bytes();
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
