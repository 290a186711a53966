//! When each content is to be woken next.
//!
//! Invariant: `first` is before all of `others`, and is there unless nothing is pending. So an engine
//! of one content, of which a simulated world has a million, never touches the set.

use std::collections::BTreeSet;

use crate::{id::ContentKey, time::Timestamp};

/// A moment, and the content that is to be woken then.
pub(super) type Due = (Timestamp, ContentKey);

/// The wake-ups of all contents, at most one of each.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    first: Option<Due>,
    others: BTreeSet<Due>,
}

impl Agenda {
    /// The soonest wake-up.
    pub(super) fn first(&self) -> Option<Due> {
        self.first
    }

    /// Notes a wake-up.
    pub(super) fn insert(&mut self, due: Due) {
        match self.first {
            None => self.first = Some(due),
            Some(first) if due < first => {
                self.others.insert(first);
                self.first = Some(due);
            }
            Some(first) if due == first => {}
            Some(_) => _ = self.others.insert(due),
        }
    }

    /// Forgets a wake-up.
    pub(super) fn remove(&mut self, due: Due) {
        match self.first == Some(due) {
            true => self.first = self.others.pop_first(),
            false => _ = self.others.remove(&due),
        }
    }

    /// A content is to be woken at another time than before.
    pub(super) fn change(
        &mut self,
        content: ContentKey,
        before: Option<Timestamp>,
        after: Option<Timestamp>,
    ) {
        if before != after {
            before.into_iter().for_each(|at| self.remove((at, content)));
            after.into_iter().for_each(|at| self.insert((at, content)));
        }
    }

    /// All wake-ups, the soonest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Due> {
        self.first.into_iter().chain(self.others.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn it_is_a_sorted_set_whatever_happens() {
        let (mut random, mut agenda, mut set) = (Random::new(5), Agenda::default(), BTreeSet::new());
        for _ in 0..20_000 {
            let due = (Timestamp::from_millis(random.below(9).into()), ContentKey(random.below(4)));
            match random.below(2) {
                0 => {
                    agenda.insert(due);
                    set.insert(due);
                }
                _ => {
                    agenda.remove(due);
                    set.remove(&due);
                }
            }
            assert!(agenda.iter().eq(set.iter().copied()));
            assert_eq!(agenda.first(), set.first().copied());
        }
    }

    #[test]
    fn a_content_has_one_wake_up() {
        let mut agenda = Agenda::default();
        let [one, two] = [1, 2].map(Timestamp::from_millis);
        agenda.change(ContentKey(7), None, Some(two));
        agenda.change(ContentKey(7), Some(two), Some(one));
        assert_eq!(agenda.iter().collect::<Vec<_>>(), [(one, ContentKey(7))]);
        agenda.change(ContentKey(7), Some(one), None);
        assert_eq!(agenda.first(), None);
    }
}
