//! A connection that was made, with its place and what it holds, whatever it runs over.

use std::{
    io::{self, IoSlice, IoSliceMut},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};

use crate::budget::{Holdings, Place};

/// Why a connection that was made ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeldError<E> {
    /// It broke, or was closed.
    #[error(transparent)]
    Muxer(E),
    /// Its place or what it held was needed.
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

    // Asked whatever else is, so this is where the end is heard of.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        if self.holdings.poll_cut(cx).is_ready() {
            return Poll::Ready(Err(HeldError::Cut));
        }
        Pin::new(&mut self.muxer).poll(cx).map_err(HeldError::Muxer)
    }
}

/// One stream of such a connection. What it carries in either direction is a use of the connection. Only what our own
/// side reads or writes counts: what somebody merely sends, and nobody here wants, does not.
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
