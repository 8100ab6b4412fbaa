//! What was signed and may be under way, in the master's database.

use crate::store::Store;
use solana_signature::Signature;
use tessera_settlement::chain::{Attempt, AttemptState, Outbox, OutboxError, Receipt};

/// What was signed, in the master's database.
pub(super) struct Notes<'a>(pub(super) &'a dyn Store);

impl Outbox for Notes<'_> {
    async fn load(&self, step: &str) -> Result<Option<Attempt>, OutboxError> {
        let body = self.0.attempt(step.to_owned()).await;
        let body = body.map_err(|error| OutboxError(error.to_string()))?;
        body.map(|body| read(&body)).transpose()
    }

    async fn keep(&self, step: &str, attempt: &Attempt) -> Result<(), OutboxError> {
        let kept = self.0.note_attempt(step.to_owned(), Some(write(attempt))).await;
        kept.map_err(|error| OutboxError(error.to_string()))
    }
}

/// As text: the signature, the height, how it ended (with the slot), the bytes.
fn write(attempt: &Attempt) -> String {
    let state = match attempt.state {
        AttemptState::Open => "open".to_owned(),
        AttemptState::Failed => "failed".to_owned(),
        AttemptState::Expired => "expired".to_owned(),
        AttemptState::Finalised(receipt) => format!("final:{}", receipt.slot),
    };
    let Attempt { signature, bytes, last_valid_block_height, .. } = attempt;
    format!("{signature} {last_valid_block_height} {state} {}", hex::encode(bytes))
}

fn read(text: &str) -> Result<Attempt, OutboxError> {
    let odd = || OutboxError(format!("{text:.80} is no attempt"));
    let mut parts = text.split(' ');
    let mut part = || parts.next().ok_or_else(odd);
    let signature: Signature = part()?.parse().map_err(|_| odd())?;
    let last_valid_block_height = part()?.parse().map_err(|_| odd())?;
    let state = match part()? {
        "open" => AttemptState::Open,
        "failed" => AttemptState::Failed,
        "expired" => AttemptState::Expired,
        other => {
            let slot = other.strip_prefix("final:").and_then(|slot| slot.parse().ok());
            let slot = slot.ok_or_else(odd)?;
            AttemptState::Finalised(Receipt { signature, slot, cost: None })
        }
    };
    let bytes = hex::decode(part()?).map_err(|_| odd())?;
    Ok(Attempt { signature, bytes, last_valid_block_height, state })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_read_as_it_was_written_and_a_damaged_one_is_told() {
        let signature = Signature::from([7; 64]);
        let receipt = Receipt { signature, slot: 12, cost: None };
        for state in [
            AttemptState::Open,
            AttemptState::Failed,
            AttemptState::Expired,
            AttemptState::Finalised(receipt),
        ] {
            let attempt =
                Attempt { signature, bytes: vec![1, 2, 3], last_valid_block_height: 9, state };
            let text = write(&attempt);
            assert_eq!(read(&text).unwrap(), attempt);
            for cut in [0, 10, text.len() - 1] {
                assert!(read(&text[..cut]).is_err() || read(&text[..cut]).unwrap() != attempt);
            }
        }
        assert!(read("x 1 open 00").is_err());
    }
}
