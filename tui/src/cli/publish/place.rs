//! What lies where a `.torrent` is to be written.
//!
//! Only a `.torrent` is ever replaced: whoever names the data itself, or another file, by mistake,
//! keeps it.

use std::{fs, io::Read, path::Path};

use nearcast_core::manifest::TORRENT_BYTES_MAX;

use crate::error::CommandError;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// Something that looks like a `.torrent`: its bytes.
    Torrent(Vec<u8>),
}

/// Looks at a place. Reads no more than a `.torrent` can have, and nothing that is no file: a device
/// has no end, and a pipe waits for its writer.
///
/// # Errors
/// [`CommandError::NoTorrent`] if something else is there, or the error of the system.
pub(super) fn look(path: &Path) -> Result<Found, CommandError> {
    let failed = |source| CommandError::Io { path: path.to_owned(), source };
    let about = match fs::metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(failed(error)),
    };
    let other = || CommandError::NoTorrent(path.to_owned());
    if !about.is_file() || about.len() > TORRENT_BYTES_MAX as u64 {
        return Err(other());
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(TORRENT_BYTES_MAX as u64).read_to_end(&mut bytes).map_err(failed)?;
    match bytes.as_slice() {
        // An empty file is what a disk that was full leaves.
        [] | [b'd', b'0'..=b'9', ..] => Ok(Found::Torrent(bytes)),
        _ => Err(other()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_a_torrent_may_be_replaced_and_nothing_endless_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert_eq!(look(&at("new.torrent")).unwrap(), Found::Nothing);
        fs::write(at("old.torrent"), b"d4:infode").unwrap();
        assert_eq!(look(&at("old.torrent")).unwrap(), Found::Torrent(b"d4:infode".to_vec()));
        fs::write(at("empty"), b"").unwrap();
        assert_eq!(look(&at("empty")).unwrap(), Found::Torrent(Vec::new()));
        fs::write(at("film.mkv"), b"\x1aE\xdf\xa3").unwrap();
        fs::File::create(at("large")).unwrap().set_len(TORRENT_BYTES_MAX as u64 + 1).unwrap();
        for other in [at("film.mkv"), at("large"), folder.path().to_owned(), "/dev/zero".into()] {
            let refused = look(&other).unwrap_err();
            assert!(matches!(refused, CommandError::NoTorrent(_)), "{refused}");
        }
    }
}
