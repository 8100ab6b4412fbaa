//! Who a route is for. Each of these reads a request's caller, and refuses whoever is not that.

use super::TokenId;
use super::caller::Caller;
use super::cookie::SessionSecret;
use crate::app::App;
use crate::problem::{Code, Refusal};
use crate::store::webhooks::Hears;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::sync::Arc;
use tessera_protocol::token::TokenScope;
use tessera_protocol::{GatewayId, NodeId};

/// Somebody with things of a kind, or an operator.
macro_rules! with_own {
    ($(#[$doc:meta])* $name:ident, $scope:ident, $needed:literal) => {
        $(#[$doc])*
        pub struct $name(Caller);

        impl $name {
            /// Whose they are.
            pub fn id(&self) -> TokenId {
                self.0.owner()
            }

            /// Whose may be seen: one's own, or, `None`, everybody's.
            pub fn sees(&self) -> Option<TokenId> {
                self.0.sees()
            }

            /// Whether something of this owner may be seen.
            pub fn may_see(&self, owner: TokenId) -> bool {
                self.sees().is_none_or(|own| own == owner)
            }
        }

        impl FromRequestParts<Arc<App>> for $name {
            type Rejection = Refusal;
            async fn from_request_parts(
                parts: &mut Parts,
                app: &Arc<App>,
            ) -> Result<Self, Refusal> {
                need(parts, app, TokenScope::$scope, $needed).await.map(Self)
            }
        }
    };
}

with_own! {
    /// An artist or an operator: whose jobs they are.
    Artist, Artist, "an artist"
}
with_own! {
    /// A broadcaster or an operator: whose streams they are.
    Broadcaster, Broadcaster, "a broadcaster"
}
with_own! {
    /// An owner of nodes or an operator: whose nodes they are.
    NodeOwner, Enrol, "an owner of nodes"
}

/// Somebody with jobs or streams, or an operator: what happens to them may be told.
pub struct Listener(Caller);

impl Listener {
    /// Whose they are.
    pub fn id(&self) -> TokenId {
        self.0.owner()
    }

    /// Whose may be heard of: one's own, or, `None`, everybody's.
    pub fn sees(&self) -> Option<TokenId> {
        self.0.sees()
    }

    /// Whether something of this owner may be seen.
    pub fn may_see(&self, owner: TokenId) -> bool {
        self.sees().is_none_or(|own| own == owner)
    }

    /// Of what.
    pub fn hears(&self) -> Hears {
        let [streams, jobs] =
            [TokenScope::Broadcaster, TokenScope::Artist].map(|scope| self.0.may(scope));
        Hears { streams, jobs }
    }

    /// Whether it may hear all that a webhook hears: a key for jobs reads nothing about streams.
    pub fn may_hear(&self, of: Hears) -> bool {
        let own = self.hears();
        (own.streams || !of.streams) && (own.jobs || !of.jobs)
    }
}

impl FromRequestParts<Arc<App>> for Listener {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let listener = Self(Caller::of(parts, app).await?);
        let Hears { streams, jobs } = listener.hears();
        if streams || jobs {
            return Ok(listener);
        }
        Err(listener.0.too_small("an artist or a broadcaster"))
    }
}

/// An operator.
pub struct Operator;

/// Somebody who may let nodes, workers and gateways join.
pub struct Enroller(Caller);

impl Enroller {
    /// Whose the nodes are that it lets in; `None` where they are the operator's.
    pub fn owner(&self) -> Option<TokenId> {
        self.0.sees()
    }
}

/// A node or worker that joined.
pub struct Node(pub NodeId);

/// A gateway that joined.
pub struct Gateway(pub GatewayId);

/// Whoever is signed in, or has a token of people.
pub struct SomePerson(pub Caller);

/// An account's owner in person: a session of the account, and no key of it.
pub struct InPerson {
    /// Which account.
    pub account: TokenId,
    /// The hash of the session's secret.
    pub session: [u8; 32],
}

/// Whoever calls, if a token of this scope may what it asks.
async fn need(
    parts: &Parts,
    app: &Arc<App>,
    scope: TokenScope,
    needed: &str,
) -> Result<Caller, Refusal> {
    let caller = Caller::of(parts, app).await?;
    if caller.may(scope) { Ok(caller) } else { Err(caller.too_small(needed)) }
}

impl FromRequestParts<Arc<App>> for Operator {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        need(parts, app, TokenScope::Operator, "an operator").await.map(|_| Self)
    }
}

impl FromRequestParts<Arc<App>> for Enroller {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        need(parts, app, TokenScope::Enrol, "whoever lets nodes in").await.map(Self)
    }
}

impl FromRequestParts<Arc<App>> for Node {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let caller = need(parts, app, TokenScope::Node, "a node").await?;
        caller.node.map(Self).ok_or_else(|| caller.too_small("a node"))
    }
}

impl FromRequestParts<Arc<App>> for Gateway {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let caller = need(parts, app, TokenScope::Gateway, "a gateway").await?;
        let key = caller.node.ok_or_else(|| caller.too_small("a gateway"))?;
        Ok(Self(GatewayId(key.0)))
    }
}

impl FromRequestParts<Arc<App>> for SomePerson {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let caller = Caller::of(parts, app).await?;
        if caller.roles().is_empty() { Err(caller.too_small("a person")) } else { Ok(Self(caller)) }
    }
}

impl FromRequestParts<Arc<App>> for InPerson {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let caller = Caller::of(parts, app).await?;
        let session = caller.session().map(SessionSecret::hash);
        caller.whole_account().zip(session).map(|(account, session)| Self { account, session }).ok_or_else(
            || {
                Refusal::new(
                    Code::ScopeTooSmall,
                    "This is for whoever is signed in with an account's password or wallet, and for none of its \
                     keys.",
                )
            },
        )
    }
}
