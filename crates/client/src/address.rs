//! Where a master is, and whether it may be spoken to there.

use reqwest::Url;
use std::fmt;

/// Whether plain HTTP may leave this machine. A token that travels in the clear is anybody's, so
/// saying so takes a deliberate act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainHttp {
    /// Only to a loopback address.
    LoopbackOnly,
    /// Anywhere: something else, such as a private network, protects the connection.
    Anywhere,
}

/// The address of a master, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterAddress(Url);

/// A text that is not the address of a master that may be spoken to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a URL.
    #[error("{text:?} is not an address ({cause}); one looks like http://127.0.0.1:7878")]
    NotAUrl {
        /// What was given.
        text: String,
        /// What is wrong with it.
        cause: String,
    },
    /// Neither `http` nor `https`, or no host.
    #[error("{0:?} is not an address of a master; it must begin with http:// or https://")]
    NotHttp(String),
    /// Plain HTTP would carry the token across a network.
    #[error(
        "{0} is not on this machine, and plain http would show the token to the network; \
         use https://, or --allow-plain-http if the connection is protected otherwise"
    )]
    PlainHttp(String),
}

impl MasterAddress {
    /// Reads an address such as `http://127.0.0.1:7878` or `https://farm.example`.
    pub fn parse(text: &str, plain: PlainHttp) -> Result<Self, AddressError> {
        let mut url = Url::parse(text.trim()).map_err(|error| AddressError::NotAUrl {
            text: text.to_string(),
            cause: error.to_string(),
        })?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(AddressError::NotHttp(text.to_string()));
        }
        if url.scheme() == "http" && plain == PlainHttp::LoopbackOnly && !is_loopback(&url) {
            return Err(AddressError::PlainHttp(text.trim().to_string()));
        }
        // A path of its own (`https://example/farm`) is kept; joining needs it to end in a slash.
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Ok(Self(url))
    }

    /// Whether it is on this machine for certain.
    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    /// The address of `path`, relative and without a leading slash, at this master.
    pub(crate) fn join(&self, path: &str) -> Url {
        debug_assert!(!path.starts_with('/'), "{path} would leave the master's own path");
        self.0.join(path).expect("the paths of the interface are valid")
    }
}

impl fmt::Display for MasterAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    // Resolvers send `localhost` to loopback (RFC 6761); any other name could lead anywhere.
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<MasterAddress, AddressError> {
        MasterAddress::parse(text, PlainHttp::LoopbackOnly)
    }

    #[test]
    fn plain_http_stays_on_this_machine_unless_a_flag_says_otherwise() {
        for text in
            ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost", "https://a.example"]
        {
            assert!(parse(text).is_ok(), "{text}");
        }
        for text in ["http://a.example", "http://10.0.0.1:7878", "http://localhost.example"] {
            assert!(matches!(parse(text), Err(AddressError::PlainHttp(_))), "{text}");
            assert!(MasterAddress::parse(text, PlainHttp::Anywhere).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_of_a_master_is_refused() {
        for text in ["", "farm", "ftp://127.0.0.1", "file:///tmp"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_master_below_a_path_keeps_it() {
        let master = parse("https://a.example/farm").unwrap();
        assert_eq!(master.join("v1/jobs").as_str(), "https://a.example/farm/v1/jobs");
        assert_eq!(master.to_string(), "https://a.example/farm");
    }
}
