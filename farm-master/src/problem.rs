//! Every refusal there is. A code, once given out, keeps its meaning: programs compare it.

use crate::blobs::BlobError;
use crate::store::StoreError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tessera_farm_core::accept;
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
    ScopeTooSmall = FORBIDDEN "scope-too-small" "The token does not allow this";
    ChallengeRefused = FORBIDDEN "challenge-refused" "The challenge is unknown, used or too old";
    SignatureRefused = FORBIDDEN "signature-refused" "The signature is not the node's";
    NodeDiffers = FORBIDDEN "node-differs" "The commit names another node";
    NodeNotExact = FORBIDDEN "node-not-exact" "The node may not have exact work";
    RouteNotFound = NOT_FOUND "route-not-found" "There is no such route";
    JobNotFound = NOT_FOUND "job-not-found" "There is no such job";
    FrameNotFound = NOT_FOUND "frame-not-found" "The job has no such frame";
    MovieNotFound = NOT_FOUND "movie-not-found" "The job has no film";
    BlobNotFound = NOT_FOUND "blob-not-found" "There is no such blob for this node";
    MethodNotAllowed = METHOD_NOT_ALLOWED "method-not-allowed" "The route has no such method";
    RequestTimedOut = REQUEST_TIMEOUT "request-timed-out" "The request took too long";
    FrameNotReady = CONFLICT "frame-not-ready" "The frame is not assembled yet";
    MovieNotReady = CONFLICT "movie-not-ready" "The film is not made yet";
    JobEnded = CONFLICT "job-ended" "The job has ended";
    KernelDiffers = CONFLICT "kernel-differs" "The kernel is another one";
    LeaseEnded = CONFLICT "lease-ended" "The lease does not stand";
    GenerationDiffers = CONFLICT "generation-differs" "The lease's generation is another one";
    CommitDiffers = CONFLICT "commit-differs" "The lease brought another commit before";
    BodyTooLarge = PAYLOAD_TOO_LARGE "body-too-large" "The body is too large";
    SettingsRefused = UNPROCESSABLE_ENTITY "settings-refused" "A setting is outside its limits";
    UploadMissing = UNPROCESSABLE_ENTITY "upload-missing" "A file that the job names was not uploaded";
    SceneRefused = UNPROCESSABLE_ENTITY "scene-refused" "The scene cannot be rendered";
    KeyReused = UNPROCESSABLE_ENTITY "idempotency-key-reused" "The key was used for another request";
    UnitsDiffer = UNPROCESSABLE_ENTITY "units-differ" "The units are not those of the lease";
    HashDiffers = UNPROCESSABLE_ENTITY "hash-differs" "The sums are not those that were signed";
    RaysRefused = UNPROCESSABLE_ENTITY "rays-refused" "The sums or rays are impossible";
    Internal = INTERNAL_SERVER_ERROR "internal" "The master failed";
    Overloaded = SERVICE_UNAVAILABLE "overloaded" "Too much is going on";
}

/// A refusal of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    code: Code,
    detail: String,
}

impl Refusal {
    /// A refusal that says what happened, to what, and what to do.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
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
    }

    /// The refusal of a job that ended.
    pub fn job_ended(state: JobState) -> Self {
        let how = match state {
            JobState::Completed => "completed",
            JobState::Cancelled => "cancelled",
            JobState::Failed => "failed",
            JobState::Active | JobState::Paused => "ended",
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
        match self.code.status() {
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self::overloaded("Too many changes wait to be written"),
            StoreError::Database(cause) => Self::internal(format!("the database failed: {cause}")),
            StoreError::Corrupt(_) => Self::internal(error),
        }
    }
}

impl From<BlobError> for Refusal {
    fn from(error: BlobError) -> Self {
        Self::internal(error)
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
            Refused::Packed { .. } | Refused::Hash { .. } => Code::HashDiffers,
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
