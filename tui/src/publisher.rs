//! Publishers as people name them: by public key, or by a file that holds it.

use std::{fs, io::Read, path::PathBuf, str::FromStr};

use nearcast_core::signature::{PublisherKey, PublisherKeyError};
use nearcast_node::key::{KeyError, is_secret_key};

use crate::error::CommandError;

/// The most that is read of a key file, in bytes. Larger than any key.
const FILE_BYTES_MAX: u64 = 4096;

/// The publisher whose signature is demanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Publisher {
    /// The public key, as `nearcast key show` prints it.
    Key(PublisherKey),
    /// A file that holds that text.
    File(PathBuf),
}

impl FromStr for Publisher {
    type Err = PublisherKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.contains("ed25519:") && !text.contains('/') {
            true => text.parse().map(Publisher::Key),
            false => Ok(Publisher::File(text.into())),
        }
    }
}

impl Publisher {
    /// The key itself; read from the file if there is one.
    ///
    /// # Errors
    /// The file cannot be read, or holds no public key.
    pub(crate) fn key(&self) -> Result<PublisherKey, CommandError> {
        let path = match self {
            Publisher::Key(key) => return Ok(*key),
            Publisher::File(path) => path,
        };
        let unreadable = |source| CommandError::Io { path: path.clone(), source };
        let mut bytes = Vec::new();
        let file = fs::File::open(path).map_err(unreadable)?;
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
        let unusable = |reason: String| KeyError::Unusable { path: path.clone(), reason };
        if is_secret_key(&bytes) {
            let reason = "it is a secret key; the public one is printed by: nearcast key show".to_owned();
            return Err(unusable(reason).into());
        }
        let text = String::from_utf8_lossy(&bytes);
        text.trim().parse().map_err(|error: PublisherKeyError| unusable(error.to_string()).into())
    }
}

#[cfg(test)]
mod tests {
    use nearcast_node::key::SecretKey;

    use super::*;

    #[test]
    fn a_publisher_is_named_by_key_or_by_a_file_that_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("publisher.key");
        let key = SecretKey::create(&secret).unwrap().public();
        let named = |text: &str| text.parse::<Publisher>().unwrap().key();
        assert_eq!(named(&key.to_string()).unwrap(), key);
        let public = folder.path().join("publisher.pub");
        fs::write(&public, format!("{key}\n")).unwrap();
        assert_eq!(named(&public.to_string_lossy()).unwrap(), key);
        assert!("ed25519:12".parse::<Publisher>().is_err());
    }

    #[test]
    fn a_file_without_a_public_key_is_refused_and_a_secret_one_explained() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("publisher.key");
        SecretKey::create(&secret).unwrap();
        let refused = |path: PathBuf| Publisher::File(path).key().unwrap_err();
        let error = refused(secret);
        assert_eq!(error.exit().code(), 24);
        assert!(error.to_string().contains("key show"), "{error}");
        let other = folder.path().join("other");
        fs::write(&other, [b'x'; 9_000]).unwrap();
        assert_eq!(refused(other).exit().code(), 24);
        assert_eq!(refused(folder.path().join("missing")).exit().code(), 17);
    }
}
