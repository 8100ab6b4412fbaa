//! What the node has to say to those who wait for it to join, and hears from those who renew its program.

use super::Config;
use tessera_protocol::release::ReleaseVersion;

/// Tells systemd, where it started the node, that it has joined (sd_notify(3)); and that a release which was on
/// trial is good.
pub(super) fn say(config: &Config) {
    if let Some(updates) = &config.updates {
        updates.joined();
    }
    #[cfg(target_os = "linux")]
    {
        use sd_notify::NotifyState;
        let status = format!("works for {} as {}", config.master, config.name);
        // Nobody may be listening: then there is nobody to tell.
        let _ = sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
    }
}

/// Which release lies ready to be started in place of this program; waits until one does.
pub(super) async fn renewal(config: &Config) -> ReleaseVersion {
    match &config.updates {
        Some(updates) => updates.ready().await,
        None => std::future::pending().await,
    }
}
