//! The first words on a line, before anything else may cost anything.

use crate::control::{Handshake, VERSION};
use bytes::BytesMut;
use std::io;
use std::pin::Pin as Pinned;
use std::time::Duration;
use tessera_media::wire::{Body, Decoder, Lane, Message, encode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest word of a handshake, in bytes. It is all that a stranger's claim can make us hold.
const LONGEST: usize = 4 << 10;
/// Bytes that the kernel holds unsent: what an urgent message may find in its way.
const UNSENT: u32 = 64 << 10;
/// How long the kernel keeps what the other side does not acknowledge. Longer than the silence that
/// ends a line: it is for lines that were closed here already.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);

/// Bytes both ways, encrypted or not.
pub(crate) type Line = Pinned<Box<dyn Stream>>;

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send {}
impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

/// Why a handshake ended.
#[derive(Debug)]
pub(crate) enum Broken {
    Line(io::Error),
    Nonsense(String),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Line(error)
    }
}

/// Small messages leave at once, and the kernel holds little that cannot be overtaken.
pub(crate) fn tune(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let socket = socket2::SockRef::from(tcp);
    socket.set_tcp_notsent_lowat(UNSENT)?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))
}

pub(crate) async fn say(line: &mut Line, word: &Handshake) -> io::Result<()> {
    let json = serde_json::to_vec(word).expect("plain data is JSON");
    let mut bytes = BytesMut::new();
    encode(&Message { lane: Lane(0), body: Body::Control(json.into()) }, &mut bytes);
    line.write_all(&bytes).await?;
    line.flush().await
}

pub(crate) async fn hear(line: &mut Line) -> Result<Handshake, Broken> {
    let length = line.read_u32().await? as usize;
    if length > LONGEST {
        return Err(Broken::Nonsense(format!("a first word of {length} bytes")));
    }
    let mut decoder = Decoder::default();
    decoder.buffer().extend_from_slice(&(length as u32).to_be_bytes());
    decoder.buffer().resize(4 + length, 0);
    line.read_exact(&mut decoder.buffer()[4..]).await?;
    let nonsense = |what: &dyn std::fmt::Display| Broken::Nonsense(what.to_string());
    match decoder.next_message().map_err(|error| nonsense(&error))? {
        Some(Message { body: Body::Control(json), .. }) => {
            serde_json::from_slice(&json).map_err(|error| nonsense(&error))
        }
        _ => Err(nonsense(&"something else than a handshake")),
    }
}

/// The refusal for a worker of another version.
pub(crate) fn other_version(version: u32) -> String {
    format!(
        "it speaks version {version} of the link and this gateway version {VERSION}: install the \
         same release on both"
    )
}
