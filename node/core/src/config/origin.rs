//! Settings of the origin rule.

use std::time::Duration;

use super::knobs::knobs;

knobs! {
    /// When the operator's servers are asked, and how they spread what they send.
    pub struct OriginConfig("origin") {
        /// Peers are given this long at the start before an origin is asked, while dials are in
        /// flight. Default 300 ms.
        peers_first: Duration = Duration::from_millis(300), Duration::ZERO, Duration::from_secs(60);
        /// Nothing from peers for this long: an origin may be asked for what peers have too (plus up
        /// to as much again, at random, so that a crowd does not come at once). Default 1 s.
        after: Duration = Duration::from_secs(1), Duration::ZERO, Duration::from_secs(3_600);
        /// An origin trusts a run it sent to be passed on for this long before it sends it again.
        /// Default 3 s.
        relay_window: Duration = Duration::from_secs(3), Duration::ZERO, Duration::from_secs(3_600);
    }
}
