//! What to ask of a web seed: whole pieces, one after another.
//!
//! HTTP brings bytes and no proofs, so a run of a piece that has several can be verified only together
//! with the others. Hence everything that is missing of a piece is asked for at once, and only while
//! nothing of it is on its way from others; what we hold of it already is proven and need not come again.
//!
//! Neighbouring pieces are asked for in order, because the shell turns them into one request of many.

use std::ops::Range;

use crate::{
    content::{
        layout::{Layout, RunIndex},
        run_set::RunSet,
    },
    download::picker::Sight,
    random::Random,
};

/// A run asked of a web seed that somebody else got meanwhile, this close behind the cursor, means that
/// he walks where we walk.
const NEAR_RUNS: u32 = 128;

/// Where in the content we are with web seeds, all of them together.
#[derive(Debug)]
pub(crate) struct WholePieces {
    cursor: u32,
    /// Somebody else fetches the same stretch.
    crowded: bool,
}

impl WholePieces {
    /// Begins at this run.
    pub(crate) fn from(cursor: u32) -> WholePieces {
        WholePieces { cursor, crowded: false }
    }

    /// The runs of the next piece to ask for, those we hold among them; none if there is none.
    pub(crate) fn pick(
        &mut self,
        layout: &Layout,
        sight: &Sight<'_>,
        random: &mut Random,
    ) -> Option<Range<u32>> {
        if std::mem::take(&mut self.crowded) {
            self.cursor = random.below(layout.runs());
        }
        let ahead = pick_between(layout, sight, self.cursor..layout.runs());
        ahead.or_else(|| pick_between(layout, sight, 0..self.cursor))
    }

    /// Everything before this run was asked for.
    pub(crate) fn go_on_from(&mut self, run: u32) {
        self.cursor = run;
    }

    /// A neighbour got runs; `busy` are on their way to us. A crowd that started at the same place would
    /// fetch everything as often as it has members: whoever notices goes elsewhere.
    pub(crate) fn on_have(&mut self, runs: &[RunIndex], busy: &RunSet) {
        let near = |run: RunIndex| (1..=NEAR_RUNS).contains(&self.cursor.saturating_sub(run.get()));
        self.crowded |= runs.iter().any(|&run| near(run) && busy.contains(run));
    }
}

fn pick_between(layout: &Layout, sight: &Sight<'_>, within: Range<u32>) -> Option<Range<u32>> {
    let mut start = within.start;
    while let Some(run) = sight.first_from(start).filter(|run| within.contains(&run.get())) {
        let runs = layout.piece_runs(layout.run(run).piece);
        if runs.clone().all(|run| !sight.busy.contains(RunIndex::new(run))) {
            return Some(runs);
        }
        start = runs.end;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::links::availability::Availability;

    const RUN: u64 = 256 * 1024;

    /// Four pieces of four runs, the last one of two.
    fn layout() -> Layout {
        Layout::new(4 * RUN, [14 * RUN]).unwrap()
    }

    fn set(members: &[u32]) -> RunSet {
        let mut set = RunSet::empty(14);
        members.iter().for_each(|&run| assert!(set.insert(RunIndex::new(run))));
        set
    }

    struct Case {
        mine: RunSet,
        busy: RunSet,
        shared: Vec<u32>,
    }

    fn pick(pieces: &mut WholePieces, case: &Case) -> Option<Range<u32>> {
        let mut availability = Availability::new(14);
        case.shared.iter().for_each(|&run| availability.add(RunIndex::new(run)));
        let all = RunSet::full(14);
        let sight = Sight {
            theirs: (&all).into(),
            mine: &case.mine,
            busy: &case.busy,
            wanted: None,
            availability: &availability,
            unshared_only: true,
            open: None,
            shut: None,
            within: None,
        };
        pieces.pick(&layout(), &sight, &mut Random::new(1))
    }

    fn case(mine: &[u32], busy: &[u32], shared: &[u32]) -> Case {
        Case { mine: set(mine), busy: set(busy), shared: shared.to_vec() }
    }

    #[test]
    fn pieces_are_asked_for_whole_in_order_and_round() {
        let (mut pieces, mut case) = (WholePieces::from(8), case(&[], &[], &[]));
        let mut order = Vec::new();
        while let Some(runs) = pick(&mut pieces, &case) {
            runs.clone().for_each(|run| assert!(case.busy.insert(RunIndex::new(run))));
            pieces.go_on_from(runs.end);
            order.push(runs);
        }
        assert_eq!(order, [8..12, 12..14, 0..4, 4..8]);
    }

    #[test]
    fn a_piece_that_is_on_its_way_in_part_is_left_to_those_who_send_it() {
        let mut pieces = WholePieces::from(0);
        assert_eq!(pick(&mut pieces, &case(&[], &[2], &[])), Some(4..8));
        assert_eq!(
            pick(&mut pieces, &case(&[0, 1, 3], &[], &[])),
            Some(0..4),
            "held in part is no hindrance"
        );
    }

    #[test]
    fn what_peers_hold_is_theirs_to_give() {
        let mut pieces = WholePieces::from(0);
        assert_eq!(pick(&mut pieces, &case(&[], &[], &[0, 1, 2, 3])), Some(4..8));
        assert_eq!(pick(&mut pieces, &case(&[], &[], &[0, 1, 2])), Some(0..4), "one run of it is nobody's");
    }

    #[test]
    fn who_walks_where_another_walks_goes_elsewhere() {
        let mut pieces = WholePieces::from(8);
        let nothing = case(&[], &[], &[]);
        pieces.on_have(&[RunIndex::new(6)], &set(&[]));
        assert_eq!(pick(&mut pieces, &nothing), Some(8..12), "it was not on its way to us");
        pieces.on_have(&[RunIndex::new(9)], &set(&[9]));
        assert_eq!(pick(&mut pieces, &nothing), Some(8..12), "it lies ahead");
        pieces.on_have(&[RunIndex::new(6)], &set(&[6]));
        let elsewhere = pick(&mut pieces, &nothing).unwrap();
        let drawn = Random::new(1).below(14);
        assert!(elsewhere.contains(&drawn), "{elsewhere:?} from {drawn}");
    }
}
