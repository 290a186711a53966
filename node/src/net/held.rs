//! A connection that was made, together with its place and what it holds, over any transport.

use std::{
    io::{self, IoSlice, IoSliceMut},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};

use crate::budget::{Holdings, Place};

/// Why a made connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeldError<E> {
    /// The connection broke or was closed.
    #[error(transparent)]
    Muxer(E),
    /// The place of the connection, or what it held, was needed for others.
    #[error("what this connection held was needed for others")]
    Cut,
}

/// A connection with what it holds.
pub(crate) struct Held<M> {
    muxer: M,
    holdings: Arc<Holdings>,
    _place: Place,
}

impl<M> Held<M> {
    pub(crate) fn new(muxer: M, holdings: Arc<Holdings>, place: Place) -> Held<M> {
        Held { muxer, holdings, _place: place }
    }

    fn stream<S>(&self, stream: S) -> HeldStream<S> {
        HeldStream { stream, holdings: self.holdings.clone() }
    }
}

impl<M> StreamMuxer for Held<M>
where
    M: StreamMuxer + Unpin,
    M::Substream: Unpin,
{
    type Substream = HeldStream<M::Substream>;
    type Error = HeldError<M::Error>;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let polled = Pin::new(&mut self.muxer).poll_inbound(cx).map_err(HeldError::Muxer);
        polled.map_ok(|stream| self.stream(stream))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let polled = Pin::new(&mut self.muxer).poll_outbound(cx).map_err(HeldError::Muxer);
        polled.map_ok(|stream| self.stream(stream))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Pin::new(&mut self.muxer).poll_close(cx).map_err(HeldError::Muxer)
    }

    // The swarm always polls this, so this is where a cut is noticed.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        if self.holdings.poll_cut(cx).is_ready() {
            return Poll::Ready(Err(HeldError::Cut));
        }
        Pin::new(&mut self.muxer).poll(cx).map_err(HeldError::Muxer)
    }
}

/// A stream of a held connection. Bytes in either direction count as use of the connection, but
/// only bytes that our own side reads or writes: bytes that the peer sends and we do not read do
/// not count.
pub(crate) struct HeldStream<S> {
    stream: S,
    holdings: Arc<Holdings>,
}

impl<S> HeldStream<S> {
    fn note(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = polled {
            self.holdings.moved(bytes);
        }
        polled
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HeldStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, out);
        self.note(polled)
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_read_vectored(cx, out);
        self.note(polled)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HeldStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, data);
        self.note(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, data);
        self.note(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}
