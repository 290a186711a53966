//! Columns of a list that fit: the least important go first as the terminal gets narrower, and one
//! column takes the room that is left.

/// A column of a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column<T> {
    /// What it shows.
    pub(crate) shows: T,
    /// The heading.
    pub(crate) title: &'static str,
    /// Its width; of a column that stretches, the least.
    pub(crate) width: u16,
    /// How it uses its width.
    pub(crate) way: Way,
    /// When to leave it out: the highest rank goes first. 0: never.
    pub(crate) rank: u8,
}

/// How a column uses its width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Words, from the left.
    Left,
    /// Numbers, to the right.
    Right,
    /// Words, from the left, in all the room that is left.
    Stretch,
}

/// A column that is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<T> {
    /// What is shown, and how.
    pub(crate) column: Column<T>,
    /// Where it begins.
    pub(crate) x: u16,
    /// How wide it is.
    pub(crate) width: u16,
}

/// A narrower list has a gap of one between two columns, and a wider one a gap of two.
const NARROW: u16 = 60;

/// Those columns that fit into `room`, from left to right. One that must stay is narrowed, if even
/// it is too wide.
pub(crate) fn fit<T: Copy>(columns: &[Column<T>], room: u16) -> Vec<Shown<T>> {
    let gap = if room < NARROW { 1 } else { 2 };
    let mut kept: Vec<Column<T>> = columns.to_vec();
    while needed(&kept, gap) > room {
        let worst = (0..kept.len()).filter(|&at| kept[at].rank > 0).max_by_key(|&at| kept[at].rank);
        let Some(worst) = worst else { break };
        kept.remove(worst);
    }
    let mut spare = room.saturating_sub(needed(&kept, gap));
    let mut x = 0_u16;
    let mut shown = Vec::with_capacity(kept.len());
    for column in kept {
        let more = if column.way == Way::Stretch { std::mem::take(&mut spare) } else { 0 };
        let width = column.width.saturating_add(more).min(room.saturating_sub(x));
        shown.push(Shown { column, x, width });
        x = x.saturating_add(width).saturating_add(gap).min(room);
    }
    shown
}

fn needed<T>(columns: &[Column<T>], gap: u16) -> u16 {
    let gaps = gap.saturating_mul(columns.len().saturating_sub(1) as u16);
    columns.iter().fold(gaps, |sum, column| sum.saturating_add(column.width))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(title: &'static str, width: u16, way: Way, rank: u8) -> Column<()> {
        Column { shows: (), title, width, way, rank }
    }

    fn columns() -> [Column<()>; 4] {
        [
            column("name", 10, Way::Stretch, 0),
            column("size", 8, Way::Right, 2),
            column("rate", 9, Way::Right, 0),
            column("peers", 5, Way::Right, 1),
        ]
    }

    fn shown(room: u16) -> Vec<(&'static str, u16, u16)> {
        fit(&columns(), room).iter().map(|one| (one.column.title, one.x, one.width)).collect()
    }

    #[test]
    fn the_least_important_goes_first_and_one_takes_the_rest() {
        assert_eq!(shown(70), [("name", 0, 42), ("size", 44, 8), ("rate", 54, 9), ("peers", 65, 5)]);
        assert_eq!(shown(30), [("name", 0, 14), ("rate", 15, 9), ("peers", 25, 5)]);
        assert_eq!(shown(22), [("name", 0, 12), ("rate", 13, 9)]);
    }

    #[test]
    fn nothing_is_wider_than_the_room() {
        for room in 0..60 {
            let widest = fit(&columns(), room).iter().map(|one| one.x + one.width).max();
            assert!(widest.unwrap_or_default() <= room, "{room}");
        }
    }
}
