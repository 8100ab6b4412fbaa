//! People come in and go.

use super::extract::{DeclaredJson, Peer};
use crate::app::{App, Entered};
use crate::auth::{InPerson, SomePerson, cookie};
use crate::problem::Refusal;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use std::sync::Arc;
use tessera_protocol::account::{
    AccountSession, PasswordRequest, SignInRequest, SignUpRequest, WalletChallengeRequest,
    WalletChallengeView,
};

/// Nobody keeps what only its reader may know.
const NOT_KEPT: (HeaderName, HeaderValue) =
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));

/// Makes an account and signs in.
#[utoipa::path(
    post, path = "/v1/accounts", tag = "people", security(()), request_body = SignUpRequest,
    responses((status = 201, description = "With the session's cookie", body = AccountSession))
)]
pub(super) async fn sign_up(
    Peer(peer): Peer,
    State(app): State<Arc<App>>,
    DeclaredJson(request): DeclaredJson<SignUpRequest>,
) -> Result<impl IntoResponse, Refusal> {
    let entered = app.sign_up(peer, request).await?;
    Ok((StatusCode::CREATED, with_cookie(&app, entered)))
}

/// Signs in by password, wallet or token.
#[utoipa::path(
    post, path = "/v1/session", tag = "people", security(()), request_body = SignInRequest,
    responses((status = 200, description = "With the session's cookie", body = AccountSession))
)]
pub(super) async fn sign_in(
    Peer(peer): Peer,
    State(app): State<Arc<App>>,
    DeclaredJson(request): DeclaredJson<SignInRequest>,
) -> Result<impl IntoResponse, Refusal> {
    let entered = app.sign_in(peer, request).await?;
    Ok(with_cookie(&app, entered))
}

/// Gives a text for a wallet to sign.
#[utoipa::path(
    post, path = "/v1/session/challenge", tag = "people", security(()),
    request_body = WalletChallengeRequest,
    responses((status = 200, description = "Good once, for five minutes", body = WalletChallengeView))
)]
pub(super) async fn wallet_challenge(
    Peer(peer): Peer,
    State(app): State<Arc<App>>,
    DeclaredJson(request): DeclaredJson<WalletChallengeRequest>,
) -> Result<impl IntoResponse, Refusal> {
    let given = app.wallet_challenge(peer, &request.address)?;
    Ok(([NOT_KEPT], Json(given)))
}

/// Says who is signed in.
#[utoipa::path(
    get, path = "/v1/session", tag = "people", responses((status = 200, body = AccountSession))
)]
pub(super) async fn get_portal_session(
    SomePerson(caller): SomePerson,
    State(app): State<Arc<App>>,
) -> Result<impl IntoResponse, Refusal> {
    let view = app.session_view(&caller).await?;
    Ok(([NOT_KEPT], Json(view)))
}

/// Signs out.
#[utoipa::path(
    delete, path = "/v1/session", tag = "people",
    responses((status = 204, description = "The cookie is good for nothing any more"))
)]
pub(super) async fn sign_out(
    SomePerson(caller): SomePerson,
    State(app): State<Arc<App>>,
) -> Result<impl IntoResponse, Refusal> {
    app.sign_out(&caller).await?;
    let cleared = [(header::SET_COOKIE, cookie::clear(!app.config.is_local()))];
    Ok((StatusCode::NO_CONTENT, cleared))
}

/// Signs all other browsers of the account out.
#[utoipa::path(
    delete, path = "/v1/session/others", tag = "people",
    responses((status = 204, description = "Only this browser is signed in; keys stay"))
)]
pub(super) async fn sign_others_out(
    person: InPerson,
    State(app): State<Arc<App>>,
) -> Result<StatusCode, Refusal> {
    app.sign_others_out(person).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Replaces the account's password.
#[utoipa::path(
    post, path = "/v1/account/password", tag = "people", request_body = PasswordRequest,
    responses((status = 204, description = "It holds, and all other browsers are signed out"))
)]
pub(super) async fn change_password(
    Peer(peer): Peer,
    person: InPerson,
    State(app): State<Arc<App>>,
    DeclaredJson(request): DeclaredJson<PasswordRequest>,
) -> Result<StatusCode, Refusal> {
    app.change_password(peer, person, request).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn with_cookie(app: &App, entered: Entered) -> impl IntoResponse + use<> {
    let cookie = (header::SET_COOKIE, entered.secret.set(!app.config.is_local()));
    ([cookie, NOT_KEPT], Json(entered.view))
}
