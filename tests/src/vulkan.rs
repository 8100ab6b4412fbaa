//! Two independent Vulkan implementations that need no GPU.
//!
//! The loader reads which drivers to offer from the environment of a process when it first loads,
//! so a test that wants drivers runs again as a child with them: see [`with_drivers`].

use std::path::PathBuf;
use std::process::Command;

/// A Vulkan driver that `scripts/deps test` unpacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// Mesa's, on LLVM.
    Lavapipe,
    /// Google's, on a compiler of its own.
    SwiftShader,
}

impl Driver {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Lavapipe, Self::SwiftShader];

    /// What the device calls itself, in part.
    pub fn device(self) -> &'static str {
        match self {
            Self::Lavapipe => "llvmpipe",
            Self::SwiftShader => "SwiftShader Device",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Lavapipe => "lavapipe",
            Self::SwiftShader => "swiftshader",
        }
    }

    /// The driver's manifest, or one sentence why this machine cannot have it.
    pub fn manifest(self) -> Result<PathBuf, String> {
        let folder = std::env::var_os("TESSERA_VULKAN").map_or_else(
            || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/vulkan")),
            PathBuf::from,
        );
        let manifest = folder.join(format!("{}.json", self.file()));
        if manifest.exists() {
            return Ok(manifest);
        }
        match std::fs::read_to_string(folder.join(format!("{}.missing", self.file()))) {
            Ok(reason) => Err(reason.trim().to_owned()),
            Err(_) => panic!("{} is not here: run scripts/deps test", manifest.display()),
        }
    }
}

/// Runs `body` in a process that has all drivers that this machine can have, and hands it their
/// list. `test` is the name of the calling test: the child is this very test, run again.
pub fn with_drivers(test: &str, body: impl FnOnce(&[Driver])) {
    const CHILD: &str = "TESSERA_TEST_HAS_DRIVERS";
    let mut here = Vec::new();
    let mut manifests = Vec::new();
    for driver in Driver::ALL {
        match driver.manifest() {
            Ok(manifest) => {
                here.push(driver);
                manifests.push(manifest);
            }
            Err(reason) => println!("without {driver:?}: {reason}"),
        }
    }
    assert!(here.contains(&Driver::Lavapipe), "lavapipe is on every machine that runs the tests");
    if std::env::var_os(CHILD).is_some() {
        return body(&here);
    }
    let program = std::env::current_exe().expect("a running test has a path");
    let status = Command::new(program)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        // Mesa's device chooser looks for a display server, and complains where there is none.
        .env("NODEVICE_SELECT", "1")
        .env("VK_DRIVER_FILES", std::env::join_paths(manifests).expect("paths without colons"))
        .status()
        .expect("this test can be started again");
    assert!(status.success(), "{test}, run again with the drivers: {status}");
}
