//! Who is calling. A token is 32 random bytes behind the name of its scope; the master stores its
//! hash and finds it by the hash's first bytes.

use crate::app::App;
use crate::problem::{Code, Refusal};
use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use tessera_protocol::NodeId;
use tessera_protocol::token::TokenScope;

/// What a token is found by: the first bytes of its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId(pub [u8; 8]);

/// A token as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// blake3 of its text.
    pub hash: [u8; 32],
    /// What it allows.
    pub scope: TokenScope,
    /// Whose it is, where it is a node's.
    pub node: Option<NodeId>,
}

impl Token {
    /// Draws a new token. Its text is returned beside it and kept nowhere.
    pub fn generate(
        scope: TokenScope,
        node: Option<NodeId>,
    ) -> Result<(String, Self), getrandom::Error> {
        let name = match scope {
            TokenScope::Operator => "operator",
            TokenScope::Artist => "artist",
            TokenScope::Enrol => "enrol",
            TokenScope::Node => "node",
        };
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        let text = format!("{name}-{}", hex::encode(secret));
        let token = Self { hash: hash(&text), scope, node };
        Ok((text, token))
    }

    /// The stored form of an operator's token that was drawn earlier.
    pub fn of_operator(text: &str) -> Self {
        Self { hash: hash(text), scope: TokenScope::Operator, node: None }
    }

    /// What it is found by.
    pub fn id(&self) -> TokenId {
        id_of(&self.hash)
    }
}

fn hash(text: &str) -> [u8; 32] {
    *blake3::hash(text.as_bytes()).as_bytes()
}

fn id_of(hash: &[u8; 32]) -> TokenId {
    let mut id = [0; 8];
    id.copy_from_slice(&hash[..8]);
    TokenId(id)
}

/// Tokens that were used, so that the database is asked once for each.
#[derive(Default)]
pub struct KnownTokens(RwLock<HashMap<TokenId, Token>>);

impl KnownTokens {
    /// Drops a node's tokens: it has a new one.
    pub fn forget_node(&self, node: NodeId) {
        self.0.write().expect("no holder panics").retain(|_, token| token.node != Some(node));
    }

    fn get(&self, id: TokenId) -> Option<Token> {
        self.0.read().expect("no holder panics").get(&id).cloned()
    }

    fn keep(&self, token: Token) {
        self.0.write().expect("no holder panics").insert(token.id(), token);
    }
}

/// Whoever holds a valid token.
async fn caller(parts: &Parts, app: &App) -> Result<Token, Refusal> {
    let missing =
        || Refusal::new(Code::TokenMissing, "Send a token as `Authorization: Bearer <token>`.");
    let value = parts.headers.get(header::AUTHORIZATION).ok_or_else(missing)?;
    let text = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
    let offered = hash(text.ok_or_else(missing)?);
    let token = match app.tokens.get(id_of(&offered)) {
        Some(token) => Some(token),
        None => {
            let stored = app.store.token(id_of(&offered)).await?;
            stored.inspect(|token| app.tokens.keep(token.clone()))
        }
    };
    // blake3's own comparison takes the same time wherever two hashes differ.
    token.filter(|token| blake3::Hash::from(token.hash) == blake3::Hash::from(offered)).ok_or_else(
        || {
            Refusal::new(
                Code::TokenUnknown,
                "The master does not know this token; it may be another's, or a node joined again.",
            )
        },
    )
}

fn too_small(token: &Token, needed: &str) -> Refusal {
    let has = format!("{:?}", token.scope).to_lowercase();
    Refusal::new(Code::ScopeTooSmall, format!("This needs {needed}; the token's scope is {has}."))
}

/// An artist or an operator.
pub struct Artist(Token);

impl Artist {
    /// The token's id: whose jobs they are.
    pub fn id(&self) -> TokenId {
        self.0.id()
    }

    /// Whose jobs may be seen: one's own, or, `None`, everybody's.
    pub fn sees(&self) -> Option<TokenId> {
        (self.0.scope == TokenScope::Artist).then(|| self.0.id())
    }

    /// Whether a job of this owner may be seen.
    pub fn may_see(&self, owner: TokenId) -> bool {
        self.sees().is_none_or(|own| own == owner)
    }
}

/// An operator.
pub struct Operator;

/// Somebody who may let nodes join.
pub struct Enroller;

/// A node that joined.
pub struct Node(pub NodeId);

impl FromRequestParts<Arc<App>> for Artist {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let token = caller(parts, app).await?;
        match token.scope {
            TokenScope::Artist | TokenScope::Operator => Ok(Self(token)),
            TokenScope::Enrol | TokenScope::Node => Err(too_small(&token, "an artist's token")),
        }
    }
}

impl FromRequestParts<Arc<App>> for Operator {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let token = caller(parts, app).await?;
        match token.scope {
            TokenScope::Operator => Ok(Self),
            _ => Err(too_small(&token, "an operator's token")),
        }
    }
}

impl FromRequestParts<Arc<App>> for Enroller {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let token = caller(parts, app).await?;
        match token.scope {
            TokenScope::Enrol | TokenScope::Operator => Ok(Self),
            TokenScope::Artist | TokenScope::Node => Err(too_small(&token, "a token to enrol")),
        }
    }
}

impl FromRequestParts<Arc<App>> for Node {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let token = caller(parts, app).await?;
        match (token.scope, token.node) {
            (TokenScope::Node, Some(node)) => Ok(Self(node)),
            _ => Err(too_small(&token, "a node's token")),
        }
    }
}
