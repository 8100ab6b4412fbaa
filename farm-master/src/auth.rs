//! Who is calling. A token is 32 random bytes behind the name of its scope; the master stores its
//! hash and finds it by the hash's first bytes. A browser that is signed in has a cookie instead.
//!
//! Reading order: here (tokens) → [`cookie`] → [`caller`] (who it is) → [`roles`] (who a route is for).

mod caller;
pub(crate) mod cookie;
mod roles;

pub use caller::Caller;
pub use roles::{
    Artist, Broadcaster, Enroller, Gateway, InPerson, Listener, Node, NodeOwner, Operator,
    SomePerson,
};

use std::collections::HashMap;
use std::sync::RwLock;
use tessera_protocol::NodeId;
use tessera_protocol::token::TokenScope;

/// Whose something is: an account's id, or that of a token which no account made. A token's is what it is
/// found by: the first bytes of its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId(pub [u8; 8]);

/// A token as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// blake3 of its text.
    pub hash: [u8; 32],
    /// What it allows.
    pub scope: TokenScope,
    /// Whose it is, where it is a node's or a gateway's.
    pub node: Option<NodeId>,
    /// The account that made it, where one did.
    pub account: Option<TokenId>,
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
            TokenScope::Broadcaster => "broadcaster",
            TokenScope::Gateway => "gateway",
        };
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        let text = format!("{name}-{}", hex::encode(secret));
        let token = Self { hash: hash(&text), scope, node, account: None };
        Ok((text, token))
    }

    /// The stored form of an operator's token that was drawn earlier.
    pub fn of_operator(text: &str) -> Self {
        Self { hash: hash(text), scope: TokenScope::Operator, node: None, account: None }
    }

    /// What it is found by.
    pub fn id(&self) -> TokenId {
        id_of(&self.hash)
    }

    /// Whose is what is made with it: its account's, or its own.
    pub fn owner(&self) -> TokenId {
        self.account.unwrap_or_else(|| self.id())
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

/// How often the use of a key is written down at most.
const NOTE_USE_MS: i64 = 60_000;

/// Tokens that were used, so that the database is asked once for each.
#[derive(Default)]
pub struct KnownTokens(RwLock<Known>);

#[derive(Default)]
struct Known {
    tokens: HashMap<TokenId, Token>,
    replaced: Replaced,
    /// When the use of a key was noted last.
    used_ms: HashMap<TokenId, i64>,
}

/// How often tokens were replaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Replaced(u64);

impl KnownTokens {
    /// Drops a node's tokens: it has a new one.
    pub fn forget_node(&self, node: NodeId) {
        let mut known = self.0.write().expect("no holder panics");
        known.tokens.retain(|_, token| token.node != Some(node));
        known.replaced.0 += 1;
    }

    /// Drops a token: it is deleted.
    pub fn forget(&self, id: TokenId) {
        let mut known = self.0.write().expect("no holder panics");
        known.tokens.remove(&id);
        known.used_ms.remove(&id);
        known.replaced.0 += 1;
    }

    /// Whether the use of a key is to be written down now.
    fn note_use(&self, id: TokenId, now_ms: i64) -> bool {
        let is_due = |noted: Option<&i64>| noted.is_none_or(|noted| now_ms - noted >= NOTE_USE_MS);
        if !is_due(self.0.read().expect("no holder panics").used_ms.get(&id)) {
            return false;
        }
        let mut known = self.0.write().expect("no holder panics");
        let due = is_due(known.used_ms.get(&id));
        if due {
            known.used_ms.insert(id, now_ms);
        }
        due
    }

    /// A token; where it is not known, what to [keep](Self::keep) the database's answer with.
    fn get(&self, id: TokenId) -> Result<Token, Replaced> {
        let known = self.0.read().expect("no holder panics");
        known.tokens.get(&id).cloned().ok_or(known.replaced)
    }

    /// Keeps what the database answered, unless a token was replaced meanwhile: it may be that one.
    fn keep(&self, token: Token, asked_at: Replaced) {
        let mut known = self.0.write().expect("no holder panics");
        if known.replaced == asked_at {
            known.tokens.insert(token.id(), token);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_was_replaced_while_it_was_looked_up_is_not_kept() {
        let known = KnownTokens::default();
        let node = NodeId([1; 32]);
        let (_, old) = Token::generate(TokenScope::Node, Some(node)).unwrap();
        let asked_at = known.get(old.id()).unwrap_err();
        // The database has answered with the old one, and now the node joins again.
        known.forget_node(node);
        known.keep(old.clone(), asked_at);
        let asked_at = known.get(old.id()).unwrap_err();

        let (_, new) = Token::generate(TokenScope::Node, Some(node)).unwrap();
        known.keep(new.clone(), asked_at);
        assert_eq!(known.get(new.id()), Ok(new.clone()));
        known.forget_node(NodeId([2; 32]));
        assert_eq!(known.get(new.id()), Ok(new), "another's tokens stay");
    }

    #[test]
    fn that_a_key_is_used_is_noted_once_a_minute() {
        let known = KnownTokens::default();
        let noted = [0, 1, 59_999, 60_000, 60_001].map(|now| known.note_use(TokenId([1; 8]), now));
        assert_eq!(noted, [true, false, false, true, false]);
        assert!(known.note_use(TokenId([2; 8]), 60_001));
    }
}
