//! What the screen wants to be done: data, which its runner carries out.

use nearcast_core::id::ContentId;
use nearcast_node::DownloadLimits;

use super::wish::Wish;
use crate::exit::Exit;

/// One thing to do.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// Begin a download.
    Begin(Wish),
    /// End a download, and keep its files.
    Stop(ContentId),
    /// Pause a download, or go on with it.
    Pause(ContentId, bool),
    /// Limit all downloads together.
    Limit(DownloadLimits),
    /// Limit one download.
    LimitOne(ContentId, DownloadLimits),
    /// Find out what a text names, and which files it has.
    Look(String),
    /// The answer to `Look` is not waited for any more.
    LookAway,
    /// Tell which parts of this download are here, from now on. `None`: of none.
    Watch(Option<ContentId>),
    /// Look for `.torrent` files.
    Scan,
    /// Play a content in another program. Our node has left it already.
    Play(Wish),
    /// Write down what is open.
    Save,
    /// Draw everything anew.
    Redraw,
    /// Stop this process, as Ctrl-Z does.
    Suspend,
    /// End with this code.
    Quit(Exit),
}
