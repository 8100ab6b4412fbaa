//! How a history is brought to its end: everybody is paid, and everything returns.

use crate::books::OWN;
use crate::history::History;
use crate::world::*;
use tessera_ledger::{Account, Cause};
use tessera_protocol::Amount;

impl History {
    pub(crate) fn end(&mut self) {
        self.finish_epoch();
        for at in 0..self.leases.len() {
            if self.leases[at].held {
                self.release(at);
            }
        }
        self.end_jobs();
        for at in 0..self.streams.len() {
            if !self.streams[at].ended {
                self.end_stream_at(at);
            }
        }
        // A cancelled epoch's leaves are owed again.
        while self.ledger.any(|account| matches!(account, Account::Owed { .. })) {
            self.open_epoch_above(Amount::ZERO);
            self.finish_epoch();
        }
        while !self.unpaid.is_empty() {
            self.of_unpaid_leaves();
        }
        for at in 0..self.jobs.len() {
            if !self.jobs[at].closed {
                self.close_job_at(at);
            }
        }
        for at in 0..self.streams.len() {
            if !self.streams[at].closed {
                self.close_stream_at(at);
            }
        }
        (0..STAKING).for_each(|n| self.unstake_all(n));
        self.end_reserve();
    }

    fn finish_epoch(&mut self) {
        while self.running.is_some() {
            self.advance();
        }
    }

    fn end_jobs(&mut self) {
        for at in 0..self.jobs.len() {
            let id = job(self.jobs[at].number);
            let back = self.ledger.has(Account::Escrow(id)) + self.ledger.has(Account::Carry(id));
            if self.jobs[at].quoted && (self.jobs[at].ended == 0 || back > 0) {
                self.end_job_at(at);
            }
        }
    }

    fn unstake_all(&mut self, n: u8) {
        loop {
            let node = self.world.node_now(n);
            if node.stake + node.unlocking == 0 {
                return;
            }
            self.unstake_of(n, node.stake);
        }
    }

    fn end_reserve(&mut self) {
        let operator = Who::Operator;
        self.must(farm().end_job(&RESERVE_ID, operator.tokens(), Who::Anyone.address()));
        let amount = Amount(self.ledger.has(Account::Reserve));
        if !amount.is_zero() {
            let id = self.id(OWN);
            self.ledger.must(Cause::ReserveWithdrawn { id, amount });
        }
        self.done("reserve returned");
    }
}
