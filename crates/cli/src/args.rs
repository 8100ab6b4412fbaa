//! What can be typed.

mod frames;
mod money;
mod stream;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use tessera_protocol::settings::Background;
use tessera_protocol::{Amount, DeliveryId, JobId, LeaseId, MasterId, NodeId, RayPrice, WebhookId};

pub(crate) use frames::{FrameList, Frames};
pub(crate) use money::{
    AcceptArgs, ApproveArgs, PayWith, ReclaimArgs, RejectArgs, TierArg, TopUpArgs, WalletArgs,
};
pub(crate) use stream::{
    CreateStreamArgs, ReclaimStreamArgs, StreamCommand, StreamRef, TopUpStreamArgs,
};

/// Have scenes rendered and streams transcoded by a farm, or run one on this machine.
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
    /// Start a whole farm on this machine: a master, nodes, a gateway and a worker for streams.
    Up(UpArgs),
    /// Start a farm, render the sample animation with it, and stream it until Ctrl-C.
    Demo(DemoArgs),
    /// Check a folder of receipts, without asking any master.
    Verify(VerifyArgs),
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
    /// Say why a job stands where it stands, or why a node gets no work.
    Why {
        /// A job's id, or a node's key.
        what: JobOrNode,
    },
    /// Show what became of a job's leases: who had which units, for how long, and what was wrong.
    Logs {
        /// The job.
        job: JobId,
        /// So many of them, the newest.
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        last: u32,
    },
    /// Say what a job would cost at most. Nothing is started.
    Quote(Box<SubmitArgs>),
    /// Pay a quote's ceiling into its escrow, unless it lies there already, and start its job.
    Accept(AcceptArgs),
    /// Take back what lies in the escrow of a quote whose job never began, once it has expired.
    Reclaim(ReclaimArgs),
    /// Raise a job's ceiling; a job that had too little goes on.
    TopUp(TopUpArgs),
    /// Approve frames that are assembled: their nodes are paid, and they come without lines.
    Approve(ApproveArgs),
    /// Object to a frame: it is looked at again, and what is wrong is rendered again for nothing.
    Reject(RejectArgs),
    /// Show the wallet that pays for jobs: its address, and what lies in it.
    Wallet(WalletArgs),
    /// Show the books: all balances, and the newest entries.
    Ledger,
    /// List what nodes were paid, newest first.
    Payouts,
    /// Lease no more work of a job until it is resumed.
    Pause { job: JobId },
    /// Go on with a paused job.
    Resume { job: JobId },
    /// Stop a job for good.
    Cancel { job: JobId },
    /// Go on with a job that failed, or have nodes give back frames that do not get on.
    Requeue {
        /// The job.
        job: JobId,
        /// Frames that are not assembled, such as 3,7-9: whoever renders them now gives them back.
        #[arg(long, value_name = "LIST")]
        frames: Option<FrameList>,
    },
    /// Fetch a job's pictures and film; what is there already is not fetched again.
    Download(DownloadArgs),
    /// Fetch a job's receipts, its scene and all sums, to be checked by `farm verify`.
    Receipt(ReceiptArgs),
    /// Show what an audit found of a lease, compute it here, and say who is right.
    Dispute(DisputeArgs),
    /// List the nodes and what they did.
    Nodes,
    /// Live streams: make them, look at them, end them.
    #[command(subcommand)]
    Stream(StreamCommand),
    /// Messages about one's jobs and streams to a server of one's own.
    #[command(subcommand)]
    Webhook(WebhookCommand),
}

/// What is done with webhooks.
#[derive(Debug, Subcommand)]
pub(crate) enum WebhookCommand {
    /// Have messages about one's jobs and streams sent to a URL, and print the secret of their
    /// signatures, which is shown this once.
    Add { url: String },
    /// List one's webhooks.
    List,
    /// Remove a webhook and its deliveries.
    Remove { webhook: WebhookId },
    /// List a webhook's messages of the last 30 days, and what became of them.
    Deliveries { webhook: WebhookId },
    /// Send a message again.
    Resend { webhook: WebhookId, delivery: DeliveryId },
    /// Send a message that says nothing, to try a webhook out.
    Ping { webhook: WebhookId },
}

/// A job, by its 32 digits, or a node, by its 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobOrNode {
    Job(JobId),
    Node(NodeId),
}

impl FromStr for JobOrNode {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() == 64 {
            return text.parse().map(Self::Node).map_err(|error| error.to_string());
        }
        text.parse().map(Self::Job).map_err(|error| error.to_string())
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct UpArgs {
    /// Where the master listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7878")]
    pub listen: SocketAddr,
    /// One node for each backend named here.
    #[arg(long, value_delimiter = ',', default_value = "cpu")]
    pub nodes: Vec<NodeKind>,
    /// Leave out what streams need: the gateway and the worker.
    #[arg(long)]
    pub no_streams: bool,
    #[command(flatten)]
    pub doors: DoorArgs,
}

/// Where streams come in and are played, on this machine; port 0 takes a free one.
#[derive(Debug, Clone, Copy, ClapArgs)]
pub(crate) struct DoorArgs {
    /// Where RTMP sources connect.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1935")]
    pub rtmp: SocketAddr,
    /// Where SRT sources connect.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9710")]
    pub srt: SocketAddr,
    /// Where segments are pushed, and everything is played.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub http: SocketAddr,
}

impl DoorArgs {
    /// Free ports for all.
    pub(crate) const ANY: Self = {
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Self { rtmp: any, srt: any, http: any }
    };
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DemoArgs {
    /// Where the pictures and the film go.
    #[arg(short, long, value_name = "DIR", default_value = "out")]
    pub output: PathBuf,
    /// One node for each backend named here: two at least, since part of the demo is rendered twice.
    #[arg(long, value_delimiter = ',', default_value = "cpu,cpu")]
    pub nodes: Vec<NodeKind>,
    /// Render only, and end when the film is there.
    #[arg(long)]
    pub no_streams: bool,
}

/// What a node renders with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NodeKind {
    /// The processor.
    Cpu,
    /// A GPU, through Vulkan itself.
    Vulkan,
    /// A GPU, through portable compute shaders.
    Wgpu,
    /// The same, with arithmetic as the driver likes it: gets tolerant jobs only.
    WgpuFast,
}

impl NodeKind {
    /// What its nodes are called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Vulkan => "vulkan",
            Self::Wgpu => "wgpu",
            Self::WgpuFast => "wgpu-fast",
        }
    }

    /// What render-node is told.
    pub(crate) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Cpu => &["--backend", "cpu"],
            Self::Vulkan => &["--backend", "vulkan"],
            Self::Wgpu => &["--backend", "wgpu"],
            Self::WgpuFast => &["--backend", "wgpu", "--arithmetic", "fast"],
        }
    }
}

/// Large enough for audits to cost less than a hundredth of the rendering, small enough for a frame to
/// spread over many nodes.
pub(crate) const DEFAULT_TILE: u32 = 128;

#[derive(Debug, ClapArgs)]
pub(crate) struct SubmitArgs {
    /// The scene: a .glb, a .gltf with its files beside it, or a .zip of them.
    #[arg(value_name = "FILE")]
    pub scene: PathBuf,
    /// Light from outside: an equirectangular picture, .hdr or .exr.
    #[arg(long, value_name = "FILE")]
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
    /// Which of the scene's cameras: its name, or its number, counted from 0. By default the first, or one that
    /// frames the scene where it has none.
    #[arg(long, value_name = "NAME|N")]
    pub camera: Option<CameraArg>,
    /// What the camera sees where it sees nothing.
    #[arg(long, value_enum, default_value = "environment")]
    pub background: BackgroundArg,
    /// Side of a tile, in pixels.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_TILE)]
    pub tile: u32,
    /// Samples of one unit of work. By default at most 64.
    #[arg(long, value_name = "N")]
    pub samples_per_unit: Option<u32>,
    /// Let devices render it whose arithmetic is not exact. Its frames are not the same bits each time,
    /// and each unit is rendered twice, by nodes of two owners.
    #[arg(long)]
    pub tolerant: bool,
    /// What to call the job. By default the file's name.
    #[arg(long)]
    pub name: Option<String>,
    /// Follow the job until it ends.
    #[arg(long)]
    pub watch: bool,
    /// Follow the job, then fetch its pictures and film to this folder.
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// What the job may cost at most, in tokens: it is quoted, and where it may cost more, not started.
    /// Without it an operator's job is rendered for nothing.
    #[arg(long, value_name = "TOKENS")]
    pub max_cost: Option<Amount>,
    /// Approve frames as they come, without a look: follow the job with --watch or --output. Otherwise they wait for
    /// `farm approve`, or for a day.
    #[arg(long, requires = "max_cost")]
    pub approve: bool,
    /// What 10^9 factored rays may cost at most, in tokens; what the farm suggests by default.
    #[arg(long, value_name = "TOKENS")]
    pub max_price: Option<RayPrice>,
    /// Whom the job waits for.
    #[arg(long, value_enum, default_value = "standard")]
    pub tier: TierArg,
    #[command(flatten)]
    pub with: PayWith,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ReceiptArgs {
    pub job: JobId,
    /// Where to.
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DisputeArgs {
    pub lease: LeaseId,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct VerifyArgs {
    /// What `farm receipt` fetched.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Pixels to compute again, chosen here.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub pixels: u64,
    /// Units and frames may be missing, as of a job that was cancelled.
    #[arg(long)]
    pub partial: bool,
    /// The master whose receipts they must be.
    #[arg(long, value_name = "KEY")]
    pub signed_by: Option<MasterId>,
    /// Choose the pixels that an earlier run chose, which printed this.
    #[arg(long, value_name = "HEX")]
    pub seed: Option<String>,
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

/// `2`, or whatever a camera is called that isn't a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CameraArg {
    Number(u32),
    Name(String),
}

impl FromStr for CameraArg {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Number))
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
    fn a_size_has_two_sides() {
        assert_eq!("1920x1080".parse(), Ok(Size { width: 1920, height: 1080 }));
        for text in ["", "1920", "x", "1x", "1x2x3", "-1x2"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
