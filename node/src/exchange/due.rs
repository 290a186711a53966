//! The answers that are due on one data stream: by request, which run was asked for.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use nearcast_core::untrusted::Untrusted;

/// Answers due at most. The policy keeps up to 128 requests open and takes some back, which are answered all the same; a
/// peer that leaves so many unanswered answers none.
const DUE_MAX: usize = 4096;

/// What asker and reader of a stream share.
#[derive(Debug)]
pub(super) struct Due {
    /// By number: the run, and when it was asked for.
    asked: Mutex<BTreeMap<u32, (Untrusted<u32>, Instant)>>,
    overdue_after: Duration,
}

impl Due {
    pub(super) fn new(overdue_after: Duration) -> Due {
        Due { asked: Mutex::default(), overdue_after }
    }

    fn asked(&self) -> MutexGuard<'_, BTreeMap<u32, (Untrusted<u32>, Instant)>> {
        // Nothing is done under the lock that could leave the map in a bad state.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request is sent; false if too many are unanswered.
    pub(super) fn insert(&self, id: u32, run: Untrusted<u32>) -> bool {
        let mut asked = self.asked();
        asked.insert(id, (run, Instant::now()));
        asked.len() <= DUE_MAX
    }

    /// An answer comes: the run that was asked for; none if no answer of this number is due.
    pub(super) fn take(&self, id: u32) -> Option<Untrusted<u32>> {
        self.asked().remove(&id).map(|(run, _)| run)
    }

    /// Whether an answer has been due for long, so that silence means that something is wrong.
    pub(super) fn is_overdue(&self) -> bool {
        let oldest = self.asked().values().map(|&(_, since)| since).min();
        oldest.is_some_and(|since| since.elapsed() >= self.overdue_after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_due_once_and_only_to_a_request() {
        let due = Due::new(Duration::ZERO);
        assert!(!due.is_overdue(), "nothing was asked");
        assert!(due.insert(7, 3.into()));
        assert!(due.is_overdue());
        assert_eq!(due.take(8), None);
        assert_eq!(due.take(7), Some(3.into()));
        assert_eq!(due.take(7), None);
        assert!(!due.is_overdue());
    }

    #[test]
    fn who_answers_nothing_fills_the_list_and_no_more() {
        let due = Due::new(Duration::from_secs(1));
        assert!((0..DUE_MAX as u32).all(|id| due.insert(id, 0.into())));
        assert!(!due.insert(u32::MAX, 0.into()));
    }
}
