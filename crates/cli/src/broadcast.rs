//! A film that is sent as a stream, again and again, by ffmpeg.

use crate::commands::stream::create;
use crate::commands::stream::describe::watch_page;
use crate::network::child::{Recipe, Supervised};
use crate::network::state::StateFolder;
use crate::show::Voice;
use anyhow::{Context, bail, ensure};
use serde_json::json;
use std::convert::Infallible;
use std::path::Path;
use std::time::{Duration, Instant};
use tessera_client::Client;
use tessera_protocol::StreamId;
use tessera_protocol::stream::view::{Latency, StreamSpec, StreamState};

/// What the stream is called, so that what an interrupted demo left is known.
const NAME: &str = "the film of the demo";
/// How long it may take until viewers have something to play: some segments, on a busy machine.
const PLAYS_WITHIN: Duration = Duration::from_secs(60);
/// How often the master is asked.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A stream that ffmpeg sends.
pub(crate) struct Broadcast {
    stream: StreamId,
    sender: Supervised,
    playing: bool,
}

impl Broadcast {
    /// Makes a stream and begins to send `film` to it.
    pub(crate) async fn start(
        client: &Client,
        state: &StateFolder,
        film: &Path,
    ) -> anyhow::Result<Self> {
        for stream in client.streams().await? {
            if stream.spec.name == NAME && stream.state != StreamState::Ended {
                client.end_stream(stream.id).await?;
            }
        }
        let spec = StreamSpec {
            name: NAME.to_owned(),
            // The film's own height and two steps below.
            ladder: "360p:800k,240p:400k,144p:200k".parse()?,
            latency: Latency::Standard,
            record: false,
            restream: None,
            max_price: None,
        };
        let made = create(client, &spec).await?;
        let door = made.ingest.iter().find(|ingest| ingest.protocol == "rtmp");
        let door = door.context("the gateway has no RTMP door")?;
        let arguments = ["-nostdin", "-loglevel", "warning", "-re", "-stream_loop", "-1", "-i"];
        let arguments = arguments.into_iter().map(Into::into).chain([film.into()]);
        let to = ["-c", "copy", "-f", "flv", &door.url].map(Into::into);
        let sender = Supervised::start(Recipe {
            name: "ffmpeg, which sends the film,".into(),
            program: "ffmpeg".into(),
            arguments: arguments.chain(to).collect(),
            log: state.log("ffmpeg"),
        })
        .context("the film is sent by the program ffmpeg: install it, or use --no-streams")?;
        Ok(Self { stream: made.stream.id, sender, playing: false })
    }

    /// Waits until it plays, and says where.
    pub(crate) async fn announce(&mut self, client: &Client, voice: Voice) -> anyhow::Result<()> {
        voice.remark("sending the film as a stream");
        let begun = Instant::now();
        let stream = loop {
            self.sender.expect_running()?;
            let stream = client.stream(self.stream).await?;
            ensure!(stream.state != StreamState::Ended, "somebody ended the stream");
            if let Some(session) = stream.session {
                let session = client.session(session).await?;
                if session.segments > session.segments_from_source {
                    break stream;
                }
            }
            if begun.elapsed() > PLAYS_WITHIN {
                let notes: Vec<_> = stream.health.iter().map(|note| note.text.as_str()).collect();
                bail!("the stream does not play yet: {}", notes.join(" "));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        self.playing = true;
        let (url, page) = (stream.playback_url.clone(), watch_page(&stream));
        let seconds = begun.elapsed().as_secs_f64();
        let facts = json!({
            "stream": self.stream,
            "playback_url": url,
            "watch_page": page,
            "seconds": seconds,
        });
        voice.result(&facts, || {
            let (url, page) = (url.unwrap_or_default(), page.unwrap_or_default());
            format!(
                "The film is a live stream now, transcoded by the worker:\n  in a browser     {page}\n  \
                 in other players  {url}\nCtrl-C ends the stream and the demo."
            )
        })
    }

    /// Whether viewers were told where it plays.
    pub(crate) fn is_playing(&self) -> bool {
        self.playing
    }

    /// Keeps sending, for ever.
    pub(crate) async fn keep_running(&mut self, voice: Voice) -> Infallible {
        self.sender.keep_running(voice).await
    }

    /// Ends the stream.
    pub(crate) async fn stop(mut self, client: &Client, voice: Voice) {
        self.sender.stop(voice).await;
        let ended = client.clone().with_patience(Duration::ZERO).end_stream(self.stream).await;
        if let Err(error) = ended {
            voice.remark(&format!("the stream could not be ended: {error}"));
        }
    }
}
