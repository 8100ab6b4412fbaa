//! A refused transaction in words.

use solana_address::Address;
use solana_transaction_error::TransactionError;
use tessera_settlement_abi::error::Refusal;

/// Why a transaction did nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What the settlement program says, if it was the one.
    pub refusal: Option<Refusal>,
    /// The whole of it, for people.
    pub words: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.words)
    }
}

impl Refused {
    /// Puts an error of the chain into words. `programs` are those of the transaction's
    /// instructions, in order; `settlement` is ours.
    #[must_use]
    pub fn new(error: &TransactionError, programs: &[Address], settlement: &Address) -> Self {
        let TransactionError::InstructionError(at, error) = error else {
            return Self { refusal: None, words: error.to_string() };
        };
        let program = programs.get(usize::from(*at));
        let number = custom(&error.to_string());
        let refusal = number.filter(|_| program == Some(settlement)).and_then(Refusal::from_code);
        let place = at.saturating_add(1);
        let words = match (refusal, number, program) {
            (Some(refusal), ..) => {
                format!("{} (instruction {place}, number {})", refusal.sentence(), refusal.code())
            }
            // A program that ours called, most likely the token program.
            (None, Some(number), Some(program)) if program == settlement => format!(
                "instruction {place} failed in a program that settlement called, with number \
                 {number} (in the token program, 1 is too little money and 17 a frozen account)"
            ),
            (None, _, Some(program)) => format!("instruction {place} of {program}: {error}"),
            (None, _, None) => format!("instruction {place}: {error}"),
        };
        Self { refusal, words }
    }
}

/// The number of a program's own error, which its text ends with in hexadecimal.
fn custom(error: &str) -> Option<u32> {
    let number = error.strip_prefix("custom program error: 0x")?;
    u32::from_str_radix(number, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(json: &str) -> TransactionError {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_refusal_of_our_program_is_a_sentence() {
        let (ours, other) = (Address::new_from_array([1; 32]), Address::new_from_array([2; 32]));
        let code = Refusal::TooEarly.code();
        let failed = error(&format!(r#"{{"InstructionError":[1,{{"Custom":{code}}}]}}"#));
        let refused = Refused::new(&failed, &[other, ours], &ours);
        assert_eq!(refused.refusal, Some(Refusal::TooEarly));
        assert!(refused.words.starts_with(Refusal::TooEarly.sentence()), "{refused}");

        assert!(refused.words.contains("instruction 2"), "{refused}");

        // The same number of another program means something else.
        let refused = Refused::new(&failed, &[ours, other], &ours);
        assert_eq!(refused.refusal, None);
        assert!(refused.words.contains(&other.to_string()), "{refused}");
    }

    #[test]
    fn other_errors_keep_their_own_words() {
        let ours = Address::new_from_array([1; 32]);
        let frozen = error(r#"{"InstructionError":[0,{"Custom":17}]}"#);
        assert!(Refused::new(&frozen, &[ours], &ours).words.contains("number 17"));
        let words = Refused::new(&error(r#""InsufficientFundsForFee""#), &[ours], &ours).words;
        assert!(words.contains("Insufficient funds"), "{words}");
        let beyond = error(r#"{"InstructionError":[255,"InvalidArgument"]}"#);
        assert!(Refused::new(&beyond, &[], &ours).words.contains("instruction 255"));
    }
}
