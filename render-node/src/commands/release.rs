//! `render-node release`: what a farm's operator does, so that nodes take a new program.

use crate::update::target;
use anyhow::{Context as _, bail};
use std::fs::File;
use std::path::{Path, PathBuf};
use tessera_durable::{Access, OsDisk, write_file};
use tessera_protocol::commit::NodeKey;
use tessera_protocol::release::{Release, ReleaseVersion};
use tessera_protocol::{BlobHash, ReleaseKey};

/// What is to be done.
#[derive(Debug, clap::Subcommand)]
pub enum Order {
    /// Make a key that releases are signed with: whoever has it decides what nodes run. Keep it off the master.
    Keygen {
        /// Where; it must not be there yet.
        file: PathBuf,
    },
    /// Sign a program: PROGRAM.sig beside it, which the master offers with it (--node-program).
    Sign(Sign),
}

/// What is signed.
#[derive(Debug, clap::Args)]
pub struct Sign {
    /// The key's file.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The release's version: three numbers, higher than any before; nodes never go back.
    #[arg(long)]
    version: ReleaseVersion,
    /// What the program runs on; what this one does by default.
    #[arg(long, default_value_t = target())]
    target: String,
    /// The program.
    program: PathBuf,
}

/// Makes a key, or a signature.
pub fn run(order: &Order) -> anyhow::Result<()> {
    match order {
        Order::Keygen { file } => keygen(file),
        Order::Sign(order) => sign(order),
    }
}

fn keygen(file: &Path) -> anyhow::Result<()> {
    if file.exists() {
        bail!("{} is there already, and nodes may trust the key in it", file.display());
    }
    let key = NodeKey::generate().map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    let text = format!("{}\n", hex::encode(key.secret()));
    write_file(&OsDisk, file, text.as_bytes(), Access::OwnerOnly)?;
    println!("{}", ReleaseKey(key.node().0));
    Ok(())
}

fn sign(order: &Sign) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(&order.key)
        .with_context(|| format!("could not read {}", order.key.display()))?;
    let mut secret = [0; 32];
    if hex::decode_to_slice(text.trim(), &mut secret).is_err() {
        bail!("{} holds no key; render-node release keygen makes one", order.key.display());
    }
    let unread = || format!("could not read {}", order.program.display());
    let program = File::open(&order.program).with_context(unread)?;
    let bytes = program.metadata().with_context(unread)?.len();
    if bytes > Release::BYTES_MAX {
        bail!("{} is longer than any program that nodes take", order.program.display());
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(program).with_context(unread)?;
    let hash = BlobHash(*hasher.finalize().as_bytes());
    let key = NodeKey::from_secret(&secret);
    let release = Release::sign(order.version, &order.target, (bytes, hash), &key);
    let mut name = order.program.clone().into_os_string();
    name.push(".sig");
    let file = PathBuf::from(name);
    write_file(&OsDisk, &file, &serde_json::to_vec_pretty(&release)?, Access::Umask)?;
    println!("{}: release {} for {}", file.display(), release.version, release.target);
    Ok(())
}
