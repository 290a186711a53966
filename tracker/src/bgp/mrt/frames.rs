//! Where MRT records begin and end (RFC 6396, section 2), also in a damaged file: only whole records pass to the parser, none larger
//! than its kind can be, and after damage the next place is looked for where two records follow each other.

use std::{
    io::{self, Read},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::bgp::packed::is_damage;

/// Time, type, subtype, length.
const HEADER: usize = 12;
/// A record of a table holds one prefix as every peer of the collector sees it: 64 KiB of attributes at most for each.
pub const RECORD_BYTES_MAX: usize = 16 << 20;
/// What a record of messages may hold: one of at most 64 KiB, and who sent it.
const MESSAGE_BYTES_MAX: usize = 65_535 + 64;
/// How far a record may reach and still be found after damage. Others are skipped with it.
const SEARCH_WINDOW: usize = 1 << 20;

const LEGACY_BGP: u16 = 5;
const TABLE_DUMP: u16 = 12;
const TABLE_DUMP_V2: u16 = 13;
const BGP4MP: u16 = 16;
const BGP4MP_ET: u16 = 17;

/// What was seen on the way, told to whoever owns the parser that owns the reader.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Of the record read last, in seconds since 1970.
    pub time: AtomicU64,
    /// Records passed on.
    pub records: AtomicU64,
    /// Places where the file made no sense.
    pub gaps: AtomicU64,
    /// Bytes skipped there.
    pub bytes_skipped: AtomicU64,
    /// What lies below failed. It does not pass through the parser, whose own errors look alike.
    pub failure: Mutex<Option<io::Error>>,
}

/// A reader of whole records, which ends at the first failure of what lies below.
pub(super) struct Frames<R> {
    inner: R,
    /// What was read: at `start` the record that is being passed on, and behind it what a search looked at.
    window: Vec<u8>,
    start: usize,
    /// Up to where the record was passed on.
    given: usize,
    /// Where the record ends.
    end: usize,
    /// No more will come from below.
    exhausted: bool,
    seen: Arc<Seen>,
}

impl<R: Read> Frames<R> {
    pub(super) fn new(inner: R, seen: Arc<Seen>) -> Frames<R> {
        let window = Vec::new();
        Frames { inner, window, start: 0, given: 0, end: 0, exhausted: false, seen }
    }

    fn ahead(&self) -> &[u8] {
        &self.window[self.start..]
    }

    /// Has `wanted` bytes ahead, or as many as the file has.
    fn fill(&mut self, wanted: usize) {
        if self.ahead().len() >= wanted || self.exhausted {
            return;
        }
        // Only now, so that what a search read is not moved for each record.
        self.window.drain(..self.start);
        self.start = 0;
        let missing = wanted.saturating_sub(self.window.len()) as u64;
        // Grows as bytes come: a length that lies costs nothing.
        match (&mut self.inner).take(missing).read_to_end(&mut self.window) {
            Ok(read) => self.exhausted = (read as u64) < missing,
            Err(error) => {
                self.exhausted = true;
                if is_damage(&error) {
                    // A packed file that is damaged ends here, and so does what can be used of it.
                    self.seen.gaps.fetch_add(1, Ordering::Relaxed);
                } else if let Ok(mut failure) = self.seen.failure.lock() {
                    *failure = Some(error);
                }
            }
        }
    }

    /// Moves on to the next whole record; false at the end.
    fn advance(&mut self) -> bool {
        self.start = self.end;
        loop {
            (self.given, self.end) = (self.start, self.start);
            self.fill(HEADER);
            if self.ahead().is_empty() {
                (self.given, self.end) = (self.start, self.start);
                return false;
            }
            let length =
                self.ahead().first_chunk().and_then(Header::read).map(|header| (header.whole(), header));
            if let Some((length, header)) = length {
                self.fill(length);
                if self.ahead().len() >= length {
                    self.found(&header, length);
                    return true;
                }
            }
            // No header, or the file ends before what it announces.
            if !self.search() {
                self.start = self.window.len();
            }
        }
    }

    fn found(&mut self, header: &Header, mut length: usize) {
        if header.kind == TABLE_DUMP && is_four_short(header.subtype, &self.ahead()[HEADER..length]) {
            length = length.saturating_add(4);
            self.fill(length);
            length = self.ahead().len().min(length);
        }
        (self.given, self.end) = (self.start, self.start.saturating_add(length));
        self.seen.time.store(header.time.into(), Ordering::Relaxed);
        self.seen.records.fetch_add(1, Ordering::Relaxed);
    }

    /// Skips to the next place where one record follows another; false when there is none.
    fn search(&mut self) -> bool {
        self.seen.gaps.fetch_add(1, Ordering::Relaxed);
        loop {
            self.fill(SEARCH_WINDOW);
            let ahead = self.ahead().len();
            let found = (1..ahead.saturating_sub(HEADER)).find(|&at| self.begins_here(at));
            // A header may lie across the end of the window.
            let tail = if self.exhausted { 0 } else { HEADER };
            let skipped = found.unwrap_or(ahead.saturating_sub(tail));
            self.seen.bytes_skipped.fetch_add(skipped as u64, Ordering::Relaxed);
            self.start = self.start.saturating_add(skipped);
            if found.is_some() || self.exhausted {
                return found.is_some();
            }
        }
    }

    /// Whether a record begins so far ahead, with another right behind it or the end of the file.
    fn begins_here(&self, at: usize) -> bool {
        let header = |at: usize| self.ahead().get(at..)?.first_chunk().and_then(Header::read);
        let Some(first) = header(at) else {
            return false;
        };
        let next = at.saturating_add(first.whole());
        header(next).is_some() || self.exhausted && next == self.ahead().len()
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.end && !self.advance() {
            return Ok(0);
        }
        let record = &self.window[self.given..self.end];
        let length = record.len().min(buffer.len());
        buffer[..length].copy_from_slice(&record[..length]);
        self.given = self.given.saturating_add(length);
        Ok(length)
    }
}

/// A header of a kind that is read here, with a length that kind can have.
struct Header {
    time: u32,
    kind: u16,
    subtype: u16,
    length: usize,
}

impl Header {
    fn read(bytes: &[u8; HEADER]) -> Option<Header> {
        let [a, b, c, d, k, l, s, t, w, x, y, z] = *bytes;
        let header = Header {
            time: u32::from_be_bytes([a, b, c, d]),
            kind: u16::from_be_bytes([k, l]),
            subtype: u16::from_be_bytes([s, t]),
            length: usize::try_from(u32::from_be_bytes([w, x, y, z])).ok()?,
        };
        let (subtypes, longest) = match header.kind {
            LEGACY_BGP => (0..=7, MESSAGE_BYTES_MAX),
            // Early writers put many entries into one record.
            TABLE_DUMP => (1..=2, SEARCH_WINDOW),
            TABLE_DUMP_V2 => (1..=12, RECORD_BYTES_MAX),
            BGP4MP | BGP4MP_ET => (0..=11, MESSAGE_BYTES_MAX),
            // Link-state protocols (OSPF, IS-IS): whole, and of no use.
            11 | 32 | 33 | 48 | 49 => (0..=u16::MAX, MESSAGE_BYTES_MAX),
            _ => return None,
        };
        (subtypes.contains(&header.subtype) && header.length <= longest).then_some(header)
    }

    /// Bytes of the record with its header.
    fn whole(&self) -> usize {
        self.length.saturating_add(HEADER)
    }
}

/// Whether a table's record says four bytes less than it has, as a writer of the year 2000 did. The parser reads on in that case,
/// and by the same rule.
fn is_four_short(subtype: u16, body: &[u8]) -> bool {
    // Prefix and its length, status, time, address and AS of the peer; behind them the length of what follows.
    let fixed = match subtype {
        1 => 4 * 2 + 8,
        2 => 16 * 2 + 8,
        _ => return false,
    };
    let mut rest = body.get(4..).unwrap_or_default();
    while !rest.is_empty() {
        let Some((&[high, low], attributes)) = rest.get(fixed..).and_then(|rest| rest.split_first_chunk())
        else {
            return false;
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some(next) = attributes.get(length..) else {
            return length.checked_sub(attributes.len()) == Some(4);
        };
        rest = next;
    }
    false
}
