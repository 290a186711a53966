//! Many streams over one connection: yamux (`/yamux/1.0.0`), set up for bulk.
//!
//! The stock adapter exposes neither the frame size nor the window. Frames of 256 KiB instead of 16 cost half the CPU;
//! a bounded window keeps one peer from holding a gigabyte of our memory.

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
};

use futures::{AsyncRead, AsyncWrite, task::AtomicWaker};
use libp2p::core::{
    muxing::{StreamMuxer, StreamMuxerEvent},
    upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo},
};

/// Largest frame sent; what one stream can put before a frame of another.
const FRAME_BYTES_MAX: usize = 256 * 1024;
/// Streams of one connection, both directions together. One more from the other side ends the connection.
const STREAMS_MAX: usize = 64;
/// Of those, streams we open; opening one more waits. Leaves the other side its half.
const STREAMS_OUTBOUND_MAX: usize = 32;
/// Bytes one connection may have on the way to us unread: 256 KiB for each stream, and 16 MiB that busy streams share
/// as their windows grow.
const RECEIVE_WINDOW_BYTES_MAX: usize = STREAMS_MAX * 256 * 1024 + 16 * 1024 * 1024;
/// Streams the other side opened that the swarm has not taken yet.
const INBOUND_WAITING_MAX: usize = STREAMS_MAX;

/// Upgrades an encrypted connection to a multiplexed one.
#[derive(Clone, Debug)]
pub(crate) struct YamuxUpgrade(yamux::Config);

impl Default for YamuxUpgrade {
    fn default() -> Self {
        let mut config = yamux::Config::default();
        // In this order: the library checks each against the other's present value.
        config.set_max_num_streams(STREAMS_MAX);
        config.set_max_connection_receive_window(Some(RECEIVE_WINDOW_BYTES_MAX));
        config.set_split_send_size(FRAME_BYTES_MAX);
        YamuxUpgrade(config)
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
        ready(Ok(Muxer::new(io, self.0, yamux::Mode::Server)))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> OutboundConnectionUpgrade<C> for YamuxUpgrade {
    type Output = Muxer<C>;
    type Error = Infallible;
    type Future = Ready<Result<Muxer<C>, Infallible>>;

    fn upgrade_outbound(self, io: C, _: &'static str) -> Self::Future {
        ready(Ok(Muxer::new(io, self.0, yamux::Mode::Client)))
    }
}

/// A yamux connection as the swarm wants to see it.
pub(crate) struct Muxer<C> {
    connection: yamux::Connection<C>,
    outbound: Arc<OutboundSlots>,
    /// yamux moves bytes only while it is asked for inbound streams, and the swarm may ask for progress when it wants
    /// no streams: those that turn up meanwhile wait here.
    inbound: VecDeque<yamux::Stream>,
    inbound_waker: Option<Waker>,
}

/// Counts the streams we opened and still hold.
#[derive(Default)]
struct OutboundSlots {
    used: AtomicUsize,
    freed: AtomicWaker,
}

/// One stream. Dropping it resets what is unfinished.
pub(crate) struct MuxedStream {
    stream: yamux::Stream,
    /// Held by streams we opened.
    slot: Option<Arc<OutboundSlots>>,
}

impl Drop for MuxedStream {
    fn drop(&mut self) {
        if let Some(slots) = &self.slot {
            slots.used.fetch_sub(1, Ordering::AcqRel);
            slots.freed.wake();
        }
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> Muxer<C> {
    fn new(io: C, config: yamux::Config, mode: yamux::Mode) -> Self {
        Muxer {
            connection: yamux::Connection::new(io, config, mode),
            outbound: Arc::default(),
            inbound: VecDeque::new(),
            inbound_waker: None,
        }
    }

    fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<Result<yamux::Stream, yamux::ConnectionError>> {
        self.connection
            .poll_next_inbound(cx)
            .map(|stream| stream.unwrap_or(Err(yamux::ConnectionError::Closed)))
    }

    /// Whether we hold fewer streams than we may; if not, `cx` is woken when one goes.
    fn has_outbound_slot(&self, cx: &Context<'_>) -> bool {
        let free = || self.outbound.used.load(Ordering::Acquire) < STREAMS_OUTBOUND_MAX;
        // Looked at again after registering, for a stream may go between the two.
        free() || {
            self.outbound.freed.register(cx.waker());
            free()
        }
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> StreamMuxer for Muxer<C> {
    type Substream = MuxedStream;
    type Error = yamux::ConnectionError;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<MuxedStream, Self::Error>> {
        let polled = match self.inbound.pop_front() {
            Some(stream) => Poll::Ready(Ok(stream)),
            None => self.poll_connection(cx),
        };
        if polled.is_pending() {
            self.inbound_waker = Some(cx.waker().clone());
        }
        polled.map_ok(|stream| MuxedStream { stream, slot: None })
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<MuxedStream, Self::Error>> {
        if !self.has_outbound_slot(cx) {
            return Poll::Pending;
        }
        let stream = std::task::ready!(self.connection.poll_new_outbound(cx))?;
        self.outbound.used.fetch_add(1, Ordering::AcqRel);
        Poll::Ready(Ok(MuxedStream {
            stream,
            slot: Some(self.outbound.clone()),
        }))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.connection.poll_close(cx)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        let stream = std::task::ready!(self.poll_connection(cx))?;
        if self.inbound.len() < INBOUND_WAITING_MAX {
            self.inbound.push_back(stream);
            if let Some(waker) = self.inbound_waker.take() {
                waker.wake();
            }
        }
        // There may be more; asked again soon, but after others had their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl AsyncRead for MuxedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(cx, out)
    }
}

impl AsyncWrite for MuxedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}
