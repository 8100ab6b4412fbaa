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
//! and joining), `artist` (under `/v1`, their own jobs; another's is `404`), `broadcaster` (under
//! `/v1`, their own streams and webhooks; another's is `404`), `enrol` (challenge and joins, and under `/v1`
//! the nodes that joined so; another's is `404`), `node` (the rest of `/node/v1`), `gateway` (the rest of
//! `/gateway/v1`).
//!
//! An account is artist, broadcaster and owner of nodes at once. Its owner is signed in by the cookie
//! `tessera_session` (off loopback `__Host-tessera_session`), and each request by cookie that is no GET or HEAD brings `X-Tessera-Csrf`, as
//! `SessionView` tells it, or is refused with `403 csrf-missing`. Its keys are tokens of one scope each; what
//! is made with them is the account's. *In person* below is a session by password or wallet, and no key.
//!
//! ## People come in
//! | method and path | scope | request | answer | refusals |
//! |---|---|---|---|---|
//! | `POST /v1/accounts` | none | `SignUpRequest`, declared as JSON | 201 `AccountSession` with the cookie | 403 `sign-up-closed`, 409 `name-taken`, 422 `account-refused`, 429 `too-many-tries` |
//! | `POST /v1/session` | none | `SignInRequest`, declared as JSON | 200 `AccountSession` with the cookie; a wallet that is not known makes an account | 401 `sign-in-refused` (whatever was wrong), 429 `too-many-tries` with `Retry-After` |
//! | `POST /v1/session/challenge` | none | `WalletChallengeRequest` | 200 `WalletChallengeView`, good once and for five minutes | 429 `too-many-tries` |
//! | `GET /v1/session` | any of people | | 200 `AccountSession` | |
//! | `DELETE /v1/session` | a cookie | | 204, the cookie is cleared | |
//! | `DELETE /v1/session/others` | an account, in person | | 204: its other browsers are signed out | 403 `scope-too-small` |
//! | `POST /v1/account/password` | an account, in person | `PasswordRequest` | 204: its other browsers are signed out as well | 403 `password-refused`, 422 `account-refused`, 429 `too-many-tries` |
//! | `GET /v1/keys?cursor&limit` | in person | | 200 `KeyPage`, newest first | |
//! | `POST /v1/keys` | in person | `KeyRequest` | 201 `NewKeyView`, the key shown this once | 422 `key-refused` |
//! | `DELETE /v1/keys/{key}` | in person | | 204: it is refused from now on, and what is signed in by it is signed out | 404 `key-not-found` |
//!
//! ## People and programs
//! | method and path | scope | request | answer | refusals |
//! |---|---|---|---|---|
//! | `POST /v1/uploads` | artist | the bytes, streamed | 201 `UploadView`, durable by then | 413 `body-too-large` |
//! | `POST /v1/tus`, and `HEAD`, `PATCH`, `DELETE` of its `Location` | artist | a resumable upload, see [`tessera_protocol::tus`]; one that does not get on for a day is forgotten | 201, 200, 204, 204 | 404 `upload-not-found`, 409 `offset-differs`, 412 `tus-version-differs`, 413 `body-too-large`, 415 `media-type-refused`, 422 `upload-differs`, 429 `too-many-uploads` |
//! | `OPTIONS /v1/tus` | none | | 204: what of tus is spoken | |
//! | `POST /v1/jobs` | artist | `JobSpec`, header `Idempotency-Key`? (1–64 printable ASCII) | 201 `JobView`; the same key and body again: 200 and the same job | 422 `settings-refused`, `upload-missing`, `scene-refused`, `idempotency-key-reused` |
//! | `GET /v1/jobs?cursor&limit` | artist | | 200 `JobPage`, newest first | |
//! | `GET /v1/jobs/{job}` | artist | | 200 `JobView` | 404 `job-not-found` |
//! | `POST /v1/jobs/{job}/pause` `…/resume` `…/cancel` | artist | | 200 `JobView`; asking for what is already so is no error | 409 `job-ended`, `job-failed` (all but cancelling) |
//! | `POST /v1/jobs/{job}/requeue` | artist | `RequeueRequest`? | 200 `JobView`: a job that failed goes on, and leases that stand on the frames named have ended; all of it or nothing | 404 `frame-not-found`, 409 `job-ended`, `job-not-failed` (and no frame is named), `frame-done` |
//! | `GET /v1/jobs/{job}/why` | artist | | 200 `Vec<Why>` | |
//! | `GET /v1/jobs/{job}/frames?cursor&limit` | artist | | 200 `FramePage`, by number | |
//! | `GET /v1/jobs/{job}/frames/{frame}/exr` `…/png` | artist | | 200 `image/x-exr`, `image/png`; the PNG under lines while the frame waits for approval | 404 `frame-not-found`, 409 `frame-not-ready`, `frame-not-approved` (the EXR) |
//! | `GET /v1/jobs/{job}/frames/{frame}/tiles` | artist | | 200 `TilesView`, row by row | 404 `frame-not-found`, 422 `mosaic-too-fine` |
//! | `GET /v1/jobs/{job}/frames/{frame}/preview` | artist | header `If-None-Match`? | 200 `image/png` with `ETag`: what is verified so far, the rest transparent; at most 2,048 pixels wide and high until the frame is assembled. Under lines while it is paid for and not approved. Or 304 | 404 `frame-not-found`, 409 `frame-not-ready` (nothing is verified) |
//! | `POST /v1/jobs/{job}/approve`, `…/frames/{frame}/approve` | artist | | 200 `JobView`; approving what is approved is no error | 409 `frame-not-ready` |
//! | `POST /v1/jobs/{job}/frames/{frame}/reject` | artist | `ObjectionRequest` | 202 `FrameView`: it is looked at again, and `dispute` tells what was found | 409 `objection-refused` |
//! | `GET /v1/jobs/{job}/movie` | artist | | 200 `video/mp4` | 409 `movie-not-ready`, 404 `movie-not-found` (a job of one frame has none) |
//! | `GET /v1/jobs/{job}/events` | artist | header `Last-Event-ID`? | 200 `text/event-stream`: `id:` a number, `data:` a `JobEvent`. Without `Last-Event-ID` it opens with the present `State` and `Units`; with it, with what came after. Between two reads only the newest `Units` is kept. It stays open after the job's end | |
//! | `GET /v1/jobs/{job}/receipts?cursor&limit` | artist | | 200 `ReceiptPage`, in the order of leases; of results that were audited and are kept | |
//! | `GET /v1/jobs/{job}/files/{blob}` | artist | | 200 `application/octet-stream`: the job's scene or environment | 404 `blob-not-found` |
//! | `GET /v1/leases/{lease}/receipt` | artist | | 200 `Receipt` | 404 `receipt-not-found` (also before the audit) |
//! | `GET /v1/leases/{lease}/result` | artist | | 200 `application/octet-stream`, see [`tessera_protocol::submit`] | 404 `receipt-not-found` |
//! | `POST /v1/streams` | broadcaster | `StreamSpec`, header `Idempotency-Key`? | 201 `StreamKeyView`, the key shown this once; the same key and body again: 200 and the same stream, with an empty `key`: rotate it if the first answer was lost | 409 `nobody-pays`, `nothing-is-paid`; 422 `stream-refused`, `idempotency-key-reused` |
//! | `GET /v1/streams?cursor&limit` | broadcaster | | 200 `StreamPage`, newest first | |
//! | `GET /v1/streams/{stream}` | broadcaster | | 200 `StreamView` | 404 `stream-not-found` |
//! | `POST /v1/streams/{stream}/top-up` | broadcaster | | 200 `StreamView`: what was deposited in its escrow since pays its workers | 409 `deposit-missing`, `nothing-is-paid`, `stream-ended`; 503 `chain-away` |
//! | `POST /v1/streams/{stream}/rotate-key` | broadcaster | | 200 `StreamKeyView`, the key shown this once; the old one is refused from now on, and a session under it ends at its gateway's next beat | 409 `stream-ended` |
//! | `POST /v1/streams/{stream}/end` | broadcaster | | 200 `StreamView`; ending an ended stream is no error | |
//! | `GET /v1/streams/{stream}/sessions?cursor&limit` | broadcaster | | 200 `SessionPage`, newest first | |
//! | `GET /v1/streams/{stream}/recordings?cursor&limit` | broadcaster | | 200 `SessionPage`: the sessions whose recording can be played | |
//! | `GET /v1/sessions/{session}` | broadcaster | | 200 `SessionView` | 404 `session-not-found` |
//! | `GET /v1/sessions/{session}/segments?cursor&limit` | broadcaster | | 200 `SegmentPage`, by number | |
//! | `POST /v1/webhooks` | artist or broadcaster | `WebhookRequest` | 201 `WebhookView`, the secret shown this once. It hears of jobs, of streams, or, an account's, of both; an operator's of everybody's | 422 `webhook-refused` |
//! | `GET /v1/webhooks` | artist or broadcaster | | 200 `WebhookList` | |
//! | `DELETE /v1/webhooks/{webhook}` | artist or broadcaster | | 204, with its deliveries | 404 `webhook-not-found` |
//! | `POST /v1/webhooks/{webhook}/ping` | artist or broadcaster | | 202 `DeliveryView` | |
//! | `GET /v1/webhooks/{webhook}/deliveries?cursor&limit` | artist or broadcaster | | 200 `DeliveryPage`, newest first | |
//! | `POST /v1/webhooks/{webhook}/deliveries/{delivery}/resend` | artist or broadcaster | | 202 `DeliveryView`: pending, with all its attempts before it | 404 `delivery-not-found` |
//! | `GET /v1/workers?cursor&limit` | operator | | 200 `WorkerPage`, by key | |
//! | `GET /v1/gateways?cursor&limit` | operator | | 200 `GatewayPage`, by key | |
//! | `GET /v1/farm` | none | | 200 `FarmView` | |
//! | `POST /v1/quotes` | artist | `QuoteRequest` | 201 `QuoteView`, signed and good for a day | 409 `nothing-is-paid`, 422 `settings-refused`, `upload-missing`, `scene-refused`, `quote-refused` |
//! | `GET /v1/quotes/{quote}` | artist | | 200 `QuoteView` | 404 `quote-not-found` |
//! | `POST /v1/quotes/{quote}/accept` | artist | | 201 `JobView`, whose id is the first half of the quote's; again: 200 and the same job | 409 `quote-over`, `deposit-missing`; 503 `chain-away` |
//! | `POST /v1/jobs/{job}/top-up` | artist | | 200 `JobView`: its ceiling is higher by what was deposited since, and it goes on where it had too little | 409 `deposit-missing`, `nothing-is-paid`, `job-ended`; 503 `chain-away` |
//! | `GET /v1/jobs/{job}/settlement` | artist | | 200 `SettlementView`: who was paid out of its escrow, with which epoch | 409 `nothing-is-paid` |
//! | `GET /v1/payouts?cursor&limit` | operator | | 200 `PayoutPage`, newest first | |
//! | `GET /v1/ledger?cursor&limit` | operator | | 200 `LedgerView` | |
//! | `GET /v1/nodes?cursor&limit` | enrol | | 200 `NodePage` | |
//! | `GET /v1/nodes/{node}` | enrol | | 200 `NodeView` | 404 `node-not-found` |
//! | `GET /v1/nodes/{node}/earnings` `…/why` `…/payouts?cursor&limit` | enrol | | 200 `EarningsView`, `Vec<Why>`, `PayoutPage` (newest first) | |
//! | `POST /v1/nodes/{node}/drain` `…/pause` `…/resume` | enrol | | 200 `NodeView`: it gets no new lease; the same, and its leases are taken back; it works again | |
//! | `PUT /v1/nodes/{node}/hours` | enrol | `HoursRequest` | 200 `NodeView`: the node takes them over with its next report, unless others were set on its machine later | 422 `hours-refused` |
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
//! | `PUT /node/v1/report` | node | `NodeReport`, every ten seconds and when the node begins or ends a rest or keeps other hours | 200 `ReportView` | |
//! | `POST /node/v1/lease` | node | `LeaseRequest` | 200 `LeaseGrant`, or 204 when `wait_ms` passed without work. All units are of one frame | 409 `kernel-differs`, 403 `node-barred` (too many results were rejected) |
//! | `POST /node/v1/leases/{lease}/heartbeat` | node | | 200 `HeartbeatView`; `alive: false` for an ended, unknown or somebody else's lease | |
//! | `POST /node/v1/leases/{lease}/submit` | node | `application/octet-stream`, see [`tessera_protocol::submit`] | 200 `SubmitView`, durable by then; the same commit again: the same answer | below |
//! | `POST /node/v1/leases/{lease}/give-back` | node | `GiveBackRequest` | 204, also when the lease has ended already | |
//! | `GET /node/v1/earnings` | node | | 200 `EarningsView` | |
//! | `GET /node/v1/why` | node | | 200 `Vec<Why>` | |
//! | `GET /node/v1/leases/{lease}/receipt` | node | | 200 `Receipt` of a lease of its own, once it was audited | 404 `receipt-not-found` |
//! | `GET /node/v1/blobs/{blob}` | node | | 200 `application/octet-stream`, with `Content-Length`; only blobs of a job the node holds a lease on | 404 `blob-not-found` |
//!
//! Refusals of a submit. Sending the same again cannot help, so the node drops that work:
//! 400 `submit-malformed` (not a submit's body), 403 `signature-refused`, 403 `node-differs`,
//! 409 `lease-ended` (expired, given back, unknown or somebody else's), 409 `generation-differs`,
//! 409 `commit-differs` (this lease brought another commit before), 409 `kernel-differs`,
//! 422 `lease-differs` (settings or secret), 422 `units-differ`, 422 `hash-differs`, 422 `rays-refused` (rays or sums that cannot be). The
//! leases of a job that was cancelled or failed, and of a frame that was requeued, have ended. Sending again helps after 408, 503 and a broken connection.
//!
//! ## Workers
//! | method and path | scope | request | answer | refusals |
//! |---|---|---|---|---|
//! | `POST /node/v1/worker/join` | enrol or operator | `WorkerJoinRequest` | 200 `WorkerJoinView`; joining again replaces the token and leaves leases as they are | 403 `challenge-refused`, `signature-refused` |
//! | `POST /node/v1/stream-leases` | node | `StreamLeaseRequest` | 200 `StreamLeaseGrant`, or 204 when `wait_ms` passed without a session | 403 `worker-not-joined`, `node-barred` (too many segments were rejected) |
//! | `POST /node/v1/stream-leases/{lease}/heartbeat` | node | | 200 `HeartbeatView`; `alive: false` for an ended, unknown or somebody else's lease | |
//! | `POST /node/v1/stream-leases/{lease}/give-back` | node | `GiveBackRequest` | 204, also when the lease has ended already | |
//! | `POST /node/v1/stream-leases/receipts` | node | `PresentedReceipts` | 200 `PresentedView`, durable by then; presenting one twice changes nothing | 422 `report-refused` (too many) |
//! | `GET /node/v1/worker/why` | node | | 200 `Vec<Why>`; what it has earned is `GET /node/v1/earnings`, as for nodes | |
//!
//! ## Auditors
//! | method and path | scope | request | answer | refusals |
//! |---|---|---|---|---|
//! | `POST /auditor/v1/audits` | operator | `AuditRequest` | 200 `AuditGrant`: results of one frame, or 204 when `wait_ms` passed without any | 409 `kernel-differs` |
//! | `GET /auditor/v1/results/{lease}` | operator | | 200 `application/octet-stream`, see [`tessera_protocol::submit`] | 404 `receipt-not-found` (none that waits for an audit) |
//! | `POST /auditor/v1/audits/{audit}/heartbeat` | operator | | 200 `HeartbeatView`; `alive: false` where others look at them by now | |
//! | `POST /auditor/v1/audits/{audit}/findings` | operator | `AuditFinding` | 204: it is kept, durable by then; or, where it does not verify, or its node was caught meanwhile, the result is looked at again | 409 `lease-ended` (reported before, or too late) |
//!
//! ## Gateways
//! | method and path | scope | request | answer | refusals |
//! |---|---|---|---|---|
//! | `POST /gateway/v1/join` | enrol or operator | `GatewayJoinRequest`, with a challenge of `POST /node/v1/challenge` | 200 `GatewayJoinView`; joining again replaces the token and leaves sessions as they are | 403 `challenge-refused`, `signature-refused` |
//! | `POST /gateway/v1/sessions` | gateway | `SessionRequest` | 200 `SessionGrant`: within the window the session before, in its next generation, whoever held it | 403 `stream-key-refused`, 409 `stream-ended`, 409 `stream-is-live` with `Retry-After` while another gateway's lease may stand |
//! | `POST /gateway/v1/sessions/{session}/beat` | gateway | `SessionBeat` | 200 `SessionBeatView`; `alive: false` for an ended or unknown session, or, with `passed_on`, one that goes on under another grant or is about to | 422 `report-refused` |
//! | `POST /gateway/v1/sessions/{session}/segments` | gateway | `SegmentReports` | 200 `SegmentReportsView`, durable by then; the same again: the same answer | 404 `session-not-found` (never held by this gateway), 422 `report-refused` |
//! | `POST /gateway/v1/sessions/{session}/audits` | gateway | `AuditReport` | 204; the same again changes nothing | 404 `session-not-found`, 422 `report-refused` (the segment is not reported, or another's) |
//! | `POST /gateway/v1/sessions/{session}/end` | gateway | `SessionEnd` | 204, also when it has ended already; a recording may follow later in the same way | 404 `session-not-found`, 409 `generation-differs` (another gateway went on, or waits to) |
//!
//! ## Webhooks
//! A delivery is a `POST` as [`tessera_protocol::webhook`] says. It is at least once, under
//! one id; nothing is promised about the order. An answer 2xx within ten seconds is received. After
//! 408, 425, 429, any 5xx, a broken connection or none it is tried again, at most 12 times over
//! about a day, and not before `Retry-After`; any other answer fails it at once. No redirect is
//! followed. Deliveries are kept for 30 days, at most 1,000 a webhook.
//!
//! ## The program itself
//! | method and path | scope | answer |
//! |---|---|---|
//! | `GET /healthz` | none | 200 `ok`, when the database answers |
//! | `GET /openapi.json` | none | 200, the same as the checked-in file |
//! | `GET /install.sh` | none | 200, the script that makes a machine a node; 404 `installer-missing` |
//! | `GET /downloads/render-node` | none | 200, the program that it fetches and checks; 404 `installer-missing` |
//! | `GET /downloads/render-node.sig` | none | 200, what its operator signed of it; 404 `release-missing`, `installer-missing` |
//! | `GET /metrics` | operator | 200, Prometheus text |
//!
//! Any other path but those under `/v1`, `/node/v1`, `/auditor/v1` and `/gateway/v1` answers the portal: its
//! files, or its one page, which finds its own way from there.

mod accounts;
mod audits;
mod downloads;
mod events;
mod extract;
mod gateways;
mod install;
mod jobs;
mod keys;
mod money;
mod mosaic;
mod nodes;
mod own;
mod owners;
mod portal;
mod receipts;
mod streams;
mod tus;
mod uploads;
mod webhooks;
mod workers;

use crate::app::App;
use crate::auth::cookie::Renewal;
use crate::problem::{Code, Refusal};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
pub(crate) use extract::Peer;
pub(crate) use install::Checked as CheckedProgram;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tessera_protocol::account::COOKIE;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
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
        description = "Uploads, jobs, frames and nodes of one render farm; its streams, gateways and workers.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(
        tessera_protocol::job::JobEvent,
        tessera_protocol::problem::Problem,
        tessera_protocol::webhook::WebhookEvent,
        tessera_protocol::UploadId,
    )),
    security(("token" = []), ("cookie" = []))
)]
struct Api;

/// Every route and its description.
fn api() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(accounts::sign_up))
        .routes(routes!(accounts::sign_in, accounts::get_portal_session, accounts::sign_out))
        .routes(routes!(accounts::wallet_challenge))
        .routes(routes!(accounts::sign_others_out))
        .routes(routes!(accounts::change_password))
        .routes(routes!(keys::create_key, keys::list_keys))
        .routes(routes!(keys::delete_key))
        .routes(routes!(uploads::create_upload))
        .routes(routes!(tus::tus_options, tus::begin_tus))
        .routes(routes!(tus::head_tus, tus::patch_tus, tus::delete_tus))
        .routes(routes!(jobs::create_job, jobs::list_jobs))
        .routes(routes!(jobs::get_job))
        .routes(routes!(jobs::pause_job))
        .routes(routes!(jobs::resume_job))
        .routes(routes!(jobs::cancel_job))
        .routes(routes!(jobs::requeue_job))
        .routes(routes!(jobs::approve_job))
        .routes(routes!(jobs::approve_frame))
        .routes(routes!(jobs::reject_frame))
        .routes(routes!(jobs::why_job))
        .routes(routes!(jobs::list_frames))
        .routes(routes!(jobs::job_log))
        .routes(routes!(mosaic::get_tiles))
        .routes(routes!(mosaic::get_preview))
        .routes(routes!(downloads::get_exr))
        .routes(routes!(downloads::get_png))
        .routes(routes!(downloads::get_movie))
        .routes(routes!(events::job_events))
        .routes(routes!(receipts::list_receipts))
        .routes(routes!(receipts::get_file))
        .routes(routes!(receipts::get_receipt))
        .routes(routes!(receipts::get_result))
        .routes(routes!(receipts::get_own_receipt))
        .routes(routes!(audits::lease_audit))
        .routes(routes!(audits::get_unaudited))
        .routes(routes!(audits::report_finding))
        .routes(routes!(audits::audit_heartbeat))
        .routes(routes!(streams::create_stream, streams::list_streams))
        .routes(routes!(streams::get_stream))
        .routes(routes!(streams::top_up_stream))
        .routes(routes!(streams::rotate_key))
        .routes(routes!(streams::end_stream))
        .routes(routes!(streams::list_sessions))
        .routes(routes!(streams::list_recordings))
        .routes(routes!(streams::get_session))
        .routes(routes!(streams::list_segments))
        .routes(routes!(webhooks::create_webhook, webhooks::list_webhooks))
        .routes(routes!(webhooks::delete_webhook))
        .routes(routes!(webhooks::ping_webhook))
        .routes(routes!(webhooks::list_deliveries))
        .routes(routes!(webhooks::resend))
        .routes(routes!(streams::list_workers))
        .routes(routes!(streams::list_gateways))
        .routes(routes!(owners::list_nodes))
        .routes(routes!(owners::get_node))
        .routes(routes!(owners::node_earnings))
        .routes(routes!(owners::why_node))
        .routes(routes!(owners::node_payouts))
        .routes(routes!(owners::pause_node))
        .routes(routes!(owners::resume_node))
        .routes(routes!(owners::drain_node))
        .routes(routes!(owners::set_node_hours))
        .routes(routes!(money::get_farm))
        .routes(routes!(money::create_quote))
        .routes(routes!(money::get_quote))
        .routes(routes!(money::accept_quote))
        .routes(routes!(money::top_up))
        .routes(routes!(money::get_settlement))
        .routes(routes!(money::list_payouts))
        .routes(routes!(money::get_ledger))
        .routes(routes!(money::get_earnings))
        .routes(routes!(money::own_why))
        .routes(routes!(nodes::create_token))
        .routes(routes!(nodes::challenge))
        .routes(routes!(nodes::join))
        .routes(routes!(nodes::report))
        .routes(routes!(nodes::lease))
        .routes(routes!(nodes::heartbeat))
        .routes(routes!(nodes::submit))
        .routes(routes!(nodes::give_back))
        .routes(routes!(downloads::get_blob))
        .routes(routes!(workers::worker_join))
        .routes(routes!(workers::stream_lease))
        .routes(routes!(workers::stream_heartbeat))
        .routes(routes!(workers::stream_give_back))
        .routes(routes!(workers::present_receipts))
        .routes(routes!(workers::worker_why))
        .routes(routes!(gateways::gateway_join))
        .routes(routes!(gateways::open_session))
        .routes(routes!(gateways::beat))
        .routes(routes!(gateways::report_segments))
        .routes(routes!(gateways::report_audit))
        .routes(routes!(gateways::end_session))
        .routes(routes!(own::healthz))
        .routes(routes!(own::openapi_json))
        .routes(routes!(own::metrics))
        .routes(routes!(install::install_script))
        .routes(routes!(install::node_program))
        .routes(routes!(install::node_release))
}

/// The OpenAPI document, as it is checked in and served.
pub fn openapi_document() -> String {
    let mut document = api().to_openapi();
    describe_refusals(&mut document);
    let token = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(COOKIE)));
    let schemes = &mut document.components.get_or_insert_default().security_schemes;
    schemes.insert("token".into(), token.into());
    schemes.insert("cookie".into(), cookie.into());
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
        let with_body =
            [&mut item.get, &mut item.post, &mut item.put, &mut item.delete, &mut item.patch];
        for operation in with_body.into_iter().flatten() {
            operation.responses.responses.insert("default".into(), refusal.clone().into());
        }
    }
}

/// The routes, ready to be served.
pub(crate) fn router(app: Arc<App>) -> Router {
    let (router, _) = api().split_for_parts();
    router
        .fallback(portal::serve)
        .method_not_allowed_fallback(async || {
            Refusal::new(Code::MethodNotAllowed, "See /openapi.json for what there is.")
        })
        .layer(from_fn_with_state(app.clone(), answer_in_time))
        // Each route reads its body under a limit of its own.
        .layer(DefaultBodyLimit::disable())
        .with_state(app)
}

async fn answer_in_time(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    app.counters.requests.fetch_add(1, Ordering::Relaxed);
    // An upload is answered after its body; each piece of that has its own time limit.
    let path = request.uri().path();
    let is_tus = path.starts_with(tus::ROOT);
    let within = match path {
        path if is_tus || path == "/v1/uploads" => uploads::WHOLE_BODY_WITHIN,
        path if path.ends_with("/submit") => SUBMIT_WITHIN,
        _ => ANSWER_WITHIN,
    };
    let renewal = Renewal::default();
    request.extensions_mut().insert(renewal.clone());
    let mut response = match tokio::time::timeout(within, next.run(request)).await {
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
    let headers = response.headers_mut();
    if let Some(cookie) = renewal.0.get() {
        headers.append(header::SET_COOKIE, cookie.clone());
    }
    if is_tus {
        let version = HeaderValue::from_static(tessera_protocol::tus::VERSION);
        headers.insert(tessera_protocol::tus::RESUMABLE, version);
    }
    // What somebody uploaded comes from the portal's own origin and is never a page of it.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
