//! `memcpy` and its kin, by system calls of the virtual machine: the compiler calls them by these
//! names, and its own library for this processor has none.
#![allow(unsafe_code, reason = "the compiler calls these with raw pointers")]

use pinocchio::syscalls::{sol_memcmp_, sol_memcpy_, sol_memmove_, sol_memset_};

// SAFETY, of all five: who calls is generated code, which keeps C's contract of the same name; the
// system calls ask for no more, and check the bounds of the program's memory themselves.

#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    // SAFETY: as above.
    unsafe { sol_memcpy_(to, from, len as u64) };
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    // SAFETY: as above.
    unsafe { sol_memmove_(to, from, len as u64) };
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, len: usize) -> *mut u8 {
    // SAFETY: as above.
    unsafe { sol_memset_(to, byte as u8, len as u64) };
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(one: *const u8, other: *const u8, len: usize) -> i32 {
    let mut order = 0;
    // SAFETY: as above; the order is written to a place of this function's own.
    unsafe { sol_memcmp_(one, other, len as u64, &mut order) };
    order
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(one: *const u8, other: *const u8, len: usize) -> i32 {
    // SAFETY: as above.
    unsafe { memcmp(one, other, len) }
}
