//! A publisher's key: a file that only its owner can read, and what it signs.
//!
//! The file has the same form as the one that makes a node itself (`--identity`): libp2p's encoding of an
//! ed25519 key pair. What is signed begins with a context string, so one key could serve for both; better
//! is one for each, as a node's key lies on the machine that is reachable from everywhere.

use std::path::Path;

use libp2p::identity::ed25519;
use nearcast_core::{
    id::ContentId,
    signature::{PublisherKey, Signature},
};

pub use crate::error::KeyError;
use crate::net::identity::{self, Exposure};

/// The secret half. It shows itself nowhere.
pub struct SecretKey {
    seed: [u8; 32],
    public: PublisherKey,
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey(of {})", self.public)
    }
}

impl SecretKey {
    /// A new key in a file of its own, which must not be there yet. Nobody but its owner can read it.
    ///
    /// # Errors
    /// [`KeyError::Exists`] if something is there, which stays as it is; [`KeyError::Unusable`] if the file
    /// cannot be written, and then there is none.
    pub fn create(path: &Path) -> Result<SecretKey, KeyError> {
        SecretKey::of(path, identity::create(path)?)
    }

    /// The key in a file.
    ///
    /// # Errors
    /// [`KeyError::Unusable`] if the file holds none, cannot be read, or can be read by others: whoever has
    /// it can publish in its owner's name. A group may read it only if it is owned by root, as credentials of systemd
    /// and secrets of containers are.
    pub fn load(path: &Path) -> Result<SecretKey, KeyError> {
        let (keypair, exposure) = identity::load(path)?;
        if exposure != Exposure::None {
            return Err(KeyError::Unusable { path: path.to_owned(), reason: exposure.reason(path) });
        }
        SecretKey::of(path, keypair)
    }

    fn of(path: &Path, keypair: libp2p::identity::Keypair) -> Result<SecretKey, KeyError> {
        let pair: ed25519::Keypair = keypair
            .try_into_ed25519()
            .map_err(|error| KeyError::Unusable { path: path.to_owned(), reason: error.to_string() })?;
        let mut seed = [0; 32];
        seed.copy_from_slice(pair.secret().as_ref());
        Ok(SecretKey { seed, public: PublisherKey(pair.public().to_bytes()) })
    }

    /// The half that others may know, and verify with.
    pub fn public(&self) -> PublisherKey {
        self.public
    }

    /// Signs a content.
    pub fn sign(&self, content: ContentId) -> Signature {
        Signature::sign(&self.seed, content)
    }
}

/// Whether a node could be made itself by the key in a file that is there.
///
/// # Errors
/// [`KeyError::Unusable`] if the file holds none, cannot be read, or can be read or replaced by others.
pub fn check_identity(path: &Path) -> Result<(), KeyError> {
    identity::load_identity(path).map(drop)
}

/// Whether the bytes of a file look like a secret key, so that one that was named by mistake is not taken
/// for something else.
pub fn is_secret_key(bytes: &[u8]) -> bool {
    libp2p::identity::Keypair::from_protobuf_encoding(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use nearcast_core::signature::Signatures;

    use super::*;

    #[test]
    fn what_a_key_signs_verifies_with_its_public_half() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("publisher.key");
        let made = SecretKey::create(&path).unwrap();
        let loaded = SecretKey::load(&path).unwrap();
        assert_eq!(made.public(), loaded.public());
        let content = ContentId([3; 32]);
        assert_eq!(made.sign(content), loaded.sign(content));
        assert!(Signatures::check(content, [made.sign(content)]).is_by(&[loaded.public()]));
        assert!(!format!("{made:?}").contains(&format!("{:?}", made.seed)), "secrets are not shown");
        assert!(is_secret_key(&std::fs::read(&path).unwrap()) && !is_secret_key(b"ed25519:00"));
    }

    #[test]
    fn a_key_is_private_or_not_used_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("publisher.key");
        let key = SecretKey::create(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(SecretKey::create(&path), Err(KeyError::Exists(_))));
        assert_eq!(SecretKey::load(&path).unwrap().public(), key.public());
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        let refused = SecretKey::load(&path).unwrap_err().to_string();
        assert!(refused.contains("chmod 600") && refused.contains("publisher.key"), "{refused}");
        let missing = SecretKey::load(&folder.path().join("missing"));
        assert!(matches!(missing, Err(KeyError::Unusable { .. })));
    }
}
