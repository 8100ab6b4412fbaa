//! The program itself.

use crate::app::App;
use crate::auth::Operator;
use crate::problem::Refusal;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Whether the master and its database answer.
#[utoipa::path(
    get, path = "/healthz", tag = "program", security(()),
    responses((status = 200, content_type = "text/plain", body = String))
)]
pub(super) async fn healthz(State(app): State<Arc<App>>) -> Result<&'static str, Refusal> {
    app.store.last_event().await?;
    Ok("ok")
}

/// This description.
#[utoipa::path(
    get, path = "/openapi.json", tag = "program", security(()),
    responses((status = 200, content_type = "application/json", body = String))
)]
pub(super) async fn openapi_json() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], super::openapi_document())
}

/// Counts, as Prometheus reads them.
#[utoipa::path(
    get, path = "/metrics", tag = "program",
    responses((status = 200, content_type = "text/plain", body = String))
)]
pub(super) async fn metrics(
    _: Operator,
    State(app): State<Arc<App>>,
) -> Result<impl IntoResponse, Refusal> {
    let totals = app.store.totals().await?;
    let mut text = String::new();
    let states = ["active", "paused", "completed", "cancelled", "failed"];
    let _ = writeln!(text, "# TYPE tessera_jobs gauge");
    for (state, jobs) in states.into_iter().zip(totals.jobs) {
        let _ = writeln!(text, "tessera_jobs{{state=\"{state}\"}} {jobs}");
    }
    let counters = &app.counters;
    for (name, kind, value) in [
        ("units_leased", "gauge", totals.units_leased),
        ("units_verified_total", "counter", totals.units_verified),
        ("rays_verified_total", "counter", totals.rays_verified),
        ("frames_assembled_total", "counter", totals.frames_done),
        ("nodes", "gauge", totals.nodes),
        ("requests_total", "counter", counters.requests.load(Ordering::Relaxed)),
        ("refusals_total", "counter", counters.refusals.load(Ordering::Relaxed)),
        ("leases_total", "counter", counters.leases.load(Ordering::Relaxed)),
        ("leases_ended_total", "counter", counters.leases_ended.load(Ordering::Relaxed)),
        ("submits_total", "counter", counters.submits.load(Ordering::Relaxed)),
        ("upload_bytes_total", "counter", counters.upload_bytes.load(Ordering::Relaxed)),
    ] {
        let _ = writeln!(text, "# TYPE tessera_{name} {kind}\ntessera_{name} {value}");
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text))
}
