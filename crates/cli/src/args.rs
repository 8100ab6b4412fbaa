//! What can be typed.

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use tessera_protocol::job::FrameSpan;
use tessera_protocol::settings::Background;
use tessera_protocol::{FrameNumber, JobId};

/// Have scenes rendered by a farm, or run one on this machine.
#[derive(Debug, Parser)]
#[command(name = "farm", version, max_term_width = 100)]
pub(crate) struct Args {
    /// Address of the master, such as http://127.0.0.1:7878. By default that of `farm up`.
    #[arg(long, global = true, value_name = "URL", env = "TESSERA_MASTER")]
    pub master: Option<String>,
    /// What opens the master. By default the one in the state folder of `farm up`.
    #[arg(long, global = true, env = "TESSERA_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Where `farm up` keeps everything.
    #[arg(long, global = true, value_name = "DIR", default_value = ".tessera")]
    pub state: PathBuf,
    /// Print one JSON value a line instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// Speak plain http to a master on another machine: only where the connection is protected
    /// otherwise, since it shows the token to the network.
    #[arg(long, global = true)]
    pub allow_plain_http: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a whole farm on this machine: a master and nodes.
    Up(UpArgs),
    /// Start a farm, render the sample animation with it, and stop it again.
    Demo(DemoArgs),
    #[command(flatten)]
    Ask(Ask),
}

/// What is asked of a master that runs.
#[derive(Debug, Subcommand)]
pub(crate) enum Ask {
    /// Upload a scene and have frames of it rendered.
    Submit(Box<SubmitArgs>),
    /// List jobs, newest first.
    Jobs,
    /// Show one job in full.
    Show { job: JobId },
    /// Follow a job until it ends.
    Watch { job: JobId },
    /// Say why a job stands where it stands.
    Why { job: JobId },
    /// Lease no more work of a job until it is resumed.
    Pause { job: JobId },
    /// Go on with a paused job.
    Resume { job: JobId },
    /// Stop a job for good.
    Cancel { job: JobId },
    /// Fetch a job's pictures and film; what is there already is not fetched again.
    Download(DownloadArgs),
    /// List the nodes and what they did.
    Nodes,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct UpArgs {
    /// Where the master listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7878")]
    pub listen: SocketAddr,
    /// One node for each backend named here.
    #[arg(long, value_delimiter = ',', default_value = "cpu")]
    pub nodes: Vec<NodeKind>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DemoArgs {
    /// Where the pictures and the film go.
    #[arg(short, long, value_name = "DIR", default_value = "out")]
    pub output: PathBuf,
    /// One node for each backend named here.
    #[arg(long, value_delimiter = ',', default_value = "cpu")]
    pub nodes: Vec<NodeKind>,
}

/// What a node renders with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NodeKind {
    /// The processor.
    Cpu,
    /// A GPU, through portable compute shaders.
    Wgpu,
}

impl NodeKind {
    /// What render-node calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Wgpu => "wgpu",
        }
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SubmitArgs {
    /// The scene.
    #[arg(value_name = "FILE.glb")]
    pub scene: PathBuf,
    /// Light from outside: an equirectangular Radiance picture.
    #[arg(long, value_name = "FILE.hdr")]
    pub environment: Option<PathBuf>,
    /// Multiplies the light from outside.
    #[arg(long, value_name = "X", default_value_t = 1.0, requires = "environment")]
    pub environment_strength: f32,
    /// Turns the light from outside about the vertical, in degrees.
    #[arg(
        long,
        value_name = "DEG",
        default_value_t = 0.0,
        requires = "environment",
        allow_negative_numbers = true
    )]
    pub environment_rotation: f32,
    /// Which frames: one number, or first-last.
    #[arg(long, value_name = "A-B", default_value = "0")]
    pub frames: Frames,
    /// Frames a second; frame f shows the time f / fps.
    #[arg(long, default_value_t = 24)]
    pub fps: u32,
    /// Pixels across and down.
    #[arg(long, value_name = "WxH", default_value = "1280x720")]
    pub size: Size,
    /// Samples of each pixel.
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub spp: u32,
    /// Chooses the random numbers.
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub seed: u32,
    /// Bounces of light behind what the camera sees.
    #[arg(long, value_name = "D", default_value_t = 7)]
    pub max_bounces: u32,
    /// Which of the scene's cameras, counted from 0. By default the first, or one that frames the
    /// scene where it has none.
    #[arg(long, value_name = "N")]
    pub camera: Option<u32>,
    /// What the camera sees where it sees nothing.
    #[arg(long, value_enum, default_value = "environment")]
    pub background: BackgroundArg,
    /// Side of a tile, in pixels.
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub tile: u32,
    /// Samples of one unit of work. By default at most 64.
    #[arg(long, value_name = "N")]
    pub samples_per_unit: Option<u32>,
    /// What to call the job. By default the file's name.
    #[arg(long)]
    pub name: Option<String>,
    /// Follow the job until it ends.
    #[arg(long)]
    pub watch: bool,
    /// Follow the job, then fetch its pictures and film to this folder.
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DownloadArgs {
    pub job: JobId,
    /// Where to.
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
    /// The linear pictures.
    #[arg(long)]
    pub exr: bool,
    /// The pictures for the eye.
    #[arg(long)]
    pub png: bool,
    /// The film.
    #[arg(long)]
    pub movie: bool,
}

/// `environment` or `black`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum BackgroundArg {
    /// The environment map.
    Environment,
    /// Black.
    Black,
}

impl From<BackgroundArg> for Background {
    fn from(background: BackgroundArg) -> Self {
        match background {
            BackgroundArg::Environment => Self::Environment,
            BackgroundArg::Black => Self::Black,
        }
    }
}

/// `12` or `1-48`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frames(pub FrameSpan);

impl FromStr for Frames {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse().map(FrameNumber).ok();
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self(FrameSpan { first, last })),
            _ => Err("expected a frame such as 12, or a span such as 1-48".into()),
        }
    }
}

/// `1920x1080`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub width: u32,
    pub height: u32,
}

impl FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.split_once(['x', 'X'])
            .and_then(|(width, height)| {
                Some(Self { width: width.parse().ok()?, height: height.parse().ok()? })
            })
            .ok_or_else(|| "expected a size such as 1920x1080".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn frames_are_one_or_a_span_that_goes_forward() {
        let span = |first, last| {
            Ok(Frames(FrameSpan { first: FrameNumber(first), last: FrameNumber(last) }))
        };
        assert_eq!("12".parse(), span(12, 12));
        assert_eq!("1-48".parse(), span(1, 48));
        for text in ["", "-", "3-2", "1-", "a", "1-2-3", "4294967296"] {
            assert!(text.parse::<Frames>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_size_has_two_sides() {
        assert_eq!("1920x1080".parse(), Ok(Size { width: 1920, height: 1080 }));
        for text in ["", "1920", "x", "1x", "1x2x3", "-1x2"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
