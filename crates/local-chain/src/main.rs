//! `local-chain`: a chain of one machine, with play money.

use anyhow::{Context, bail};
use clap::Parser;
use solana_address::Address;
use std::net::SocketAddr;
use std::path::PathBuf;
use tessera_durable::{Access, OsDisk, write_file};
use tessera_local_chain::{
    Config, LocalChain, SETTLEMENT_PROGRAM, own_programs, serve, system_clock,
};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Runs a chain of this machine alone: the settlement program in a real VM, behind Solana's
/// JSON-RPC, with play money for everybody. Ends on SIGTERM or Ctrl-C; what it answered, it keeps.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Folder of the chain's state, made where it is missing.
    #[arg(long, value_name = "FOLDER")]
    state: PathBuf,
    /// Address to listen on; port 0 takes any that is free.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8899")]
    listen: SocketAddr,
    /// Let other machines connect. Whoever does gets money, and none of it is worth anything.
    #[arg(long)]
    open_to_others: bool,
    /// File that the URL, the settlement program and the mint are written to, a line each, once it listens.
    #[arg(long, value_name = "FILE")]
    address_file: Option<PathBuf>,
    /// Another program to put in place, as ADDRESS=FILE.so.
    #[arg(long, value_name = "PROGRAM", value_parser = program)]
    program: Vec<(Address, PathBuf)>,
}

fn program(text: &str) -> Result<(Address, PathBuf), String> {
    let (address, path) = text.split_once('=').ok_or("a program is ADDRESS=FILE.so")?;
    let address = address.parse().map_err(|_| format!("{address:?} is no address"))?;
    Ok((address, PathBuf::from(path)))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // What the VM refuses is the sender's matter, and told to the sender.
    let filter = EnvFilter::from_default_env().add_directive("litesvm=off".parse()?);
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let Arguments { state, listen, open_to_others, address_file, program } = Arguments::parse();
    if !listen.ip().is_loopback() && !open_to_others {
        bail!(
            "{listen} can be reached by other machines, and the faucet gives to anybody; listen on \
             127.0.0.1, or add --open-to-others if that is meant"
        );
    }
    let mut programs = own_programs();
    for (address, path) in program {
        let elf =
            std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        programs.push((address, elf));
    }
    let config = Config { state: state.clone(), clock: system_clock(), programs };
    let chain = tokio::task::spawn_blocking(move || LocalChain::open(config)).await??;
    let listener =
        TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let url = format!("http://{}", listener.local_addr()?);
    println!("a chain of this machine alone; its money is play money and worth nothing");
    println!("state:   {}", state.display());
    println!("program: {SETTLEMENT_PROGRAM}");
    println!("mint:    {}", chain.mint());
    println!("faucet:  {}", chain.faucet());
    println!("listening on {url}");
    if let Some(path) = address_file {
        let text = format!("{url}\n{SETTLEMENT_PROGRAM}\n{}\n", chain.mint());
        write_file(&OsDisk, &path, text.as_bytes(), Access::Umask)?;
    }
    let mut terminated = signal(SignalKind::terminate())?;
    let stop = async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    serve(chain, listener, stop).await?;
    println!("stopped");
    Ok(())
}
