//! Where a source is sent on to: what the address says, whether it may be dialled, and what of it
//! nobody else may read.

use std::io;
use std::net::{IpAddr, SocketAddr};
use tessera_protocol::address::is_public;

/// Longest text of another server that is repeated, in characters.
const LONGEST: usize = 100;
/// So many characters in a row that a text has in common with the address's path tell of the key.
const TELLING: usize = 6;

/// Which addresses sources may be sent on to. Broadcasters name them, who have no business in the
/// network that the gateway stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gateway) enum Reach {
    /// Those of the internet.
    Public,
    /// All.
    Anywhere,
}

impl Reach {
    fn allows(self, address: IpAddr) -> bool {
        self == Self::Anywhere || is_public(address)
    }
}

/// Where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) secure: bool,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) app: String,
    pub(super) key: String,
}

impl Target {
    /// Reads `rtmp://host/app/key`. A user's name and password before the host are not taken: RTMP
    /// has no use for them, and the host is shown to others.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let secure = match scheme {
            "rtmp" => false,
            "rtmps" => true,
            _ => return None,
        };
        let (authority, path) = rest.split_once('/')?;
        // A key may have a query, and a query may have slashes.
        let before_query = path.find('?').unwrap_or(path.len());
        let slash = path[..before_query].rfind('/')?;
        let (app, key) = (&path[..slash], &path[slash + 1..]);
        let default = if secure { 443 } else { 1935 };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (authority, default),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let whole = !(host.is_empty() || app.is_empty() || key.is_empty());
        (whole && !authority.contains('@')).then(|| Self {
            secure,
            host: host.to_owned(),
            port,
            app: app.to_owned(),
            key: key.to_owned(),
        })
    }

    pub(super) fn tc_url(&self) -> String {
        let s = if self.secure { "s" } else { "" };
        format!("rtmp{s}://{}:{}/{}", self.host, self.port, self.app)
    }

    /// What may be connected to of that which the host's name leads to. It has to be connected to
    /// as it is: the name may lead elsewhere the second time.
    pub(super) async fn addresses(&self, reach: Reach) -> io::Result<Vec<SocketAddr>> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await?;
        Ok(found.filter(|address| reach.allows(address.ip())).collect())
    }

    /// Another server's words, fit for a sentence of ours: short, and without anything that could
    /// be of the key. Servers like to repeat it, whole or cut.
    pub(super) fn repeatable(&self, text: &str) -> String {
        let path: Vec<char> = format!("{}/{}", self.app, self.key).chars().collect();
        let key = self.key.chars().count();
        let text: Vec<char> = text.chars().filter(|c| !c.is_control()).collect();
        let (mut said, mut rest) = (Vec::new(), &text[..]);
        while !rest.is_empty() && said.len() < LONGEST {
            let with_key = in_common(rest, &path[path.len() - key..]) == key;
            let any = (0..path.len()).map(|from| in_common(rest, &path[from..])).max();
            let hidden = any.filter(|any| *any >= TELLING).or(with_key.then_some(key));
            said.push(if hidden.is_some() { '…' } else { rest[0] });
            rest = &rest[hidden.unwrap_or(1)..];
        }
        said.into_iter().collect()
    }
}

/// How many characters two texts begin with alike.
fn in_common(a: &[char], b: &[char]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let target = Target::parse("rtmp://a.example/live2/abc-def?x=/y").unwrap();
        assert_eq!((target.app.as_str(), target.key.as_str()), ("live2", "abc-def?x=/y"));
        assert_eq!((target.host.as_str(), target.port, target.secure), ("a.example", 1935, false));
        let target = Target::parse("rtmps://[::1]:4430/a/b/key").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("::1", 4430));
        assert_eq!((target.app.as_str(), target.key.as_str()), ("a/b", "key"));
        assert_eq!(target.tc_url(), "rtmps://::1:4430/a/b");
        for wrong in [
            "http://a/b/c",
            "rtmp://a",
            "rtmp://a/b",
            "rtmp://a/b/",
            "rtmp:///b/c",
            "rtmp://a:x/b/c",
        ] {
            assert_eq!(Target::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_user_and_a_password_are_not_taken() {
        for wrong in [
            "rtmps://user:pass@live.example.org/app/key",
            "rtmp://user@live.example.org:1935/app/key",
            "rtmp://@live.example.org/app/key",
        ] {
            assert_eq!(Target::parse(wrong), None, "{wrong}");
        }
        let with_at = Target::parse("rtmp://live.example.org/app/k@y").unwrap();
        assert_eq!(with_at.key, "k@y", "the key may have one");
    }

    #[tokio::test]
    async fn a_name_is_looked_at_after_it_is_resolved() {
        for private in ["127.0.0.1", "localhost", "[::1]", "10.0.0.5", "2130706433", "0"] {
            let target = Target::parse(&format!("rtmp://{private}/app/key")).unwrap();
            let (public, all) = (Reach::Public, Reach::Anywhere);
            // Not every resolver takes every one of them.
            if let Ok(found) = target.addresses(all).await {
                assert!(!found.is_empty(), "{private}");
                assert_eq!(target.addresses(public).await.unwrap(), [], "{private}");
            }
        }
        let target = Target::parse("rtmp://1.1.1.1/app/key").unwrap();
        let address = "1.1.1.1:1935".parse().unwrap();
        assert_eq!(target.addresses(Reach::Public).await.unwrap(), [address]);
    }

    #[test]
    fn of_another_servers_words_nothing_is_repeated_that_could_be_of_the_key() {
        let target = Target::parse("rtmp://a.example/live/Secret-12345?token=abcdefgh").unwrap();
        for (said, repeated) in [
            ("no stream Secret-12345?token=abcdefgh here", "no stream … here"),
            ("no stream secret-12345 here", "no stream … here"),
            ("no stream 'Secret-1' (cut)", "no stream '…' (cut)"),
            ("live/Secret-12345 is taken", "… is taken"),
            ("bad token ABCDEFGH", "bad token …"),
            ("the publisher\r\nis unknown", "the publisheris unknown"),
        ] {
            assert_eq!(target.repeatable(said), repeated);
        }
        assert_eq!(target.repeatable(&"no ".repeat(500)).chars().count(), LONGEST);
        let at_the_end = format!("{}Secret-12345", "y".repeat(LONGEST - 3));
        assert!(!target.repeatable(&at_the_end).contains("Sec"), "it was cut before it was hidden");

        let short = Target::parse("rtmp://a.example/live/k9").unwrap();
        assert_eq!(short.repeatable("stream K9 is taken"), "stream … is taken");
    }
}
