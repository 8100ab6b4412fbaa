//! Webhooks, for whoever has jobs or streams.

use super::extract::{Json as Body, Page, Path, Query};
use crate::app::App;
use crate::auth::Listener;
use crate::problem::Refusal;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use std::sync::Arc;
use tessera_protocol::webhook::{
    DeliveryPage, DeliveryView, WebhookList, WebhookRequest, WebhookView,
};
use tessera_protocol::{DeliveryId, WebhookId};

/// Makes a webhook on one's own streams and jobs.
#[utoipa::path(
    post, path = "/v1/webhooks", tag = "webhooks", request_body = WebhookRequest,
    responses((status = 201, description = "The secret is shown this once", body = WebhookView))
)]
pub(super) async fn create_webhook(
    listener: Listener,
    State(app): State<Arc<App>>,
    Body(request): Body<WebhookRequest>,
) -> Result<(StatusCode, Json<WebhookView>), Refusal> {
    Ok((StatusCode::CREATED, Json(app.create_webhook(&listener, request).await?)))
}

/// Lists webhooks.
#[utoipa::path(
    get, path = "/v1/webhooks", tag = "webhooks", responses((status = 200, body = WebhookList))
)]
pub(super) async fn list_webhooks(
    listener: Listener,
    State(app): State<Arc<App>>,
) -> Result<Json<WebhookList>, Refusal> {
    Ok(Json(app.webhooks(&listener).await?))
}

/// Removes a webhook and its deliveries.
#[utoipa::path(
    delete, path = "/v1/webhooks/{webhook}", tag = "webhooks",
    params(("webhook" = WebhookId, Path)),
    responses((status = 204, description = "It is gone"))
)]
pub(super) async fn delete_webhook(
    listener: Listener,
    State(app): State<Arc<App>>,
    Path(webhook): Path<WebhookId>,
) -> Result<StatusCode, Refusal> {
    app.delete_webhook(&listener, webhook).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a webhook a message that says nothing.
#[utoipa::path(
    post, path = "/v1/webhooks/{webhook}/ping", tag = "webhooks",
    params(("webhook" = WebhookId, Path)),
    responses((status = 202, description = "It will be sent", body = DeliveryView))
)]
pub(super) async fn ping_webhook(
    listener: Listener,
    State(app): State<Arc<App>>,
    Path(webhook): Path<WebhookId>,
) -> Result<(StatusCode, Json<DeliveryView>), Refusal> {
    Ok((StatusCode::ACCEPTED, Json(app.ping_webhook(&listener, webhook).await?)))
}

/// Lists a webhook's deliveries, the newest first.
#[utoipa::path(
    get, path = "/v1/webhooks/{webhook}/deliveries", tag = "webhooks",
    params(("webhook" = WebhookId, Path), Page),
    responses((status = 200, body = DeliveryPage))
)]
pub(super) async fn list_deliveries(
    listener: Listener,
    State(app): State<Arc<App>>,
    Path(webhook): Path<WebhookId>,
    Query(page): Query<Page>,
) -> Result<Json<DeliveryPage>, Refusal> {
    Ok(Json(app.deliveries(&listener, webhook, page.cursor()?, page.limit()?).await?))
}

/// Has a delivery tried again from the start.
#[utoipa::path(
    post, path = "/v1/webhooks/{webhook}/deliveries/{delivery}/resend", tag = "webhooks",
    params(("webhook" = WebhookId, Path), ("delivery" = DeliveryId, Path)),
    responses((status = 202, description = "It will be sent", body = DeliveryView))
)]
pub(super) async fn resend(
    listener: Listener,
    State(app): State<Arc<App>>,
    Path((webhook, delivery)): Path<(WebhookId, DeliveryId)>,
) -> Result<(StatusCode, Json<DeliveryView>), Refusal> {
    Ok((StatusCode::ACCEPTED, Json(app.resend(&listener, webhook, delivery).await?)))
}
