//! See `scene.rs`.
#![no_main]

tessera_fuzz::target!(scene::ENVIRONMENT);
