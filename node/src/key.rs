//! A publisher's key: a file that only its owner can read, and the signatures made with it.
//!
//! The file has the same form as the identity of a node
//! ([`NodeConfig::identity`](crate::config::NodeConfig::identity)): libp2p's encoding of an ed25519
//! key pair. Signed messages begin with a context string, so one key could serve for both. A key
//! for each is better, as a node's key lies on a machine that can be reached from everywhere.

use std::path::Path;

use libp2p::identity::ed25519;
use nearcast_core::{
    id::ContentId,
    signature::{PublisherKey, Signature},
};

pub use crate::error::KeyError;
use crate::net::identity::{self, Exposure};

/// The secret half of the key. It is never printed.
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
    /// Creates a key in a new file, which only its owner can read.
    ///
    /// # Errors
    /// [`KeyError::Exists`] if something is there already, which stays as it is.
    /// [`KeyError::Unusable`] if the file cannot be written; then none is left.
    pub fn create(path: &Path) -> Result<SecretKey, KeyError> {
        SecretKey::of(path, identity::create(path)?)
    }

    /// Reads the key in a file.
    ///
    /// # Errors
    /// [`KeyError::Unusable`] if the file holds no key, cannot be read, or can be read by others: a
    /// reader can publish in the owner's name. A group may read the file only if root owns it, as
    /// with systemd credentials and container secrets.
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

    /// The public half, which verifies signatures.
    pub fn public(&self) -> PublisherKey {
        self.public
    }

    /// Signs a content.
    pub fn sign(&self, content: ContentId) -> Signature {
        Signature::sign(&self.seed, content)
    }
}

/// Checks that the key in an existing file can be a node's identity.
///
/// # Errors
/// [`KeyError::Unusable`] if the file holds no key, cannot be read, or can be read or replaced by
/// others.
pub fn check_identity(path: &Path) -> Result<(), KeyError> {
    identity::load_identity(path).map(drop)
}

/// Whether the bytes of a file look like a secret key. Guards against a key file that was named by
/// mistake.
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
