//! An account's keys.

use super::extract::{Json as Body, Page, Path, Query};
use crate::app::App;
use crate::auth::InPerson;
use crate::problem::Refusal;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use std::sync::Arc;
use tessera_protocol::KeyId;
use tessera_protocol::account::{KeyPage, KeyRequest, NewKeyView};

/// Lists the account's keys, newest first.
#[utoipa::path(
    get, path = "/v1/keys", tag = "people", params(Page),
    responses((status = 200, body = KeyPage))
)]
pub(super) async fn list_keys(
    account: InPerson,
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
) -> Result<Json<KeyPage>, Refusal> {
    Ok(Json(app.keys(account, page.cursor()?, page.limit()?).await?))
}

/// Makes a key that acts for the account.
#[utoipa::path(
    post, path = "/v1/keys", tag = "people", request_body = KeyRequest,
    responses((status = 201, description = "The key is shown this once", body = NewKeyView))
)]
pub(super) async fn create_key(
    account: InPerson,
    State(app): State<Arc<App>>,
    Body(request): Body<KeyRequest>,
) -> Result<(StatusCode, Json<NewKeyView>), Refusal> {
    Ok((StatusCode::CREATED, Json(app.create_key(account, request).await?)))
}

/// Deletes a key. Nodes that joined with it stay.
#[utoipa::path(
    delete, path = "/v1/keys/{key}", tag = "people", params(("key" = KeyId, Path)),
    responses((status = 204, description = "The key is refused from now on"))
)]
pub(super) async fn delete_key(
    account: InPerson,
    State(app): State<Arc<App>>,
    Path(key): Path<KeyId>,
) -> Result<StatusCode, Refusal> {
    app.delete_key(account, key).await?;
    Ok(StatusCode::NO_CONTENT)
}
