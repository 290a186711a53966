//! What is said of a film that is shown while it comes.

use std::time::{Duration, Instant};

use nearcast_core::{slowness::Slow, stats::Streaming};
use nearcast_node::progress::Progress;

use super::{text::sources, why::sentence};
use crate::{stream::Figures, units::Bytes};

/// A reason that lasts so long is said.
const LASTS: Duration = Duration::from_secs(3);

/// What was said, so that nothing is said twice.
#[derive(Debug, Default)]
pub(crate) struct Said {
    has_begun: bool,
    stalls: u64,
    /// Why it is not faster, since when, and whether that was said.
    why: Option<(Slow, Instant, bool)>,
    /// The last that was heard of readers. It is gone when everything is here.
    last: Streaming,
}

impl Said {
    /// Looks at the newest figures. Returns a sentence if there is news.
    pub(crate) fn next(&mut self, now: Instant, figures: &Figures, progress: &Progress) -> Option<String> {
        if let Some(streaming) = progress.streaming {
            self.last = streaming;
        }
        if let (false, Some(first)) = (self.has_begun, figures.first_byte) {
            self.has_begun = true;
            return Some(format!("the first byte went to the player after {:.1} s", first.as_secs_f64()));
        }
        let stalls = std::mem::replace(&mut self.stalls, figures.stalls);
        let stands = (figures.stalls > stalls).then(|| format!("it stood: {}", stalls_in_words(figures)));
        stands.or_else(|| self.why(now, progress))
    }

    /// Why it is not faster, once that has lasted.
    fn why(&mut self, now: Instant, progress: &Progress) -> Option<String> {
        let why = progress.slow?;
        let (since, is_said) = match self.why {
            Some((known, since, is_said)) if known == why => (since, is_said),
            _ => (now, false),
        };
        let lasts = now.duration_since(since) >= LASTS;
        self.why = Some((why, since, is_said || lasts));
        sentence(why).filter(|_| lasts && !is_said).map(str::to_owned)
    }

    /// The sentence at the end.
    pub(crate) fn end(&self, figures: &Figures, progress: &Progress) -> String {
        let first = match figures.first_byte {
            Some(first) => format!("first byte after {:.1} s", first.as_secs_f64()),
            None => "nothing was asked for".to_owned(),
        };
        let topped_up = match self.last.topped_up {
            0 => String::new(),
            bytes => format!("; the origin topped up {}", Bytes(bytes)),
        };
        format!(
            "{first}, {}, {} shown; {}{topped_up}",
            stalls_in_words(figures),
            Bytes(figures.bytes),
            sources(&progress.received)
        )
    }

    /// The same for programs: the event `played`.
    pub(crate) fn event(&self, figures: &Figures, progress: &Progress) -> serde_json::Value {
        serde_json::json!({
            "event": "played",
            "first_byte_seconds": figures.first_byte.map(|first| first.as_secs_f64()),
            "slowest_seek_seconds": figures.slowest_seek.as_secs_f64(),
            "requests": figures.requests,
            "stalls": figures.stalls,
            "stalled_seconds": figures.stalled.as_secs_f64(),
            "shown_bytes": figures.bytes,
            "received_bytes": progress.received.total(),
            "peers_bytes": progress.received.from_peers(),
            "origin_bytes": progress.received.origin,
            "web_seed_bytes": progress.received.web_seed,
            "imported_late_bytes": progress.received.imported_late,
            "topped_up_bytes": self.last.topped_up,
            "rescued_runs": self.last.rescued,
            "doubled_runs": self.last.doubled,
        })
    }
}

fn stalls_in_words(figures: &Figures) -> String {
    match figures.stalls {
        0 => "no stall".to_owned(),
        1 => format!("one stall of {:.1} s", figures.stalled.as_secs_f64()),
        stalls => format!("{stalls} stalls of {:.1} s together", figures.stalled.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::text::tests::halfway;

    #[test]
    fn the_first_byte_and_each_stall_are_said_once() {
        let (mut said, now, progress) = (Said::default(), Instant::now(), halfway());
        let mut figures = Figures::default();
        assert_eq!(said.next(now, &figures, &progress), None);
        figures.first_byte = Some(Duration::from_millis(1_240));
        assert!(said.next(now, &figures, &progress).is_some_and(|told| told.contains("1.2 s")));
        assert_eq!(said.next(now, &figures, &progress), None);
        (figures.stalls, figures.stalled) = (2, Duration::from_secs(3));
        assert!(said.next(now, &figures, &progress).is_some_and(|told| told.contains("2 stalls of 3.0 s")));
        assert_eq!(said.next(now, &figures, &progress), None);
    }

    #[test]
    fn a_reason_that_lasts_is_said_once() {
        let (mut said, start) = (Said::default(), Instant::now());
        let mut next = |seconds, slow| {
            let progress = Progress { slow, ..halfway() };
            said.next(start + Duration::from_secs(seconds), &Figures::default(), &progress)
        };
        assert_eq!(next(0, Some(Slow::OwnLimit)), None);
        assert!(next(3, Some(Slow::OwnLimit)).is_some_and(|told| told.contains("--down")));
        assert_eq!(next(9, Some(Slow::OwnLimit)), None);
        assert_eq!((next(10, Some(Slow::PeersGive)), next(20, Some(Slow::PeersGive))), (None, None));
    }

    #[test]
    fn the_end_says_how_it_went_and_where_from_also_when_readers_are_gone() {
        let (mut said, mut progress) = (Said::default(), halfway());
        progress.streaming = Some(Streaming { topped_up: 5_000_000, ..Streaming::default() });
        said.next(Instant::now(), &Figures::default(), &progress);
        progress.streaming = None;
        let figures = Figures { first_byte: Some(Duration::from_secs(1)), ..Figures::default() };
        let end = said.end(&figures, &progress);
        assert!(end.contains("no stall") && end.contains("topped up 5.00 MB"), "{end}");
        assert_eq!(said.event(&figures, &progress)["topped_up_bytes"], 5_000_000);
    }
}
