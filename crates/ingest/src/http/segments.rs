//! Visits that consist of many requests.

use super::{Pieces, Problem};
use crate::tracks::NotTaken;
use crate::ts::TsReader;
use crate::visit::Visit;
use crate::{Broker, Closed, Limits, Protocol, StreamKey};
use axum::body::{Body, Bytes};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

/// A lower number than the last that lies further back was not sent late.
const LATE_NUMBERS: u64 = 5;
/// Nor was one that comes after such a pause.
const LATE_WITHIN: Duration = Duration::from_secs(2);

/// The visits under way, by key.
#[derive(Default)]
pub(super) struct Segments(Mutex<HashMap<StreamKey, Turn>>);

/// Holds a key's segments to one at a time, and its first ones to one visit.
type Turn = Arc<tokio::sync::Mutex<Option<Line>>>;

impl Segments {
    /// Whether a visit with this key is under way.
    pub(super) fn are_coming(&self, key: &StreamKey) -> bool {
        self.under_way().contains_key(key)
    }

    /// Takes one segment.
    pub(super) async fn take<B: Broker>(
        &self,
        broker: Arc<B>,
        key: StreamKey,
        peer: SocketAddr,
        limits: &Limits,
        number: u64,
        body: Body,
    ) -> Result<&'static str, Problem> {
        let turn = Arc::clone(self.under_way().entry(key.clone()).or_default());
        let mut turn = turn.lock().await;
        let line = loop {
            let line = match turn.take() {
                Some(line) => line,
                None => {
                    let (broker, key) = (Arc::clone(&broker), key.clone());
                    let visit =
                        Visit::open(broker, key, Protocol::Http, peer, limits.handshake).await?;
                    Line::start(visit, limits.idle)
                }
            };
            let line = turn.insert(line);
            let Some(begin) = begin(line.last, number, Instant::now()) else {
                return Ok("this segment was taken already, or comes too late\n");
            };
            line.last = Some(Last { number, whole: false, at: Instant::now() });
            match line.pieces.send(Piece::Begin(begin)).await {
                Ok(()) => break line,
                // The visit is over: perhaps another may begin.
                Err(_) => *turn = None,
            }
        };
        let mut body = Pieces::new(body, limits.segment_bytes, limits.idle);
        while let Some(bytes) = body.next().await? {
            line.hand_over(Piece::Bytes(bytes)).await?;
        }
        let (done, handed_over) = oneshot::channel();
        line.hand_over(Piece::End(done)).await?;
        handed_over.await.map_err(|_| line.why())?;
        line.last = Some(Last { number, whole: true, at: Instant::now() });
        Ok("taken\n")
    }

    /// Forgets the visits that are over.
    fn under_way(&self) -> MutexGuard<'_, HashMap<StreamKey, Turn>> {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.retain(|_, turn| match turn.try_lock() {
            Ok(line) => line.as_ref().is_some_and(|line| !line.pieces.is_closed()),
            Err(_) => true,
        });
        keys
    }
}

/// Where the segments of one visit are handed in.
struct Line {
    pieces: mpsc::Sender<Piece>,
    ended: watch::Receiver<Option<Ended>>,
    last: Option<Last>,
}

/// The last segment.
#[derive(Debug, Clone, Copy)]
struct Last {
    number: u64,
    /// Whether its body came to its end.
    whole: bool,
    at: Instant,
}

/// What a segment is to those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begin {
    /// The next one.
    Next,
    /// The last one again, which broke off.
    Again,
    /// The first one of a sender that was started anew.
    Anew,
}

/// Says what segment `number` is; `None` if it is to be dropped.
fn begin(last: Option<Last>, number: u64, now: Instant) -> Option<Begin> {
    let Some(last) = last else { return Some(Begin::Next) };
    if number > last.number {
        Some(Begin::Next)
    } else if number == last.number {
        (!last.whole).then_some(Begin::Again)
    } else {
        let late = last.number - number <= LATE_NUMBERS && now - last.at <= LATE_WITHIN;
        (!late).then_some(Begin::Anew)
    }
}

enum Piece {
    Begin(Begin),
    Bytes(Bytes),
    /// The segment is complete; answered when all of it was handed over.
    End(oneshot::Sender<()>),
}

/// Why a visit takes no more.
#[derive(Debug, Clone)]
enum Ended {
    Closed(Closed),
    NotTaken(NotTaken),
}

impl Line {
    fn start<B: Broker>(visit: Visit<B>, idle: Duration) -> Self {
        let (pieces, coming) = mpsc::channel(4);
        let (end, ended) = watch::channel(None);
        tokio::spawn(async move {
            if let Err(why) = attend(visit, coming, idle).await {
                end.send_replace(Some(why));
            }
        });
        Self { pieces, ended, last: None }
    }

    async fn hand_over(&self, piece: Piece) -> Result<(), Problem> {
        match self.pieces.send(piece).await {
            Ok(()) => Ok(()),
            Err(_) => {
                // The channel closes a moment before the reason is there.
                let mut ended = self.ended.clone();
                let _ = ended.wait_for(Option::is_some).await;
                Err(self.why())
            }
        }
    }

    fn why(&self) -> Problem {
        match &*self.ended.borrow() {
            Some(Ended::Closed(closed)) => Problem::Closed(closed.clone()),
            Some(Ended::NotTaken(not_taken)) => Problem::NotTaken(not_taken.clone()),
            None => Problem::Broken,
        }
    }
}

/// Reads what is handed in, until nothing comes for `idle`.
async fn attend<B: Broker>(
    mut visit: Visit<B>,
    mut coming: mpsc::Receiver<Piece>,
    idle: Duration,
) -> Result<(), Ended> {
    let mut reader = TsReader::default();
    loop {
        let piece = tokio::select! {
            closed = visit.closed() => return Err(Ended::Closed(closed)),
            piece = timeout(idle, coming.recv()) => piece,
        };
        let Ok(Some(piece)) = piece else { return Ok(()) };
        let mut done = None;
        match piece {
            Piece::Begin(begin) => {
                // What is left of one before it, that broke off.
                reader.abandon();
                match begin {
                    Begin::Next => {}
                    Begin::Again => visit.tracks.again(),
                    Begin::Anew => visit.tracks.restart(),
                }
            }
            Piece::Bytes(bytes) => {
                reader.read(&bytes, &mut visit.tracks).map_err(Ended::NotTaken)?;
            }
            Piece::End(answer) => {
                reader.boundary(&mut visit.tracks);
                done = Some(answer);
            }
        }
        visit.flush().await.map_err(Ended::Closed)?;
        // Whoever sent the segment may have gone.
        done.map(|done| done.send(()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_say_what_is_new_late_and_started_anew() {
        let now = Instant::now();
        let last = |number, whole| Some(Last { number, whole, at: now });
        let soon = now + Duration::from_secs(1);
        let later = now + Duration::from_secs(3);
        assert_eq!(begin(None, 7, soon), Some(Begin::Next));
        assert_eq!(begin(last(7, true), 8, soon), Some(Begin::Next));
        assert_eq!(begin(last(7, false), 9, soon), Some(Begin::Next));
        assert_eq!(begin(last(7, true), 7, later), None);
        assert_eq!(begin(last(7, false), 7, soon), Some(Begin::Again));
        assert_eq!(begin(last(7, true), 5, soon), None);
        assert_eq!(begin(last(7, true), 5, later), Some(Begin::Anew));
        assert_eq!(begin(last(7, true), 0, soon), Some(Begin::Anew));
    }
}
