//! Watches yamux frames as they arrive, so that their cost is known before it is spent.
//!
//! The library keeps what arrives until it is read, and does not report how much that is. Its
//! frames are simple: a header of twelve bytes, followed in a data frame by the body.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::budget::{Excess, Holdings};

const HEADER_BYTES: usize = 12;
/// Frames taken in a row before other tasks get their turn.
const TURN_FRAMES: u32 = 128;
/// A frame with a shorter body is small.
const SMALL_BYTES: u32 = 256;
/// The time that a small frame takes up. The requests, announcements and window updates of a
/// gigabyte a second are fewer than this allows.
const SMALL_TIME: Duration = Duration::from_micros(20);
/// While more frames than this are unread, a small frame takes up [`UNREAD_TIME`]: a peer that
/// sends so many only wants to cause work.
const UNREAD_FRAMES_FREE: u64 = 1_024;
const UNREAD_TIME: Duration = Duration::from_millis(1);
/// How much of that time may be used at once.
const SMALL_BURST: Duration = Duration::from_millis(300);
const DATA: u8 = 0;
const WINDOW_UPDATE: u8 = 1;
/// The flag that opens a stream.
const SYN: u16 = 1;

/// Follows the frames that one connection receives.
pub(crate) struct Frames {
    holdings: Arc<Holdings>,
    header: [u8; HEADER_BYTES],
    /// Bytes of the header that have arrived.
    filled: usize,
    /// Bytes of the body that are still to come.
    body_left: u32,
    /// Frames since there was last nothing to read.
    in_a_row: u32,
    /// Small frames have taken up the time until then.
    taken_until: Option<Instant>,
}

impl Frames {
    pub(crate) fn new(holdings: Arc<Holdings>) -> Frames {
        Frames {
            holdings,
            header: [0; HEADER_BYTES],
            filled: 0,
            body_left: 0,
            in_a_row: 0,
            taken_until: None,
        }
    }

    /// Notes that there was nothing to read.
    pub(crate) fn begin_turn(&mut self) {
        self.in_a_row = 0;
    }

    /// Whether other tasks should have their turn. Asked before each read.
    pub(crate) fn is_turn_over(&mut self) -> bool {
        let over = self.in_a_row >= TURN_FRAMES;
        if over {
            self.in_a_row = 0;
        }
        over
    }

    /// Until when nothing more is read, because too many small frames came. `None`: no pause.
    pub(crate) fn pause(&self) -> Option<Instant> {
        self.taken_until.filter(|until| *until > Instant::now())
    }

    /// Charges the time of a small frame.
    fn on_small(&mut self, now: Instant, unread: u64) {
        let time = if unread > UNREAD_FRAMES_FREE { UNREAD_TIME } else { SMALL_TIME };
        let earliest = now.checked_sub(SMALL_BURST).unwrap_or(now);
        let from = self.taken_until.map_or(earliest, |until| until.max(earliest));
        self.taken_until = from.checked_add(time);
    }

    /// Follows bytes that arrived.
    ///
    /// # Errors
    /// If the connection has to end.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) -> Result<(), Excess> {
        while !bytes.is_empty() {
            if self.body_left > 0 {
                let came = nearcast_core::saturate::to_u32(bytes.len());
                let skipped = came.min(self.body_left);
                self.body_left = self.body_left.saturating_sub(skipped);
                bytes = &bytes[skipped as usize..];
                continue;
            }
            let room = &mut self.header[self.filled..];
            let taken = bytes.len().min(room.len());
            room[..taken].copy_from_slice(&bytes[..taken]);
            self.filled = self.filled.saturating_add(taken);
            bytes = &bytes[taken..];
            if self.filled == HEADER_BYTES {
                self.filled = 0;
                self.in_a_row = self.in_a_row.saturating_add(1);
                self.on_header()?;
            }
        }
        Ok(())
    }

    fn on_header(&mut self) -> Result<(), Excess> {
        let [_, kind, flags_high, flags_low, s0, s1, s2, s3, l0, l1, l2, l3] = self.header;
        let stream = u32::from_be_bytes([s0, s1, s2, s3]);
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        let opens = u16::from_be_bytes([flags_high, flags_low]) & SYN != 0;
        if opens && matches!(kind, DATA | WINDOW_UPDATE) {
            self.holdings.note_opened();
            self.holdings.note(|unread| unread.opened(stream, true))?;
        }
        let mut unread = 0;
        if kind == DATA {
            unread = self.holdings.note(|unread| unread.came(stream, length).map(|()| unread.frames()))?;
            self.body_left = length;
        }
        if self.body_left < SMALL_BYTES {
            self.on_small(Instant::now(), unread);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Budget, Kind, Plan};

    fn frame(kind: u8, flags: u8, stream: u8, body: &[u8]) -> Vec<u8> {
        [&[0, kind, 0, flags, 0, 0, 0, stream, 0, 0, 0, body.len() as u8][..], body].concat()
    }

    #[test]
    fn small_frames_take_up_time_and_large_ones_none() {
        let frames_in = |unread: u64, time: Duration| {
            let budget = Budget::new(&Plan::new(10, true));
            let (start, mut frames) = (Instant::now(), Frames::new(Holdings::new(&budget)));
            (0..1_000_000)
                .take_while(|_| {
                    frames.on_small(start, unread);
                    frames.taken_until.is_none_or(|until| until <= start + time)
                })
                .count()
        };
        assert_eq!(frames_in(0, Duration::ZERO), 15_000, "at once");
        assert_eq!(frames_in(0, Duration::from_secs(1)), 65_000);
        assert_eq!(frames_in(UNREAD_FRAMES_FREE + 1, Duration::ZERO), 300);
        assert_eq!(frames_in(UNREAD_FRAMES_FREE + 1, Duration::from_secs(1)), 1_300);
        let budget = Budget::new(&Plan::new(10, true));
        let mut frames = Frames::new(Holdings::new(&budget));
        let large = [&[0, DATA, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0][..], &[7; 256]].concat();
        (0..100).for_each(|_| frames.pass(&large).unwrap());
        assert_eq!(frames.taken_until, None);
    }

    #[test]
    fn frames_are_counted_however_their_bytes_are_cut() {
        let sent: Vec<u8> = [
            frame(WINDOW_UPDATE, 1, 1, &[]),
            frame(DATA, 0, 1, &[7; 100]),
            frame(2, 1, 0, &[]),
            frame(DATA, 1, 3, &[8; 50]),
            frame(DATA, 0, 9, &[9; 50]),
        ]
        .concat();
        for cut in 1..sent.len() {
            let budget = Budget::new(&Plan::new(10, true));
            let mut frames = Frames::new(Holdings::new(&budget));
            sent.chunks(cut).for_each(|chunk| frames.pass(chunk).unwrap());
            assert_eq!(budget.uses()[Kind::Bytes as usize].used, 150 + 2 * 64, "cut at {cut}");
            assert_eq!(frames.in_a_row, 5);
        }
    }
}
