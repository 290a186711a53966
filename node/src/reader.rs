//! Reading a file of a download, also while it comes.
//!
//! A reader waits for the run that it needs next, and the engine hears where it is: so what it reads
//! next comes first. It keeps no store alive: a download ends whoever reads it.
//!
//! Invariant: `loading` is for the run at `position`.

mod playhead;

use std::{
    io::{self, SeekFrom},
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, ready},
    time::Instant,
};

use futures::{FutureExt, future::BoxFuture};
use nearcast_core::{
    id::{ContentKey, ReaderId},
    input::Reading,
    layout::{FileIndex, RunIndex},
    saturate::to_u32,
};
use tokio::{
    io::{AsyncRead, AsyncSeek, ReadBuf},
    sync::{mpsc, watch},
};

pub use self::playhead::Pace;
use self::playhead::Playhead;
use crate::{
    command::Command,
    store::{DiskStore, Store, StoreError, Whereabouts, Workers},
};

/// How fast a file is shown if nobody says it, in bytes a second: a film of 8 Mbit/s.
const RATE_ASSUMED: u64 = 1_000_000;

/// A file of a download; see [`Download::reader`](crate::Download::reader).
///
/// Reads give verified bytes alone. One that comes to a part which is not here waits for it; for
/// how long is up to the download. What a reader needs next comes before the rest of the content, and
/// soonest what it waits for; of more than four readers of a content, this holds for those who moved
/// last. It fails with
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the download ends before that, and with
/// [`InvalidData`](io::ErrorKind::InvalidData) if somebody else has changed the file on disk.
pub struct FileReader {
    source: Source,
    file: FileIndex,
    length: u64,
    position: u64,
    loaded: Option<Loaded>,
    loading: Option<BoxFuture<'static, io::Result<Loaded>>>,
    /// When the run that is loading was asked for.
    asked: Option<Instant>,
    playhead: Playhead,
    /// The engine has heard of the reader.
    is_told: bool,
}

/// A run in memory.
struct Loaded {
    /// Where it begins in the file.
    from: u64,
    bytes: Vec<u8>,
}

/// Where runs are read from.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) content: ContentKey,
    pub(crate) store: Weak<DiskStore>,
    pub(crate) workers: Workers,
    /// Changes when a run has come. Closed when the download ends.
    pub(crate) news: watch::Receiver<()>,
    pub(crate) commands: mpsc::Sender<Command>,
    /// The number by which the engine knows the reader.
    pub(crate) reader: ReaderId,
    /// How fast it is read, in bytes a second. 0: not known.
    pub(crate) rate: u32,
}

/// A number that no other reader of this process has had lately.
pub(crate) fn next_reader() -> ReaderId {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    ReaderId(NEXT.fetch_add(1, Ordering::Relaxed))
}

impl FileReader {
    /// Reads a file from its beginning.
    pub(crate) fn new(source: Source, file: FileIndex, length: u64) -> FileReader {
        FileReader {
            source,
            file,
            length,
            position: 0,
            loaded: None,
            loading: None,
            asked: None,
            playhead: Playhead::new(RATE_ASSUMED),
            is_told: false,
        }
    }

    /// Says how fast the file will be shown, in bytes a second: a film has its bitrate. What is read
    /// beyond that is taken for a buffer of whoever reads. Without it, 1 MB/s is assumed; 0: everything
    /// is needed as soon as it can be had.
    pub fn set_rate(&mut self, bytes_per_second: u64) {
        self.source.rate = if bytes_per_second == 0 { u32::MAX } else { to_u32(bytes_per_second) };
        self.playhead.set_rate(bytes_per_second);
    }

    /// How reading goes: the time to the first byte, and stalls.
    pub fn pace(&self) -> Pace {
        self.playhead.pace
    }

    /// The length of the file, in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The bytes at hand from `position` on. `None`: they have to be loaded.
    fn at_hand(&self) -> Option<&[u8]> {
        let loaded = self.loaded.as_ref()?;
        let skipped = usize::try_from(self.position.checked_sub(loaded.from)?).ok()?;
        loaded.bytes.get(skipped..).filter(|bytes| !bytes.is_empty())
    }
}

impl Drop for FileReader {
    /// The engine forgets the reader.
    fn drop(&mut self) {
        if !self.is_told {
            return;
        }
        let gone = self.source.command(None);
        let Err(mpsc::error::TrySendError::Full(gone)) = self.source.commands.try_send(gone) else { return };
        // Dropped outside of a runtime with many commands waiting, it is forgotten when others read.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let commands = self.source.commands.clone();
            runtime.spawn(async move { commands.send(gone).await });
        }
    }
}

impl AsyncRead for FileReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let reader = &mut *self;
        if reader.position >= reader.length || into.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if reader.at_hand().is_none() {
            let (source, file, position) = (&reader.source, reader.file, reader.position);
            let asked = *reader.asked.get_or_insert_with(Instant::now);
            let shown = reader.playhead.at(asked, position);
            reader.is_told = true;
            let load = || source.clone().load(file, (shown, position)).boxed();
            let loaded = ready!(reader.loading.get_or_insert_with(load).poll_unpin(context));
            (reader.loading, reader.asked) = (None, None);
            reader.loaded = Some(loaded?);
            reader.playhead.on_given(asked, Instant::now(), position);
        }
        let bytes = reader.at_hand().ok_or_else(ended)?;
        let bytes = &bytes[..bytes.len().min(into.remaining())];
        into.put_slice(bytes);
        reader.position += bytes.len() as u64;
        Poll::Ready(Ok(()))
    }
}

impl AsyncSeek for FileReader {
    /// Seeking beyond the end is no error: there is nothing to read there.
    fn start_seek(mut self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(distance) => self.length.checked_add_signed(distance),
            SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
        };
        let before = || io::Error::new(io::ErrorKind::InvalidInput, "that is before the file begins");
        let position = position.ok_or_else(before)?;
        if position != self.position {
            self.playhead.jump(position);
        }
        self.position = position;
        (self.loading, self.asked) = (None, None);
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Poll::Ready(Ok(self.position))
    }
}

impl Source {
    /// Waits for the run at this place of a file, and reads it. `shown` is how far the reader has come.
    async fn load(mut self, file: FileIndex, (shown, position): (u64, u64)) -> io::Result<Loaded> {
        self.announce(file, (shown, position)).await;
        loop {
            // What comes from now on is noticed below.
            drop(self.news.borrow_and_update());
            let store = self.store.upgrade().ok_or_else(ended)?;
            let (run, from) = run_at(&store, file, position).ok_or_else(ended)?;
            match store.whereabouts(run) {
                Whereabouts::Held => {
                    if let Some(bytes) = self.read(store, run).await? {
                        return Ok(Loaded { from, bytes });
                    }
                }
                // Not kept while waiting: the download may end meanwhile.
                Whereabouts::Missing => drop(store),
                Whereabouts::GivenUp => return Err(changed("the file was changed by somebody else")),
            }
            self.news.changed().await.map_err(|_| ended())?;
        }
    }

    /// Tells the engine where the reader is. A node that has stopped needs not hear of it.
    async fn announce(&self, file: FileIndex, (shown, position): (u64, u64)) {
        let Some(store) = self.store.upgrade() else { return };
        let places = (run_at(&store, file, shown), run_at(&store, file, position));
        let (Some((at, from)), Some((next, _))) = places else { return };
        let reading = Reading {
            at,
            offset: to_u32(shown.saturating_sub(from)),
            end: store.manifest().layout().file_runs(file).end,
            rate: self.rate,
            running: true,
            taken: next.get(),
        };
        drop(store);
        let _ = self.commands.send(self.command(Some(reading))).await;
    }

    fn command(&self, reading: Option<Reading>) -> Command {
        Command::Read { content: self.content, reader: self.reader, reading }
    }

    /// Reads a run. `None`: it was found to be bad, and comes again.
    async fn read(&self, store: Arc<DiskStore>, run: RunIndex) -> io::Result<Option<Vec<u8>>> {
        let read = move || {
            let mut bytes = Vec::new();
            store.get(run, &mut bytes).map(|_| bytes)
        };
        match self.workers.run(read).await.map_err(io::Error::other)? {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StoreError::Missing) => Ok(None),
            Err(error @ StoreError::Rotten { .. }) => {
                self.tell(error).await;
                Ok(None)
            }
            Err(error @ StoreError::Edited { .. }) => {
                let told = changed(&error.to_string());
                self.tell(error).await;
                Err(told)
            }
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// The node no longer offers what is bad, and fetches it again where it may.
    async fn tell(&self, error: StoreError) {
        // A node that has stopped offers nothing.
        let _ = self.commands.send(Command::Unreadable { content: self.content, error }).await;
    }
}

/// The run at a place of a file, and where it begins there. `None`: the file is shorter.
fn run_at(store: &DiskStore, file: FileIndex, position: u64) -> Option<(RunIndex, u64)> {
    let layout = store.manifest().layout();
    let runs = layout.file_runs(file);
    let number = u32::try_from(position / u64::from(layout.run_bytes())).ok()?;
    let run = runs.start.checked_add(number).filter(|run| runs.contains(run))?;
    let run = layout.run_index(run)?;
    Some((run, layout.run(run).offset))
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the download ended before this part was here")
}

fn changed(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
