//! SRT's packets as bytes (draft-sharabayko-srt, 3).

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Numbers of packets have 31 bits and wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sequence(u32);

impl Sequence {
    pub(crate) const fn new(number: u32) -> Self {
        Self(number & 0x7fff_ffff)
    }

    pub(crate) const fn get(self) -> u32 {
        self.0
    }

    pub(crate) const fn plus(self, count: u32) -> Self {
        Self::new(self.0.wrapping_add(count))
    }

    /// How far it is after `other`; negative if before.
    pub(crate) const fn after(self, other: Self) -> i32 {
        // The sign of 31 bits.
        ((self.0.wrapping_sub(other.0) << 1) as i32) >> 1
    }
}

/// What a packet is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Data {
        sequence: Sequence,
        /// Whether it is a message of its own.
        whole: bool,
        /// Which key it is encrypted with: none, even, odd.
        key: u8,
        payload: Bytes,
    },
    Handshake(Handshake),
    KeepAlive,
    Shutdown,
    /// Answers an acknowledgement of this number.
    AckAck(u32),
    /// The sender gave these up, first to last.
    Drop(Sequence, Sequence),
    /// New keys.
    KeyMaterial(Bytes),
    /// What says nothing here.
    Other,
}

/// A packet, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    /// Whose it is; 0 before the other side knows a number.
    pub(crate) destination: u32,
    pub(crate) kind: Kind,
}

/// A handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handshake {
    pub(crate) version: u32,
    pub(crate) encryption: u16,
    pub(crate) extension: u16,
    pub(crate) first: Sequence,
    pub(crate) mtu: u32,
    pub(crate) window: u32,
    pub(crate) request: u32,
    pub(crate) socket: u32,
    pub(crate) cookie: u32,
    pub(crate) extensions: Vec<(u16, Bytes)>,
}

/// What a handshake asks or says.
pub(crate) const INDUCTION: u32 = 1;
pub(crate) const CONCLUSION: u32 = 0xffff_ffff;

const HEADER: usize = 16;
const CONTROL: u32 = 0x8000_0000;
/// Bytes of an address that nobody reads.
const PEER_ADDRESS: usize = 16;
const MAX_EXTENSIONS: usize = 16;

/// Reads a datagram; `None` if it is no packet.
pub(crate) fn parse(mut datagram: Bytes) -> Option<Packet> {
    if datagram.len() < HEADER {
        return None;
    }
    let (first, second) = (datagram.get_u32(), datagram.get_u32());
    let _time = datagram.get_u32();
    let destination = datagram.get_u32();
    let kind = if first & CONTROL == 0 {
        Kind::Data {
            sequence: Sequence::new(first),
            whole: second >> 30 == 3,
            key: (second >> 27 & 3) as u8,
            payload: datagram,
        }
    } else {
        match (first >> 16 & 0x7fff, first & 0xffff) {
            (0, _) => Kind::Handshake(handshake(datagram)?),
            (1, _) => Kind::KeepAlive,
            (5, _) => Kind::Shutdown,
            (6, _) => Kind::AckAck(second),
            (7, _) if datagram.len() >= 8 => {
                Kind::Drop(Sequence::new(datagram.get_u32()), Sequence::new(datagram.get_u32()))
            }
            (0x7fff, 3) => Kind::KeyMaterial(datagram),
            _ => Kind::Other,
        }
    };
    Some(Packet { destination, kind })
}

fn handshake(mut body: Bytes) -> Option<Handshake> {
    if body.len() < 32 + PEER_ADDRESS {
        return None;
    }
    let mut handshake = Handshake {
        version: body.get_u32(),
        encryption: body.get_u16(),
        extension: body.get_u16(),
        first: Sequence::new(body.get_u32()),
        mtu: body.get_u32(),
        window: body.get_u32(),
        request: body.get_u32(),
        socket: body.get_u32(),
        cookie: body.get_u32(),
        extensions: Vec::new(),
    };
    body.advance(PEER_ADDRESS);
    while body.len() >= 4 && handshake.extensions.len() < MAX_EXTENSIONS {
        let (kind, words) = (body.get_u16(), usize::from(body.get_u16()));
        if body.len() < words * 4 {
            return None;
        }
        handshake.extensions.push((kind, body.split_to(words * 4)));
    }
    Some(handshake)
}

/// What is sent to a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Handshake(Handshake),
    KeepAlive,
    Ack {
        number: u32,
        body: AckBody,
    },
    /// What is missing: first to last, both included.
    Missing(Vec<(Sequence, Sequence)>),
    Shutdown,
    /// New keys were taken: what they were.
    KeyMaterial(Bytes),
}

/// What an acknowledgement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AckBody {
    /// The first packet that did not come yet.
    pub(crate) next: Sequence,
    /// Microseconds there and back, and how much that varies.
    pub(crate) round_trip: u32,
    pub(crate) variance: u32,
    /// Packets that still fit.
    pub(crate) room: u32,
    /// Packets and bytes of the last second.
    pub(crate) packets_per_s: u32,
    pub(crate) bytes_per_s: u32,
}

/// Writes a packet to the socket number `destination`, at so many microseconds of the connection.
pub(crate) fn write(reply: &Reply, destination: u32, time: u32) -> Bytes {
    let (kind, subtype, info) = match reply {
        Reply::Handshake(_) => (0, 0, 0),
        Reply::KeepAlive => (1, 0, 0),
        Reply::Ack { number, .. } => (2, 0, *number),
        Reply::Missing(_) => (3, 0, 0),
        Reply::Shutdown => (5, 0, 0),
        Reply::KeyMaterial(_) => (0x7fff, 4, 0),
    };
    let mut out = BytesMut::with_capacity(128);
    out.put_u32(CONTROL | kind << 16 | subtype);
    out.put_u32(info);
    out.put_u32(time);
    out.put_u32(destination);
    match reply {
        Reply::Handshake(handshake) => write_handshake(handshake, &mut out),
        Reply::Ack { body, .. } => {
            // The link's capacity is the last but one: what comes is what there is to say of it.
            for number in [
                body.next.get(),
                body.round_trip,
                body.variance,
                body.room,
                body.packets_per_s,
                body.packets_per_s,
                body.bytes_per_s,
            ] {
                out.put_u32(number);
            }
        }
        Reply::Missing(ranges) => {
            for (first, last) in ranges {
                if first == last {
                    out.put_u32(first.get());
                } else {
                    out.put_u32(CONTROL | first.get());
                    out.put_u32(last.get());
                }
            }
        }
        Reply::KeyMaterial(keys) => out.put_slice(keys),
        // An empty body is read past by some.
        Reply::KeepAlive | Reply::Shutdown => out.put_u32(0),
    }
    out.freeze()
}

fn write_handshake(handshake: &Handshake, out: &mut BytesMut) {
    out.put_u32(handshake.version);
    out.put_u16(handshake.encryption);
    out.put_u16(handshake.extension);
    out.put_u32(handshake.first.get());
    out.put_u32(handshake.mtu);
    out.put_u32(handshake.window);
    out.put_u32(handshake.request);
    out.put_u32(handshake.socket);
    out.put_u32(handshake.cookie);
    out.put_bytes(0, PEER_ADDRESS);
    for (kind, body) in &handshake.extensions {
        out.put_u16(*kind);
        out.put_u16((body.len() / 4) as u16);
        out.put_slice(body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_wrap_at_31_bits() {
        let last = Sequence::new(0x7fff_ffff);
        assert_eq!(last.plus(2), Sequence::new(1));
        assert_eq!(Sequence::new(1).after(last), 2);
        assert_eq!(last.after(Sequence::new(1)), -2);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            kind in prop_oneof![Just(0x80), Just(0xff), any::<u8>()],
            mut bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            parse(bytes.into());
        }
    }
}
