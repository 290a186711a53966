//! The key that makes a node itself: an ed25519 key in a file only its owner can read.
//!
//! The bytes are libp2p's own encoding of a key pair, so other libp2p programs can read the file.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use libp2p::identity::{KeyType, Keypair};

use crate::error::{KeyError, StartError};

/// Larger than any key; a file beyond it is none.
const FILE_BYTES_MAX: u64 = 4096;

/// A key of this run's own: two runs cannot be linked.
pub(crate) fn generate() -> Keypair {
    Keypair::generate_ed25519()
}

/// The key in `path`, made first if there is no such file.
pub(crate) fn load_or_create(path: &Path) -> Result<Keypair, StartError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match create(path) {
            // Another process was quicker: then its key is the key.
            Err(KeyError::Exists(_)) => load_identity(path),
            created => Ok(created?),
        },
        _ => load_identity(path),
    }
}

/// A node whose key leaks is impersonated, which costs others little: this is said, and no reason to refuse.
fn load_identity(path: &Path) -> Result<Keypair, StartError> {
    let keypair = load(path)?;
    if is_readable_by_others(path) {
        tracing::warn!(path = %path.display(), "other users can read this key; chmod 600 it");
    }
    Ok(keypair)
}

/// The key in `path`.
pub(crate) fn load(path: &Path) -> Result<Keypair, KeyError> {
    let bytes = read(path).map_err(|error| unusable(path, error.to_string()))?;
    let keypair = Keypair::from_protobuf_encoding(&bytes)
        .map_err(|_| unusable(path, "the file holds no libp2p key".to_owned()))?;
    if keypair.key_type() != KeyType::Ed25519 {
        return Err(unusable(path, "the key is not an ed25519 key".to_owned()));
    }
    Ok(keypair)
}

/// A new key in `path`, which must not exist. Either the whole file is there afterwards, or none.
pub(crate) fn create(path: &Path) -> Result<Keypair, KeyError> {
    let keypair = generate();
    let bytes = keypair.to_protobuf_encoding().map_err(|error| unusable(path, error.to_string()))?;
    write_new(path, &bytes).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => KeyError::Exists(path.to_owned()),
        _ => unusable(path, error.to_string()),
    })?;
    Ok(keypair)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let length = fs::metadata(path)?.len();
    if length > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is too large for a key"));
    }
    fs::read(path)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut number = [0; 8];
    getrandom::fill(&mut number).map_err(io::Error::other)?;
    let temporary = folder.join(format!(".nearcast-key-{:016x}", u64::from_le_bytes(number)));
    let written = write_private(&temporary, bytes)
        // A link, unlike a rename, never replaces a key that is there.
        .and_then(|()| fs::hard_link(&temporary, path))
        .and_then(|()| fs::File::open(&folder)?.sync_all());
    let removed = fs::remove_file(&temporary);
    written.and(removed)
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Whether the file's mode lets anybody but its owner at it.
pub(crate) fn is_readable_by_others(path: &Path) -> bool {
    #[cfg(unix)]
    if let Ok(metadata) = fs::metadata(path) {
        return std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0;
    }
    false
}

fn unusable(path: &Path, reason: String) -> KeyError {
    KeyError::Unusable { path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_a_restart_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        let first = load_or_create(&path).unwrap();
        let second = load_or_create(&path).unwrap();
        assert_eq!(first.public(), second.public());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_key_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        let first = create(&path).unwrap();
        assert!(matches!(create(&path), Err(KeyError::Exists(_))));
        assert_eq!(load(&path).unwrap().public(), first.public());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn starters_at_the_same_moment_agree_on_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let starters: Vec<_> =
                (0..8).map(|_| scope.spawn(|| load_or_create(&path).unwrap().public())).collect();
            starters.into_iter().map(|starter| starter.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn a_file_that_is_no_key_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        for bytes in [&b""[..], b"not a key", &[0; 5000]] {
            fs::write(&path, bytes).unwrap();
            let error = load_or_create(&path).unwrap_err().to_string();
            assert!(error.contains("node.key"), "{error}");
        }
        let missing = folder.path().join("no-such-folder/node.key");
        assert!(load_or_create(&missing).is_err());
    }
}
