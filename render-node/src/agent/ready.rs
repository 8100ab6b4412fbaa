//! Tells systemd that the node has joined, where systemd started it (sd_notify(3)).

use super::Config;
use sd_notify::NotifyState;

pub(super) fn say(config: &Config) {
    let status = format!("works for {} as {}", config.master, config.name);
    // Nobody may be listening: then there is nobody to tell.
    let _ = sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
}
