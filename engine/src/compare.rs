//! One segment's rendition beside its source.
//!
//! All units are held until the last one is here: which frames are looked at follows from the seed
//! and from how many frames there are. Then both sides are decoded as far as the last chosen frame,
//! and only chosen pictures are kept.
//!
//! A rendition that cannot be decoded is an answer, and a bad one: it must not get out of being
//! looked at. Only what is wrong with the source fails the task.

use crate::decode::{self, Decoder};
use crate::error::Trouble;
use crate::exchange::{Inbox, Outbox};
use crate::scale::Scaler;
use ffmpeg::format::Pixel;
use ffmpeg::frame;
use ffmpeg_next as ffmpeg;
use std::collections::BTreeMap;
use std::sync::Arc;
use tessera_media::wire::{Body, TrackKind};
use tessera_media::{AccessUnit, Ticks, VideoFormat};
use tessera_verify::segment::{Likeness, Pair, Picture, Plane, choose, measure};

/// Most bytes of both sides together that are held.
const MOST_HELD: usize = 96 << 20;

pub(crate) fn run(
    source: &VideoFormat,
    rendition: &VideoFormat,
    seed: u64,
    inbox: &Inbox,
    outbox: &Outbox,
) -> Result<(), Trouble> {
    let likeness = compare(source, rendition, seed, &Units::receive(inbox)?)?;
    let report = serde_json::to_vec(&likeness)
        .map_err(|error| Trouble::refused(format!("the report cannot be written: {error}")))?;
    outbox.send(Body::Report(report.into()))
}

/// The units of both sides, in decoding order.
struct Units {
    source: Vec<AccessUnit>,
    rendition: Vec<AccessUnit>,
}

impl Units {
    fn receive(inbox: &Inbox) -> Result<Self, Trouble> {
        let (mut units, mut held) = (Self { source: vec![], rendition: vec![] }, 0);
        loop {
            let (side, unit) = match inbox.next()? {
                Body::Source(TrackKind::Video, unit) => (&mut units.source, unit),
                Body::Coded(_, unit) => (&mut units.rendition, unit),
                Body::End => return Ok(units),
                _ => return Err(Trouble::refused("only units of video can be compared")),
            };
            held += unit.data.len();
            if held > MOST_HELD {
                return Err(Trouble::refused("the segment is too large to be compared"));
            }
            side.push(unit);
        }
    }
}

fn compare(
    source: &VideoFormat,
    rendition: &VideoFormat,
    seed: u64,
    units: &Units,
) -> Result<Likeness, Trouble> {
    let mut times: Vec<_> = units.rendition.iter().map(|unit| unit.pts).collect();
    times.sort_unstable();
    times.dedup();
    let places: Vec<&[Ticks]> =
        choose(seed, times.len()).into_iter().map(|place| &times[place]).collect();

    let wanted: Vec<Ticks> = places.concat();
    let source = Shots::decode(source, &units.source, &wanted)?;
    let rendition = match Shots::decode(rendition, &units.rendition, &wanted) {
        Err(Trouble::Refused(_) | Trouble::Ffmpeg { .. }) => Shots::none_of(wanted.len()),
        decoded => decoded?,
    };
    let pair = |at: &Ticks| {
        Some(Pair { source: source.picture(*at)?, rendition: rendition.picture(*at)? })
    };
    let places: Vec<Vec<Pair<'_>>> =
        places.iter().map(|place| place.iter().filter_map(pair).collect()).collect();
    if source.undecodable > 0 && rendition.undecodable == 0 && places.iter().all(Vec::is_empty) {
        return Err(Trouble::refused("the source is damaged wherever it was looked at"));
    }
    Ok(Likeness { undecodable: rendition.undecodable, ..measure(&places) })
}

/// Some pictures of one side.
struct Shots {
    pictures: BTreeMap<Ticks, Arc<frame::Video>>,
    /// Pictures that were to be decoded on the way and could not.
    undecodable: u32,
}

impl Shots {
    /// Nothing of so many.
    fn none_of(wanted: usize) -> Self {
        Self { pictures: BTreeMap::new(), undecodable: u32::try_from(wanted).unwrap_or(u32::MAX) }
    }

    /// Decodes as far as the last of the `wanted` pictures, and keeps those.
    fn decode(
        format: &VideoFormat,
        units: &[AccessUnit],
        wanted: &[Ticks],
    ) -> Result<Self, Trouble> {
        let mut shots = Self { pictures: BTreeMap::new(), undecodable: 0 };
        let Some(&last) = wanted.last() else { return Ok(shots) };
        let mut decoder = Decoder::open(format)?;
        let mut scaler = Scaler::new(format.width, format.height, Pixel::YUV420P);
        let mut out = vec![];
        for unit in units {
            decoder.push(unit, &mut out)?;
            if shots.keep(&mut out, wanted, &mut scaler)? >= Some(last) {
                return Ok(shots);
            }
        }
        decoder.finish(&mut out)?;
        shots.keep(&mut out, wanted, &mut scaler)?;
        Ok(shots)
    }

    /// Keeps what is wanted of `out`; the time of the last picture among it.
    fn keep(
        &mut self,
        out: &mut Vec<decode::Picture>,
        wanted: &[Ticks],
        scaler: &mut Scaler,
    ) -> Result<Option<Ticks>, Trouble> {
        let last = out.last().map(|picture| picture.pts);
        for picture in out.drain(..) {
            if picture.repeated {
                self.undecodable += 1;
            } else if wanted.binary_search(&picture.pts).is_ok() {
                self.pictures.insert(picture.pts, scaler.scale(&picture.frame)?);
            }
        }
        Ok(last)
    }

    fn picture(&self, at: Ticks) -> Option<Picture<'_>> {
        let frame = self.pictures.get(&at)?;
        let plane = |n: usize| {
            let (width, height) = (frame.plane_width(n) as usize, frame.plane_height(n) as usize);
            Plane::new(width, height, frame.stride(n), frame.data(n))
        };
        Some(Picture { y: plane(0)?, cb: plane(1)?, cr: plane(2)? })
    }
}
