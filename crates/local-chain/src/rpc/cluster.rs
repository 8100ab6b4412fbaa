//! Questions about the chain as a whole.

use super::params::{Params, bytes};
use super::{Problem, with_context};
use crate::chain::State;
use crate::time::{MAX_AGE_SLOTS, slot_of};
use serde_json::{Value, json};
use solana_epoch_schedule::EpochSchedule;
use solana_hash::Hash;
use solana_message::VersionedMessage;

/// What every signature costs.
const LAMPORTS_PER_SIGNATURE: u64 = 5_000;
/// Programs whose instructions are paid by the signatures that they verify.
const SIGNATURE_PROGRAMS: [&str; 3] = [
    "Ed25519SigVerify111111111111111111111111111",
    "KeccakSecp256k11111111111111111111111111111",
    "Secp256r1SigVerify1111111111111111111111111",
];
const COMPUTE_BUDGET: &str = "ComputeBudget111111111111111111111111111111";

pub(super) fn version() -> Value {
    // The release of the runtime inside; who it is follows.
    json!({ "solana-core": "4.2.1 tessera-local-chain", "feature-set": null })
}

pub(super) fn genesis_hash(state: &State) -> Value {
    json!(Hash::new_from_array(state.vm.genesis()).to_string())
}

pub(super) fn epoch_info(state: &State) -> Value {
    let slot = state.vm.now().slot;
    let schedule: EpochSchedule = state.vm.svm().get_sysvar();
    let (epoch, slot_index) = schedule.get_epoch_and_slot_index(slot);
    json!({
        "absoluteSlot": slot,
        "blockHeight": slot,
        "epoch": epoch,
        "slotIndex": slot_index,
        "slotsInEpoch": schedule.get_slots_in_epoch(epoch),
        "transactionCount": state.vm.transaction_count(),
    })
}

pub(super) fn latest_blockhash(state: &State) -> Value {
    let value = json!({
        "blockhash": state.vm.latest_blockhash().to_string(),
        "lastValidBlockHeight": state.vm.now().slot + MAX_AGE_SLOTS,
    });
    with_context(state, value)
}

pub(super) fn is_blockhash_valid(state: &State, params: &Params) -> Result<Value, Problem> {
    let hash: Hash = params.parsed(0, "a blockhash")?;
    let slot = slot_of(&state.vm.genesis(), hash.as_bytes(), state.vm.now().slot);
    Ok(with_context(state, slot.is_some()))
}

pub(super) fn rent(state: &State, params: &Params) -> Result<Value, Problem> {
    // The largest account there can be.
    const MOST_BYTES: u64 = 10 << 20;
    let bytes = params.number(0, "a number of bytes")?;
    match usize::try_from(bytes) {
        Ok(length) if bytes <= MOST_BYTES => {
            Ok(json!(state.vm.svm().minimum_balance_for_rent_exemption(length)))
        }
        _ => Err(Problem::params(format!("no account holds more than {MOST_BYTES} bytes"))),
    }
}

pub(super) fn fee_for_message(state: &State, params: &Params) -> Result<Value, Problem> {
    let message = bytes(params.text(0, "a message")?, &json!("base64"))?;
    let message: VersionedMessage = wincode::deserialize_exact(&message)
        .map_err(|error| Problem::params(format!("not a message: {error}")))?;
    let hash = message.recent_blockhash();
    // No fee for what cannot be sent any more, as elsewhere.
    let fee = slot_of(&state.vm.genesis(), hash.as_bytes(), state.vm.now().slot)
        .map(|_| fee(&message))
        .transpose()?;
    Ok(with_context(state, fee))
}

/// Signatures, those of precompiles too, and the priority fee. The price of a unit without a limit
/// of units is refused: the limit would have to be guessed.
fn fee(message: &VersionedMessage) -> Result<u64, Problem> {
    let mut signatures = u64::from(message.header().num_required_signatures);
    let (mut limit, mut price) = (None, 0);
    for instruction in message.instructions() {
        let program = message.static_account_keys().get(usize::from(instruction.program_id_index));
        let program = program.map(ToString::to_string).unwrap_or_default();
        let data = instruction.data.as_slice();
        if SIGNATURE_PROGRAMS.contains(&program.as_str()) {
            signatures += data.first().copied().map_or(0, u64::from);
        } else if program == COMPUTE_BUDGET {
            match data {
                [2, units @ ..] => limit = units.try_into().ok().map(u32::from_le_bytes),
                [3, micro @ ..] => price = micro.try_into().map_or(0, u64::from_le_bytes),
                _ => {}
            }
        }
    }
    let priority = match (price, limit) {
        (0, _) => 0,
        (price, Some(limit)) => (u128::from(price) * u128::from(limit)).div_ceil(1_000_000),
        (_, None) => {
            return Err(Problem::params("a price per compute unit wants a limit of units"));
        }
    };
    let priority = u64::try_from(priority).unwrap_or(u64::MAX);
    Ok((signatures * LAMPORTS_PER_SIGNATURE).saturating_add(priority))
}
