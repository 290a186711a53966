//! The answers due on one data stream: for each request, the run that was asked for.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use nearcast_core::untrusted::Untrusted;

/// The most answers due. The policy keeps up to 128 requests open, and cancels some, which are
/// answered all the same. A peer that leaves more than this unanswered does not answer at all.
const DUE_MAX: usize = 4096;

/// An open request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) run: Untrusted<u32>,
    /// Only this run is a valid answer.
    pub(super) exact: bool,
    since: Instant,
}

impl Asked {
    /// Whether a run answers this request. An origin may choose another run, unless the request is
    /// exact.
    pub(super) fn is_answered_by(self, run: Untrusted<u32>, from_origin: bool) -> bool {
        run == self.run || from_origin && !self.exact
    }
}

/// The state shared by the asker and the reader of a stream.
#[derive(Debug)]
pub(super) struct Due {
    /// Open requests by number.
    asked: Mutex<BTreeMap<u32, Asked>>,
    overdue_after: Duration,
}

impl Due {
    pub(super) fn new(overdue_after: Duration) -> Due {
        Due { asked: Mutex::default(), overdue_after }
    }

    fn asked(&self) -> MutexGuard<'_, BTreeMap<u32, Asked>> {
        // No code under the lock can leave the map in a bad state.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request that is sent. Returns false if too many are unanswered.
    pub(super) fn insert(&self, id: u32, run: Untrusted<u32>, exact: bool) -> bool {
        let mut asked = self.asked();
        asked.insert(id, Asked { run, exact, since: Instant::now() });
        asked.len() <= DUE_MAX
    }

    /// Takes the request that an answer belongs to. `None`: no answer of this number is due.
    pub(super) fn take(&self, id: u32) -> Option<Asked> {
        self.asked().remove(&id)
    }

    /// Whether an answer has been due for so long that silence means a fault.
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
