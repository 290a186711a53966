//! What a node's owner asks its driver for, and what a download's owner holds.

use std::{
    sync::{Arc, Weak, atomic::AtomicBool},
    time::Duration,
};

use nearcast_core::{
    atlas::Atlas,
    config::ConfigError,
    id::{ContentId, ContentKey, ReaderId},
    input::Reading,
    manifest::Manifest,
};
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};

use crate::{
    config::{Caps, DownloadLimits},
    error::{DownloadError, ShareError},
    fetch::{Fetch, Share, Shared},
    giving::Givings,
    listed::Listed,
    progress::{Progress, Summary},
    store::{DiskStore, StoreError},
};

/// A request of the node's owner.
pub(crate) enum Command {
    /// Begin a download.
    Fetch { fetch: Box<Fetch>, reply: oneshot::Sender<Result<DownloadParts, DownloadError>> },
    /// Serve a content.
    Share { share: Share, reply: oneshot::Sender<Result<Shared, ShareError>> },
    /// Stop serving a content.
    Unshare { content: ContentId },
    /// Leave a download.
    Stop { content: ContentKey, reply: oneshot::Sender<()> },
    /// Pause a download, or resume it.
    Pause { content: ContentKey, paused: bool, reply: oneshot::Sender<()> },
    /// Replace the rate limits of one download.
    LimitDownload { content: ContentKey, limits: DownloadLimits },
    /// A reader is there now. `None`: it is gone.
    Read { content: ContentKey, reader: ReaderId, reading: Option<Reading> },
    /// A run could not be read for the owner of a download, because it is bad.
    Unreadable { content: ContentKey, error: StoreError },
    /// List all contents.
    List { reply: oneshot::Sender<Vec<Listed>> },
    /// Give what the owner of a download holds.
    Find { content: ContentId, reply: oneshot::Sender<Option<DownloadParts>> },
    /// Replace the rate limits.
    Limit { up: Option<u64>, down: Option<u64> },
    /// Replace the caps.
    Cap { connections_max: u32, caps: Caps, reply: oneshot::Sender<Result<(), ConfigError>> },
    /// Use another atlas.
    Atlas(Arc<Atlas>),
    /// Report on the `max` busiest contents.
    Givings { max: usize, reply: oneshot::Sender<Givings> },
    /// Panic, to test how a failure of the loop is handled.
    #[cfg(test)]
    Fail,
    /// End everything. Saving may take `until`.
    Shutdown { grace: Duration, until: Instant, reply: oneshot::Sender<()> },
}

/// The end of a download. `None`: it has not ended.
pub(crate) type Outcome = Option<Result<Summary, DownloadError>>;

/// What the owner of a download holds.
pub(crate) struct DownloadParts {
    pub(crate) id: ContentId,
    pub(crate) content: ContentKey,
    pub(crate) progress: watch::Receiver<Progress>,
    pub(crate) manifest: watch::Receiver<Option<Arc<Manifest>>>,
    pub(crate) store: watch::Receiver<Option<Weak<DiskStore>>>,
    /// Changes when a run has come.
    pub(crate) news: watch::Receiver<()>,
    pub(crate) outcome: watch::Receiver<Outcome>,
    pub(crate) seeded: watch::Receiver<bool>,
    pub(crate) cancelled: Arc<AtomicBool>,
}
