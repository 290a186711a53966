//! Many streams over one connection: yamux (`/yamux/1.0.0`), set up for bulk.
//!
//! The stock adapter exposes neither the frame size nor the window. Frames of 256 KiB instead of 16
//! KiB halve the CPU cost. A bounded window keeps one peer from holding a gigabyte of our memory.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::{Ready, ready},
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::{AsyncRead, AsyncWrite, task::AtomicWaker};
use libp2p::core::{
    muxing::{StreamMuxer, StreamMuxerEvent},
    upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo},
};
use tokio::time::Sleep;
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};

use super::{
    backlog::Backlog,
    pace::{FRAME_BYTES_MAX, FrameSize, Paced},
};
use crate::budget::{Budget, Holdings};

/// The most streams of one connection, both directions together. One more from the other side ends
/// the connection.
const STREAMS_MAX: usize = 128;
/// The most streams that we open on one connection; opening one more waits. Far less than half of
/// all, because a stream counts at each end until that end lets go of it, and the other end may be
/// slow.
const STREAMS_OUTBOUND_MAX: usize = 32;
/// The most bytes of one connection under way to us and unread: 256 KiB for each stream, and 8 MiB
/// that busy streams share as their windows grow.
const RECEIVE_WINDOW_BYTES_MAX: usize = STREAMS_MAX * 256 * 1024 + 8 * 1024 * 1024;
/// The most streams opened by the other side that the swarm has not taken yet.
const INBOUND_WAITING_MAX: usize = STREAMS_MAX;
/// How long closing may take. Otherwise a peer that has stopped reading would hold the connection,
/// and its place, for as long as it likes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Upgrades an encrypted connection to a multiplexed one.
#[derive(Clone)]
pub(crate) struct YamuxUpgrade {
    config: yamux::Config,
    budget: Arc<Budget>,
}

impl YamuxUpgrade {
    /// `budget` counts what the connections hold.
    pub(crate) fn new(budget: Arc<Budget>) -> Self {
        let mut config = yamux::Config::default();
        // The order matters: the library checks each value against the other's present value.
        config.set_max_num_streams(STREAMS_MAX);
        config.set_max_connection_receive_window(Some(RECEIVE_WINDOW_BYTES_MAX));
        config.set_split_send_size(FRAME_BYTES_MAX);
        YamuxUpgrade { config, budget }
    }
}

impl UpgradeInfo for YamuxUpgrade {
    type Info = &'static str;
    type InfoIter = std::iter::Once<&'static str>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once("/yamux/1.0.0")
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> InboundConnectionUpgrade<C> for YamuxUpgrade {
    type Output = Muxer<C>;
    type Error = Infallible;
    type Future = Ready<Result<Muxer<C>, Infallible>>;

    fn upgrade_inbound(self, io: C, _: &'static str) -> Self::Future {
        ready(Ok(Muxer::new(io, self, yamux::Mode::Server)))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> OutboundConnectionUpgrade<C> for YamuxUpgrade {
    type Output = Muxer<C>;
    type Error = Infallible;
    type Future = Ready<Result<Muxer<C>, Infallible>>;

    fn upgrade_outbound(self, io: C, _: &'static str) -> Self::Future {
        ready(Ok(Muxer::new(io, self, yamux::Mode::Client)))
    }
}

/// A yamux connection, in the form that the swarm needs.
pub(crate) struct Muxer<C> {
    connection: yamux::Connection<Paced<C>>,
    holdings: Arc<Holdings>,
    frame_size: FrameSize,
    backlog: Backlog,
    outbound: Arc<OutboundSlots>,
    /// Inbound streams that wait for the swarm. yamux moves bytes only while it is asked for
    /// inbound streams, and the swarm may ask for progress when it wants no streams.
    inbound: VecDeque<yamux::Stream>,
    inbound_waker: Option<Waker>,
    /// Cancelled when the connection closes or is dropped. yamux does not wake waiters when *we*
    /// close, and a task waiting for a stream would wait for ever (rust-yamux issue 216).
    ended: DropGuard,
    /// The time limit of closing. `None`: we are not closing.
    close_deadline: Option<Pin<Box<Sleep>>>,
}

/// Counts the streams that we opened and still hold.
#[derive(Default)]
struct OutboundSlots {
    used: AtomicUsize,
    freed: AtomicWaker,
}

/// One stream. Dropping an unfinished stream resets it.
pub(crate) struct MuxedStream {
    stream: yamux::Stream,
    holdings: Arc<Holdings>,
    frame_size: FrameSize,
    backlog: Backlog,
    /// Set for streams that we opened.
    slot: Option<Arc<OutboundSlots>>,
    /// Two, because the halves of a stream may wait in different tasks, and each future remembers
    /// one waker.
    ended_for_reader: Ended,
    ended_for_writer: Ended,
}

/// Becomes ready when the connection ends.
struct Ended(Pin<Box<WaitForCancellationFutureOwned>>);

impl Ended {
    fn new(token: &CancellationToken) -> Self {
        Ended(Box::pin(token.clone().cancelled_owned()))
    }

    /// Passes on the stream's result. A stream that waits for a closed connection gives an error
    /// instead.
    fn or_error<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_pending() && self.0.as_mut().poll(cx).is_ready() {
            let error = io::Error::new(io::ErrorKind::ConnectionAborted, "the connection was closed");
            return Poll::Ready(Err(error));
        }
        polled
    }
}

impl Drop for MuxedStream {
    fn drop(&mut self) {
        self.holdings.note(|unread| unread.closed(self.stream.id().val()));
        if let Some(slots) = &self.slot {
            slots.used.fetch_sub(1, Ordering::AcqRel);
            slots.freed.wake();
        }
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> Muxer<C> {
    fn new(io: C, upgrade: YamuxUpgrade, mode: yamux::Mode) -> Self {
        let holdings = Holdings::new(&upgrade.budget);
        let io = Paced::new(io, holdings.clone());
        Muxer {
            holdings,
            frame_size: io.frame_size(),
            backlog: io.backlog(),
            connection: yamux::Connection::new(io, upgrade.config, mode),
            outbound: Arc::default(),
            inbound: VecDeque::new(),
            inbound_waker: None,
            ended: CancellationToken::new().drop_guard(),
            close_deadline: None,
        }
    }

    fn stream(&self, stream: yamux::Stream, slot: Option<Arc<OutboundSlots>>) -> MuxedStream {
        let ended = self.ended.token();
        MuxedStream {
            stream,
            holdings: self.holdings.clone(),
            frame_size: self.frame_size.clone(),
            backlog: self.backlog.clone(),
            slot,
            ended_for_reader: Ended::new(ended),
            ended_for_writer: Ended::new(ended),
        }
    }

    /// What this connection holds.
    pub(crate) fn holdings(&self) -> Arc<Holdings> {
        self.holdings.clone()
    }

    fn poll_connection(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<yamux::Stream, yamux::ConnectionError>> {
        self.connection
            .poll_next_inbound(cx)
            .map(|stream| stream.unwrap_or(Err(yamux::ConnectionError::Closed)))
    }

    /// Whether we may open another stream. If not, `cx` is woken when one of ours ends.
    fn has_outbound_slot(&self, cx: &Context<'_>) -> bool {
        let free = || self.outbound.used.load(Ordering::Acquire) < STREAMS_OUTBOUND_MAX;
        // Checked again after registering, because a stream may end in between.
        free() || {
            self.outbound.freed.register(cx.waker());
            free()
        }
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> StreamMuxer for Muxer<C> {
    type Substream = MuxedStream;
    type Error = yamux::ConnectionError;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<MuxedStream, Self::Error>> {
        let polled = match self.inbound.pop_front() {
            Some(stream) => Poll::Ready(Ok(stream)),
            None => self.poll_connection(cx),
        };
        if polled.is_pending() {
            self.inbound_waker = Some(cx.waker().clone());
        }
        polled.map_ok(|stream| self.stream(stream, None))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<MuxedStream, Self::Error>> {
        if !self.has_outbound_slot(cx) {
            return Poll::Pending;
        }
        let stream = std::task::ready!(self.connection.poll_new_outbound(cx))?;
        self.outbound.used.fetch_add(1, Ordering::AcqRel);
        let opened = self.holdings.note(|unread| unread.opened(stream.id().val(), false));
        opened.map_err(|excess| yamux::ConnectionError::Io(io::Error::other(excess)))?;
        let slot = Some(self.outbound.clone());
        Poll::Ready(Ok(self.stream(stream, slot)))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let Muxer { connection, ended, close_deadline, .. } = &mut *self;
        ended.token().cancel();
        let deadline = close_deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(CLOSE_TIMEOUT)));
        match connection.poll_close(cx) {
            // Without a goodbye, the peer learns of the end from its socket.
            Poll::Pending => deadline.as_mut().poll(cx).map(Ok),
            closed => closed,
        }
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        let stream = std::task::ready!(self.poll_connection(cx))?;
        if self.inbound.len() < INBOUND_WAITING_MAX {
            self.inbound.push_back(stream);
            if let Some(waker) = self.inbound_waker.take() {
                waker.wake();
            }
        } else {
            self.holdings.note(|unread| unread.closed(stream.id().val()));
        }
        // There may be more streams. Asks again soon, after other tasks had their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl AsyncRead for MuxedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, out);
        let read = if let Poll::Ready(Ok(read)) = polled { read } else { 0 };
        let id = self.stream.id().val();
        // A read that does not fill the buffer has taken everything there was.
        self.holdings.note(|unread| unread.read(id, read as u64, read < out.len()));
        self.ended_for_reader.or_error(cx, polled)
    }
}

impl AsyncWrite for MuxedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let frame_bytes = self.frame_size.get();
        let polled = match self.backlog.poll_room(cx, frame_bytes) {
            // The stream makes one frame of each write.
            Poll::Ready(()) => {
                let frame = &data[..data.len().min(frame_bytes)];
                self.backlog.add(frame.len());
                let polled = Pin::new(&mut self.stream).poll_write(cx, frame);
                let taken = if let Poll::Ready(Ok(taken)) = polled { Some(taken) } else { None };
                self.backlog.correct(frame.len(), taken);
                polled
            }
            Poll::Pending => Poll::Pending,
        };
        self.ended_for_writer.or_error(cx, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.ended_for_writer.or_error(cx, polled)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_close(cx);
        self.ended_for_writer.or_error(cx, polled)
    }
}
