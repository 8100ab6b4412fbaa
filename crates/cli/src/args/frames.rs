//! Frames, as they are typed.

use std::str::FromStr;
use tessera_protocol::FrameNumber;
use tessera_protocol::job::{FrameSpan, RequeueRequest};

/// `12` or `1-48`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frames(pub FrameSpan);

impl FromStr for Frames {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse().map(FrameNumber).ok();
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self(FrameSpan { first, last })),
            _ => Err("expected a frame such as 12, or a span such as 1-48".into()),
        }
    }
}

/// `3,7-9`, as many as one request may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FrameList(pub Vec<FrameNumber>);

impl FromStr for FrameList {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut frames = Vec::new();
        for part in text.split(',') {
            let Frames(span) = part.trim().parse()?;
            // Counted before they are listed: a span may name four thousand million.
            if frames.len() as u64 + span.count() > RequeueRequest::MAX_FRAMES as u64 {
                let most = RequeueRequest::MAX_FRAMES;
                return Err(format!(
                    "at most {most} frames at once; name the rest in another call"
                ));
            }
            frames.extend((span.first.0..=span.last.0).map(FrameNumber));
        }
        Ok(Self(frames))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_one_or_a_span_that_goes_forward() {
        let span = |first, last| {
            Ok(Frames(FrameSpan { first: FrameNumber(first), last: FrameNumber(last) }))
        };
        assert_eq!("12".parse(), span(12, 12));
        assert_eq!("1-48".parse(), span(1, 48));
        for text in ["", "-", "3-2", "1-", "a", "1-2-3", "4294967296"] {
            assert!(text.parse::<Frames>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_list_has_frames_and_spans_and_an_end() {
        let list = |numbers: &[u32]| {
            Ok(FrameList(numbers.iter().map(|number| FrameNumber(*number)).collect()))
        };
        assert_eq!("3".parse(), list(&[3]));
        assert_eq!("3,7-9, 1".parse(), list(&[3, 7, 8, 9, 1]));
        assert_eq!("1-1000".parse::<FrameList>().map(|list| list.0.len()), Ok(1000));
        for text in ["", "3,", ",", "7-3", "3;4", "1-1001", "1-600,601-1001", "0-4294967295"] {
            assert!(text.parse::<FrameList>().is_err(), "{text}");
        }
    }
}
