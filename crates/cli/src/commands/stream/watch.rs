//! `farm stream watch`: a stream until it is ended.

use super::describe::{level, session_line, state};
use crate::Interrupted;
use crate::show::Voice;
use std::time::Duration;
use tessera_client::Client;
use tessera_protocol::stream::view::{SessionView, StreamState, StreamView};

/// How often the master is asked: half of a segment's usual length.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a master may be away: it may be restarted or moved.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Says what changes, beginning with how things stand. Keeps on until the stream is ended.
pub(crate) async fn run(client: &Client, stream: StreamView, voice: Voice) -> anyhow::Result<()> {
    let client = client.clone().with_patience(PATIENCE);
    tokio::select! {
        outcome = follow(&client, stream, voice) => outcome,
        _ = tokio::signal::ctrl_c() => Err(Interrupted.into()),
    }
}

async fn follow(client: &Client, stream: StreamView, voice: Voice) -> anyhow::Result<()> {
    let id = stream.id;
    let mut shown = Shown::default();
    let mut stream = stream;
    loop {
        let session = match stream.session {
            Some(session) => Some(client.session(session).await?),
            None => None,
        };
        shown.show(&stream, session.as_ref(), voice)?;
        if stream.state == StreamState::Ended {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
        stream = client.stream(id).await?;
    }
}

/// What was shown last.
#[derive(Default)]
struct Shown {
    stream: Option<StreamView>,
    session: Option<SessionView>,
}

impl Shown {
    /// Shows what is new: to programs the whole of what changed, to people a line for each thing.
    fn show(
        &mut self,
        stream: &StreamView,
        session: Option<&SessionView>,
        voice: Voice,
    ) -> anyhow::Result<()> {
        if voice.is_json() {
            if self.stream.as_ref() != Some(stream) {
                voice.result(&serde_json::json!({"stream": stream}), String::new)?;
            }
            if let Some(session) = session.filter(|&now| self.session.as_ref() != Some(now)) {
                voice.result(&serde_json::json!({"session": session}), String::new)?;
            }
        } else {
            for line in self.news(stream, session) {
                voice.result(&(), || line)?;
            }
        }
        (self.stream, self.session) = (Some(stream.clone()), session.cloned());
        Ok(())
    }

    fn news(&self, stream: &StreamView, session: Option<&SessionView>) -> Vec<String> {
        let mut news = Vec::new();
        let before = self.stream.as_ref();
        if before.map(|before| before.state) != Some(stream.state) {
            let hint = match stream.state {
                StreamState::Idle => ": nobody sends",
                StreamState::Live | StreamState::Ended => "",
            };
            news.push(format!("{} is {}{hint}", stream.spec.name, state(stream.state)));
        }
        if let Some(url) = &stream.playback_url
            && before.and_then(|before| before.playback_url.as_ref()) != Some(url)
        {
            news.push(format!("play it: {url}"));
        }
        let known = |code: &str| {
            before.is_some_and(|before| before.health.iter().any(|note| note.code == code))
        };
        for note in stream.health.iter().filter(|note| !known(&note.code)) {
            news.push(format!("{}: {}", level(note), note.text));
        }
        for note in before.iter().flat_map(|before| &before.health) {
            if !stream.health.iter().any(|now| now.code == note.code) {
                news.push(format!("no longer: {}", note.text));
            }
        }
        let Some(session) = session else { return news };
        let earlier = self.session.as_ref().filter(|earlier| earlier.id == session.id);
        if let Some(source) = &session.source
            && earlier.and_then(|earlier| earlier.source.as_ref()) != Some(source)
        {
            news.push(format!("source: {source}"));
        }
        if earlier.is_none_or(|earlier| earlier.segments != session.segments) {
            news.push(session_line(session));
        }
        if let Some(why) = &session.ended_because
            && earlier.is_none_or(|earlier| earlier.ended_because.is_none())
        {
            news.push(format!("the session ended: {why}"));
        }
        if let Some(recording) = &session.recording
            && earlier.is_none_or(|earlier| earlier.recording.is_none())
        {
            news.push(format!("recorded: {}", recording.playlist_url));
        }
        news
    }
}
