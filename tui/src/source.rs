//! The contents that a person names on the command line: a link, a content id, a `.torrent` file,
//! or a URL of such a file.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use nearcast_core::{
    id::ContentId,
    magnet::{Magnet, is_meant_as_link},
    manifest::{Manifest, TORRENT_BYTES_MAX},
    paths::printable,
    signature::PublisherKey,
};
use nearcast_node::{
    Source,
    proxy::Proxies,
    torrent_url::{self, Fetched},
};

use crate::error::CommandError;

/// A content as the user named it.
#[derive(Clone, Debug)]
pub(crate) enum Named {
    /// A link. The manifest must still be fetched.
    Link(Magnet),
    /// A `.torrent` that was read and checked.
    Torrent(Arc<Manifest>),
}

impl Named {
    /// Reads a link or a file. If a file has the name of a content id, the file is read.
    pub(crate) fn parse(text: &str) -> Result<Named, CommandError> {
        if text.trim().is_empty() {
            return Err(CommandError::BadOption(
                "an empty word names nothing: write a link, a .torrent file or a URL".to_owned(),
            ));
        }
        let is_scheme = text.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("magnet:"));
        if is_scheme || is_meant_as_link(text) && !Path::new(text).exists() {
            return Ok(Named::Link(text.parse()?));
        }
        Ok(Named::Torrent(Arc::new(read_torrent(Path::new(text))?)))
    }

    /// Like [`Named::parse`], but also fetches a URL.
    pub(crate) async fn find(text: &str, proxies: &Proxies) -> Result<Named, CommandError> {
        let trimmed = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"'));
        if !torrent_url::is_url(trimmed) {
            // On a thread of its own: a pipe that nobody writes to and a disk that hangs would else
            // keep signals from being heard.
            let text = text.to_owned();
            let parsed = tokio::task::spawn_blocking(move || Named::parse(&text)).await;
            return parsed.map_err(|error| CommandError::Io {
                path: PathBuf::from(trimmed),
                source: std::io::Error::other(error),
            })?;
        }
        match torrent_url::fetch(trimmed, proxies).await? {
            Fetched::Link(link) => Ok(Named::Link(link.parse()?)),
            Fetched::Bytes(bytes) => Named::of_bytes(&bytes, Path::new(&printable(trimmed))),
        }
    }

    /// Parses a `.torrent`. `from` names its origin in errors.
    pub(crate) fn of_bytes(bytes: &[u8], from: &Path) -> Result<Named, CommandError> {
        let unusable = |source| CommandError::Torrent { path: PathBuf::from(from), source };
        Ok(Named::Torrent(Arc::new(Manifest::parse(bytes).map_err(unusable)?)))
    }

    /// The id of the content.
    pub(crate) fn content(&self) -> ContentId {
        match self {
            Named::Link(magnet) => magnet.content,
            Named::Torrent(manifest) => manifest.content(),
        }
    }

    /// The link. `None`: the content was named by a `.torrent`.
    pub(crate) fn link(&self) -> Option<&Magnet> {
        match self {
            Named::Link(magnet) => Some(magnet),
            Named::Torrent(_) => None,
        }
    }

    /// The metainfo. `None`: the content was named by a link.
    pub(crate) fn manifest(&self) -> Option<&Arc<Manifest>> {
        match self {
            Named::Link(_) => None,
            Named::Torrent(manifest) => Some(manifest),
        }
    }

    /// The name, if known. It comes from strangers: not safe for a terminal.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Named::Link(magnet) => magnet.name.as_deref(),
            Named::Torrent(manifest) => Some(manifest.name()),
        }
    }

    /// The keys whose signatures in the `.torrent` do not verify.
    pub(crate) fn bad_signatures(&self) -> &[PublisherKey] {
        match self {
            Named::Link(_) => &[],
            Named::Torrent(manifest) => manifest.signatures().bad(),
        }
    }

    /// Turns this into the source that the node takes.
    pub(crate) fn into_source(self) -> Source {
        match self {
            Named::Link(magnet) => Source::Magnet(magnet),
            Named::Torrent(manifest) => Source::Manifest(manifest),
        }
    }
}

/// Reads a `.torrent`, at most as many bytes as a valid one may have.
pub(crate) fn read_torrent(path: &Path) -> Result<Manifest, CommandError> {
    let unreadable = |source| CommandError::Io { path: PathBuf::from(path), source };
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(unreadable)?;
    file.take(TORRENT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    Manifest::parse(&bytes).map_err(|source| CommandError::Torrent { path: PathBuf::from(path), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(hints: &str) -> Result<Named, CommandError> {
        Named::parse(&format!("magnet:?xt=urn:btmh:1220{}{hints}", "ab".repeat(32)))
    }

    #[test]
    fn a_link_names_its_content_and_perhaps_a_name() {
        let named = link("&dn=some%20name").unwrap();
        assert_eq!(named.content(), ContentId([0xab; 32]));
        assert_eq!(named.name(), Some("some name"));
        assert_eq!(link("").unwrap().name(), None);
    }

    #[test]
    fn a_content_id_is_a_link_unless_a_file_is_called_so() {
        let id = "ab".repeat(32);
        assert!(matches!(Named::parse(&id), Ok(Named::Link(_))));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(&id);
        fs::write(&file, b"x").unwrap();
        assert!(matches!(Named::parse(&file.to_string_lossy()), Err(CommandError::Torrent { .. })));
    }

    #[test]
    fn unusable_sources_end_with_the_right_code() {
        let folder = tempfile::tempdir().unwrap();
        let damaged = folder.path().join("damaged.torrent");
        fs::write(&damaged, b"d4:infod").unwrap();
        let code = |text: &str| Named::parse(text).unwrap_err().exit().code();
        assert_eq!(code("magnet:?dn=nothing"), 28);
        assert_eq!(code("MAGNET:?dn=nothing"), 28);
        assert_eq!(code(&damaged.to_string_lossy()), 28);
        assert_eq!(code(&folder.path().join("absent.torrent").to_string_lossy()), 17);
        assert_eq!(code(&folder.path().to_string_lossy()), 17);
    }
}
