//! The other half of a data stream: a neighbour's requests come in, runs go out.
//!
//! One run is read from disk while the one before is written, no more: a slow reader holds at most
//! three buffers.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nearcast_core::{id::ContentId, layout::RunIndex, message::Refusal};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, ReadHalf, WriteHalf, split},
    sync::{Notify, mpsc},
    time::timeout,
};
use tokio_util::{compat::FuturesAsyncReadCompatExt, sync::CancellationToken};

use super::{Buffers, Events, LinkId, TaskEvent, Wire};
use crate::{
    limit::Limiter,
    net::InboundStream,
    store::{DiskStore, Store, StoreError, Workers},
    wire::data::{Answer, Ask},
};

/// From the opening of the stream to its info hash.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// A neighbour that takes no byte for this long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// Answers that wait for one neighbour. The policy queues far fewer runs; refusals to somebody who asks
/// on and on without reading would have no end.
const DUE_MAX: usize = 1024;

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
    pub(crate) buffers: Buffers,
    pub(crate) events: Events,
}

/// A run read and ready to go.
struct Ready {
    header: Vec<u8>,
    body: Option<(RunIndex, Vec<u8>)>,
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

    async fn prepare(&self, ready: mpsc::Sender<Ready>) -> io::Result<()> {
        loop {
            let next = match self.queue.next().await {
                Due::Refusal { request, why } => refusal(request, why),
                Due::Run { request, run } => self.load(request, run).await?,
            };
            // Only together with the writer does the other end go.
            ready.send(next).await.map_err(io::Error::other)?;
        }
    }

    async fn load(&self, request: u32, run: RunIndex) -> io::Result<Ready> {
        let bytes = self.store.manifest().layout().run_length(run);
        self.up.acquire(self.link.content, self.link.peer, u64::from(bytes)).await;
        let (store, mut buffer) = (self.store.clone(), self.buffers.take());
        let read = self.workers.run(move || {
            let proof = store.get(run, &mut buffer);
            (proof, buffer)
        });
        let (proof, buffer) = read.await.map_err(io::Error::other)?;
        match proof {
            Ok(proof) => {
                let answer =
                    Answer::Run { id: request, run: run.get(), proof_hashes: proof.len() as u8, bytes };
                let mut header = Vec::with_capacity(Answer::BYTES + proof.len() * 32);
                header.extend_from_slice(&answer.encode());
                proof.iter().for_each(|hash| header.extend_from_slice(hash));
                Ok(Ready { header, body: Some((run, buffer)) })
            }
            Err(error) => {
                self.buffers.give(buffer);
                self.on_unreadable(run, error).await?;
                Ok(refusal(request, Refusal::Missing))
            }
        }
    }

    async fn on_unreadable(&self, run: RunIndex, error: StoreError) -> io::Result<()> {
        tracing::error!(%error, run = run.get(), "a run could not be served");
        self.tell(TaskEvent::Uploaded { link: self.link, run, bytes: 0 }).await?;
        let runs = match error {
            StoreError::Rotten { lost, .. } => lost,
            StoreError::Missing | StoreError::Full { .. } | StoreError::Io { .. } => vec![run],
        };
        self.tell(TaskEvent::RunsLost { content: self.link.content, runs }).await
    }

    async fn send(&self, mut writer: WriteHalf<Wire>, mut readies: mpsc::Receiver<Ready>) -> io::Result<()> {
        let mut next = readies.recv().await;
        while let Some(Ready { header, body }) = next {
            write(&mut writer, &header).await?;
            if let Some((run, buffer)) = body {
                write(&mut writer, &buffer).await?;
                let bytes = buffer.len() as u32;
                self.buffers.give(buffer);
                self.tell(TaskEvent::Uploaded { link: self.link, run, bytes }).await?;
            }
            next = match readies.try_recv() {
                Ok(ready) => Some(ready),
                Err(_) => {
                    timeout(WRITE_TIMEOUT, writer.flush()).await.map_err(|_| unread())??;
                    readies.recv().await
                }
            };
        }
        Ok(())
    }
}

fn refusal(request: u32, why: Refusal) -> Ready {
    Ready { header: Answer::Refused { id: request, why }.encode().to_vec(), body: None }
}

fn unread() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the peer takes no data")
}

/// Writes it all, as long as some of it goes.
async fn write(writer: &mut WriteHalf<Wire>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = timeout(WRITE_TIMEOUT, writer.write(bytes)).await.map_err(|_| unread())??;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
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
