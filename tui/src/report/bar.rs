//! Progress on a terminal: a line for each download, redrawn in place, and on request its peers
//! below it.

use nearcast_core::paths::printable;
use nearcast_node::progress::{Phase, Progress};

use super::{
    giving::Giving,
    peers,
    text::{neighbours, remaining, share, shown_rate, status},
};
use crate::{
    layout::{
        INDENT, bar, cut, first_that_fits,
        line::{Line, Paint},
        width,
    },
    screen::{Live, Slot},
    units::{Span, percent},
};

/// The progress line of one download.
pub(crate) struct Bar {
    /// `None`: the line was removed, in favour of an error or of the last message.
    slot: Option<Slot>,
    label: String,
}

impl Bar {
    /// Adds a line below the existing ones.
    pub(crate) fn new(live: &Live, label: &str) -> Bar {
        let (slot, text) = (live.add(), label.to_owned());
        slot.show(move |room| vec![Line::plain(cut(&text, room))]);
        Bar { slot: Some(slot), label: label.to_owned() }
    }

    /// Shows a snapshot, with the peers below it if `with_peers`.
    pub(crate) fn on_progress(&mut self, progress: &Progress, giving: &Giving, with_peers: bool) {
        if !progress.name.is_empty() {
            self.label = printable(&progress.name);
        }
        let Some(slot) = &self.slot else { return };
        let shapes = shapes(&self.label, progress);
        let peers = with_peers.then(|| peers::table(progress, giving));
        slot.show(move |room| {
            let mut lines = vec![first_that_fits(shapes.clone(), room)];
            if let Some(peers) = &peers {
                let below = peers.lines(room.saturating_sub(width(INDENT)));
                lines.extend(below.into_iter().map(|line| line.indented(INDENT)));
            }
            lines
        });
    }

    /// Empties the line for the summary. The next snapshot fills it again if the download goes on
    /// as a seed.
    pub(crate) fn clear(&self) {
        self.slot.iter().for_each(|slot| slot.show(|_| Vec::new()));
    }

    /// Removes the line, in favour of a message.
    pub(crate) fn leave(&mut self) {
        self.slot = None;
    }

    /// The name of the download.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }
}

/// How much the line tells of a running download.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Detail {
    /// Bytes, rate, time left and neighbours.
    All,
    /// Without the number of neighbours.
    NoNeighbours,
    /// Without the bytes.
    NoBytes,
    /// As few words as possible.
    Terse,
}

/// The shapes of the line: columns of the name at most, columns of the bar, and the detail. All
/// shapes show rate, time left and sources.
const SHAPES: [(usize, usize, Detail); 10] = [
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

/// The lines for a download called `label`, the most detailed first.
fn shapes(label: &str, progress: &Progress) -> Vec<Line> {
    let draw = |(name, columns, detail)| {
        let (name, mut line) = (cut(label, name), Line::default());
        if !name.is_empty() {
            line = line.with(Paint::Plain, name + " ");
        }
        if columns > 0 && progress.phase != Phase::FetchingManifest {
            let bar = bar(progress.bytes_have, progress.bytes_total.max(1), columns);
            line = line.with(Paint::Bar, bar).with(Paint::Plain, " ");
        }
        line.with(Paint::Plain, said(progress, detail))
    };
    SHAPES.into_iter().map(draw).collect()
}

fn said(progress: &Progress, detail: Detail) -> String {
    let part = format!("{:>3}%", percent(progress.bytes_have, progress.bytes_total));
    match progress.phase {
        Phase::Downloading => format!("{part} {}", downloading(progress, detail)),
        Phase::Stalled(why) if detail >= Detail::NoBytes => format!("{part} {why}"),
        Phase::DiskFull if detail >= Detail::NoBytes => format!("{part} the disk is full"),
        Phase::Stalled(_) | Phase::DiskFull | Phase::Paused => format!("{part} {}", status(progress)),
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

#[cfg(test)]
mod tests {
    use nearcast_node::progress::Stall;

    use super::*;
    use crate::{
        layout::{room, tests::WIDTHS},
        report::text::tests::halfway,
    };

    /// The line as drawn on a terminal of `columns` columns.
    fn drawn(columns: u16, label: &str, progress: &Progress) -> String {
        first_that_fits(shapes(label, progress), room(columns)).text()
    }

    #[test]
    fn rate_time_left_and_where_from_are_there_at_every_width() {
        let lines = WIDTHS.map(|columns| drawn(columns, "season", &halfway()));
        assert_eq!(
            lines,
            [
                "season ██████████░░░░░░░░░░  50% 50.0 MB of 100 MB, 5.00 MB/s, 10 s left, 1 near 1 far + origin, \
                 80% from peers",
                "season ██████████░░░░░░░░░░  50% 50.0 MB of 100 MB, 5.00 MB/s, 10 s left, 80% from peers",
                "season █████░░░░░  50% 50.0 MB of 100 MB, 5.00 MB/s, 10 s left, 80% from peers",
                "season █████░░░░░  50% 5.00 MB/s, 10 s left, 80% from peers",
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
        let phases = [
            Phase::Checking,
            Phase::FetchingManifest,
            Phase::Downloading,
            Phase::Stalled(Stall::Refused),
            Phase::DiskFull,
            Phase::Paused,
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
            "season █████░░░░░  50% 50.0 MB of 100 MB, —, 80% from peers"
        );
    }
}
