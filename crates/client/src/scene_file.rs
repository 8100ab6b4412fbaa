//! A scene's file on this machine, as one that can be sent or rendered: a `.gltf` is packed into a
//! `.zip` with the files that it names, anything else is one file already.
//!
//! Only files below the `.gltf`'s own folder are read, whatever links lead to.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use tessera_scene::{Limits, SceneError, files_of_gltf, pack};

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
    /// The archive can't be made.
    #[error("{0}")]
    Pack(String),
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
    use tessera_scene::Asset;

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
