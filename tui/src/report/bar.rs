//! Progress on a terminal: one bar a download, redrawn in place.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use nearcast_core::paths::printable;
use nearcast_node::progress::{Phase, Progress};
use ratatui::crossterm::terminal;

use super::layout::{Line, fit};
use crate::units::Bytes;

/// What a terminal that does not say how wide it is gets.
const COLUMNS: u16 = 80;
const TICK: Duration = Duration::from_millis(250);

/// The bar of one download.
pub(crate) struct Bar {
    bar: ProgressBar,
    label: String,
    /// Columns of the bar that the style in use draws, and whether there is a name before it.
    drawn: (u16, bool),
}

impl Bar {
    /// Adds a bar below those that are there.
    pub(crate) fn new(bars: &MultiProgress, label: &str) -> Bar {
        let drawn = (0, true);
        let bar = bars.add(ProgressBar::new(1).with_style(style(drawn)));
        bar.set_prefix(label.to_owned());
        bar.enable_steady_tick(TICK);
        Bar { bar, label: label.to_owned(), drawn }
    }

    /// Shows a snapshot.
    pub(crate) fn on_progress(&mut self, progress: &Progress) {
        if !progress.name.is_empty() {
            self.label = printable(&progress.name);
        }
        let known = progress.phase != Phase::FetchingManifest;
        if known && progress.bytes_total > 0 {
            self.bar.set_length(progress.bytes_total);
        }
        self.bar.set_position(progress.bytes_have);
        self.draw(terminal::size().map_or(COLUMNS, |(columns, _)| columns), progress);
    }

    fn draw(&mut self, columns: u16, progress: &Progress) {
        let Line { label, bar, rest } = fit(columns, &self.label, progress);
        let drawn = (bar, !label.is_empty());
        if std::mem::replace(&mut self.drawn, drawn) != drawn {
            self.bar.set_style(style(drawn));
        }
        self.bar.set_prefix(label);
        self.bar.set_message(rest);
    }

    /// The bar gives way to the summary; a seeding download keeps its line.
    pub(crate) fn on_finished(&mut self) {
        self.bar.set_message("complete");
    }

    /// The bar gives way to the error.
    pub(crate) fn on_failed(&mut self) {
        self.bar.finish_and_clear();
    }

    /// Seeding ended.
    pub(crate) fn on_left(&mut self, uploaded: u64) {
        self.bar.finish_with_message(format!("left after giving {}", Bytes(uploaded)));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if !self.bar.is_finished() {
            self.bar.finish_and_clear();
        }
    }
}

fn style((bar, has_name): (u16, bool)) -> ProgressStyle {
    let name = if has_name { "{prefix} " } else { "" };
    let bar = if bar == 0 { String::new() } else { format!("{{bar:{bar}.cyan}} ") };
    ProgressStyle::with_template(&format!("{name}{bar}{{msg}}")).expect("the template is well formed")
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressDrawTarget;

    use super::*;
    use crate::report::text::tests::halfway;

    #[test]
    fn a_bar_shows_name_share_and_rate() {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        let mut bar = Bar::new(&bars, "abc");
        assert_eq!(bar.bar.prefix(), "abc");
        bar.on_progress(&halfway());
        bar.draw(80, &halfway());
        assert_eq!((bar.bar.position(), bar.bar.length()), (50_000_000, Some(100_000_000)));
        assert!(bar.bar.message().contains("5.00 MB/s"));
        assert!(!bar.bar.prefix().contains('\u{1b}'), "a name is made harmless");
        bar.on_failed();
        assert!(bar.bar.is_finished(), "an error needs the line for itself");
    }
}
