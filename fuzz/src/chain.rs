//! What is read from the chain, where anybody may write: the program's accounts, what is signed, and the
//! instructions that it is sent.

use crate::{Memory, Target};
use accounts::Account;
use tessera_settlement_abi::{account, instruction, signed};

/// The host's reader of accounts. The crate around it is built with the chain's client.
#[path = "../../crates/settlement/src/accounts.rs"]
#[allow(missing_docs, dead_code, reason = "it is another crate's")]
mod accounts;

/// Whatever is read is written as the same bytes.
macro_rules! each_record {
    (@do survives $input:ident, $($record:path),*) => {
        $({
            type Record = $record;
            if let Some(record) = Record::decode($input) {
                assert_eq!(record.encode()[..], *$input);
            }
        })*
    };
    (@do seed, $($record:path),*) => {
        vec![$({
            type Record = $record;
            let mut seed = vec![0; Record::LEN];
            seed[..Record::LEAD.len()].copy_from_slice(Record::LEAD);
            seed
        }),*]
    };
    ($what:ident $($input:ident)?) => {
        each_record!(@do $what $($input)?,
            signed::CommitHeader, signed::GrantHeader, signed::AckHeader, signed::VerdictHeader,
            signed::VoucherHeader, instruction::SlashEquivocation, instruction::DepositBond, instruction::RequestUnbond, instruction::WithdrawBond, instruction::ClaimDoubleVerdict, instruction::ClaimOmitted, instruction::AnswerOmitted, instruction::SettleOmitted, instruction::ProposeSlash, instruction::ApproveSlash, instruction::ExecuteSlash, instruction::OpenChannel, instruction::TopUpChannel, instruction::Redeem, instruction::RequestClose, instruction::CloseChannel, instruction::OpenEpoch, instruction::Draw, instruction::ApproveEpoch, instruction::Challenge, instruction::Resolve, instruction::ReturnDraw, instruction::Seal, instruction::CancelEpoch, instruction::Push, instruction::Claim, instruction::CloseEpoch, instruction::InitFarm, instruction::SetFarm, instruction::RegisterNode, instruction::SetPayout, instruction::Stake, instruction::RequestUnstake, instruction::WithdrawStake, instruction::CloseNode, instruction::OpenJob, instruction::TopUp, instruction::EndJob, instruction::ReclaimJob)
    };
}
/// Accounts, signed words and instructions, each told by its first bytes.
pub static RECORDS: Target = Target {
    run: |input| {
        match accounts::decode(input) {
            Ok(Account::Epoch(epoch)) => {
                assert_eq!([&epoch.head.encode()[..], &epoch.bitmap].concat(), input);
                for index in [0, epoch.head.leaf_count, u32::MAX] {
                    let _ = epoch.is_paid(index);
                }
            }
            Ok(Account::Farm(record)) => assert_eq!(record.encode()[..], *input),
            Ok(Account::Node(record)) => assert_eq!(record.encode()[..], *input),
            Ok(Account::Job(record)) => assert_eq!(record.encode()[..], *input),
            Ok(Account::Mark(record)) => assert_eq!(record.encode()[..], *input),
            Ok(Account::Omission(record)) => assert_eq!(record.encode()[..], *input),
            Ok(Account::Proposal(record)) => assert_eq!(record.encode()[..], *input),
            Ok(Account::Channel(record)) => assert_eq!(record.encode()[..], *input),
            Err(_) => {}
        }
        each_record!(survives input);
    },
    seeds: || {
        // Zeros behind the leading bytes mean something in most records.
        let mut seeds: Vec<Vec<u8>> = each_record!(seed);
        for (kind, length) in [
            (account::Kind::Farm, account::Farm::LEN),
            (account::Kind::Node, account::Node::LEN),
            (account::Kind::Job, account::Job::LEN),
            (account::Kind::Epoch, account::Epoch::LEN),
            (account::Kind::Mark, account::Mark::LEN),
            (account::Kind::Omission, account::Omission::LEN),
            (account::Kind::Proposal, account::Proposal::LEN),
            (account::Kind::Channel, account::Channel::LEN),
        ] {
            let mut seed = vec![0; length];
            seed[..2].copy_from_slice(&[kind as u8, account::VERSION]);
            seeds.push(seed);
        }
        seeds
    },
    words: &[],
    memory: Memory { bytes: 1 << 16, times: 16 },
};
