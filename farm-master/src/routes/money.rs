//! Money: quotes, what was paid, and the books.

use super::extract::{Json as Body, Page, Path, Query};
use crate::app::App;
use crate::auth::{Artist, Node, Operator};
use crate::problem::Refusal;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use std::sync::Arc;
use tessera_protocol::finance::{
    EarningsView, FarmView, LedgerView, PayoutPage, QuoteRequest, SettlementView,
};
use tessera_protocol::job::{JobView, Why};
use tessera_protocol::quote::QuoteView;
use tessera_protocol::{JobId, QuoteId};

/// What everybody may know of the farm.
#[utoipa::path(
    get, path = "/v1/farm", tag = "people", security(()),
    responses((status = 200, body = FarmView))
)]
pub(super) async fn get_farm(State(app): State<Arc<App>>) -> Result<Json<FarmView>, Refusal> {
    Ok(Json(app.farm().await?))
}

/// Says what a job costs at most. Nothing is started.
#[utoipa::path(
    post, path = "/v1/quotes", tag = "people", request_body = QuoteRequest,
    responses((status = 201, description = "Signed, and good for a day", body = QuoteView))
)]
pub(super) async fn create_quote(
    artist: Artist,
    State(app): State<Arc<App>>,
    Body(request): Body<QuoteRequest>,
) -> Result<(StatusCode, Json<QuoteView>), Refusal> {
    Ok((StatusCode::CREATED, Json(app.quote(&artist, request).await?)))
}

/// Shows a quote.
#[utoipa::path(
    get, path = "/v1/quotes/{quote}", tag = "people", params(("quote" = QuoteId, Path)),
    responses((status = 200, body = QuoteView))
)]
pub(super) async fn get_quote(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path(quote): Path<QuoteId>,
) -> Result<Json<QuoteView>, Refusal> {
    Ok(Json(app.show_quote(&artist, quote).await?))
}

/// Starts the job of a quote, whose ceiling lies in its escrow.
#[utoipa::path(
    post, path = "/v1/quotes/{quote}/accept", tag = "people", params(("quote" = QuoteId, Path)),
    responses(
        (status = 201, description = "The job is accepted", body = JobView),
        (status = 200, description = "It was accepted before", body = JobView),
    )
)]
pub(super) async fn accept_quote(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path(quote): Path<QuoteId>,
) -> Result<(StatusCode, Json<JobView>), Refusal> {
    let (job, new) = app.accept_quote(&artist, quote).await?;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(job)))
}

/// Raises a job's ceiling by what was deposited in its escrow since. A job that had too little goes on.
#[utoipa::path(
    post, path = "/v1/jobs/{job}/top-up", tag = "people", params(("job" = JobId, Path)),
    responses((status = 200, body = JobView))
)]
pub(super) async fn top_up(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path(job): Path<JobId>,
) -> Result<Json<JobView>, Refusal> {
    Ok(Json(app.top_up(&artist, job).await?))
}

/// Shows what became of a job's money on the chain.
#[utoipa::path(
    get, path = "/v1/jobs/{job}/settlement", tag = "people", params(("job" = JobId, Path)),
    responses((status = 200, body = SettlementView))
)]
pub(super) async fn get_settlement(
    artist: Artist,
    State(app): State<Arc<App>>,
    Path(job): Path<JobId>,
) -> Result<Json<SettlementView>, Refusal> {
    Ok(Json(app.job_settlement(&artist, job).await?))
}

/// Lists what nodes were paid, newest first.
#[utoipa::path(
    get, path = "/v1/payouts", tag = "people", params(Page),
    responses((status = 200, body = PayoutPage))
)]
pub(super) async fn list_payouts(
    _: Operator,
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
) -> Result<Json<PayoutPage>, Refusal> {
    Ok(Json(app.payouts(None, page.cursor()?, page.limit()?).await?))
}

/// Shows the books: all balances, what does not agree, and the newest entries.
#[utoipa::path(
    get, path = "/v1/ledger", tag = "people", params(Page),
    responses((status = 200, body = LedgerView))
)]
pub(super) async fn get_ledger(
    _: Operator,
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
) -> Result<Json<LedgerView>, Refusal> {
    Ok(Json(app.ledger(page.cursor()?, page.limit()?).await?))
}

/// What the node has earned.
#[utoipa::path(
    get, path = "/node/v1/earnings", tag = "nodes", responses((status = 200, body = EarningsView))
)]
pub(super) async fn get_earnings(
    Node(node): Node,
    State(app): State<Arc<App>>,
) -> Result<Json<EarningsView>, Refusal> {
    Ok(Json(app.earnings(node).await?))
}

/// Why the node got nothing when it asked last.
#[utoipa::path(
    get, path = "/node/v1/why", tag = "nodes", responses((status = 200, body = Vec<Why>))
)]
pub(super) async fn own_why(
    Node(node): Node,
    State(app): State<Arc<App>>,
) -> Result<Json<Vec<Why>>, Refusal> {
    Ok(Json(app.why_node(node).await?))
}
