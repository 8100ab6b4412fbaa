//! `render-node check`: what this machine's devices are good for.

use super::BackendArguments;
use crate::render::conformance;
use crate::render::vulkan::find_all;
use serde::Serialize;
use tessera_protocol::node::DeviceClass;
use tessera_reference::kernel_id;

/// What to check.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    backend: BackendArguments,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct CheckView {
    backend: &'static str,
    device: String,
    kernel: String,
    class: DeviceClass,
    scenes: Vec<SceneView>,
}

#[derive(Debug, Serialize)]
struct SceneView {
    scene: String,
    hash: String,
    expected: Option<String>,
}

/// Renders the conformance scenes and prints what came out.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut backend = arguments.backend.open()?;
    let device = backend.describe();
    let hashes = conformance::render_all(backend.as_mut())?;
    let view = CheckView {
        backend: device.backend,
        device: device.device,
        kernel: kernel_id().to_string(),
        class: conformance::class_of(&hashes),
        scenes: hashes
            .iter()
            .map(|found| SceneView {
                scene: found.scene.clone(),
                hash: found.hash.to_string(),
                expected: conformance::expected(&found.scene).map(|hash| hash.to_string()),
            })
            .collect(),
    };
    if arguments.json {
        println!("{}", serde_json::to_string(&view)?);
        return Ok(());
    }
    println!("{} ({}), kernel {}", view.device, view.backend, &view.kernel[..16]);
    for scene in &view.scenes {
        let word = if scene.expected.as_ref() == Some(&scene.hash) { "exact" } else { "DIFFERS" };
        println!("  {:<28} {} {word}", scene.scene, &scene.hash[..16]);
    }
    println!(
        "class: {}",
        match view.class {
            DeviceClass::Exact => "exact",
            DeviceClass::Tolerant => "tolerant (gets tolerant jobs only)",
        }
    );
    let devices = find_all();
    if devices.is_empty() {
        println!("Vulkan devices: none");
    }
    for device in devices {
        match device.exactness {
            Ok(()) => println!("Vulkan device: {}", device.name),
            Err(reason) => println!("Vulkan device: {}: not exact: {reason}", device.name),
        }
    }
    Ok(())
}
