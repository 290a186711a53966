//! Atlases on disk: read within bounds, and replaced as a whole or not at all.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use nearcast_core::atlas::{ATLAS_BYTES_MAX, Atlas, AtlasError};

/// Why an atlas could not be read or written. An existing file stays.
#[derive(Debug, thiserror::Error)]
pub enum AtlasFileError {
    /// An error with the file or its folder.
    #[error("cannot {verb} {path}: {source}", path = path.display())]
    Io {
        /// The operation.
        verb: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The file is not an atlas.
    #[error("{path}: {source}", path = path.display())]
    Atlas {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: AtlasError,
    },
}

/// Reads an atlas.
///
/// # Errors
/// If the file cannot be read, or is not an atlas.
pub fn read(path: &Path) -> Result<Atlas, AtlasFileError> {
    let failed = |source| AtlasFileError::Io { verb: "read", path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(ATLAS_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Atlas::decode(&bytes).map_err(|source| AtlasFileError::Atlas { path: path.to_owned(), source })
}

/// How every atlas begins, of whatever format.
const BEGINNING: &[u8; 7] = b"NCATLAS";

/// Whether the file is there and is no atlas, not even a damaged one. An empty file is none of
/// anybody's.
///
/// # Errors
/// If the file is there and cannot be read.
pub fn is_something_else(path: &Path) -> Result<bool, AtlasFileError> {
    let failed = |source| AtlasFileError::Io { verb: "read", path: path.to_owned(), source };
    match fs::metadata(path) {
        Ok(there) if there.is_file() => {}
        // Whether it can be written to is for the writing to say.
        _ => return Ok(false),
    }
    let mut beginning = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(BEGINNING.len() as u64).read_to_end(&mut beginning).map_err(failed)?;
    Ok(!BEGINNING.starts_with(&beginning))
}

/// Writes an atlas to a temporary file that then replaces `path`, so that a reader finds either the
/// old atlas or the new one whole. Returns its size in bytes.
///
/// # Errors
/// If it cannot be written, or would be too large to read.
pub fn write(path: &Path, atlas: &Atlas) -> Result<u64, AtlasFileError> {
    let bytes = atlas.encode();
    // Do not write an atlas that nobody could read.
    Atlas::decode(&bytes).map_err(|source| AtlasFileError::Atlas { path: path.to_owned(), source })?;
    replace(path, &bytes).map_err(|source| AtlasFileError::Io {
        verb: "write",
        path: path.to_owned(),
        source,
    })?;
    Ok(bytes.len() as u64)
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        // Replacing /dev/stdout by a file would affect everybody.
        Ok(there) if !there.is_file() => {
            return Err(io::Error::other("it is a pipe or a device; name a file"));
        }
        _ => {}
    }
    // Less what the umask removes: an atlas is not secret.
    let mode = fs::Permissions::from_mode(0o666);
    let mut part =
        tempfile::Builder::new().prefix(".atlas-").suffix(".part").permissions(mode).tempfile_in(folder)?;
    part.write_all(bytes)?;
    part.as_file().sync_all()?;
    part.persist(path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use nearcast_core::{asn::Asn, atlas::AtlasBuilder};

    use super::*;

    fn atlas(version: u64) -> Atlas {
        let mut builder = AtlasBuilder::new(version);
        builder.prefix("192.0.2.0/24".parse().unwrap(), &[Asn(64_500)]);
        builder.build()
    }

    #[test]
    fn what_is_no_atlas_is_told_from_a_damaged_one_and_from_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        assert!(!is_something_else(&path).unwrap(), "nothing is there");
        let damaged: [&[u8]; 3] = [b"", b"NCAT", b"NCATLAS1 cut"];
        let cases =
            damaged.map(|bytes| (bytes, false)).into_iter().chain([(&b"8.8.8.0/24\t15169\n"[..], true)]);
        for (bytes, is_other) in cases {
            fs::write(&path, bytes).unwrap();
            assert_eq!(is_something_else(&path).unwrap(), is_other, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_replaces_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("atlas");
        for version in [1, 2] {
            let bytes = write(&path, &atlas(version)).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().len(), bytes);
            assert_eq!(read(&path).unwrap(), atlas(version));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
    }

    #[test]
    fn a_failure_leaves_the_old_one_and_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = folder.path().join("missing/atlas");
        assert!(write(&nowhere, &atlas(1)).unwrap_err().to_string().starts_with("cannot write "));
        let error = write(folder.path(), &atlas(1)).unwrap_err();
        assert!(matches!(error, AtlasFileError::Io { .. }), "{error}");
        let device = write(Path::new("/dev/null"), &atlas(1)).unwrap_err();
        assert!(device.to_string().contains("name a file"), "{device}");
        let path = folder.path().join("atlas");
        assert!(read(&path).unwrap_err().to_string().starts_with("cannot read "));
        fs::write(&path, "something else").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("atlas build"));
    }
}
