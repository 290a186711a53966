//! Bytes that arrived on the streams of one connection and were not read.
//!
//! The muxer keeps every frame as it came, in an allocation of its own, so a frame of one byte
//! costs as much as one of sixty. Frames are therefore counted at their cost, as their headers pass
//! by. A peer that lets too much pile up is cut off.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use std::collections::BTreeMap;

/// The cost of keeping a frame, besides its bytes: the muxer's record of it, and the allocator's.
const FRAME_OVERHEAD_BYTES: u64 = 64;
/// The most bytes that may lie unread on streams that the other side opened. We read such streams
/// at once, and only hellos are long.
const THEIRS_BYTES_MAX: u64 = 8 << 20;
/// The most that the records of unread frames may cost: 65,536 frames. A peer that sends a lot
/// sends large frames.
const OVERHEAD_BYTES_MAX: u64 = 4 << 20;
/// Longer frames are not needed: our own have at most this size, those of other implementations a
/// quarter of it.
pub(crate) const FRAME_BODY_BYTES_MAX: u32 = 256 * 1024;
/// The most streams remembered. The muxer itself allows half as many.
const STREAMS_MAX: usize = 256;

/// Unread bytes and frames by stream.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    streams: BTreeMap<u32, Stream>,
    theirs_bytes: u64,
    bytes: u64,
    frames: u64,
}

#[derive(Debug, Default)]
struct Stream {
    theirs: bool,
    bytes: u64,
    frames: u64,
}

/// Why a connection has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Excess {
    #[error("a frame of {0} bytes is longer than any may be")]
    LongFrame(u32),
    #[error("too much was sent on streams that nobody reads")]
    Bytes,
    #[error("too many small frames lie unread")]
    Frames,
    #[error("more streams than may be")]
    Streams,
}

impl Unread {
    /// What the unread frames cost, in bytes.
    pub(crate) fn cost(&self) -> u64 {
        self.bytes.saturating_add(overhead(self.frames))
    }

    /// How many frames are unread.
    pub(crate) fn frames(&self) -> u64 {
        self.frames
    }

    /// Notes a new stream.
    pub(crate) fn opened(&mut self, stream: u32, theirs: bool) -> Result<(), Excess> {
        if self.streams.len() >= STREAMS_MAX {
            return Err(Excess::Streams);
        }
        self.streams.entry(stream).or_insert(Stream { theirs, ..Stream::default() });
        Ok(())
    }

    /// Notes the begin of a data frame. The muxer throws away frames for a stream that is gone.
    pub(crate) fn came(&mut self, stream: u32, length: u32) -> Result<(), Excess> {
        if length > FRAME_BODY_BYTES_MAX {
            return Err(Excess::LongFrame(length));
        }
        let Some(stream) = self.streams.get_mut(&stream).filter(|_| length > 0) else { return Ok(()) };
        let length = u64::from(length);
        stream.bytes = stream.bytes.saturating_add(length);
        stream.frames = stream.frames.saturating_add(1);
        self.bytes = self.bytes.saturating_add(length);
        self.frames = self.frames.saturating_add(1);
        if stream.theirs {
            self.theirs_bytes = self.theirs_bytes.saturating_add(length).saturating_add(FRAME_OVERHEAD_BYTES);
        }
        if self.theirs_bytes > THEIRS_BYTES_MAX {
            return Err(Excess::Bytes);
        }
        if overhead(self.frames) > OVERHEAD_BYTES_MAX {
            return Err(Excess::Frames);
        }
        Ok(())
    }

    /// Notes bytes of a stream that were read. `all`: none of its bytes are left in the muxer.
    pub(crate) fn read(&mut self, stream: u32, bytes: u64, all: bool) {
        let Some(known) = self.streams.get(&stream) else { return };
        let bytes = bytes.min(known.bytes);
        // Which frames were read is known only when all were; then one more may be under way. Until
        // then, frames count as read in the same proportion as bytes, because a reader that is
        // slower than the sender never reads everything.
        let frames = match all {
            true => known.frames.saturating_sub((known.bytes > bytes).into()),
            false => known.frames.saturating_mul(bytes).checked_div(known.bytes).unwrap_or_default(),
        };
        self.take(stream, bytes, frames);
    }

    /// Notes that a stream is dropped, with all its unread bytes.
    pub(crate) fn closed(&mut self, stream: u32) {
        if let Some(known) = self.streams.get(&stream) {
            let (bytes, frames) = (known.bytes, known.frames);
            self.take(stream, bytes, frames);
            self.streams.remove(&stream);
        }
    }

    fn take(&mut self, stream: u32, bytes: u64, frames: u64) {
        let Some(known) = self.streams.get_mut(&stream) else { return };
        known.bytes = known.bytes.saturating_sub(bytes);
        known.frames = known.frames.saturating_sub(frames);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.frames = self.frames.saturating_sub(frames);
        if known.theirs {
            self.theirs_bytes = self.theirs_bytes.saturating_sub(bytes.saturating_add(overhead(frames)));
        }
    }
}

/// The cost of keeping this many frames, besides their bytes.
fn overhead(frames: u64) -> u64 {
    frames.saturating_mul(FRAME_OVERHEAD_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_one_byte_are_ended_long_before_they_cost_what_they_did() {
        let mut unread = Unread::default();
        unread.opened(1, true).unwrap();
        let frames = (0..1_000_000).take_while(|_| unread.came(1, 1).is_ok()).count();
        assert!(frames <= 65_536, "{frames} frames of one byte");
        assert!(unread.cost() <= OVERHEAD_BYTES_MAX + THEIRS_BYTES_MAX);
    }

    #[test]
    fn who_reads_what_comes_is_never_ended_however_small_the_frames() {
        let mut unread = Unread::default();
        unread.opened(1, true).unwrap();
        for round in 0..1_000_000 {
            unread.came(1, 9).unwrap();
            if round % 500 == 499 {
                unread.read(1, 4_500, true);
                assert_eq!(unread.cost(), 0);
            }
        }
    }

    #[test]
    fn who_reads_slower_than_the_other_side_sends_is_not_ended_for_frames_that_were_read() {
        let mut unread = Unread::default();
        unread.opened(1, false).unwrap();
        (0..10).for_each(|_| unread.came(1, 16_384).unwrap());
        for _ in 0..1_000_000 {
            unread.came(1, 16_384).unwrap();
            unread.read(1, 16_384, false);
        }
        assert!(unread.frames <= 20, "{} frames of 10 that lie there", unread.frames);
    }

    #[test]
    fn whatever_happens_to_streams_nothing_is_left_when_all_are_gone() {
        let mut unread = Unread::default();
        for stream in 0..100 {
            unread.opened(stream, stream % 2 == 0).unwrap();
            unread.came(stream, 1_000).unwrap();
            unread.came(stream, 500).unwrap();
            unread.read(stream, 700, false);
            unread.read(stream, u64::from(stream) * 10, stream % 3 == 0);
            unread.came(stream + 1_000, 5).unwrap();
        }
        (0..100).for_each(|stream| unread.closed(stream));
        assert_eq!((unread.cost(), unread.theirs_bytes, unread.streams.len()), (0, 0, 0));
    }

    #[test]
    fn a_frame_that_is_promised_longer_than_any_may_be_is_ended_before_it_comes() {
        let mut unread = Unread::default();
        assert_eq!(unread.came(7, 1 << 20), Err(Excess::LongFrame(1 << 20)));
        assert_eq!(unread.came(7, FRAME_BODY_BYTES_MAX), Ok(()));
    }
}
