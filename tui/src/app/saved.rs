//! What is written down between two runs of the screen.

use std::sync::Arc;

use nearcast_core::manifest::Manifest;
use nearcast_node::DownloadLimits;

use super::{downloads::Sort, wish::Wish};

/// What was open, and how it looked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Saved {
    /// The name of the theme that the user chose. `None`: the terminal decides.
    pub(crate) theme: Option<String>,
    /// The limits that the user set here. `None`: those of the settings.
    pub(crate) limits: Option<DownloadLimits>,
    /// The order of the list.
    pub(crate) sort: (Sort, bool),
    /// The downloads, in the order of adding.
    pub(crate) downloads: Vec<SavedDownload>,
}

/// One download.
#[derive(Clone, Debug)]
pub(crate) struct SavedDownload {
    /// What the user wants.
    pub(crate) wish: Wish,
    /// The metainfo, if it is known.
    pub(crate) manifest: Option<Arc<Manifest>>,
    /// Whether the user has paused it.
    pub(crate) paused: bool,
    /// Its own limits.
    pub(crate) limits: DownloadLimits,
    /// Bytes here and bytes wanted when it was last seen.
    pub(crate) seen: (u64, u64),
}
