//! The views, and where on the terminal everything stands. Drawing and the mouse both go by it.

use ratatui::layout::Rect;

/// What the screen shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum View {
    /// The list of downloads.
    #[default]
    Downloads,
    /// One download: its map, peers and files.
    Details,
    /// Who gave how much.
    WhereFrom,
    /// What could be added.
    Catalogue,
    /// What the node told.
    Log,
}

impl View {
    /// All views, in the order of their numbers.
    pub(crate) const ALL: [View; 5] =
        [View::Downloads, View::Details, View::WhereFrom, View::Catalogue, View::Log];

    /// The name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            View::Downloads => "Downloads",
            View::Details => "Details",
            View::WhereFrom => "Where from",
            View::Catalogue => "Catalogue",
            View::Log => "Log",
        }
    }

    /// The name where there is little room.
    fn short(self) -> &'static str {
        match self {
            View::WhereFrom => "From",
            other => other.name(),
        }
    }

    /// The view that many places further, round and round.
    pub(crate) fn step(self, places: isize) -> View {
        let count = View::ALL.len() as isize;
        let at = (self as isize + places).rem_euclid(count);
        View::ALL[at as usize]
    }
}

/// Fewer columns or rows have room for one line only.
const COLUMNS_MIN: u16 = 34;
const ROWS_MIN: u16 = 6;
/// From here on there is a row for a note.
const ROWS_WITH_NOTE: u16 = 10;
/// Columns that the rates at the upper right take.
const RATES: u16 = 25;
/// The same where there is little room: down only.
const RATES_NARROW: u16 = 11;
/// From here on there is room for both rates.
const BOTH_RATES: u16 = 70;

/// Where everything stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Views and rates.
    pub(crate) header: Rect,
    /// The view.
    pub(crate) body: Rect,
    /// A line about what is chosen. Empty where there are few rows.
    pub(crate) note: Rect,
    /// Hints, a notice, or what is typed.
    pub(crate) footer: Rect,
    /// The terminal is so small that there is one line for everything.
    pub(crate) is_tiny: bool,
}

impl Plan {
    /// The plan for a terminal of this many columns and rows.
    pub(crate) fn of((columns, rows): (u16, u16)) -> Plan {
        let line = |y| Rect::new(0, y, columns, 1.min(rows));
        let noted = u16::from(rows >= ROWS_WITH_NOTE);
        Plan {
            header: line(0),
            body: Rect::new(0, 1.min(rows), columns, rows.saturating_sub(2 + noted)),
            note: Rect::new(0, rows.saturating_sub(2), columns, noted),
            footer: line(rows.saturating_sub(1)),
            is_tiny: columns < COLUMNS_MIN || rows < ROWS_MIN,
        }
    }

    /// The rows of a list that fills the body, below its heading.
    pub(crate) fn list(&self) -> Rect {
        let Rect { x, y, width, height } = self.body;
        Rect::new(x, y.saturating_add(1), width, height.saturating_sub(1))
    }

    /// The columns that the rates take, at the right of the header.
    pub(crate) fn rates(&self) -> u16 {
        if self.header.width >= BOTH_RATES { RATES } else { RATES_NARROW }
    }

    /// The names of the views in the header: whole, shorter, or the numbers of all but the shown one.
    pub(crate) fn tabs(&self, shown: View) -> Vec<Tab> {
        let room = self.header.width.saturating_sub(self.rates());
        let numbered = |view: View, name: &str| format!("{} {name}", view as u8 + 1);
        let fits = |tabs: &Vec<Tab>| tabs.last().is_some_and(|last| last.x + last.width < room);
        let whole = place(2, |view| numbered(view, view.name()));
        let shorter = || place(2, |view| numbered(view, view.short()));
        let close = || place(1, |view| numbered(view, view.short()));
        let numbers =
            || {
                place(1, |view| {
                    if view == shown { numbered(view, view.short()) } else { (view as u8 + 1).to_string() }
                })
            };
        let first = Some(whole).filter(fits).or_else(|| Some(shorter()).filter(fits));
        first.or_else(|| Some(close()).filter(fits)).unwrap_or_else(numbers)
    }
}

/// The name of a view in the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tab {
    /// The view.
    pub(crate) view: View,
    /// Where it begins, and how wide it is.
    pub(crate) x: u16,
    /// How wide it is.
    pub(crate) width: u16,
    /// What is written.
    pub(crate) text: String,
}

fn place(gap: u16, text: impl Fn(View) -> String) -> Vec<Tab> {
    let mut x = 1;
    let tab = |view| {
        let text = text(view);
        let tab = Tab { view, x, width: text.len() as u16, text };
        x += tab.width + gap;
        tab
    };
    View::ALL.into_iter().map(tab).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tabs_shrink_before_they_meet_the_rates() {
        let texts = |columns| {
            let tabs = Plan::of((columns, 24)).tabs(View::WhereFrom);
            tabs.into_iter().map(|tab| tab.text).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(texts(120), "1 Downloads 2 Details 3 Where from 4 Catalogue 5 Log");
        assert_eq!(texts(80), "1 Downloads 2 Details 3 From 4 Catalogue 5 Log");
        assert_eq!(texts(60), "1 Downloads 2 Details 3 From 4 Catalogue 5 Log");
        assert_eq!(texts(40), "1 2 3 From 4 5");
        for columns in [34, 40, 59, 60, 80, 100, 120] {
            let plan = Plan::of((columns, 24));
            for view in View::ALL {
                let last = plan.tabs(view).pop().unwrap();
                assert!(last.x + last.width <= columns - plan.rates(), "{columns} {view:?}");
            }
        }
    }

    #[test]
    fn nothing_stands_outside_of_the_terminal() {
        for columns in 0..40 {
            for rows in 0..12 {
                let plan = Plan::of((columns, rows));
                for part in [plan.header, plan.body, plan.note, plan.footer] {
                    assert!(part.bottom() <= rows && part.right() <= columns, "{columns} {rows} {part:?}");
                }
            }
        }
        assert_eq!(View::Log.step(1), View::Downloads);
        assert_eq!(View::Downloads.step(-1), View::Log);
    }
}
