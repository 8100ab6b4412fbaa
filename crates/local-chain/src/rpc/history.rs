//! Questions about transactions that were executed. All of them are final.

use super::params::{Params, parse};
use super::{Problem, with_context};
use crate::chain::State;
use crate::vm::Executed;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use solana_address::Address;
use solana_signature::Signature;

/// The longest list of signatures that may be asked for.
const MOST_ASKED: usize = 256;
/// The longest list of signatures that is told.
const MOST_TOLD: u64 = 1_000;

pub(super) fn statuses(state: &State, params: &Params) -> Result<Value, Problem> {
    let signatures = params.list(0, MOST_ASKED, "a list of signatures")?;
    let statuses: Vec<Option<Value>> = signatures
        .iter()
        .map(|signature| {
            let signature: Signature =
                parse(signature.as_str().unwrap_or_default(), "a signature")?;
            Ok(state.vm.executed(&signature).map(status))
        })
        .collect::<Result<_, Problem>>()?;
    Ok(with_context(state, statuses))
}

fn status(executed: &Executed) -> Value {
    json!({
        "slot": executed.at.slot,
        "confirmations": null,
        "err": executed.result.as_ref().err(),
        "status": outcome(executed),
        "confirmationStatus": "finalized",
    })
}

fn outcome(executed: &Executed) -> Value {
    match &executed.result {
        Ok(()) => json!({ "Ok": null }),
        Err(error) => json!({ "Err": error }),
    }
}

/// `null` where it was not executed, or so long ago that only its status is known.
pub(super) fn transaction(state: &State, params: &Params) -> Result<Value, Problem> {
    let signature: Signature = params.parsed(0, "a signature")?;
    let options = params.options(1)?;
    match options["encoding"].as_str() {
        Some("base64") => {}
        _ => return Err(Problem::params("transactions are told in base64; say so as encoding")),
    }
    let known = state.vm.executed(&signature).zip(state.vm.details(&signature));
    Ok(known.map_or(Value::Null, |(executed, details)| {
        let (before, after): (Vec<u64>, Vec<u64>) = details.balances.iter().copied().unzip();
        json!({
            "slot": executed.at.slot,
            "blockTime": executed.at.unix_s(),
            "transaction": [BASE64_STANDARD.encode(&details.bytes), "base64"],
            "meta": {
                "err": executed.result.as_ref().err(),
                "status": outcome(executed),
                "fee": details.fee,
                "preBalances": before,
                "postBalances": after,
                "logMessages": details.logs,
                "computeUnitsConsumed": details.compute_units,
            },
        })
    }))
}

pub(super) fn of_address(state: &State, params: &Params) -> Result<Value, Problem> {
    let address: Address = params.parsed(0, "an address")?;
    let options = params.options(1)?;
    let limit = options["limit"].as_u64().unwrap_or(MOST_TOLD).min(MOST_TOLD);
    let bound = |name: &str| -> Result<Option<Signature>, Problem> {
        options[name].as_str().map(|text| parse(text, "a signature")).transpose()
    };
    let (before, until) = (bound("before")?, bound("until")?);
    let found: Vec<Value> = state
        .vm
        .recent()
        .skip_while(|&signature| before.is_some_and(|before| before != *signature))
        .skip(usize::from(before.is_some()))
        .take_while(|&signature| until != Some(*signature))
        .filter_map(|signature| {
            let details = state.vm.details(signature)?;
            let executed = state.vm.executed(signature)?;
            details.keys.contains(&address).then(|| {
                json!({
                    "signature": signature.to_string(),
                    "slot": executed.at.slot,
                    "blockTime": executed.at.unix_s(),
                    "err": executed.result.as_ref().err(),
                    "memo": null,
                    "confirmationStatus": "finalized",
                })
            })
        })
        .take(usize::try_from(limit).unwrap_or(usize::MAX))
        .collect();
    Ok(json!(found))
}
