//! Whoever calls: by a bearer token, or by a browser's cookie.

use super::cookie::{RENEW_MS, Renewal, SESSION, SessionSecret};
use super::{Token, TokenId, hash, id_of};
use crate::app::App;
use crate::problem::{Code, Refusal};
use crate::store::accounts::{SignedIn, Who};
use axum::http::request::Parts;
use axum::http::{Method, header};
use std::sync::Arc;
use tessera_protocol::NodeId;
use tessera_protocol::account::Role;
use tessera_protocol::token::TokenScope;

/// Whoever calls, and in whose name.
#[derive(Clone)]
pub struct Caller {
    /// Whose jobs, streams and nodes are its own.
    owner: TokenId,
    rights: Rights,
    /// Whose node or gateway it is.
    pub(super) node: Option<NodeId>,
    /// The account behind it, where there is one.
    account: Option<TokenId>,
    /// The browser's session, where it came by cookie.
    session: Option<SessionSecret>,
}

/// What a caller may do.
#[derive(Clone, Copy)]
enum Rights {
    /// What a token's scope allows.
    Scope(TokenScope),
    /// All that an account's owner may.
    Account,
}

impl Caller {
    /// Whoever sent a request. A token wins over a cookie.
    pub(super) async fn of(parts: &Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        if let Some(value) = parts.headers.get(header::AUTHORIZATION) {
            let text = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
            let token = app.known_token(text.ok_or_else(missing)?).await?;
            return token.as_ref().map(Self::by_token).ok_or_else(|| {
                Refusal::new(
                    Code::TokenUnknown,
                    "The master does not know this token; it may be another's, or a node joined \
                     again, or its account deleted it.",
                )
            });
        }
        let secret =
            SessionSecret::of(&parts.headers, !app.config.is_local()).ok_or_else(missing)?;
        Self::by_cookie(parts, app, secret).await
    }

    /// Whoever has this token.
    pub(crate) fn by_token(token: &Token) -> Self {
        Self {
            owner: token.owner(),
            rights: Rights::Scope(token.scope),
            node: token.node,
            account: token.account,
            session: None,
        }
    }

    async fn by_cookie(
        parts: &Parts,
        app: &Arc<App>,
        secret: SessionSecret,
    ) -> Result<Self, Refusal> {
        let over = || Refusal::new(Code::TokenUnknown, "The session is over: sign in again.");
        let now_ms = app.clock.now_ms();
        let found = app.store.sign_in(secret.hash(), now_ms).await?.ok_or_else(over)?;
        if !matches!(parts.method, Method::GET | Method::HEAD) && !secret.is_meant(&parts.headers) {
            return Err(Refusal::new(
                Code::CsrfMissing,
                "A request by cookie that changes something brings `X-Tessera-Csrf`, as \
                 `GET /v1/session` tells it; nothing was done.",
            ));
        }
        let caller = match found.who {
            Who::Account(account) => Self {
                owner: account,
                rights: Rights::Account,
                node: None,
                account: Some(account),
                session: None,
            },
            Who::Token(id) => Self::by_token(&app.store.token(id).await?.ok_or_else(over)?),
        };
        if now_ms - found.renewed_ms > RENEW_MS {
            renew(parts, app, &secret, found).await?;
        }
        Ok(Self { session: Some(secret), ..caller })
    }

    /// Whether it may do what a token of this scope may.
    pub(super) fn may(&self, scope: TokenScope) -> bool {
        match self.rights {
            Rights::Account => is_of_people(scope),
            Rights::Scope(TokenScope::Operator) => {
                scope == TokenScope::Operator || is_of_people(scope)
            }
            Rights::Scope(own) => own == scope,
        }
    }

    /// The refusal of one that may not.
    pub(super) fn too_small(&self, needed: &str) -> Refusal {
        let has = match self.rights {
            Rights::Account => "the session is an account's".to_owned(),
            Rights::Scope(scope) => {
                format!("the token's scope is {}", format!("{scope:?}").to_lowercase())
            }
        };
        Refusal::new(Code::ScopeTooSmall, format!("This is for {needed}; {has}."))
    }

    /// Whose jobs, streams and nodes are its own.
    pub fn owner(&self) -> TokenId {
        self.owner
    }

    /// Whose may be seen: its own, or, `None`, everybody's.
    pub fn sees(&self) -> Option<TokenId> {
        (!self.may(TokenScope::Operator)).then_some(self.owner)
    }

    /// The account behind it, where there is one.
    pub(crate) fn account(&self) -> Option<TokenId> {
        self.account
    }

    /// The account that this is the session of: no key of it, which may less.
    pub(super) fn whole_account(&self) -> Option<TokenId> {
        matches!(self.rights, Rights::Account).then_some(self.owner)
    }

    /// The browser's session, where it came by cookie.
    pub(crate) fn session(&self) -> Option<&SessionSecret> {
        self.session.as_ref()
    }

    /// What it is on the farm.
    pub(crate) fn roles(&self) -> Vec<Role> {
        let roles = [
            (TokenScope::Artist, Role::Artist),
            (TokenScope::Broadcaster, Role::Broadcaster),
            (TokenScope::Enrol, Role::NodeOwner),
            (TokenScope::Operator, Role::Operator),
        ];
        roles.into_iter().filter(|(scope, _)| self.may(*scope)).map(|(_, role)| role).collect()
    }
}

/// Whether people have tokens of this scope, and not machines.
fn is_of_people(scope: TokenScope) -> bool {
    matches!(scope, TokenScope::Artist | TokenScope::Broadcaster | TokenScope::Enrol)
}

fn missing() -> Refusal {
    Refusal::new(Code::TokenMissing, "Sign in, or send a token as `Authorization: Bearer <token>`.")
}

/// Lets a session that is used stand for its whole time again, in the store and in the browser.
async fn renew(
    parts: &Parts,
    app: &Arc<App>,
    secret: &SessionSecret,
    found: SignedIn,
) -> Result<(), Refusal> {
    let now_ms = app.clock.now_ms();
    let renewed =
        SignedIn { renewed_ms: now_ms, ends_ms: now_ms + SESSION.as_millis() as i64, ..found };
    app.store.renew_sign_in(renewed).await?;
    if let Some(renewal) = parts.extensions.get::<Renewal>() {
        let _ = renewal.0.set(secret.set(!app.config.is_local()));
    }
    Ok(())
}

impl App {
    /// A token that the master knows. That a key was used is noted.
    pub(crate) async fn known_token(
        self: &Arc<Self>,
        text: &str,
    ) -> Result<Option<Token>, Refusal> {
        let offered = hash(text);
        let id = id_of(&offered);
        let token = match self.tokens.get(id) {
            Ok(token) => Some(token),
            Err(asked_at) => {
                let stored = self.store.token(id).await?;
                stored.inspect(|token| self.tokens.keep(token.clone(), asked_at))
            }
        };
        // blake3's own comparison takes the same time wherever two hashes differ.
        let token =
            token.filter(|token| blake3::Hash::from(token.hash) == blake3::Hash::from(offered));
        let now_ms = self.clock.now_ms();
        if token.as_ref().is_some_and(|token| token.account.is_some())
            && self.tokens.note_use(id, now_ms)
        {
            let app = self.clone();
            // Nobody waits for it, and a minute later it is noted again.
            tokio::spawn(async move {
                if let Err(error) = app.store.note_key_use(id, now_ms).await {
                    tracing::warn!(%error, "could not note that a key was used");
                }
            });
        }
        Ok(token)
    }
}
