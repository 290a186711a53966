//! A download as its owner sees it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use nearcast_core::{id::ContentId, manifest::Manifest};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{error::Elapsed, timeout},
};

use crate::{
    command::{Command, DownloadParts},
    config::DownloadLimits,
    error::{DownloadError, ReaderError},
    holding::Holding,
    progress::{Progress, Summary},
    reader::{FileReader, Source, next_reader},
    store::{Store, Workers},
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
    pub(crate) workers: Workers,
    pub(crate) vital: Vital,
}

impl Download {
    /// The content's id.
    pub fn content(&self) -> ContentId {
        self.parts.id
    }

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

    /// Leaves the swarm until [`Download::resume`], and keeps everything. Neighbours and directories
    /// are told, nobody is asked or served, and patience does not run.
    ///
    /// When this returns, the phase is [`Phase::Paused`](crate::Phase::Paused). Runs that were on
    /// their way may still come for some seconds; like all others, they are durable soon after.
    /// Files that are being checked are checked to the end, and a content whose last run is here is
    /// finished: then [`Download::finished`] ends. Until then it waits on. The time of
    /// [`SeedGoal::Time`](crate::SeedGoal::Time) runs on.
    ///
    /// Does nothing if the download is paused already, or has ended.
    ///
    /// ```
    /// # use nearcast_node::{Download, Phase};
    /// # async fn at_night(download: &Download) {
    /// download.pause().await;
    /// assert_eq!(download.progress().borrow().phase, Phase::Paused);
    /// # }
    /// ```
    pub async fn pause(&self) {
        self.set_paused(true).await;
    }

    /// Goes on after [`Download::pause`] with what is here; nothing is hashed again. Patience begins
    /// anew. Does nothing if the download is not paused, or has ended.
    ///
    /// ```
    /// # async fn in_the_morning(download: &nearcast_node::Download) {
    /// download.resume().await;
    /// # }
    /// ```
    pub async fn resume(&self) {
        self.set_paused(false).await;
    }

    async fn set_paused(&self, paused: bool) {
        let (reply, done) = oneshot::channel();
        let command = Command::Pause { content: self.parts.content, paused, reply };
        if self.commands.send(command).await.is_ok() {
            // An error means that the driver has ended: nothing moves any more.
            let _ = done.await;
        }
    }

    /// Replaces the limits on this download, at any moment. Limits of the node and its caps hold
    /// besides: the narrowest decides.
    ///
    /// ```
    /// # use nearcast_node::{Download, DownloadLimits};
    /// # async fn limit(download: &Download) {
    /// // At most 2 MB/s down, and as much up as the node allows.
    /// download.set_limits(DownloadLimits { down: Some(2_000_000), up: None }).await;
    /// # }
    /// ```
    pub async fn set_limits(&self, limits: DownloadLimits) {
        // A node that has stopped moves nothing.
        let _ = self.commands.send(Command::LimitDownload { content: self.parts.content, limits }).await;
    }

    /// Reads a file, also while it comes: `file` is its place in [`Manifest::files`], from 0. Waits
    /// until the metainfo is there and files on disk are checked.
    ///
    /// What is read next comes before the rest: see [`FileReader`].
    ///
    /// # Errors
    /// If there is no such file, if it is not among the wanted ones, or if the download ends first.
    ///
    /// ```
    /// use tokio::io::{AsyncReadExt, AsyncSeekExt};
    ///
    /// # async fn look(download: &nearcast_node::Download) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut film = download.reader(0).await?;
    /// film.seek(std::io::SeekFrom::End(-100)).await?;
    /// let mut last = Vec::new();
    /// film.read_to_end(&mut last).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn reader(&self, file: usize) -> Result<FileReader, ReaderError> {
        let mut opened = self.parts.store.clone();
        let store = match opened.wait_for(Option::is_some).await {
            Ok(store) => store.clone(),
            Err(_) => None,
        };
        let Some(store) = store.and_then(|store| store.upgrade()) else {
            return Err(ReaderError::Ended(self.finished().await.err().unwrap_or(DownloadError::Stopped)));
        };
        let layout = store.manifest().layout();
        let index = u32::try_from(file).ok().and_then(|file| layout.file_index(file));
        let Some(index) = index else {
            return Err(ReaderError::NoSuchFile { file, files: store.manifest().files().len() });
        };
        if !store.wants(index) {
            return Err(ReaderError::NotWanted(file));
        }
        let source = Source {
            content: self.parts.content,
            store: Arc::downgrade(&store),
            workers: self.workers.clone(),
            news: self.parts.news.clone(),
            commands: self.commands.clone(),
            reader: next_reader(),
            rate: 0,
        };
        Ok(FileReader::new(source, index, layout.file_bytes(index)))
    }

    /// Which parts are here, for people: `cells` shares of the whole, and bytes of each file. Reads
    /// every run, so it is for a screen and not for a loop. `None`: the files are not opened yet, or
    /// the download has ended.
    ///
    /// ```
    /// # fn draw(download: &nearcast_node::Download) {
    /// if let Some(holding) = download.holding(80) {
    ///     let full = holding.cells.iter().filter(|&&share| share == 255).count();
    ///     println!("{full} of {} parts are here", holding.cells.len());
    /// }
    /// # }
    /// ```
    pub fn holding(&self, cells: usize) -> Option<Holding> {
        let store = self.parts.store.borrow().as_ref()?.upgrade()?;
        Some(Holding::of(store.manifest().layout(), &store.have(), cells))
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
