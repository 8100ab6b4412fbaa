//! Bearer tokens: who may do what.

use serde::{Deserialize, Serialize};

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenScope {
    /// Everything under `/v1`, and joining.
    Operator,
    /// Uploads, and jobs of one's own.
    Artist,
    /// Joining nodes, and what their owner may: to see, pause, drain and resume them.
    Enrol,
    /// What a joined node does.
    Node,
    /// Streams of one's own.
    Broadcaster,
    /// What a joined gateway does.
    Gateway,
}

/// Asks for a new token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// What it shall allow; `node` is given by joining only.
    pub scope: TokenScope,
}

/// A new token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TokenView {
    /// What it allows.
    pub scope: TokenScope,
    /// The token, shown this once and stored hashed.
    pub token: String,
}
