//! A server's side of a connection, from the handshake to the end.

use crate::amf::Value;
use crate::chunk::{self, Message};
use crate::talk::{self, BANDWIDTH, Command, SessionError, Talk, WINDOW_SIZE};
use bytes::{Bytes, BytesMut};

/// What the server has to do next.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// A source wants in: answer with [`Session::accept`] or [`Session::refuse`] first.
    Publish {
        /// What it gave as its key.
        name: String,
    },
    /// A video message: milliseconds, and the body of an FLV tag.
    Video(u32, Bytes),
    /// An audio message.
    Audio(u32, Bytes),
    /// The source says that it is done.
    End,
}

/// Bytes after which each side wants to hear that they arrived.
const WINDOW: u32 = 2_500_000;
/// The one stream that is made.
const STREAM: u32 = 1;

/// A connection with a source.
#[derive(Debug, Default)]
pub struct Session {
    stage: Stage,
    talk: Talk,
    /// The source's stream, as `publish` named it.
    stream: u32,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Hello,
    Echo,
    Talk,
    /// It is being asked whether the source may come in.
    Asking,
    Sending,
}

impl Session {
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

    /// The next thing that the source said, if all of it is here.
    pub fn step(&mut self) -> Result<Option<Step>, SessionError> {
        loop {
            match self.stage {
                Stage::Hello => {
                    let Some(theirs) = self.talk.heard_hello()? else { return Ok(None) };
                    self.talk.hello();
                    self.talk.raw(&theirs);
                    self.stage = Stage::Echo;
                }
                Stage::Echo if self.talk.heard_echo() => self.stage = Stage::Talk,
                Stage::Echo | Stage::Asking => return Ok(None),
                Stage::Talk | Stage::Sending => {
                    let Some(message) = self.talk.next_message()? else { return Ok(None) };
                    if let Some(step) = self.message(message)? {
                        return Ok(Some(step));
                    }
                }
            }
        }
    }

    /// The source may send.
    pub fn accept(&mut self) {
        self.stage = Stage::Sending;
        self.talk.chunks.allow_media();
        self.status("status", "NetStream.Publish.Start", "go ahead");
    }

    /// The source may not send: before or in the midst of it. The connection has to be closed.
    pub fn refuse(&mut self, why: &str) {
        self.status("error", "NetStream.Publish.BadName", why);
    }

    fn message(&mut self, message: Message) -> Result<Option<Step>, SessionError> {
        match message.kind {
            chunk::VIDEO => Ok(Some(Step::Video(message.time, message.body))),
            chunk::AUDIO => Ok(Some(Step::Audio(message.time, message.body))),
            _ => match talk::command(&message)? {
                Some(command) => self.command(&command),
                None => Ok(None),
            },
        }
    }

    fn command(&mut self, command: &Command) -> Result<Option<Step>, SessionError> {
        let (transaction, argument) = (command.transaction, |n| command.argument(n));
        match (command.name.as_str(), self.stage) {
            ("connect", Stage::Talk) => {
                let app = argument(0).and_then(|object| object.get("app")).and_then(Value::text);
                if app.map(|app| app.trim_matches('/')) != Some("live") {
                    let why = "the URL ends in /live, and the stream key is given beside it";
                    let info = info("error", "NetConnection.Connect.Rejected", why);
                    self.talk.command(0, "_error", transaction, &[Value::Nothing, info]);
                    return Err(SessionError::Refused(why));
                }
                self.connected(transaction);
            }
            ("createStream", Stage::Talk) => {
                let stream = Value::Number(f64::from(STREAM));
                self.talk.command(0, "_result", transaction, &[Value::Nothing, stream]);
            }
            ("publish", Stage::Talk) => {
                let name = argument(1).and_then(Value::text).unwrap_or_default().to_owned();
                self.stream = STREAM;
                self.stage = Stage::Asking;
                return Ok(Some(Step::Publish { name }));
            }
            ("play" | "play2", _) => {
                self.status("error", "NetStream.Play.StreamNotFound", "nothing is played by RTMP");
                return Err(SessionError::Refused(
                    "nothing is played by RTMP: play the HLS playlist",
                ));
            }
            ("FCUnpublish" | "deleteStream" | "closeStream", Stage::Sending) => {
                self.status("status", "NetStream.Unpublish.Success", "good-bye");
                return Ok(Some(Step::End));
            }
            // Old encoders announce what they will do, and wait to hear of it.
            ("releaseStream" | "FCPublish", _) => {
                self.talk.command(0, "_result", transaction, &[Value::Nothing, Value::Nothing]);
            }
            _ => {}
        }
        Ok(None)
    }

    fn connected(&mut self, transaction: f64) {
        self.talk.control(WINDOW_SIZE, WINDOW);
        // A limit that the source may adapt.
        let bandwidth = [&WINDOW.to_be_bytes()[..], &[2]].concat();
        self.talk.control_with(BANDWIDTH, &bandwidth);
        self.talk.enlarge_chunks();
        let version = Value::Object(vec![
            ("fmsVer".to_owned(), Value::Text("FMS/3,0,1,123".to_owned())),
            ("capabilities".to_owned(), Value::Number(31.0)),
        ]);
        let info = info("status", "NetConnection.Connect.Success", "connected");
        self.talk.command(0, "_result", transaction, &[version, info]);
    }

    fn status(&mut self, level: &str, code: &str, description: &str) {
        let values = [Value::Nothing, info(level, code, description)];
        self.talk.command(self.stream, "onStatus", 0.0, &values);
    }
}

fn info(level: &str, code: &str, description: &str) -> Value {
    talk::object(&[("level", level), ("code", code), ("description", description)])
}
