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
    let live = app.store.live_totals().await?;
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
        ("audits_total", "counter", counters.audits.load(Ordering::Relaxed)),
        ("audit_pixels_total", "counter", counters.audit_pixels.load(Ordering::Relaxed)),
        ("rejections_total", "counter", counters.rejections.load(Ordering::Relaxed)),
        ("upload_bytes_total", "counter", counters.upload_bytes.load(Ordering::Relaxed)),
        ("streams", "gauge", live.streams),
        ("streams_live", "gauge", live.sessions_live),
        ("sessions_total", "counter", live.sessions),
        ("segments_total", "counter", live.segments),
        ("segments_from_source_total", "counter", live.segments_from_source),
        ("segment_pixels_total", "counter", live.pixels),
        ("segment_conflicts_total", "counter", live.conflicts),
        ("segments_entered_total", "counter", counters.segments.load(Ordering::Relaxed)),
        ("workers", "gauge", live.workers),
        ("workers_waiting", "gauge", app.workers.who_wait().len() as u64),
        ("gateways", "gauge", live.gateways),
        ("stream_leases", "gauge", live.leases),
        ("stream_leases_total", "counter", counters.stream_leases.load(Ordering::Relaxed)),
        (
            "stream_leases_ended_total",
            "counter",
            counters.stream_leases_ended.load(Ordering::Relaxed),
        ),
        ("webhooks_pending", "gauge", live.deliveries_pending),
        ("webhooks_failed", "gauge", live.deliveries_failed),
        ("webhook_attempts_total", "counter", counters.deliveries.load(Ordering::Relaxed)),
        (
            "webhook_attempts_failed_total",
            "counter",
            counters.deliveries_failed.load(Ordering::Relaxed),
        ),
    ] {
        let _ = writeln!(text, "# TYPE tessera_{name} {kind}\ntessera_{name} {value}");
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text))
}
