//! Lets sources in: with a key that a session here knows, or that the master grants one for.

use super::desk::{Desk, KeyHash};
use super::left_over;
use super::session::{self, Input};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tessera_client::ClientError;
use tessera_ingest::{Broker, Protocol, Refusal, RefusalReason, Sink, StreamKey};
use tessera_live_core::Now;
use tessera_protocol::stream::gateway::{SessionEnd, SessionGrant, SessionRequest};
use tessera_publish::{OpenError, PublicationSpec, Publisher};
use tokio::sync::oneshot;

/// A session whose lease went to a newer grant of ours has to be over by then.
const HAND_OVER: Duration = Duration::from_secs(5);
/// How long a source waits for another gateway's lease to end: less than any handshake may take.
const TAKE_OVER: Duration = Duration::from_secs(8);
/// How long a source waits for its session while that is reported or comes to rest here: longer
/// than the former takes.
const AT_REST: Duration = left_over::REPORT_WITHIN.saturating_add(Duration::from_secs(1));
/// How often it is looked whether it is free.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(super) struct Doorkeeper {
    desk: Arc<Desk>,
    queues: Queues,
}

impl Doorkeeper {
    pub(super) fn new(desk: Arc<Desk>) -> Self {
        Self { desk, queues: Queues::default() }
    }
}

/// Sources with one key are let in one after the other: each key that is being shown has a queue of
/// its own, since the first in it may wait long.
#[derive(Default)]
struct Queues(Mutex<HashMap<KeyHash, Queue>>);

#[derive(Default)]
struct Queue {
    turn: Arc<tokio::sync::Mutex<()>>,
    waiting: usize,
}

/// A place in a queue, until it is dropped.
struct Place<'a> {
    key: KeyHash,
    turn: Arc<tokio::sync::Mutex<()>>,
    queues: &'a Queues,
}

impl Queues {
    fn join(&self, key: KeyHash) -> Place<'_> {
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queues.entry(key).or_default();
        queue.waiting += 1;
        Place { key, turn: Arc::clone(&queue.turn), queues: self }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut queues = self.queues.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get_mut(&self.key) {
            queue.waiting -= 1;
            if queue.waiting == 0 {
                queues.remove(&self.key);
            }
        }
    }
}

impl Broker for Doorkeeper {
    async fn open(
        &self,
        key: StreamKey,
        protocol: Protocol,
        peer: SocketAddr,
    ) -> Result<Sink, Refusal> {
        let hash = KeyHash::of(key.secret());
        let place = self.queues.join(hash);
        let _turn = place.turn.lock().await;
        if let Some(answer) = self.rejoin(hash, protocol).await {
            return answer;
        }
        let (mut grant, mut sent) = self.ask(&key, protocol).await?;
        let mut claimed = self.claim(&grant).await?;
        if let Err(OpenError::Ended(_)) = claimed {
            // The master has not heard of the end, and would grant this session for ever.
            self.end(&grant).await?;
            (grant, sent) = self.ask(&key, protocol).await?;
            claimed = self.claim(&grant).await?;
        }
        let publisher = claimed.map_err(|error| cannot_publish(&error))?;
        tracing::info!(session = %grant.session, %protocol, %peer, "session granted");
        self.begin(hash, protocol, grant, sent, publisher).await
    }
}

impl Doorkeeper {
    /// A source that comes back, or a second one. `None` where no session here has this key.
    async fn rejoin(&self, key: KeyHash, protocol: Protocol) -> Option<Result<Sink, Refusal>> {
        let inputs = self.desk.by_key(key)?;
        let (reply, answer) = oneshot::channel();
        inputs.send(Input::Visit { protocol, reply }).await.ok()?;
        // A session that is ending answers nobody: then the master is asked.
        answer.await.ok()
    }

    /// Asks the master; where another gateway's lease may still stand, until it has ended.
    async fn ask(
        &self,
        key: &StreamKey,
        protocol: Protocol,
    ) -> Result<(SessionGrant, Now), Refusal> {
        let request =
            SessionRequest { key: key.secret().to_owned(), protocol: protocol.as_str().to_owned() };
        let give_up = self.desk.clock.now() + TAKE_OVER;
        loop {
            let sent = self.desk.clock.now();
            let error = match self.desk.client.open_session(&request).await {
                Ok(grant) => return Ok((grant, sent)),
                Err(error) => error,
            };
            let retry = error.retry_after().filter(|_| is_kind(&error, "stream-is-live"));
            match retry.map(|after| after.clamp(Duration::from_millis(200), TAKE_OVER)) {
                Some(after) if self.desk.clock.now() + after < give_up => {
                    tokio::time::sleep(after).await;
                }
                _ => return Err(refusal(&error)),
            }
        }
    }

    /// A granted session for publishing, as soon as nobody else here has it.
    async fn claim(&self, grant: &SessionGrant) -> Result<Result<Publisher, OpenError>, Refusal> {
        if let Some(older) = self.desk.session(grant.session) {
            let because = "its stream key changed".to_owned();
            let _ = older.send(Input::Yield(because)).await;
            let gone = async { older.closed().await };
            let _ = tokio::time::timeout(HAND_OVER, gone).await;
        }
        let give_up = self.desk.clock.now() + AT_REST;
        loop {
            let spec = PublicationSpec::of(grant, None);
            let library = self.desk.library.clone();
            let begun = tokio::task::spawn_blocking(move || library.begin(spec)).await;
            let begun = begun.map_err(|_| unavailable("the gateway could not open the session"))?;
            match begun {
                Err(OpenError::Busy(_)) if self.desk.clock.now() < give_up => {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Err(OpenError::Busy(_) | OpenError::Ended(_)) => {
                    self.desk.granted_again(grant.session, grant.generation);
                    return Ok(begun);
                }
                begun => return Ok(begun),
            }
        }
    }

    /// Tells the master that a session which it granted is over.
    async fn end(&self, grant: &SessionGrant) -> Result<(), Refusal> {
        let (library, session) = (self.desk.library.clone(), grant.session);
        let known = tokio::task::spawn_blocking(move || library.reopen(session).ok()?.ended());
        let because = known.await.ok().flatten();
        let because = because.unwrap_or_else(|| "it is over at its gateway".to_owned());
        tracing::info!(%session, because, "the master is told again that a session is over");
        let end = SessionEnd { generation: grant.generation, because, recording: None };
        self.desk.client.end_session(session, &end).await.map_err(|error| {
            tracing::warn!(%session, %error, "the master did not take a session's end");
            unavailable("the master could not be told of the session before: try again")
        })
    }

    async fn begin(
        &self,
        key: KeyHash,
        protocol: Protocol,
        grant: SessionGrant,
        sent: Now,
        publisher: Publisher,
    ) -> Result<Sink, Refusal> {
        let inputs = session::start(Arc::clone(&self.desk), key, grant, sent, publisher);
        let (reply, answer) = oneshot::channel();
        let ended = || unavailable("the session ended at once");
        inputs.send(Input::Visit { protocol, reply }).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

fn unavailable(text: &str) -> Refusal {
    Refusal { reason: RefusalReason::Unavailable, text: text.to_owned() }
}

fn cannot_publish(error: &OpenError) -> Refusal {
    tracing::error!(%error, "a granted session cannot be published");
    unavailable("this gateway cannot publish the stream now: try again")
}

fn is_kind(error: &ClientError, kind: &str) -> bool {
    matches!(error, ClientError::Refused { problem, .. } if problem.kind.ends_with(kind))
}

fn refusal(error: &ClientError) -> Refusal {
    let ClientError::Refused { problem, .. } = error else {
        tracing::warn!(%error, "a stream key could not be checked");
        return unavailable("the stream key could not be checked now: try again");
    };
    let reason = match problem.status {
        409 if is_kind(error, "stream-is-live") => RefusalReason::InUse,
        403 | 404 | 409 | 410 | 422 => RefusalReason::BadKey,
        _ => RefusalReason::Unavailable,
    };
    Refusal { reason, text: problem.detail.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::fake_master::{FakeMaster, grant};
    use std::sync::atomic::{AtomicBool, Ordering};
    use tessera_protocol::{Generation, SessionId};
    use tessera_publish::Library;

    fn key(text: &str) -> StreamKey {
        StreamKey::parse(text).unwrap()
    }

    async fn open(doorkeeper: &Doorkeeper, with: &str) -> Result<Sink, Refusal> {
        let peer = ([127, 0, 0, 1], 9).into();
        doorkeeper.open(key(with), Protocol::Rtmp, peer).await
    }

    fn begin(library: &Library, session: u8, generation: u64) -> Publisher {
        library.begin(PublicationSpec::of(&grant(session, generation), None)).unwrap()
    }

    #[tokio::test]
    async fn a_source_that_waits_for_another_gateway_holds_up_no_other_key() {
        let folder = tempfile::tempdir().unwrap();
        let first_may = Arc::new(AtomicBool::new(false));
        let may = Arc::clone(&first_may);
        let master = FakeMaster::start(move |request| match request.key.as_str() {
            "first" => may.load(Ordering::Relaxed).then(|| grant(1, 1)),
            _ => Some(grant(2, 1)),
        })
        .await;
        let desk = master.desk(folder.path()).await;
        let doorkeeper = Arc::new(Doorkeeper::new(desk));
        let first = tokio::spawn({
            let doorkeeper = Arc::clone(&doorkeeper);
            async move { open(&doorkeeper, "first").await }
        });
        while master.heard.asked.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        // As like the first as another key gets: if keys shared anything, these two would.
        let begins = |text: &str| KeyHash::of(text).0[0];
        let alike = |other: &String| begins(other) == begins("first");
        let other = (0..).map(|n| format!("other-{n}")).find(alike).unwrap();
        open(&doorkeeper, &other).await.unwrap();
        first_may.store(true, Ordering::Relaxed);
        assert!(first.await.unwrap().is_ok(), "the other one waited until it gave up");
        assert!(doorkeeper.queues.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn sources_with_one_key_are_let_in_one_after_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let master = FakeMaster::start(|_| Some(grant(1, 1))).await;
        let doorkeeper = Doorkeeper::new(master.desk(folder.path()).await);
        let (one, other) = tokio::join!(open(&doorkeeper, "key"), open(&doorkeeper, "key"));
        assert!(one.is_ok());
        assert_eq!(other.unwrap_err().reason, RefusalReason::InUse);
        assert_eq!(master.heard.asked.lock().unwrap().len(), 1, "one session was asked for");
    }

    #[tokio::test]
    async fn whoever_gives_up_leaves_its_queue() {
        let queues = Queues::default();
        let first = queues.join(KeyHash([1; 32]));
        let turn = first.turn.lock().await;
        let second = queues.join(KeyHash([1; 32]));
        assert!(second.turn.try_lock().is_err());
        drop(turn);
        drop(first);
        assert!(queues.0.lock().unwrap().contains_key(&KeyHash([1; 32])));
        drop(second);
        assert!(queues.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_session_that_is_being_reported_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let master = FakeMaster::start(|_| Some(grant(1, 2))).await;
        let desk = master.desk(folder.path()).await;
        let held = begin(&desk.library, 1, 1);
        let doorkeeper = Doorkeeper::new(desk);
        let opening = open(&doorkeeper, "key");
        tokio::pin!(opening);
        tokio::select! {
            answer = &mut opening => panic!("it did not wait: {answer:?}"),
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
        drop(held);
        assert!(opening.await.is_ok());
    }

    #[tokio::test]
    async fn a_session_that_is_over_here_is_ended_at_the_master_and_a_new_one_begins() {
        let folder = tempfile::tempdir().unwrap();
        // The master goes on with the first session until it is told that it is over.
        let told = Arc::new(AtomicBool::new(false));
        let knows = Arc::clone(&told);
        let master = FakeMaster::start(move |_| {
            let known = knows.swap(true, Ordering::Relaxed);
            Some(if known { grant(2, 1) } else { grant(1, 5) })
        })
        .await;
        let desk = master.desk(folder.path()).await;
        begin(&desk.library, 1, 4).end("the source left", 1_000).unwrap();
        let doorkeeper = Doorkeeper::new(Arc::clone(&desk));
        open(&doorkeeper, "key").await.unwrap();
        assert!(desk.session(SessionId([2; 16])).is_some());
        let ends = || {
            let ends = master.heard.ends.lock().unwrap();
            let first = ends.iter().filter(|(session, _)| *session == SessionId([1; 16]));
            first.map(|(_, end)| (end.generation, end.because.clone())).collect::<Vec<_>>()
        };
        let end = (Generation(5), "the source left".to_owned());
        assert_eq!(ends(), std::slice::from_ref(&end));

        // Whoever sees to the first one's end has the master's last generation of it, too.
        let publisher = Arc::new(desk.library.reopen(SessionId([1; 16])).unwrap());
        session::ending::end(&desk, SessionId([1; 16]), &publisher, "the source left").await;
        assert_eq!(ends(), [end.clone(), end]);
        assert_eq!(desk.last_generation(&publisher.spec()), Generation(4), "it is forgotten");
    }
}
