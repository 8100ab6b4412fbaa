//! The service as systemd reads it (systemd.service, systemd.exec).
//!
//! The node needs the net, its own folder, and the devices of the GPU, and gets no more. It has a user of
//! its own for as long as it runs (`DynamicUser`), so nothing of it stays in `/etc/passwd`. Memory may be
//! written and executed: drivers of GPUs compile shaders.

use crate::update::RESTART;

/// The groups of a machine that open its GPUs, of those that there are.
pub fn device_groups(group_file: &str) -> Vec<&'static str> {
    let is_there =
        |group: &&str| group_file.lines().any(|line| line.split(':').next() == Some(*group));
    ["render", "video"].into_iter().filter(is_there).collect()
}

/// The service of the program that lies at `program`, which may choose another one in its place if it `updates`.
/// Such a one runs out of memory that nobody can change, so the state folder may forbid to execute.
pub fn text(program: &str, groups: &[&str], updates: bool) -> String {
    let (key, option) = match updates {
        true => (update_lines(), "--update-key ${CREDENTIALS_DIRECTORY}/update-key "),
        false => (String::new(), ""),
    };
    let groups = match groups {
        [] => String::new(),
        groups => format!("SupplementaryGroups={}\n", groups.join(" ")),
    };
    format!(
        "\
[Unit]
Description=Tessera render node
Wants=network-online.target
After=network-online.target

[Service]
# Ready once it has joined; before that it shows what its device makes of the conformance scenes.
Type=notify
TimeoutStartSec=15min
TimeoutStopSec=30
# The node ends its renderer itself.
KillMode=mixed
Restart=on-failure
RestartSec=10
EnvironmentFile=/etc/tessera-node/node.env
LoadCredential=token:/etc/tessera-node/token
{key}ExecStart={program} run --token-file ${{CREDENTIALS_DIRECTORY}}/token {option}\
--state /var/lib/tessera-node $RENDER_NODE_OPTIONS
# Whoever uses this machine comes first.
Nice=10
IOSchedulingClass=idle

DynamicUser=yes
{groups}StateDirectory=tessera-node
StateDirectoryMode=0700
WorkingDirectory=/var/lib/tessera-node
UMask=0077

DevicePolicy=closed
DeviceAllow=char-drm rw
DeviceAllow=char-nvidia rw
DeviceAllow=char-nvidia-frontend rw
DeviceAllow=char-nvidia-uvm rw

NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
LockPersonality=yes
PrivateMounts=yes
PrivateTmp=yes
ProcSubset=all
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"
    )
}

/// What lets the node ask to be started again, as another release, and lets people ask it to look for one.
fn update_lines() -> String {
    format!(
        "\
LoadCredential=update-key:/etc/tessera-node/update-key
# How it ends when a release lies ready, which the next start chooses.
RestartForceExitStatus={RESTART}
SuccessExitStatus={RESTART}
# Has it ask for releases at once.
ExecReload=/bin/kill -HUP $MAINPID
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_groups_that_there_are_are_joined() {
        let groups = device_groups("root:x:0:\nvideo:x:44:otto\nrenderers:x:1:\n");
        assert_eq!(groups, ["video"]);
        assert!(
            text("/a", &groups, false).contains("\nSupplementaryGroups=video\nStateDirectory=")
        );
        assert!(!text("/a", &[], false).contains("SupplementaryGroups"));
    }
}
