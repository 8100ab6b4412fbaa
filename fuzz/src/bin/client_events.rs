//! See `names.rs`.
#![no_main]

tessera_fuzz::target!(names::EVENTS);
