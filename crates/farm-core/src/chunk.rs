//! Where each unit stands: two bits a unit, 1,024 units to a chunk.
//!
//! | `held` | `here` | state | left by |
//! |---|---|---|---|
//! | 0 | 0 | free | `lease` → leased |
//! | 1 | 0 | leased | `submit` → submitted; `release` → free |
//! | 1 | 1 | submitted | `verify` → verified; `reject` → free |
//! | 0 | 1 | verified | `reopen` → submitted |
//!
//! A change names a range of units and is made to all of them or, where one is not in the state it
//! needs, to none.

use std::ops::Range;
use tessera_protocol::job::UnitCounts;

/// Where a unit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnitState {
    /// Nobody works on it.
    Free,
    /// A lease holds it.
    Leased,
    /// A result is here and not checked yet.
    Submitted,
    /// A checked result is here and counts.
    Verified,
}

/// A change that a unit's state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unit {unit} of the chunk is {state:?} and {needed:?} is needed")]
pub struct WrongState {
    /// The first unit that stands in the way, counted from the start of its chunk.
    pub unit: u16,
    /// Where it stands.
    pub state: UnitState,
    /// Where it would have to stand.
    pub needed: UnitState,
}

/// Bytes that are not a chunk's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{held} and {here} bytes are not the bitmaps of {units} units, or mark units beyond them")]
pub struct NotAChunk {
    units: u16,
    held: usize,
    here: usize,
}

type Bits = [u64; Chunk::UNITS as usize / 64];

/// Up to 1,024 neighbouring units of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    units: u16,
    held: Bits,
    here: Bits,
}

impl Chunk {
    /// Units of every chunk but a job's last.
    pub const UNITS: u16 = 1024;

    /// How many chunks `units` units take.
    pub fn count_for(units: u64) -> u64 {
        units.div_ceil(u64::from(Self::UNITS))
    }

    /// Chunk `number` of a job of `units` units, all free; `None` beyond the last.
    pub fn new(units: u64, number: u64) -> Option<Self> {
        let before = number.checked_mul(u64::from(Self::UNITS))?;
        let rest = units.checked_sub(before).filter(|&rest| rest > 0)?;
        let units = u16::try_from(rest.min(u64::from(Self::UNITS))).ok()?;
        Some(Self { units, held: [0; 16], here: [0; 16] })
    }

    /// This chunk as it was stored.
    pub fn restore(self, held: &[u8], here: &[u8]) -> Result<Self, NotAChunk> {
        let refused = NotAChunk { units: self.units, held: held.len(), here: here.len() };
        let held = read_bits(self.units, held).ok_or(refused)?;
        let here = read_bits(self.units, here).ok_or(refused)?;
        Ok(Self { held, here, ..self })
    }

    /// The bitmap `held`, to be stored: one bit a unit, lowest first.
    pub fn held_bytes(&self) -> Vec<u8> {
        write_bits(self.units, &self.held)
    }

    /// The bitmap `here`, to be stored.
    pub fn here_bytes(&self) -> Vec<u8> {
        write_bits(self.units, &self.here)
    }

    /// Where unit `unit` of this chunk stands.
    ///
    /// # Panics
    /// When the chunk has no such unit.
    pub fn state(&self, unit: u16) -> UnitState {
        assert!(unit < self.units, "unit {unit} of {}", self.units);
        match (bit(&self.held, unit), bit(&self.here, unit)) {
            (false, false) => UnitState::Free,
            (true, false) => UnitState::Leased,
            (true, true) => UnitState::Submitted,
            (false, true) => UnitState::Verified,
        }
    }

    /// How many units stand where.
    pub fn counts(&self) -> UnitCounts {
        let count = |pick: fn(u64, u64) -> u64| -> u64 {
            self.held
                .iter()
                .zip(&self.here)
                .map(|(&h, &r)| u64::from(pick(h, r).count_ones()))
                .sum()
        };
        let leased = count(|held, here| held & !here);
        let submitted = count(|held, here| held & here);
        let verified = count(|held, here| !held & here);
        let free = u64::from(self.units) - leased - submitted - verified;
        UnitCounts { free, leased, submitted, verified }
    }

    /// The first run of free units.
    pub fn first_free_run(&self) -> Option<Range<u16>> {
        let start = (0..self.units).find(|&unit| self.state(unit) == UnitState::Free)?;
        let end = (start..self.units).find(|&unit| self.state(unit) != UnitState::Free);
        Some(start..end.unwrap_or(self.units))
    }

    /// Free → leased.
    pub fn lease(&mut self, range: Range<u16>) -> Result<(), WrongState> {
        self.change(range, UnitState::Free, (true, false))
    }

    /// Leased → free: the lease ended without a result.
    pub fn release(&mut self, range: Range<u16>) -> Result<(), WrongState> {
        self.change(range, UnitState::Leased, (false, false))
    }

    /// Leased → submitted: a result is here.
    pub fn submit(&mut self, range: Range<u16>) -> Result<(), WrongState> {
        self.change(range, UnitState::Leased, (true, true))
    }

    /// Submitted → verified: the result was checked and counts.
    pub fn verify(&mut self, range: Range<u16>) -> Result<(), WrongState> {
        self.change(range, UnitState::Submitted, (false, true))
    }

    /// Submitted → free: the result was checked and is worth nothing.
    pub fn reject(&mut self, range: Range<u16>) -> Result<(), WrongState> {
        self.change(range, UnitState::Submitted, (false, false))
    }

    /// Verified → submitted: the result is looked at again.
    pub fn reopen(&mut self, range: Range<u16>) -> Result<(), WrongState> {
        self.change(range, UnitState::Verified, (true, true))
    }

    fn change(
        &mut self,
        range: Range<u16>,
        needed: UnitState,
        (held, here): (bool, bool),
    ) -> Result<(), WrongState> {
        if let Some(unit) = range.clone().find(|&unit| self.state(unit) != needed) {
            return Err(WrongState { unit, state: self.state(unit), needed });
        }
        for unit in range {
            set(&mut self.held, unit, held);
            set(&mut self.here, unit, here);
        }
        Ok(())
    }
}

fn bit(bits: &Bits, unit: u16) -> bool {
    bits[usize::from(unit / 64)] >> (unit % 64) & 1 == 1
}

fn set(bits: &mut Bits, unit: u16, value: bool) {
    let word = &mut bits[usize::from(unit / 64)];
    *word = *word & !(1 << (unit % 64)) | u64::from(value) << (unit % 64);
}

fn write_bits(units: u16, bits: &Bits) -> Vec<u8> {
    bits.iter().flat_map(|word| word.to_le_bytes()).take(usize::from(units.div_ceil(8))).collect()
}

fn read_bits(units: u16, bytes: &[u8]) -> Option<Bits> {
    if bytes.len() != usize::from(units.div_ceil(8)) {
        return None;
    }
    let mut bits = Bits::default();
    for (at, &byte) in bytes.iter().enumerate() {
        bits[at / 8] |= u64::from(byte) << (8 * (at % 8));
    }
    let beyond = (units..Chunk::UNITS).any(|unit| bit(&bits, unit));
    (!beyond).then_some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_unit_goes_from_free_to_verified_and_stays() {
        let mut chunk = Chunk::new(10, 0).unwrap();
        for (step, after) in [
            (Chunk::lease as fn(&mut Chunk, Range<u16>) -> _, UnitState::Leased),
            (Chunk::submit, UnitState::Submitted),
            (Chunk::verify, UnitState::Verified),
        ] {
            step(&mut chunk, 3..5).unwrap();
            assert_eq!(chunk.state(3), after);
            assert_eq!(chunk.state(5), UnitState::Free);
        }
        let verified = chunk.clone();
        for step in [Chunk::lease, Chunk::release, Chunk::submit, Chunk::verify, Chunk::reject] {
            assert!(step(&mut chunk, 2..5).is_err());
            assert_eq!(chunk, verified, "a refused change changes nothing");
        }
    }

    #[test]
    fn chunks_divide_a_job_and_the_last_is_shorter() {
        assert_eq!(Chunk::count_for(1025), 2);
        assert_eq!(Chunk::new(1025, 0).unwrap().counts().free, 1024);
        assert_eq!(Chunk::new(1025, 1).unwrap().counts().free, 1);
        assert_eq!(Chunk::new(1025, 2), None);
        assert_eq!(Chunk::new(1025, u64::MAX), None);
    }

    #[test]
    fn bytes_of_another_size_or_with_bits_beyond_the_end_are_refused() {
        let chunk = || Chunk::new(9, 0).unwrap();
        assert!(chunk().restore(&[0, 1], &[0, 0]).is_ok());
        for held in [&[0][..], &[0, 0, 0], &[0, 2]] {
            assert!(chunk().restore(held, &[0, 0]).is_err(), "{held:?}");
        }
    }

    proptest! {
        // Against a model that keeps one enum a unit.
        #[test]
        fn any_changes_in_any_order_agree_with_one_state_a_unit(
            units in 1u64..1500,
            changes in prop::collection::vec((0u8..6, 0u16..1024, 1u16..80), 0..200),
        ) {
            use UnitState::{Free, Leased, Submitted, Verified};
            let mut chunk = Chunk::new(units, 0).unwrap();
            let mut model = vec![Free; usize::try_from(units).unwrap().min(1024)];
            for (kind, start, length) in changes {
                let end = usize::from(start + length).min(model.len());
                let range = usize::from(start).min(end)..end;
                let small = range.start as u16..range.end as u16;
                let (done, from, to) = match kind {
                    0 => (chunk.lease(small), Free, Leased),
                    1 => (chunk.release(small), Leased, Free),
                    2 => (chunk.submit(small), Leased, Submitted),
                    3 => (chunk.verify(small), Submitted, Verified),
                    4 => (chunk.reject(small), Submitted, Free),
                    _ => (chunk.reopen(small), Verified, Submitted),
                };
                prop_assert_eq!(done.is_ok(), model[range.clone()].iter().all(|&s| s == from));
                if done.is_ok() {
                    model[range].fill(to);
                }
                let count = |state| model.iter().filter(|&&s| s == state).count() as u64;
                prop_assert_eq!(chunk.counts(), UnitCounts {
                    free: count(Free), leased: count(Leased),
                    submitted: count(Submitted), verified: count(Verified),
                });
            }
            let run = chunk.first_free_run().map(|run| usize::from(run.start)..usize::from(run.end));
            prop_assert_eq!(run.as_ref().map(|run| run.start), model.iter().position(|&s| s == Free));
            if let Some(run) = run {
                prop_assert!(model[run.clone()].iter().all(|&s| s == Free));
                prop_assert!(model.get(run.end).is_none_or(|&s| s != Free));
            }
            let stored = Chunk::new(units, 0).unwrap()
                .restore(&chunk.held_bytes(), &chunk.here_bytes()).unwrap();
            prop_assert_eq!(stored, chunk);
        }
    }
}
