//! NAL units, as H.264 and H.265 share them.

use super::Flaw;
use tessera_packaging::h264::{H264Error, length_prefixed_units};

/// Most bytes of one unit beside its picture: what an encoder says of itself fits, a second stream
/// does not.
pub(super) const MOST_ASIDE: usize = 2048;

/// The NAL units of an access unit, each after its 4-byte length; none is empty.
pub(super) fn split(data: &[u8]) -> impl Iterator<Item = Result<&[u8], Flaw>> {
    length_prefixed_units(data, 4).map(|unit| {
        unit.map_err(|error| match error {
            H264Error::Length { length, left } => Flaw::Length { length, left },
            _ => Flaw::Length { length: 0, left: 0 },
        })
    })
}

/// Collects what the NAL units of one access unit amount to.
#[derive(Default)]
pub(super) struct Picture {
    slices: Option<Slices>,
    aside: usize,
}

struct Slices {
    last_start: u32,
    keyframe: bool,
}

impl Picture {
    /// A slice that begins at block `start` of its picture.
    pub(super) fn slice(&mut self, start: u32, keyframe: bool) -> Result<(), Flaw> {
        match &mut self.slices {
            None if start != 0 => return Err(Flaw::Slices),
            None => self.slices = Some(Slices { last_start: 0, keyframe }),
            Some(_) if start == 0 => return Err(Flaw::Pictures),
            Some(slices) if start <= slices.last_start || keyframe != slices.keyframe => {
                return Err(Flaw::Slices);
            }
            Some(slices) => slices.last_start = start,
        }
        Ok(())
    }

    /// A slice of which it is only known whether its picture begins with it.
    pub(super) fn next_slice(&mut self, first: bool, keyframe: bool) -> Result<(), Flaw> {
        let next = self.slices.as_ref().map_or(1, |slices| slices.last_start + 1);
        self.slice(if first { 0 } else { next }, keyframe)
    }

    /// Bytes that are no picture.
    pub(super) fn aside(&mut self, bytes: usize) -> Result<(), Flaw> {
        self.aside += bytes;
        if self.aside > MOST_ASIDE { Err(Flaw::Aside { bytes: self.aside }) } else { Ok(()) }
    }

    /// Whether all that came is a picture that is a keyframe, or one that is none.
    pub(super) fn is_keyframe(&self) -> Result<bool, Flaw> {
        self.slices.as_ref().map(|slices| slices.keyframe).ok_or(Flaw::Empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_that_does_not_fit_is_refused() {
        let flaw = |data| split(data).find_map(Result::err);
        assert_eq!(flaw(&[0, 0, 0, 1, 7, 0, 0, 0, 2, 8, 9]), None);
        assert_eq!(flaw(&[0, 0, 0, 3, 1, 2]), Some(Flaw::Length { length: 3, left: 2 }));
        assert_eq!(flaw(&[0, 0, 0, 0, 1]), Some(Flaw::Length { length: 0, left: 0 }));
        assert_eq!(flaw(&[0, 0, 0, 1, 7, 9]), Some(Flaw::Length { length: 4, left: 1 }));
    }

    #[test]
    fn slices_are_of_one_picture_in_order() {
        let all = |starts: &[u32]| {
            let mut picture = Picture::default();
            starts.iter().try_for_each(|&start| picture.slice(start, true))
        };
        assert_eq!(all(&[0, 40, 80]), Ok(()));
        assert_eq!(all(&[0, 40, 40]), Err(Flaw::Slices));
        assert_eq!(all(&[1]), Err(Flaw::Slices));
        assert_eq!(all(&[0, 40, 0]), Err(Flaw::Pictures));
        assert_eq!(Picture::default().is_keyframe(), Err(Flaw::Empty));
    }
}
