//! The key that this master's receipts are signed with: made at the first start, and never again.

use anyhow::{Context as _, bail};
use std::path::Path;
use tessera_durable::{Access, OsDisk};
use tessera_protocol::commit::NodeKey;

/// In the state folder, readable by its owner only.
const KEY_FILE: &str = "master.key";

/// Reads the key, or makes it where there is none.
pub(crate) fn open(state: &Path) -> anyhow::Result<NodeKey> {
    let path = state.join(KEY_FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let mut secret = [0; 32];
            if hex::decode_to_slice(text.trim(), &mut secret).is_err() {
                bail!(
                    "{} does not hold a key: restore it from a backup, or remove it and lose what \
                     older receipts are checked against",
                    path.display()
                );
            }
            Ok(NodeKey::from_secret(&secret))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = NodeKey::generate()
                .map_err(|error| anyhow::anyhow!("the system gives no randomness: {error}"))?;
            let text = hex::encode(key.secret());
            tessera_durable::write_file(&OsDisk, &path, text.as_bytes(), Access::OwnerOnly)?;
            Ok(key)
        }
        Err(error) => Err(error).with_context(|| format!("could not read {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_keeps_its_key_and_a_damaged_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(folder.path()).unwrap().node();
        assert_eq!(open(folder.path()).unwrap().node(), first);
        std::fs::write(folder.path().join(KEY_FILE), "damaged").unwrap();
        let told = open(folder.path()).unwrap_err().to_string();
        assert!(told.contains("restore it"), "{told}");
    }
}
