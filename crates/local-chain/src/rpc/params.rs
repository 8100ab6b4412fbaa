//! A request's parameters, read with words for what is wrong.

use super::Problem;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use std::str::FromStr;

/// The parameters: a list, or nothing.
pub(super) struct Params<'a>(&'a [Value]);

impl<'a> Params<'a> {
    pub(super) fn new(params: &'a Value) -> Result<Self, Problem> {
        match params {
            Value::Null => Ok(Self(&[])),
            Value::Array(list) => Ok(Self(list)),
            _ => Err(Problem::params("the parameters are a list")),
        }
    }

    fn get(&self, at: usize) -> &'a Value {
        self.0.get(at).unwrap_or(&Value::Null)
    }

    pub(super) fn text(&self, at: usize, what: &str) -> Result<&'a str, Problem> {
        self.get(at)
            .as_str()
            .ok_or_else(|| Problem::params(format!("parameter {} is {what}", at + 1)))
    }

    pub(super) fn number(&self, at: usize, what: &str) -> Result<u64, Problem> {
        self.get(at)
            .as_u64()
            .ok_or_else(|| Problem::params(format!("parameter {} is {what}", at + 1)))
    }

    pub(super) fn parsed<T: FromStr>(&self, at: usize, what: &str) -> Result<T, Problem> {
        parse(self.text(at, what)?, what)
    }

    pub(super) fn list(&self, at: usize, most: usize, what: &str) -> Result<&'a [Value], Problem> {
        match self.get(at).as_array() {
            Some(list) if list.len() <= most => Ok(list),
            _ => Err(Problem::params(format!("parameter {} is {what}, at most {most}", at + 1))),
        }
    }

    /// The slot that an answer must know of, if the asker named one among the options.
    pub(super) fn min_context_slot(&self) -> Option<u64> {
        self.0.iter().find_map(|param| param.get("minContextSlot")?.as_u64())
    }

    /// An object that may be missing, as `null`.
    pub(super) fn options(&self, at: usize) -> Result<&'a Value, Problem> {
        match self.get(at) {
            options @ (Value::Object(_) | Value::Null) => Ok(options),
            _ => Err(Problem::params(format!("parameter {} is an object", at + 1))),
        }
    }
}

/// Reads an address, a signature or a hash.
pub(super) fn parse<T: FromStr>(text: &str, what: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::params(format!("{text:?} is not {what}")))
}

/// Bytes as text, in the encoding that is named, or in base58 where none is.
pub(super) fn bytes(text: &str, encoding: &Value) -> Result<Vec<u8>, Problem> {
    // As many characters as the longest transaction takes in base58; its decoder is quadratic.
    const MOST_BASE58: usize = 1683;
    match encoding.as_str().unwrap_or("base58") {
        "base64" => BASE64_STANDARD
            .decode(text)
            .map_err(|error| Problem::params(format!("not base64: {error}"))),
        "base58" if text.len() > MOST_BASE58 => Err(Problem::params("too long for base58")),
        "base58" => bs58::decode(text)
            .into_vec()
            .map_err(|error| Problem::params(format!("not base58: {error}"))),
        other => Err(Problem::params(format!("{other:?} is neither base58 nor base64"))),
    }
}
