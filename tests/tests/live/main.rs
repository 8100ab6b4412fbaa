//! A broadcaster sends, workers transcode, a viewer watches: real programs, ffmpeg and Chromium.
//!
//! Each test has the machine to itself: they wait for each other.
#![forbid(unsafe_code)]

mod broadcast;
mod doors;
mod latency;
mod workers;

use broadcast::Broadcast;

/// One test at a time: each keeps two cores busy in real time.
static MACHINE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
