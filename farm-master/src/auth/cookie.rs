//! The cookie that a browser is known by: 32 random bytes, stored as their hash. What a request by cookie
//! has to bring beside it follows from the same bytes, so nothing more is stored.

use axum::http::{HeaderMap, HeaderValue, header};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tessera_protocol::account::{COOKIE, CSRF_HEADER, SECURE_COOKIE};

/// How long a session stands without being used.
pub(crate) const SESSION: Duration = Duration::from_secs(30 * 24 * 3600);
/// How often it is renewed at most.
pub(super) const RENEW_MS: i64 = 24 * 3600 * 1000;
/// What the second secret is derived for.
const CSRF_DOMAIN: &[u8] = b"tessera portal csrf 1";

/// A session's secret. It is never printed.
#[derive(Clone)]
pub(crate) struct SessionSecret([u8; 32]);

impl SessionSecret {
    /// A new one from the system's randomness.
    pub(crate) fn generate() -> Result<Self, getrandom::Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        Ok(Self(secret))
    }

    /// The secret of a request's cookie, where it has one; `secure` as it was set.
    pub(crate) fn of(headers: &HeaderMap, secure: bool) -> Option<Self> {
        let name = name(secure);
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut values = lines
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='));
        let mut secret = [0; 32];
        hex::decode_to_slice(values.next()?, &mut secret).ok()?;
        Some(Self(secret))
    }

    /// What the session is found by.
    pub(crate) fn hash(&self) -> [u8; 32] {
        *blake3::hash(&self.0).as_bytes()
    }

    /// What a request has to bring beside the cookie.
    pub(crate) fn csrf(&self) -> String {
        blake3::keyed_hash(&self.0, CSRF_DOMAIN).to_hex().to_string()
    }

    /// Whether a request brings it.
    pub(super) fn is_meant(&self, headers: &HeaderMap) -> bool {
        let mut brought = [0; 32];
        let value = headers.get(CSRF_HEADER).map(HeaderValue::as_bytes);
        let readable = value.is_some_and(|hex| hex::decode_to_slice(hex, &mut brought).is_ok());
        // blake3's own comparison takes the same time wherever two hashes differ.
        readable && blake3::keyed_hash(&self.0, CSRF_DOMAIN) == blake3::Hash::from(brought)
    }

    /// What sets the cookie; `secure` where it may not travel in the clear.
    pub(crate) fn set(&self, secure: bool) -> HeaderValue {
        line(&hex::encode(self.0), SESSION.as_secs(), secure)
    }
}

/// What takes the cookie away.
pub(crate) fn clear(secure: bool) -> HeaderValue {
    line("", 0, secure)
}

/// What it is called. Browsers take the longer name from nobody but this very site, over TLS: no neighbour of
/// the same domain can set it (RFC 6265bis, section 4.1.3.2).
fn name(secure: bool) -> &'static str {
    if secure { SECURE_COOKIE } else { COOKIE }
}

fn line(value: &str, seconds: u64, secure: bool) -> HeaderValue {
    let name = name(secure);
    let secure = if secure { "; Secure" } else { "" };
    let line =
        format!("{name}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}{secure}");
    HeaderValue::try_from(line).expect("hexadecimal digits and plain words")
}

/// In a request's extensions: the cookie that its answer shall set, if the session was renewed.
#[derive(Clone, Default)]
pub(crate) struct Renewal(pub(crate) Arc<OnceLock<HeaderValue>>);

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, line.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_cookie_is_found_among_others_and_only_whole() {
        let secret = SessionSecret([0xab; 32]);
        let hex = "ab".repeat(32);
        for lines in [
            vec![format!("{COOKIE}={hex}")],
            vec![format!("a=b; {COOKIE}={hex}; c=d")],
            vec!["a=b".to_owned(), format!("{COOKIE}={hex}")],
        ] {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            assert_eq!(
                SessionSecret::of(&headers(&lines), false).unwrap().0,
                secret.0,
                "{lines:?}"
            );
            assert!(SessionSecret::of(&headers(&lines), true).is_none(), "a neighbour may set it");
        }
        let whole = format!("{SECURE_COOKIE}={hex}");
        assert!(SessionSecret::of(&headers(&[&whole]), true).is_some());
        assert!(SessionSecret::of(&headers(&[&whole]), false).is_none());
        for line in ["", "a=b", "tessera_session=", "tessera_session=ab", "xtessera_session=ab"] {
            assert!(SessionSecret::of(&headers(&[line]), false).is_none(), "{line}");
        }
        assert!(SessionSecret::of(&headers(&[&format!("{COOKIE}x={hex}")]), false).is_none());
    }

    #[test]
    fn what_comes_beside_the_cookie_belongs_to_it_alone() {
        let (one, two) = (SessionSecret([1; 32]), SessionSecret([2; 32]));
        let with = |csrf: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CSRF_HEADER, csrf.parse().unwrap());
            headers
        };
        assert!(one.is_meant(&with(&one.csrf())));
        for wrong in [two.csrf(), String::new(), hex::encode([1; 32]), one.csrf()[2..].to_owned()] {
            assert!(!one.is_meant(&with(&wrong)), "{wrong}");
        }
        assert!(!one.is_meant(&HeaderMap::new()));
        assert_ne!(hex::encode(one.hash()), one.csrf());
    }
}
