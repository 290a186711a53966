//! Our half of a data stream: requests go out, runs come in, are verified and stored.
//!
//! Reading goes on while earlier runs are hashed and written by the workers; a permit per run bounds
//! how many buffers that takes beside the one each link reads into. Every request is answered once, so the count of open ones is exact.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use libp2p::{PeerId, swarm::ConnectionId};
use nearcast_core::{
    id::{ContentId, Hash},
    input::RunFailure,
    layout::RunIndex,
    manifest::Manifest,
    merkle,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split},
    sync::{Semaphore, mpsc},
    time::timeout,
};
use tokio_util::{compat::FuturesAsyncReadCompatExt, sync::CancellationToken, task::TaskTracker};

use super::{Buffers, Events, LinkId, TaskEvent, Wire};
use crate::{
    limit::Limiter,
    net::Network,
    store::{DiskStore, Store, StoreError, Workers},
    wire::{
        DATA,
        data::{Answer, Ask, read_proof},
    },
};

/// Requests that wait to be written; the policy keeps far fewer in flight.
pub(crate) const ASKS_WAITING_MAX: usize = 1024;
/// No byte for this long while something is asked for: the stream is dead, whatever it says.
const STALL: Duration = Duration::from_secs(20);
/// How often the driver hears that bytes come, if slowly.
const RECEIVING_EVERY: Duration = Duration::from_secs(3);

/// Everything a fetch needs.
pub(crate) struct Fetch {
    pub(crate) link: LinkId,
    pub(crate) network: Network,
    pub(crate) peer: PeerId,
    pub(crate) connection: ConnectionId,
    pub(crate) content: ContentId,
    pub(crate) tools: Tools,
}

/// What the runs of one content go through.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) store: Arc<DiskStore>,
    pub(crate) workers: Workers,
    pub(crate) down: Limiter,
    pub(crate) buffers: Buffers,
    /// Runs being hashed or written, all links together.
    pub(crate) in_hand: Arc<Semaphore>,
    pub(crate) events: Events,
    pub(crate) tasks: TaskTracker,
}

/// What asker and reader share.
struct Open {
    count: AtomicU32,
    started: Instant,
    /// Milliseconds after `started` of the last request.
    last_ask_ms: AtomicU32,
}

impl Open {
    fn note_ask(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.last_ask_ms.store(self.started.elapsed().as_millis() as u32, Ordering::Relaxed);
    }

    /// Whether silence means that something is wrong.
    fn is_overdue(&self) -> bool {
        let since_ask = (self.started.elapsed().as_millis() as u32)
            .wrapping_sub(self.last_ask_ms.load(Ordering::Relaxed));
        self.count.load(Ordering::Relaxed) > 0 && u128::from(since_ask) >= STALL.as_millis()
    }
}

/// Runs until the stream breaks, the driver drops `asks`, or `cancel` is set.
pub(crate) async fn run(fetch: Fetch, mut asks: mpsc::Receiver<Ask>, cancel: CancellationToken) {
    let (link, events) = (fetch.link, fetch.tools.events.clone());
    // No stream before there is something to ask: most links of a seed never need one.
    let Some(first) = (tokio::select! {
        () = cancel.cancelled() => None,
        ask = asks.recv() => ask,
    }) else {
        return;
    };
    let error = tokio::select! {
        () = cancel.cancelled() => return,
        result = fetch.exchange(first, asks) => match result {
            Ok(()) => return,
            Err(error) => error,
        },
    };
    let stalled = error.kind() == io::ErrorKind::TimedOut;
    // The driver is gone only when the node stops.
    let _ = events.send(TaskEvent::LinkClosed { link, reason: error.to_string(), stalled }).await;
}

impl Fetch {
    async fn exchange(self, first: Ask, asks: mpsc::Receiver<Ask>) -> io::Result<()> {
        let stream = self.network.open(self.peer, self.connection, DATA).await.map_err(io::Error::other)?;
        let (reader, writer) = split(stream.compat());
        let open = Open { count: AtomicU32::new(0), started: Instant::now(), last_ask_ms: AtomicU32::new(0) };
        tokio::select! {
            result = self.ask(writer, first, asks, &open) => result,
            result = self.read(reader, &open) => result,
        }
    }

    async fn ask(
        &self,
        mut writer: WriteHalf<Wire>,
        first: Ask,
        mut asks: mpsc::Receiver<Ask>,
        open: &Open,
    ) -> io::Result<()> {
        let mut batch = Vec::with_capacity(64 * Ask::BYTES);
        batch.extend_from_slice(&self.content.0);
        let mut next = Some(first);
        while let Some(ask) = next {
            if matches!(ask, Ask::Request { .. }) {
                open.note_ask();
            }
            batch.extend_from_slice(&ask.encode());
            next = asks.try_recv().ok();
            if next.is_none() || batch.len() > 60 * Ask::BYTES {
                writer.write_all(&batch).await?;
                writer.flush().await?;
                batch.clear();
            }
            if next.is_none() {
                next = asks.recv().await;
            }
        }
        writer.shutdown().await
    }

    async fn read(&self, mut reader: ReadHalf<Wire>, open: &Open) -> io::Result<()> {
        loop {
            let mut header = [0; Answer::BYTES];
            self.fill(&mut reader, &mut header, open).await?;
            match Answer::decode(header)? {
                Answer::Refused { id, why } => {
                    open.count.fetch_sub(1, Ordering::Relaxed);
                    self.tell(TaskEvent::Failed {
                        link: self.link,
                        request: id,
                        cause: RunFailure::Refused(why),
                    })
                    .await?;
                }
                Answer::Run { id, run, proof_hashes, bytes } => {
                    let layout = self.tools.manifest.layout();
                    let run = layout.run_index(run).filter(|&run| {
                        bytes == layout.run_length(run)
                            && usize::from(proof_hashes) == merkle::proof_length(layout, run)
                    });
                    let Some(run) = run else { return self.corrupt(id, 0).await };
                    self.receive(&mut reader, id, run, proof_hashes, bytes, open).await?;
                    open.count.fetch_sub(1, Ordering::Relaxed);
                }
            }
        }
    }

    async fn receive(
        &self,
        reader: &mut ReadHalf<Wire>,
        request: u32,
        run: RunIndex,
        proof_hashes: u8,
        bytes: u32,
        open: &Open,
    ) -> io::Result<()> {
        let tools = &self.tools;
        tools.down.acquire(self.link.content, self.link.peer, u64::from(bytes)).await;
        let proof = timeout(STALL, read_proof(reader, proof_hashes)).await.map_err(|_| stalled())??;
        let mut buffer = tools.buffers.take();
        buffer.resize(bytes as usize, 0);
        self.fill(reader, &mut buffer, open).await?;
        // Held until the run is stored, and not while it trickles in: slow senders must not use up what
        // the others need. The semaphore is never closed.
        let permit = tools.in_hand.clone().acquire_owned().await.map_err(io::Error::other)?;
        let (link, tools) = (self.link, tools.clone());
        self.tools.tasks.spawn(async move {
            let event = keep(&tools, link, request, run, buffer, proof).await;
            drop(permit);
            for event in event {
                // The driver is gone only when the node stops.
                let _ = tools.events.send(event).await;
            }
        });
        Ok(())
    }

    /// Fills `buffer`; an error when nothing comes for too long although something should.
    async fn fill(&self, reader: &mut ReadHalf<Wire>, buffer: &mut [u8], open: &Open) -> io::Result<()> {
        let (mut at, mut told) = (0, Instant::now());
        while at < buffer.len() {
            match timeout(STALL, reader.read(&mut buffer[at..])).await {
                Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(Ok(bytes)) => at += bytes,
                Ok(Err(error)) => return Err(error),
                Err(_) if at > 0 || open.is_overdue() => return Err(stalled()),
                Err(_) => {}
            }
            if at > 0 && told.elapsed() >= RECEIVING_EVERY {
                told = Instant::now();
                self.tell(TaskEvent::Receiving { link: self.link }).await?;
            }
        }
        Ok(())
    }

    async fn corrupt(&self, request: u32, bytes: u32) -> io::Result<()> {
        let cause = RunFailure::Corrupt { bytes };
        self.tell(TaskEvent::Failed { link: self.link, request, cause }).await?;
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the peer sent something that is no run of this content",
        ))
    }

    async fn tell(&self, event: TaskEvent) -> io::Result<()> {
        self.tools.events.send(event).await.map_err(|_| io::Error::other("the node stops"))
    }
}

fn stalled() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no data for 20 seconds")
}

/// Verifies and stores a run on a worker; what to tell of it.
async fn keep(
    tools: &Tools,
    link: LinkId,
    request: u32,
    run: RunIndex,
    buffer: Vec<u8>,
    proof: Vec<Hash>,
) -> Vec<TaskEvent> {
    let bytes = buffer.len() as u32;
    let (manifest, store, buffers) = (tools.manifest.clone(), tools.store.clone(), tools.buffers.clone());
    let outcome = tools.workers.run(move || {
        let verified = match merkle::verify(&manifest, run, buffer, proof) {
            Ok(verified) => verified,
            Err(corrupt) => return Outcome::Corrupt(corrupt),
        };
        let stored = store.put(&verified);
        buffers.give(verified.into_bytes());
        match stored {
            Ok(_) => Outcome::Stored,
            Err(error) => Outcome::NotStored(error),
        }
    });
    match outcome.await {
        Ok(Outcome::Stored) => vec![TaskEvent::Stored { link, request, run }],
        Ok(Outcome::Corrupt(corrupt)) => {
            tracing::warn!(run = run.get(), %corrupt, "a peer sent a corrupt run");
            vec![TaskEvent::Failed { link, request, cause: RunFailure::Corrupt { bytes } }]
        }
        Ok(Outcome::NotStored(error)) => vec![
            TaskEvent::StoreFailed { content: link.content, error },
            TaskEvent::Failed { link, request, cause: RunFailure::NotStored { bytes } },
        ],
        // The node stops, or a bug; the request ends either way.
        Err(error) => {
            tracing::debug!(%error, "a run was not stored");
            vec![TaskEvent::Failed { link, request, cause: RunFailure::NotStored { bytes } }]
        }
    }
}

enum Outcome {
    Stored,
    Corrupt(merkle::CorruptRun),
    NotStored(StoreError),
}
