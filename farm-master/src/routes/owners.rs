//! An owner's nodes; the operator's are all.

use super::extract::{Json as Body, Page, Path, Query};
use crate::app::App;
use crate::auth::NodeOwner;
use crate::problem::Refusal;
use axum::Json;
use axum::extract::State;
use std::sync::Arc;
use tessera_protocol::NodeId;
use tessera_protocol::finance::{EarningsView, PayoutPage};
use tessera_protocol::house::HoursRequest;
use tessera_protocol::job::Why;
use tessera_protocol::node::{NodePage, NodeView, NodeWish};

/// Lists the nodes.
#[utoipa::path(
    get, path = "/v1/nodes", tag = "people", params(Page),
    responses((status = 200, body = NodePage))
)]
pub(super) async fn list_nodes(
    owner: NodeOwner,
    State(app): State<Arc<App>>,
    Query(page): Query<Page>,
) -> Result<Json<NodePage>, Refusal> {
    Ok(Json(app.nodes(&owner, page.cursor()?, page.limit()?).await?))
}

/// Shows a node.
#[utoipa::path(
    get, path = "/v1/nodes/{node}", tag = "people", params(("node" = NodeId, Path)),
    responses((status = 200, body = NodeView))
)]
pub(super) async fn get_node(
    owner: NodeOwner,
    State(app): State<Arc<App>>,
    Path(node): Path<NodeId>,
) -> Result<Json<NodeView>, Refusal> {
    Ok(Json(app.node(&owner, node).await?))
}

/// Says what a node has earned.
#[utoipa::path(
    get, path = "/v1/nodes/{node}/earnings", tag = "people", params(("node" = NodeId, Path)),
    responses((status = 200, body = EarningsView))
)]
pub(super) async fn node_earnings(
    owner: NodeOwner,
    State(app): State<Arc<App>>,
    Path(node): Path<NodeId>,
) -> Result<Json<EarningsView>, Refusal> {
    Ok(Json(app.earnings_of(&owner, node).await?))
}

/// Says why a node gets no work.
#[utoipa::path(
    get, path = "/v1/nodes/{node}/why", tag = "people", params(("node" = NodeId, Path)),
    responses((status = 200, body = Vec<Why>))
)]
pub(super) async fn why_node(
    owner: NodeOwner,
    State(app): State<Arc<App>>,
    Path(node): Path<NodeId>,
) -> Result<Json<Vec<Why>>, Refusal> {
    Ok(Json(app.why_node_of(&owner, node).await?))
}

/// Lists what a node was paid, newest first.
#[utoipa::path(
    get, path = "/v1/nodes/{node}/payouts", tag = "people", params(("node" = NodeId, Path), Page),
    responses((status = 200, body = PayoutPage))
)]
pub(super) async fn node_payouts(
    owner: NodeOwner,
    State(app): State<Arc<App>>,
    Path(node): Path<NodeId>,
    Query(page): Query<Page>,
) -> Result<Json<PayoutPage>, Refusal> {
    Ok(Json(app.payouts_of(&owner, node, page.cursor()?, page.limit()?).await?))
}

/// Stops a node: it gets no new lease, and those that it has are taken back.
#[utoipa::path(
    post, path = "/v1/nodes/{node}/pause", tag = "people", params(("node" = NodeId, Path)),
    responses((status = 200, body = NodeView))
)]
pub(super) async fn pause_node(
    owner: NodeOwner,
    State(app): State<Arc<App>>,
    Path(node): Path<NodeId>,
) -> Result<Json<NodeView>, Refusal> {
    Ok(Json(app.wish(&owner, node, NodeWish::Pause).await?))
}

/// Lets a node work again.
#[utoipa::path(
    post, path = "/v1/nodes/{node}/resume", tag = "people", params(("node" = NodeId, Path)),
    responses((status = 200, body = NodeView))
)]
pub(super) async fn resume_node(
    owner: NodeOwner,
    State(app): State<Arc<App>>,
    Path(node): Path<NodeId>,
) -> Result<Json<NodeView>, Refusal> {
    Ok(Json(app.wish(&owner, node, NodeWish::Work).await?))
}

/// Lets a node end what it has: it gets no new lease.
#[utoipa::path(
    post, path = "/v1/nodes/{node}/drain", tag = "people", params(("node" = NodeId, Path)),
    responses((status = 200, body = NodeView))
)]
pub(super) async fn drain_node(
    owner: NodeOwner,
    State(app): State<Arc<App>>,
    Path(node): Path<NodeId>,
) -> Result<Json<NodeView>, Refusal> {
    Ok(Json(app.wish(&owner, node, NodeWish::Drain).await?))
}

/// Sets the hours in which a node may work: it takes them over with its next report.
#[utoipa::path(
    put, path = "/v1/nodes/{node}/hours", tag = "people", params(("node" = NodeId, Path)),
    request_body = HoursRequest,
    responses((status = 200, body = NodeView))
)]
pub(super) async fn set_node_hours(
    owner: NodeOwner,
    State(app): State<Arc<App>>,
    Path(node): Path<NodeId>,
    Body(request): Body<HoursRequest>,
) -> Result<Json<NodeView>, Refusal> {
    Ok(Json(app.set_hours(&owner, node, &request.hours).await?))
}
