//! Every refusal there is. A code, once given out, keeps its meaning: programs compare it.

use crate::blobs::BlobError;
use crate::store::StoreError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::time::Duration;
use tessera_farm_core::{accept, job};
use tessera_protocol::job::JobState;
use tessera_protocol::problem::Problem;

macro_rules! catalogue {
    ($($name:ident = $status:ident $slug:literal $title:literal;)*) => {
        /// What kind of refusal it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the title beside each says it")]
        pub enum Code { $($name),* }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The HTTP status.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status),* }
            }

            /// The last part of the problem's `type`.
            pub fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug),* }
            }

            /// The same in a few words.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }
        }
    };
}

catalogue! {
    RequestMalformed = BAD_REQUEST "request-malformed" "The request is not what this route takes";
    SubmitMalformed = BAD_REQUEST "submit-malformed" "The body is not a submit";
    TokenMissing = UNAUTHORIZED "token-missing" "A token is needed";
    TokenUnknown = UNAUTHORIZED "token-unknown" "The token is not known";
    SignInRefused = UNAUTHORIZED "sign-in-refused" "Nobody can be signed in by this";
    PasswordRefused = FORBIDDEN "password-refused" "The password is not right";
    ScopeTooSmall = FORBIDDEN "scope-too-small" "The token does not allow this";
    CsrfMissing = FORBIDDEN "csrf-missing" "The request does not show that it was meant";
    SignUpClosed = FORBIDDEN "sign-up-closed" "This farm makes no accounts";
    ChallengeRefused = FORBIDDEN "challenge-refused" "The challenge is unknown, used or too old";
    SignatureRefused = FORBIDDEN "signature-refused" "The signature is not the node's";
    NodeDiffers = FORBIDDEN "node-differs" "The commit names another node";
    NodeBarred = FORBIDDEN "node-barred" "Too many of the node's results were rejected";
    WorkerNotJoined = FORBIDDEN "worker-not-joined" "The node has not joined as a worker";
    StreamKeyRefused = FORBIDDEN "stream-key-refused" "The stream key is not known";
    RouteNotFound = NOT_FOUND "route-not-found" "There is no such route";
    JobNotFound = NOT_FOUND "job-not-found" "There is no such job";
    FrameNotFound = NOT_FOUND "frame-not-found" "The job has no such frame";
    MovieNotFound = NOT_FOUND "movie-not-found" "The job has no film";
    BlobNotFound = NOT_FOUND "blob-not-found" "There is no such blob for this node";
    ReceiptNotFound = NOT_FOUND "receipt-not-found" "There is no such receipt";
    StreamNotFound = NOT_FOUND "stream-not-found" "There is no such stream";
    SessionNotFound = NOT_FOUND "session-not-found" "There is no such session";
    WebhookNotFound = NOT_FOUND "webhook-not-found" "There is no such webhook";
    DeliveryNotFound = NOT_FOUND "delivery-not-found" "The webhook has no such delivery";
    NodeNotFound = NOT_FOUND "node-not-found" "No such node has joined";
    UploadNotFound = NOT_FOUND "upload-not-found" "There is no such upload";
    QuoteNotFound = NOT_FOUND "quote-not-found" "There is no such quote";
    InstallerMissing = NOT_FOUND "installer-missing" "This farm installs no nodes";
    ReleaseMissing = NOT_FOUND "release-missing" "The node's program is not signed";
    KeyNotFound = NOT_FOUND "key-not-found" "There is no such key";
    MethodNotAllowed = METHOD_NOT_ALLOWED "method-not-allowed" "The route has no such method";
    RequestTimedOut = REQUEST_TIMEOUT "request-timed-out" "The request took too long";
    FrameNotReady = CONFLICT "frame-not-ready" "The frame is not assembled yet";
    FrameNotApproved = CONFLICT "frame-not-approved" "The frame waits for its owner's approval";
    FrameDone = CONFLICT "frame-done" "The frame is assembled";
    ObjectionRefused = CONFLICT "objection-refused" "The frame is not looked at again";
    MovieNotReady = CONFLICT "movie-not-ready" "The film is not made yet";
    JobEnded = CONFLICT "job-ended" "The job has ended";
    JobFailed = CONFLICT "job-failed" "The job failed and waits for its owner";
    JobNotFailed = CONFLICT "job-not-failed" "The job has not failed";
    KernelDiffers = CONFLICT "kernel-differs" "The kernel is another one";
    LeaseEnded = CONFLICT "lease-ended" "The lease does not stand";
    GenerationDiffers = CONFLICT "generation-differs" "The lease's generation is another one";
    CommitDiffers = CONFLICT "commit-differs" "The lease brought another commit before";
    StreamEnded = CONFLICT "stream-ended" "The stream has ended";
    StreamIsLive = CONFLICT "stream-is-live" "Another gateway may still publish the stream";
    QuoteOver = CONFLICT "quote-over" "The quote is over";
    DepositMissing = CONFLICT "deposit-missing" "The ceiling does not lie in the escrow";
    NothingIsPaid = CONFLICT "nothing-is-paid" "Nobody pays on this farm";
    NobodyPays = CONFLICT "nobody-pays" "It has to be paid for";
    OffsetDiffers = CONFLICT "offset-differs" "The upload is at another byte";
    NameTaken = CONFLICT "name-taken" "The name is taken";
    TusVersionDiffers = PRECONDITION_FAILED "tus-version-differs" "The protocol's version is another one";
    BodyTooLarge = PAYLOAD_TOO_LARGE "body-too-large" "The body is too large";
    MediaTypeRefused = UNSUPPORTED_MEDIA_TYPE "media-type-refused" "The body is of another type";
    SettingsRefused = UNPROCESSABLE_ENTITY "settings-refused" "A setting is outside its limits";
    AccountRefused = UNPROCESSABLE_ENTITY "account-refused" "The account cannot be made";
    KeyRefused = UNPROCESSABLE_ENTITY "key-refused" "The key cannot be made";
    UploadMissing = UNPROCESSABLE_ENTITY "upload-missing" "A file that the job names was not uploaded";
    UploadDiffers = UNPROCESSABLE_ENTITY "upload-differs" "The bytes are not those that were announced";
    SceneRefused = UNPROCESSABLE_ENTITY "scene-refused" "The scene cannot be rendered";
    KeyReused = UNPROCESSABLE_ENTITY "idempotency-key-reused" "The key was used for another request";
    UnitsDiffer = UNPROCESSABLE_ENTITY "units-differ" "The units are not those of the lease";
    LeaseDiffers = UNPROCESSABLE_ENTITY "lease-differs" "The settings or the secret are not the lease's";
    HashDiffers = UNPROCESSABLE_ENTITY "hash-differs" "The sums are not those that were signed";
    RaysRefused = UNPROCESSABLE_ENTITY "rays-refused" "The sums or rays are impossible";
    StreamRefused = UNPROCESSABLE_ENTITY "stream-refused" "Something about the stream is outside its limits";
    QuoteRefused = UNPROCESSABLE_ENTITY "quote-refused" "The job cannot be quoted";
    RegistrationRefused = UNPROCESSABLE_ENTITY "registration-refused" "The registration is not what was asked for";
    WebhookRefused = UNPROCESSABLE_ENTITY "webhook-refused" "The webhook cannot be made";
    HoursRefused = UNPROCESSABLE_ENTITY "hours-refused" "Those are no hours of a week";
    ReportRefused = UNPROCESSABLE_ENTITY "report-refused" "The report cannot be";
    MosaicTooFine = UNPROCESSABLE_ENTITY "mosaic-too-fine" "The frame has too many tiles to be listed";
    TooManyUploads = TOO_MANY_REQUESTS "too-many-uploads" "Too many uploads are unfinished";
    TooManyTries = TOO_MANY_REQUESTS "too-many-tries" "Too many tries";
    Internal = INTERNAL_SERVER_ERROR "internal" "The master failed";
    ChainAway = SERVICE_UNAVAILABLE "chain-away" "The chain does not answer";
    Overloaded = SERVICE_UNAVAILABLE "overloaded" "Too much is going on";
}

/// A refusal of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    code: Code,
    detail: String,
    retry_after_s: Option<u64>,
}

impl Refusal {
    /// A refusal that says what happened, to what, and what to do.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), retry_after_s: None }
    }

    /// The same, and when asking again may help.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self { retry_after_s: Some(whole.max(1)), ..self }
    }

    /// What kind it is.
    pub fn code(&self) -> Code {
        self.code
    }

    /// A failure of the master's own. The cause goes to its log, not to the caller.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed");
        Self::new(Code::Internal, "The master failed; its log says why. Try again later.")
    }

    /// A refusal of what has been going on for too long or in too great a number.
    pub fn overloaded(what: &str) -> Self {
        Self::new(Code::Overloaded, format!("{what}; send the same again in a moment."))
            .retry_after(Duration::from_secs(1))
    }

    /// The refusal of a job that ended.
    pub fn job_ended(state: JobState) -> Self {
        let how = match state {
            JobState::Completed => "completed",
            JobState::Cancelled => "cancelled",
            JobState::Active | JobState::Paused | JobState::Failed => "ended",
        };
        Self::new(Code::JobEnded, format!("The job is {how}; submit it again to render it anew."))
    }

    /// What is sent.
    pub fn problem(&self) -> Problem {
        Problem {
            kind: format!("/problems/{}", self.code.slug()),
            title: self.code.title().to_owned(),
            status: self.code.status().as_u16(),
            detail: self.detail.clone(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.problem()).expect("a problem is plain text fields");
        let mut response = (self.code.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.code.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self::overloaded("Too many changes wait to be written"),
            StoreError::Database(_)
            | StoreError::NotKept(_)
            | StoreError::Stopped
            | StoreError::Corrupt(_)
            | StoreError::Ledger(_) => Self::internal(error),
        }
    }
}

impl From<BlobError> for Refusal {
    fn from(error: BlobError) -> Self {
        Self::internal(error)
    }
}

impl From<job::Refused> for Refusal {
    fn from(refused: job::Refused) -> Self {
        match refused {
            job::Refused::Ended { state } => Self::job_ended(state),
            job::Refused::Failed => Self::new(
                Code::JobFailed,
                "The job failed; requeue it to have it go on, or cancel it.",
            ),
        }
    }
}

impl From<accept::Refused> for Refusal {
    fn from(refused: accept::Refused) -> Self {
        use accept::Refused;
        let code = match &refused {
            Refused::Signature(_) => Code::SignatureRefused,
            Refused::Node { .. } => Code::NodeDiffers,
            Refused::Kernel { .. } => Code::KernelDiffers,
            Refused::Generation { .. } => Code::GenerationDiffers,
            Refused::Job { .. } | Refused::Units => Code::UnitsDiffer,
            Refused::Master { .. }
            | Refused::Class
            | Refused::Settings { .. }
            | Refused::Secret { .. } => Code::LeaseDiffers,
            Refused::Packed { .. } | Refused::Root { .. } => Code::HashDiffers,
            Refused::Rays { .. } | Refused::Sum { .. } => Code::RaysRefused,
        };
        Self::new(code, format!("{refused}; the result was dropped."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_what_was_published() {
        let lines: Vec<String> = Code::ALL
            .iter()
            .map(|code| format!("{} {} {}\n", code.status().as_u16(), code.slug(), code.title()))
            .collect();
        assert_eq!(
            lines.concat(),
            include_str!("../problems.txt"),
            "a published code keeps its meaning; add new ones to problems.txt"
        );
    }

    #[test]
    fn no_two_codes_share_a_slug() {
        let slugs: std::collections::BTreeSet<_> =
            Code::ALL.iter().map(|code| code.slug()).collect();
        assert_eq!(slugs.len(), Code::ALL.len());
    }
}
