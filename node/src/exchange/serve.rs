//! The other half of a data stream: a neighbour's requests come in, runs go out.
//!
//! While one answer is written, at most the next one (a run, or several small ones) is read from
//! disk, and only while few are read ahead in total. A neighbour that takes no data for a moment
//! loses its buffers: a small part of the data that comes next is kept for it, and the rest is read
//! again when the neighbour has taken that part.

use std::{
    io,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub(crate) use nearcast_core::upload_queue::Due;
use nearcast_core::{
    id::ContentId, layout::RunIndex, message::Refusal, rates::Account, saturate::to_usize,
    upload_queue::Queue,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, ReadHalf, WriteHalf, split},
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};
use tokio_util::{compat::FuturesAsyncReadCompatExt, sync::CancellationToken};

use super::{Buffers, Gate, TOGETHER_MAX, gate::Place, load::Loaded};
use crate::{
    budget::Ticket,
    durations::Measured,
    events::{Events, LinkEvent, LinkId, RunEvent, TaskEvent, report},
    limit::{Limiter, Pass},
    net::{InboundStream, Wire},
    store::{DiskStore, Workers},
    wire::data::{Answer, Ask},
};

/// The time limit from opening the stream to its info hash.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// A neighbour that takes no byte for this long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// Runs read ahead for neighbours that are still being sent another run, in total: 16 MiB.
pub(crate) const READ_AHEAD_MAX: usize = 64;
/// A neighbour that takes nothing for this long is slow: others have more use for its buffers.
const HOLD: Duration = Duration::from_millis(250);
/// How much data is kept for a slow neighbour. Less saves memory; more means that the rest of the
/// run is read again less often.
const MORSEL_BYTES: usize = 32 * 1024;
/// A neighbour that takes no byte for this long holds up nobody else.
const STUCK: Duration = Duration::from_secs(4);

/// The answers waiting to be sent to one neighbour. The driver adds to them; a task sends them.
#[derive(Debug, Default)]
pub(crate) struct UploadQueue {
    due: Mutex<Queue>,
    more: Notify,
}

impl UploadQueue {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an answer. Returns false, and adds nothing, if too many are waiting.
    #[must_use]
    pub(crate) fn push(&self, due: Due) -> bool {
        let added = self.lock().push(due);
        if added {
            self.more.notify_one();
        }
        added
    }

    /// Takes back an answer that was not begun. Returns the run that will not be sent.
    pub(crate) fn withdraw(&self, asked: u32) -> Option<RunIndex> {
        self.lock().withdraw(asked)
    }

    /// Refuses every run that was not begun. Returns these runs.
    pub(crate) fn refuse_all(&self) -> Vec<RunIndex> {
        self.lock().refuse_all()
    }

    /// Removes all answers. Returns the runs that will not be sent.
    pub(crate) fn clear(&self) -> Vec<RunIndex> {
        self.lock().clear()
    }

    async fn next(&self) -> Due {
        loop {
            if let Some(due) = self.lock().pop() {
                return due;
            }
            self.more.notified().await;
        }
    }
}

/// Reads the content that a data stream is about.
pub(crate) async fn receive(inbound: InboundStream, place: Ticket, events: Events) {
    let InboundStream { peer, stream, .. } = inbound;
    let mut stream = stream.compat();
    let mut hash = [0; 32];
    let read = tokio::select! {
        () = place.evicted() => return,
        read = timeout(HEADER_TIMEOUT, stream.read_exact(&mut hash)) => read,
    };
    if let Ok(Ok(_)) = read {
        place.made();
        report(&events, LinkEvent::DataOffered { peer, content: ContentId(hash), stream }).await;
    }
}

/// Everything serving needs.
pub(crate) struct Serve {
    pub(crate) link: LinkId,
    pub(crate) queue: Arc<UploadQueue>,
    pub(crate) store: Arc<DiskStore>,
    pub(crate) workers: Workers,
    pub(crate) up: Limiter,
    pub(crate) gate: Gate,
    /// The account that the bytes are charged to.
    pub(crate) account: Account,
    pub(crate) buffers: Buffers,
    /// One permit for each run read ahead.
    pub(crate) ahead: Arc<Semaphore>,
    pub(crate) measured: Measured,
    pub(crate) events: Events,
}

/// A request: the asker's number for it, and the run.
pub(super) type Asked = (u32, RunIndex);

/// An answer whose turn has come.
enum Next {
    /// One run, or several small ones, sent as the limits let them pass.
    Runs { asked: Vec<Asked>, pass: Pass, ahead: Option<Ahead> },
    /// A refusal.
    Refusal { request: u32, why: Refusal },
}

/// Runs read before their turn.
struct Ahead {
    loaded: Loaded,
    _permit: OwnedSemaphorePermit,
}

/// Runs until the stream breaks or `cancel` is set.
pub(crate) async fn run(serve: Serve, stream: Wire, cancel: CancellationToken) {
    let (reader, writer) = split(stream);
    let (link, events) = (serve.link, serve.events.clone());
    let (ready, readies) = mpsc::channel(1);
    let result = tokio::select! {
        () = cancel.cancelled() => return,
        result = serve.listen(reader) => result,
        result = serve.prepare(ready) => result,
        result = serve.send(writer, readies) => result,
    };
    // Without an error the asker has all that it wanted. Otherwise the link breaks.
    if let Err(error) = result {
        // Sending fails only when the node stops.
        let stalled = error.kind() == io::ErrorKind::TimedOut;
        report(&events, LinkEvent::Closed { link, reason: error.to_string(), stalled }).await;
    }
}

impl Serve {
    pub(super) async fn tell(&self, event: impl Into<TaskEvent>) -> io::Result<()> {
        self.events.send(event.into()).await.map_err(|_| io::Error::other("the node stops"))
    }

    async fn listen(&self, reader: ReadHalf<Wire>) -> io::Result<()> {
        let mut reader = BufReader::new(reader);
        loop {
            let mut bytes = [0; Ask::BYTES];
            if reader.fill_buf().await?.is_empty() {
                // The asker wants no more: a clean end.
                return Ok(());
            }
            reader.read_exact(&mut bytes).await?;
            let link = self.link;
            self.tell(match Ask::decode(bytes)? {
                Ask::Request { id, run, exact } => RunEvent::Wanted { link, request: id, run, exact },
                Ask::Cancel { id } => RunEvent::Withdrawn { link, request: id },
            })
            .await?;
        }
    }

    /// Takes answers from the queue, and reads runs ahead as far as there is room for that.
    async fn prepare(&self, ready: mpsc::Sender<Next>) -> io::Result<()> {
        loop {
            // The receiver is dropped only together with this future.
            let place = ready.reserve().await.map_err(io::Error::other)?;
            let next = match self.queue.next().await {
                Due::Refusal { request, why } => Some(Next::Refusal { request, why }),
                Due::Run { request, run } => self.begin(request, run).await?,
            };
            if let Some(next) = next {
                place.send(next);
            }
        }
    }

    async fn begin(&self, request: u32, run: RunIndex) -> io::Result<Option<Next>> {
        let mut asked = vec![(request, run)];
        if self.is_small(run) {
            asked.extend(self.queue.lock().next_like(|run| self.is_small(run), TOGETHER_MAX - 1));
        }
        let bytes = asked.iter().map(|&(_, run)| self.sent_bytes(run)).sum();
        let pass = self.up.begin(self.account, bytes).await;
        let Ok(permit) = self.ahead.clone().try_acquire_owned() else {
            return Ok(Some(Next::Runs { asked, pass, ahead: None }));
        };
        let loaded = self.load(asked).await?;
        Ok(loaded.map(|loaded| {
            let asked = loaded.asked.clone();
            Next::Runs { asked, pass, ahead: Some(Ahead { loaded, _permit: permit }) }
        }))
    }

    async fn send(&self, mut writer: WriteHalf<Wire>, mut nexts: mpsc::Receiver<Next>) -> io::Result<()> {
        let mut aside = None;
        loop {
            let next = match aside.take().or_else(|| nexts.try_recv().ok()) {
                Some(next) => next,
                None => {
                    timeout(WRITE_TIMEOUT, writer.flush()).await.map_err(|_| unread())??;
                    match nexts.recv().await {
                        Some(next) => next,
                        None => return Ok(()),
                    }
                }
            };
            let (asked, pass, ahead) = match next {
                Next::Runs { asked, pass, ahead } => (asked, pass, ahead),
                Next::Refusal { request, why } => {
                    write(&mut writer, &refusal(request, why)).await?;
                    continue;
                }
            };
            let place = self.place(&mut writer).await?;
            let loaded = match ahead {
                // The permit is released here: a run being sent is no longer read ahead.
                Some(ahead) => Some(ahead.loaded),
                None => self.load(asked).await?,
            };
            if let Some(loaded) = loaded {
                aside = self.send_runs(&mut writer, (pass, place), loaded, &mut nexts).await?;
            }
        }
    }

    /// Waits for a place among the runs that go out. The peer gets what was written before.
    async fn place(&self, writer: &mut WriteHalf<Wire>) -> io::Result<Place> {
        if let Some(place) = self.gate.try_enter() {
            return Ok(place);
        }
        timeout(WRITE_TIMEOUT, writer.flush()).await.map_err(|_| unread())??;
        Ok(self.gate.enter().await)
    }

    /// Sends the loaded runs, each portion in its turn. Returns the answer that had been read
    /// ahead, if it had to be set aside.
    async fn send_runs(
        &self,
        writer: &mut WriteHalf<Wire>,
        (mut pass, mut place): (Pass, Place),
        loaded: Loaded,
        nexts: &mut mpsc::Receiver<Next>,
    ) -> io::Result<Option<Next>> {
        write(writer, &loaded.header).await?;
        let Loaded { asked, mut bytes, .. } = loaded;
        let (mut sent, mut may_go, mut aside) = (0_usize, 0, None);
        let length = bytes.len();
        while sent < length {
            if sent == may_go {
                if sent > 0 {
                    flush_or_hold(writer).await?;
                }
                may_go = length.min(sent.saturating_add(to_usize(pass.next().await)));
            }
            if let Ok(written) = timeout(HOLD, writer.write(&bytes[sent..may_go])).await {
                let written = some(written?)?;
                place.note_sent(written as u64);
                sent = sent.saturating_add(written);
                continue;
            }
            let morsel = bytes[sent..may_go.min(sent.saturating_add(MORSEL_BYTES))].to_vec();
            self.buffers.give(bytes);
            aside = aside.or_else(|| nexts.try_recv().ok()).map(|next| self.without_buffer(next));
            write_or_give_up(writer, &morsel, &mut place).await?;
            place.note_sent(morsel.len() as u64);
            sent = sent.saturating_add(morsel.len());
            // A part of the answer is already sent, so the only way to report an error is to end
            // the stream.
            let again = self.load(asked.clone()).await?.filter(|again| again.asked == asked);
            bytes = again.ok_or_else(|| io::Error::other("a run went bad while it was sent"))?.bytes;
        }
        self.buffers.give(bytes);
        place.end();
        for (_, run) in asked {
            let bytes = self.store.manifest().layout().run_length(run);
            self.tell(RunEvent::Uploaded { link: self.link, run, bytes }).await?;
        }
        Ok(aside)
    }

    fn without_buffer(&self, next: Next) -> Next {
        if let Next::Runs { asked, pass, ahead } = next {
            ahead.into_iter().for_each(|ahead| self.buffers.give(ahead.loaded.bytes));
            return Next::Runs { asked, pass, ahead: None };
        }
        next
    }
}

fn refusal(request: u32, why: Refusal) -> [u8; Answer::BYTES] {
    Answer::Refused { id: request, why }.encode()
}

/// Treats a write of no bytes as the end of the stream.
fn some(written: usize) -> io::Result<usize> {
    if written == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(written) }
}

fn unread() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the peer takes no data")
}

/// Flushes, so that the peer has the data while we wait for the next turn. If the peer takes
/// nothing, the next write handles that without holding a buffer.
async fn flush_or_hold(writer: &mut WriteHalf<Wire>) -> io::Result<()> {
    timeout(HOLD, writer.flush()).await.unwrap_or(Ok(()))
}

/// Writes all bytes. A peer that takes none for some time gives up its place.
async fn write_or_give_up(writer: &mut WriteHalf<Wire>, bytes: &[u8], place: &mut Place) -> io::Result<()> {
    let mut writing = pin!(write(writer, bytes));
    match timeout(STUCK, &mut writing).await {
        Ok(written) => written,
        Err(_) => {
            place.give_up();
            writing.await
        }
    }
}

/// Writes all bytes. Fails if the peer takes none for too long.
async fn write(writer: &mut WriteHalf<Wire>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = timeout(WRITE_TIMEOUT, writer.write(bytes)).await.map_err(|_| unread())??;
        bytes = &bytes[some(written)?..];
    }
    Ok(())
}
