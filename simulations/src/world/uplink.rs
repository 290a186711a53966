//! An uplink as sockets share it: a peer sends to several neighbours at once, each gets an equal
//! share of the rate, and each receives its runs one after the other.
//!
//! The model is exact and has no steps: `progress` is what each run on its way has been sent since
//! the world began, in billionths of a byte. A run is out when `progress` reaches the run's end.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use nearcast_core::{
    id::{PeerKey, UploadId},
    layout::RunIndex,
    time::Timestamp,
};

/// In billionths of a byte, as `progress` counts, nanoseconds times bytes a second need no
/// division.
const PARTS: u128 = 1_000_000_000;

/// A run that is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Upload {
    pub(super) to: PeerKey,
    pub(super) upload: UploadId,
    pub(super) run: RunIndex,
    pub(super) bytes: u32,
}

/// What one peer sends.
///
/// Invariants: a neighbour in `on_way` has a first run in `queues`, the one on its way; a neighbour
/// with runs is either in `on_way` or, once, in `turns`.
pub(super) struct Uplink {
    /// Bytes per second.
    rate: u64,
    /// Neighbours that it sends to at once, at most.
    together: usize,
    queues: BTreeMap<PeerKey, VecDeque<Upload>>,
    /// Neighbours with a run on its way, and the value of `progress` at which that run is out.
    on_way: BTreeMap<PeerKey, u128>,
    /// Neighbours that wait for their turn, first come first served.
    turns: VecDeque<PeerKey>,
    progress: u128,
    since: Timestamp,
}

impl Uplink {
    pub(super) fn new(rate: u64, together: usize) -> Uplink {
        Uplink {
            rate,
            together,
            queues: BTreeMap::new(),
            on_way: BTreeMap::new(),
            turns: VecDeque::new(),
            progress: 0,
            since: Timestamp::ZERO,
        }
    }

    fn advance(&mut self, now: Timestamp) {
        let passed = now.since(self.since).as_nanos();
        self.since = now;
        if !self.on_way.is_empty() {
            self.progress += passed * u128::from(self.rate) / self.on_way.len() as u128;
        }
    }

    fn begin(&mut self) {
        while self.on_way.len() < self.together
            && let Some(peer) = self.turns.pop_front()
        {
            let first = self.queues[&peer][0];
            self.on_way.insert(peer, self.progress + u128::from(first.bytes) * PARTS);
        }
    }

    pub(super) fn push(&mut self, now: Timestamp, upload: Upload) {
        self.advance(now);
        let queue = self.queues.entry(upload.to).or_default();
        if queue.is_empty() {
            self.turns.push_back(upload.to);
        }
        queue.push_back(upload);
        self.begin();
    }

    /// Takes the runs that are out; their neighbours queue for their next runs.
    pub(super) fn take_done(&mut self, now: Timestamp) -> Vec<Upload> {
        self.advance(now);
        let done: Vec<PeerKey> =
            self.on_way.iter().filter(|&(_, &end)| end <= self.progress).map(|(&peer, _)| peer).collect();
        let out = done.into_iter().filter_map(|peer| self.finish(peer)).collect();
        self.begin();
        out
    }

    fn finish(&mut self, peer: PeerKey) -> Option<Upload> {
        self.on_way.remove(&peer);
        let queue = self.queues.get_mut(&peer)?;
        let first = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&peer);
        } else {
            self.turns.push_back(peer);
        }
        first
    }

    /// When the next run is out, if nothing changes until then. `None`: no run is on its way.
    pub(super) fn next_done(&self) -> Option<Timestamp> {
        let left = self.on_way.values().min()?.saturating_sub(self.progress);
        let nanos = (left * self.on_way.len() as u128).div_ceil(u128::from(self.rate.max(1)));
        Some(self.since + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// Takes back a run that has not begun.
    pub(super) fn withdraw(&mut self, to: PeerKey, named: impl Fn(&Upload) -> bool) -> Option<Upload> {
        let begun = usize::from(self.on_way.contains_key(&to));
        let queue = self.queues.get_mut(&to)?;
        let at = queue.iter().skip(begun).position(named)?;
        let taken = queue.remove(begun + at);
        if queue.is_empty() {
            self.queues.remove(&to);
            self.turns.retain(|&peer| peer != to);
        }
        taken
    }

    /// The peer is gone, and nothing more is sent to it. Returns what was still to be sent.
    pub(super) fn drop_peer(&mut self, now: Timestamp, to: PeerKey) -> Vec<Upload> {
        self.advance(now);
        self.on_way.remove(&to);
        self.turns.retain(|&peer| peer != to);
        let dropped = self.queues.remove(&to).unwrap_or_default();
        self.begin();
        dropped.into()
    }
}

#[cfg(test)]
mod tests {
    use nearcast_core::layout::Layout;

    use super::*;

    fn upload(to: u32, upload: u32, bytes: u32) -> Upload {
        let layout = Layout::new(256 << 10, [10 * (256 << 10)]).expect("ten runs");
        let run = layout.run_index(upload).expect("one of ten");
        Upload { to: PeerKey(to), upload: UploadId(upload), run, bytes }
    }

    /// When each upload is out, in milliseconds.
    fn times(uplink: &mut Uplink) -> Vec<(u32, u64)> {
        let mut times = Vec::new();
        while let Some(at) = uplink.next_done() {
            let out = uplink.take_done(at);
            times.extend(out.iter().map(|upload| (upload.upload.0, at.as_nanos() / 1_000_000)));
        }
        times
    }

    #[test]
    fn those_on_the_way_share_the_rate_and_each_gets_its_runs_in_order() {
        let mut uplink = Uplink::new(1_000, 16);
        for (to, number, bytes) in [(1, 0, 1_000), (1, 1, 1_000), (2, 2, 500)] {
            uplink.push(Timestamp::ZERO, upload(to, number, bytes));
        }
        // In the first second each neighbour gets half a second's worth; then neighbour 1 is alone.
        assert_eq!(times(&mut uplink), [(2, 1_000), (0, 1_500), (1, 2_500)]);
    }

    #[test]
    fn with_one_at_a_time_neighbours_take_turns() {
        let mut uplink = Uplink::new(1_000, 1);
        for (to, number) in [(1, 0), (1, 1), (2, 2), (3, 3)] {
            uplink.push(Timestamp::ZERO, upload(to, number, 1_000));
        }
        assert_eq!(times(&mut uplink), [(0, 1_000), (2, 2_000), (3, 3_000), (1, 4_000)]);
    }

    #[test]
    fn what_is_on_its_way_is_not_taken_back_and_who_leaves_makes_room() {
        let mut uplink = Uplink::new(1_000, 1);
        for (to, number) in [(1, 0), (1, 1), (2, 2)] {
            uplink.push(Timestamp::ZERO, upload(to, number, 1_000));
        }
        assert_eq!(uplink.withdraw(PeerKey(1), |upload| upload.upload == UploadId(0)), None);
        assert!(uplink.withdraw(PeerKey(1), |upload| upload.upload == UploadId(1)).is_some());
        let dropped = uplink.drop_peer(Timestamp::from_millis(500), PeerKey(1));
        assert_eq!(dropped, [upload(1, 0, 1_000)]);
        assert_eq!(times(&mut uplink), [(2, 1_500)]);
    }
}
