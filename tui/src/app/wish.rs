//! What the user wants to have: a content, where to, and which of its files.

use std::path::PathBuf;

use nearcast_core::{id::ContentId, magnet::FileSelection};

use crate::source::Named;

/// A download that the user asks for.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// The link or the metainfo.
    pub(crate) named: Named,
    /// The folder that receives it.
    pub(crate) folder: PathBuf,
    /// The wanted files. `None`: all, or those that the link selects.
    pub(crate) files: Option<FileSelection>,
}

impl Wish {
    /// The content.
    pub(crate) fn content(&self) -> ContentId {
        self.named.content()
    }
}
