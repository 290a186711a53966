//! An uplink as sockets share it: a peer sends to several neighbours at once, each gets an equal
//! share of the rate, and each receives its runs one after the other.
//!
//! The model is exact and has no steps: `progress` is what each run on its way has been sent since
//! the world began, in billionths of a byte. A run is out when `progress` reaches the run's end.

use std::{collections::VecDeque, time::Duration};

use nearcast_core::{
    id::{PeerKey, UploadId},
    input::COMING_AFTER,
    layout::RunIndex,
    rates::concurrency::Concurrency,
    time::Timestamp,
};

/// In billionths of a byte, as `progress` counts, nanoseconds times bytes a second need no
/// division.
const PARTS: u128 = 1_000_000_000;

/// A run that is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Upload {
    pub(crate) to: PeerKey,
    pub(crate) upload: UploadId,
    pub(crate) run: RunIndex,
    pub(crate) bytes: u32,
}

/// A run that is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Out {
    pub(crate) upload: Upload,
    /// When its first byte was sent.
    pub(crate) begun: Timestamp,
}

/// What one neighbour is to be sent.
#[derive(Clone, Debug)]
struct Line {
    to: PeerKey,
    /// Never empty. The first run may be on its way.
    queue: VecDeque<Upload>,
    on_way: Option<OnWay>,
}

#[derive(Clone, Copy, Debug)]
struct OnWay {
    /// The value of `progress` at which the run is out.
    end: u128,
    begun: Timestamp,
}

/// What one peer sends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Uplink {
    /// Bytes per second.
    rate: u64,
    /// How many neighbours it sends to at once.
    together: Concurrency,
    /// Somebody else says when runs are out: it only decides whose turn it is.
    is_driven: bool,
    /// Neighbours whose turn came first stand first.
    lines: Vec<Line>,
    /// Lines with a run on its way.
    on_way: usize,
    progress: u128,
    /// What was sent in all, in billionths of a byte.
    sent: u128,
    since: Timestamp,
    /// When the next run is planned to be out, and how often that was planned anew.
    planned: (Timestamp, u32),
    /// Runs that have begun since somebody looked, if they may take long.
    begun: Vec<(PeerKey, UploadId)>,
}

impl Uplink {
    /// `least` and `most` say how many neighbours it sends to at once.
    pub(crate) fn new(rate: u64, (least, most): (u16, u16)) -> Uplink {
        Uplink { rate, together: Concurrency::new(least, most), ..Uplink::default() }
    }

    /// Bytes sent since the world began.
    fn sent(&self) -> u64 {
        (self.sent / PARTS) as u64
    }

    /// Whether nothing is on its way.
    #[cfg(feature = "reasons")]
    pub(super) fn is_idle(&self) -> bool {
        self.on_way == 0
    }

    /// From now on somebody else says when runs are out.
    pub(super) fn drive(&mut self) {
        self.is_driven = true;
    }

    /// The run that is on its way to a neighbour. `None`: there is none.
    pub(super) fn sends(&self, to: PeerKey) -> Option<Upload> {
        let line = &self.lines[self.line(to)?];
        line.on_way.and(line.queue.front().copied())
    }

    /// The run on its way to a neighbour is out. `None`: there is none.
    pub(super) fn finish(&mut self, now: Timestamp, to: PeerKey) -> Option<Out> {
        self.advance(now);
        let at = self.line(to).filter(|&at| self.lines[at].on_way.is_some())?;
        let out = self.take_out(at, now);
        self.begin();
        out
    }

    /// Sends nothing more of what it had to send.
    pub(super) fn clear(&mut self) {
        self.lines.clear();
        (0..self.on_way).for_each(|_| self.together.give_up());
        self.on_way = 0;
        self.begun.clear();
    }

    /// Notes that the next run is out at this moment. `None`: that was known already. Else, the
    /// number of the plan.
    pub(crate) fn plan(&mut self, at: Timestamp) -> Option<u32> {
        if self.planned.0 == at && self.planned.1 > 0 {
            return None;
        }
        self.planned = (at, self.planned.1.wrapping_add(1).max(1));
        Some(self.planned.1)
    }

    /// Whether this is still the plan. It is none any more afterwards.
    pub(crate) fn is_planned(&mut self, plan: u32) -> bool {
        let is = self.planned.1 == plan;
        if is {
            self.planned.0 = Timestamp::ZERO;
        }
        is
    }

    fn advance(&mut self, now: Timestamp) {
        let passed = now.since(self.since).as_nanos();
        self.since = now;
        if self.on_way > 0 && !self.is_driven {
            self.progress += passed * u128::from(self.rate) / self.on_way as u128;
            self.sent += passed * u128::from(self.rate);
        }
    }

    fn begin(&mut self) {
        let mut waiting = self.lines.iter_mut().filter(|line| line.on_way.is_none());
        while self.together.has_room()
            && let Some(line) = waiting.next()
        {
            let end = self.progress + u128::from(line.queue[0].bytes) * PARTS;
            line.on_way = Some(OnWay { end, begun: self.since });
            self.on_way += 1;
            self.together.begin();
            // The time that it takes if it has to share the uplink with as many others as may be.
            let first = line.queue[0];
            let nanos = u128::from(first.bytes) * PARTS * u128::from(self.together.places());
            if self.is_driven || nanos > COMING_AFTER.as_nanos() * u128::from(self.rate) {
                self.begun.push((first.to, first.upload));
            }
        }
    }

    /// Takes the runs that have begun since the last look.
    pub(super) fn take_begun(&mut self) -> Vec<(PeerKey, UploadId)> {
        std::mem::take(&mut self.begun)
    }

    /// Whether this run is on its way.
    pub(super) fn is_on_way(&self, to: PeerKey, upload: UploadId) -> bool {
        let line = self.lines.iter().find(|line| line.to == to);
        line.is_some_and(|line| line.on_way.is_some() && line.queue[0].upload == upload)
    }

    fn line(&self, to: PeerKey) -> Option<usize> {
        self.lines.iter().position(|line| line.to == to)
    }

    /// A run is to be sent.
    pub(crate) fn push(&mut self, now: Timestamp, upload: Upload) {
        self.advance(now);
        match self.line(upload.to) {
            Some(at) => self.lines[at].queue.push_back(upload),
            None => self.lines.push(Line { to: upload.to, queue: [upload].into(), on_way: None }),
        }
        self.begin();
    }

    /// Takes the runs that are out; their neighbours queue for their next runs.
    pub(crate) fn take_done(&mut self, now: Timestamp) -> Vec<Out> {
        self.advance(now);
        let progress = self.progress;
        let is_out = |line: &Line| line.on_way.is_some_and(|on_way| on_way.end <= progress);
        let mut out = Vec::new();
        while let Some(at) = self.lines.iter().position(is_out) {
            out.extend(self.take_out(at, now));
        }
        self.begin();
        out
    }

    /// Takes the first run of a line, which queues for its next one.
    fn take_out(&mut self, at: usize, now: Timestamp) -> Option<Out> {
        let mut line = self.lines.remove(at);
        let begun = line.on_way.take().map_or(now, |on_way| on_way.begun);
        self.on_way -= 1;
        let out = line.queue.pop_front().map(|upload| Out { upload, begun });
        if self.is_driven {
            self.sent += out.map_or(0, |out| u128::from(out.upload.bytes)) * PARTS;
        }
        let is_waited_for = self.lines.len() > self.on_way || !line.queue.is_empty();
        self.together.end(now, begun, is_waited_for, self.sent());
        if !line.queue.is_empty() {
            self.lines.push(line);
        }
        out
    }

    /// When the next run is out, if nothing changes until then. `None`: no run is on its way.
    pub(crate) fn next_done(&self) -> Option<Timestamp> {
        if self.is_driven {
            return None;
        }
        let ends = self.lines.iter().filter_map(|line| line.on_way).map(|on_way| on_way.end);
        let left = ends.min()?.saturating_sub(self.progress);
        let nanos = (left * self.on_way as u128).div_ceil(u128::from(self.rate.max(1)));
        Some(self.since + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// Takes back a run that has not begun.
    pub(crate) fn withdraw(&mut self, to: PeerKey, named: impl Fn(&Upload) -> bool) -> Option<Upload> {
        let at = self.line(to)?;
        let line = &mut self.lines[at];
        let begun = usize::from(line.on_way.is_some());
        let found = line.queue.iter().skip(begun).position(named)?;
        let taken = line.queue.remove(begun + found);
        if line.queue.is_empty() {
            self.lines.remove(at);
        }
        taken
    }

    /// The peer is gone, and nothing more is sent to it. Returns what was still to be sent.
    pub(crate) fn drop_peer(&mut self, now: Timestamp, to: PeerKey) -> Vec<Upload> {
        self.advance(now);
        let Some(at) = self.line(to) else { return Vec::new() };
        let line = self.lines.remove(at);
        if line.on_way.is_some() {
            self.on_way -= 1;
            self.together.give_up();
        }
        self.begin();
        line.queue.into()
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
            times.extend(out.iter().map(|out| (out.upload.upload.0, at.as_nanos() / 1_000_000)));
        }
        times
    }

    #[test]
    fn those_on_the_way_share_the_rate_and_each_gets_its_runs_in_order() {
        let mut uplink = Uplink::new(1_000, (16, 16));
        for (to, number, bytes) in [(1, 0, 1_000), (1, 1, 1_000), (2, 2, 500)] {
            uplink.push(Timestamp::ZERO, upload(to, number, bytes));
        }
        // In the first second each neighbour gets half a second's worth; then neighbour 1 is alone.
        assert_eq!(times(&mut uplink), [(2, 1_000), (0, 1_500), (1, 2_500)]);
    }

    #[test]
    fn with_one_at_a_time_neighbours_take_turns() {
        let mut uplink = Uplink::new(1_000, (1, 1));
        for (to, number) in [(1, 0), (1, 1), (2, 2), (3, 3)] {
            uplink.push(Timestamp::ZERO, upload(to, number, 1_000));
        }
        assert_eq!(times(&mut uplink), [(0, 1_000), (2, 2_000), (3, 3_000), (1, 4_000)]);
    }

    #[test]
    fn what_has_begun_is_told_once_if_it_may_take_long() {
        let mut slow = Uplink::new(1_000, (1, 1));
        slow.push(Timestamp::ZERO, upload(1, 0, 1_000));
        slow.push(Timestamp::ZERO, upload(2, 1, 1_000));
        assert_eq!(slow.take_begun(), [(PeerKey(1), UploadId(0))]);
        assert!(slow.is_on_way(PeerKey(1), UploadId(0)) && !slow.is_on_way(PeerKey(2), UploadId(1)));
        assert_eq!(slow.take_begun(), []);
        slow.take_done(Timestamp::from_millis(1_000));
        assert_eq!(slow.take_begun(), [(PeerKey(2), UploadId(1))]);
        let mut quick = Uplink::new(16_000, (4, 4));
        quick.push(Timestamp::ZERO, upload(1, 0, 1_000));
        assert_eq!(quick.take_begun(), [], "it takes a quarter of a second at most");
    }

    #[test]
    fn what_is_on_its_way_is_not_taken_back_and_who_leaves_makes_room() {
        let mut uplink = Uplink::new(1_000, (1, 1));
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
