//! What a download waits for, for people. Nothing decides by it.

use super::{Download, requests::Request};
use crate::{links::peers::Link, time::Timestamp};

impl Download {
    /// Whether a run has begun to arrive and is not whole yet.
    pub(crate) fn is_coming(&self) -> bool {
        self.requests.iter().any(Request::is_coming)
    }

    /// Whether a neighbour is not asked for now, because it answered that it gives nothing.
    pub(crate) fn is_refused(&self, now: Timestamp, link: &Link) -> bool {
        self.conduct.is_paused(now, link.peer)
    }

    /// Whether a neighbour is beyond the border of a group of ours, and is asked in turns.
    pub(crate) fn is_gated(&self, link: &Link) -> bool {
        self.groups.gate(link).is_some() && !self.is_endgame()
    }
}
