//! The log, as the screen shows it: the newest lines, with a bound.

use std::collections::VecDeque;

use super::words::clean;

/// Lines that are kept.
const LINES_MAX: usize = 1_000;

/// The newest lines of the log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    lines: VecDeque<String>,
    /// Lines between the end and what is shown. 0: the end is shown, and stays shown.
    pub(crate) back: usize,
    /// Lines since the user last looked.
    pub(crate) unread: usize,
}

impl Journal {
    /// Adds a line.
    pub(crate) fn add(&mut self, line: &str) {
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(clean(line.trim_end()));
        self.unread = (self.unread + 1).min(LINES_MAX);
        if self.back > 0 {
            self.back = (self.back + 1).min(self.lines.len());
        }
    }

    /// Moves what is shown towards the end, or back.
    pub(crate) fn step(&mut self, lines: isize, room: usize) {
        let most = self.lines.len().saturating_sub(room);
        self.back = self.back.saturating_add_signed(lines.saturating_neg()).min(most);
    }

    /// The lines that are shown, the oldest first.
    pub(crate) fn shown(&self, room: usize) -> impl Iterator<Item = &str> {
        let end = self.lines.len().saturating_sub(self.back).max(room.min(self.lines.len()));
        self.lines.range(end.saturating_sub(room)..end).map(String::as_str)
    }

    /// How many lines there are.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_shown_unless_the_user_went_back() {
        let mut journal = Journal::default();
        (0..9).for_each(|at| journal.add(&format!("line {at}\u{1b}[2J\n")));
        let shown = |journal: &Journal| journal.shown(2).map(|line| line[..6].to_owned()).collect::<Vec<_>>();
        assert_eq!(shown(&journal), ["line 7", "line 8"]);
        journal.step(-3, 2);
        journal.add("line 9");
        assert_eq!(shown(&journal), ["line 4", "line 5"], "what is read stays");
        journal.step(isize::MIN, 2);
        assert_eq!(shown(&journal), ["line 0", "line 1"]);
        journal.step(isize::MAX, 2);
        assert_eq!(journal.back, 0);
        assert!(journal.shown(99).all(|line| !line.contains('\u{1b}')));
        (0..3_000).for_each(|_| journal.add("x"));
        assert_eq!(journal.len(), LINES_MAX);
    }
}
