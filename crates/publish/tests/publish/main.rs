//! Playlists, segments and recordings as players and disks see them.

mod common;
mod live;
mod low_latency;
mod power_loss;
mod recording;
mod restart;
mod window;
