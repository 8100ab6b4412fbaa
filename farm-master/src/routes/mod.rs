//! The routes, thin: a handler parses, calls one method, converts.
//!
//! # The table
//!
//! Bodies are JSON and types are [`tessera_protocol`]'s, unless said otherwise. Every refusal is a
//! [`Problem`](tessera_protocol::problem::Problem) as `application/problem+json`; its `type` is
//! `/problems/<code>`, and the codes below are those a caller may want to tell apart. Any route may
//! also answer `400 request-malformed`, `401 token-missing` / `token-unknown`,
//! `403 scope-too-small`, `404 …-not-found`, `408 request-timed-out`, `413 body-too-large`,
//! `500 internal` and `503 overloaded` (with `Retry-After`: send the same again).
//!
//! Tokens travel as `Authorization: Bearer <token>`. Scopes: `operator` (everything under `/v1`,
//! and joining), `artist` (under `/v1`, their own jobs; another's is `404`), `enrol` (challenge
//! and join only), `node` (the rest of `/node/v1`).
//!
//! ## People and programs
//! | method and path | scope | request | answer | refusals |
//! |---|---|---|---|---|
//! | `POST /v1/uploads` | artist | the bytes, streamed | 201 `UploadView`, durable by then | 413 `body-too-large` |
//! | `POST /v1/jobs` | artist | `JobSpec`, header `Idempotency-Key`? (1–64 printable ASCII) | 201 `JobView`; the same key and body again: 200 and the same job | 422 `settings-refused`, `upload-missing`, `scene-refused`, `idempotency-key-reused` |
//! | `GET /v1/jobs?cursor&limit` | artist | | 200 `JobPage`, newest first | |
//! | `GET /v1/jobs/{job}` | artist | | 200 `JobView` | 404 `job-not-found` |
//! | `POST /v1/jobs/{job}/pause` `…/resume` `…/cancel` | artist | | 200 `JobView`; asking for what is already so is no error | 409 `job-ended` |
//! | `GET /v1/jobs/{job}/why` | artist | | 200 `Vec<Why>` | |
//! | `GET /v1/jobs/{job}/frames?cursor&limit` | artist | | 200 `FramePage`, by number | |
//! | `GET /v1/jobs/{job}/frames/{frame}/exr` `…/png` | artist | | 200 `image/x-exr`, `image/png` | 404 `frame-not-found`, 409 `frame-not-ready` |
//! | `GET /v1/jobs/{job}/movie` | artist | | 200 `video/mp4` | 409 `movie-not-ready`, 404 `movie-not-found` (a job of one frame has none) |
//! | `GET /v1/jobs/{job}/events` | artist | header `Last-Event-ID`? | 200 `text/event-stream`: `id:` a number, `data:` a `JobEvent`. Without `Last-Event-ID` it opens with the present `State` and `Units`; with it, with what came after. Between two reads only the newest `Units` is kept. It stays open after the job's end | |
//! | `GET /v1/nodes?cursor&limit` | operator | | 200 `NodePage` | |
//! | `POST /v1/tokens` | operator | `TokenRequest` | 201 `TokenView`, the token shown this once | |
//!
//! `limit` is 1 to 200, by default 100. A page is `{data, next_cursor}`; `next_cursor` is opaque
//! and `null` on the last page.
//!
//! ## Nodes
//! | method and path | scope | request | answer | refusals |
//! |---|---|---|---|---|
//! | `POST /node/v1/challenge` | enrol or operator | | 200 `ChallengeView`, good once and for a minute | |
//! | `POST /node/v1/join` | enrol or operator | `JoinRequest` | 200 `JoinView`; joining again replaces the token and leaves leases as they are | 403 `challenge-refused`, `signature-refused`; 409 `kernel-differs` |
//! | `POST /node/v1/lease` | node | `LeaseRequest` | 200 `LeaseGrant`, or 204 when `wait_ms` passed without work. All units are of one frame | 409 `kernel-differs`, 403 `node-not-exact` |
//! | `POST /node/v1/leases/{lease}/heartbeat` | node | | 200 `HeartbeatView`; `alive: false` for an ended, unknown or somebody else's lease | |
//! | `POST /node/v1/leases/{lease}/submit` | node | `application/octet-stream`, see [`tessera_protocol::submit`] | 200 `SubmitView`, durable by then; the same commit again: the same answer | below |
//! | `POST /node/v1/leases/{lease}/give-back` | node | `GiveBackRequest` | 204, also when the lease has ended already | |
//! | `GET /node/v1/blobs/{blob}` | node | | 200 `application/octet-stream`, with `Content-Length`; only blobs of a job the node holds a lease on | 404 `blob-not-found` |
//!
//! Refusals of a submit. Sending the same again cannot help, so the node drops that work:
//! 400 `submit-malformed` (not a submit's body), 403 `signature-refused`, 403 `node-differs`,
//! 409 `lease-ended` (expired, given back, unknown or somebody else's), 409 `generation-differs`,
//! 409 `commit-differs` (this lease brought another commit before), 409 `kernel-differs`,
//! 422 `units-differ`, 422 `hash-differs`, 422 `rays-refused` (rays or sums that cannot be). The
//! leases of a job that was cancelled or failed have ended. Sending again helps after 408, 503 and a broken connection.
//!
//! ## The program itself
//! | method and path | scope | answer |
//! |---|---|---|
//! | `GET /healthz` | none | 200 `ok`, when the database answers |
//! | `GET /openapi.json` | none | 200, the same as the checked-in file |
//! | `GET /metrics` | operator | 200, Prometheus text |

mod downloads;
mod events;
mod extract;
mod jobs;
mod nodes;
mod own;
mod uploads;

use crate::app::App;
use crate::problem::{Code, Refusal};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, Ref, ResponseBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Longest time for a request to be answered, its body included: more than a lease's wait.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// The same for a submit, whose body may come over a slow line.
const SUBMIT_WITHIN: Duration = Duration::from_secs(15 * 60);

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tessera farm-master",
        description = "Uploads, jobs, frames and nodes of one render farm.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(
        tessera_protocol::job::JobEvent,
        tessera_protocol::problem::Problem,
    )),
    security(("token" = []))
)]
struct Api;

/// Every route and its description.
fn api() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(uploads::create_upload))
        .routes(routes!(jobs::create_job, jobs::list_jobs))
        .routes(routes!(jobs::get_job))
        .routes(routes!(jobs::pause_job))
        .routes(routes!(jobs::resume_job))
        .routes(routes!(jobs::cancel_job))
        .routes(routes!(jobs::why_job))
        .routes(routes!(jobs::list_frames))
        .routes(routes!(downloads::get_exr))
        .routes(routes!(downloads::get_png))
        .routes(routes!(downloads::get_movie))
        .routes(routes!(events::job_events))
        .routes(routes!(nodes::list_nodes))
        .routes(routes!(nodes::create_token))
        .routes(routes!(nodes::challenge))
        .routes(routes!(nodes::join))
        .routes(routes!(nodes::lease))
        .routes(routes!(nodes::heartbeat))
        .routes(routes!(nodes::submit))
        .routes(routes!(nodes::give_back))
        .routes(routes!(downloads::get_blob))
        .routes(routes!(own::healthz))
        .routes(routes!(own::openapi_json))
        .routes(routes!(own::metrics))
}

/// The OpenAPI document, as it is checked in and served.
pub fn openapi_document() -> String {
    let mut document = api().to_openapi();
    describe_refusals(&mut document);
    let token = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    document
        .components
        .get_or_insert_default()
        .security_schemes
        .insert("token".into(), token.into());
    let mut text = document.to_pretty_json().expect("an OpenAPI document has string keys only");
    text.push('\n');
    text
}

/// Every route may refuse, and does it in one form.
fn describe_refusals(document: &mut utoipa::openapi::OpenApi) {
    let problem = Content::new(Some(Ref::from_schema_name("Problem")));
    let refusal = ResponseBuilder::new()
        .description("A refusal, which says what kind it is and what to do")
        .content("application/problem+json", problem)
        .build();
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            operation.responses.responses.insert("default".into(), refusal.clone().into());
        }
    }
}

/// The routes, ready to be served.
pub(crate) fn router(app: Arc<App>) -> Router {
    let (router, _) = api().split_for_parts();
    router
        .fallback(async || {
            Refusal::new(Code::RouteNotFound, "See /openapi.json for what there is.")
        })
        .method_not_allowed_fallback(async || {
            Refusal::new(Code::MethodNotAllowed, "See /openapi.json for what there is.")
        })
        .layer(from_fn_with_state(app.clone(), answer_in_time))
        // Each route reads its body under a limit of its own.
        .layer(DefaultBodyLimit::disable())
        .with_state(app)
}

async fn answer_in_time(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    app.counters.requests.fetch_add(1, Ordering::Relaxed);
    // An upload is answered after its body; each piece of that has its own time limit.
    let within = match request.uri().path() {
        "/v1/uploads" => uploads::WHOLE_BODY_WITHIN,
        path if path.ends_with("/submit") => SUBMIT_WITHIN,
        _ => ANSWER_WITHIN,
    };
    let response = match tokio::time::timeout(within, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refusal::new(
            Code::RequestTimedOut,
            format!("There was no answer within {} s; try again.", within.as_secs()),
        )
        .into_response(),
    };
    if response.status().is_client_error() || response.status().is_server_error() {
        app.counters.refusals.fetch_add(1, Ordering::Relaxed);
    }
    response
}
