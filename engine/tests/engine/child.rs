//! A started engine, and lanes done with it.

use bytes::{Bytes, BytesMut};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;
use tessera_engine_host::Limits;
use tessera_media::task::{SegmentDone, Task, Track};
use tessera_media::wire::{self, Body, Decoder, Lane, Message, TrackKind};
use tessera_media::{AccessUnit, AudioFormat, TrackFormat, VideoFormat};

/// An engine. Dropping it closes its input, and waits for it to end by itself.
pub(crate) struct Engine {
    child: Child,
    /// A thread writes, so that a test can read while it writes.
    say: Option<Sender<Message>>,
    said: Receiver<Message>,
    lanes: u32,
}

impl Engine {
    pub(crate) fn start() -> Self {
        Self::start_with(&Limits::default())
    }

    /// With a file that it finds open.
    pub(crate) fn start_on(file: &File) -> Self {
        let inherited = rustix::io::dup(file).unwrap();
        let input = Some(inherited.as_raw_fd());
        Self::start_with(&Limits { input, ..Limits::default() })
    }

    fn start_with(limits: &Limits) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_transcode-engine"))
            .args(limits.to_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (hear, heard) = channel();
        thread::spawn(move || read(output, &hear));
        let (say, said) = channel::<Message>();
        thread::spawn(move || {
            let mut bytes = BytesMut::new();
            while let Ok(message) = said.recv() {
                bytes.clear();
                wire::encode(&message, &mut bytes);
                if input.write_all(&bytes).is_err() {
                    return;
                }
            }
        });
        Self { child, say: Some(say), said: heard, lanes: 0 }
    }

    /// Opens a lane.
    pub(crate) fn begin(&mut self, task: Task) -> Lane {
        self.lanes += 1;
        let lane = Lane(self.lanes);
        self.say(lane, Body::Begin(task));
        lane
    }

    pub(crate) fn say(&self, lane: Lane, body: Body) {
        self.say.as_ref().unwrap().send(Message { lane, body }).unwrap();
    }

    /// The next message; `None` when the engine has ended.
    ///
    /// # Panics
    /// If the engine says nothing for a minute.
    pub(crate) fn hear(&mut self) -> Option<Message> {
        match self.said.recv_timeout(Duration::from_secs(60)) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the engine has stopped talking"),
        }
    }

    /// What is said on a lane next.
    pub(crate) fn hear_on(&mut self, lane: Lane) -> Body {
        let message = self.hear().expect("the engine lives on");
        assert_eq!(message.lane, lane);
        message.body
    }

    /// All that is said on a lane to its end, which is the last.
    pub(crate) fn hear_all(&mut self, lane: Lane) -> Vec<Body> {
        let mut bodies = vec![];
        loop {
            bodies.push(self.hear_on(lane));
            if let Some(Body::Finished | Body::Failed(_)) = bodies.last() {
                return bodies;
            }
        }
    }

    /// Does a task of which all is known beforehand.
    pub(crate) fn run(&mut self, task: Task, bodies: impl IntoIterator<Item = Body>) -> Vec<Body> {
        let lane = self.begin(task);
        for body in bodies {
            self.say(lane, body);
        }
        self.hear_all(lane)
    }

    /// Closes the engine's input; returns how it ended.
    pub(crate) fn end(mut self) -> std::process::ExitStatus {
        self.say = None;
        self.child.wait().unwrap()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.say = None;
        let _ = self.child.wait();
    }
}

fn read(mut output: ChildStdout, hear: &Sender<Message>) {
    let mut decoder = Decoder::default();
    let mut piece = vec![0; 64 << 10];
    while let Ok(n @ 1..) = output.read(&mut piece) {
        decoder.buffer().extend_from_slice(&piece[..n]);
        while let Some(message) = decoder.next_message().expect("the engine says messages") {
            // A test that failed half-way has left more than it reads.
            let _ = hear.send(message);
        }
    }
}

/// What came of one rendition.
#[derive(Debug, Clone, Default)]
pub(crate) struct Coded {
    pub(crate) format: Option<VideoFormat>,
    pub(crate) units: Vec<AccessUnit>,
}

/// What came of a ladder.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub(crate) report: Option<Bytes>,
    pub(crate) sound_format: Option<AudioFormat>,
    pub(crate) sound: Vec<AccessUnit>,
    pub(crate) renditions: Vec<Coded>,
    pub(crate) done: Vec<SegmentDone>,
    finished: bool,
}

impl Made {
    /// Of a lane that finished.
    pub(crate) fn of(bodies: Vec<Body>) -> Self {
        let mut made = Self::default();
        for body in bodies {
            made.take(body);
        }
        assert!(made.finished);
        made
    }

    /// Something more is said.
    pub(crate) fn take(&mut self, body: Body) {
        assert!(!self.finished);
        match body {
            Body::Format(index, format) => self.rendition(index.0).format = Some(format),
            Body::Coded(index, unit) => self.rendition(index.0).units.push(unit),
            Body::Done(done) => self.done.push(done),
            Body::Report(json) => self.report = Some(json),
            Body::Track(Track { format: TrackFormat::Audio(format) }) => {
                self.sound_format = Some(format);
            }
            Body::Source(TrackKind::Audio, unit) => self.sound.push(unit),
            Body::Finished => self.finished = true,
            other => panic!("{other:?}"),
        }
    }

    fn rendition(&mut self, index: u8) -> &mut Coded {
        let index = usize::from(index);
        if self.renditions.len() <= index {
            self.renditions.resize_with(index + 1, Coded::default);
        }
        &mut self.renditions[index]
    }
}
