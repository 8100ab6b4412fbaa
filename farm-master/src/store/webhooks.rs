//! The truth about webhooks: where to send, what was to be sent, what became of it. See [`super`]
//! for what every call promises.

use super::Later;
use crate::auth::TokenId;
use tessera_protocol::webhook::DeliveryView;
use tessera_protocol::{DeliveryId, WebhookId};

/// What a webhook hears of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hears {
    /// Streams.
    pub streams: bool,
    /// Jobs.
    pub jobs: bool,
}

/// A webhook as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id, drawn by the caller.
    pub id: WebhookId,
    /// Whose it is.
    pub owner: TokenId,
    /// Whether it hears of everybody's.
    pub everybody: bool,
    /// Of what.
    pub hears: Hears,
    /// Where messages go.
    pub url: String,
    /// What they are signed with.
    pub secret: String,
    /// When it was made.
    pub created_ms: i64,
}

/// A message that is due.
#[derive(Clone, PartialEq, Eq)]
pub struct Due {
    /// The delivery.
    pub id: DeliveryId,
    /// To which webhook.
    pub webhook: WebhookId,
    /// Whose that is.
    pub owner: TokenId,
    /// Where it is.
    pub url: String,
    /// What it is signed with.
    pub secret: String,
    /// What is said, as it is sent.
    pub body: String,
    /// Attempts so far.
    pub attempts: u32,
}

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The delivery.
    pub id: DeliveryId,
    /// Its number, counted from 1.
    pub number: u32,
    /// What it met, in words.
    pub answer: String,
    /// What follows.
    pub then: Then,
}

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It was received.
    Delivered,
    /// It is tried again then.
    AgainAt(i64),
    /// It is not tried again.
    Failed,
}

/// See the module.
pub trait WebhookStore: Send + Sync + 'static {
    /// Makes a webhook, unless its owner has `most` of them.
    fn create_webhook(&self, webhook: Webhook, most: u64) -> Later<'_, bool>;
    /// A webhook.
    fn webhook(&self, id: WebhookId) -> Later<'_, Option<Webhook>>;
    /// Webhooks of one owner, or of all, oldest first.
    fn webhooks(&self, owner: Option<TokenId>) -> Later<'_, Vec<Webhook>>;
    /// Removes a webhook and its deliveries.
    fn delete_webhook(&self, id: WebhookId) -> Later<'_, ()>;
    /// Puts a ping into the outbox.
    fn ping(&self, id: WebhookId, now_ms: i64) -> Later<'_, DeliveryView>;
    /// Deliveries of a webhook older than `before`, newest first, each with its place.
    fn deliveries(
        &self,
        webhook: WebhookId,
        before: Option<i64>,
        limit: u32,
    ) -> Later<'_, Vec<(i64, DeliveryView)>>;
    /// Has a delivery tried again from the start.
    fn resend(
        &self,
        webhook: WebhookId,
        delivery: DeliveryId,
        now_ms: i64,
    ) -> Later<'_, Option<DeliveryView>>;
    /// What is due, at most `each` of a webhook.
    fn due(&self, now_ms: i64, each: u32) -> Later<'_, Vec<Due>>;
    /// Notes an attempt.
    fn attempted(&self, attempt: Attempt) -> Later<'_, ()>;
    /// Forgets deliveries made before this time.
    fn forget_deliveries(&self, before_ms: i64) -> Later<'_, ()>;
}
