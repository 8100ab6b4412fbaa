//! Sends a session's source on to another RTMP server, as it is.
//!
//! It holds nothing up: units that the other side does not take in time are dropped up to the next
//! keyframe, and a connection that breaks is made again. What goes wrong is told by the stream's
//! health, without the address's path, which has a key in it; and without how it went wrong, which
//! would say who listens where. That is in the operator's log.

mod target;

use bytes::{BufMut, Bytes, BytesMut};
use rustls_platform_verifier::BuilderVerifierExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tessera_client::Backoff;
use tessera_media::wire::TrackKind;
use tessera_media::{AccessUnit, AudioFormat, Ticks, VideoFormat};
use tessera_rtmp::SessionError;
use tessera_rtmp::amf::Value;
use tessera_rtmp::client::{Destination, Session, Step};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

pub(super) use target::Reach;
use target::Target;

/// Units that wait for the other side: about ten seconds.
const WAITING: usize = 1_000;
/// From dialling to being let in.
const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// The other side takes nothing for this long: it is gone.
const WRITE_WITHIN: Duration = Duration::from_secs(10);
const READ: usize = 16 << 10;
/// Waits between two connections.
const AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// What a stream's owner is told of a connection that was not made, whatever the reason.
const NOT_REACHED: &str = "cannot be reached";
/// And of one that was.
const NOT_TAKEN: &str = "does not take it any more";

/// What is sent on.
#[derive(Debug, Clone)]
enum Item {
    Video(Arc<VideoFormat>),
    Audio(AudioFormat),
    Unit(TrackKind, AccessUnit),
}

/// A session's end of it. Dropping it ends the connection.
#[derive(Debug)]
pub(super) struct Restream {
    items: mpsc::Sender<Item>,
    /// Formats that did not fit into the channel.
    unsaid: Vec<Item>,
    /// Units were dropped, and all are up to the next keyframe.
    dropping: bool,
    wrong: Arc<Mutex<Option<String>>>,
}

impl Restream {
    /// Begins sending to `url` whatever is given from now on, if that is within reach.
    pub(super) fn to(url: &str, reach: Reach) -> Self {
        let (items, waiting) = mpsc::channel(WAITING);
        let wrong = Arc::new(Mutex::new(None));
        match Target::parse(url) {
            Some(target) => {
                tokio::spawn(run(target, reach, waiting, Arc::clone(&wrong)));
            }
            None => {
                let text = "the address is not rtmp://host/app/key, without user and password";
                say(&wrong, Some(text.to_owned()));
            }
        }
        Self { items, unsaid: Vec::new(), dropping: false, wrong }
    }

    /// What is wrong, in words.
    pub(super) fn wrong(&self) -> Option<String> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn video(&mut self, format: &Arc<VideoFormat>) {
        self.unsaid.push(Item::Video(Arc::clone(format)));
    }

    pub(super) fn audio(&mut self, format: &AudioFormat) {
        self.unsaid.push(Item::Audio(format.clone()));
    }

    /// A unit with its times on the session's timeline.
    pub(super) fn unit(&mut self, track: TrackKind, unit: &AccessUnit) {
        while let Some(item) = self.unsaid.first() {
            if self.items.try_send(item.clone()).is_err() {
                break;
            }
            self.unsaid.remove(0);
        }
        let begins = track == TrackKind::Video && unit.keyframe;
        if (self.dropping && !begins) || !self.unsaid.is_empty() {
            return;
        }
        self.dropping = self.items.try_send(Item::Unit(track, unit.clone())).is_err();
    }
}

fn say(wrong: &Mutex<Option<String>>, what: Option<String>) {
    *wrong.lock().unwrap_or_else(PoisonError::into_inner) = what;
}

/// Why a connection is over, for the operator.
#[derive(Debug, thiserror::Error)]
enum RestreamError {
    #[error("it has no address: {0}")]
    Resolve(std::io::Error),
    #[error(
        "none of its addresses belongs to the public internet; --restream-to-private allows others"
    )]
    Private,
    #[error("it cannot be reached: {0}")]
    Reach(std::io::Error),
    #[error("the connection broke: {0}")]
    Broke(#[from] std::io::Error),
    #[error("it did not answer in time")]
    Slow,
    #[error("it refused: {0}")]
    Refused(String),
    #[error("what it says is no RTMP: {0}")]
    Nonsense(#[from] SessionError),
    #[error("secure connections cannot be set up: {0}")]
    Tls(String),
    /// The session is over.
    #[error("there is nothing more to send")]
    Over,
}

/// Sends until the session is over, on one connection after the other.
async fn run(
    target: Target,
    reach: Reach,
    mut items: mpsc::Receiver<Item>,
    wrong: Arc<Mutex<Option<String>>>,
) {
    let mut backoff = Backoff::new(AGAIN.0, AGAIN.1);
    let mut known = Known::default();
    loop {
        // Nothing is dialled before there is something to send.
        match items.recv().await {
            Some(item) => known.learn(&item),
            None => return,
        }
        let (error, otherwise) = match open(&target, reach).await {
            Ok(mut line) => {
                say(&wrong, None);
                tracing::info!(host = target.host, "a source is sent on");
                backoff.reset();
                match line.send_all(&target, &mut items, &mut known).await {
                    RestreamError::Over => return,
                    error => (error, NOT_TAKEN),
                }
            }
            Err(error) => (error, NOT_REACHED),
        };
        tracing::warn!(host = target.host, %error, "a source is not sent on now");
        let told = match error {
            RestreamError::Refused(why) => format!("{} refused: {why}", target.host),
            _ => format!("{} {otherwise}", target.host),
        };
        say(&wrong, Some(told));
        let pause = tokio::time::sleep(backoff.next_wait());
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => break,
                item = items.recv() => match item {
                    Some(item) => known.learn(&item),
                    None => return,
                },
            }
        }
    }
}

/// The formats in force.
#[derive(Default)]
struct Known {
    video: Option<Arc<VideoFormat>>,
    audio: Option<AudioFormat>,
}

impl Known {
    fn learn(&mut self, item: &Item) {
        match item {
            Item::Video(format) => self.video = Some(Arc::clone(format)),
            Item::Audio(format) => self.audio = Some(format.clone()),
            Item::Unit(..) => {}
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection on which the other side expects media.
struct Line {
    stream: Box<dyn Stream>,
    session: Session,
}

async fn open(target: &Target, reach: Reach) -> Result<Line, RestreamError> {
    let opened = tokio::time::timeout(OPEN_WITHIN, async {
        let stream = dial(target, reach).await?;
        handshake(stream, target).await
    });
    opened.await.unwrap_or(Err(RestreamError::Slow))
}

async fn dial(target: &Target, reach: Reach) -> Result<Box<dyn Stream>, RestreamError> {
    let addresses = target.addresses(reach).await.map_err(RestreamError::Resolve)?;
    if addresses.is_empty() {
        return Err(RestreamError::Private);
    }
    let tcp = TcpStream::connect(&addresses[..]).await.map_err(RestreamError::Reach)?;
    let _ = tcp.set_nodelay(true);
    if !target.secure {
        return Ok(Box::new(tcp));
    }
    let tls = |error: &dyn std::fmt::Display| RestreamError::Tls(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(|error| tls(&error))?
        .with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from(target.host.clone())
        .map_err(|error| tls(&error))?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    Ok(Box::new(connector.connect(name, tcp).await.map_err(RestreamError::Reach)?))
}

async fn handshake(stream: Box<dyn Stream>, target: &Target) -> Result<Line, RestreamError> {
    let (app, key) = (target.app.clone(), target.key.clone());
    let session = Session::new(Destination { app, url: target.tc_url(), key });
    let mut line = Line { stream, session };
    loop {
        match line.session.step()? {
            Some(Step::Publishing) => return Ok(line),
            Some(Step::Refused(why)) => {
                return Err(RestreamError::Refused(target.repeatable(&why)));
            }
            None => {
                line.flush().await?;
                line.read().await?;
            }
        }
    }
}

impl Line {
    /// Reads what the other side sends.
    async fn read(&mut self) -> Result<(), RestreamError> {
        let buffer = self.session.buffer();
        buffer.reserve(READ);
        match (&mut self.stream).take(READ as u64).read_buf(buffer).await? {
            0 => Err(RestreamError::Broke(std::io::ErrorKind::UnexpectedEof.into())),
            count => {
                self.session.received(count);
                Ok(())
            }
        }
    }

    /// Hears what was read, and answers it.
    async fn hear(&mut self, target: &Target) -> Result<(), RestreamError> {
        while let Some(step) = self.session.step()? {
            if let Step::Refused(why) = step {
                return Err(RestreamError::Refused(target.repeatable(&why)));
            }
        }
        self.flush().await
    }

    /// Sends what is to be sent.
    async fn flush(&mut self) -> Result<(), RestreamError> {
        let bytes = self.session.output();
        if bytes.is_empty() {
            return Ok(());
        }
        let written = tokio::time::timeout(WRITE_WITHIN, self.stream.write_all(&bytes)).await;
        Ok(written.map_err(|_| RestreamError::Slow)??)
    }

    /// Sends from the next keyframe on, until something goes wrong or there is no more.
    async fn send_all(
        &mut self,
        target: &Target,
        items: &mut mpsc::Receiver<Item>,
        known: &mut Known,
    ) -> RestreamError {
        let mut begin: Option<Ticks> = None;
        loop {
            let result = tokio::select! {
                read = self.read() => match read {
                    Ok(()) => self.hear(target).await,
                    Err(error) => Err(error),
                },
                item = items.recv() => match item {
                    Some(item) => self.send(item, known, &mut begin).await,
                    None => Err(RestreamError::Over),
                },
            };
            if let Err(error) = result {
                return error;
            }
        }
    }

    async fn send(
        &mut self,
        item: Item,
        known: &mut Known,
        begin: &mut Option<Ticks>,
    ) -> Result<(), RestreamError> {
        known.learn(&item);
        let (track, unit) = match item {
            Item::Unit(track, unit) => (track, unit),
            Item::Video(_) | Item::Audio(_) if begin.is_none() => return Ok(()),
            Item::Video(format) => {
                return self.tag(TrackKind::Video, 0, video_header(&format)).await;
            }
            Item::Audio(format) => {
                return self.tag(TrackKind::Audio, 0, audio_header(&format)).await;
            }
        };
        if begin.is_none() {
            if track == TrackKind::Audio || !unit.keyframe {
                return Ok(());
            }
            *begin = Some(unit.dts);
            self.introduce(known).await?;
        }
        let since = unit.dts - begin.unwrap_or(unit.dts);
        // RTMP counts in 32 bits and wraps; sound from before the first picture is not sent.
        let Ok(ms) = u64::try_from(since.millis()) else { return Ok(()) };
        let body = match track {
            TrackKind::Video => video_tag(&unit),
            TrackKind::Audio => audio_tag(&unit),
        };
        self.tag(track, ms as u32, body).await
    }

    /// What players need before the first unit.
    async fn introduce(&mut self, known: &Known) -> Result<(), RestreamError> {
        let mut about = Vec::new();
        let mut say = |name: &str, value: u32| {
            about.push((name.to_owned(), Value::Number(f64::from(value))));
        };
        if let Some(video) = &known.video {
            say("width", video.width);
            say("height", video.height);
            say("videocodecid", 7);
        }
        if let Some(audio) = &known.audio {
            say("audiocodecid", 10);
            say("audiosamplerate", audio.sample_rate);
            say("audiochannels", u32::from(audio.channels));
        }
        self.session.metadata(about);
        if let Some(video) = &known.video {
            self.tag(TrackKind::Video, 0, video_header(video)).await?;
        }
        if let Some(audio) = &known.audio {
            self.tag(TrackKind::Audio, 0, audio_header(audio)).await?;
        }
        Ok(())
    }

    async fn tag(&mut self, track: TrackKind, ms: u32, body: Bytes) -> Result<(), RestreamError> {
        match track {
            TrackKind::Video => self.session.video(ms, body),
            TrackKind::Audio => self.session.audio(ms, body),
        }
        self.flush().await
    }
}

fn video_header(format: &VideoFormat) -> Bytes {
    [&[0x17, 0, 0, 0, 0], &format.config[..]].concat().into()
}

fn audio_header(format: &AudioFormat) -> Bytes {
    [&[0xaf, 0], &format.config[..]].concat().into()
}

fn video_tag(unit: &AccessUnit) -> Bytes {
    let mut tag = BytesMut::with_capacity(5 + unit.data.len());
    tag.put_u8(if unit.keyframe { 0x17 } else { 0x27 });
    tag.put_u8(1);
    // How much later it is shown than decoded, in 24 bits.
    let later = (unit.pts.millis() - unit.dts.millis()).clamp(0, 0x7f_ffff);
    tag.put_slice(&(later as u32).to_be_bytes()[1..]);
    tag.put_slice(&unit.data);
    tag.freeze()
}

fn audio_tag(unit: &AccessUnit) -> Bytes {
    [&[0xaf, 1], &unit.data[..]].concat().into()
}

#[cfg(test)]
mod tests;
