//! Finds the boundaries of MRT records (RFC 6396, section 2), also in a damaged file. Only whole
//! records pass to the parser, and none larger than its kind can be. After damage the search looks
//! for the next place where two records follow each other.

use std::{
    io::{self, Read},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::packed::is_damage;

/// The record header: time, type, subtype, length. In bytes.
const HEADER: usize = 12;
/// The longest table record, in bytes. It has one prefix as every peer of the collector sees it,
/// with at most 64 KiB of attributes for each peer.
pub const RECORD_BYTES_MAX: usize = 16 << 20;
/// The longest message record, in bytes: one message of at most 64 KiB, and its sender.
const MESSAGE_BYTES_MAX: usize = 65_535 + 64;
/// The longest record that a search after damage can find. Longer ones are skipped.
const SEARCH_WINDOW: usize = 1 << 20;

const LEGACY_BGP: u16 = 5;
const TABLE_DUMP: u16 = 12;
const TABLE_DUMP_V2: u16 = 13;
const BGP4MP: u16 = 16;
const BGP4MP_ET: u16 = 17;

/// What the reader has seen, shared with the owner of the parser, which owns the reader.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The time of the last record, in seconds since 1970.
    pub time: AtomicU64,
    /// Records passed to the parser.
    pub records: AtomicU64,
    /// Gaps: places without a valid record.
    pub gaps: AtomicU64,
    /// Bytes skipped in gaps.
    pub bytes_skipped: AtomicU64,
    /// An error of the inner reader. It does not pass through the parser, whose own errors look
    /// alike.
    pub failure: Mutex<Option<io::Error>>,
}

/// A reader of whole records, which ends at the first error of the inner reader.
pub(super) struct Frames<R> {
    inner: R,
    /// The bytes read: from `start` the current record, then bytes that a search has looked at.
    window: Vec<u8>,
    start: usize,
    /// The end of the part of the record that was passed on.
    given: usize,
    /// The end of the record.
    end: usize,
    /// The inner reader has no more bytes.
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

    /// Reads until `wanted` bytes are ahead, or to the end of the file.
    fn fill(&mut self, wanted: usize) {
        if self.ahead().len() >= wanted || self.exhausted {
            return;
        }
        // Done only now, so that the bytes of a search are not moved for each record.
        self.window.drain(..self.start);
        self.start = 0;
        let missing = wanted.saturating_sub(self.window.len()) as u64;
        // The buffer grows as bytes arrive, so a false length costs nothing.
        match (&mut self.inner).take(missing).read_to_end(&mut self.window) {
            Ok(read) => self.exhausted = (read as u64) < missing,
            Err(error) => {
                self.exhausted = true;
                if is_damage(&error) {
                    // A damaged packed file ends here: the rest is unusable.
                    self.seen.gaps.fetch_add(1, Ordering::Relaxed);
                } else if let Ok(mut failure) = self.seen.failure.lock() {
                    *failure = Some(error);
                }
            }
        }
    }

    /// Moves to the next whole record. Returns false at the end.
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
            // No valid header, or the file ends before the announced length.
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

    /// Skips to the next place where one record follows another. Returns false if there is none.
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

    /// Whether a record begins at `at`, followed directly by another record or the end of the file.
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

/// A header of a known kind, with a length that this kind can have.
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
            // Link-state protocols (OSPF, IS-IS): valid, but useless here.
            11 | 32 | 33 | 48 | 49 => (0..=u16::MAX, MESSAGE_BYTES_MAX),
            _ => return None,
        };
        (subtypes.contains(&header.subtype) && header.length <= longest).then_some(header)
    }

    /// The length of the record with its header, in bytes.
    fn whole(&self) -> usize {
        self.length.saturating_add(HEADER)
    }
}

/// Whether a table record states a length four bytes too small, as a writer of the year 2000 did.
/// The parser then reads on, by the same rule.
fn is_four_short(subtype: u16, body: &[u8]) -> bool {
    // Prefix and its length, status, time, address and AS of the peer; then the length of the
    // attributes.
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
