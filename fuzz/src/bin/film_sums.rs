//! See `protocol.rs`.
#![no_main]

tessera_fuzz::target!(protocol::SUMS);
