//! Where the master itself may connect to, when somebody else names the address.
//!
//! An address is looked at after it is resolved and before it is connected to, so that a name that
//! leads elsewhere the second time helps nobody into a network that the master stands in.

use crate::config::Config;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, SocketAddr};
use tessera_protocol::address::is_public;

/// Which addresses may be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Those of the internet.
    Public,
    /// Those, and this machine's own: where the master is for this machine alone.
    PublicAndLoopback,
    /// All.
    Anywhere,
}

/// Why an address may not be connected to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreachable {
    /// No URL, or of another scheme.
    #[error("it is not a URL that begins with https://, or with http:// for this machine itself")]
    Url,
    /// It leads into a private network.
    #[error("{0} is not an address of the public internet")]
    Private(String),
}

impl Reach {
    pub(crate) fn of(config: &Config) -> Self {
        match (config.webhooks_to_private, config.is_local()) {
            (true, _) => Self::Anywhere,
            (false, true) => Self::PublicAndLoopback,
            (false, false) => Self::Public,
        }
    }

    /// Whether this address may be connected to.
    pub(crate) fn allows(self, address: IpAddr) -> bool {
        match self {
            Self::Anywhere => true,
            Self::PublicAndLoopback => is_public(address) || address.is_loopback(),
            Self::Public => is_public(address),
        }
    }

    /// Whether this URL may be sent to, as far as it says itself: a name is looked at again when it
    /// is resolved. Plain HTTP is for loopback only.
    pub(crate) fn check(self, url: &str) -> Result<Url, Unreachable> {
        let url = Url::parse(url).map_err(|_| Unreachable::Url)?;
        let host = url.host_str().ok_or(Unreachable::Url)?.to_owned();
        let literal: Option<IpAddr> =
            host.trim_start_matches('[').trim_end_matches(']').parse().ok();
        let is_loopback = host == "localhost" || literal.is_some_and(|ip| ip.is_loopback());
        match url.scheme() {
            "https" => {}
            "http" if is_loopback => {}
            _ => return Err(Unreachable::Url),
        }
        let allowed = literal.map_or(!is_loopback || self != Self::Public, |ip| self.allows(ip));
        if allowed { Ok(url) } else { Err(Unreachable::Private(host)) }
    }
}

/// Resolves names to what may be connected to, and to nothing else.
pub(crate) struct Guard(pub(crate) Reach);

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> =
                found.filter(|address| reach.allows(address.ip())).collect();
            if allowed.is_empty() {
                return Err(Unreachable::Private(host).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_https_and_lead_out() {
        let reaches = [Reach::Public, Reach::PublicAndLoopback, Reach::Anywhere];
        for (url, expected) in [
            ("https://example.org/hook?x=1", [true, true, true]),
            ("https://example.org:8443/", [true, true, true]),
            ("https://1.1.1.1/", [true, true, true]),
            ("http://127.0.0.1:9000/hook", [false, true, true]),
            ("http://localhost:9000/hook", [false, true, true]),
            ("http://[::1]:9000/hook", [false, true, true]),
            ("https://localhost/", [false, true, true]),
            ("https://10.0.0.1/", [false, false, true]),
            ("https://169.254.169.254/latest", [false, false, true]),
            ("https://[fd00::1]/", [false, false, true]),
            ("https://0x7f000001/", [false, true, true]),
            ("https://2130706433/", [false, true, true]),
            ("http://example.org/", [false, false, false]),
            ("http://10.0.0.1/", [false, false, false]),
            ("ftp://example.org/", [false, false, false]),
            ("file:///etc/passwd", [false, false, false]),
            ("https://", [false, false, false]),
            ("nonsense", [false, false, false]),
        ] {
            let found = reaches.map(|reach| reach.check(url).is_ok());
            assert_eq!(found, expected, "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_is_looked_at_when_it_is_resolved() {
        let resolve =
            async |reach| Guard(reach).resolve("localhost".parse().unwrap()).await.is_ok();
        assert!(!resolve(Reach::Public).await);
        assert!(resolve(Reach::PublicAndLoopback).await);
    }
}
