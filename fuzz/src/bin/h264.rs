//! See `media.rs`.
#![no_main]

tessera_fuzz::target!(media::H264);
