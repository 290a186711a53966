//! Why a manifest did not come.

use std::io;

use nearcast_core::manifest::ManifestError;

/// Why a manifest did not come.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoManifest {
    /// The peer does not have it, or the stream broke.
    #[error("the peer gave no manifest: {0}")]
    Unavailable(String),
    /// The peer sent something else than the link names: a lie or a bug.
    #[error("the peer sent a false manifest: {0}")]
    False(ManifestError),
    /// The manifest is the one that the link names, but is not acceptable.
    #[error("{0}")]
    Unacceptable(ManifestError),
}

impl From<io::Error> for NoManifest {
    fn from(error: io::Error) -> NoManifest {
        NoManifest::Unavailable(error.to_string())
    }
}
