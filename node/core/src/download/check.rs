//! What must hold of a download, asserted.

use super::Download;
use crate::{
    content::{held::Held, run_set::RunSet},
    id::PeerKey,
    links::{availability::Availability, peers::Links},
};

impl Download {
    /// Asserts that everything counted equals a recount.
    pub(crate) fn check<'a>(
        &self,
        links: &Links,
        have: &RunSet,
        held: &impl Fn(PeerKey) -> Option<Held<'a>>,
    ) {
        let missing = match &self.wanted {
            Some(wanted) => wanted.count_beyond(have),
            None => have.runs().saturating_sub(have.count()),
        };
        assert_eq!(self.missing, missing, "runs missing");
        self.requests.check();
        for request in self.requests.iter() {
            assert!(links.get(request.peer).is_some(), "{request:?} is with a neighbour");
        }
        let mut recount = Availability::new(have.runs());
        for link in links.iter() {
            let with_it = self.requests.iter().filter(|request| request.peer == link.peer).count();
            assert_eq!(usize::from(link.in_flight), with_it, "requests in flight with {:?}", link.peer);
            if link.is_counted() {
                held(link.peer).into_iter().for_each(|theirs| recount.add_all(theirs));
            }
        }
        self.availability.check(&recount);
    }
}
