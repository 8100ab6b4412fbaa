//! What the store knows of people: accounts, their keys, and the browsers that are signed in.

use super::Later;
use crate::auth::{Token, TokenId};
use tessera_protocol::account::KeyView;

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id: whose jobs, streams and nodes are its own.
    pub id: TokenId,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// Its password, hashed, as a PHC string; where it has one.
    pub password: Option<String>,
    /// Its wallet's public key, where it has one.
    pub wallet: Option<[u8; 32]>,
}

/// A browser that is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedIn {
    /// blake3 of its cookie's secret.
    pub hash: [u8; 32],
    /// As whom.
    pub who: Who,
    /// When that was said last, in milliseconds since 1970.
    pub renewed_ms: i64,
    /// When it ends, in milliseconds since 1970.
    pub ends_ms: i64,
}

/// As whom somebody is signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// An account.
    Account(TokenId),
    /// A token: the session may what that may, and ends with it.
    Token(TokenId),
}

/// A key to be kept.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// The token, with its account.
    pub token: Token,
    /// What people call it.
    pub name: String,
    /// Most keys that the account may have.
    pub most: u32,
    /// Now.
    pub now_ms: i64,
}

/// See the module.
pub trait AccountStore: Send + Sync {
    /// Keeps a new account; `false` and nothing kept where its name or its wallet is another's.
    fn add_account(&self, account: Account, now_ms: i64) -> Later<'_, bool>;
    /// The account with this id.
    fn account(&self, id: TokenId) -> Later<'_, Option<Account>>;
    /// The account with this name.
    fn account_by_name(&self, name: String) -> Later<'_, Option<Account>>;
    /// The account with this wallet.
    fn account_by_wallet(&self, wallet: [u8; 32]) -> Later<'_, Option<Account>>;

    /// Keeps that somebody signed in. Of the same account or token the `most` newest stay, and none that
    /// is over.
    fn add_sign_in(&self, new: SignedIn, most: u32) -> Later<'_, ()>;
    /// Who is signed in with this secret's hash, if that stands now.
    fn sign_in(&self, hash: [u8; 32], now_ms: i64) -> Later<'_, Option<SignedIn>>;
    /// Lets one that is known stand longer. One that is gone stays gone.
    fn renew_sign_in(&self, renewed: SignedIn) -> Later<'_, ()>;
    /// Ends it.
    fn end_sign_in(&self, hash: [u8; 32]) -> Later<'_, ()>;
    /// Ends all of an account's but one; those by its keys are the keys'.
    fn end_other_sign_ins(&self, account: TokenId, kept: [u8; 32]) -> Later<'_, ()>;
    /// Replaces a password by another, both hashed, and ends all the account's browsers but one; `false`
    /// and nothing done where it is another one by now.
    fn change_password(
        &self,
        account: TokenId,
        from: String,
        to: String,
        kept: [u8; 32],
    ) -> Later<'_, bool>;

    /// Keeps a key; `false` and nothing kept where its account has as many as it may.
    fn add_key(&self, key: NewKey) -> Later<'_, bool>;
    /// An account's keys behind this one (when it was made, and its id), newest first.
    fn keys(
        &self,
        account: TokenId,
        after: Option<(i64, TokenId)>,
        limit: u32,
    ) -> Later<'_, Vec<KeyView>>;
    /// Deletes an account's key and ends what is signed in by it; `false` where it has no such key.
    fn delete_key(&self, account: TokenId, key: TokenId) -> Later<'_, bool>;
    /// Notes when a key was used last.
    fn note_key_use(&self, key: TokenId, now_ms: i64) -> Later<'_, ()>;
}
