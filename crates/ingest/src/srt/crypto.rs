//! SRT's encryption: keys wrapped with a passphrase, payloads in counter mode
//! (draft-sharabayko-srt, 3.2.2 and 6).

use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes192, Aes256};
use bytes::{Bytes, BytesMut};
use sha1::Sha1;

/// How often the passphrase is hashed.
const ROUNDS: u32 = 2048;
/// Bytes of a key message before the salt, and of the salt.
const HEAD: usize = 16;
const SALT: usize = 16;

/// The keys in force, with what they are salted with and come wrapped in.
#[cfg_attr(fuzzing, derive(Clone))]
pub(crate) struct Keys {
    salt: [u8; SALT],
    wrapping: Cipher,
    key_bytes: usize,
    even: Option<Cipher>,
    odd: Option<Cipher>,
}

#[cfg_attr(fuzzing, derive(Clone))]
enum Cipher {
    A128(Aes128),
    A192(Aes192),
    A256(Aes256),
}

/// Why keys are not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyError {
    /// The message cannot be read.
    Malformed,
    /// The passphrase is another one.
    Passphrase,
}

/// A key message, in its parts.
struct Message<'a> {
    salt: [u8; SALT],
    key_bytes: usize,
    /// Which keys it has: 1 even, 2 odd, 3 both.
    which: u8,
    wrapped: &'a [u8],
}

impl<'a> Message<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, KeyError> {
        let head: &[u8; HEAD] = message.first_chunk().ok_or(KeyError::Malformed)?;
        let key_bytes = usize::from(head[15]) * 4;
        let which = head[3] & 3;
        let count = which.count_ones() as usize;
        // Version 1, a key message; signed "HAI"; AES in counter mode; a salt of 16 bytes.
        let known = head[0] == 0x12
            && head[1..3] == [0x20, 0x29]
            && head[8] == 2
            && usize::from(head[14]) * 4 == SALT
            && matches!(key_bytes, 16 | 24 | 32)
            && count > 0;
        let wrapped = &message[HEAD..];
        let (salt, wrapped) = wrapped.split_first_chunk::<SALT>().ok_or(KeyError::Malformed)?;
        if !known || wrapped.len() != 8 + count * key_bytes {
            return Err(KeyError::Malformed);
        }
        Ok(Self { salt: *salt, key_bytes, which, wrapped })
    }

    /// Its keys, even and odd; `None` if they are wrapped in something else.
    fn keys(&self, wrapping: &Cipher) -> Option<[Option<Cipher>; 2]> {
        let keys = unwrap(wrapping, self.wrapped)?;
        let mut keys = keys.chunks_exact(self.key_bytes);
        Some([1, 2].map(|bit| {
            if self.which & bit != 0 { keys.next().and_then(Cipher::new) } else { None }
        }))
    }
}

impl Keys {
    /// Unwraps a key message with a passphrase, which takes a millisecond or two of hashing.
    pub(crate) fn unwrap(message: &[u8], passphrase: &str) -> Result<Self, KeyError> {
        let message = Message::parse(message)?;
        let Message { salt, key_bytes, .. } = message;
        let mut wrapping = vec![0; key_bytes];
        pbkdf2::pbkdf2_hmac::<Sha1>(passphrase.as_bytes(), &salt[8..], ROUNDS, &mut wrapping);
        let wrapping = Cipher::new(&wrapping).ok_or(KeyError::Malformed)?;
        let [even, odd] = message.keys(&wrapping).ok_or(KeyError::Passphrase)?;
        Ok(Self { salt, wrapping, key_bytes, even, odd })
    }

    /// Takes the keys of a message that came later; says whether it did. What the message leaves out
    /// stays as it was.
    ///
    /// The salt has to be the first one's: then nothing is hashed, and a message costs no more than
    /// a packet of media. Senders keep it, so as to keep what they wrap with (libsrt, gosrt and
    /// srt-tokio alike).
    pub(crate) fn renew(&mut self, message: &[u8]) -> bool {
        let newer = Message::parse(message)
            .ok()
            .filter(|newer| newer.salt == self.salt && newer.key_bytes == self.key_bytes)
            .and_then(|newer| newer.keys(&self.wrapping));
        let Some([even, odd]) = newer else { return false };
        self.even = even.or(self.even.take());
        self.odd = odd.or(self.odd.take());
        true
    }

    /// Decrypts the payload of packet `sequence`; `None` without the key (1 even, 2 odd).
    pub(crate) fn decrypt(&self, key: u8, sequence: u32, payload: &[u8]) -> Option<Bytes> {
        let cipher = match key {
            1 => self.even.as_ref()?,
            2 => self.odd.as_ref()?,
            _ => return None,
        };
        let mut counter = [0; 16];
        counter[..14].copy_from_slice(&self.salt[..14]);
        for (byte, number) in counter[10..14].iter_mut().zip(sequence.to_be_bytes()) {
            *byte ^= number;
        }
        let mut plain = BytesMut::from(payload);
        for (n, block) in plain.chunks_mut(16).enumerate() {
            // A datagram has fewer blocks than the two bytes count.
            counter[14..].copy_from_slice(&(n as u16).to_be_bytes());
            let mut pad = counter;
            cipher.encrypt(&mut pad);
            block.iter_mut().zip(pad).for_each(|(byte, pad)| *byte ^= pad);
        }
        Some(plain.freeze())
    }
}

impl Cipher {
    fn new(key: &[u8]) -> Option<Self> {
        Some(match key.len() {
            16 => Self::A128(Aes128::new_from_slice(key).ok()?),
            24 => Self::A192(Aes192::new_from_slice(key).ok()?),
            32 => Self::A256(Aes256::new_from_slice(key).ok()?),
            _ => return None,
        })
    }

    fn encrypt(&self, block: &mut [u8; 16]) {
        let block = block.into();
        match self {
            Self::A128(cipher) => cipher.encrypt_block(block),
            Self::A192(cipher) => cipher.encrypt_block(block),
            Self::A256(cipher) => cipher.encrypt_block(block),
        }
    }

    fn decrypt(&self, block: &mut [u8; 16]) {
        let block = block.into();
        match self {
            Self::A128(cipher) => cipher.decrypt_block(block),
            Self::A192(cipher) => cipher.decrypt_block(block),
            Self::A256(cipher) => cipher.decrypt_block(block),
        }
    }
}

/// Key unwrapping (RFC 3394, 2.2.2); `None` if the check fails.
fn unwrap(cipher: &Cipher, wrapped: &[u8]) -> Option<Vec<u8>> {
    let (check, keys) = wrapped.split_first_chunk::<8>()?;
    let (mut check, mut keys) = (*check, keys.to_vec());
    let count = keys.len() / 8;
    for round in (0..6).rev() {
        for n in (0..count).rev() {
            let step = (count * round + n + 1) as u64;
            let mut block = [0; 16];
            block[..8].copy_from_slice(&(u64::from_be_bytes(check) ^ step).to_be_bytes());
            block[8..].copy_from_slice(&keys[n * 8..n * 8 + 8]);
            cipher.decrypt(&mut block);
            check.copy_from_slice(&block[..8]);
            keys[n * 8..n * 8 + 8].copy_from_slice(&block[8..]);
        }
    }
    (check == [0xa6; 8]).then_some(keys)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_are_unwrapped_as_the_standard_has_it() {
        // RFC 3394, 4.1.
        let cipher = Cipher::new(&std::array::from_fn::<u8, 16, _>(|n| n as u8)).unwrap();
        let wrapped = [
            0x1f, 0xa6, 0x8b, 0x0a, 0x81, 0x12, 0xb4, 0x47, 0xae, 0xf3, 0x4b, 0xd8, 0xfb, 0x5a,
            0x7b, 0x82, 0x9d, 0x3e, 0x86, 0x23, 0x71, 0xd2, 0xcf, 0xe5,
        ];
        let key: Vec<u8> = (0..16).map(|n| n * 0x11).collect();
        assert_eq!(unwrap(&cipher, &wrapped), Some(key));
        let mut wrong = wrapped;
        wrong[9] ^= 1;
        assert_eq!(unwrap(&cipher, &wrong), None);
    }

    /// Key wrapping (RFC 3394, 2.2.1).
    fn wrap(cipher: &Cipher, keys: &[u8]) -> Vec<u8> {
        let (mut check, mut keys) = ([0xa6; 8], keys.to_vec());
        let count = keys.len() / 8;
        for step in 0..6 * count {
            let key = &mut keys[step % count * 8..][..8];
            let mut block: [u8; 16] = [&check, &*key].concat().try_into().unwrap();
            cipher.encrypt(&mut block);
            let counted = u64::from_be_bytes(*block.first_chunk().unwrap()) ^ (step as u64 + 1);
            check = counted.to_be_bytes();
            key.copy_from_slice(&block[8..]);
        }
        [&check[..], &keys].concat()
    }

    /// A message with these keys of 16 bytes, wrapped for `passphrase`.
    pub(in crate::srt) fn message(which: u8, salt: u8, passphrase: &str, keys: &[u8]) -> Vec<u8> {
        let salt = [salt; SALT];
        let mut wrapping = [0; 16];
        pbkdf2::pbkdf2_hmac::<Sha1>(passphrase.as_bytes(), &salt[8..], ROUNDS, &mut wrapping);
        let mut message = vec![0x12, 0x20, 0x29, which, 0, 0, 0, 0, 2, 0, 2, 0, 0, 0, 4, 4];
        message.extend(salt);
        message.extend(wrap(&Cipher::new(&wrapping).unwrap(), keys));
        message
    }

    #[test]
    fn later_keys_are_taken_with_the_first_ones_salt_only() {
        const PHRASE: &str = "a passphrase";
        let pad = |keys: &Keys, key| keys.decrypt(key, 7, &[0; 32]);
        let unwrapped = |which, salt, bytes: &[u8]| {
            Keys::unwrap(&message(which, salt, PHRASE, bytes), PHRASE).unwrap()
        };
        let mut keys = unwrapped(1, 5, &[1; 16]);
        let first = pad(&keys, 1);
        assert_eq!(pad(&keys, 2), None);
        assert!(keys.renew(&message(2, 5, PHRASE, &[2; 16])));
        assert_eq!((pad(&keys, 1), pad(&keys, 2)), (first, pad(&unwrapped(2, 5, &[2; 16]), 2)));
        let both = message(3, 5, PHRASE, &[[3; 16], [4; 16]].concat());
        // Sent again until it is answered.
        assert!(keys.renew(&both) && keys.renew(&both));
        let now = [pad(&keys, 1), pad(&keys, 2)];
        assert_eq!(now, [pad(&unwrapped(1, 5, &[3; 16]), 1), pad(&unwrapped(2, 5, &[4; 16]), 2)]);

        assert!(!keys.renew(&message(1, 6, PHRASE, &[9; 16])));
        assert!(!keys.renew(&message(1, 5, "another phrase", &[9; 16])));
        assert!(!keys.renew(&both[..40]));
        assert_eq!([pad(&keys, 1), pad(&keys, 2)], now);
    }

    proptest! {
        #[test]
        fn no_message_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let mut keys =
                Keys::unwrap(&message(1, 5, "a passphrase", &[1; 16]), "a passphrase").unwrap();
            keys.renew(&bytes);
            let _ = Keys::unwrap(&bytes, "a passphrase");
        }
    }
}
