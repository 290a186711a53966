//! A download as its owner sees it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use nearcast_core::manifest::Manifest;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{error::Elapsed, timeout},
};

use crate::{
    command::{Command, DownloadParts},
    error::DownloadError,
    progress::{Progress, Summary},
    vital::Vital,
};

/// How long a shutdown, or the stop of a download, waits for the disks. After that, pending work is
/// abandoned, and a warning is logged. Even the slowest disks write in this time the 64 MiB that a
/// download may hold back.
pub(crate) const DISKS_END_MAX: Duration = Duration::from_secs(30);
/// A failure is known at most this long after the loop has ended.
const FAILURE_TOLD: Duration = Duration::from_millis(100);

/// A download in progress. Dropping it does not stop it; [`Download::stop`] does.
pub struct Download {
    pub(crate) parts: DownloadParts,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) vital: Vital,
}

impl Download {
    /// The progress, updated several times a second.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.parts.progress.clone()
    }

    /// The manifest. `None`: it is not known yet.
    pub fn manifest(&self) -> Option<Arc<Manifest>> {
        self.parts.manifest.borrow().clone()
    }

    /// Waits until everything wanted is here, verified and durable. May be called any number of
    /// times, also at the same time, and also after the end.
    ///
    /// # Errors
    /// The reason why the download ended without its content; see [`DownloadError`].
    pub async fn finished(&self) -> Result<Summary, DownloadError> {
        let mut outcome = self.parts.outcome.clone();
        let ended = match outcome.wait_for(Option::is_some).await {
            Ok(ended) => ended.clone(),
            Err(_) => None,
        };
        match ended {
            Some(ended) => ended,
            // The driver is gone, and told of no end.
            None => Err(why_stopped(&self.vital).await),
        }
    }

    /// Waits until the seeding goal is reached.
    pub async fn seeded(&self) {
        // An error means that the node has stopped: it sends nothing more.
        let _ = self.parts.seeded.clone().wait_for(|&seeded| seeded).await;
    }

    /// Leaves the swarm. When this returns, what was received is durable, unless the disk does not
    /// answer for half a minute.
    pub async fn stop(self) {
        self.parts.cancelled.store(true, Ordering::Relaxed);
        let (reply, done) = oneshot::channel();
        let command = Command::Stop { content: self.parts.content, reply };
        let stopped = async {
            if self.commands.send(command).await.is_ok() {
                // An error means that the driver has ended already.
                let _ = done.await;
            }
        };
        say_abandoned("a download", &timeout(DISKS_END_MAX, stopped).await);
    }
}

/// Warns of a part that did not end in time. It is left to the end of the process.
pub(crate) fn say_abandoned<T>(what: &str, ended: &Result<T, Elapsed>) {
    if ended.is_err() {
        tracing::warn!(
            "{what} did not end in time, as a disk that does not answer may have it; it is abandoned"
        );
    }
}

/// Why the driver no longer answers. The driver is gone a moment before its failure is known.
pub(crate) async fn why_stopped(vital: &Vital) -> DownloadError {
    match timeout(FAILURE_TOLD, vital.failed()).await {
        Ok(failure) => DownloadError::Failed(failure),
        Err(_) => DownloadError::Stopped,
    }
}
