//! What happens to the screen.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use nearcast_core::{asn::Asn, id::ContentId, manifest::Manifest};
use nearcast_node::{Holding, Progress};
use ratatui::crossterm::event::{KeyEvent, MouseEvent};

use crate::source::Named;

/// One event.
#[derive(Debug)]
pub(crate) enum Message {
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse was moved, clicked or turned.
    Mouse(MouseEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal has this many columns and rows.
    Size(u16, u16),
    /// Another second has passed.
    Second,
    /// The node told something.
    News(News),
    /// Lines of the log.
    Log(Vec<String>),
    /// The `.torrent` files that were found.
    Found(Vec<Offer>),
    /// A program that played a content has ended. The error is a sentence.
    Played(ContentId, Result<(), String>),
    /// What is open could not be written down. The sentence says why.
    NotSaved(String),
}

/// What the node tells.
#[derive(Debug)]
pub(crate) enum News {
    /// It is up.
    Up,
    /// It cannot go on. The sentence says why.
    Down(String),
    /// Downloads have gone on.
    Progress(Vec<(ContentId, Progress)>),
    /// The metainfo of a download is here.
    Manifest(ContentId, Arc<Manifest>),
    /// A download was begun.
    Begun(ContentId),
    /// A download has ended without its content. The sentence says why.
    Failed(ContentId, String),
    /// A download was left, as the user asked.
    Left(ContentId),
    /// Which parts of a download are here.
    Holding(ContentId, Holding),
    /// Names of networks.
    Networks(BTreeMap<Asn, String>),
    /// What a text names. A link comes with its metainfo once peers have told it.
    Looked(Result<Looked, String>),
}

/// What a text names.
#[derive(Clone, Debug)]
pub(crate) struct Looked {
    /// The link or the metainfo.
    pub(crate) named: Named,
    /// The metainfo. `None`: peers are still asked for it.
    pub(crate) manifest: Option<Arc<Manifest>>,
}

/// A content that could be downloaded.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    /// Where its `.torrent` lies.
    pub(crate) path: PathBuf,
    /// The content.
    pub(crate) content: ContentId,
    /// Its name, as its publisher wrote it.
    pub(crate) name: String,
    /// Its size, in bytes.
    pub(crate) bytes: u64,
    /// The number of its files.
    pub(crate) files: u32,
    /// The number of publishers whose signatures verify.
    pub(crate) signed: usize,
}
