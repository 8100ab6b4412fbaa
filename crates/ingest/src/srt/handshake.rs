//! How a caller becomes a connection (draft-sharabayko-srt, 4.3). Nothing is kept of it until it
//! has shown by a cookie that it hears what is sent to its address.

use super::crypto::KeyError;
use super::receive::WINDOW;
use super::wire::{CONCLUSION, Handshake, INDUCTION, Reply};
use crate::{Refusal, RefusalReason, StreamKey};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// What a gap waits for at least; a source may ask for more, up to [`MAX_LATENCY`].
const LATENCY: Duration = Duration::from_millis(120);
const MAX_LATENCY: Duration = Duration::from_secs(8);
/// How long a cookie is good for, at least.
const COOKIE_LIFE: Duration = Duration::from_secs(30);
/// Says in an induction's answer that SRT is spoken, and not plain UDT.
const MAGIC: u16 = 0x4a17;
/// The version that is said to be spoken: 1.5.0.
const VERSION: u32 = 0x01_05_00;
/// Both sides' times count, encryption is known, what is late is dropped, losses are reported
/// periodically, packets say whether they were sent before.
const FLAGS: u32 = 0x3f;
/// A sender's flag for a stream without messages, which live sources don't have.
const STREAM_FLAG: u32 = 0x40;
const MTU: u32 = 1500;

mod extension {
    pub(super) const REQUEST: u16 = 1;
    pub(super) const RESPONSE: u16 = 2;
    pub(super) const KEY_REQUEST: u16 = 3;
    pub(super) const KEY_RESPONSE: u16 = 4;
    pub(super) const STREAM_ID: u16 = 5;
}

/// Makes and checks cookies.
pub(crate) struct Cookies {
    secret: [u8; 32],
    since: Instant,
}

impl Cookies {
    pub(crate) fn new(secret: [u8; 32], now: Instant) -> Self {
        Self { secret, since: now }
    }

    fn cookie(&self, peer: SocketAddr, period: u64) -> u32 {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        match peer.ip() {
            IpAddr::V4(ip) => hasher.update(&ip.octets()),
            IpAddr::V6(ip) => hasher.update(&ip.octets()),
        };
        hasher.update(&peer.port().to_le_bytes()).update(&period.to_le_bytes());
        let hash = hasher.finalize();
        // 0 says that there is none.
        u32::from_le_bytes(*hash.as_bytes().first_chunk().expect("32 bytes")) | 1
    }

    fn period(&self, now: Instant) -> u64 {
        (now - self.since).as_secs() / COOKIE_LIFE.as_secs()
    }

    /// Answers a caller's first word.
    pub(crate) fn induct(&self, hello: &Handshake, peer: SocketAddr, now: Instant) -> Reply {
        Reply::Handshake(Handshake {
            version: 5,
            encryption: 0,
            extension: MAGIC,
            first: hello.first,
            mtu: hello.mtu.min(MTU),
            window: WINDOW as u32,
            request: INDUCTION,
            socket: 0,
            cookie: self.cookie(peer, self.period(now)),
            extensions: Vec::new(),
        })
    }

    /// Whether a caller was answered at its address lately.
    pub(crate) fn holds(&self, cookie: u32, peer: SocketAddr, now: Instant) -> bool {
        let period = self.period(now);
        [Some(period), period.checked_sub(1)]
            .into_iter()
            .flatten()
            .any(|period| self.cookie(peer, period) == cookie)
    }
}

/// What a caller asks for.
pub(crate) struct Request {
    pub(crate) key: StreamKey,
    /// Its wrapped keys, if it encrypts.
    pub(crate) keys: Option<Bytes>,
    /// What a gap waits.
    pub(crate) latency: Duration,
    /// What it gives for the other direction, which is not used.
    their_latency: u16,
    handshake: Handshake,
}

/// Why a caller is turned away: the number that it hears, and words for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    code: u32,
    pub(crate) text: String,
}

impl Rejection {
    fn new(code: u32, text: &str) -> Self {
        Self { code, text: text.to_owned() }
    }

    /// Too many are here.
    pub(crate) fn crowded(why: &str) -> Self {
        Self::new(1402, why)
    }

    /// Nothing is wrong with it.
    pub(crate) fn not_now() -> Self {
        Self::new(1503, "the source's passphrase could not be checked: try again")
    }

    /// It encrypts, or does not, against what is wanted.
    pub(crate) fn encryption(wanted: bool) -> Self {
        Self::new(
            11,
            if wanted {
                "the source does not encrypt: set the passphrase"
            } else {
                "the source encrypts, and there is no passphrase here: leave it out"
            },
        )
    }
}

impl From<KeyError> for Rejection {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Malformed => Self::new(4, "the source's keys cannot be read"),
            KeyError::Passphrase => Self::new(10, "the source has another passphrase"),
        }
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal.reason {
            RefusalReason::BadKey => 1403,
            RefusalReason::InUse => 1409,
            RefusalReason::Unavailable => 1503,
        };
        Self { code, text: refusal.text }
    }
}

/// Reads a caller's second word, whose cookie holds.
pub(crate) fn request(handshake: &Handshake) -> Result<Request, Rejection> {
    let rogue = || Rejection::new(4, "the handshake cannot be read");
    if handshake.version != 5 || handshake.request != CONCLUSION {
        return Err(Rejection::new(8, "only version 5 of the handshake is spoken"));
    }
    let find = |kind| handshake.extensions.iter().find(|(k, _)| *k == kind).map(|(_, body)| body);
    let mut body =
        find(extension::REQUEST).filter(|body| body.len() >= 12).ok_or_else(rogue)?.clone();
    let (_version, flags) = (body.get_u32(), body.get_u32());
    let (their_latency, latency) = (body.get_u16(), body.get_u16());
    if flags & STREAM_FLAG != 0 {
        return Err(Rejection::new(12, "only live mode is taken (transtype=live)"));
    }
    let id = find(extension::STREAM_ID).map(|body| stream_id(body)).unwrap_or_default();
    Ok(Request {
        key: key(&id)?,
        keys: find(extension::KEY_REQUEST).cloned(),
        latency: Duration::from_millis(latency.into()).clamp(LATENCY, MAX_LATENCY),
        their_latency,
        handshake: handshake.clone(),
    })
}

/// A stream id: text in words of four bytes, each turned around.
fn stream_id(body: &[u8]) -> String {
    let bytes: Vec<u8> = body.chunks(4).flat_map(|word| word.iter().rev().copied()).collect();
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// The key in a stream id: all of it, or what the resource is in SRT's access control syntax.
fn key(id: &str) -> Result<StreamKey, Rejection> {
    let name = match id.strip_prefix("#!::") {
        None => id,
        Some(fields) => {
            let field = |name| {
                let mut fields = fields.split(',').filter_map(|field| field.split_once('='));
                fields.find(|(n, _)| *n == name).map(|(_, value)| value)
            };
            // Who says nothing wants to play.
            if field("m") != Some("publish") {
                return Err(Rejection::new(
                    1405,
                    "nothing is played by SRT: say m=publish to send",
                ));
            }
            field("r").unwrap_or_default()
        }
    };
    StreamKey::parse(name).ok_or_else(|| Refusal::bad_key().into())
}

impl Request {
    /// The first packet that will come.
    pub(crate) fn first(&self) -> super::wire::Sequence {
        self.handshake.first
    }

    /// The answer to one that is let in, and is number `socket` here.
    pub(crate) fn accept(&self, socket: u32) -> Reply {
        let mut response = BytesMut::new();
        response.put_u32(VERSION);
        response.put_u32(FLAGS);
        response.put_u16(self.latency.as_millis() as u16);
        response.put_u16(self.their_latency);
        let mut extensions = vec![(extension::RESPONSE, response.freeze())];
        extensions.extend(self.keys.clone().map(|keys| (extension::KEY_RESPONSE, keys)));
        Reply::Handshake(Handshake {
            extension: if self.keys.is_some() { 3 } else { 1 },
            mtu: self.handshake.mtu.min(MTU),
            window: WINDOW as u32,
            socket,
            extensions,
            ..self.handshake.clone()
        })
    }
}

/// The answer to one that is turned away.
pub(crate) fn reject(handshake: &Handshake, rejection: &Rejection) -> Reply {
    /// What a reason is added to.
    const REJECTED: u32 = 1000;
    Reply::Handshake(Handshake {
        request: REJECTED + rejection.code,
        extension: 0,
        extensions: Vec::new(),
        ..handshake.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_stream_ids() {
        let key = |id: &str| key(id).map(|key| key.secret().to_owned()).map_err(|no| no.code);
        assert_eq!(key("abc"), Ok("abc".to_owned()));
        assert_eq!(key("#!::r=abc,m=publish"), Ok("abc".to_owned()));
        assert_eq!(key("#!::u=me,m=publish,r=abc"), Ok("abc".to_owned()));
        assert_eq!(key("#!::r=abc"), Err(1405));
        assert_eq!(key("#!::r=abc,m=request"), Err(1405));
        assert_eq!(key("#!::m=publish"), Err(1403));
        assert_eq!(key(""), Err(1403));
        assert_eq!(stream_id(b"dcba\0\0fe"), "abcdef");
    }

    #[test]
    fn a_cookie_holds_for_its_address_and_its_time() {
        let now = Instant::now();
        let cookies = Cookies::new([7; 32], now);
        let (one, other) = ("10.0.0.1:5".parse().unwrap(), "10.0.0.1:6".parse().unwrap());
        let cookie = cookies.cookie(one, 0);
        assert!(cookies.holds(cookie, one, now));
        assert!(cookies.holds(cookie, one, now + COOKIE_LIFE));
        assert!(!cookies.holds(cookie, one, now + 2 * COOKIE_LIFE));
        assert!(!cookies.holds(cookie, other, now));
        assert!(!cookies.holds(0, one, now));
    }
}
