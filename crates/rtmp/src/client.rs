//! A source's side of a connection.

use crate::amf::Value;
use crate::chunk;
use crate::talk::{self, Command, DATA, SessionError, Talk};
use bytes::{Bytes, BytesMut};

/// What the server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Media may be sent now.
    Publishing,
    /// It takes nothing, or nothing more: why, in its own words.
    Refused(String),
}

/// Where something is published.
#[derive(Clone, PartialEq, Eq)]
pub struct Destination {
    /// The application, as the server calls it.
    pub app: String,
    /// The URL up to and with the application.
    pub url: String,
    /// What follows it: mostly a secret.
    pub key: String,
}

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Destination").field("url", &self.url).finish_non_exhaustive()
    }
}

/// A connection with a server.
#[derive(Debug)]
pub struct Session {
    to: Destination,
    stage: Stage,
    talk: Talk,
    stream: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Hello,
    Echo,
    Connecting,
    Creating,
    Asking,
    Publishing,
}

/// Numbers of the calls whose answers are awaited.
const CONNECT: f64 = 1.0;
const CREATE: f64 = 4.0;

impl Session {
    /// Begins a connection: the first bytes are in [`Self::output`] at once.
    pub fn new(to: Destination) -> Self {
        let mut talk = Talk::default();
        talk.hello();
        Self { to, stage: Stage::Hello, talk, stream: 0 }
    }

    /// Where the next bytes are put.
    pub fn buffer(&mut self) -> &mut BytesMut {
        self.talk.chunks.buffer()
    }

    /// Says that `count` bytes were put.
    pub fn received(&mut self, count: usize) {
        self.talk.received(count);
    }

    /// What is to be sent.
    pub fn output(&mut self) -> Bytes {
        self.talk.output()
    }

    /// The next thing that the server said, if all of it is here.
    pub fn step(&mut self) -> Result<Option<Step>, SessionError> {
        loop {
            match self.stage {
                Stage::Hello => {
                    let Some(theirs) = self.talk.heard_hello()? else { return Ok(None) };
                    self.talk.raw(&theirs);
                    self.stage = Stage::Echo;
                }
                Stage::Echo => {
                    if !self.talk.heard_echo() {
                        return Ok(None);
                    }
                    self.talk.enlarge_chunks();
                    let about = talk::object(&[
                        ("app", &self.to.app),
                        ("type", "nonprivate"),
                        ("flashVer", "FMLE/3.0 (compatible; Tessera)"),
                        ("tcUrl", &self.to.url),
                    ]);
                    self.talk.command(0, "connect", CONNECT, &[about]);
                    self.stage = Stage::Connecting;
                }
                _ => {
                    let Some(message) = self.talk.next_message()? else { return Ok(None) };
                    if let Some(command) = talk::command(&message)?
                        && let Some(step) = self.command(&command)
                    {
                        return Ok(Some(step));
                    }
                }
            }
        }
    }

    /// Says what is sent: names and figures.
    pub fn metadata(&mut self, about: Vec<(String, Value)>) {
        let text = |text: &str| Value::Text(text.to_owned());
        let values = [text("@setDataFrame"), text("onMetaData"), Value::Object(about)];
        self.talk.values(DATA, self.stream, &values);
    }

    /// Sends a picture: the body of an FLV video tag of less than 16 MiB, at so many milliseconds.
    pub fn video(&mut self, ms: u32, body: Bytes) {
        self.talk.media(chunk::VIDEO, self.stream, ms, body);
    }

    /// Sends sound: the body of an FLV audio tag.
    pub fn audio(&mut self, ms: u32, body: Bytes) {
        self.talk.media(chunk::AUDIO, self.stream, ms, body);
    }

    fn command(&mut self, command: &Command) -> Option<Step> {
        let key = || Value::Text(self.to.key.clone());
        match (command.name.as_str(), self.stage) {
            ("_result", Stage::Connecting) if command.transaction == CONNECT => {
                let key = key();
                self.talk.command(0, "releaseStream", 2.0, &[Value::Nothing, key.clone()]);
                self.talk.command(0, "FCPublish", 3.0, &[Value::Nothing, key]);
                self.talk.command(0, "createStream", CREATE, &[Value::Nothing]);
                self.stage = Stage::Creating;
                None
            }
            ("_result", Stage::Creating) if command.transaction == CREATE => {
                self.stream = command.argument(1).and_then(Value::number).unwrap_or(1.0) as u32;
                let how = [Value::Nothing, key(), Value::Text("live".to_owned())];
                self.talk.command(self.stream, "publish", 5.0, &how);
                self.stage = Stage::Asking;
                None
            }
            // Not every server knows the calls in between.
            ("_error", Stage::Connecting | Stage::Creating)
                if matches!(command.transaction, CONNECT | CREATE) =>
            {
                Some(Step::Refused(words(command)))
            }
            ("onStatus", stage) => {
                let info = command.argument(1);
                let field = |name| info.and_then(|info| info.get(name)).and_then(Value::text);
                let begins = field("code") == Some("NetStream.Publish.Start");
                if begins && stage == Stage::Asking {
                    self.stage = Stage::Publishing;
                    return Some(Step::Publishing);
                }
                (field("level") == Some("error")).then(|| Step::Refused(words(command)))
            }
            _ => None,
        }
    }
}

/// What a server says of a refusal.
fn words(command: &Command) -> String {
    let info = command.argument(1);
    let field = |name| info.and_then(|info| info.get(name)).and_then(Value::text);
    let said = field("description").filter(|text| !text.is_empty()).or_else(|| field("code"));
    said.unwrap_or("without a reason").chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server;
    use proptest::prelude::*;

    fn to(app: &str) -> Destination {
        Destination { app: app.into(), url: format!("rtmp://x/{app}"), key: "k".into() }
    }

    /// Carries what one side says to the other.
    fn carry(bytes: &Bytes, to: &mut BytesMut) {
        to.extend_from_slice(bytes);
    }

    /// Lets both talk until the server is asked.
    fn until_asked(client: &mut Session, server: &mut server::Session) -> String {
        loop {
            carry(&client.output(), server.buffer());
            if let Some(server::Step::Publish { name }) = server.step().unwrap() {
                return name;
            }
            carry(&server.output(), client.buffer());
            assert_eq!(client.step().unwrap(), None);
        }
    }

    #[test]
    fn both_sides_understand_each_other() {
        let (mut client, mut server) = (Session::new(to("live")), server::Session::default());
        assert_eq!(until_asked(&mut client, &mut server), "k");
        server.accept();
        carry(&server.output(), client.buffer());
        assert_eq!(client.step().unwrap(), Some(Step::Publishing));
        client.metadata(vec![("width".into(), Value::Number(640.0))]);
        let (picture, sound) = (Bytes::from(vec![1; 10_000]), Bytes::from(vec![2; 300]));
        client.video(5, picture.clone());
        client.audio(0xff_ffff, sound.clone());
        client.video(u32::MAX, picture.clone());
        carry(&client.output(), server.buffer());
        let steps = [
            server::Step::Video(5, picture.clone()),
            server::Step::Audio(0xff_ffff, sound),
            server::Step::Video(u32::MAX, picture),
        ];
        for step in steps {
            assert_eq!(server.step().unwrap(), Some(step));
        }
        server.refuse("the key was rotated");
        carry(&server.output(), client.buffer());
        let refused = Step::Refused("the key was rotated".into());
        assert_eq!(client.step().unwrap(), Some(refused));
    }

    #[test]
    fn a_refusal_is_told_in_the_servers_words() {
        let (mut client, mut server) = (Session::new(to("other")), server::Session::default());
        for _ in 0..3 {
            carry(&client.output(), server.buffer());
            let _ = server.step();
            carry(&server.output(), client.buffer());
            if let Some(Step::Refused(why)) = client.step().unwrap() {
                assert!(why.contains("ends in /live"), "{why}");
                return;
            }
        }
        panic!("it was not refused");
    }

    #[test]
    fn a_hostile_server_is_an_error_and_not_the_end() {
        let nested = [&[20_u8][..], &[10, 0, 0, 0, 1].repeat(5000)].concat();
        let hello = [&[3][..], &[0; 2 * talk::HANDSHAKE]].concat();
        let mut client = Session::new(to("live"));
        carry(&hello.into(), client.buffer());
        let message = chunk::Message { kind: 20, time: 0, stream: 0, body: nested.into() };
        let mut bytes = BytesMut::new();
        chunk::write(&message, 3, chunk::FIRST_SIZE, &mut bytes);
        carry(&bytes.freeze(), client.buffer());
        assert_eq!(client.step(), Err(SessionError::Command));
    }

    proptest! {
        #[test]
        fn nothing_a_server_says_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut client = Session::new(to("live"));
            client.buffer().extend_from_slice(&[3]);
            client.buffer().extend_from_slice(&[0; 2 * talk::HANDSHAKE]);
            client.buffer().extend_from_slice(&bytes);
            while let Ok(Some(_)) = client.step() {}
        }

        #[test]
        fn nothing_a_source_says_makes_a_server_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut server = server::Session::default();
            server.buffer().extend_from_slice(&[3]);
            server.buffer().extend_from_slice(&[0; 2 * talk::HANDSHAKE]);
            server.buffer().extend_from_slice(&bytes);
            while let Ok(Some(_)) = server.step() {}
        }
    }
}
