//! A job's events as they happen, across lost connections.

use crate::sse::{Event, Parser};
use crate::transport::Transport;
use crate::{Backoff, ClientError};
use reqwest::{Method, Response};
use std::collections::VecDeque;
use std::time::Duration;
use tessera_protocol::JobId;
use tessera_protocol::job::JobEvent;

/// The events of one job. When the connection breaks, the next one begins behind the last event
/// that arrived, so none is lost and none comes twice.
pub struct JobEvents {
    transport: Transport,
    job: JobId,
    connection: Option<(Response, Parser)>,
    ready: VecDeque<Event>,
    /// The id of the last event handed out.
    last: Option<String>,
    backoff: Backoff,
    /// Waits since the last event, all together.
    waited: Duration,
}

impl JobEvents {
    pub(crate) fn new(transport: Transport, job: JobId) -> Self {
        Self {
            transport,
            job,
            connection: None,
            ready: VecDeque::new(),
            last: None,
            backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(3)),
            waited: Duration::ZERO,
        }
    }

    /// Waits for the next event. Fails when the master refuses, or stays away longer than the
    /// client's patience. May be called again after a failure, and dropped at any time.
    pub async fn next(&mut self) -> Result<JobEvent, ClientError> {
        loop {
            while let Some(event) = self.ready.pop_front() {
                self.last = event.id;
                // A kind of event that a newer master added is not for this client.
                if let Ok(event) = serde_json::from_str(&event.data) {
                    return Ok(event);
                }
            }
            match self.receive().await {
                Ok(()) => {
                    self.backoff.reset();
                    self.waited = Duration::ZERO;
                }
                Err(error) if error.is_transient() => {
                    let wait = self.backoff.next_wait();
                    self.waited += wait;
                    if self.waited > self.transport.patience() {
                        self.waited = Duration::ZERO;
                        return Err(error);
                    }
                    tokio::time::sleep(wait).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Connects if need be and takes what comes next. Nothing is lost when the wait is dropped.
    async fn receive(&mut self) -> Result<(), ClientError> {
        if self.connection.is_none() {
            self.connection = Some((self.connect().await?, Parser::default()));
        }
        let Some((response, parser)) = &mut self.connection else { return Ok(()) };
        let piece = response.chunk().await.map_err(|error| self.transport.broken(&error));
        let Ok(Some(piece)) = piece else {
            self.connection = None;
            let ended = ClientError::Interrupted {
                master: self.transport.master().to_string(),
                cause: "the stream of events ended".into(),
            };
            return Err(piece.err().unwrap_or(ended));
        };
        let mut events = Vec::new();
        if parser.feed(&piece, &mut events).is_err() {
            self.connection = None;
            return Err(self.transport.not_understood("an event has no end"));
        }
        self.ready.extend(events);
        Ok(())
    }

    async fn connect(&self) -> Result<Response, ClientError> {
        let path = format!("v1/jobs/{}/events", self.job);
        let mut request =
            self.transport.request(Method::GET, &path).header("Accept", "text/event-stream");
        if let Some(last) = &self.last {
            request = request.header("Last-Event-ID", last);
        }
        self.transport.send(request).await
    }
}
