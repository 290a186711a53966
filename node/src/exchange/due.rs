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

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) run: Untrusted<u32>,
    /// No other run will do.
    pub(super) exact: bool,
    since: Instant,
}

impl Asked {
    /// Whether a run answers it; an origin may choose another, unless that was ruled out.
    pub(super) fn is_answered_by(self, run: Untrusted<u32>, from_origin: bool) -> bool {
        run == self.run || from_origin && !self.exact
    }
}

/// What asker and reader of a stream share.
#[derive(Debug)]
pub(super) struct Due {
    /// By number.
    asked: Mutex<BTreeMap<u32, Asked>>,
    overdue_after: Duration,
}

impl Due {
    pub(super) fn new(overdue_after: Duration) -> Due {
        Due { asked: Mutex::default(), overdue_after }
    }

    fn asked(&self) -> MutexGuard<'_, BTreeMap<u32, Asked>> {
        // Nothing is done under the lock that could leave the map in a bad state.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request is sent; false if too many are unanswered.
    pub(super) fn insert(&self, id: u32, run: Untrusted<u32>, exact: bool) -> bool {
        let mut asked = self.asked();
        asked.insert(id, Asked { run, exact, since: Instant::now() });
        asked.len() <= DUE_MAX
    }

    /// An answer comes: what was asked for; none if no answer of this number is due.
    pub(super) fn take(&self, id: u32) -> Option<Asked> {
        self.asked().remove(&id)
    }

    /// Whether an answer has been due for long, so that silence means that something is wrong.
    pub(super) fn is_overdue(&self) -> bool {
        let oldest = self.asked().values().map(|asked| asked.since).min();
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
        assert!(due.insert(7, 3.into(), false));
        assert!(due.is_overdue());
        assert!(due.take(8).is_none());
        assert_eq!(due.take(7).map(|asked| asked.run), Some(3.into()));
        assert!(due.take(7).is_none());
        assert!(!due.is_overdue());
    }

    #[test]
    fn only_an_origin_may_choose_and_only_if_it_was_left_the_choice() {
        let due = Due::new(Duration::ZERO);
        let asked = |exact| {
            due.insert(1, 3.into(), exact);
            due.take(1).expect("it was asked")
        };
        assert!(asked(false).is_answered_by(4.into(), true) && !asked(false).is_answered_by(4.into(), false));
        assert!(!asked(true).is_answered_by(4.into(), true) && asked(true).is_answered_by(3.into(), true));
    }

    #[test]
    fn who_answers_nothing_fills_the_list_and_no_more() {
        let due = Due::new(Duration::from_secs(1));
        assert!((0..DUE_MAX as u32).all(|id| due.insert(id, 0.into(), false)));
        assert!(!due.insert(u32::MAX, 0.into(), false));
    }
}
