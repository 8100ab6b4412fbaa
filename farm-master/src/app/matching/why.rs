//! Why a worker that waits gets none of the sessions that lack one, in sentences with stable codes.

use super::{asks, need, pays};
use crate::store::live::{Candidate, Wanting};
use tessera_live_core::choose::{self, Unfit};
use tessera_protocol::job::Why;

/// Each reason once, in the order of sessions. `unfunded`: there are sessions, too, whose deposit is used up.
pub(super) fn why(worker: &Candidate, wanting: &[Wanting], unfunded: bool) -> Vec<Why> {
    let mut all: Vec<Why> = Vec::new();
    let reasons = wanting.iter().map(|one| reason(worker, one));
    for why in reasons.chain(unfunded.then(self::unfunded)) {
        if all.iter().all(|known| known.code != why.code) {
            all.push(why);
        }
    }
    all
}

/// There are sessions, and nobody could be paid for them.
pub(super) fn unfunded() -> Why {
    let sentence = "The deposit of a stream that lacked a worker did not pay for a minute of work.";
    said("deposit_used_up", sentence.into())
}

fn reason(worker: &Candidate, one: &Wanting) -> Why {
    if one.barred.contains(&worker.node) {
        let sentence = "It has the session that lacked another worker, or was replaced in it within the last \
                        minute.";
        return said("has_it_or_was_replaced", sentence.into());
    }
    let price = worker.able.price;
    if let Some((most, _)) = one.pays.filter(|_| !pays(one, price)) {
        let sentence = format!(
            "It asks {price} for 10^12 pixels, and a stream that lacked a worker pays {most} at most: \
             `transcoder work --price` is what it asks."
        );
        return said("price_above_maximum", sentence);
    }
    match choose::fits(&need(one), &asks(worker)) {
        Err(unfit) => {
            let code = match unfit {
                Unfit::Codec(_) => "cannot_encode",
                Unfit::Speed { .. } => "too_slow",
                Unfit::Uplink { .. } => "line_too_thin",
            };
            said(code, format!("Of a session that lacked a worker: {unfit}."))
        }
        Ok(()) => {
            let sentence = "Another worker that waited cost less, by what it asks, its record and the room \
                            that it has.";
            said("outbid", sentence.into())
        }
    }
}

fn said(code: &str, sentence: String) -> Why {
    Why { code: code.to_owned(), sentence }
}
