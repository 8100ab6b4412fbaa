//! A job's receipts and all that is needed to check them, in a folder: fetched once, checked by
//! anybody, on any machine and without the master.
//!
//! Reading order: [`folder`] (what lies where) → [`check`] (what is looked at) → [`frame`] (the sums
//! of one frame) → [`money`] (what was earned and paid).

pub(crate) mod check;
pub(crate) mod folder;
mod frame;
mod money;
