//! Resumable uploads: the tus protocol 1.0.0 (<https://tus.io/protocols/resumable-upload>), core and
//! the extensions `creation` and `termination`, with two words of our own.
//!
//! | request | headers | answer |
//! |---|---|---|
//! | `POST /v1/tus` | `Upload-Length`, `Upload-Metadata` (optional) | 201, `Location`, `Upload-Offset` |
//! | `HEAD` of that | | 200, `Upload-Offset`, `Upload-Length` |
//! | `PATCH` of that | `Upload-Offset`, `Content-Type: application/offset+octet-stream` | 204, `Upload-Offset` |
//! | `DELETE` of that | | 204 |
//!
//! Whoever knows the bytes' hash before they are sent says it in `Upload-Metadata`, under
//! [`HASH_KEY`]: then the same owner's unfinished upload of the same bytes is taken up, from whatever
//! process, and bytes that have another hash at the end are refused. Once an upload is whole, `PATCH`
//! and `HEAD` say in [`BLOB`] what the file is stored under.

use crate::BlobHash;

/// The version that is spoken.
pub const VERSION: &str = "1.0.0";
/// Names the version in every request and answer.
pub const RESUMABLE: &str = "tus-resumable";
/// How many bytes are durable.
pub const OFFSET: &str = "upload-offset";
/// How many bytes there will be.
pub const LENGTH: &str = "upload-length";
/// Pairs of a key and a value in Base64, with commas between them.
pub const METADATA: &str = "upload-metadata";
/// What a piece's body is.
pub const PIECE: &str = "application/offset+octet-stream";
/// The hash that a whole upload is stored under: this project's own header.
pub const BLOB: &str = "tessera-blob";
/// The metadata's key for the hash, in hexadecimal digits, that the bytes will have.
pub const HASH_KEY: &str = "blake3";

/// The metadata that announces a hash.
pub fn metadata(hash: BlobHash) -> String {
    use base64::Engine as _;
    format!("{HASH_KEY} {}", base64::prelude::BASE64_STANDARD.encode(hash.to_string()))
}

/// The hash that metadata announces, if any.
///
/// # Errors
/// If a pair is none, or the hash is none.
pub fn announced(metadata: &str) -> Result<Option<BlobHash>, String> {
    use base64::Engine as _;
    for pair in metadata.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
        if key != HASH_KEY {
            continue;
        }
        let text = base64::prelude::BASE64_STANDARD.decode(value.trim());
        let text = text.ok().and_then(|text| String::from_utf8(text).ok());
        let hash = text.and_then(|text| text.parse().ok());
        return hash.map(Some).ok_or_else(|| {
            format!("{HASH_KEY} is not the Base64 of a hash of 64 hexadecimal digits")
        });
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announced_hash_is_found_among_other_words() {
        let hash = BlobHash([7; 32]);
        assert_eq!(announced(&metadata(hash)), Ok(Some(hash)));
        assert_eq!(
            announced(&format!("filename c2hvdA==, {},is_draft", metadata(hash))),
            Ok(Some(hash))
        );
        for none in ["", "filename c2hvdA==", "is_draft", ",,"] {
            assert_eq!(announced(none), Ok(None), "{none}");
        }
        for wrong in ["blake3", "blake3 !", "blake3 c2hvdA==", "blake3 /w=="] {
            assert!(announced(wrong).is_err(), "{wrong}");
        }
    }
}
