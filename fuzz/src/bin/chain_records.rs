//! See `chain.rs`.
#![no_main]

tessera_fuzz::target!(chain::RECORDS);
