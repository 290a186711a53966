//! The other half of a data stream: a neighbour's requests come in, runs go out.
//!
//! One run is read from disk while the one before is written, no more, and only while few are read ahead
//! in all. A neighbour that takes nothing for a moment loses its buffers: the few bytes that come next are
//! kept for it, and the rest is read again when it has taken them.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nearcast_core::{id::ContentId, layout::RunIndex, message::Refusal, rates::Account};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, ReadHalf, WriteHalf, split},
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};
use tokio_util::{compat::FuturesAsyncReadCompatExt, sync::CancellationToken};

use super::{Buffers, Events, LinkId, TaskEvent, Wire};
use crate::{
    limit::{Limiter, Pass},
    net::InboundStream,
    store::{DiskStore, Store, Workers},
    wire::data::{Answer, Ask},
};

/// From the opening of the stream to its info hash.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// A neighbour that takes no byte for this long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// Answers that wait for one neighbour. The policy queues far fewer runs; refusals to somebody who asks
/// on and on without reading would have no end.
const DUE_MAX: usize = 1024;

/// Runs read ahead for neighbours that are sent another one, in all: 16 MiB.
pub(crate) const READ_AHEAD_MAX: usize = 64;
/// A neighbour that takes nothing for this long is slow: its buffers are of more use to others.
const HOLD: Duration = Duration::from_millis(250);
/// What is kept for a slow one. Less = less memory, more = the rest of the run is read again less often.
const MORSEL_BYTES: usize = 32 * 1024;

/// An answer that waits to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// This run.
    Run { request: u32, run: RunIndex },
    /// A no.
    Refusal { request: u32, why: Refusal },
}

/// What waits to be sent to one neighbour.
#[derive(Debug, Default)]
pub(crate) struct UploadQueue {
    due: Mutex<VecDeque<Due>>,
    more: Notify,
}

impl UploadQueue {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Due>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an answer; false, and nothing is added, if too many wait already.
    #[must_use]
    pub(crate) fn push(&self, due: Due) -> bool {
        let mut waiting = self.lock();
        if waiting.len() >= DUE_MAX {
            return false;
        }
        waiting.push_back(due);
        drop(waiting);
        self.more.notify_one();
        true
    }

    /// Takes back an answer that was not begun: the run that will not be sent.
    pub(crate) fn withdraw(&self, asked: u32) -> Option<RunIndex> {
        let mut due = self.lock();
        let named = |due: &Due| matches!(due, Due::Run { request, .. } if *request == asked);
        let at = due.iter().position(named)?;
        let Some(Due::Run { run, .. }) = due.remove(at) else { return None };
        // Answered all the same, so that the asker's count of open requests stays exact.
        due.push_back(Due::Refusal { request: asked, why: Refusal::Busy });
        Some(run)
    }

    /// Takes back every run that was not begun, and refuses it.
    pub(crate) fn refuse_all(&self) -> Vec<RunIndex> {
        let mut taken_back = Vec::new();
        for due in self.lock().iter_mut() {
            if let Due::Run { request, run } = *due {
                taken_back.push(run);
                *due = Due::Refusal { request, why: Refusal::Choked };
            }
        }
        taken_back
    }

    /// Takes back everything: the runs that will not be sent.
    pub(crate) fn clear(&self) -> Vec<RunIndex> {
        let run = |due: Due| if let Due::Run { run, .. } = due { Some(run) } else { None };
        self.lock().drain(..).filter_map(run).collect()
    }

    async fn next(&self) -> Due {
        loop {
            if let Some(due) = self.lock().pop_front() {
                return due;
            }
            self.more.notified().await;
        }
    }
}

/// Reads which content a data stream is about.
pub(crate) async fn receive(inbound: InboundStream, events: Events) {
    let InboundStream { peer, stream, .. } = inbound;
    let mut stream = stream.compat();
    let mut hash = [0; 32];
    if let Ok(Ok(_)) = timeout(HEADER_TIMEOUT, stream.read_exact(&mut hash)).await {
        // The driver is gone only when the node stops.
        let _ = events.send(TaskEvent::DataOffered { peer, content: ContentId(hash), stream }).await;
    }
}

/// Everything serving needs.
pub(crate) struct Serve {
    pub(crate) link: LinkId,
    pub(crate) queue: Arc<UploadQueue>,
    pub(crate) store: Arc<DiskStore>,
    pub(crate) workers: Workers,
    pub(crate) up: Limiter,
    /// Who pays for the bytes.
    pub(crate) account: Account,
    pub(crate) buffers: Buffers,
    /// One permit for each run read ahead.
    pub(crate) ahead: Arc<Semaphore>,
    pub(crate) events: Events,
}

/// An answer whose turn it is.
enum Next {
    /// This run, as the limits let it pass.
    Run { request: u32, run: RunIndex, pass: Pass, ahead: Option<Ahead> },
    /// A no.
    Refusal { request: u32, why: Refusal },
}

/// A run read before it is its turn.
struct Ahead {
    loaded: Loaded,
    _permit: OwnedSemaphorePermit,
}

/// A run in memory, as it goes out.
struct Loaded {
    header: Vec<u8>,
    bytes: Vec<u8>,
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
    // The end of the stream: the asker has all it wanted, or the link breaks with it.
    if let Err(error) = result {
        // The driver is gone only when the node stops.
        let stalled = error.kind() == io::ErrorKind::TimedOut;
        let _ = events.send(TaskEvent::LinkClosed { link, reason: error.to_string(), stalled }).await;
    }
}

impl Serve {
    async fn tell(&self, event: TaskEvent) -> io::Result<()> {
        self.events.send(event).await.map_err(|_| io::Error::other("the node stops"))
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
                Ask::Request { id, run } => TaskEvent::Wanted { link, request: id, run },
                Ask::Cancel { id } => TaskEvent::Withdrawn { link, request: id },
            })
            .await?;
        }
    }

    /// Takes answers from the queue, and reads ahead as far as there is room for that.
    async fn prepare(&self, ready: mpsc::Sender<Next>) -> io::Result<()> {
        loop {
            // Only together with the writer does the other end go.
            let place = ready.reserve().await.map_err(io::Error::other)?;
            place.send(match self.queue.next().await {
                Due::Refusal { request, why } => Next::Refusal { request, why },
                Due::Run { request, run } => self.begin(request, run).await?,
            });
        }
    }

    async fn begin(&self, request: u32, run: RunIndex) -> io::Result<Next> {
        let bytes = self.store.manifest().layout().run_length(run);
        let pass = self.up.begin(self.account, u64::from(bytes)).await;
        let Ok(permit) = self.ahead.clone().try_acquire_owned() else {
            return Ok(Next::Run { request, run, pass, ahead: None });
        };
        Ok(match self.load(request, run).await? {
            Ok(loaded) => Next::Run { request, run, pass, ahead: Some(Ahead { loaded, _permit: permit }) },
            Err(why) => Next::Refusal { request, why },
        })
    }

    /// Reads a run, or says why it is not to be had; then everybody else concerned is told.
    async fn load(&self, request: u32, run: RunIndex) -> io::Result<Result<Loaded, Refusal>> {
        let (store, mut buffer) = (self.store.clone(), self.buffers.take());
        let read = self.workers.run(move || {
            let proof = store.get(run, &mut buffer);
            (proof, buffer)
        });
        let (proof, bytes) = read.await.map_err(io::Error::other)?;
        match proof {
            Ok(proof) => {
                let length = bytes.len() as u32;
                let answer = Answer::Run {
                    id: request,
                    run: run.get(),
                    proof_hashes: proof.len() as u8,
                    bytes: length,
                };
                let mut header = Vec::with_capacity(Answer::BYTES + proof.len() * 32);
                header.extend_from_slice(&answer.encode());
                proof.iter().for_each(|hash| header.extend_from_slice(hash));
                Ok(Ok(Loaded { header, bytes }))
            }
            Err(error) => {
                self.buffers.give(bytes);
                let why = if error.is_passing() { Refusal::Busy } else { Refusal::Missing };
                self.tell(TaskEvent::Unreadable { link: self.link, run, error }).await?;
                Ok(Err(why))
            }
        }
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
            let (request, run, pass, ahead) = match next {
                Next::Run { request, run, pass, ahead } => (request, run, pass, ahead),
                Next::Refusal { request, why } => {
                    write(&mut writer, &refusal(request, why)).await?;
                    continue;
                }
            };
            let loaded = match ahead {
                // The permit goes back: what is being sent is not ahead.
                Some(ahead) => Ok(ahead.loaded),
                None => self.load(request, run).await?,
            };
            match loaded {
                Ok(loaded) => {
                    aside = self.send_run(&mut writer, (request, run), pass, loaded, &mut nexts).await?;
                }
                Err(why) => write(&mut writer, &refusal(request, why)).await?,
            }
        }
    }

    /// Sends a run, each portion when it is its turn; answers the one that had been read ahead, if it had to be
    /// set aside for that.
    async fn send_run(
        &self,
        writer: &mut WriteHalf<Wire>,
        (request, run): (u32, RunIndex),
        mut pass: Pass,
        loaded: Loaded,
        nexts: &mut mpsc::Receiver<Next>,
    ) -> io::Result<Option<Next>> {
        write(writer, &loaded.header).await?;
        let (mut bytes, mut sent, mut may_go, mut aside) = (loaded.bytes, 0, 0, None);
        let length = bytes.len();
        while sent < length {
            if sent == may_go {
                if sent > 0 {
                    flush_or_hold(writer).await?;
                }
                may_go = length.min(sent + pass.next().await as usize);
            }
            if let Ok(written) = timeout(HOLD, writer.write(&bytes[sent..may_go])).await {
                sent += some(written?)?;
                continue;
            }
            let morsel = bytes[sent..may_go.min(sent + MORSEL_BYTES)].to_vec();
            self.buffers.give(bytes);
            aside = aside.or_else(|| nexts.try_recv().ok()).map(|next| self.without_buffer(next));
            write(writer, &morsel).await?;
            sent += morsel.len();
            // If half of it is sent already, there is no other way to say so.
            let again = self.load(request, run).await?;
            bytes = again.map_err(|_| io::Error::other("a run went bad while it was sent"))?.bytes;
        }
        self.buffers.give(bytes);
        self.tell(TaskEvent::Uploaded { link: self.link, run, bytes: length as u32 }).await?;
        Ok(aside)
    }

    fn without_buffer(&self, next: Next) -> Next {
        if let Next::Run { request, run, pass, ahead } = next {
            ahead.into_iter().for_each(|ahead| self.buffers.give(ahead.loaded.bytes));
            return Next::Run { request, run, pass, ahead: None };
        }
        next
    }
}

fn refusal(request: u32, why: Refusal) -> [u8; Answer::BYTES] {
    Answer::Refused { id: request, why }.encode()
}

/// Nothing written is the end of a stream.
fn some(written: usize) -> io::Result<usize> {
    if written == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(written) }
}

fn unread() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the peer takes no data")
}

/// Sends what was written, so that the peer has it while we wait for the next turn. A peer that takes nothing
/// is the next write's affair, which holds no buffer for it.
async fn flush_or_hold(writer: &mut WriteHalf<Wire>) -> io::Result<()> {
    timeout(HOLD, writer.flush()).await.unwrap_or(Ok(()))
}

/// Writes it all, as long as some of it goes.
async fn write(writer: &mut WriteHalf<Wire>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = timeout(WRITE_TIMEOUT, writer.write(bytes)).await.map_err(|_| unread())??;
        bytes = &bytes[some(written)?..];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nearcast_core::layout::Layout;

    #[tokio::test]
    async fn a_withdrawn_answer_becomes_a_refusal() {
        let layout = Layout::new(16 << 10, [64 << 10]).unwrap();
        let run = |index| layout.run_index(index).unwrap();
        let queue = UploadQueue::default();
        assert!(queue.push(Due::Run { request: 1, run: run(0) }));
        assert!(queue.push(Due::Run { request: 2, run: run(1) }));
        assert_eq!(queue.withdraw(1), Some(run(0)));
        assert_eq!(queue.withdraw(1), None);
        assert_eq!(queue.next().await, Due::Run { request: 2, run: run(1) });
        assert_eq!(queue.next().await, Due::Refusal { request: 1, why: Refusal::Busy });
        assert!(queue.push(Due::Run { request: 3, run: run(2) }));
        assert_eq!(queue.refuse_all(), [run(2)]);
        assert_eq!(queue.next().await, Due::Refusal { request: 3, why: Refusal::Choked });
        assert!(queue.push(Due::Run { request: 4, run: run(2) }));
        assert_eq!(queue.clear(), [run(2)]);
    }

    #[test]
    fn who_asks_without_reading_fills_the_queue_and_no_more() {
        let queue = UploadQueue::default();
        let refusal = |request| Due::Refusal { request, why: Refusal::Choked };
        assert!((0..DUE_MAX as u32).all(|request| queue.push(refusal(request))));
        assert!(!queue.push(refusal(9)));
    }
}
