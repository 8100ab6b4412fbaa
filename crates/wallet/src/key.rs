//! Key files, as Solana's own tools write them: a JSON list of 64 bytes.

use crate::error::WalletError;
use solana_keypair::Keypair;
use std::path::Path;
use tessera_durable::{Access, OsDisk, create_dir, write_file};

/// The key in a file, or a new one that is durable before it is used.
pub fn read_or_make(file: &Path) -> Result<Keypair, WalletError> {
    match std::fs::read_to_string(file) {
        Ok(text) => read(&text).map_err(|why| WalletError::NotAKey { path: file.to_owned(), why }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => make(file),
        Err(source) => Err(WalletError::Unreadable { path: file.to_owned(), source }),
    }
}

fn read(text: &str) -> Result<Keypair, String> {
    let bytes: Vec<u8> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Keypair::try_from(bytes.as_slice()).map_err(|error| error.to_string())
}

fn make(file: &Path) -> Result<Keypair, WalletError> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(WalletError::Randomness)?;
    let key = Keypair::new_from_array(secret);
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        create_dir(&OsDisk, folder)?;
    }
    let text = serde_json::to_string(&key.to_bytes().to_vec()).unwrap_or_default();
    write_file(&OsDisk, file, text.as_bytes(), Access::OwnerOnly)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use solana_signer::Signer as _;

    #[test]
    fn a_wallet_is_made_once_for_its_owner_only_and_a_damaged_one_is_told() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/wallet.json");
        let first = read_or_make(&file).unwrap().pubkey();
        assert_eq!(read_or_make(&file).unwrap().pubkey(), first);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        for damaged in ["[1, 2]", "nonsense", ""] {
            std::fs::write(&file, damaged).unwrap();
            let told = read_or_make(&file).unwrap_err().to_string();
            assert!(told.contains("no wallet's key file"), "{told}");
        }
    }
}
