//! The place of the user in a list: which row is chosen, and which one is drawn first.

/// A place in a list of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The chosen row.
    pub(crate) at: usize,
    /// The row that is drawn first.
    pub(crate) top: usize,
}

impl Cursor {
    /// Moves by some rows, and stays in the list.
    pub(crate) fn step(&mut self, rows: isize, length: usize) {
        self.at = self.at.saturating_add_signed(rows).min(length.saturating_sub(1));
    }

    /// Moves what is drawn so that the chosen row is among it. `room`: rows that are drawn.
    pub(crate) fn follow(&mut self, length: usize, room: usize) {
        self.at = self.at.min(length.saturating_sub(1));
        self.top = self.top.min(length.saturating_sub(room));
        if self.at < self.top {
            self.top = self.at;
        } else if room > 0 && self.at >= self.top.saturating_add(room) {
            self.top = self.at + 1 - room;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chosen_row_is_always_among_those_drawn() {
        let mut cursor = Cursor::default();
        for (rows, length, room) in
            [(5, 100, 3), (-2, 100, 3), (1000, 100, 10), (0, 4, 10), (0, 0, 0), (3, 9, 0)]
        {
            cursor.step(rows, length);
            cursor.follow(length, room);
            assert!(length == 0 || cursor.at < length);
            assert!(room == 0 || (cursor.top..cursor.top + room).contains(&cursor.at), "{cursor:?}");
        }
        let mut cursor = Cursor { at: 99, top: 90 };
        cursor.follow(100, 20);
        assert_eq!(cursor.top, 80, "no room is left empty");
    }
}
