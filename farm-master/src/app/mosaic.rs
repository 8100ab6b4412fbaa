//! A frame while it is rendered: its tiles, and the picture of what is verified so far.

use super::jobs::{need_frame, no_frame};
use super::{App, UNPACK_BYTES};
use crate::auth::Artist;
use crate::blobs::Key;
use crate::problem::{Code, Refusal};
use crate::store::StoredResult;
use std::sync::Arc;
use tessera_farm_core::mosaic;
use tessera_farm_core::plan::Plan;
use tessera_film::pack;
use tessera_film::preview::Preview;
use tessera_protocol::job::{FrameView, JobSpec, JobView};
use tessera_protocol::mosaic::TilesView;
use tessera_protocol::{FrameNumber, JobId, PixelSum, TileRect, submit};

/// What a frame can be seen by now.
pub(crate) struct Sight {
    /// Another one where it would be another picture.
    pub(crate) tag: String,
    of: Seen,
}

enum Seen {
    /// It is assembled; `marked` while its owner has yet to approve it.
    Whole { job: JobId, frame: FrameNumber, marked: bool },
    /// Some of it is verified.
    Part { job: Box<JobView>, results: Vec<StoredResult> },
}

/// A preview.
pub(crate) enum Shown {
    /// A file as it is.
    File(Key),
    /// A picture that was made just now.
    Png(Vec<u8>),
}

impl App {
    /// How far each tile of a frame is.
    pub(crate) async fn tiles(
        &self,
        artist: &Artist,
        id: JobId,
        frame: FrameNumber,
    ) -> Result<TilesView, Refusal> {
        let job = self.job(artist, id).await?;
        let plan = Plan::new(&job.spec).map_err(Refusal::internal)?;
        let units = plan.units_per_frame();
        let tiles = units / plan.ranges();
        if tiles > TilesView::MAX_TILES || units > TilesView::MAX_UNITS {
            return Err(Refusal::new(
                Code::MosaicTooFine,
                format!(
                    "A frame of job {id} has {tiles} tiles in {units} units; {} in {} are listed at most. \
                     Its preview can be seen.",
                    TilesView::MAX_TILES,
                    TilesView::MAX_UNITS
                ),
            ));
        }
        let found = self.store.frame_units(id, frame).await?;
        let found = found.ok_or_else(|| no_frame(&job, frame))?;
        let tiles = mosaic::tiles(&plan, frame, &found.states, &found.workers);
        Ok(TilesView {
            width: job.spec.settings.width,
            height: job.spec.settings.height,
            tile: job.spec.tile,
            ranges: plan.ranges(),
            tiles: tiles.ok_or_else(|| Refusal::internal("a frame's units are not its plan's"))?,
            done: found.done,
        })
    }

    /// By what a frame can be seen now; refused where nothing of it is verified.
    pub(crate) async fn sight(
        &self,
        artist: &Artist,
        id: JobId,
        frame: FrameNumber,
    ) -> Result<Sight, Refusal> {
        let job = self.job(artist, id).await?;
        need_frame(&job, frame)?;
        let begun = self.store.frames(id, frame, 1).await?;
        let begun = begun.into_iter().find(|view| view.frame == frame);
        if let Some(FrameView { hash: Some(hash), approve_by_ms, .. }) = begun {
            let marked = approve_by_ms.is_some();
            let tag = tag(marked, [&hash.0[..]]);
            return Ok(Sight { tag, of: Seen::Whole { job: id, frame, marked } });
        }
        let results = self.store.counting(id, frame).await?;
        if results.is_empty() {
            return Err(Refusal::new(
                Code::FrameNotReady,
                format!("Nothing of frame {frame} of job {id} is verified yet; look again later."),
            ));
        }
        let tag = tag(is_paid_for(&job), results.iter().map(|result| &result.commit.0[..]));
        Ok(Sight { tag, of: Seen::Part { job: Box::new(job), results } })
    }

    /// The picture of it.
    pub(crate) async fn show(self: &Arc<Self>, sight: Sight) -> Result<Shown, Refusal> {
        match sight.of {
            Seen::Whole { job, frame, marked: false } => Ok(Shown::File(Key::Png(job, frame))),
            Seen::Whole { job, frame, marked: true } => {
                self.watermarked(job, frame).await.map(Shown::Png)
            }
            Seen::Part { job, results } => {
                let permit = self.limits.inspections.clone().acquire_owned().await;
                let permit = permit.map_err(Refusal::internal)?;
                // The permit goes with the work, which goes on where whoever asked hangs up.
                let made = self.blocking(move |app| {
                    let made = app.preview(&job, &results);
                    drop(permit);
                    made
                });
                made.await.map_err(Refusal::internal)?.map(Shown::Png)
            }
        }
    }

    /// Adds up what is verified, tile by tile. Blocks.
    fn preview(&self, job: &JobView, results: &[StoredResult]) -> Result<Vec<u8>, Refusal> {
        let settings = &job.spec.settings;
        let mut preview = Preview::new(settings.width, settings.height);
        let mut open: Option<OpenTile> = None;
        for result in results {
            // What is damaged or gone is assembly's to deal with; here it is not to be seen.
            if let Err(reason) = self.add_result(&job.spec, result, &mut open, &mut preview) {
                tracing::warn!(lease = %result.lease, reason, "a preview goes without a result");
            }
        }
        if let Some(last) = open {
            last.close(&mut preview);
        }
        preview.encode(is_paid_for(job)).map_err(Refusal::internal)
    }

    fn add_result(
        &self,
        spec: &JobSpec,
        result: &StoredResult,
        open: &mut Option<OpenTile>,
        preview: &mut Preview,
    ) -> Result<(), String> {
        let body = self.sums(result).map_err(|error| error.to_string())?.ok_or("it is gone")?;
        let (header, packed) = submit::decode(&body).map_err(|error| error.to_string())?;
        let plan = Plan::new(spec).map_err(|error| error.to_string())?;
        for (signed, packed) in header.commit.results.iter().zip(packed) {
            let unit = plan.unit(signed.unit).ok_or("a unit lies beyond the job")?;
            let pixels = usize::try_from(unit.rect.pixels()).map_err(|error| error.to_string())?;
            let sums =
                pack::unpack(packed, pixels, UNPACK_BYTES).map_err(|error| error.to_string())?;
            if open.as_ref().is_none_or(|tile| tile.rect != unit.rect) {
                let next = OpenTile { rect: unit.rect, sums, samples: unit.samples.count() };
                if let Some(before) = open.replace(next) {
                    before.close(preview);
                }
            } else if let Some(tile) = open {
                tile.add(&sums, unit.samples.count())?;
            }
        }
        Ok(())
    }
}

/// A tile whose ranges come one after the other: units are numbered so.
struct OpenTile {
    rect: TileRect,
    sums: Vec<PixelSum>,
    samples: u32,
}

impl OpenTile {
    fn add(&mut self, more: &[PixelSum], samples: u32) -> Result<(), String> {
        let added = self.sums.iter().zip(more).map(|(sum, &more)| sum.checked_add(more));
        let added: Option<Vec<_>> = added.collect();
        self.sums = added.ok_or("the sums of a tile overflow")?;
        self.samples += samples;
        Ok(())
    }

    fn close(self, preview: &mut Preview) {
        preview.put(self.rect, &self.sums, self.samples);
    }
}

/// Whether somebody has to approve its frames before they are used.
fn is_paid_for(job: &JobView) -> bool {
    job.money.is_some()
}

fn tag<'a>(marked: bool, parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[u8::from(marked)]);
    for part in parts {
        hasher.update(part);
    }
    format!("\"{}\"", hex::encode(&hasher.finalize().as_bytes()[..16]))
}
