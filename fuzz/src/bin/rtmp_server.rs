//! See `ingest.rs`.
#![no_main]

tessera_fuzz::target!(ingest::RTMP_SERVER);
