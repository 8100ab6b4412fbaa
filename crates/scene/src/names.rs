//! Names of files: what a URI or an archive may call them, and what they are called here.
//!
//! A name is a path below a folder: parts joined by `/`, none of them empty, `.` or `..`.

use percent_encoding::percent_decode_str;

/// Most parts of a name, and most bytes.
const MOST: (usize, usize) = (32, 1024);

/// The name that a path within an archive has.
///
/// # Errors
/// Why it names nothing inside.
pub(crate) fn inside(path: &str) -> Result<String, String> {
    // Some programs of Windows write their own separator.
    let path = path.replace('\\', "/");
    if path.len() > MOST.1 {
        return Err(format!("is longer than {} bytes", MOST.1));
    }
    if path.chars().any(char::is_control) {
        return Err("holds control characters".into());
    }
    let drive = path.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
        && path.as_bytes().get(1) == Some(&b':');
    if path.starts_with('/') || drive {
        return Err("is absolute; use one below the scene's own folder".into());
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                let message = "leads out of its folder; put all files below the scene's own";
                parts.pop().ok_or(message)?;
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        return Err("is empty".into());
    }
    if parts.len() > MOST.0 {
        return Err(format!("leads through more than {} folders", MOST.0));
    }
    Ok(parts.join("/"))
}

/// What a URI of a `.gltf` names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Uri {
    /// What it holds itself.
    Data(Vec<u8>),
    /// A file, by its name below the scene's folder.
    File(String),
}

/// # Errors
/// Why it names nothing that can be read.
pub(crate) fn parse(uri: &str) -> Result<Uri, String> {
    let data = uri.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("data:"));
    if data.is_some() {
        return decode(&uri[5..]).map(Uri::Data);
    }
    let scheme = uri.split(['/', '?', '#', '%']).next().unwrap_or_default();
    if let Some((scheme, _)) = scheme.split_once(':')
        && scheme.len() > 1
    {
        return Err(format!("begins with {scheme}:, and nothing is fetched; put the file beside"));
    }
    let decoded = percent_decode_str(uri).decode_utf8().map_err(|_| "is not UTF-8")?;
    inside(&decoded).map(Uri::File)
}

fn decode(uri: &str) -> Result<Vec<u8>, String> {
    use base64::Engine as _;
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    // Some exporters leave the padding out.
    const BASE64: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let (kind, data) = uri.split_once(',').ok_or("is a data: URI without a comma")?;
    if !kind.ends_with(";base64") {
        return Err("is a data: URI that is not base64".into());
    }
    BASE64.decode(data).map_err(|error| format!("is a broken data: URI: {error}"))
}

/// A name that may hold anything, fit to be shown.
pub(crate) fn shown(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let short: String = name.chars().take(120).flat_map(char::escape_debug).collect();
    if short.is_empty() { "an entry without a name".into() } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_plain() {
        for (path, name) in [
            ("a.png", "a.png"),
            ("./a/./b//c.bin", "a/b/c.bin"),
            ("a\\b.png", "a/b.png"),
            ("a/../b.png", "b.png"),
            ("a/..b/c", "a/..b/c"),
        ] {
            assert_eq!(inside(path).as_deref(), Ok(name));
        }
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for (path, reason) in [
            ("../a", "leads out"),
            ("a/../../b", "leads out"),
            ("..\\a", "leads out"),
            ("/etc/passwd", "absolute"),
            ("C:\\a", "absolute"),
            ("c:a", "absolute"),
            ("", "empty"),
            ("a/..", "empty"),
            ("a\0b", "control"),
        ] {
            assert!(inside(path).unwrap_err().contains(reason), "{path:?}");
        }
        assert!(inside(&"a/".repeat(33)).unwrap_err().contains("folders"));
        assert!(inside(&"a".repeat(1025)).unwrap_err().contains("longer"));
    }

    #[test]
    fn uris_are_decoded() {
        let file = |name: &str| Ok(Uri::File(name.into()));
        assert_eq!(parse("My%20scene/gr%C3%BCn.bin"), file("My scene/grün.bin"));
        assert_eq!(
            parse("data:application/octet-stream;base64,AQID"),
            Ok(Uri::Data(vec![1, 2, 3]))
        );
        assert_eq!(parse("data:;base64,AQ"), Ok(Uri::Data(vec![1])));
        for (uri, reason) in [
            ("https://example.org/a.bin", "https:"),
            ("file:///a.bin", "file:"),
            ("%2e%2e/a.bin", "leads out"),
            ("%2Fa.bin", "absolute"),
            ("a%00b", "control"),
            ("a%FFb", "UTF-8"),
            ("data:text/plain,AQID", "not base64"),
            ("data:;base64,A!", "broken"),
            ("data:;base64", "comma"),
        ] {
            let refused = parse(uri).unwrap_err();
            assert!(refused.contains(reason), "{uri}: {refused}");
        }
    }
}
