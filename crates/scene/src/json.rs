//! JSON as glTF has it: no object has a name twice.

use crate::error::excerpt;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::map::{Entry, Map};
use serde_json::{Number, Value};
use std::fmt;

/// Reads a value and nothing behind it. Nesting is limited by `serde_json`.
pub(crate) fn read(text: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice::<Unique>(text).map(|Unique(value)| value)
}

/// A value in which each object's names differ: `serde_json` itself keeps the last of each, and a file
/// would show one thing here and another elsewhere.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnyValue).map(Self)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that is none"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            match object.entry(name) {
                Entry::Vacant(place) => {
                    let Unique(value) = members.next_value()?;
                    place.insert(value);
                }
                Entry::Occupied(place) => {
                    let name = excerpt(place.key());
                    return Err(A::Error::custom(format_args!("one object has {name:?} twice")));
                }
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_that_serde_json_reads() {
        let texts = [
            "null",
            "true",
            r#"{"a":[1,-1,0.1,1e300,18446744073709551615,-9223372036854775808,-0.0,"\u00e9\n"],"b":{}}"#,
            "[[],{},\"\"]",
        ];
        for text in texts {
            assert_eq!(read(text.as_bytes()).unwrap(), text.parse::<Value>().unwrap(), "{text}");
        }
        for text in ["", "1 2", "[1,]", "{\"a\"}", "nul", "1e999"] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_twice_is_an_error_that_names_it() {
        let error = read(br#"{"a":{"b":1,"c":2,"b":3}}"#).unwrap_err().to_string();
        assert!(error.contains("\"b\" twice at line 1 column 21"), "{error}");
        assert!(read(br#"{"a":{"b":1},"c":{"b":1}}"#).is_ok());
    }
}
