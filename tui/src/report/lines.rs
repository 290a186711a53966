//! Progress without a terminal: a line every ten seconds or five percent, for logs that people read
//! later.

use std::time::{Duration, Instant};

use nearcast_core::paths::printable;
use nearcast_node::progress::{Phase, Progress};

use super::text::status;
use crate::units::{Bytes, percent};

const INTERVAL: Duration = Duration::from_secs(10);
const STEP_PERCENT: u8 = 5;

/// Decides when a line about one download is due, and makes it.
pub(crate) struct Lines {
    label: String,
    last: Option<Told>,
}

struct Told {
    when: Instant,
    step: u8,
    phase: Phase,
    line: String,
}

impl Lines {
    /// Nothing printed yet.
    pub(crate) fn new(label: String) -> Lines {
        Lines { label, last: None }
    }

    /// The line, if one is due. The same line never comes twice in a row.
    pub(crate) fn on_progress(&mut self, now: Instant, progress: &Progress) -> Option<String> {
        if !progress.name.is_empty() {
            self.label = printable(&progress.name);
        }
        // The summary reports the end.
        if progress.phase == Phase::Complete {
            return None;
        }
        let step = percent(progress.bytes_have, progress.bytes_total) / STEP_PERCENT;
        let due = self.last.as_ref().is_none_or(|last| {
            last.phase != progress.phase || last.step != step || now.duration_since(last.when) >= INTERVAL
        });
        if !due {
            return None;
        }
        let line = self.line(progress);
        let repeated = self.last.as_ref().is_some_and(|last| last.line == line);
        self.last = Some(Told { when: now, step, phase: progress.phase.clone(), line: line.clone() });
        (!repeated).then_some(line)
    }

    /// The line when seeding ends.
    pub(crate) fn on_left(&self, uploaded: u64) -> String {
        format!("{}: left after giving {}", self.label, Bytes(uploaded))
    }

    fn line(&self, progress: &Progress) -> String {
        let part = match progress.phase {
            Phase::Downloading | Phase::Stalled(_) | Phase::DiskFull | Phase::Paused => {
                format!("{}% ", percent(progress.bytes_have, progress.bytes_total))
            }
            Phase::Checking | Phase::FetchingManifest | Phase::Complete | Phase::Seeding => String::new(),
        };
        format!("{}: {part}{}", self.label, status(progress))
    }
}

#[cfg(test)]
mod tests {
    use nearcast_node::progress::Stall;

    use super::*;
    use crate::report::text::tests::halfway;

    fn at(bytes_have: u64) -> Progress {
        Progress { bytes_have, ..halfway() }
    }

    #[test]
    fn a_line_comes_every_five_percent_or_ten_seconds() {
        let (mut lines, start) = (Lines::new("x".into()), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(lines.on_progress(start, &at(50_000_000)).is_some());
        assert!(lines.on_progress(after(1), &at(54_999_999)).is_none());
        assert!(lines.on_progress(after(2), &at(55_000_000)).is_some());
        assert!(lines.on_progress(after(11), &at(56_000_000)).is_none());
        assert!(lines.on_progress(after(12), &at(57_000_000)).is_some());
    }

    #[test]
    fn a_new_phase_is_said_at_once_and_the_same_thing_never_twice() {
        let (mut lines, now) = (Lines::new("x".into()), Instant::now());
        let stalled = Progress { phase: Phase::Stalled(Stall::NobodyHasIt), ..halfway() };
        lines.on_progress(now, &halfway());
        let line = lines.on_progress(now, &stalled).unwrap();
        assert!(line.contains("none of the peers reached has what is missing"), "{line}");
        assert!(lines.on_progress(now + INTERVAL * 2, &stalled).is_none());
    }

    #[test]
    fn lines_carry_the_name_made_harmless() {
        let mut lines = Lines::new("abcdef".into());
        let line = lines.on_progress(Instant::now(), &halfway()).unwrap();
        assert!(line.contains("50% 50.0 MB of 100 MB"), "{line}");
        assert!(line.starts_with("film") && !line.contains('\u{1b}'), "{line}");
    }
}
