//! Collects the runs asked for and not begun, and combines them into a few large requests.
//!
//! Invariant: the runs asked for of one piece are always in one stretch, because they are verified
//! together.

use std::collections::BTreeMap;

use nearcast_core::layout::{FileIndex, Layout, PieceIndex, RunIndex};

/// Bytes of one request at most, unless a single piece has more. Larger requests cost the server
/// less.
const STRETCH_BYTES_MAX: u64 = 4 << 20;
/// The waiting runs are spread over all connections, but not in smaller requests than this. In
/// bytes.
const STRETCH_BYTES_MIN: u64 = 512 << 10;

/// A run to fetch, and the engine's request that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) run: RunIndex,
    pub(super) request: u32,
}

/// The runs to fetch of one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) piece: PieceIndex,
    /// In ascending order.
    pub(super) runs: Vec<Due>,
}

/// Consecutive pieces of one file, to be fetched in one request. Only the last piece may have gaps,
/// where we hold runs already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) file: FileIndex,
    pub(super) parts: Vec<Part>,
    pub(super) bytes: u64,
}

/// The runs that wait to be fetched.
#[derive(Debug, Default)]
pub(super) struct Plan {
    waiting: BTreeMap<u32, Waiting>,
    /// The run after the last stretch.
    next: u32,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    request: u32,
    cancelled: bool,
}

impl Plan {
    pub(super) fn add(&mut self, run: u32, request: u32) {
        self.waiting.insert(run, Waiting { request, cancelled: false });
    }

    /// Cancels a request, because a peer sends the run. The run stays while other runs of its piece
    /// are wanted: they could not be verified without it.
    pub(super) fn cancel(&mut self, request: u32) {
        let waiting = self.waiting.values_mut().find(|waiting| waiting.request == request);
        waiting.into_iter().for_each(|waiting| waiting.cancelled = true);
    }

    /// Takes the next stretch to fetch. `lanes` lanes are idle.
    pub(super) fn take(&mut self, layout: &Layout, lanes: usize) -> Option<Stretch> {
        let waiting = (self.waiting.len() as u64).saturating_mul(layout.run_bytes().into());
        let share = waiting.checked_div(lanes as u64).unwrap_or(waiting);
        let share = share.clamp(STRETCH_BYTES_MIN, STRETCH_BYTES_MAX);
        let first = self.next_part(layout, self.next)?;
        let file = layout.piece(first.piece).file;
        let mut stretch = Stretch { file, bytes: first.bytes(layout), parts: vec![first] };
        while let Some(next) = stretch.end(layout).filter(|_| stretch.bytes < share) {
            let follows = |part: &Part| {
                let begins = part.runs.first().is_some_and(|due| due.run.get() == next);
                let fits = stretch.bytes.saturating_add(part.bytes(layout)) <= share;
                begins && fits && layout.piece(part.piece).file == file
            };
            let Some(part) = self.part_with(layout, next).filter(follows) else { break };
            stretch.bytes = stretch.bytes.saturating_add(part.bytes(layout));
            stretch.parts.push(part);
        }
        for due in stretch.parts.iter().flat_map(|part| &part.runs) {
            self.waiting.remove(&due.run.get());
            self.next = due.run.get().saturating_add(1);
        }
        Some(stretch)
    }

    /// The first part from `start` on, wrapping around, that is still wanted. Drops cancelled parts
    /// on the way.
    fn next_part(&mut self, layout: &Layout, start: u32) -> Option<Part> {
        loop {
            let ahead = self.waiting.range(start..).next().or_else(|| self.waiting.iter().next());
            let run = *ahead?.0;
            let part = self.part_with(layout, run);
            if part.is_some() {
                return part;
            }
            let piece = layout.run_index(run).map(|run| layout.piece_runs(layout.run(run).piece));
            self.waiting
                .retain(|other, _| *other != run && !piece.as_ref().is_some_and(|it| it.contains(other)));
        }
    }

    /// All waiting runs of the piece of `run`. `None`: all of them are cancelled.
    fn part_with(&self, layout: &Layout, run: u32) -> Option<Part> {
        let piece = layout.run(layout.run_index(run)?).piece;
        let waiting = || self.waiting.range(layout.piece_runs(piece));
        if waiting().all(|(_, waiting)| waiting.cancelled) {
            return None;
        }
        let due = |(&run, waiting): (&u32, &Waiting)| {
            layout.run_index(run).map(|run| Due { run, request: waiting.request })
        };
        Some(Part { piece, runs: waiting().filter_map(due).collect() })
    }
}

impl Part {
    pub(super) fn bytes(&self, layout: &Layout) -> u64 {
        self.runs.iter().map(|due| u64::from(layout.run_length(due.run))).sum()
    }
}

impl Stretch {
    /// The run after the stretch's last, if the stretch may continue there. `None`: its last piece
    /// has gaps.
    fn end(&self, layout: &Layout) -> Option<u32> {
        let last = self.parts.last()?;
        let (first, end) = (last.runs.first()?.run.get(), last.runs.last()?.run.get().saturating_add(1));
        let whole = (first..end).len() == last.runs.len() && end == layout.piece_runs(last.piece).end;
        whole.then_some(end)
    }

    /// The end of the gapless row of runs that contains `run`, as a byte offset in the file.
    pub(super) fn row_end(&self, layout: &Layout, run: RunIndex) -> u64 {
        let runs = self.parts.iter().flat_map(|part| &part.runs).map(|due| due.run);
        let mut end = run;
        for next in runs.skip_while(|&other| other <= run) {
            if next.get() != end.get().saturating_add(1) {
                break;
            }
            end = next;
        }
        let span = layout.run(end);
        span.offset.saturating_add(span.bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: u64 = 256 << 10;

    /// A file of ten pieces of four runs and a little more, and a file of a single run.
    fn layout() -> Layout {
        Layout::new(4 * RUN, [41 * RUN + 9, 5]).unwrap()
    }

    fn plan(runs: impl IntoIterator<Item = u32>) -> Plan {
        let mut plan = Plan::default();
        runs.into_iter().for_each(|run| plan.add(run, 100 + run));
        plan
    }

    fn runs(stretch: Option<Stretch>) -> Vec<u32> {
        let stretch = stretch.unwrap();
        let dues: Vec<&Due> = stretch.parts.iter().flat_map(|part| &part.runs).collect();
        assert!(dues.iter().all(|due| due.request == 100 + due.run.get()));
        dues.iter().map(|due| due.run.get()).collect()
    }

    #[test]
    fn neighbouring_pieces_make_one_request_up_to_its_limit_and_to_the_end_of_the_file() {
        let (layout, mut plan) = (layout(), plan(0..43));
        assert_eq!(runs(plan.take(&layout, 1)), (0..16).collect::<Vec<_>>());
        assert_eq!(runs(plan.take(&layout, 1)), (16..32).collect::<Vec<_>>());
        assert_eq!(runs(plan.take(&layout, 1)), (32..42).collect::<Vec<_>>());
        assert_eq!(runs(plan.take(&layout, 1)), [42], "another file");
        assert_eq!(plan.take(&layout, 1), None);
    }

    #[test]
    fn what_waits_is_spread_over_the_lanes() {
        let layout = Layout::new(RUN, [100 * RUN]).unwrap();
        let mut plan = plan(0..16);
        assert_eq!(runs(plan.take(&layout, 4)), [0, 1, 2, 3]);
        assert_eq!(runs(plan.take(&layout, 3)), [4, 5, 6, 7]);
        assert_eq!(runs(plan.take(&layout, 8)), [8, 9], "not in crumbs");
    }

    #[test]
    fn it_goes_on_where_it_was_and_round() {
        let (layout, mut plan) = (layout(), plan(20..24));
        assert_eq!(runs(plan.take(&layout, 1)), [20, 21, 22, 23]);
        [0, 1, 2, 3, 24, 25, 26, 27].into_iter().for_each(|run| plan.add(run, 100 + run));
        assert_eq!(runs(plan.take(&layout, 1)), [24, 25, 26, 27]);
        assert_eq!(runs(plan.take(&layout, 1)), [0, 1, 2, 3]);
    }

    #[test]
    fn a_piece_with_gaps_ends_its_request() {
        let (layout, mut plan) = (layout(), plan([0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11]));
        let stretch = plan.take(&layout, 1).unwrap();
        let row = |run| stretch.row_end(&layout, layout.run_index(run).unwrap()) / RUN;
        assert_eq!((row(0), row(5), row(7)), (6, 6, 8));
        assert_eq!(runs(Some(stretch)), [0, 1, 2, 3, 4, 5, 7]);
        assert_eq!(runs(plan.take(&layout, 1)), [8, 9, 10, 11]);
    }

    #[test]
    fn a_piece_goes_only_when_none_of_it_is_wanted_any_more() {
        let (layout, mut plan) = (layout(), plan(0..8));
        plan.cancel(101);
        (4..8).for_each(|run| plan.cancel(100 + run));
        assert_eq!(runs(plan.take(&layout, 1)), [0, 1, 2, 3]);
        assert_eq!(plan.take(&layout, 1), None);
    }
}
