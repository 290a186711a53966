//! A socket read in large chunks.
//!
//! The security layers above read 4 to 8 KiB at a time. A system call for each of these reads would
//! cost more than the decryption. The buffer starts small, and grows only for a connection that
//! fills it, so ten thousand idle connections stay cheap.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::ReadBuf;

const BUFFER_BYTES_MIN: usize = 4 * 1024;
const BUFFER_BYTES_MAX: usize = 128 * 1024;

/// `io`, with bytes read ahead kept for the next call. Writes pass through.
pub(crate) struct ReadAhead<T> {
    io: T,
    buffer: Box<[u8]>,
    /// Unread bytes are `buffer[start..end]`.
    start: usize,
    end: usize,
}

impl<T> ReadAhead<T> {
    pub(crate) fn new(io: T) -> Self {
        ReadAhead { io, buffer: Box::default(), start: 0, end: 0 }
    }

    /// Called with an empty buffer. Doubles the buffer if the last read filled it.
    fn grow_if_filled(&mut self) {
        if self.end == self.buffer.len() && self.buffer.len() < BUFFER_BYTES_MAX {
            let size = self.buffer.len().saturating_mul(2).clamp(BUFFER_BYTES_MIN, BUFFER_BYTES_MAX);
            self.buffer = vec![0; size].into_boxed_slice();
        }
        self.start = 0;
        self.end = 0;
    }
}

impl<T: tokio::io::AsyncRead + Unpin> futures::AsyncRead for ReadAhead<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.start == this.end {
            this.grow_if_filled();
            let mut filled = ReadBuf::new(&mut this.buffer);
            ready!(Pin::new(&mut this.io).poll_read(cx, &mut filled))?;
            this.end = filled.filled().len();
        }
        let ahead = &this.buffer[this.start..this.end];
        let taken = out.len().min(ahead.len());
        out[..taken].copy_from_slice(&ahead[..taken]);
        this.start = this.start.saturating_add(taken);
        Poll::Ready(Ok(taken))
    }
}

impl<T: tokio::io::AsyncWrite + Unpin> futures::AsyncWrite for ReadAhead<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, parts)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use futures::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn bytes_come_out_in_order_whatever_the_size_of_the_reads() {
        let data: Vec<u8> = (0..1_000_003u32).map(|i| (i % 251) as u8).collect();
        let mut reader = ReadAhead::new(Cursor::new(data.clone()));
        let mut got = Vec::new();
        let mut chunk = vec![0; 7919];
        loop {
            let n = reader.read(&mut chunk).await.unwrap();
            if n == 0 {
                break;
            }
            got.extend_from_slice(&chunk[..n]);
        }
        assert!(got == data);
        assert_eq!(reader.buffer.len(), BUFFER_BYTES_MAX);
    }

    #[tokio::test]
    async fn a_quiet_connection_keeps_a_small_buffer() {
        let (mut far, near) = tokio::io::duplex(64 * 1024);
        let mut reader = ReadAhead::new(near);
        let mut chunk = [0; 100];
        for _ in 0..50 {
            tokio::io::AsyncWriteExt::write_all(&mut far, &[7; 100]).await.unwrap();
            reader.read_exact(&mut chunk).await.unwrap();
        }
        assert_eq!(reader.buffer.len(), BUFFER_BYTES_MIN);
    }
}
