//! Questions about accounts.

use super::params::{Params, bytes, parse};
use super::{Problem, with_context};
use crate::chain::State;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use solana_account::Account;
use solana_address::Address;

/// The longest list of accounts that may be asked for.
const MOST_ASKED: usize = 100;
/// The most accounts of a program that are told.
const MOST_OF_A_PROGRAM: usize = 10_000;

pub(super) fn balance(state: &State, params: &Params) -> Result<Value, Problem> {
    let address: Address = params.parsed(0, "an address")?;
    Ok(with_context(state, state.vm.svm().get_balance(&address).unwrap_or(0)))
}

pub(super) fn account(state: &State, params: &Params) -> Result<Value, Problem> {
    let address: Address = params.parsed(0, "an address")?;
    let view = View::new(params.options(1)?)?;
    let account = state.vm.svm().get_account(&address);
    Ok(with_context(state, account.map(|account| view.show(&account))))
}

pub(super) fn multiple(state: &State, params: &Params) -> Result<Value, Problem> {
    let view = View::new(params.options(1)?)?;
    let addresses = params.list(0, MOST_ASKED, "a list of addresses")?;
    let accounts: Vec<Option<Value>> = addresses
        .iter()
        .map(|address| {
            let address: Address = parse(address.as_str().unwrap_or_default(), "an address")?;
            Ok(state.vm.svm().get_account(&address).map(|account| view.show(&account)))
        })
        .collect::<Result<_, Problem>>()?;
    Ok(with_context(state, accounts))
}

pub(super) fn of_program(state: &State, params: &Params) -> Result<Value, Problem> {
    let program: Address = params.parsed(0, "an address")?;
    let options = params.options(1)?;
    let view = View::new(options)?;
    let filters = filters(&options["filters"])?;
    let mut accounts = state.vm.svm().get_program_accounts(&program);
    accounts.retain(|(_, account)| filters.iter().all(|filter| filter.lets_pass(&account.data)));
    if accounts.len() > MOST_OF_A_PROGRAM {
        return Err(Problem::params(format!(
            "{} accounts match, and no more than {MOST_OF_A_PROGRAM} are told: filter them",
            accounts.len()
        )));
    }
    accounts.sort_by_key(|(address, _)| *address);
    let accounts: Vec<Value> = accounts
        .iter()
        .map(|(address, account)| {
            json!({ "pubkey": address.to_string(), "account": view.show(account) })
        })
        .collect();
    match options["withContext"].as_bool() {
        Some(true) => Ok(with_context(state, accounts)),
        _ => Ok(json!(accounts)),
    }
}

pub(super) fn token_balance(state: &State, params: &Params) -> Result<Value, Problem> {
    let address: Address = params.parsed(0, "an address")?;
    let (mint, amount) =
        state
            .vm
            .svm()
            .get_account(&address)
            .and_then(|account| token(&account))
            .ok_or_else(|| Problem::params(format!("{address} is no token account")))?;
    let decimals = state
        .vm
        .svm()
        .get_account(&mint)
        .and_then(|mint| mint.data.get(44).copied())
        .ok_or_else(|| Problem::params(format!("the mint {mint} of {address} is gone")))?;
    let value = json!({
        "amount": amount.to_string(),
        "decimals": decimals,
        // Money is no float; the text below says the same.
        "uiAmount": null,
        "uiAmountString": with_point(amount, decimals),
    });
    Ok(with_context(state, value))
}

/// A token account's mint and amount.
fn token(account: &Account) -> Option<(Address, u64)> {
    if account.owner != spl_token_interface::ID || account.data.len() != 165 {
        return None;
    }
    let mint: [u8; 32] = account.data[..32].try_into().ok()?;
    let amount = account.data[64..72].try_into().ok()?;
    Some((Address::new_from_array(mint), u64::from_le_bytes(amount)))
}

/// Base units with a point, without zeros that say nothing.
fn with_point(amount: u64, decimals: u8) -> String {
    let decimals = usize::from(decimals);
    let digits = format!("{amount:0>width$}", width = decimals + 1);
    let (whole, rest) = digits.split_at(digits.len() - decimals);
    match rest.trim_end_matches('0') {
        "" => whole.to_string(),
        rest => format!("{whole}.{rest}"),
    }
}

/// How accounts are to be shown.
struct View {
    slice: Option<(usize, usize)>,
}

impl View {
    fn new(options: &Value) -> Result<Self, Problem> {
        let number = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok());
        match options["encoding"].as_str() {
            None | Some("base64" | "base64+zstd") => {}
            Some(other) => {
                let what = format!("accounts are told in base64, not in {other:?}");
                return Err(Problem::params(what));
            }
        }
        match &options["dataSlice"] {
            Value::Null => Ok(Self { slice: None }),
            slice => match (number(&slice["offset"]), number(&slice["length"])) {
                (Some(offset), Some(length)) => Ok(Self { slice: Some((offset, length)) }),
                _ => Err(Problem::params("dataSlice has an offset and a length")),
            },
        }
    }

    fn show(&self, account: &Account) -> Value {
        let data = account.data.as_slice();
        let shown = match self.slice {
            None => data,
            Some((offset, length)) => {
                let from = offset.min(data.len());
                &data[from..offset.saturating_add(length).min(data.len())]
            }
        };
        json!({
            "lamports": account.lamports,
            "owner": account.owner.to_string(),
            "data": [BASE64_STANDARD.encode(shown), "base64"],
            "executable": account.executable,
            "rentEpoch": account.rent_epoch,
            "space": data.len(),
        })
    }
}

enum Filter {
    Size(u64),
    Bytes { offset: usize, bytes: Vec<u8> },
}

impl Filter {
    fn lets_pass(&self, data: &[u8]) -> bool {
        match self {
            Self::Size(size) => data.len() as u64 == *size,
            Self::Bytes { offset, bytes } => {
                data.get(*offset..).is_some_and(|rest| rest.starts_with(bytes))
            }
        }
    }
}

fn filters(list: &Value) -> Result<Vec<Filter>, Problem> {
    const MOST: usize = 4;
    match list {
        Value::Null => Ok(Vec::new()),
        Value::Array(list) if list.len() <= MOST => list.iter().map(filter).collect(),
        _ => Err(Problem::params(format!("filters are a list of at most {MOST}"))),
    }
}

fn filter(filter: &Value) -> Result<Filter, Problem> {
    if let Some(size) = filter["dataSize"].as_u64() {
        return Ok(Filter::Size(size));
    }
    let compare = &filter["memcmp"];
    let offset = compare["offset"].as_u64().and_then(|offset| usize::try_from(offset).ok());
    let wanted = match &compare["bytes"] {
        Value::String(text) => Some(bytes(text, &compare["encoding"])?),
        Value::Array(list) => {
            list.iter().map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok())).collect()
        }
        _ => None,
    };
    match (offset, wanted) {
        (Some(offset), Some(bytes)) => Ok(Filter::Bytes { offset, bytes }),
        _ => Err(Problem::params("a filter is a dataSize, or a memcmp with offset and bytes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_units_get_their_point() {
        let told = [(0, "0"), (1, "0.000001"), (1_500_000, "1.5"), (25_000_000, "25")];
        for (amount, text) in told {
            assert_eq!(with_point(amount, 6), text);
        }
        assert_eq!(with_point(7, 0), "7");
    }

    #[test]
    fn a_filter_that_is_none_is_refused() {
        for list in [
            json!("x"),
            json!([{}]),
            json!([{ "memcmp": { "offset": 1 } }]),
            json!([{ "memcmp": { "offset": 1, "bytes": [256] } }]),
        ] {
            assert!(filters(&list).is_err(), "{list}");
        }
        let bytes = filters(&json!([{ "memcmp": { "offset": 2, "bytes": [7] } }])).unwrap();
        assert!(bytes[0].lets_pass(&[0, 0, 7]) && !bytes[0].lets_pass(&[0, 0]));
    }
}
