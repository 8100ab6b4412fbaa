//! Reading bits from the front of something small.

use super::Flaw;

/// Bits, most significant first; what lies past the end is a [`Flaw::Short`].
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn bit(&mut self) -> Result<bool, Flaw> {
        let byte = self.bytes.get(self.at / 8).ok_or(Flaw::Short)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Ok(bit == 1)
    }

    /// A number of up to 32 bits.
    pub(super) fn number(&mut self, bits: u32) -> Result<u32, Flaw> {
        debug_assert!(bits <= 32);
        let mut value = 0;
        for _ in 0..bits {
            value = value << 1 | u32::from(self.bit()?);
        }
        Ok(value)
    }

    pub(super) fn skip(&mut self, bits: usize) {
        self.at = self.at.saturating_add(bits);
    }

    /// An Exp-Golomb code without sign, as H.264 and H.265 have it.
    pub(super) fn golomb(&mut self) -> Result<u32, Flaw> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return Err(Flaw::Short);
            }
        }
        Ok((1_u32 << zeros) - 1 + self.number(zeros)?)
    }
}

/// The first `most` bytes of a NAL unit's payload without its emulation prevention: every third
/// byte 3 after two zeros goes.
pub(super) fn unescaped(payload: &[u8], most: usize) -> Vec<u8> {
    let (mut out, mut zeros) = (Vec::with_capacity(payload.len().min(most)), 0);
    for &byte in payload {
        if out.len() == most {
            break;
        }
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes_are_read() {
        // 1 010 011 00100 00101, then nothing whole.
        let bytes = [0b1010_0110, 0b0100_0010, 0b1000_0000];
        let mut bits = Bits::new(&bytes);
        let read: Vec<_> = (0..5).map(|_| bits.golomb().unwrap()).collect();
        assert_eq!(read, [0, 1, 2, 3, 4]);
        assert!(bits.golomb().is_err());
    }

    #[test]
    fn a_code_that_never_ends_is_refused() {
        assert!(Bits::new(&[0; 16]).golomb().is_err());
        let longest = [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(Bits::new(&longest).golomb(), Ok(u32::MAX - 1));
    }

    #[test]
    fn emulation_prevention_goes_and_nothing_else() {
        assert_eq!(unescaped(&[0, 0, 3, 1, 3, 0, 0, 3, 0, 0, 3], 99), [0, 0, 1, 3, 0, 0, 0, 0]);
        assert_eq!(unescaped(&[1, 2, 3, 4], 2), [1, 2]);
    }
}
