//! `/v1` for broadcasters: streams, their sessions, webhooks.

use crate::{Client, ClientError};
use reqwest::Method;
use tessera_protocol::stream::gateway::{GatewayPage, GatewayView};
use tessera_protocol::stream::view::{
    SegmentPage, SegmentView, SessionPage, SessionView, StreamKeyView, StreamPage, StreamSpec,
    StreamView,
};
use tessera_protocol::stream::worker::{WorkerPage, WorkerView};
use tessera_protocol::webhook::{
    DeliveryPage, DeliveryView, WebhookList, WebhookRequest, WebhookView,
};
use tessera_protocol::{DeliveryId, SessionId, StreamId, WebhookId};

impl Client {
    /// Makes a stream and its key. With the same `idempotency_key` (1 to 64 printable ASCII
    /// characters) and spec it makes one stream, however often it is called; where an earlier answer
    /// was lost and the first key with it, the stream gets a new one.
    pub async fn create_stream(
        &self,
        spec: &StreamSpec,
        idempotency_key: &str,
    ) -> Result<StreamKeyView, ClientError> {
        let made: StreamKeyView = self
            .transport
            .repeating(|| {
                let request = self
                    .transport
                    .request(Method::POST, "v1/streams")
                    .header("Idempotency-Key", idempotency_key)
                    .json(spec);
                self.transport.send_for_json(request)
            })
            .await?;
        // A key is shown once, and whoever repeats has not seen it.
        if made.key.is_empty() { self.rotate_key(made.stream.id).await } else { Ok(made) }
    }

    /// All streams that the token may see, newest first.
    pub async fn streams(&self) -> Result<Vec<StreamView>, ClientError> {
        self.pages("v1/streams", |page: StreamPage| (page.data, page.next_cursor)).await
    }

    /// One stream.
    pub async fn stream(&self, stream: StreamId) -> Result<StreamView, ClientError> {
        self.get(&format!("v1/streams/{stream}")).await
    }

    /// Puts aside for a stream what was deposited in its escrow since.
    pub async fn top_up_stream(&self, stream: StreamId) -> Result<StreamView, ClientError> {
        self.post(&format!("v1/streams/{stream}/top-up")).await
    }

    /// Gives a stream a new key. The old one is refused from now on, and a session under it ends.
    pub async fn rotate_key(&self, stream: StreamId) -> Result<StreamKeyView, ClientError> {
        self.post(&format!("v1/streams/{stream}/rotate-key")).await
    }

    /// Ends a stream for good: its session ends, and its key is no longer taken.
    pub async fn end_stream(&self, stream: StreamId) -> Result<StreamView, ClientError> {
        self.post(&format!("v1/streams/{stream}/end")).await
    }

    /// A stream's sessions, newest first.
    pub async fn sessions(&self, stream: StreamId) -> Result<Vec<SessionView>, ClientError> {
        let path = format!("v1/streams/{stream}/sessions");
        self.pages(&path, |page: SessionPage| (page.data, page.next_cursor)).await
    }

    /// Those of a stream's sessions whose recording can be played, newest first.
    pub async fn recordings(&self, stream: StreamId) -> Result<Vec<SessionView>, ClientError> {
        let path = format!("v1/streams/{stream}/recordings");
        self.pages(&path, |page: SessionPage| (page.data, page.next_cursor)).await
    }

    /// One session.
    pub async fn session(&self, session: SessionId) -> Result<SessionView, ClientError> {
        self.get(&format!("v1/sessions/{session}")).await
    }

    /// A session's segments, by number.
    pub async fn segments(&self, session: SessionId) -> Result<Vec<SegmentView>, ClientError> {
        let path = format!("v1/sessions/{session}/segments");
        self.pages(&path, |page: SegmentPage| (page.data, page.next_cursor)).await
    }

    /// Makes a webhook on all streams of one's own. Called once: a repeated call would make two.
    pub async fn create_webhook(&self, url: &str) -> Result<WebhookView, ClientError> {
        let request = self.transport.request(Method::POST, "v1/webhooks");
        self.transport.send_for_json(request.json(&WebhookRequest { url: url.to_owned() })).await
    }

    /// One's webhooks.
    pub async fn webhooks(&self) -> Result<Vec<WebhookView>, ClientError> {
        let list: WebhookList = self.get("v1/webhooks").await?;
        Ok(list.data)
    }

    /// Removes a webhook and its deliveries.
    pub async fn delete_webhook(&self, webhook: WebhookId) -> Result<(), ClientError> {
        let path = format!("v1/webhooks/{webhook}");
        self.transport
            .repeating(|| async {
                self.transport.send(self.transport.request(Method::DELETE, &path)).await.map(drop)
            })
            .await
    }

    /// Sends a webhook a message that says nothing. Called once: a repeated call would send two.
    pub async fn ping_webhook(&self, webhook: WebhookId) -> Result<DeliveryView, ClientError> {
        let path = format!("v1/webhooks/{webhook}/ping");
        self.transport.send_for_json(self.transport.request(Method::POST, &path)).await
    }

    /// A webhook's deliveries of the last 30 days, newest first.
    pub async fn deliveries(&self, webhook: WebhookId) -> Result<Vec<DeliveryView>, ClientError> {
        let path = format!("v1/webhooks/{webhook}/deliveries");
        self.pages(&path, |page: DeliveryPage| (page.data, page.next_cursor)).await
    }

    /// Has a delivery tried again from the start, whatever became of it.
    pub async fn resend(
        &self,
        webhook: WebhookId,
        delivery: DeliveryId,
    ) -> Result<DeliveryView, ClientError> {
        self.post(&format!("v1/webhooks/{webhook}/deliveries/{delivery}/resend")).await
    }

    /// All workers that ever joined.
    pub async fn workers(&self) -> Result<Vec<WorkerView>, ClientError> {
        self.pages("v1/workers", |page: WorkerPage| (page.data, page.next_cursor)).await
    }

    /// All gateways that ever joined.
    pub async fn gateways(&self) -> Result<Vec<GatewayView>, ClientError> {
        self.pages("v1/gateways", |page: GatewayPage| (page.data, page.next_cursor)).await
    }
}
