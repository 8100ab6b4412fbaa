//! Packets of an elementary stream, put together.

use bytes::{BufMut, Bytes, BytesMut};

/// Longest packet: a picture.
const MAX: usize = 8 << 20;

/// A whole packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pes {
    /// When it is shown and decoded: 33 bits each.
    pub(crate) times: Option<(u64, u64)>,
    pub(crate) data: Bytes,
}

/// A packet that is being put together.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    bytes: BytesMut,
    open: bool,
}

impl Assembly {
    /// Takes a transport packet's payload; gives what it completed: the packet before, and maybe the
    /// one that begins here.
    pub(crate) fn take(&mut self, begins: bool, payload: &[u8]) -> Vec<Pes> {
        let mut complete = Vec::new();
        if begins {
            complete.extend(self.finish());
            self.open = true;
        }
        if !self.open {
            return complete;
        }
        if self.bytes.len() + payload.len() > MAX {
            self.abandon();
            return complete;
        }
        self.bytes.put_slice(payload);
        // A length of 0 means: until the next one begins.
        let announced = self.bytes.get(4..6).map_or(0, |l| u16::from_be_bytes([l[0], l[1]]));
        if announced > 0 && self.bytes.len() >= 6 + usize::from(announced) {
            self.bytes.truncate(6 + usize::from(announced));
            complete.extend(self.finish());
        }
        complete
    }

    /// Nothing more comes of the one under way.
    pub(crate) fn finish(&mut self) -> Option<Pes> {
        self.open = false;
        parse(&self.bytes.split().freeze())
    }

    /// Part of the one under way was lost.
    pub(crate) fn abandon(&mut self) {
        self.open = false;
        self.bytes.clear();
    }
}

fn parse(packet: &Bytes) -> Option<Pes> {
    let head = packet.first_chunk::<9>()?;
    let marked = head[..3] == [0, 0, 1] && head[6] & 0xc0 == 0x80;
    let start = 9 + usize::from(head[8]);
    if !marked || start > packet.len() {
        return None;
    }
    let times = match head[7] >> 6 {
        2 => time(packet.get(9..14)?).map(|pts| (pts, pts)),
        3 => time(packet.get(9..14)?).zip(time(packet.get(14..19)?)),
        _ => None,
    };
    Some(Pes { times, data: packet.slice(start..) })
}

/// A time of 33 bits among markers.
fn time(bytes: &[u8]) -> Option<u64> {
    let [a, b, c, d, e] = *bytes.first_chunk::<5>()?;
    let marked = a & 1 == 1 && c & 1 == 1 && e & 1 == 1;
    marked.then(|| {
        u64::from(a >> 1 & 7) << 30
            | u64::from(b) << 22
            | u64::from(c >> 1) << 15
            | u64::from(d) << 7
            | u64::from(e >> 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_packet_with_a_length_is_given_at_once_and_one_without_at_the_next() {
        let pts = [0x21, 0x00, 0x01, 0x0b, 0xb9];
        let with = [&[0, 0, 1, 0xc0, 0, 10, 0x80, 0x80, 5][..], &pts, &[7, 8]].concat();
        let mut assembly = Assembly::default();
        let data = Bytes::from_static(&[7, 8]);
        let expected = Pes { times: Some((1500, 1500)), data };
        // What follows its length is stuffing.
        let stuffed = [&with[..], &[0xff; 3]].concat();
        assert_eq!(assembly.take(true, &stuffed), std::slice::from_ref(&expected));

        let mut without = with;
        without[5] = 0;
        assert_eq!(assembly.take(true, &without[..9]), []);
        assert_eq!(assembly.take(false, &without[9..]), []);
        assert_eq!(assembly.take(true, &without), [expected]);
        assembly.abandon();
        assert_eq!(assembly.take(false, &[1, 2, 3]), []);
        assert_eq!(assembly.finish(), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            payloads in proptest::collection::vec(
                (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..8),
        ) {
            let mut assembly = Assembly::default();
            for (begins, payload) in payloads {
                assembly.take(begins, &[&[0, 0, 1][..], &payload].concat());
            }
            assembly.finish();
        }
    }
}
