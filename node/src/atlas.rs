//! An atlas on disk.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use nearcast_core::atlas::{ATLAS_BYTES_MAX, Atlas, AtlasError};

/// Why a file could not be loaded as an atlas.
#[derive(Debug, thiserror::Error)]
pub enum AtlasFileError {
    /// The file cannot be read.
    #[error("cannot read the atlas {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds no sound atlas.
    #[error("{}: {source}", path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: AtlasError,
    },
}

/// Reads and checks an atlas. Blocks: some tenths of a second for an atlas of the whole Internet.
///
/// # Errors
/// If the file cannot be read, or it holds no sound atlas.
pub fn load(path: &Path) -> Result<Arc<Atlas>, AtlasFileError> {
    let unreadable = |source| AtlasFileError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // One byte more than allowed, so that a file that is too large is reported as such.
    file.take((ATLAS_BYTES_MAX as u64).saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    let atlas =
        Atlas::decode(&bytes).map_err(|source| AtlasFileError::Bad { path: path.to_owned(), source })?;
    Ok(Arc::new(atlas))
}

#[cfg(test)]
mod tests {
    use nearcast_core::{asn::Asn, atlas::AtlasBuilder};

    use super::*;

    #[test]
    fn what_was_written_is_read_and_errors_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("here.atlas");
        let missing = load(&path).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read the atlas") && missing.contains("here.atlas"), "{missing}");
        let mut builder = AtlasBuilder::new(7);
        builder.prefix("127.1.0.0/16".parse().unwrap(), &[Asn(64_500)]);
        std::fs::write(&path, builder.build().encode()).unwrap();
        assert_eq!(load(&path).unwrap().origin("127.1.2.3".parse().unwrap()), Some(Asn(64_500)));
        std::fs::write(&path, "something else").unwrap();
        let bad = load(&path).unwrap_err().to_string();
        assert!(bad.contains("here.atlas: this is not an atlas"), "{bad}");
    }
}
