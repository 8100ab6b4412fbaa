//! The Debian package of `render-node` is what it says, and comes and goes without a trace.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::Command;
use world::machine::Machine;
use world::process::program;

/// Builds the package; `None`, with a word why, where packages are not made.
fn build(folder: &Path) -> Option<PathBuf> {
    if Command::new("dpkg-deb").arg("--version").output().is_err() {
        println!("skipped: dpkg-deb is not here");
        return None;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/deb");
    let output = Command::new(script).arg(program("render-node")).arg(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    Some(String::from_utf8(output.stdout).unwrap().trim().into())
}

fn dpkg(arguments: &[&str], package: &Path) -> String {
    let output = Command::new("dpkg-deb").args(arguments).arg(package).output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_package_holds_the_program_and_says_what_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let Some(package) = build(folder.path()) else { return };
    let name = package.file_name().unwrap().to_str().unwrap();
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(name, format!("tessera-render-node_{version}_{architecture}.deb"));
    let info = dpkg(&["--info"], &package);
    for line in [
        " Package: tessera-render-node",
        &format!(" Version: {version}"),
        &format!(" Architecture: {architecture}"),
        " Recommends: ca-certificates, libvulkan1",
    ] {
        assert!(info.lines().any(|found| found == line), "{line} is not in\n{info}");
    }
    let depends = info.lines().find(|line| line.starts_with(" Depends: ")).unwrap();
    assert!(depends.contains("libc6"), "{depends}");
    let contents = dpkg(&["--contents"], &package);
    let files: Vec<_> = contents
        .lines()
        .filter(|line| !line.starts_with('d'))
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            (words[0], words[1], *words.last().unwrap())
        })
        .collect();
    assert_eq!(
        files,
        [
            ("-rwxr-xr-x", "root/root", "./usr/bin/render-node"),
            ("-rw-r--r--", "root/root", "./usr/share/doc/tessera-render-node/copyright"),
        ]
    );
}

/// What changed but for what dpkg writes down about itself.
fn changed(machine: &mut Machine) -> Vec<String> {
    let own = ["/var/lib/dpkg/", "/var/log/dpkg.log", "/var/cache/debconf"];
    let mut changed = machine.changed();
    changed.retain(|path| !own.iter().any(|own| path.starts_with(own)));
    changed
}

const PACKAGE: [&str; 3] = [
    "/usr/bin/render-node",
    "/usr/share/doc/tessera-render-node",
    "/usr/share/doc/tessera-render-node/copyright",
];
const KEY: &str = "/var/lib/private/tessera-node/node.key";

#[test]
fn removing_the_package_keeps_the_key_and_purging_it_leaves_nothing() {
    let Some(mut machine) = Machine::possible() else { return };
    let Some(package) = build(machine.folder()) else { return };
    let file = format!("/mnt/{}", package.file_name().unwrap().to_str().unwrap());
    let said = machine.succeeds(&format!("dpkg --install {file}"));
    assert!(said.contains("render-node install --master"), "{said}");
    // An image may be set to leave out what is below /usr/share/doc.
    let brought = changed(&mut machine);
    assert!(
        brought.iter().any(|path| path == PACKAGE[0])
            && brought.iter().all(|path| PACKAGE.contains(&path.as_str())),
        "{brought:?}"
    );

    let install = "TESSERA_TOKEN=t render-node install --master https://farm.example";
    machine.succeeds(install);
    let unit = machine.succeeds("cat /etc/systemd/system/tessera-node.service");
    assert!(unit.contains("\nExecStart=/usr/bin/render-node run "), "{unit}");
    let installed = changed(&mut machine);
    for file in ["/etc/systemd/system/tessera-node.service", "/etc/tessera-node/token"] {
        assert!(installed.iter().any(|path| path == file), "{installed:?}");
    }
    // As the service would leave it; a newer version of the package leaves it and the service alone.
    machine.succeeds(&format!("mkdir -p $(dirname {KEY}) && echo key >{KEY}"));
    let said = machine.succeeds(&format!("dpkg --install {file}"));
    assert!(!said.contains("render-node install --master"), "it is a node already: {said}");
    machine.succeeds(&format!("test -e {KEY} && test -e /etc/tessera-node/token"));

    let said = machine.succeeds("dpkg --remove tessera-render-node");
    assert!(said.contains("until the package is purged"), "{said}");
    let left = changed(&mut machine);
    assert!(
        left.iter().any(|path| path == KEY)
            && left.iter().all(|path| KEY.starts_with(path.as_str())),
        "{left:?}"
    );
    machine.succeeds("dpkg --purge tessera-render-node");
    let mut left = changed(&mut machine);
    // The folder that systemd makes for services of its kind, where this machine had none.
    left.retain(|path| path != "/var/lib/private");
    assert_eq!(left, [""; 0]);
}
