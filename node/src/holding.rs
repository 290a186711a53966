//! Which parts of a content are here, small enough to be drawn.

use nearcast_core::{layout::Layout, run_set::RunSet};

/// Which parts of a content are here; see [`Download::holding`](crate::Download::holding).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// Shares of equal parts of the content, in its order: 0 for a part of which nothing is here,
    /// 255 for one of which all is here, and for nothing else. At most as many as were asked for,
    /// and as there are runs.
    pub cells: Vec<u8>,
    /// For each file, in the order of the manifest: bytes that are here and verified.
    pub files: Vec<u64>,
}

impl Holding {
    /// The parts that a have-map shows.
    pub(crate) fn of(layout: &Layout, have: &RunSet, cells: usize) -> Holding {
        let runs = layout.runs();
        let cells = u32::try_from(cells).unwrap_or(u32::MAX).min(runs);
        let share = |cell: u32| {
            let bound = |cell: u32| (u64::from(cell) * u64::from(runs) / u64::from(cells.max(1))) as u32;
            let part = bound(cell)..bound(cell + 1);
            let held = part.clone().filter(|&run| holds(layout, have, run)).count() as u32;
            match held {
                0 => 0,
                held if held == part.len() as u32 => 255,
                held => (held * 255 / part.len() as u32).clamp(1, 254) as u8,
            }
        };
        let bytes = |file| {
            let held = layout.file_runs(file).filter_map(|run| layout.run_index(run));
            held.filter(|&run| have.contains(run)).map(|run| u64::from(layout.run_length(run))).sum()
        };
        let files = (0..layout.files()).filter_map(|file| layout.file_index(file));
        Holding { cells: (0..cells).map(share).collect(), files: files.map(bytes).collect() }
    }
}

fn holds(layout: &Layout, have: &RunSet, run: u32) -> bool {
    layout.run_index(run).is_some_and(|run| have.contains(run))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_files_say_what_is_here() {
        // Runs of 64 KiB: ten in the first file, none in the second, two in the third.
        let layout = Layout::new(64 << 10, [10 << 16, 0, (1 << 16) + 5]).unwrap();
        let mut have = RunSet::empty(layout.runs());
        for run in [0, 1, 2, 4, 11] {
            have.insert(layout.run_index(run).unwrap());
        }
        let holding = Holding::of(&layout, &have, 6);
        assert_eq!(holding.cells, [255, 127, 127, 0, 0, 127]);
        assert_eq!(holding.files, [4 << 16, 0, 5]);
        let every = Holding::of(&layout, &have, 500);
        assert_eq!(every.cells.len(), 12, "no more parts than runs");
        assert_eq!(Holding::of(&layout, &RunSet::full(12), 5).cells, [255; 5]);
        assert!(Holding::of(&layout, &have, 0).cells.is_empty());
    }
}
