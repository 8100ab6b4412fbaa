//! What viewers name in URLs, and what a master sends in events.

use crate::{Memory, Target};
use std::fmt::{Debug, Display};
use std::str::FromStr;
use tessera_publish::track::{InitId, MediaName, RecordingName, Track};

/// Names of tracks and files. One thing has one name.
pub static NAMES: Target = Target {
    run: |input| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        same::<Track>(text);
        same::<InitId>(text);
        same::<MediaName>(text);
        same::<RecordingName>(text);
    },
    seeds: || {
        let names = [
            "720p",
            "source.1",
            "17.m4s",
            "17.3.m4s",
            "00ff00ff00ff00ff.mp4",
            "index.m3u8",
            "sound.1.media.m3u8",
            "7.0-99.m4s",
            "00ff00ff00ff00ff.init.mp4",
        ];
        names.iter().map(|name| name.as_bytes().to_vec()).collect()
    },
    words: &["../", "%2e", "18446744073709551615"],
    memory: Memory { bytes: 1 << 16, times: 64 },
};

fn same<T: FromStr + Display + Debug>(text: &str) {
    if let Ok(name) = text.parse::<T>() {
        assert_eq!(name.to_string(), text);
        assert!(
            !text.contains('/') && text != ".." && !text.is_empty(),
            "it is the name of one file"
        );
    }
}

/// A reader of server-sent events. The crate around it is built with HTTP and TLS.
#[path = "../../crates/client/src/sse.rs"]
#[allow(missing_docs, dead_code, reason = "it is another crate's")]
mod sse;

/// Server-sent events, in whole and byte by byte.
pub static EVENTS: Target = Target {
    run: |input| {
        let (mut whole, mut split) = (Vec::new(), Vec::new());
        let at_once = sse::Parser::default().feed(input, &mut whole);
        let mut parser = sse::Parser::default();
        let one_by_one = input.chunks(1).try_for_each(|byte| parser.feed(byte, &mut split));
        assert_eq!((at_once, whole), (one_by_one, split));
    },
    seeds: || {
        vec![
            b": hello\nid: 7\nevent: job\ndata: {\"a\":1}\ndata: two\n\n".to_vec(),
            b"data:x\r\nid\r\rdata: y\r\n\r\n".to_vec(),
        ]
    },
    words: &["data", "id:", "retry"],
    memory: Memory { bytes: 1 << 20, times: 1024 },
};
