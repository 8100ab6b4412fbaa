//! AMF0, as far as commands have it.

use bytes::{BufMut, BytesMut};

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// An object, or an array with names.
    Object(Vec<(String, Value)>),
    /// An array.
    List(Vec<Value>),
    /// True or false.
    Bool(bool),
    /// Null, undefined, and whatever else says nothing here.
    Nothing,
}

/// Deepest nesting.
const MAX_DEPTH: u32 = 8;

impl Value {
    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// An object's member.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(n, _)| n == name).map(|(_, v)| v),
            _ => None,
        }
    }
}

/// Reads values to the end; `None` if they cannot be read.
pub fn read(mut bytes: &[u8]) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    while !bytes.is_empty() {
        values.push(value(&mut bytes, MAX_DEPTH)?);
    }
    Some(values)
}

fn value(bytes: &mut &[u8], depth: u32) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    Some(match take::<1>(bytes)? {
        [0] => Value::Number(f64::from_be_bytes(take(bytes)?)),
        [1] => Value::Bool(take::<1>(bytes)? != [0]),
        [2] => Value::Text(text(bytes)?),
        [3] => Value::Object(members(bytes, depth)?),
        [5 | 6] => Value::Nothing,
        [8] => {
            // The count is a hint; the end is marked.
            take::<4>(bytes)?;
            Value::Object(members(bytes, depth)?)
        }
        [10] => {
            let count = u32::from_be_bytes(take(bytes)?);
            // Each has at least a byte, so the count allocates nothing by itself.
            Value::List((0..count).map(|_| value(bytes, depth)).collect::<Option<_>>()?)
        }
        [11] => {
            take::<10>(bytes)?;
            Value::Nothing
        }
        [12] => {
            let length = u32::from_be_bytes(take(bytes)?) as usize;
            Value::Text(text_of(bytes, length)?)
        }
        _ => return None,
    })
}

fn members(bytes: &mut &[u8], depth: u32) -> Option<Vec<(String, Value)>> {
    let mut members = Vec::new();
    loop {
        let name = text(bytes)?;
        if name.is_empty() && bytes.first() == Some(&9) {
            *bytes = &bytes[1..];
            return Some(members);
        }
        members.push((name, value(bytes, depth)?));
    }
}

fn text(bytes: &mut &[u8]) -> Option<String> {
    let length = u16::from_be_bytes(take(bytes)?);
    text_of(bytes, usize::from(length))
}

fn text_of(bytes: &mut &[u8], length: usize) -> Option<String> {
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(String::from_utf8_lossy(text).into_owned())
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

/// Appends a value. Texts are ours and short.
pub fn write(value: &Value, out: &mut BytesMut) {
    match value {
        Value::Number(number) => {
            out.put_u8(0);
            out.put_f64(*number);
        }
        Value::Bool(bool) => out.put_slice(&[1, u8::from(*bool)]),
        Value::Text(text) => {
            out.put_u8(2);
            write_text(text, out);
        }
        Value::Object(members) => {
            out.put_u8(3);
            for (name, value) in members {
                write_text(name, out);
                write(value, out);
            }
            out.put_slice(&[0, 0, 9]);
        }
        Value::List(values) => {
            out.put_u8(10);
            out.put_u32(values.len() as u32);
            values.iter().for_each(|value| write(value, out));
        }
        Value::Nothing => out.put_u8(5),
    }
}

fn write_text(text: &str, out: &mut BytesMut) {
    let short = &text.as_bytes()[..text.len().min(usize::from(u16::MAX))];
    out.put_u16(short.len() as u16);
    out.put_slice(short);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i32>().prop_map(|n| Value::Number(n.into())),
            any::<bool>().prop_map(Value::Bool),
            "\\PC{0,20}".prop_map(Value::Text),
            Just(Value::Nothing),
        ];
        leaf.prop_recursive(4, 20, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(("[a-z]{1,5}", inner.clone()), 0..4)
                    .prop_map(Value::Object),
                proptest::collection::vec(inner, 0..4).prop_map(Value::List),
            ]
        })
    }

    proptest! {
        #[test]
        fn values_survive(values in proptest::collection::vec(any_value(), 0..5)) {
            let mut bytes = BytesMut::new();
            values.iter().for_each(|value| write(value, &mut bytes));
            prop_assert_eq!(read(&bytes), Some(values));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(0_u8..16, 0..100)) {
            read(&bytes);
        }
    }

    #[test]
    fn deep_nesting_and_counts_that_lie_are_refused() {
        assert_eq!(read(&[10, 0, 0, 0, 1].repeat(10_000)), None);
        assert_eq!(read(&[3, 0, 1, b'a'].repeat(10_000)), None);
        assert_eq!(read(&[10, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
