//! Sign-in by wallet: the master gives a text, the wallet signs it, once.

use crate::problem::{Code, Refusal};
use solana_address::Address;
use solana_signature::Signature;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use tessera_protocol::account::WalletChallengeView;
use tessera_protocol::commit::{SignatureBytes, verify};
use tessera_protocol::{MasterId, NodeId};

/// How long a text is good.
const GOOD_MS: i64 = 5 * 60_000;
/// Most texts that are good at once.
const TEXTS: usize = 10_000;

/// Texts that were given and not signed: gone after a restart, and wallets ask again.
#[derive(Default)]
pub(super) struct Challenges(Mutex<HashMap<blake3::Hash, Given>>);

struct Given {
    wallet: [u8; 32],
    good_until_ms: i64,
}

impl Challenges {
    /// A text for this wallet.
    pub(super) fn give(
        &self,
        master: MasterId,
        address: &str,
        now_ms: i64,
    ) -> Result<WalletChallengeView, Refusal> {
        let wallet: Address = address.parse().map_err(|_| {
            Refusal::new(
                Code::RequestMalformed,
                "address is no wallet's: it has 32 bytes, written in base 58.",
            )
        })?;
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce).map_err(Refusal::internal)?;
        let expires_ms = now_ms + GOOD_MS;
        let challenge = text(master, &wallet, &nonce, expires_ms);
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        given.retain(|_, given| given.good_until_ms > now_ms);
        if given.len() >= TEXTS {
            return Err(Refusal::overloaded("Too many wallets are signing in"));
        }
        let new = Given { wallet: wallet.to_bytes(), good_until_ms: expires_ms };
        given.insert(blake3::hash(challenge.as_bytes()), new);
        Ok(WalletChallengeView { challenge, expires_ms })
    }

    /// The wallet that has signed a text given to it. The text is used up, whatever the signature is.
    pub(super) fn answer(
        &self,
        address: &str,
        challenge: &str,
        signature: &str,
        now_ms: i64,
    ) -> Option<[u8; 32]> {
        let given = {
            let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            given.remove(&blake3::hash(challenge.as_bytes()))?
        };
        let wallet = address.parse::<Address>().ok()?.to_bytes();
        let signature = SignatureBytes(signature.parse::<Signature>().ok()?.into());
        let good = given.good_until_ms > now_ms && given.wallet == wallet;
        // A wallet's key and a node's are of one kind.
        let signed = verify(NodeId(wallet), challenge.as_bytes(), &signature);
        (good && signed).then_some(wallet)
    }
}

fn text(master: MasterId, wallet: &Address, nonce: &[u8; 16], expires_ms: i64) -> String {
    format!(
        "Sign in to a Tessera farm. This moves no money.\n\n\
         Farm: {master}\nWallet: {wallet}\nNonce: {}\nGood until: {expires_ms} ms since 1970, once",
        hex::encode(nonce)
    )
}

/// A wallet's address, as wallets write it.
pub(super) fn address(wallet: [u8; 32]) -> String {
    Address::new_from_array(wallet).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_protocol::commit::NodeKey;

    const FARM: MasterId = MasterId([9; 32]);

    fn sign(key: &NodeKey, text: &str) -> String {
        Signature::from(key.sign(text.as_bytes()).0).to_string()
    }

    #[test]
    fn a_text_is_good_once_for_five_minutes_and_for_its_wallet() {
        let (challenges, key) = (Challenges::default(), NodeKey::from_secret(&[1; 32]));
        let other = NodeKey::from_secret(&[2; 32]);
        let own = address(key.node().0);
        let give = || challenges.give(FARM, &own, 0).unwrap();
        let answer =
            |text: &str, signature: &str, at_ms| challenges.answer(&own, text, signature, at_ms);

        let given = give();
        for word in [&own, &FARM.to_string(), &given.expires_ms.to_string()] {
            assert!(given.challenge.contains(word), "{}", given.challenge);
        }
        let signature = sign(&key, &given.challenge);
        assert_eq!(answer(&given.challenge, &signature, GOOD_MS - 1), Some(key.node().0));
        assert_eq!(answer(&given.challenge, &signature, GOOD_MS - 1), None, "once");

        let given = give();
        assert_eq!(
            answer(&given.challenge, &sign(&key, &given.challenge), GOOD_MS),
            None,
            "in time"
        );
        let given = give();
        assert_eq!(answer(&given.challenge, &sign(&other, &given.challenge), 0), None, "by itself");
        assert_eq!(answer(&given.challenge, &sign(&key, &given.challenge), 0), None, "used up");
        let given = give();
        let elsewhere = address(other.node().0);
        let signed = sign(&other, &given.challenge);
        assert_eq!(challenges.answer(&elsewhere, &given.challenge, &signed, 0), None, "its own");
        assert_eq!(answer("made up", &sign(&key, "made up"), 0), None, "given by the master");
        for signature in ["", "0", &"1".repeat(5000)] {
            assert_eq!(answer(&give().challenge, signature, 0), None);
        }
        assert!(challenges.give(FARM, "0OIl", 0).is_err());
    }
}
