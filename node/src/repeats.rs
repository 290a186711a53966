//! Rate-limited logging of what a stranger can provoke: the first time at once, then once a minute
//! at most, with the number of lines kept back.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The least time between two lines.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// A rate-limited log line.
#[derive(Debug, Default)]
pub struct Repeats(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    said: Option<Instant>,
    kept_back: u64,
}

impl Repeats {
    /// If the line is to be logged now, how often it was kept back before. `None`: it is not to be
    /// logged.
    pub fn due(&self) -> Option<u64> {
        self.due_at(Instant::now())
    }

    fn due_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.said.is_some_and(|said| now.duration_since(said) < SAID_EVERY) {
            state.kept_back += 1;
            return None;
        }
        state.said = Some(now);
        Some(std::mem::take(&mut state.kept_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_at_once_and_then_once_a_minute_with_what_was_kept_back() {
        let (repeats, start) = (Repeats::default(), Instant::now());
        let said: Vec<u64> =
            (0..180).filter_map(|second| repeats.due_at(start + Duration::from_secs(second))).collect();
        assert_eq!(said, [0, 59, 59]);
    }
}
