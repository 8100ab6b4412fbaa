//! Whether a release is for this machine and signed by whom it trusts.

use super::{UpdateError, target};
use tessera_protocol::ReleaseKey;
use tessera_protocol::release::Release;

/// Whether a release may run here, as far as its description goes: signed by the pinned key, for this target,
/// and no longer than a program may be.
pub fn check(release: &Release, pinned: ReleaseKey) -> Result<(), UpdateError> {
    let version = release.version;
    if release.key != pinned {
        return Err(UpdateError::OtherKey { version, found: release.key, pinned });
    }
    if !release.is_signed() {
        return Err(UpdateError::NotSigned(version));
    }
    if release.target != target() {
        return Err(UpdateError::OtherTarget { version, found: release.target.clone() });
    }
    if release.bytes > Release::BYTES_MAX {
        return Err(UpdateError::TooLarge { version, bytes: release.bytes });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_protocol::BlobHash;
    use tessera_protocol::commit::NodeKey;

    const PROGRAM: &[u8] = b"a program, as it was signed";

    fn key() -> NodeKey {
        NodeKey::from_secret(&[1; 32])
    }

    fn pinned() -> ReleaseKey {
        ReleaseKey(key().node().0)
    }

    fn signed(target: &str, bytes: u64, key: &NodeKey) -> Release {
        let blake3 = BlobHash(*blake3::hash(PROGRAM).as_bytes());
        Release::sign("1.2.3".parse().unwrap(), target, (bytes, blake3), key)
    }

    #[test]
    fn only_what_the_pinned_key_signed_for_this_machine_may_run() {
        let release = signed(&target(), PROGRAM.len() as u64, &key());
        check(&release, pinned()).unwrap();
        let stranger = NodeKey::from_secret(&[2; 32]);
        let by_another = signed(&target(), 1, &stranger);
        assert!(matches!(check(&by_another, pinned()), Err(UpdateError::OtherKey { .. })));
        let in_anothers_name = Release { key: pinned(), ..by_another };
        assert!(matches!(check(&in_anothers_name, pinned()), Err(UpdateError::NotSigned(_))));
        let raised = Release { version: "9.0.0".parse().unwrap(), ..release };
        assert!(matches!(check(&raised, pinned()), Err(UpdateError::NotSigned(_))));
        let elsewhere = signed("riscv64gc-unknown-linux-gnu", 1, &key());
        assert!(matches!(check(&elsewhere, pinned()), Err(UpdateError::OtherTarget { .. })));
        let long = signed(&target(), Release::BYTES_MAX + 1, &key());
        assert!(matches!(check(&long, pinned()), Err(UpdateError::TooLarge { .. })));
    }
}
