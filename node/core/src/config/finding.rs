//! Settings of looking for peers.

use std::time::Duration;

use super::knobs::knobs;

knobs! {
    /// How peers are found.
    pub struct FindingConfig("finding") {
        /// Connection attempts of a content that began within the last quarter of a second: those
        /// that take longer are waited for beside the next ones. Default 8.
        dials_in_flight_max: u8 = 8, 1, 48;
        /// Candidates remembered a content. Default 200.
        candidates_max: u16 = 200, 1, u16::MAX;
        /// Time between questions to a directory when there are enough neighbours; sooner when not.
        /// Default 60 s.
        ask_interval: Duration = Duration::from_secs(60), Duration::from_secs(1), Duration::from_secs(3_600);
        /// Time between peer exchange messages to a neighbour. Default 15 s.
        exchange_interval: Duration = Duration::from_secs(15), Duration::from_secs(1), Duration::from_secs(3_600);
    }
}
