//! The way from feeds to the keeper of the table.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use nearcast_bgp::{feed::News, rib::SessionId};
use tokio::sync::mpsc;

/// News that may wait for the keeper. When the queue is full, feeds wait in turn, and so do the
/// routers they listen to. With [`BATCH_MAX`] changes each, the queue takes some megabytes.
const NEWS_MAX: usize = 32;

/// The keeper of the table is gone: the program is about to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody keeps the table any more")]
pub(crate) struct Closed;

/// The end of the queue to the keeper through which feeds report news.
#[derive(Clone, Debug)]
pub(crate) struct FeedSender {
    news: mpsc::Sender<News>,
    next: Arc<AtomicU32>,
}

impl FeedSender {
    pub(crate) fn new() -> (FeedSender, mpsc::Receiver<News>) {
        let (news, keeper) = mpsc::channel(NEWS_MAX);
        (FeedSender { news, next: Arc::default() }, keeper)
    }

    /// A new session id.
    pub(crate) fn open(&self) -> SessionId {
        SessionId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) async fn tell(&self, news: News) -> Result<(), Closed> {
        self.news.send(news).await.map_err(|_| Closed)
    }

    /// As [`FeedSender::tell`], for threads that may block.
    pub(crate) fn tell_blocking(&self, news: News) -> Result<(), Closed> {
        self.news.blocking_send(news).map_err(|_| Closed)
    }
}
