//! Why metainfo is refused, a sentence a variant.

use super::FILES_MAX;
use crate::{
    content::{
        layout::LayoutError,
        paths::{NameError, PathError, RelativePath},
    },
    id::ContentId,
};

/// Metainfo that is not acceptable. Nothing was kept.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Over a limit.
    #[error("{what} is larger than {bytes_max} bytes")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit, in bytes.
        bytes_max: usize,
    },
    /// Another kind of file.
    #[error("this is no .torrent file, but something else")]
    NotMetainfo,
    /// No bencoding around the info dictionary.
    #[error("this .torrent is damaged or cut off: byte {at} is no bencoding")]
    Damaged {
        /// Where, counted from 0.
        at: usize,
    },
    /// The info dictionary is no bencoding, or not the canonical one.
    #[error("the info dictionary is not valid bencoding: {0}")]
    Bencode(#[from] bendy::decoding::Error),
    /// A key that may appear only once.
    #[error("the key \"{0}\" appears twice")]
    Twice(&'static str),
    /// Something follows the outermost dictionary.
    #[error("bytes follow the end of the metainfo")]
    TrailingBytes,
    /// A required key is missing.
    #[error("the key \"{0}\" is missing")]
    Missing(&'static str),
    /// A value has another type or range than BEP 52 gives it.
    #[error("the value of \"{0}\" is not what BitTorrent v2 allows")]
    Invalid(&'static str),
    /// Only the old format.
    #[error("this is a BitTorrent v1 torrent; only v2 and hybrid torrents can be verified block by block")]
    V1Only,
    /// A newer format.
    #[error("this torrent has meta version {0}; version 2 is supported")]
    Version(u64),
    /// The content's own name is bad.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The path of a file is bad.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A folder cannot hold a name twice.
    #[error("\"{0}\" appears twice in one folder")]
    SameName(RelativePath),
    /// A name would have to be a file and a folder.
    #[error("\"{0}\" is a file and a folder at once")]
    FileIsFolder(RelativePath),
    /// Symbolic links from strangers may lead anywhere.
    #[error("\"{0}\" is a symbolic link; links are not accepted")]
    Symlink(RelativePath),
    /// Over [`FILES_MAX`].
    #[error("more than {FILES_MAX} files")]
    TooManyFiles,
    /// There is nothing to distribute.
    #[error("no files")]
    NoFiles,
    /// Piece length or sizes are out of range.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A root without data, data without a root, or a root that belongs to a file of another
    /// length, too.
    #[error("the pieces root of \"{0}\" does not fit its length")]
    Root(RelativePath),
    /// The info dictionary is another content's.
    #[error("the metainfo is that of {found}, not of {expected}")]
    OtherContent {
        /// The content that was asked for.
        expected: ContentId,
        /// The content that came.
        found: ContentId,
    },
    /// The piece layer of a file is missing, too short or too long.
    #[error("the piece layer of \"{path}\" has {found} hashes instead of {expected}")]
    LayerLength {
        /// The file.
        path: RelativePath,
        /// Number of its pieces.
        expected: usize,
        /// Hashes that came.
        found: usize,
    },
    /// The piece layer of a file does not hash to its root.
    #[error("the piece layer of \"{0}\" does not match its pieces root")]
    LayerHash(RelativePath),
}
