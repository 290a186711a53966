//! Our half of a data stream: requests go out; runs come in, are verified and stored.
//!
//! Reading goes on while workers hash and write earlier runs. A permit per run bounds the buffers
//! this takes, beside the one into which each link reads. Every request is answered once, cancelled
//! ones too. So it is known exactly which answers are due, and any other answer is refused at its
//! header, before its bytes are read.

use std::{
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::{Duration, Instant},
};

use libp2p::{PeerId, swarm::ConnectionId};
use nearcast_core::{
    id::{ContentId, Hash},
    input::RunFailure,
    layout::{Layout, RunIndex},
    manifest::Manifest,
    merkle,
    rates::Account,
    saturate::to_usize,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader, ReadHalf, WriteHalf, split},
    sync::{Semaphore, mpsc},
    time::timeout,
};
use tokio_util::{compat::FuturesAsyncReadCompatExt, sync::CancellationToken, task::TaskTracker};

use super::{
    Buffers, SMALL_RUN_BYTES_MAX, TOGETHER_BYTES_MAX, TOGETHER_MAX,
    due::Due,
    keep::{Arrived, keep},
    least_rate::{LeastRate, Progress},
};
use crate::{
    events::{Events, LinkEvent, LinkId, RunEvent, TaskEvent, report},
    limit::{Limiter, Pass},
    net::{Network, Wire},
    store::{DiskStore, Workers},
    wire::{
        DATA,
        data::{Answer, Ask, read_proof},
    },
};

/// Requests queued for writing. The policy keeps far fewer in flight.
pub(crate) const ASKS_WAITING_MAX: usize = 1024;
/// A stream is dead if an answer is due and does not begin for this long, whatever else arrives.
const STALL: Duration = Duration::from_secs(20);

/// Everything a fetch needs.
pub(crate) struct Fetch {
    pub(crate) link: LinkId,
    pub(crate) network: Network,
    pub(crate) peer: PeerId,
    pub(crate) connection: ConnectionId,
    pub(crate) content: ContentId,
    /// The peer says that it is an origin: it may answer with another run than requested.
    pub(crate) from_origin: bool,
    pub(crate) tools: Tools,
}

/// The tools that receive, verify and store the runs of one content.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) store: Arc<DiskStore>,
    pub(crate) workers: Workers,
    pub(crate) down: Limiter,
    /// The account that the bytes are charged to.
    pub(crate) account: Account,
    /// Counts bytes that arrived, whatever becomes of them.
    pub(crate) arrived: Arc<AtomicU64>,
    pub(crate) buffers: Buffers,
    /// Permits for runs being hashed or written, over all links.
    pub(crate) in_hand: Arc<Semaphore>,
    pub(crate) events: Events,
    pub(crate) tasks: TaskTracker,
}

/// Runs until the stream breaks, the driver drops `asks`, or `cancel` is set.
pub(crate) async fn run(fetch: Fetch, mut asks: mpsc::Receiver<Ask>, cancel: CancellationToken) {
    let (link, events) = (fetch.link, fetch.tools.events.clone());
    // The stream is opened with the first request: most links of a seed never need one.
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
    report(&events, LinkEvent::Closed { link, reason: error.to_string(), stalled }).await;
}

impl Fetch {
    async fn exchange(self, first: Ask, asks: mpsc::Receiver<Ask>) -> io::Result<()> {
        let stream = self.network.open(self.peer, self.connection, DATA).await.map_err(io::Error::other)?;
        let (reader, writer) = split(stream.compat());
        let due = Due::new(STALL);
        tokio::select! {
            result = self.ask(writer, first, asks, &due) => result,
            result = self.read(reader, &due) => result,
        }
    }

    async fn ask(
        &self,
        mut writer: WriteHalf<Wire>,
        first: Ask,
        mut asks: mpsc::Receiver<Ask>,
        due: &Due,
    ) -> io::Result<()> {
        let mut batch = Vec::with_capacity(64 * Ask::BYTES);
        batch.extend_from_slice(&self.content.0);
        let mut next = Some(first);
        while let Some(ask) = next {
            if let Ask::Request { id, run, exact } = ask
                && !due.insert(id, run, exact)
            {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the peer leaves too much unanswered"));
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
                // Requests come in bursts: the yield lets the rest of a burst join this batch.
                tokio::task::yield_now().await;
            }
        }
        writer.shutdown().await
    }

    async fn read(&self, reader: ReadHalf<Wire>, due: &Due) -> io::Result<()> {
        let layout = self.tools.manifest.layout();
        let mut reader = BufReader::with_capacity(read_ahead_bytes(layout), reader);
        // Small runs wait here for others to be stored with, but never for the network.
        let mut small = Vec::new();
        loop {
            if reader.buffer().len() < Answer::BYTES {
                self.hand_over(&mut small).await?;
            }
            let mut header = [0; Answer::BYTES];
            self.fill(&mut reader, &mut header, &mut LeastRate::new(), due).await?;
            match Answer::decode(header)? {
                Answer::Refused { id, why } => {
                    if due.take(id).is_none() {
                        return self.unasked(id).await;
                    }
                    let cause = RunFailure::Refused(why);
                    self.tell(RunEvent::Failed { link: self.link, request: id, cause }).await?;
                }
                Answer::Run { id, run, proof_hashes, bytes } => {
                    // The run's bytes are not read before the answer is known to be due.
                    if due.take(id).is_none_or(|asked| !asked.is_answered_by(run, self.from_origin)) {
                        return self.unasked(id).await;
                    }
                    let run = run.admit(|run| layout.run_index(run)).filter(|&run| {
                        bytes == layout.run_length(run).into()
                            && usize::from(proof_hashes) == merkle::proof_length(layout, run)
                    });
                    let Some(run) = run else { return self.corrupt(id, 0).await };
                    let bytes = layout.run_length(run);
                    let proof_bytes = usize::from(proof_hashes).saturating_mul(size_of::<Hash>());
                    let is_here = reader.buffer().len() >= proof_bytes.saturating_add(bytes as usize);
                    if !is_here || small.len() >= TOGETHER_MAX {
                        self.hand_over(&mut small).await?;
                    }
                    let pass = self.take_turn(&mut small, bytes).await?;
                    let mut came = 0;
                    match self.receive(&mut reader, (id, run, proof_hashes), pass, due, &mut came).await {
                        Ok(arrived) => small.push(arrived),
                        Err(error) => {
                            // Complete runs count all the same.
                            self.hand_over(&mut small).await?;
                            return self.broken_off(id, came, error).await;
                        }
                    }
                    if bytes > SMALL_RUN_BYTES_MAX {
                        self.hand_over(&mut small).await?;
                    }
                }
            }
        }
    }

    /// Waits until the bytes may pass. If it must wait, it first hands over the runs that have
    /// arrived.
    async fn take_turn(&self, small: &mut Vec<Arrived>, bytes: u32) -> io::Result<Pass> {
        let mut turn = pin!(self.tools.down.begin(self.tools.account, u64::from(bytes)));
        if let Poll::Ready(pass) = futures::poll!(&mut turn) {
            return Ok(pass);
        }
        self.hand_over(small).await?;
        Ok(turn.await)
    }

    /// Reads a run. `came` counts its bytes, even if the run breaks off.
    async fn receive(
        &self,
        reader: &mut BufReader<ReadHalf<Wire>>,
        (request, run, proof_hashes): (u32, RunIndex, u8),
        mut pass: Pass,
        due: &Due,
        came: &mut usize,
    ) -> io::Result<Arrived> {
        let proof = timeout(STALL, read_proof(reader, proof_hashes)).await.map_err(|_| stalled())??;
        let length = self.tools.manifest.layout().run_length(run);
        let mut bytes = match length > SMALL_RUN_BYTES_MAX {
            true => self.tools.buffers.take(),
            false => Vec::new(),
        };
        bytes.resize(length as usize, 0);
        let mut rate = LeastRate::of_run(request);
        while *came < bytes.len() {
            let (from, upto) = (*came, bytes.len().min(came.saturating_add(to_usize(pass.next().await))));
            self.fill_counting(reader, &mut bytes[from..upto], &mut rate, due, came).await?;
        }
        Ok(Arrived { request, run, bytes, proof })
    }

    /// Starts to verify and store runs.
    async fn hand_over(&self, runs: &mut Vec<Arrived>) -> io::Result<()> {
        if runs.is_empty() {
            return Ok(());
        }
        // Acquired when the runs are complete, and held until they are stored: slow senders must
        // not use up permits that others need. The semaphore is never closed.
        let permit = self.tools.in_hand.clone().acquire_owned().await.map_err(io::Error::other)?;
        let (link, tools, runs) = (self.link, self.tools.clone(), std::mem::take(runs));
        self.tools.tasks.spawn(async move {
            let events = keep(&tools, link, runs).await;
            drop(permit);
            for event in events {
                report(&tools.events, event).await;
            }
        });
        Ok(())
    }

    /// Fills `buffer`. An error if too little arrives for too long while an answer is due. `rate`
    /// covers the bytes of this answer so far.
    async fn fill(
        &self,
        reader: &mut BufReader<ReadHalf<Wire>>,
        buffer: &mut [u8],
        rate: &mut LeastRate,
        due: &Due,
    ) -> io::Result<()> {
        self.fill_counting(reader, buffer, rate, due, &mut 0).await
    }

    /// As `fill`. Also adds each byte that arrives to `came`.
    async fn fill_counting(
        &self,
        reader: &mut BufReader<ReadHalf<Wire>>,
        buffer: &mut [u8],
        rate: &mut LeastRate,
        due: &Due,
        came: &mut usize,
    ) -> io::Result<()> {
        let mut at = 0;
        while at < buffer.len() {
            // Only the time spent waiting for the peer counts: our own limits may be slower than
            // any peer.
            let asked = Instant::now();
            let read = timeout(rate.patience(), reader.read(&mut buffer[at..])).await;
            let waited = asked.elapsed();
            let bytes = match read {
                Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(Ok(bytes)) => bytes,
                Ok(Err(error)) => return Err(error),
                Err(_) => 0,
            };
            at = at.saturating_add(bytes);
            *came = came.saturating_add(bytes);
            self.tools.arrived.fetch_add(bytes as u64, Ordering::Relaxed);
            match rate.note(waited, bytes) {
                // Between answers, silence is allowed while no answer is overdue.
                Progress::TooLittle if rate.has_begun() || due.is_overdue() => return Err(stalled()),
                Progress::TooLittle | Progress::Enough => {}
                Progress::Told => self.tell(RunEvent::Receiving { link: self.link }).await?,
            }
            if let Some(request) = rate.take_coming() {
                self.tell(RunEvent::Coming { link: self.link, request }).await?;
            }
        }
        Ok(())
    }

    /// Reports that a run broke off.
    async fn broken_off(&self, request: u32, bytes: usize, error: io::Error) -> io::Result<()> {
        let cause = RunFailure::BrokenOff { bytes: u32::try_from(bytes).unwrap_or(u32::MAX) };
        self.tell(RunEvent::Failed { link: self.link, request, cause }).await?;
        Err(error)
    }

    async fn unasked(&self, request: u32) -> io::Result<()> {
        self.tell(RunEvent::Failed { link: self.link, request, cause: RunFailure::Unasked }).await?;
        Err(io::Error::new(io::ErrorKind::InvalidData, "the peer answered what it was not asked"))
    }

    async fn corrupt(&self, request: u32, bytes: u32) -> io::Result<()> {
        let cause = RunFailure::Corrupt { bytes };
        self.tell(RunEvent::Failed { link: self.link, request, cause }).await?;
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the peer sent something that is no run of this content",
        ))
    }

    async fn tell(&self, event: impl Into<TaskEvent>) -> io::Result<()> {
        self.tools.events.send(event.into()).await.map_err(|_| io::Error::other("the node stops"))
    }
}

fn stalled() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no data, or next to none, for 20 seconds")
}

/// The size of the read-ahead buffer. Tiny for large runs, whose bytes would be copied once more.
fn read_ahead_bytes(layout: &Layout) -> usize {
    let mean = layout.bytes().checked_div(layout.runs().into()).unwrap_or(0);
    if mean > u64::from(SMALL_RUN_BYTES_MAX) { Answer::BYTES } else { TOGETHER_BYTES_MAX }
}
