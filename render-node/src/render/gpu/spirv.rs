//! From WGSL to SPIR-V whose arithmetic no driver may rearrange.
//!
//! naga writes plain arithmetic, which a driver may fuse and reorder. Here each float operation is
//! decorated with `NoContraction`, and the entry point asks for rounding to nearest even and for
//! infinities and NaNs to be kept, where the device offers that.

use naga::back::spv;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use std::collections::BTreeSet;

/// Whether the compiled kernel keeps the contract. Tolerant devices run it without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exactness {
    /// `NoContraction` on all float arithmetic.
    Kept,
    /// As naga writes it.
    Dropped,
}

/// What a device says of its 32-bit floats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FloatControls {
    /// Can be told to round to nearest even.
    pub rounds_to_nearest_even: bool,
    /// Can be told to keep signed zeros, infinities and NaNs.
    pub preserves_special_values: bool,
}

impl FloatControls {
    /// Whether that is enough for exact work; where not, why not.
    pub fn exactness(self) -> Result<(), String> {
        if self.rounds_to_nearest_even {
            Ok(())
        } else {
            Err("the driver does not offer rounding to nearest even for 32-bit floats \
                 (shaderRoundingModeRTEFloat32)"
                .to_owned())
        }
    }
}

/// WGSL that cannot be compiled.
#[derive(Debug, thiserror::Error)]
#[error("the kernel does not compile: {0}")]
pub struct CompileError(String);

/// Compiles the kernel.
pub fn compile(
    wgsl: &str,
    exactness: Exactness,
    controls: FloatControls,
) -> Result<Vec<u32>, CompileError> {
    let module = naga::front::wgsl::parse_str(wgsl)
        .map_err(|error| CompileError(error.emit_to_string(wgsl)))?;
    let info = naga::valid::Validator::new(
        naga::valid::ValidationFlags::all(),
        naga::valid::Capabilities::empty(),
    )
    .validate(&module)
    .map_err(|error| CompileError(error.emit_to_string(wgsl)))?;
    let options = spv::Options {
        lang_version: (1, 3),
        flags: spv::WriterFlags::empty(),
        fake_missing_bindings: true,
        bounds_check_policies: BoundsCheckPolicies {
            index: BoundsCheckPolicy::Unchecked,
            buffer: BoundsCheckPolicy::Unchecked,
            image_load: BoundsCheckPolicy::Unchecked,
            binding_array: BoundsCheckPolicy::Unchecked,
        },
        force_loop_bounding: false,
        emit_int_div_checks: false,
        ..Default::default()
    };
    let words = spv::write_vec(&module, &info, &options, None)
        .map_err(|error| CompileError(error.to_string()))?;
    Ok(match exactness {
        Exactness::Kept => keep_exact(&words, controls),
        Exactness::Dropped => words,
    })
}

/// Words of a module's header.
const HEADER: usize = 5;

/// Numbers of the SPIR-V specification, section 3.
mod op {
    pub(super) const EXTENSION: u16 = 10;
    pub(super) const ENTRY_POINT: u16 = 15;
    pub(super) const EXECUTION_MODE: u16 = 16;
    pub(super) const CAPABILITY: u16 = 17;
    pub(super) const DECORATE: u16 = 71;
    pub(super) const F_NEGATE: u16 = 127;
    pub(super) const F_ADD: u16 = 129;
    pub(super) const F_SUB: u16 = 131;
    pub(super) const F_MUL: u16 = 133;
    pub(super) const F_DIV: u16 = 136;
    pub(super) const F_REM: u16 = 140;
    pub(super) const F_MOD: u16 = 141;
    pub(super) const VECTOR_TIMES_SCALAR: u16 = 142;
    pub(super) const DOT: u16 = 148;
}
const DECORATION_NO_CONTRACTION: u32 = 42;
const CAPABILITY_SIGNED_ZERO_INF_NAN_PRESERVE: u32 = 4466;
const CAPABILITY_ROUNDING_MODE_RTE: u32 = 4467;
const MODE_SIGNED_ZERO_INF_NAN_PRESERVE: u32 = 4461;
const MODE_ROUNDING_MODE_RTE: u32 = 4462;

/// Float operations that a driver could fuse or reorder.
const ARITHMETIC: [u16; 9] = [
    op::F_NEGATE,
    op::F_ADD,
    op::F_SUB,
    op::F_MUL,
    op::F_DIV,
    op::F_REM,
    op::F_MOD,
    op::VECTOR_TIMES_SCALAR,
    op::DOT,
];

fn instruction(opcode: u16, operands: &[u32]) -> Vec<u32> {
    let length = operands.len() as u32 + 1;
    let mut words = vec![(length << 16) | u32::from(opcode)];
    words.extend_from_slice(operands);
    words
}

/// A module's instructions, as slices of words.
fn instructions(words: &[u32]) -> impl Iterator<Item = (u16, &[u32])> {
    let mut rest = words.get(HEADER..).unwrap_or_default();
    std::iter::from_fn(move || {
        let first = *rest.first()?;
        let (this, next) = rest.split_at_checked(((first >> 16) as usize).max(1))?;
        rest = next;
        Some(((first & 0xffff) as u16, this))
    })
}

fn keep_exact(words: &[u32], controls: FloatControls) -> Vec<u32> {
    let results: BTreeSet<u32> = instructions(words)
        .filter(|(opcode, _)| ARITHMETIC.contains(opcode))
        .map(|(_, instruction)| instruction[2])
        .collect();
    let entry = instructions(words)
        .find(|(opcode, _)| *opcode == op::ENTRY_POINT)
        .map_or(0, |(_, instruction)| instruction[2]);
    let wanted = [
        (controls.rounds_to_nearest_even, CAPABILITY_ROUNDING_MODE_RTE, MODE_ROUNDING_MODE_RTE),
        (
            controls.preserves_special_values,
            CAPABILITY_SIGNED_ZERO_INF_NAN_PRESERVE,
            MODE_SIGNED_ZERO_INF_NAN_PRESERVE,
        ),
    ];
    let wanted = wanted.iter().filter(|(offered, ..)| *offered);

    let mut exact = words[..HEADER].to_vec();
    for (_, capability, _) in wanted.clone() {
        exact.extend(instruction(op::CAPABILITY, &[*capability]));
    }
    let mut extended = wanted.clone().next().is_none();
    let mut decorated = false;
    for (opcode, words) in instructions(words) {
        if !extended && opcode != op::CAPABILITY {
            exact.extend(instruction(op::EXTENSION, &string("SPV_KHR_float_controls")));
            extended = true;
        }
        // Annotations come after the modes and the names, before the types.
        if !decorated && opcode == op::DECORATE {
            for &result in &results {
                exact.extend(instruction(op::DECORATE, &[result, DECORATION_NO_CONTRACTION]));
            }
            decorated = true;
        }
        exact.extend_from_slice(words);
        if opcode == op::ENTRY_POINT {
            for (_, _, mode) in wanted.clone() {
                exact.extend(instruction(op::EXECUTION_MODE, &[entry, *mode, 32]));
            }
        }
    }
    exact
}

/// A literal string: UTF-8 with a final 0, filled up to whole words.
fn string(text: &str) -> Vec<u32> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn undecorated(words: &[u32]) -> usize {
        let decorated: BTreeSet<u32> = instructions(words)
            .filter(|(opcode, words)| {
                *opcode == op::DECORATE && words[2] == DECORATION_NO_CONTRACTION
            })
            .map(|(_, words)| words[1])
            .collect();
        instructions(words)
            .filter(|(opcode, words)| ARITHMETIC.contains(opcode) && !decorated.contains(&words[2]))
            .count()
    }

    fn arithmetic(words: &[u32]) -> usize {
        instructions(words).filter(|(opcode, _)| ARITHMETIC.contains(opcode)).count()
    }

    #[test]
    fn all_arithmetic_of_the_kernel_is_decorated_and_none_without_asking() {
        let source = tessera_shaders::wgsl::source();
        let all = FloatControls { rounds_to_nearest_even: true, preserves_special_values: true };
        let exact = compile(&source, Exactness::Kept, all).unwrap();
        let plain = compile(&source, Exactness::Dropped, all).unwrap();
        assert_eq!(undecorated(&exact), 0);
        assert_eq!(undecorated(&plain), arithmetic(&plain));
        assert_eq!(arithmetic(&exact), arithmetic(&plain));
        assert_ne!(arithmetic(&plain), 0);
    }

    #[test]
    fn modes_are_asked_for_only_where_they_are_offered() {
        let source = tessera_shaders::wgsl::source();
        let modes = |controls| {
            let words = compile(&source, Exactness::Kept, controls).unwrap();
            instructions(&words)
                .filter(|(opcode, words)| *opcode == op::EXECUTION_MODE && words[2] >= 4459)
                .count()
        };
        assert_eq!(modes(FloatControls::default()), 0);
        let rounding = FloatControls { rounds_to_nearest_even: true, ..Default::default() };
        assert_eq!(modes(rounding), 1);
        assert!(FloatControls::default().exactness().is_err());
        assert_eq!(rounding.exactness(), Ok(()));
    }
}
