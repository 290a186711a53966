//! Frame sizes: a frame is no larger than what the connection sends in 20 milliseconds.
//!
//! A message waits at least for the frame before it. On a fast link, large frames cost the least
//! CPU. On a slow uplink, frames of 256 KiB would hold up everything else for seconds. So the rate
//! is measured where bytes leave the muxer.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures::{AsyncRead, AsyncWrite};
use nearcast_core::saturate::whole;
use tokio::time::Sleep;

use super::{backlog::Backlog, frames::Frames};
use crate::budget::Holdings;

pub(crate) const FRAME_BYTES_MIN: usize = 16 * 1024;
pub(crate) const FRAME_BYTES_MAX: usize = 256 * 1024;
/// The frame size before anything was measured.
const FRAME_BYTES_FIRST: usize = 64 * 1024;
/// How long sending one frame may take.
const FRAME_TIME: Duration = Duration::from_millis(20);
/// The time over which a rate is measured: several frames, so that the speed of filling the
/// kernel's buffer is not taken for the speed of the network.
const WINDOW: Duration = Duration::from_millis(200);

/// The present frame size, shared with the streams that use it.
#[derive(Clone, Debug)]
pub(crate) struct FrameSize(Arc<AtomicUsize>);

impl FrameSize {
    /// The frame size in bytes.
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Computes the frame size from the bytes sent over time.
#[derive(Debug)]
struct Meter {
    frame: FrameSize,
    window_start: Option<Instant>,
    bytes: usize,
    /// At some time in this window the connection took less than we had. What it took is then its
    /// rate.
    was_full: bool,
}

impl Meter {
    fn new() -> Self {
        Meter {
            frame: FrameSize(Arc::new(AtomicUsize::new(FRAME_BYTES_FIRST))),
            window_start: None,
            bytes: 0,
            was_full: false,
        }
    }

    fn on_sent(&mut self, now: Instant, bytes: usize) {
        let Some(start) = self.window_start else {
            // These bytes took their time before the window began.
            self.window_start = Some(now);
            return;
        };
        self.bytes = self.bytes.saturating_add(bytes);
        let elapsed = now.saturating_duration_since(start);
        if elapsed < WINDOW {
            return;
        }
        let wanted = if self.was_full {
            whole(self.bytes as f32 * FRAME_TIME.as_secs_f32() / elapsed.as_secs_f32())
        } else {
            // The connection never held us up, so it can take more. The next windows show how much
            // more.
            self.frame.get().saturating_mul(2)
        };
        self.frame.0.store(wanted.clamp(FRAME_BYTES_MIN, FRAME_BYTES_MAX), Ordering::Relaxed);
        self.window_start = None;
        self.bytes = 0;
        self.was_full = false;
    }
}

/// A connection whose sending rate is measured, and which reports the bytes it took.
pub(crate) struct Paced<C> {
    io: C,
    meter: Meter,
    backlog: Backlog,
    frames: Frames,
    /// The pause until more is read.
    pause: Option<Pin<Box<Sleep>>>,
}

impl<C> Paced<C> {
    pub(crate) fn new(io: C, holdings: Arc<Holdings>) -> Self {
        let backlog = Backlog::new(holdings.clone());
        Paced { io, meter: Meter::new(), backlog, frames: Frames::new(holdings), pause: None }
    }

    pub(crate) fn frame_size(&self) -> FrameSize {
        self.meter.frame.clone()
    }

    /// The bytes that wait to be sent here.
    pub(crate) fn backlog(&self) -> Backlog {
        self.backlog.clone()
    }

    /// Ready when more may be read.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(until) = self.frames.pause() else {
            self.pause = None;
            return Poll::Ready(());
        };
        let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until.into())));
        if pause.deadline() < until.into() {
            pause.as_mut().reset(until.into());
        }
        pause.as_mut().poll(cx)
    }

    fn note(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(bytes)) => {
                self.meter.on_sent(Instant::now(), *bytes);
                self.backlog.on_sent(*bytes);
            }
            Poll::Pending => self.meter.was_full = true,
            Poll::Ready(Err(_)) => {}
        }
        written
    }
}

impl<C: AsyncRead + Unpin> AsyncRead for Paced<C> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.frames.is_turn_over() {
            // A flood of empty frames would otherwise keep the muxer busy without end.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        std::task::ready!(self.poll_pause(cx));
        let read = match Pin::new(&mut self.io).poll_read(cx, out) {
            Poll::Ready(read) => read?,
            Poll::Pending => {
                self.frames.begin_turn();
                return Poll::Pending;
            }
        };
        self.frames.pass(&out[..read]).map_err(io::Error::other)?;
        Poll::Ready(Ok(read))
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Paced<C> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, data);
        self.note(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.meter.was_full |= flushed.is_pending();
        flushed
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends at this rate for a second, in writes of one frame. Returns the frame size at the end.
    fn after_a_second(meter: &mut Meter, start: Instant, bytes_per_second: f64, full: bool) -> usize {
        let mut sent = 0.0;
        while sent < bytes_per_second {
            let frame = meter.frame.get();
            sent += frame as f64;
            meter.was_full |= full;
            meter.on_sent(start + Duration::from_secs_f64(sent / bytes_per_second), frame);
        }
        meter.frame.get()
    }

    #[test]
    fn frames_shrink_on_a_slow_link_and_grow_on_a_fast_one() {
        let mut meter = Meter::new();
        let start = Instant::now();
        assert_eq!(after_a_second(&mut meter, start, 100e6, true), FRAME_BYTES_MAX);
        assert_eq!(after_a_second(&mut meter, start + Duration::from_secs(2), 0.5e6, true), FRAME_BYTES_MIN);
        let middle = after_a_second(&mut meter, start + Duration::from_secs(9), 5e6, true);
        assert!((80_000..170_000).contains(&middle), "20 ms at 5 MB/s are 100 kB, not {middle}");
    }

    #[test]
    fn a_link_that_never_held_us_up_gets_larger_frames_however_little_we_send() {
        let mut meter = Meter::new();
        assert_eq!(after_a_second(&mut meter, Instant::now(), 1e6, false), FRAME_BYTES_MAX);
    }
}
