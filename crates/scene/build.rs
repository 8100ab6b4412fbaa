//! Computes the kernel id: whatever can change a pixel without the scene changing.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// Packages whose code is part of the function from file to canonical scene.
const DECODERS: [&str; 13] = [
    "base64",
    "crc32fast",
    "exr",
    "fdeflate",
    "flate2",
    "image-webp",
    "jpeg-decoder",
    "libm",
    "miniz_oxide",
    "png",
    "rawzip",
    "serde_json",
    "zune-inflate",
];

fn main() {
    let crate_folder = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let root = crate_folder.join("../..");
    let mut files = Vec::new();
    for folder in ["crates/scene/src", "shaders/src", "shaders/wgsl"] {
        println!("cargo::rerun-if-changed={}", root.join(folder).display());
        collect(&root, folder, &mut files);
    }
    files.sort();

    let mut hasher = blake3::Hasher::new();
    hasher.update(b"tessera kernel v1\0");
    for file in &files {
        // A checkout that ends lines by two characters holds the same kernel.
        let text = read(&root.join(file)).replace("\r\n", "\n");
        add(&mut hasher, file);
        add(&mut hasher, &text);
    }
    let lock = root.join("Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    for version in locked_versions(&read(&lock)) {
        add(&mut hasher, &version);
    }

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo")).join("kernel_id.rs");
    let bytes = hasher.finalize();
    fs::write(&out, format!("{:?}", bytes.as_bytes()))
        .unwrap_or_else(|error| panic!("cannot write {}: {error}", out.display()));
}

/// Files below a folder, as paths from the root with forward slashes.
fn collect(root: &Path, folder: &str, files: &mut Vec<String>) {
    let path = root.join(folder);
    let entries = fs::read_dir(&path)
        .unwrap_or_else(|error| panic!("cannot list {}: {error}", path.display()));
    for entry in entries {
        let entry = entry.unwrap_or_else(|error| panic!("cannot list {folder}: {error}"));
        let name = entry.file_name().into_string().expect("names of sources are UTF-8");
        let inner = format!("{folder}/{name}");
        if entry.path().is_dir() {
            collect(root, &inner, files);
        } else if inner.ends_with(".rs") || inner.ends_with(".wgsl") {
            files.push(inner);
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// Adds a string so that no two lists of strings give the same bytes.
fn add(hasher: &mut blake3::Hasher, text: &str) {
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

/// `name version` of each decoder that the lock file names.
fn locked_versions(lock: &str) -> Vec<String> {
    let value = |line: &str, key: &str| {
        line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"').map(str::to_owned)
    };
    let mut versions = Vec::new();
    let mut name = String::new();
    for line in lock.lines() {
        if let Some(found) = value(line, "name") {
            name = found;
        } else if let Some(version) = value(line, "version")
            && DECODERS.contains(&name.as_str())
        {
            versions.push(format!("{name} {version}"));
        }
    }
    versions.sort();
    versions
}
