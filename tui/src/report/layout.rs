//! The line of one download, as wide as the terminal: columns are shortened and then left out as it gets narrower.
//!
//! Rate, time left and where the bytes come from are always there. Nothing stands in the last column, because terminals
//! wrap a line that fills them.

use nearcast_core::paths::printable;
use nearcast_node::progress::{Phase, Progress};
use ratatui::text::Span as Text;

use super::text::{neighbours, remaining, share, shown_rate, status};
use crate::units::{Span, percent};

/// What is drawn: the name, a bar so wide, and the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) label: String,
    /// Columns of the bar; 0 = none.
    pub(crate) bar: u16,
    pub(crate) rest: String,
}

impl Line {
    /// Columns it takes.
    fn width(&self) -> usize {
        let label = if self.label.is_empty() { 0 } else { width(&self.label) + 1 };
        let bar = if self.bar == 0 { 0 } else { usize::from(self.bar) + 1 };
        label + bar + width(&self.rest)
    }
}

/// How much is said of a download that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Detail {
    /// How far, how fast, how long, from whom.
    All,
    /// Without the number of neighbours.
    NoNeighbours,
    /// Without the bytes.
    NoBytes,
    /// In as few words as can be.
    Terse,
}

/// Columns of the name at most, of the bar, and what is said: the first that fits is drawn.
const SHAPES: [(usize, u16, Detail); 10] = [
    (24, 20, Detail::All),
    (24, 10, Detail::All),
    (24, 20, Detail::NoNeighbours),
    (24, 10, Detail::NoNeighbours),
    (14, 10, Detail::NoNeighbours),
    (24, 10, Detail::NoBytes),
    (14, 0, Detail::NoBytes),
    (14, 0, Detail::Terse),
    (6, 0, Detail::Terse),
    (0, 0, Detail::Terse),
];

/// The line of a download called `label`, for a terminal of so many columns.
pub(crate) fn fit(columns: u16, label: &str, progress: &Progress) -> Line {
    let room = usize::from(columns.saturating_sub(1));
    let draw = |(name, bar, detail): (usize, u16, Detail)| Line {
        label: cut(label, name),
        bar,
        rest: said(progress, detail),
    };
    let fitting = SHAPES.into_iter().map(draw).find(|line| line.width() <= room);
    fitting.unwrap_or_else(|| {
        let line = draw(SHAPES[SHAPES.len() - 1]);
        Line { rest: cut(&line.rest, room), ..line }
    })
}

fn said(progress: &Progress, detail: Detail) -> String {
    let part = format!("{:>3}%", percent(progress.bytes_have, progress.bytes_total));
    match progress.phase {
        Phase::Downloading => format!("{part} {}", downloading(progress, detail)),
        Phase::Stalled(ref why) if detail >= Detail::NoBytes => format!("{part} {}", printable(why)),
        Phase::DiskFull if detail >= Detail::NoBytes => format!("{part} the disk is full"),
        Phase::Stalled(_) | Phase::DiskFull => format!("{part} {}", status(progress)),
        Phase::Checking | Phase::FetchingManifest | Phase::Complete | Phase::Seeding => status(progress),
    }
}

fn downloading(progress: &Progress, detail: Detail) -> String {
    let terse = detail == Detail::Terse;
    let mut parts = Vec::new();
    if detail < Detail::NoBytes {
        parts.push(share(progress));
    }
    parts.push(shown_rate(progress.rate_down));
    let left = remaining(progress).map(|left| Span(left).to_string());
    parts.extend(left.map(|left| if terse { left } else { format!("{left} left") }));
    if detail == Detail::All {
        parts.push(neighbours(progress));
    }
    let received = progress.received;
    if received.total() > 0 {
        let from = percent(received.from_peers(), received.total());
        parts.push(format!("{from}%{} peers", if terse { "" } else { " from" }));
    }
    parts.join(if terse { " " } else { ", " })
}

/// Columns that a text takes.
fn width(text: &str) -> usize {
    Text::raw(text).width()
}

/// A text in so many columns at most; what is cut off is marked.
fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut short = String::new();
    for letter in text.chars() {
        let longer = format!("{short}{letter}");
        if width(&longer) + 1 > columns {
            break;
        }
        short = longer;
    }
    if columns > 0 {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::text::tests::halfway;

    /// The line as it is drawn.
    fn drawn(columns: u16, label: &str, progress: &Progress) -> String {
        let Line { label, bar, rest } = fit(columns, label, progress);
        let bar = "#".repeat(bar.into());
        [label, bar, rest].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }

    const WIDTHS: [u16; 5] = [120, 100, 80, 60, 40];

    #[test]
    fn rate_time_left_and_where_from_are_there_at_every_width() {
        let lines = WIDTHS.map(|columns| drawn(columns, "season", &halfway()));
        assert_eq!(
            lines,
            [
                "season ####################  50% 50.0 MB of 100 MB, 5.00 MB/s, 10 s left, 1 near 1 far + origin, \
                 80% from peers",
                "season ####################  50% 50.0 MB of 100 MB, 5.00 MB/s, 10 s left, 80% from peers",
                "season ##########  50% 50.0 MB of 100 MB, 5.00 MB/s, 10 s left, 80% from peers",
                "season ##########  50% 5.00 MB/s, 10 s left, 80% from peers",
                "season  50% 5.00 MB/s 10 s 80% peers",
            ]
        );
    }

    #[test]
    fn a_long_name_gives_way_to_the_numbers() {
        let name = "film1-with-a-rather-long-name-of-many-words.mkv";
        for columns in WIDTHS {
            let line = drawn(columns, name, &halfway());
            assert!(line.contains("5.00 MB/s") && line.contains("10 s") && line.contains("80%"), "{line}");
            assert!(line.starts_with("film"), "{columns}: {line}");
        }
    }

    #[test]
    fn nothing_stands_in_the_last_column() {
        let why = "the peers that have what is missing serve others at the moment".to_owned();
        let phases = [
            Phase::Checking,
            Phase::FetchingManifest,
            Phase::Downloading,
            Phase::Stalled(why),
            Phase::DiskFull,
            Phase::Complete,
            Phase::Seeding,
        ];
        for phase in phases {
            let progress = Progress { phase, ..halfway() };
            for columns in 1..200 {
                for label in ["season", "非常に長い名前の映画のファイル.mkv", ""] {
                    let line = drawn(columns, label, &progress);
                    assert!(width(&line) < usize::from(columns).max(1), "{columns}: {line}");
                }
            }
        }
    }

    #[test]
    fn a_rate_that_is_not_known_is_a_dash_without_a_time() {
        let unknown = Progress { rate_down: None, ..halfway() };
        assert_eq!(
            drawn(60, "season", &unknown),
            "season ##########  50% 50.0 MB of 100 MB, —, 80% from peers"
        );
    }

    #[test]
    fn names_are_cut_by_the_columns_they_take() {
        assert_eq!(cut("short", 24), "short");
        assert_eq!(cut("非常に長い", 6), "非常…");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcdef", 0), "");
    }
}
