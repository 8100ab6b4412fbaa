//! What happens to a job, as it happens: the outbox, read on from where the reader stopped.

use super::extract::{Path, malformed};
use crate::app::App;
use crate::auth::Artist;
use crate::problem::Refusal;
use crate::store::StoreError;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use futures::stream::unfold;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tessera_protocol::JobId;
use tessera_protocol::job::JobEvent;
use tokio::sync::{OwnedSemaphorePermit, watch};

/// Events that are read from the store at once.
const AT_ONCE: u32 = 256;
/// How often to look without a hint: one may be lost.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Streams a job's events.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/events", tag = "people",
    params(
        ("job" = JobId, Path),
        ("Last-Event-ID" = Option<i64>, Header, description = "Goes on behind this event"),
    ),
    responses((status = 200, content_type = "text/event-stream", body = JobEvent))
)]
pub(super) async fn job_events(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path(job): Path<JobId>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, StoreError>>>, Refusal> {
    let permit =
        app.limits.event_streams.clone().try_acquire_owned().map_err(|_| {
            Refusal::overloaded("As many event streams as the master takes are open")
        })?;
    let hints = app.hints.events.subscribe();
    // The number is read before the state: what happens between the two is told twice, never lost.
    let last = app.store.last_event().await?;
    let view = app.job(&artist, job).await?;
    let (after, opening) = match last_event_id(&headers)? {
        Some(after) => (after, VecDeque::new()),
        None => {
            let state = JobEvent::State { state: view.state, reason: view.reason };
            let units = JobEvent::Units {
                verified: view.units.verified,
                total: view.spec.units(),
                rays: view.rays,
            };
            (last, VecDeque::from([(last, state), (last, units)]))
        }
    };
    let reader = Reader { app, job, after, ready: opening, hints, _permit: permit };
    let stream = unfold(reader, async |mut reader| {
        let event = reader.next().await?;
        Some((event, reader))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<i64>, Refusal> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| text.parse().ok());
    id.map(Some).ok_or_else(|| malformed("Last-Event-ID is the number of an event."))
}

struct Reader {
    app: Arc<App>,
    job: JobId,
    after: i64,
    ready: VecDeque<(i64, JobEvent)>,
    hints: watch::Receiver<()>,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    /// The next event, or `None` when the master stops.
    async fn next(&mut self) -> Option<Result<Event, StoreError>> {
        loop {
            if let Some((id, event)) = self.ready.pop_front() {
                self.after = id;
                let data = serde_json::to_string(&event).expect("events have string keys only");
                return Some(Ok(Event::default().id(id.to_string()).data(data)));
            }
            self.hints.mark_unchanged();
            match self.app.store.events(self.job, self.after, AT_ONCE).await {
                Ok(events) => self.ready.extend(events),
                Err(error) => return Some(Err(error)),
            }
            if self.ready.is_empty() {
                tokio::select! {
                    _ = tokio::time::timeout(LOOK_AGAIN, self.hints.changed()) => {}
                    () = self.app.stopping.cancelled() => return None,
                }
            }
        }
    }
}
