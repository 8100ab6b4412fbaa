//! How fast this machine encodes, found out once and kept.

use super::tally::Tally;
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Instant;
use tessera_durable::{Access, OsDisk, write_file};
use tessera_engine_host::{EngineError, EnginePool};
use tessera_media::task::{Container, LadderTask, Pace, Task};
use tessera_media::wire::{Body, TrackKind};
use tessera_media::{AccessUnit, TrackFormat, VideoFormat};
use tessera_protocol::stream::{Ladder, Rendition, SegmentNumber, VideoCodec};
use tracing::info;

/// Two seconds of 720p at 30 frames a second, of which no frame is still or flat: `scripts/clip` makes it.
const CLIP: &[u8] = include_bytes!("clip.ts");
/// What most streams ask of a 720p source.
const LADDER: &str = "480p:1400k,360p:800k,240p:400k";
/// The codecs of which it is tried whether the engine has an encoder, each on this little.
const TRIED: [(VideoCodec, &str); 2] =
    [(VideoCodec::H265, "96p:100k:h265"), (VideoCodec::Av1, "96p:100k:av1")];

/// What a machine can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Of which version of this program.
    version: String,
    /// Pixels a second, all renditions together, one lane at a time.
    pub pixels_per_s: u64,
    /// What it can encode.
    pub codecs: Vec<VideoCodec>,
}

impl Measured {
    /// The encoders, for people.
    pub fn in_words(&self) -> String {
        let names = self.codecs.iter().map(|codec| match codec {
            VideoCodec::H264 => "H.264",
            VideoCodec::H265 => "H.265",
            VideoCodec::Av1 => "AV1",
        });
        format!("{} in software", names.collect::<Vec<_>>().join(", "))
    }
}

/// What is kept in `file`, if this version of the program wrote it; else measures, and keeps it.
pub async fn known_or_measured(file: &Path, pool: &EnginePool) -> anyhow::Result<Measured> {
    let kept = std::fs::read(file).ok().and_then(|json| serde_json::from_slice(&json).ok());
    if let Some(measured) =
        kept.filter(|measured: &Measured| measured.version == env!("CARGO_PKG_VERSION"))
    {
        return Ok(measured);
    }
    info!("measuring how fast this machine is; a few seconds");
    let measured = measure(pool).await?;
    write_file(&OsDisk, file, &serde_json::to_vec_pretty(&measured)?, Access::Umask)?;
    Ok(measured)
}

/// Measures.
pub async fn measure(pool: &EnginePool) -> anyhow::Result<Measured> {
    let (format, units) = clip(pool).await?;
    let ladder: Ladder = LADDER.parse()?;
    // The first time also reads the libraries from the disk.
    encode(pool, &format, &units, ladder.renditions()).await?;
    let pixels_per_s = encode(pool, &format, &units, ladder.renditions()).await?;
    let mut codecs = vec![VideoCodec::H264];
    for (codec, ladder) in TRIED {
        let ladder: Ladder = ladder.parse()?;
        let few = &units[..units.len().min(6)];
        if encode(pool, &format, few, ladder.renditions()).await.is_ok() {
            codecs.push(codec);
        }
    }
    let version = env!("CARGO_PKG_VERSION").to_owned();
    Ok(Measured { version, pixels_per_s, codecs })
}

/// The clip, taken apart by the engine.
pub async fn clip(pool: &EnginePool) -> anyhow::Result<(VideoFormat, Vec<AccessUnit>)> {
    let lane = pool.lane(Task::Demux { container: Container::MpegTs }).await?;
    let (sender, mut receiver) = lane.split();
    let sending = async {
        sender.send(Body::Bytes(CLIP.into())).await?;
        sender.send(Body::End).await
    };
    let receiving = async {
        let (mut format, mut units) = (None, vec![]);
        while let Some(body) = receiver.recv().await {
            match body? {
                Body::Track(track) => {
                    if let TrackFormat::Video(video) = track.format {
                        format = Some(video);
                    }
                }
                Body::Source(TrackKind::Video, unit) => units.push(unit),
                _ => {}
            }
        }
        Ok::<_, EngineError>((format, units))
    };
    let (sent, received) = tokio::join!(sending, receiving);
    let (format, units) = received?;
    sent?;
    match format {
        Some(format) if !units.is_empty() => Ok((format, units)),
        _ => bail!("the engine found no pictures in the clip that it is measured with"),
    }
}

/// Pixels a second.
async fn encode(
    pool: &EnginePool,
    format: &VideoFormat,
    units: &[AccessUnit],
    renditions: &[Rendition],
) -> anyhow::Result<u64> {
    let task = LadderTask {
        source: format.clone(),
        renditions: renditions.to_vec(),
        pace: Pace::Segment,
        segment: SegmentNumber(0),
        output_from: None,
    };
    let mut tally = Tally::new(&task);
    let since = Instant::now();
    let (sender, mut receiver) = pool.lane(Task::Ladder(task)).await?.split();
    let sending = async {
        for unit in units {
            sender.send(Body::Source(TrackKind::Video, unit.clone())).await?;
        }
        sender.send(Body::End).await
    };
    let receiving = async {
        let mut pixels = None;
        while let Some(body) = receiver.recv().await {
            match body? {
                Body::Format(index, format) => tally.format(index, &format),
                Body::Coded(index, unit) => tally.unit(index, &unit),
                Body::Done(done) => tally.done(done.segment).map(|counted| {
                    pixels = Some(counted.renditions.iter().map(|r| r.pixels).sum::<u64>());
                }),
                _ => Ok(()),
            }
            .map_err(EngineError::Nonsense)?;
        }
        Ok::<_, EngineError>(pixels)
    };
    let (sent, received) = tokio::join!(sending, receiving);
    let pixels = received?.context("the engine made nothing of the clip")?;
    sent?;
    Ok((pixels as f64 / since.elapsed().as_secs_f64()) as u64)
}
