//! How a refusal is said: RFC 9457 problem details, with a stable type for each.

use serde::{Deserialize, Serialize};

/// The body of every refusal, as `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// A stable URI reference for programs, for example `/problems/job-not-found`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in a few words, the same each time.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened, to what, and what to do.
    pub detail: String,
}
