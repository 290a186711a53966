//! One entry in the list of what a node takes part in.

use nearcast_core::id::ContentId;

use crate::progress::Phase;

/// A content that a node downloads or serves; see [`crate::Node::downloads`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The content's id, its BitTorrent v2 info hash.
    pub content: ContentId,
    /// Its suggested name. `None`: the manifest is not known yet. Not safe for a terminal.
    pub name: Option<String>,
    /// What the node does with it.
    pub state: ContentState,
    /// Part of `bytes_total`: bytes held and verified.
    pub bytes_have: u64,
    /// Bytes wanted; of a share, all. 0: not known yet.
    pub bytes_total: u64,
}

/// What a node does with a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentState {
    /// It is a download. Also one that is complete stays a download, until it is stopped.
    Download(Phase),
    /// It was shared, and is served.
    Share,
}
