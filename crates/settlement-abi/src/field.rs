//! Values of a fixed number of bytes, and records made of them.
//!
//! A record is written once as a list of fields; its length, its writer and its reader follow from
//! that list, so they cannot disagree.

/// A value that takes a fixed number of bytes.
pub trait Field: Sized {
    /// How many bytes.
    const LEN: usize;

    /// Writes the value; `out` has exactly [`Field::LEN`] bytes.
    fn put(&self, out: &mut [u8]);

    /// Reads a value from exactly [`Field::LEN`] bytes; `None` if they mean nothing.
    fn get(bytes: &[u8]) -> Option<Self>;
}

macro_rules! integer {
    ($($integer:ty),*) => {$(
        impl Field for $integer {
            const LEN: usize = size_of::<$integer>();

            fn put(&self, out: &mut [u8]) {
                out.copy_from_slice(&self.to_le_bytes());
            }

            fn get(bytes: &[u8]) -> Option<Self> {
                Some(Self::from_le_bytes(bytes.try_into().ok()?))
            }
        }
    )*};
}
integer!(u8, u16, u32, u64, i64);

impl<const N: usize> Field for [u8; N] {
    const LEN: usize = N;

    fn put(&self, out: &mut [u8]) {
        out.copy_from_slice(self);
    }

    fn get(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok()
    }
}

impl<const N: usize, const M: usize> Field for [[u8; N]; M] {
    const LEN: usize = N * M;

    fn put(&self, out: &mut [u8]) {
        out.copy_from_slice(self.as_flattened());
    }

    fn get(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::LEN {
            return None;
        }
        let mut value = [[0; N]; M];
        value.as_flattened_mut().copy_from_slice(bytes);
        Some(value)
    }
}

/// Yes is 1, no is 0, and nothing else is an answer.
impl Field for bool {
    const LEN: usize = 1;

    fn put(&self, out: &mut [u8]) {
        out.copy_from_slice(&[u8::from(*self)]);
    }

    fn get(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }
}

/// An enum that is one byte, its number.
macro_rules! byte_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $number:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $name { $($(#[$each])* $variant = $number,)+ }

        impl $name {
            /// All there are, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Which one has this number, if any.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl $crate::field::Field for $name {
            const LEN: usize = 1;

            fn put(&self, out: &mut [u8]) {
                out.copy_from_slice(&[*self as u8]);
            }

            fn get(bytes: &[u8]) -> Option<Self> {
                match bytes {
                    [number] => Self::from_number(*number),
                    _ => None,
                }
            }
        }
    };
}

/// A record: fixed leading bytes, then its fields one after another, without gaps. It can itself be
/// a field of another.
macro_rules! record {
    (
        $(#[$meta:meta])* $name:ident starts $lead:expr,
        { $($(#[$each:meta])* $field:ident: $kind:ty,)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[$each])* pub $field: $kind,)* }

        impl $name {
            /// The bytes that every encoded value starts with.
            pub const LEAD: &'static [u8] = $lead;

            /// Bytes of an encoded value.
            pub const LEN: usize =
                Self::LEAD.len() $(+ <$kind as $crate::field::Field>::LEN)*;

            /// The value in bytes.
            #[must_use]
            pub fn encode(&self) -> [u8; Self::LEN] {
                let mut out = [0; Self::LEN];
                let (lead, rest) = out.split_at_mut(Self::LEAD.len());
                lead.copy_from_slice(Self::LEAD);
                $(
                    let (here, rest) =
                        rest.split_at_mut(<$kind as $crate::field::Field>::LEN);
                    $crate::field::Field::put(&self.$field, here);
                )*
                let _: &mut [u8] = rest;
                out
            }

            /// Reads what [`Self::encode`] wrote; `None` for any other length or lead, and for a
            /// field that means nothing.
            #[must_use]
            pub fn decode(bytes: &[u8]) -> Option<Self> {
                if bytes.len() != Self::LEN {
                    return None;
                }
                let rest = bytes.strip_prefix(Self::LEAD)?;
                $(
                    let (here, rest) =
                        rest.split_at(<$kind as $crate::field::Field>::LEN);
                    let $field = <$kind as $crate::field::Field>::get(here)?;
                )*
                let _: &[u8] = rest;
                Some(Self { $($field,)* })
            }
        }

        impl $crate::field::Field for $name {
            const LEN: usize = Self::LEN;

            fn put(&self, out: &mut [u8]) {
                out.copy_from_slice(&self.encode());
            }

            fn get(bytes: &[u8]) -> Option<Self> {
                Self::decode(bytes)
            }
        }
    };
}

#[cfg(test)]
#[allow(unreachable_pub, reason = "records are public, this one's module is not")]
mod tests {
    record!(
        /// Of every kind of field one.
        Sample starts b"lead",
        {
            /// A byte.
            a: u8,
            /// Seconds.
            b: i64,
            /// Keys.
            c: [[u8; 2]; 2],
            /// Yes or no.
            d: bool,
        }
    );

    #[test]
    fn a_record_has_known_bytes() {
        let sample = Sample { a: 1, b: -2, c: [[3, 4], [5, 6]], d: true };
        let bytes = *b"lead\x01\xfe\xff\xff\xff\xff\xff\xff\xff\x03\x04\x05\x06\x01";
        assert_eq!(sample.encode(), bytes);
        assert_eq!(Sample::decode(&bytes), Some(sample));
    }

    #[test]
    fn malformed_bytes_are_refused() {
        let good = Sample { a: 1, b: 2, c: [[0; 2]; 2], d: false }.encode();
        assert_eq!(Sample::decode(&good[..good.len() - 1]), None, "too short");
        let mut long = [0; Sample::LEN + 1];
        long[..Sample::LEN].copy_from_slice(&good);
        assert_eq!(Sample::decode(&long), None, "too long");
        assert_eq!(Sample::decode(&[]), None, "empty");
        let mut lead = good;
        lead[0] ^= 1;
        assert_eq!(Sample::decode(&lead), None, "another lead");
        let mut unsure = good;
        unsure[Sample::LEN - 1] = 2;
        assert_eq!(Sample::decode(&unsure), None, "neither yes nor no");
    }
}
