//! Who reads while it comes, and when each run is due for them.
//!
//! The *window* of a reader is what they read within the next half minute, or 64 MiB if that is less.
//! Without readers nothing of this exists, and nothing is decided by it.
//!
//! Invariant: at most [`READERS_MAX`] readers; nothing before a reader's `front` is missing, as of
//! the last look.

use std::time::Duration;

use crate::{
    content::{layout::RunIndex, run_set::RunSet},
    id::ReaderId,
    input::Reading,
    origin::top_up::{BUFFER_WANTED, TopUp},
    saturate::{to_u8, to_u32},
    stats::Streaming,
    time::Timestamp,
};

/// Of more readers, those who moved last count.
const READERS_MAX: usize = 4;
/// How far ahead of a reader its window reaches: so long, or so many bytes.
const WINDOW_SECONDS: u64 = 30;
const WINDOW_BYTES_MAX: u64 = 64 << 20;
/// At least so many runs are in a window.
const WINDOW_RUNS_MIN: u32 = 2;
/// Runs that are looked at for one request at most, because they are due soon.
const URGENT_RUNS_MAX: usize = 64;
/// How fast somebody reads whose rate is not known, in bytes a second: a film of 8 Mbit/s.
const RATE_ASSUMED: u32 = 1_000_000;
/// Who has so much before them has begun to read. Until then an origin gives what it can.
const BEGUN_AFTER: Duration = Duration::from_secs(1);
/// One request in so many is for anything at all while enough is here for the readers, so that those who read the same
/// help each other at every place.
const OUTSIDE_EVERY: u8 = 5;
/// Late imports that are on their way and remembered.
const LATE_IMPORTS_MAX: usize = 1_024;

/// One reader.
#[derive(Clone, Copy, Debug)]
struct Reader {
    id: ReaderId,
    at: u32,
    offset: u64,
    end: u32,
    rate: u64,
    running: bool,
    taken: u32,
    /// When they were there.
    since: Timestamp,
    /// The first run from `at` on that is missing; `end` if none is.
    front: u32,
    /// They have had something to read since they came to this place.
    has_begun: bool,
}

impl Reader {
    /// Bytes from where they were to the beginning of a run.
    fn distance(&self, run: u32, run_bytes: u64) -> u64 {
        u64::from(run.saturating_sub(self.at)).saturating_mul(run_bytes).saturating_sub(self.offset)
    }

    /// What they have read since they were there, in bytes: no more than is here and was given to them.
    fn read(&self, now: Timestamp, run_bytes: u64) -> u64 {
        let passed = if self.running { millis(now.since(self.since)) } else { 0 };
        let read = self.rate.saturating_mul(passed) / 1_000;
        read.min(self.distance(self.front.min(self.taken), run_bytes))
    }

    /// How long until they need a run. `None`: they do not read it.
    fn due(&self, now: Timestamp, run: u32, run_bytes: u64) -> Option<Duration> {
        if run < self.at || run >= self.end {
            return None;
        }
        let left = self.distance(run, run_bytes).saturating_sub(self.read(now, run_bytes));
        Some(Duration::from_millis(left.saturating_mul(1_000).checked_div(self.rate).unwrap_or(u64::MAX)))
    }

    /// The end of the window, as a run.
    fn window_end(&self, now: Timestamp, run_bytes: u64) -> u32 {
        let ahead = self.rate.saturating_mul(WINDOW_SECONDS).min(WINDOW_BYTES_MAX);
        let upto = self.offset.saturating_add(self.read(now, run_bytes)).saturating_add(ahead);
        let runs = to_u32(upto.checked_div(run_bytes).unwrap_or(0)).max(WINDOW_RUNS_MIN);
        self.at.saturating_add(runs).min(self.end)
    }

    /// What is here before them, as time. `None`: everything.
    fn buffer(&self, now: Timestamp, run_bytes: u64) -> Option<Duration> {
        if self.front >= self.end { None } else { self.due(now, self.front, run_bytes) }
    }

    /// Looks for the first run that is missing.
    fn look(&mut self, now: Timestamp, have: &RunSet, run_bytes: u64) {
        let missing = |run: &u32| !have.contains(RunIndex::new(*run));
        self.front = (self.at..self.end).find(missing).unwrap_or(self.end);
        self.has_begun |= self.buffer(now, run_bytes).is_none_or(|buffer| buffer >= BEGUN_AFTER);
    }
}

/// The readers of one content, and what is due for them.
#[derive(Debug)]
pub(crate) struct Deadlines {
    readers: Vec<Reader>,
    /// What is missing in the windows, as of the last look.
    window: RunSet,
    /// What no peer has, and the part of it that is in the windows: the rest an origin gives only if
    /// it has to, however slow those peers are.
    alone: RunSet,
    alone_near: RunSet,
    run_bytes: u64,
    looked: Timestamp,
    /// Requests in a row that were for the windows.
    inside: u8,
    /// Runs that were asked for beyond a border of our groups, out of turn.
    late_imports: Vec<RunIndex>,
    top_up: TopUp,
    counts: Streaming,
}

impl Deadlines {
    pub(crate) fn new(now: Timestamp, runs: u32, run_bytes: u32) -> Deadlines {
        Deadlines {
            readers: Vec::new(),
            window: RunSet::empty(runs),
            alone: RunSet::full(runs),
            alone_near: RunSet::empty(runs),
            run_bytes: u64::from(run_bytes.max(1)),
            looked: now,
            inside: 0,
            late_imports: Vec::new(),
            top_up: TopUp::default(),
            counts: Streaming::default(),
        }
    }

    /// A reader is there now, or gone. Returns whether they came to a place of which nothing was expected.
    pub(crate) fn on_reader(
        &mut self,
        now: Timestamp,
        id: ReaderId,
        reading: Option<Reading>,
        have: &RunSet,
    ) -> bool {
        let at = self.readers.iter().position(|reader| reader.id == id);
        let before = at.map(|at| self.readers.remove(at));
        let Some(reading) = reading else {
            self.look(now, have);
            return false;
        };
        if self.readers.len() >= READERS_MAX {
            self.readers.remove(0);
        }
        let (run_bytes, at) = (self.run_bytes, reading.at.get());
        let is_there = |before: &Reader| at >= before.at && at <= before.front.saturating_add(1);
        let stays = before.filter(|before| before.end == reading.end && is_there(before));
        let mut reader = Reader {
            id,
            at,
            offset: reading.offset.into(),
            end: reading.end.min(have.runs()),
            rate: u64::from(if reading.rate == 0 { RATE_ASSUMED } else { reading.rate }),
            running: reading.running,
            taken: reading.taken,
            since: now,
            front: at,
            has_begun: stays.is_some_and(|before| before.has_begun),
        };
        reader.look(now, have, run_bytes);
        self.readers.push(reader);
        self.look(now, have);
        stays.is_none()
    }

    /// Looks at what is missing in the windows.
    pub(crate) fn look(&mut self, now: Timestamp, have: &RunSet) {
        self.window = RunSet::empty(have.runs());
        for reader in &mut self.readers {
            reader.look(now, have, self.run_bytes);
            let ahead = (reader.front..reader.window_end(now, self.run_bytes)).map(RunIndex::new);
            for run in ahead.filter(|&run| !have.contains(run)) {
                self.window.insert(run);
            }
        }
        self.find_near();
    }

    /// What peers have, all of them together.
    pub(crate) fn on_shared(&mut self, shared: &RunSet) {
        self.alone = RunSet::full(shared.runs());
        self.alone.remove_all(shared);
        self.find_near();
    }

    fn find_near(&mut self) {
        self.alone_near = RunSet::empty(self.window.runs());
        let (window, alone) = (&self.window, &self.alone);
        self.alone_near.insert_words(|at| window.words()[at] & alone.words()[at]);
    }

    /// What is missing in the windows and no peer has.
    pub(crate) fn alone_near(&self) -> &RunSet {
        &self.alone_near
    }

    /// What no peer has.
    pub(crate) fn alone(&self) -> &RunSet {
        &self.alone
    }

    /// A tick has passed.
    pub(crate) fn pass_tick(&mut self, now: Timestamp, have: &RunSet) {
        self.look(now, have);
        let passed = now.since(std::mem::replace(&mut self.looked, now));
        let wanted = self.readers.iter().map(|reader| reader.rate).fold(0, u64::saturating_add);
        self.top_up.pass(passed, self.buffer(now), wanted, self.run_bytes);
    }

    /// What is missing in the windows.
    pub(crate) fn window(&self) -> &RunSet {
        &self.window
    }

    /// The first run that is missing for the reader who needs it first.
    pub(crate) fn front(&self, now: Timestamp) -> u32 {
        let due = |reader: &&Reader| reader.buffer(now, self.run_bytes).unwrap_or(Duration::MAX);
        self.readers.iter().min_by_key(due).map_or(0, |reader| reader.front)
    }

    /// What is here for the reader who has least. `None`: everything is here for all of them.
    pub(crate) fn buffer(&self, now: Timestamp) -> Option<Duration> {
        self.readers.iter().filter_map(|reader| reader.buffer(now, self.run_bytes)).min()
    }

    /// Whether anybody reads.
    pub(crate) fn is_read(&self) -> bool {
        !self.readers.is_empty()
    }

    /// Whether somebody waits at a place at which they have had nothing to read yet.
    pub(crate) fn is_beginning(&self) -> bool {
        self.readers.iter().any(|reader| !reader.has_begun)
    }

    /// How long until somebody needs a run. `None`: nobody reads it.
    pub(crate) fn due(&self, now: Timestamp, run: RunIndex) -> Option<Duration> {
        self.readers.iter().filter_map(|reader| reader.due(now, run.get(), self.run_bytes)).min()
    }

    /// The runs that are missing and due within a time, the earliest first.
    pub(crate) fn urgent(&self, now: Timestamp, within: Duration) -> Vec<(Duration, RunIndex)> {
        let mut due: Vec<(Duration, RunIndex)> = Vec::new();
        for reader in &self.readers {
            let ahead = (reader.front..reader.end).take(URGENT_RUNS_MAX);
            let dues = ahead.map_while(|run| {
                let due = reader.due(now, run, self.run_bytes).filter(|&due| due <= within)?;
                Some((due, RunIndex::new(run)))
            });
            due.extend(dues.filter(|&(_, run)| self.window.contains(run)));
        }
        due.sort_unstable_by_key(|&(due, run)| (due, run.get()));
        due.truncate(URGENT_RUNS_MAX);
        due
    }

    /// A run is asked for.
    pub(crate) fn on_request(&mut self, now: Timestamp, run: RunIndex) {
        let is_calm = self.buffer(now).is_none_or(|buffer| buffer > BUFFER_WANTED);
        self.inside = match self.window.contains(run) {
            true if is_calm => self.inside.saturating_add(1),
            _ => 0,
        };
    }

    /// Whether the next request is for anything at all, not for the windows first.
    pub(crate) fn is_for_anything(&self) -> bool {
        self.inside.saturating_add(1) >= OUTSIDE_EVERY
    }

    /// A run came that nobody had yet.
    pub(crate) fn on_come(&mut self, run: RunIndex, bytes: u32, from_origin: bool) {
        if !from_origin && self.window.contains(run) {
            self.top_up.on_peer(bytes);
        }
    }

    /// A run was asked for beyond a border, out of turn.
    pub(crate) fn note_late_import(&mut self, run: RunIndex) {
        if !self.late_imports.contains(&run) && self.late_imports.len() < LATE_IMPORTS_MAX {
            self.late_imports.push(run);
        }
    }

    /// A run came from beyond a border. Returns whether that was out of turn.
    pub(crate) fn take_late_import(&mut self, run: RunIndex) -> bool {
        let at = self.late_imports.iter().position(|&late| late == run);
        at.map(|at| self.late_imports.swap_remove(at)).is_some()
    }

    /// What may be asked of origins.
    pub(crate) fn top_up(&mut self) -> &mut TopUp {
        &mut self.top_up
    }

    /// Whether an origin may be asked for a run that peers have, too.
    pub(crate) fn may_top_up(&self, bytes: u32, urgent: bool) -> bool {
        self.top_up.may_ask(bytes, urgent) || urgent && self.is_beginning()
    }

    /// A run was taken over because it would have come too late; `doubled`: the first request stays.
    pub(crate) fn note_rescue(&mut self, doubled: bool) {
        self.counts.rescued = self.counts.rescued.saturating_add(1);
        self.counts.doubled = self.counts.doubled.saturating_add(doubled.into());
    }

    /// How it goes.
    pub(crate) fn streaming(&self, now: Timestamp) -> Streaming {
        Streaming {
            readers: to_u8(self.readers.len()),
            buffer_ms: self.buffer(now).map(|buffer| to_u32(buffer.as_millis())),
            topped_up: self.top_up.total(),
            top_up_rate: to_u32(self.top_up.rate()),
            ..self.counts
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let parts = [
            size_of::<Deadlines>(),
            self.readers.capacity().saturating_mul(size_of::<Reader>()),
            size_of_val(self.window.words()).saturating_mul(3),
            self.late_imports.capacity().saturating_mul(size_of::<RunIndex>()),
        ];
        parts.into_iter().fold(0, usize::saturating_add)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: u32 = 100_000;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn set(members: std::ops::Range<u32>) -> RunSet {
        let mut set = RunSet::empty(1_000);
        members.for_each(|run| assert!(set.insert(RunIndex::new(run))));
        set
    }

    /// A run is read in a second.
    fn reading(run: u32) -> Option<Reading> {
        let (at, end) = (RunIndex::new(run), 900);
        Some(Reading { at, offset: 0, end, rate: RUN, running: true, taken: end })
    }

    fn due(deadlines: &Deadlines, now: u64, run: u32) -> Option<u64> {
        deadlines.due(at(now), RunIndex::new(run)).map(|due| due.as_secs())
    }

    #[test]
    fn a_run_is_due_when_the_reader_comes_to_it_and_not_sooner_while_they_wait_for_another() {
        let mut deadlines = Deadlines::new(at(0), 1_000, RUN);
        deadlines.on_reader(at(0), ReaderId(1), reading(10), &set(10..14));
        assert_eq!(due(&deadlines, 0, 20), Some(10));
        assert_eq!((due(&deadlines, 0, 9), due(&deadlines, 0, 900)), (None, None), "they do not read that");
        assert_eq!(due(&deadlines, 3_000, 20), Some(7));
        // They have read what is here, and stand.
        assert_eq!((due(&deadlines, 4_000, 14), due(&deadlines, 4_000, 20)), (Some(0), Some(6)));
        assert_eq!((due(&deadlines, 60_000, 14), due(&deadlines, 60_000, 20)), (Some(0), Some(6)));
        assert_eq!(deadlines.buffer(at(1_000)), Some(seconds(3)));
    }

    #[test]
    fn who_was_given_little_has_read_no_more() {
        let mut deadlines = Deadlines::new(at(0), 1_000, RUN);
        let given = reading(10).map(|reading| Reading { taken: 12, ..reading });
        deadlines.on_reader(at(0), ReaderId(1), given, &set(10..14));
        assert_eq!((due(&deadlines, 1_000, 20), due(&deadlines, 60_000, 20)), (Some(9), Some(8)));
    }

    #[test]
    fn who_pauses_needs_nothing_sooner() {
        let mut deadlines = Deadlines::new(at(0), 1_000, RUN);
        let paused = reading(10).map(|reading| Reading { running: false, ..reading });
        deadlines.on_reader(at(0), ReaderId(1), paused, &set(10..14));
        assert_eq!((due(&deadlines, 0, 20), due(&deadlines, 60_000, 20)), (Some(10), Some(10)));
    }

    #[test]
    fn the_window_is_half_a_minute_and_moves_on_with_the_reader() {
        let mut deadlines = Deadlines::new(at(0), 1_000, RUN);
        let have = set(10..14);
        deadlines.on_reader(at(0), ReaderId(1), reading(10), &have);
        let window = |deadlines: &Deadlines| {
            let runs: Vec<u32> = deadlines.window().iter().map(RunIndex::get).collect();
            (runs.first().copied(), runs.last().copied())
        };
        assert_eq!(window(&deadlines), (Some(14), Some(39)));
        deadlines.look(at(2_000), &have);
        assert_eq!(window(&deadlines), (Some(14), Some(41)));
        deadlines.on_reader(at(2_000), ReaderId(1), None, &have);
        assert_eq!(window(&deadlines), (None, None), "nobody reads");
        let fast = reading(10).map(|reading| Reading { rate: u32::MAX, ..reading });
        deadlines.on_reader(at(2_000), ReaderId(2), fast, &have);
        assert_eq!(window(&deadlines), (Some(14), Some(680)), "64 MiB");
    }

    #[test]
    fn what_is_due_soon_comes_in_the_order_in_which_it_is_due_for_all_readers() {
        let mut deadlines = Deadlines::new(at(0), 1_000, RUN);
        let have = set(0..0);
        deadlines.on_reader(at(0), ReaderId(1), reading(500), &have);
        deadlines.on_reader(at(0), ReaderId(2), reading(100), &have);
        let urgent = deadlines.urgent(at(0), seconds(2));
        let runs: Vec<u32> = urgent.iter().map(|(_, run)| run.get()).collect();
        assert_eq!(runs, [100, 500, 101, 501, 102, 502]);
    }

    #[test]
    fn a_reader_who_goes_on_stays_and_who_goes_elsewhere_jumps() {
        let mut deadlines = Deadlines::new(at(0), 1_000, RUN);
        let have = set(10..14);
        assert!(deadlines.on_reader(at(0), ReaderId(1), reading(10), &have), "they are new");
        assert!(!deadlines.on_reader(at(0), ReaderId(1), reading(14), &have));
        assert!(!deadlines.is_beginning() || deadlines.buffer(at(0)) == Some(Duration::ZERO));
        assert!(deadlines.on_reader(at(0), ReaderId(1), reading(300), &have), "that is far");
        assert!(deadlines.is_beginning());
        assert!(deadlines.on_reader(at(0), ReaderId(1), reading(10), &have), "that is back");
    }

    #[test]
    fn the_fifth_reader_takes_the_place_of_who_moved_longest_ago() {
        let mut deadlines = Deadlines::new(at(0), 1_000, RUN);
        let have = set(0..0);
        for reader in 0..4 {
            deadlines.on_reader(at(0), ReaderId(reader), reading(reader * 100), &have);
        }
        deadlines.on_reader(at(1), ReaderId(0), reading(0), &have);
        deadlines.on_reader(at(2), ReaderId(4), reading(400), &have);
        assert_eq!(deadlines.streaming(at(2)).readers, 4);
        let reads = |run| deadlines.readers.iter().any(|reader| reader.at == run);
        assert!(reads(0) && !reads(100) && reads(400));
    }

    #[test]
    fn a_fifth_of_all_requests_is_for_anything_while_enough_is_here() {
        let mut deadlines = Deadlines::new(at(0), 1_000, RUN);
        deadlines.on_reader(at(0), ReaderId(1), reading(10), &set(10..30));
        let mut anywhere = 0;
        for _ in 0..100 {
            let outside = deadlines.is_for_anything();
            anywhere += u32::from(outside);
            deadlines.on_request(at(0), RunIndex::new(if outside { 600 } else { 31 }));
        }
        assert_eq!(anywhere, 20);
        deadlines.on_reader(at(0), ReaderId(1), reading(10), &set(10..15));
        let outside = (0..100).filter(|_| {
            deadlines.on_request(at(0), RunIndex::new(20));
            deadlines.is_for_anything()
        });
        assert_eq!(outside.count(), 0, "five seconds are not enough");
    }
}
