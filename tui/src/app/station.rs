//! The one door between the screen and the node.

use nearcast_core::id::ContentId;
use nearcast_node::DownloadLimits;

use super::wish::Wish;

/// What the screen asks of a node. Nothing here waits: what comes of it is told as
/// [`News`](super::message::News). Questions about one download are carried out in their order.
pub(crate) trait Station {
    /// Begins a download, or goes on with one that is paused.
    fn begin(&self, wish: Wish);
    /// Leaves a download, and keeps its files.
    fn stop(&self, content: ContentId);
    /// Pauses a download, or goes on with it.
    fn pause(&self, content: ContentId, paused: bool);
    /// Limits all downloads together.
    fn limit(&self, limits: DownloadLimits);
    /// Limits one download.
    fn limit_one(&self, content: ContentId, limits: DownloadLimits);
    /// Finds out what a text names, and which files that has.
    fn look(&self, text: String);
    /// Gives up what [`Station::look`] began.
    fn look_away(&self);
    /// Tells from now on which parts of this download are here.
    fn watch(&self, content: Option<ContentId>);
}
