//! A table that fits: it leaves out the least important columns as it gets narrower.

use super::{
    bar, cut,
    line::{Line, Paint},
    width,
};

/// Least width of a bar. A shorter bar shows nothing.
const BAR_COLUMNS_MIN: usize = 8;
/// Greatest width of a bar. A longer bar shows no more.
const BAR_COLUMNS_MAX: usize = 30;

/// A column of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// The heading.
    pub(crate) title: &'static str,
    /// Least width, in columns of the terminal, so that the table does not jump as numbers change.
    pub(crate) least: usize,
    /// Whether to align to the right, as for numbers.
    pub(crate) right: bool,
    /// When to leave the column out: the highest rank goes first. 0: never.
    pub(crate) rank: u8,
}

impl Column {
    /// A column of words.
    pub(crate) const fn words(title: &'static str, least: usize, rank: u8) -> Column {
        Column { title, least, right: false, rank }
    }

    /// A column of numbers.
    pub(crate) const fn numbers(title: &'static str, least: usize, rank: u8) -> Column {
        Column { title, least, right: true, rank }
    }
}

/// The content of a row in one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// Text that is safe for a terminal.
    Text(String),
    /// A bar: the part done, and the total.
    Bar(u64, u64),
}

impl Cell {
    fn width(&self) -> usize {
        match self {
            Cell::Text(text) => width(text),
            Cell::Bar(..) => BAR_COLUMNS_MIN,
        }
    }

    fn drawn(&self, columns: usize) -> String {
        match self {
            Cell::Text(text) => cut(text, columns),
            Cell::Bar(part, total) => bar(*part, *total, columns),
        }
    }
}

/// Rows below a heading.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<(Paint, Vec<Cell>)>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(columns: impl Into<Vec<Column>>) -> Table {
        Table { columns: columns.into(), rows: Vec::new() }
    }

    /// Adds a row, with a cell for each column.
    pub(crate) fn row(&mut self, paint: Paint, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push((paint, cells));
    }

    /// Whether all columns fit.
    pub(crate) fn fits_whole(&self, room: usize) -> bool {
        self.width(&self.all()) <= room
    }

    /// The heading and the rows, none wider than `room`.
    pub(crate) fn lines(&self, room: usize) -> Vec<Line> {
        let shown = self.shown(room);
        let spare = room.saturating_sub(self.width(&shown));
        let widths: Vec<usize> = shown.iter().map(|&column| self.final_width(column, spare)).collect();
        let heading = |column: usize| self.columns[column].title.to_owned();
        let heading = self.line(Paint::Strong, &shown, &widths, |column, _| heading(column));
        let rows = self.rows.iter().map(|(paint, cells)| {
            self.line(*paint, &shown, &widths, |column, columns| cells[column].drawn(columns))
        });
        std::iter::once(heading).chain(rows).map(|line| line.cut(room)).collect()
    }

    fn all(&self) -> Vec<usize> {
        (0..self.columns.len()).collect()
    }

    /// The columns that are shown. Of two columns of the same rank, the right one is left out
    /// first.
    fn shown(&self, room: usize) -> Vec<usize> {
        let mut shown = self.all();
        while self.width(&shown) > room {
            let rank = |&place: &usize| self.columns[shown[place]].rank;
            let Some(least) = (0..shown.len()).max_by_key(rank).filter(|place| rank(place) > 0) else {
                break;
            };
            shown.remove(least);
        }
        shown
    }

    fn width(&self, shown: &[usize]) -> usize {
        let gaps = shown.len().saturating_sub(1);
        shown.iter().map(|&column| self.natural_width(column)).sum::<usize>() + gaps
    }

    fn natural_width(&self, column: usize) -> usize {
        let Column { title, least, .. } = self.columns[column];
        let cells = self.rows.iter().map(|(_, cells)| cells[column].width());
        cells.chain([width(title), least]).max().unwrap_or_default()
    }

    /// A bar also takes the spare columns.
    fn final_width(&self, column: usize, spare: usize) -> usize {
        let natural = self.natural_width(column);
        let is_bar = self.rows.iter().any(|(_, cells)| matches!(cells[column], Cell::Bar(..)));
        if is_bar { (natural + spare).min(BAR_COLUMNS_MAX) } else { natural }
    }

    fn line(
        &self,
        paint: Paint,
        shown: &[usize],
        widths: &[usize],
        text: impl Fn(usize, usize) -> String,
    ) -> Line {
        let cell = |(&column, &columns): (&usize, &usize)| {
            let text = text(column, columns);
            let pad = " ".repeat(columns.saturating_sub(width(&text)));
            if self.columns[column].right { format!("{pad}{text}") } else { format!("{text}{pad}") }
        };
        let cells: Vec<String> = shown.iter().zip(widths).map(cell).collect();
        Line::default().with(paint, cells.join(" ").trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new([
            Column::words("who", 4, 0),
            Column::words("", BAR_COLUMNS_MIN, 2),
            Column::numbers("rate", 6, 0),
            Column::numbers("given", 6, 1),
        ]);
        let text = |text: &str| Cell::Text(text.to_owned());
        table.row(Paint::Plain, vec![text("ann"), Cell::Bar(1, 2), text("5 MB/s"), text("7 MB")]);
        table.row(Paint::Good, vec![text("bertha"), Cell::Bar(2, 2), text("done"), text("0 B")]);
        table
    }

    fn texts(room: usize) -> Vec<String> {
        table().lines(room).iter().map(Line::text).collect()
    }

    #[test]
    fn columns_go_by_rank_and_bars_take_what_is_left() {
        assert_eq!(
            texts(33),
            [
                "who                   rate  given",
                "ann    ██████░░░░░░ 5 MB/s   7 MB",
                "bertha ████████████   done    0 B"
            ]
        );
        assert_eq!(texts(20), ["who      rate  given", "ann    5 MB/s   7 MB", "bertha   done    0 B"]);
        assert_eq!(texts(13), ["who      rate", "ann    5 MB/s", "bertha   done"]);
        assert!(table().fits_whole(29) && !table().fits_whole(28));
    }

    #[test]
    fn what_fits_nowhere_is_cut() {
        for room in 0..40 {
            assert!(table().lines(room).iter().all(|line| line.width() <= room), "{room}");
        }
    }
}
