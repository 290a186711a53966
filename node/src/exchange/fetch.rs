//! Our half of a data stream: requests go out, runs come in, are verified and stored.
//!
//! Reading goes on while earlier runs are hashed and written by the workers; a permit per run bounds
//! how many buffers that takes beside the one each link reads into. Every request is answered once, so the count of open ones is exact.

use std::{
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use libp2p::{PeerId, swarm::ConnectionId};
use nearcast_core::{
    id::ContentId,
    input::RunFailure,
    layout::{Layout, RunIndex},
    manifest::Manifest,
    merkle,
    rates::Account,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader, ReadHalf, WriteHalf, split},
    sync::{Semaphore, mpsc},
    time::timeout,
};
use tokio_util::{compat::FuturesAsyncReadCompatExt, sync::CancellationToken, task::TaskTracker};

use super::{
    Buffers, Events, LinkId, SMALL_RUN_BYTES_MAX, TOGETHER_BYTES_MAX, TOGETHER_MAX, TaskEvent, Wire,
    keep::{Arrived, keep},
};
use crate::{
    limit::{Limiter, Pass},
    net::Network,
    store::{DiskStore, Workers},
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
    /// Who pays for the bytes.
    pub(crate) account: Account,
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
                // Asks come in bursts: the rest of this one goes with it.
                tokio::task::yield_now().await;
            }
        }
        writer.shutdown().await
    }

    async fn read(&self, reader: ReadHalf<Wire>, open: &Open) -> io::Result<()> {
        let layout = self.tools.manifest.layout();
        let mut reader = BufReader::with_capacity(read_ahead_bytes(layout), reader);
        // Small runs that wait for more of their kind, but never for the network.
        let mut small = Vec::new();
        loop {
            if reader.buffer().len() < Answer::BYTES {
                self.hand_over(&mut small).await?;
            }
            let mut header = [0; Answer::BYTES];
            self.fill(&mut reader, &mut header, 0, open).await?;
            match Answer::decode(header)? {
                Answer::Refused { id, why } => {
                    open.count.fetch_sub(1, Ordering::Relaxed);
                    let cause = RunFailure::Refused(why);
                    self.tell(TaskEvent::Failed { link: self.link, request: id, cause }).await?;
                }
                Answer::Run { id, run, proof_hashes, bytes } => {
                    let run = layout.run_index(run).filter(|&run| {
                        bytes == layout.run_length(run)
                            && usize::from(proof_hashes) == merkle::proof_length(layout, run)
                    });
                    let Some(run) = run else { return self.corrupt(id, 0).await };
                    let is_here = reader.buffer().len() >= bytes as usize + usize::from(proof_hashes) * 32;
                    if !is_here || small.len() >= TOGETHER_MAX {
                        self.hand_over(&mut small).await?;
                    }
                    let pass = self.take_turn(&mut small, bytes).await?;
                    let arrived = self.receive(&mut reader, id, run, proof_hashes, pass, open).await?;
                    small.push(arrived);
                    if bytes > SMALL_RUN_BYTES_MAX {
                        self.hand_over(&mut small).await?;
                    }
                    open.count.fetch_sub(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Waits until the bytes may come. What has come before is not kept waiting.
    async fn take_turn(&self, small: &mut Vec<Arrived>, bytes: u32) -> io::Result<Pass> {
        let mut turn = pin!(self.tools.down.begin(self.tools.account, u64::from(bytes)));
        if let Poll::Ready(pass) = futures::poll!(&mut turn) {
            return Ok(pass);
        }
        self.hand_over(small).await?;
        Ok(turn.await)
    }

    async fn receive(
        &self,
        reader: &mut BufReader<ReadHalf<Wire>>,
        request: u32,
        run: RunIndex,
        proof_hashes: u8,
        mut pass: Pass,
        open: &Open,
    ) -> io::Result<Arrived> {
        let proof = timeout(STALL, read_proof(reader, proof_hashes)).await.map_err(|_| stalled())??;
        let length = self.tools.manifest.layout().run_length(run);
        let mut bytes = match length > SMALL_RUN_BYTES_MAX {
            true => self.tools.buffers.take(),
            false => Vec::new(),
        };
        bytes.resize(length as usize, 0);
        let mut filled = 0;
        while filled < bytes.len() {
            let upto = bytes.len().min(filled + pass.next().await as usize);
            self.fill(reader, &mut bytes[..upto], filled, open).await?;
            filled = upto;
        }
        Ok(Arrived { request, run, bytes, proof })
    }

    /// Has runs verified and stored.
    async fn hand_over(&self, runs: &mut Vec<Arrived>) -> io::Result<()> {
        if runs.is_empty() {
            return Ok(());
        }
        // Held until they are stored, and not while they trickle in: slow senders must not use up what
        // the others need. The semaphore is never closed.
        let permit = self.tools.in_hand.clone().acquire_owned().await.map_err(io::Error::other)?;
        let (link, tools, runs) = (self.link, self.tools.clone(), std::mem::take(runs));
        self.tools.tasks.spawn(async move {
            let events = keep(&tools, link, runs).await;
            drop(permit);
            for event in events {
                // The driver is gone only when the node stops.
                let _ = tools.events.send(event).await;
            }
        });
        Ok(())
    }

    /// Fills `buffer` from `at` on; an error when nothing comes for too long although something should.
    async fn fill(
        &self,
        reader: &mut BufReader<ReadHalf<Wire>>,
        buffer: &mut [u8],
        mut at: usize,
        open: &Open,
    ) -> io::Result<()> {
        let mut told = Instant::now();
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

/// What is read ahead: nothing to speak of where runs are large, as it would be copied once more.
fn read_ahead_bytes(layout: &Layout) -> usize {
    let mean = layout.bytes() / u64::from(layout.runs().max(1));
    if mean > u64::from(SMALL_RUN_BYTES_MAX) { Answer::BYTES } else { TOGETHER_BYTES_MAX }
}
