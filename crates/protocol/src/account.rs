//! Accounts: how people come in, and the keys that act for them.
//!
//! An account may be artist, broadcaster and node owner at once. Whatever is made with one of its keys is
//! the account's own.

use crate::token::TokenScope;
use crate::{AccountId, KeyId};
use serde::{Deserialize, Serialize};

/// The cookie that a browser is known by, on a master that is for its own machine alone …
pub const COOKIE: &str = "tessera_session";
/// … and on any other.
pub const SECURE_COOKIE: &str = "__Host-tessera_session";
/// The header that says that a request by cookie was meant: it carries [`AccountSession::csrf`].
pub const CSRF_HEADER: &str = "x-tessera-csrf";

/// Makes an account with a name and a password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignUpRequest {
    /// 3 to 32 of a–z, 0–9, `_`, `.` and `-`; the first is a letter.
    pub name: String,
    /// 10 to 128 characters.
    pub password: String,
}

impl SignUpRequest {
    /// How many characters a name may have.
    pub const NAME: std::ops::RangeInclusive<usize> = 3..=32;
    /// How many characters a password may have.
    pub const PASSWORD: std::ops::RangeInclusive<usize> = 10..=128;

    /// What keeps this from being an account, for people.
    pub fn validate(&self) -> Result<(), &'static str> {
        let other = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '.' | '-');
        let starts = self.name.starts_with(|c: char| c.is_ascii_lowercase());
        if !starts || !self.name.chars().all(other) || !Self::NAME.contains(&self.name.len()) {
            return Err(
                "A name has 3 to 32 characters of a-z, 0-9, _, . and -, and begins with a letter",
            );
        }
        is_password(&self.password)
    }
}

/// What keeps a text from being a password, for people.
fn is_password(text: &str) -> Result<(), &'static str> {
    match SignUpRequest::PASSWORD.contains(&text.chars().count()) {
        true => Ok(()),
        false => Err("A password has 10 to 128 characters"),
    }
}

/// Replaces an account's password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordRequest {
    /// The one that holds now.
    pub current: String,
    /// The one that holds from now on, as [`SignUpRequest::password`].
    pub new: String,
}

impl PasswordRequest {
    /// What keeps the new one from being a password, for people.
    pub fn validate(&self) -> Result<(), &'static str> {
        is_password(&self.new)
    }
}

/// Secrets are not shown.
impl std::fmt::Debug for PasswordRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordRequest")
    }
}

/// Signs in, in one of three ways.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
pub enum SignInRequest {
    /// By name and password.
    Password {
        /// The account's name.
        name: String,
        /// Its password.
        password: String,
    },
    /// By a wallet that signs a text of the master's. A wallet that is not known makes an account.
    Wallet {
        /// The wallet's address, in base 58.
        address: String,
        /// The text, as the master gave it.
        challenge: String,
        /// The wallet's signature over it, in base 58.
        signature: String,
    },
    /// By a token of an artist, a broadcaster, a node owner or an operator. The session may what it may.
    Token {
        /// The token.
        token: String,
    },
}

/// Secrets are not shown.
impl std::fmt::Debug for SignUpRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SignUpRequest of {:?}", self.name)
    }
}

/// Secrets are not shown.
impl std::fmt::Debug for SignInRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Password { name, .. } => write!(f, "SignInRequest of {name:?}"),
            Self::Wallet { address, .. } => write!(f, "SignInRequest of wallet {address:?}"),
            Self::Token { .. } => write!(f, "SignInRequest by token"),
        }
    }
}

/// Asks for a text that a wallet signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WalletChallengeRequest {
    /// The wallet's address, in base 58.
    pub address: String,
}

/// A text that a wallet signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WalletChallengeView {
    /// The text: it names the farm's master, the wallet, and until when it is good. It is good once.
    pub challenge: String,
    /// Until when, in milliseconds since 1970.
    pub expires_ms: i64,
}

/// What somebody may be on a farm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Has jobs.
    Artist,
    /// Has streams.
    Broadcaster,
    /// Has nodes.
    NodeOwner,
    /// Runs the farm, and sees all of it.
    Operator,
}

/// Whoever is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AccountView {
    /// Whose jobs, streams and nodes are its own. Of a token that no account made, the token itself.
    pub id: AccountId,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// Its wallet's address in base 58, where it has one.
    pub wallet: Option<String>,
}

/// Who is signed in, and as what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AccountSession {
    /// Who.
    pub account: AccountView,
    /// As what.
    pub roles: Vec<Role>,
    /// What [`CSRF_HEADER`] carries in each request by cookie that is no GET. Empty where the caller came
    /// by token, which needs none.
    pub csrf: String,
}

/// Asks for a key that acts for the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// What people call it; 1 to [`Self::MAX_NAME`] characters.
    pub name: String,
    /// What it shall allow: `artist`, `broadcaster` or `enrol`.
    pub scope: TokenScope,
}

impl KeyRequest {
    /// Most characters of a key's name.
    pub const MAX_NAME: usize = 100;
}

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KeyView {
    /// Its id.
    pub id: KeyId,
    /// What people call it.
    pub name: String,
    /// What it allows.
    pub scope: TokenScope,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: i64,
    /// When it was used last, to the minute, in milliseconds since 1970; `None` where it never was.
    pub last_used_ms: Option<i64>,
}

/// A new key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NewKeyView {
    /// The key, as it is listed from now on.
    #[serde(flatten)]
    pub view: KeyView,
    /// Its secret: a bearer token, shown this once and stored hashed.
    pub key: String,
}

/// Some of an account's keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KeyPage {
    /// The keys, newest first.
    pub data: Vec<KeyView>,
    /// Asks for the next page; `None` on the last.
    pub next_cursor: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_name_and_a_password_may_be_is_checked() {
        let with = |name: &str, password: &str| {
            SignUpRequest { name: name.into(), password: password.into() }.validate().is_ok()
        };
        let long = "a".repeat(32);
        for name in ["abc", "a-1", "a.b_c-9", &long] {
            assert!(with(name, "0123456789"), "{name}");
        }
        let longer = "a".repeat(33);
        for name in ["", "ab", "Abc", "1bc", "_bc", "ab c", "abé", "ab\n", &longer] {
            assert!(!with(name, "0123456789"), "{name:?}");
        }
        for (characters, fits) in [(9, false), (10, true), (128, true), (129, false)] {
            assert_eq!(with("abc", &"é".repeat(characters)), fits, "{characters}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let secret = || "hush".to_owned();
        let shown = [
            format!("{:?}", SignUpRequest { name: "abc".into(), password: secret() }),
            format!("{:?}", SignInRequest::Password { name: "abc".into(), password: secret() }),
            format!("{:?}", SignInRequest::Token { token: secret() }),
            format!("{:?}", PasswordRequest { current: secret(), new: secret() }),
        ];
        assert!(shown.iter().all(|text| !text.contains("hush")), "{shown:?}");
    }
}
