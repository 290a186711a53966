//! Progress on a terminal: one bar a download, redrawn in place.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use nearcast_core::paths::printable;
use nearcast_node::progress::{Phase, Progress};

use super::text::status;
use crate::units::Bytes;

/// Longer names are cut, so that the numbers stay on the line.
const LABEL_CHARS_MAX: usize = 24;
const TICK: Duration = Duration::from_millis(250);

/// The bar of one download.
pub(crate) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// Adds a bar below those that are there.
    pub(crate) fn new(bars: &MultiProgress, label: &str) -> Bar {
        let bar = bars.add(ProgressBar::new(1).with_style(style()));
        bar.set_prefix(cut(label));
        bar.enable_steady_tick(TICK);
        Bar { bar }
    }

    /// Shows a snapshot.
    pub(crate) fn on_progress(&mut self, progress: &Progress) {
        if !progress.name.is_empty() {
            self.bar.set_prefix(cut(&printable(&progress.name)));
        }
        let known = progress.phase != Phase::FetchingManifest;
        if known && progress.bytes_total > 0 {
            self.bar.set_length(progress.bytes_total);
        }
        self.bar.set_position(progress.bytes_have);
        self.bar.set_message(status(progress));
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

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix} {bar:20.cyan} {percent:>3}% {wide_msg}")
        .expect("the template is well formed")
}

fn cut(label: &str) -> String {
    if label.chars().count() <= LABEL_CHARS_MAX {
        return label.to_owned();
    }
    label.chars().take(LABEL_CHARS_MAX - 1).chain(['…']).collect()
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
        assert_eq!((bar.bar.position(), bar.bar.length()), (50_000_000, Some(100_000_000)));
        assert!(bar.bar.message().contains("5.00 MB/s"));
        assert!(!bar.bar.prefix().contains('\u{1b}'), "a name is made harmless");
        bar.on_failed();
        assert!(bar.bar.is_finished(), "an error needs the line for itself");
    }

    #[test]
    fn long_names_are_cut_by_characters() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"ü".repeat(30)).chars().count(), LABEL_CHARS_MAX);
    }
}
