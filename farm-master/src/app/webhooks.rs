//! What people ask about webhooks. Sending is `deliveries`'.

use super::App;
use super::streams::{page, random};
use crate::auth::Listener;
use crate::outbound::Reach;
use crate::problem::{Code, Refusal};
use crate::store::webhooks::{Hears, Webhook};
use tessera_protocol::webhook::{
    DeliveryPage, DeliveryView, WebhookList, WebhookRequest, WebhookView,
};
use tessera_protocol::{DeliveryId, WebhookId};

/// Most webhooks of an owner.
const WEBHOOKS: u64 = 16;
/// Longest URL, in bytes.
const MAX_URL: usize = 2000;

impl App {
    /// Makes a webhook, whose secret is shown in this answer only.
    pub(crate) async fn create_webhook(
        &self,
        listener: &Listener,
        request: WebhookRequest,
    ) -> Result<WebhookView, Refusal> {
        let refused = |detail: String| Err(Refusal::new(Code::WebhookRefused, detail));
        if request.url.len() > MAX_URL {
            return refused(format!("A webhook's URL has at most {MAX_URL} bytes."));
        }
        if let Err(error) = Reach::of(&self.config).check(&request.url) {
            return refused(format!("The webhook's URL cannot be sent to: {error}."));
        }
        let webhook = Webhook {
            id: WebhookId(random()?),
            owner: listener.id(),
            everybody: listener.sees().is_none(),
            hears: listener.hears(),
            url: request.url,
            secret: format!("hook-{}", hex::encode(random::<32>()?)),
            created_ms: self.clock.now_ms(),
        };
        if !self.store.create_webhook(webhook.clone(), WEBHOOKS).await? {
            return refused(format!("You have {WEBHOOKS} webhooks; remove one first."));
        }
        let secret = Some(webhook.secret.clone());
        Ok(WebhookView { secret, ..view(webhook) })
    }

    /// All webhooks that the caller may see.
    pub(crate) async fn webhooks(&self, listener: &Listener) -> Result<WebhookList, Refusal> {
        let webhooks = self.store.webhooks(listener.sees()).await?;
        let heard = webhooks.into_iter().filter(|webhook| listener.may_hear(webhook.hears));
        Ok(WebhookList { data: heard.map(view).collect() })
    }

    /// Removes a webhook and its deliveries.
    pub(crate) async fn delete_webhook(
        &self,
        listener: &Listener,
        id: WebhookId,
    ) -> Result<(), Refusal> {
        self.need_webhook(listener, id).await?;
        Ok(self.store.delete_webhook(id).await?)
    }

    /// Sends a webhook a message that says nothing.
    pub(crate) async fn ping_webhook(
        &self,
        listener: &Listener,
        id: WebhookId,
    ) -> Result<DeliveryView, Refusal> {
        self.need_webhook(listener, id).await?;
        let delivery = self.store.ping(id, self.clock.now_ms()).await?;
        self.hints.deliveries.notify_one();
        Ok(delivery)
    }

    /// One page of deliveries, the newest first.
    pub(crate) async fn deliveries(
        &self,
        listener: &Listener,
        id: WebhookId,
        cursor: Option<i64>,
        limit: u32,
    ) -> Result<DeliveryPage, Refusal> {
        self.need_webhook(listener, id).await?;
        let deliveries = self.store.deliveries(id, cursor, limit + 1).await?;
        let (deliveries, next_cursor) = page(deliveries, limit, |(seq, _)| seq.to_string());
        let data = deliveries.into_iter().map(|(_, delivery)| delivery).collect();
        Ok(DeliveryPage { data, next_cursor })
    }

    /// Has a delivery tried again from the start.
    pub(crate) async fn resend(
        &self,
        listener: &Listener,
        webhook: WebhookId,
        delivery: DeliveryId,
    ) -> Result<DeliveryView, Refusal> {
        self.need_webhook(listener, webhook).await?;
        let found = self.store.resend(webhook, delivery, self.clock.now_ms()).await?;
        self.hints.deliveries.notify_one();
        found.ok_or_else(|| {
            Refusal::new(
                Code::DeliveryNotFound,
                format!("Webhook {webhook} has no delivery {delivery}, or has it no more."),
            )
        })
    }

    async fn need_webhook(&self, listener: &Listener, id: WebhookId) -> Result<(), Refusal> {
        match self.store.webhook(id).await? {
            Some(webhook)
                if listener.may_see(webhook.owner) && listener.may_hear(webhook.hears) =>
            {
                Ok(())
            }
            _ => Err(Refusal::new(
                Code::WebhookNotFound,
                format!("There is no webhook {id} among yours."),
            )),
        }
    }
}

fn view(webhook: Webhook) -> WebhookView {
    let Hears { streams, jobs } = webhook.hears;
    WebhookView {
        id: webhook.id,
        url: webhook.url,
        secret: None,
        streams,
        jobs,
        created_ms: webhook.created_ms,
    }
}
