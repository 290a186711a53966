//! MRT files (RFC 6396): tables of collectors (`TABLE_DUMP`, `TABLE_DUMP_V2`) and messages of their
//! peers (`BGP4MP`), as a stream of [`Change`]s.
//!
//! Invariant: memory does not depend on the size of the file, and no content stops the reading:
//! damage is skipped and counted. Only the disk can fail.

use std::{
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bgpkit_parser::{
    BgpkitParser, FallibleRouteIterator,
    models::{BgpRouteElem, ElemType},
};
use nearcast_core::asn::Asn;

use self::frames::{Frames, Seen};
use super::{
    paths::Path,
    route::{BgpPeer, Change, Route, network},
};

mod frames;

pub use frames::RECORD_BYTES_MAX;

/// Counts of what was found in a file so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MrtCounts {
    /// Records, including those without routes.
    pub records: u64,
    /// Records that could not be read, in whole or in part, and gaps between records.
    pub damaged: u64,
    /// Bytes outside any record.
    pub bytes_skipped: u64,
    /// Routes of tables, and announcements.
    pub announced: u64,
    /// Withdrawals.
    pub withdrawn: u64,
    /// Announcements with an unusable path.
    pub unusable_paths: u64,
    /// Announcements and withdrawals whose prefix is too short to be useful (see [`network`]). They
    /// become no [`Change`].
    pub too_short: u64,
    /// The time of the latest record, in seconds since 1970; 0 before the first. A record more than
    /// a day away from the one before does not count: it is damaged, or begins something else.
    pub latest: u64,
}

impl MrtCounts {
    /// Adds the counts of another file.
    pub fn add(&mut self, other: &MrtCounts) {
        self.records = self.records.saturating_add(other.records);
        self.damaged = self.damaged.saturating_add(other.damaged);
        self.bytes_skipped = self.bytes_skipped.saturating_add(other.bytes_skipped);
        self.announced = self.announced.saturating_add(other.announced);
        self.withdrawn = self.withdrawn.saturating_add(other.withdrawn);
        self.unusable_paths = self.unusable_paths.saturating_add(other.unusable_paths);
        self.too_short = self.too_short.saturating_add(other.too_short);
        self.latest = self.latest.max(other.latest);
    }
}

/// A day, in seconds.
const DAY: u64 = 86_400;

/// Reads one file. Iterate, then look at [`MrtReader::counts`].
pub struct MrtReader<R> {
    routes: FallibleRouteIterator<Frames<R>>,
    seen: Arc<Seen>,
    counts: MrtCounts,
    /// The time of the previous record, in seconds since 1970.
    before: Option<u64>,
    /// The path cleaned last. Its memory is reused if nobody kept it.
    path: Arc<Path>,
}

impl<R: Read> MrtReader<R> {
    /// Reads data that is unpacked already (see [`super::packed`]).
    pub fn new(reader: R) -> MrtReader<R> {
        let seen = Arc::new(Seen::default());
        let frames = Frames::new(reader, Arc::clone(&seen));
        let routes = BgpkitParser::from_reader(frames).disable_warnings().into_fallible_route_iter();
        MrtReader { routes, seen, counts: MrtCounts::default(), before: None, path: Arc::default() }
    }

    /// The counts so far.
    pub fn counts(&self) -> MrtCounts {
        let seen = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut counts = self.counts;
        counts.records = seen(&self.seen.records);
        counts.damaged = counts.damaged.saturating_add(seen(&self.seen.gaps));
        counts.bytes_skipped = seen(&self.seen.bytes_skipped);
        counts
    }

    fn change(&mut self, route: &BgpRouteElem) -> Option<Change> {
        let time = self.seen.time.load(Ordering::Relaxed);
        if self.before.replace(time).is_none_or(|before| before.abs_diff(time) <= DAY) {
            self.counts.latest = self.counts.latest.max(time);
        }
        let peer = BgpPeer { address: route.peer_ip, asn: Asn(route.peer_asn.into()) };
        let what = match route.elem_type {
            ElemType::ANNOUNCE => {
                self.counts.announced = self.counts.announced.saturating_add(1);
                self.announced(route, peer.asn)
            }
            ElemType::WITHDRAW => {
                self.counts.withdrawn = self.counts.withdrawn.saturating_add(1);
                Route::Withdrawn
            }
        };
        let Some(prefix) = network(&route.prefix) else {
            self.counts.too_short = self.counts.too_short.saturating_add(1);
            return None;
        };
        Some(Change { time, peer, prefix, route: what })
    }

    fn announced(&mut self, route: &BgpRouteElem, teller: Asn) -> Route {
        let path = if let Some(path) = Arc::get_mut(&mut self.path) {
            path
        } else {
            self.path = Arc::default();
            Arc::get_mut(&mut self.path).expect("it was made just now")
        };
        match route.as_path.as_deref().map(|wire| path.refill(wire, teller)) {
            Some(Ok(())) => Route::Announced(Arc::clone(&self.path)),
            // The path attribute is missing, damaged or useless.
            None | Some(Err(_)) => {
                self.counts.unusable_paths = self.counts.unusable_paths.saturating_add(1);
                Route::Withdrawn
            }
        }
    }
}

impl<R: Read> Iterator for MrtReader<R> {
    type Item = io::Result<Change>;

    fn next(&mut self) -> Option<io::Result<Change>> {
        loop {
            match self.routes.next() {
                Some(Ok(route)) => {
                    if let Some(change) = self.change(&route) {
                        return Some(Ok(change));
                    }
                }
                Some(Err(_)) => self.counts.damaged = self.counts.damaged.saturating_add(1),
                // The end, or a failed read.
                None => return self.seen.failure.lock().ok()?.take().map(Err),
            }
        }
    }
}

#[cfg(test)]
mod tests;
