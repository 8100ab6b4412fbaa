//! `farm download`: a job's pictures and film into a folder.

use crate::args::DownloadArgs;
use crate::show::Voice;
use anyhow::{Context, bail};
use futures::{StreamExt, TryStreamExt};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::path::{Path, PathBuf};
use tessera_client::{Artefact, Client, no_progress};
use tessera_protocol::JobId;
use tessera_protocol::job::{FrameView, JobView};

/// Files fetched at a time: enough to hide the way there and back, few enough for a master's disk.
const AT_ONCE: usize = 4;
/// Names the job whose files a folder holds.
const MARKER: &str = "job.txt";

/// Which files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kinds {
    exr: bool,
    png: bool,
    movie: bool,
}

/// What the film is called.
pub(crate) const MOVIE_FILE: &str = "film.mp4";

impl Kinds {
    pub(crate) const ALL: Self = Self { exr: true, png: true, movie: true };

    /// Naming none means all.
    fn of(args: &DownloadArgs) -> Self {
        let kinds = Self { exr: args.exr, png: args.png, movie: args.movie };
        if kinds.exr || kinds.png || kinds.movie { kinds } else { Self::ALL }
    }
}

/// What a download came to.
#[derive(Debug, Serialize)]
pub(crate) struct Fetched {
    job: JobId,
    folder: PathBuf,
    /// Files fetched now.
    pub new: Vec<PathBuf>,
    /// Files that were there.
    pub kept: Vec<PathBuf>,
    frames_ready: u64,
    frames_total: u64,
    /// Frames that wait to be approved.
    previews: usize,
}

/// Downloads what is ready, and says what that was.
pub(crate) async fn run(client: &Client, args: &DownloadArgs, voice: Voice) -> anyhow::Result<()> {
    let job = client.job(args.job).await?;
    let fetched = fetch(client, &job, &args.output, Kinds::of(args), voice).await?;
    voice.result(&fetched, || fetched.describe())
}

/// Downloads what is ready of `job` into `folder`. A file that is there is kept: files appear
/// whole, and a frame never changes.
pub(crate) async fn fetch(
    client: &Client,
    job: &JobView,
    folder: &Path,
    kinds: Kinds,
    voice: Voice,
) -> anyhow::Result<Fetched> {
    claim(folder, job.id)?;
    let frames = client.frames(job.id).await?;
    let ready: Vec<_> = frames.into_iter().filter(|frame| frame.hash.is_some()).collect();
    let (kept, missing): (Vec<_>, Vec<_>) = files(&ready, kinds.movie && job.movie, kinds)
        .into_iter()
        .map(|(name, artefact)| (folder.join(name), artefact))
        .partition(|(path, _)| path.exists());

    let bar = bar(voice, missing.len());
    futures::stream::iter(&missing)
        .map(|(path, artefact)| async {
            client.download(job.id, *artefact, path, no_progress()).await?;
            bar.inc(1);
            anyhow::Ok(())
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    bar.finish_and_clear();

    let paths = |files: Vec<(PathBuf, Artefact)>| files.into_iter().map(|(path, _)| path).collect();
    Ok(Fetched {
        job: job.id,
        folder: folder.to_path_buf(),
        new: paths(missing),
        kept: paths(kept),
        frames_ready: ready.len() as u64,
        previews: ready.iter().filter(|frame| frame.approve_by_ms.is_some()).count(),
        frames_total: job.frames_total,
    })
}

impl Fetched {
    /// The same in a sentence.
    pub(crate) fn describe(&self) -> String {
        let files = self.new.len() + self.kept.len();
        let mut text = format!("{files} files are in {}", self.folder.display());
        if !self.kept.is_empty() {
            text.push_str(&format!(", {} of them from before", self.kept.len()));
        }
        if self.frames_ready < self.frames_total {
            text.push_str(&format!(
                "; {} of {} frames are ready, the same command fetches the rest later",
                self.frames_ready, self.frames_total
            ));
        }
        if self.previews > 0 {
            text.push_str(&format!(
                "; {} are previews under lines: `farm approve {}` brings the frames",
                self.previews, self.job
            ));
        }
        text
    }
}

/// Removes what an earlier download left in `folder`, and nothing else.
pub(crate) fn clear(folder: &Path) -> anyhow::Result<()> {
    if !folder.join(MARKER).exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let number = name.strip_prefix("frame-").or(name.strip_prefix("preview-"));
        let frame = number.is_some_and(|rest| {
            rest.strip_suffix(".exr")
                .or(rest.strip_suffix(".png"))
                .is_some_and(|number| number.bytes().all(|digit| digit.is_ascii_digit()))
        });
        if frame || name == MOVIE_FILE {
            std::fs::remove_file(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(std::fs::remove_file(folder.join(MARKER))?)
}

/// Makes `folder` the one of `job`: files of two jobs have the same names, and keeping those of
/// another job would pass its pictures off as this one's.
fn claim(folder: &Path, job: JobId) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let marker = folder.join(MARKER);
    match std::fs::read_to_string(&marker) {
        Ok(owner) if owner.trim() == job.to_string() => Ok(()),
        Ok(owner) => bail!(
            "{} holds the files of job {}; choose another folder with -o",
            folder.display(),
            owner.trim()
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::write(&marker, format!("{job}\n"))
                .with_context(|| format!("cannot write {}", marker.display()))
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", marker.display())),
    }
}

/// A frame that waits for its owner's approval comes as a preview under lines.
fn files(ready: &[FrameView], movie: bool, kinds: Kinds) -> Vec<(String, Artefact)> {
    let mut files = Vec::new();
    for FrameView { frame, approve_by_ms, .. } in ready {
        let (frame, number) = (*frame, frame.0);
        if approve_by_ms.is_some() {
            files.push((format!("preview-{number:04}.png"), Artefact::Png(frame)));
            continue;
        }
        if kinds.png {
            files.push((format!("frame-{number:04}.png"), Artefact::Png(frame)));
        }
        if kinds.exr {
            files.push((format!("frame-{number:04}.exr"), Artefact::Exr(frame)));
        }
    }
    if movie {
        files.push((MOVIE_FILE.into(), Artefact::Movie));
    }
    files
}

fn bar(voice: Voice, files: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("downloading {wide_bar} {pos}/{len} files  {eta}")
        .expect("the template is valid");
    ProgressBar::with_draw_target(Some(files as u64), voice.draw_target()).with_style(style)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_protocol::FrameNumber;

    #[test]
    fn a_folder_holds_the_files_of_one_job() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (JobId([1; 16]), JobId([2; 16]));
        claim(folder.path(), one).unwrap();
        claim(folder.path(), one).unwrap();
        let refused = claim(folder.path(), two).unwrap_err().to_string();
        assert!(refused.contains(&one.to_string()), "{refused}");
        clear(folder.path()).unwrap();
        claim(folder.path(), two).unwrap();
    }

    #[test]
    fn clearing_takes_away_what_was_downloaded_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &&str| std::fs::write(folder.path().join(name), "").unwrap();
        let count = || std::fs::read_dir(folder.path()).unwrap().count();
        ["frame-0001.png", "preview-0002.png", "film.mp4", "frame-final.png", "notes.txt"]
            .iter()
            .for_each(write);
        clear(folder.path()).unwrap();
        assert_eq!(count(), 5, "a folder that was never claimed is not ours");
        claim(folder.path(), JobId([1; 16])).unwrap();
        clear(folder.path()).unwrap();
        assert_eq!(count(), 2);
        assert!(folder.path().join("frame-final.png").exists());
    }

    #[test]
    fn files_are_named_by_frame() {
        let kinds = Kinds { exr: true, png: false, movie: true };
        let frame = |number, approve_by_ms| FrameView {
            frame: FrameNumber(number),
            verified: 1,
            units: 1,
            hash: None,
            approve_by_ms,
            dispute: None,
        };
        let frames = [frame(7, None), frame(8, Some(1))];
        let names: Vec<_> = files(&frames, true, kinds).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["frame-0007.exr", "preview-0008.png", "film.mp4"]);
    }
}
