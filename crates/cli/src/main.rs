//! `farm`: the command line of artists, broadcasters and operators.
//!
//! `farm up` starts the network on this machine, `farm submit` has a scene rendered by it, `farm
//! stream create` a stream transcoded, the rest looks at jobs and streams and steers them. It holds no rule of the farm: it asks the master and shows what
//! it says. It is not the installer of a node on somebody's machine; that is `render-node`.
//!
//! Contract with people: progress goes to the error stream, results to the output; with `--json`
//! the output holds one JSON value a line and nothing else. A failure is one sentence and an exit
//! status: 1 failed, 2 used wrongly, 3 not found, 4 not allowed, 5 in conflict with the state of
//! things, 6 nobody answered, 130 interrupted.
//!
//! Reading order: [`args`] → [`connection`] (which master) → [`commands`], with [`proof`] (receipts, checked) → [`wallet`] (what jobs are paid from) → [`network`] (the
//! processes of `farm up`) → [`up`] and [`demo`], which sends a [`broadcast`] → [`show`] (numbers, tables, bars).

mod args;
mod broadcast;
mod commands;
mod connection;
mod demo;
mod network;
mod proof;
mod show;
mod up;

use args::{Args, Ask, Command, JobOrNode};
use clap::Parser;
use commands::inspect;
use connection::Connection;
use network::state::StateFolder;
use show::Voice;
use std::process::ExitCode;
use tessera_client::{Client, ClientError};

/// One thread: the death signal of `farm up`'s children is bound to the thread that started them,
/// and there is nothing to compute here.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // `{:#}` joins the context and its causes to one line.
            eprintln!("farm: {error:#}");
            ExitCode::from(exit_status(&error))
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    let voice = Voice::new(args.json);
    let connection = Connection::new(&args);
    match args.command {
        Command::Up(up) => up::run(&up, connection.state(), voice).await,
        Command::Demo(demo) => demo::run(&demo, connection.state(), voice).await,
        Command::Verify(verify) => commands::receipt::verify(&verify, voice),
        Command::Ask(ask) => {
            answer(&connection.open().await?, ask, connection.state(), voice).await
        }
    }
}

async fn answer(
    client: &Client,
    ask: Ask,
    state: &StateFolder,
    voice: Voice,
) -> anyhow::Result<()> {
    match ask {
        Ask::Submit(submit) => commands::submit::run(client, &submit, state, voice).await,
        Ask::Quote(quote) => commands::money::quote(client, &quote, voice).await,
        Ask::Accept(accept) => commands::money::accept(client, &accept, state, voice).await,
        Ask::Reclaim(reclaim) => commands::money::reclaim(client, &reclaim, state, voice).await,
        Ask::TopUp(top_up) => commands::money::top_up(client, &top_up, state, voice).await,
        Ask::Approve(approve) => commands::approval::approve(client, &approve, voice).await,
        Ask::Reject(reject) => commands::approval::reject(client, &reject, voice).await,
        Ask::Wallet(wallet) => commands::money::wallet(client, &wallet, state, voice).await,
        Ask::Ledger => commands::money::ledger(client, voice).await,
        Ask::Payouts => commands::money::payouts(client, voice).await,
        Ask::Jobs => inspect::jobs(client, voice).await,
        Ask::Show { job } => inspect::show(client, job, voice).await,
        Ask::Watch { job } => commands::watch::run(client, job, voice).await,
        Ask::Why { what: JobOrNode::Job(job) } => inspect::why(client, job, voice).await,
        Ask::Why { what: JobOrNode::Node(node) } => inspect::why_node(client, node, voice).await,
        Ask::Logs { job, last } => inspect::logs(client, job, last, voice).await,
        Ask::Pause { job } => inspect::print_state(&client.pause(job).await?, voice),
        Ask::Resume { job } => inspect::print_state(&client.resume(job).await?, voice),
        Ask::Cancel { job } => inspect::print_state(&client.cancel(job).await?, voice),
        Ask::Requeue { job, frames } => {
            let frames = frames.map(|list| list.0).unwrap_or_default();
            inspect::print_state(&client.requeue(job, frames).await?, voice)
        }
        Ask::Download(download) => commands::download::run(client, &download, voice).await,
        Ask::Receipt(receipt) => commands::receipt::fetch(client, &receipt, voice).await,
        Ask::Dispute(dispute) => commands::receipt::dispute(client, &dispute, voice).await,
        Ask::Nodes => inspect::nodes(client, voice).await,
        Ask::Webhook(command) => commands::webhook::run(client, command, voice).await,
        Ask::Stream(command) => commands::stream::run(client, command, state, voice).await,
    }
}

/// Stopped by the person at the keyboard.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
struct Interrupted;

fn exit_status(error: &anyhow::Error) -> u8 {
    if error.is::<Interrupted>() {
        return 130;
    }
    let Some(error) = error.downcast_ref::<ClientError>() else { return 1 };
    match error {
        ClientError::Unauthorised { .. } => 4,
        ClientError::Unreachable { .. } | ClientError::Interrupted { .. } => 6,
        _ => match error.status() {
            Some(403) => 4,
            Some(404) => 3,
            Some(409) => 5,
            _ => 1,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;
    use tessera_protocol::problem::Problem;

    #[test]
    fn the_exit_status_tells_failures_apart_through_added_context() {
        let refused = |status| {
            let problem = Problem {
                kind: "/problems/x".into(),
                title: "X".into(),
                status,
                detail: "no".into(),
            };
            Err::<(), _>(ClientError::Refused { problem, retry_after: None })
                .context("while trying")
                .unwrap_err()
        };
        let statuses = [403, 404, 409, 422].map(|status| exit_status(&refused(status)));
        assert_eq!(statuses, [4, 3, 5, 1]);
        assert_eq!(exit_status(&Interrupted.into()), 130);
        assert_eq!(exit_status(&anyhow::anyhow!("anything else")), 1);
    }
}
