//! Upload rates to each peer: the node counts bytes, and the difference over some seconds is a
//! rate.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use nearcast_node::progress::Neighbour;

/// Rates are means over this time.
const SPAN: Duration = Duration::from_secs(5);
/// The least time between two samples.
const STEP: Duration = Duration::from_millis(450);

/// Bytes sent to each peer, sampled over time.
#[derive(Debug, Default)]
pub(crate) struct Giving {
    looks: VecDeque<(Instant, HashMap<String, u64>)>,
}

impl Giving {
    /// Samples the bytes sent to each peer so far.
    pub(crate) fn look(&mut self, now: Instant, neighbours: &[Neighbour]) {
        if self.looks.back().is_some_and(|(last, _)| now.duration_since(*last) < STEP) {
            return;
        }
        let given = neighbours.iter().map(|peer| (peer.peer.clone(), peer.sent)).collect();
        self.looks.push_back((now, given));
        while self.looks.front().is_some_and(|(first, _)| now.duration_since(*first) > SPAN) {
            self.looks.pop_front();
        }
    }

    /// The rate to a peer. In bytes a second. 0: the peer is new.
    pub(crate) fn rate(&self, peer: &Neighbour) -> f64 {
        let mut seen = self.looks.iter().filter_map(|(when, given)| Some((when, given.get(&peer.peer)?)));
        let (Some((first, before)), Some((last, after))) = (seen.next(), seen.next_back()) else {
            return 0.0;
        };
        after.saturating_sub(*before) as f64
            / last.duration_since(*first).as_secs_f64().max(STEP.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::text::tests::halfway;

    #[test]
    fn a_rate_is_what_went_in_the_last_seconds() {
        let (mut giving, start) = (Giving::default(), Instant::now());
        let mut peers = halfway().neighbours;
        // The test data lists the same peer id several times; in a real list each id is unique.
        peers.truncate(1);
        assert_eq!(giving.rate(&peers[0]), 0.0, "nothing is known");
        for second in 0..10 {
            peers[0].sent = second * 1000;
            giving.look(start + Duration::from_secs(second), &peers);
        }
        assert_eq!(giving.rate(&peers[0]), 1000.0);
        giving.look(start + Duration::from_millis(9100), &[]);
        assert_eq!(giving.rate(&peers[0]), 1000.0, "too soon to look again");
        for second in 10..20 {
            giving.look(start + Duration::from_secs(second), &peers);
        }
        assert_eq!(giving.rate(&peers[0]), 0.0, "nothing went");
        peers[0].sent = 0;
        giving.look(start + Duration::from_secs(20), &peers);
        assert_eq!(giving.rate(&peers[0]), 0.0, "a new link begins at nothing");
    }
}
