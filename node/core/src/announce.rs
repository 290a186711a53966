//! Who hears that we hold more ([`crate::output::Action::Announce`]).
//!
//! The engine announces runs once, however many neighbours there are. The shell owns the links and
//! the have-maps, and tells each neighbour. The rule of who is told is here, so that every shell
//! follows the same one.

use crate::{
    content::layout::RunIndex,
    id::{ContentKey, PeerKey},
    view::View,
};

/// The announced runs that a neighbour is due to hear of, as a `Have`: all of them or none.
///
/// `is_origin` is what [`crate::input::Neighbour`] said of it. The shell asks this for every link
/// that is up, in the order of peer keys. Whoever has no have-map in the view is no neighbour.
pub fn due_to<'a>(
    view: &dyn View,
    content: ContentKey,
    (peer, is_origin): (PeerKey, bool),
    runs: &'a [RunIndex],
) -> &'a [RunIndex] {
    // A web seed hears nothing that we tell neighbours.
    if view.is_web_seed(peer) {
        return &[];
    }
    match view.held(content, peer) {
        // A complete neighbour needs no news, unless it is an origin, which steers by news.
        Some(theirs) if is_origin || !theirs.is_full() => runs,
        Some(_) | None => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        content::{held::Held, run_set::RunSet},
        view::Location,
    };

    /// Peer 0 holds nothing, peers 1 and 3 hold everything, peer 3 as a web seed. Nobody else is a
    /// neighbour.
    struct Three(RunSet, RunSet);

    impl View for Three {
        fn held(&self, _: ContentKey, peer: PeerKey) -> Option<Held<'_>> {
            match peer.0 {
                0 => Some((&self.0).into()),
                1 | 3 => Some((&self.1).into()),
                _ => None,
            }
        }

        fn location(&self, peer: PeerKey) -> Location {
            Location::unknown(peer)
        }

        fn is_connected(&self, _: PeerKey) -> bool {
            false
        }

        fn is_web_seed(&self, peer: PeerKey) -> bool {
            peer.0 == 3
        }
    }

    #[test]
    fn who_has_everything_hears_nothing_unless_it_steers() {
        let view = Three(RunSet::empty(2), RunSet::full(2));
        let runs = [RunIndex::new(1)];
        let due = |peer, origin| !due_to(&view, ContentKey(0), (PeerKey(peer), origin), &runs).is_empty();
        assert!(due(0, false) && due(0, true), "who lacks something is told");
        assert!(!due(1, false), "who has everything is not");
        assert!(due(1, true), "an origin is");
        assert!(!due(2, false) && !due(2, true), "who is no neighbour is not");
        assert!(!due(3, false) && !due(3, true), "a web seed is not");
    }
}
