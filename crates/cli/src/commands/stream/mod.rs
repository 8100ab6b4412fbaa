//! `farm stream …`: live streams, for those who send them.

pub(crate) mod describe;
mod watch;

use super::money::open;
use crate::args::{CreateStreamArgs, ReclaimStreamArgs, StreamCommand, StreamRef, TopUpStreamArgs};
use crate::network::state::StateFolder;
use crate::show::Voice;
use crate::show::numbers::{ago, count, now_ms};
use crate::show::table::Column::{Left, Right};
use crate::show::table::table;
use anyhow::{Context, bail};
use describe::{describe, how_to_send, money_line, state as state_of};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use tessera_client::Client;
use tessera_protocol::stream::view::{SegmentView, StreamKeyView, StreamSpec, StreamView};
use tessera_protocol::{Amount, NodeId};
use tessera_wallet::Wallet;

/// Does what was asked.
pub(crate) async fn run(
    client: &Client,
    command: StreamCommand,
    state: &StateFolder,
    voice: Voice,
) -> anyhow::Result<()> {
    match command {
        StreamCommand::Create(args) => make(client, args, state, voice).await,
        StreamCommand::TopUp(TopUpStreamArgs { stream, amount, with }) => {
            let stream = find(client, &stream).await?;
            let wallet = open(client, &with, state).await?;
            let funded = fund(client, &stream, amount, &wallet).await?;
            voice.result(&funded, || money_line(&funded).unwrap_or_default())
        }
        StreamCommand::Reclaim(ReclaimStreamArgs { stream, with }) => {
            let stream = find(client, &stream).await?;
            let money = stream.money.context(NOT_PAID)?;
            let wallet = open(client, &with, state).await?;
            let returned = wallet.reclaim(money.escrow).await?;
            voice.result(&returned, || format!("{returned} returned to {}", wallet.account()))
        }
        StreamCommand::List => list(client, voice).await,
        StreamCommand::Show { stream } => show(client, &stream, voice).await,
        StreamCommand::Watch { stream } => {
            let stream = find(client, &stream).await?;
            watch::run(client, stream, voice).await
        }
        StreamCommand::RotateKey { stream } => {
            let stream = find(client, &stream).await?;
            print_key(&client.rotate_key(stream.id).await?, voice)
        }
        StreamCommand::Stop { stream } => {
            let stream = find(client, &stream).await?;
            let ended = client.end_stream(stream.id).await?;
            voice.result(&ended, || format!("stream {} has ended", ended.id))
        }
        StreamCommand::Segments { stream } => segments(client, &stream, voice).await,
    }
}

const NOT_PAID: &str = "nobody pays for this stream: it was made without --max-price";

/// Makes a stream, prints its key, and then pays its deposit: whatever becomes of that, the key is known.
async fn make(
    client: &Client,
    args: CreateStreamArgs,
    state: &StateFolder,
    voice: Voice,
) -> anyhow::Result<()> {
    let wallet = match args.deposit {
        Some(_) => Some(open(client, &args.with, state).await?),
        None => None,
    };
    let deposit = args.deposit.unwrap_or_default();
    let made = create(client, &spec(args)).await?;
    print_key(&made, voice)?;
    let Some(wallet) = wallet else { return Ok(()) };
    let id = made.stream.id;
    let funded = fund(client, &made.stream, deposit, &wallet).await.with_context(|| {
        format!(
            "the stream is made, and not paid for: `farm stream top-up {id} {deposit}` tries again"
        )
    })?;
    voice.remark(&money_line(&funded).unwrap_or_default());
    Ok(())
}

/// Pays into a stream's escrow, and has the farm look there.
async fn fund(
    client: &Client,
    stream: &StreamView,
    amount: Amount,
    wallet: &Wallet,
) -> anyhow::Result<StreamView> {
    let money = stream.money.context(NOT_PAID)?;
    wallet.fund(money.escrow, amount).await?;
    client.top_up_stream(stream.id).await.with_context(|| {
        format!("{amount} lie in escrow {} and the farm does not count them yet", money.escrow)
    })
}

/// Makes a stream.
pub(crate) async fn create(client: &Client, spec: &StreamSpec) -> anyhow::Result<StreamKeyView> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce)?;
    Ok(client.create_stream(spec, &hex::encode(nonce)).await?)
}

fn spec(args: CreateStreamArgs) -> StreamSpec {
    StreamSpec {
        name: args.name,
        ladder: args.ladder.unwrap_or_else(|| args.preset.ladder()),
        latency: args.latency.into(),
        record: args.record,
        restream: args.restream,
        max_price: args.max_price,
    }
}

fn print_key(made: &StreamKeyView, voice: Voice) -> anyhow::Result<()> {
    voice.result(made, || {
        format!("stream {} is {}\n{}", made.stream.spec.name, made.stream.id, how_to_send(made))
    })
}

/// The stream that is meant: by its id, or by a name that only one has.
async fn find(client: &Client, meant: &StreamRef) -> anyhow::Result<StreamView> {
    if let Ok(id) = meant.0.parse() {
        return Ok(client.stream(id).await?);
    }
    let all = client.streams().await?;
    let mut named = all.into_iter().filter(|stream| stream.spec.name == meant.0);
    match (named.next(), named.next()) {
        (Some(stream), None) => Ok(stream),
        (None, _) => bail!("no stream is called {:?}; `farm stream list` shows all", meant.0),
        (Some(_), Some(_)) => {
            bail!("several streams are called {:?}; say which by its id", meant.0)
        }
    }
}

async fn list(client: &Client, voice: Voice) -> anyhow::Result<()> {
    let streams = client.streams().await?;
    voice.result(&streams, || {
        if streams.is_empty() {
            return "no streams yet; `farm stream create NAME` makes one".into();
        }
        let now = now_ms();
        let rows: Vec<_> = streams
            .iter()
            .map(|stream| {
                vec![
                    stream.id.to_string(),
                    stream.spec.name.clone(),
                    state_of(stream.state).into(),
                    ago(stream.created_ms, now),
                    stream.playback_url.clone().unwrap_or_else(|| "not played yet".into()),
                ]
            })
            .collect();
        let columns = [Left("stream"), Left("name"), Left("state"), Left("made"), Left("playback")];
        table(&columns, &rows)
    })
}

async fn show(client: &Client, meant: &StreamRef, voice: Voice) -> anyhow::Result<()> {
    let stream = find(client, meant).await?;
    let (session, segments) = match stream.session {
        Some(session) => (Some(client.session(session).await?), client.segments(session).await?),
        None => (None, Vec::new()),
    };
    let names = names(client).await?;
    let makers = makers(&segments, &names);
    let facts = json!({"stream": stream, "session": session, "workers": makers});
    voice.result(&facts, || {
        let rows: Vec<_> = makers
            .iter()
            .map(|maker| {
                let (segments, pixels) = (maker.segments.to_string(), count(maker.pixels as f64));
                vec![maker.name.clone(), segments, pixels]
            })
            .collect();
        let columns = [Left("transcoded by"), Right("segments"), Right("pixels")];
        let workers = if rows.is_empty() { String::new() } else { table(&columns, &rows) };
        format!("{}{workers}", describe(&stream, session.as_ref()))
    })
}

/// Who made how much of a session.
#[derive(Debug, serde::Serialize)]
struct Maker {
    /// `None` for the source itself.
    node: Option<NodeId>,
    name: String,
    segments: u64,
    pixels: u64,
}

fn makers(segments: &[SegmentView], names: &HashMap<NodeId, String>) -> Vec<Maker> {
    let mut makers = BTreeMap::<Option<String>, Maker>::new();
    for segment in segments {
        let key = segment.node.map(|node| node.to_string());
        let maker = makers.entry(key).or_insert_with(|| Maker {
            node: segment.node,
            name: name(segment.node, names),
            segments: 0,
            pixels: 0,
        });
        maker.segments += 1;
        maker.pixels += pixels(segment);
    }
    makers.into_values().collect()
}

async fn segments(client: &Client, meant: &StreamRef, voice: Voice) -> anyhow::Result<()> {
    let stream = find(client, meant).await?;
    let segments = match stream.session {
        Some(session) => client.segments(session).await?,
        None => Vec::new(),
    };
    let names = names(client).await?;
    voice.result(&segments, || {
        if segments.is_empty() {
            return "no segments yet".into();
        }
        let rows: Vec<_> = segments
            .iter()
            .map(|segment| {
                vec![
                    segment.segment.to_string(),
                    format!("{:.3} s", segment.start_ms as f64 / 1000.0),
                    format!("{:.3} s", segment.duration_ms as f64 / 1000.0),
                    name(segment.node, &names),
                    count(pixels(segment) as f64),
                ]
            })
            .collect();
        let columns =
            [Right("segment"), Right("begins"), Right("lasts"), Left("made by"), Right("pixels")];
        table(&columns, &rows)
    })
}

/// What workers are called.
async fn names(client: &Client) -> anyhow::Result<HashMap<NodeId, String>> {
    let workers = client.workers().await?;
    Ok(workers.into_iter().map(|worker| (worker.id, worker.name)).collect())
}

fn name(node: Option<NodeId>, names: &HashMap<NodeId, String>) -> String {
    match node {
        Some(node) => names.get(&node).cloned().unwrap_or_else(|| node.to_string()),
        None => "the source itself".to_owned(),
    }
}

fn pixels(segment: &SegmentView) -> u64 {
    let renditions = segment.claim.iter().flat_map(|claim| &claim.renditions);
    renditions.map(|rendition| rendition.pixels).sum()
}
