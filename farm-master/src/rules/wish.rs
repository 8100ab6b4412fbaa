//! What follows from what a node's owner wants of it.

use tessera_protocol::job::Why;
use tessera_protocol::node::NodeWish;

/// Why a node gets no work, where its owner does not want it to.
pub fn why_kept_out(wish: NodeWish) -> Option<Why> {
    let (code, sentence) = match wish {
        NodeWish::Work => return None,
        NodeWish::Drain => (
            "draining",
            "Its owner lets it end what it has and wants it to get nothing new: resume it.",
        ),
        NodeWish::Pause => ("paused", "Its owner has paused it: resume it."),
    };
    Some(Why { code: code.into(), sentence: sentence.into() })
}
