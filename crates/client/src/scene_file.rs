//! A scene's file on this machine, as one that can be sent or rendered: a `.gltf` is packed into a
//! `.zip` with the files that it names, anything else is one file already.
//!
//! Only files below the `.gltf`'s own folder are read, whatever links lead to.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use tessera_scene::{Asset, Limits, SceneError, files_of_gltf, pack};

/// Why a scene's files can't be packed.
#[derive(Debug, thiserror::Error)]
pub enum SceneFileError {
    /// A file can't be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The `.gltf` itself can't be.
    #[error("{}: {source}", path.display())]
    Scene {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: SceneError,
    },
    /// A link leads out of the folder.
    #[error("{} leads out of the scene's folder; put the file itself there", .0.display())]
    Outside(PathBuf),
    /// They are more than any master takes.
    #[error("{} and the files that it names are more than {most} bytes", path.display())]
    TooLarge {
        /// The `.gltf`.
        path: PathBuf,
        /// What is taken.
        most: usize,
    },
    /// The scene has no camera of this name, or several.
    #[error("{}", camera(path, asked, *found, known))]
    Camera {
        /// The scene.
        path: PathBuf,
        /// The name.
        asked: String,
        /// How many have it.
        found: usize,
        /// What each of its cameras is called, in their order.
        known: Vec<Option<String>>,
    },
    /// The archive can't be made.
    #[error("{0}")]
    Pack(String),
}

fn camera(path: &Path, asked: &str, found: usize, known: &[Option<String>]) -> String {
    let path = path.display();
    if known.is_empty() {
        return format!("{path} has no camera, and so none named {asked:?}");
    }
    let known = known.iter().enumerate().map(|(number, name)| match name {
        Some(name) => format!("{number} {name:?}"),
        None => format!("{number} without a name"),
    });
    let known = known.collect::<Vec<_>>().join(", ");
    match found {
        0 => format!("{path} has no camera named {asked:?}; it has {known}"),
        _ => format!(
            "{path} has {found} cameras named {asked:?}; ask for one by its number: {known}"
        ),
    }
}

/// The number of the camera of this name, as a job's settings count them. A camera is called as its node is.
///
/// # Errors
/// The scene cannot be read, or it is not exactly one camera that is called so.
pub fn camera_named(path: &Path, asked: &str) -> Result<u32, SceneFileError> {
    let limits = Limits::default();
    let scene = match pack_gltf(path)? {
        Some(packed) => packed,
        None => {
            Reading { scene: path, left: limits.file_bytes, most: limits.file_bytes }.file(path)?
        }
    };
    let asset = Asset::load(&scene, None, &limits)
        .map_err(|source| SceneFileError::Scene { path: path.to_owned(), source })?;
    let known: Vec<_> = asset.cameras().map(|camera| camera.name.clone()).collect();
    let mut named = (0..).zip(&known).filter(|(_, name)| name.as_deref() == Some(asked));
    match (named.next(), named.count()) {
        (Some((number, _)), 0) => Ok(number),
        (first, others) => Err(SceneFileError::Camera {
            path: path.to_owned(),
            asked: asked.to_owned(),
            found: usize::from(first.is_some()) + others,
            known,
        }),
    }
}

/// Packs a `.gltf` with the files that it names: the same files give the same bytes. `None` where
/// the file is another, or names none, so that it can be sent as it is.
///
/// # Errors
/// A file is missing, lies elsewhere, or is too large.
pub fn pack_gltf(path: &Path) -> Result<Option<Vec<u8>>, SceneFileError> {
    if !path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gltf")) {
        return Ok(None);
    }
    let limits = Limits::default();
    let mut reading = Reading { scene: path, left: limits.file_bytes, most: limits.file_bytes };
    let gltf = reading.file(path)?;
    let named = files_of_gltf(&gltf, &limits)
        .map_err(|source| SceneFileError::Scene { path: path.to_owned(), source })?;
    if named.is_empty() {
        return Ok(None);
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let real = canonical(folder)?;
    let mut files = BTreeMap::new();
    for name in named {
        let file = folder.join(&name);
        if !canonical(&file)?.starts_with(&real) {
            return Err(SceneFileError::Outside(file));
        }
        files.insert(name, reading.file(&file)?);
    }
    // A name of its own would be one more thing to agree on.
    files.insert("scene.gltf".to_owned(), gltf);
    pack(&files).map(Some).map_err(SceneFileError::Pack)
}

fn canonical(path: &Path) -> Result<PathBuf, SceneFileError> {
    let failed = |source| SceneFileError::Read { path: path.to_owned(), source };
    path.canonicalize().map_err(failed)
}

/// Files of one scene, together within a limit.
struct Reading<'a> {
    scene: &'a Path,
    left: usize,
    most: usize,
}

impl Reading<'_> {
    fn file(&mut self, path: &Path) -> Result<Vec<u8>, SceneFileError> {
        let failed = |source| SceneFileError::Read { path: path.to_owned(), source };
        let bytes = std::fs::metadata(path).map_err(failed)?.len();
        let too_large =
            || SceneFileError::TooLarge { path: self.scene.to_owned(), most: self.most };
        let left = usize::try_from(bytes).ok().and_then(|bytes| self.left.checked_sub(bytes));
        self.left = left.ok_or_else(too_large)?;
        std::fs::read(path).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::fs;

    /// A triangle in a folder, its bytes in the file `bin` beside or below.
    fn triangle(folder: &Path, bin: &str) -> PathBuf {
        let corners: [f32; 9] = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        let bytes: Vec<u8> = corners.iter().flat_map(|x| x.to_le_bytes()).collect();
        let file = folder.join(bin);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
        let scene = json!({
            "asset": {"version": "2.0"}, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
            "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
            "accessors": [{
                "bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3",
            }],
            "bufferViews": [{"buffer": 0, "byteLength": 36}],
            "buffers": [{"byteLength": 36, "uri": bin}],
        });
        let path = folder.join("Triangle.GLTF");
        fs::write(&path, scene.to_string()).unwrap();
        path
    }

    #[test]
    fn a_gltf_is_packed_with_what_it_names_and_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = triangle(folder.path(), "data/a.bin");
        fs::write(folder.path().join("other.txt"), "not named").unwrap();
        let packed = pack_gltf(&path).unwrap().unwrap();
        assert_eq!(packed, pack_gltf(&path).unwrap().unwrap());
        let asset = Asset::load(&packed, None, &Limits::default()).unwrap();
        assert_eq!(asset.triangle_count(), 1);
        assert!(!packed.windows(9).any(|bytes| bytes == b"not named"));
    }

    #[test]
    fn a_camera_is_found_by_its_name_and_by_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cameras.gltf");
        let named = |names: &[&str]| {
            let nodes: Vec<_> =
                names.iter().map(|name| json!({"name": name, "camera": 0})).collect();
            let all: Vec<_> = (0..names.len()).collect();
            let scene = json!({
                "asset": {"version": "2.0"}, "scenes": [{"nodes": all}], "nodes": nodes,
                "cameras": [{"type": "perspective", "perspective": {"yfov": 0.8, "znear": 0.1}}],
            });
            fs::write(&path, scene.to_string()).unwrap();
        };
        named(&["wide", "close", "wide"]);
        assert_eq!(camera_named(&path, "close").unwrap(), 1);
        let unknown = camera_named(&path, "Close").unwrap_err().to_string();
        assert!(
            unknown.ends_with(r#"no camera named "Close"; it has 0 "wide", 1 "close", 2 "wide""#),
            "{unknown}"
        );
        let both = camera_named(&path, "wide").unwrap_err().to_string();
        assert!(both.contains(r#"2 cameras named "wide""#), "{both}");
        fs::write(&path, json!({"asset": {"version": "2.0"}}).to_string()).unwrap();
        assert!(camera_named(&path, "wide").unwrap_err().to_string().contains("has no camera"));
    }

    #[test]
    fn what_is_one_file_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let glb = folder.path().join("a.glb");
        assert!(pack_gltf(&glb).unwrap().is_none());
        let alone = folder.path().join("alone.gltf");
        fs::write(&alone, json!({"asset": {"version": "2.0"}}).to_string()).unwrap();
        assert!(pack_gltf(&alone).unwrap().is_none());
    }

    #[test]
    fn what_is_missing_or_lies_elsewhere_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = triangle(folder.path(), "a.bin");
        fs::remove_file(folder.path().join("a.bin")).unwrap();
        let missing = pack_gltf(&path).unwrap_err().to_string();
        assert!(missing.contains("a.bin cannot be read"), "{missing}");
        let elsewhere = tempfile::NamedTempFile::new().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("a.bin")).unwrap();
        assert!(matches!(pack_gltf(&path), Err(SceneFileError::Outside(_))));
        fs::write(
            &path,
            json!({"asset": {"version": "2.0"}, "images": [{"uri": "../a"}]}).to_string(),
        )
        .unwrap();
        let outside = pack_gltf(&path).unwrap_err().to_string();
        assert!(outside.contains("images[0].uri"), "{outside}");
    }
}
