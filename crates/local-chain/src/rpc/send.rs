//! Transactions: tried, sent, and those of the faucet.

use super::params::{Params, bytes};
use super::{Problem, with_context};
use crate::LocalChain;
use crate::chain::{Refusal, State};
use crate::vm::decode;
use litesvm::types::TransactionMetadata;
use serde_json::{Value, json};
use solana_address::Address;
use solana_transaction::versioned::VersionedTransaction;
use solana_transaction_error::TransactionError;

const PREFLIGHT_FAILURE: i64 = -32002;
const SIGNATURE_FAILURE: i64 = -32003;

pub(super) fn send(state: &mut State, params: &Params) -> Result<Value, Problem> {
    let options = params.options(1)?;
    let (bytes, transaction) = transaction(params, options)?;
    let signature = transaction.signatures.first().map(ToString::to_string);
    let skip_preflight = options["skipPreflight"].as_bool().unwrap_or(false);
    if !skip_preflight {
        state.vm.check(&transaction).map_err(Refusal::Transaction)?;
        let (result, meta) = state.vm.simulate(transaction.clone());
        if let Err(error) = result {
            return Err(refused(&error, &meta.logs, Some(meta.compute_units_consumed)));
        }
    }
    match state.execute(bytes, &transaction) {
        Ok(signature) => Ok(json!(signature.to_string())),
        // Who sends the same bytes again asks for no more than that they are there.
        Err(Refusal::Transaction(TransactionError::AlreadyProcessed)) if skip_preflight => {
            Ok(json!(signature))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

pub(super) fn simulate(state: &State, params: &Params) -> Result<Value, Problem> {
    let options = params.options(1)?;
    if !options["accounts"].is_null() {
        return Err(Problem::params("a simulation tells no accounts here"));
    }
    let (_, mut transaction) = transaction(params, options)?;
    let verify = options["sigVerify"].as_bool().unwrap_or(false);
    let replace = options["replaceRecentBlockhash"].as_bool().unwrap_or(false);
    if verify && replace {
        return Err(Problem::params("a signature does not outlive its blockhash"));
    }
    if replace {
        transaction.message.set_recent_blockhash(state.vm.latest_blockhash());
    }
    let allowed =
        if verify { state.vm.check(&transaction) } else { state.vm.check_new(&transaction) };
    let (result, meta) = match allowed {
        Ok(()) => state.vm.simulate(transaction),
        Err(error) => (Err(error), TransactionMetadata::default()),
    };
    let value = json!({
        "err": result.err(),
        "logs": meta.logs,
        "accounts": null,
        "unitsConsumed": meta.compute_units_consumed,
        "fee": meta.fee,
    });
    Ok(with_context(state, value))
}

pub(super) fn airdrop(chain: &LocalChain, params: &Params) -> Result<Value, Problem> {
    let to: Address = params.parsed(0, "an address")?;
    let lamports = params.number(1, "a number of lamports")?;
    Ok(json!(chain.airdrop(&to, lamports)?.to_string()))
}

pub(super) fn faucet(chain: &LocalChain, params: &Params) -> Result<Value, Problem> {
    let wallet: Address = params.parsed(0, "a wallet's address")?;
    let amount = params.number(1, "a number of base units")?;
    let (signature, account) = chain.hand_out(&wallet, amount)?;
    Ok(json!({
        "signature": signature.to_string(),
        "tokenAccount": account.to_string(),
        "mint": chain.mint().to_string(),
    }))
}

fn transaction(
    params: &Params,
    options: &Value,
) -> Result<(Vec<u8>, VersionedTransaction), Problem> {
    let bytes = bytes(params.text(0, "a transaction")?, &options["encoding"])?;
    let transaction = decode(&bytes).ok_or_else(|| {
        let most = crate::vm::MAX_TRANSACTION_BYTES;
        Problem::params(format!("not a transaction, or one of more than {most} bytes"))
    })?;
    Ok((bytes, transaction))
}

/// What is said of a transaction that was not executed.
pub(super) fn refused(error: &TransactionError, logs: &[String], units: Option<u64>) -> Problem {
    if *error == TransactionError::SignatureFailure {
        return Problem::new(SIGNATURE_FAILURE, "Transaction signature verification failure");
    }
    Problem {
        code: PREFLIGHT_FAILURE,
        message: format!("Transaction simulation failed: {error}"),
        data: json!({
            "err": error,
            "logs": logs,
            "accounts": null,
            "unitsConsumed": units,
        }),
    }
}
