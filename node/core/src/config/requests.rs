//! Settings of asking for runs.

use std::time::Duration;

use super::knobs::knobs;

knobs! {
    /// How much is asked of whom, and when.
    pub struct RequestConfig("requests") {
        /// Requests in flight to one neighbour at least. Default 2.
        least: u8 = 2, 1, u8::MAX;
        /// Requests in flight to a neighbour whose rate is not known yet. No less than `least`.
        /// Default 4.
        start: u8 = 4, 1, u8::MAX;
        /// Requests in flight to one neighbour at most. No less than `start`. Default 64: 16 MiB of
        /// 256 KiB runs.
        most: u8 = 64, 1, u8::MAX;
        /// How far ahead requests are queued at a neighbour, at its measured rate. Longer survives
        /// longer round trips and jitter; shorter loses less when it slows down. Default 500 ms.
        horizon: Duration = Duration::from_millis(500), Duration::from_millis(1), Duration::from_secs(60);
        /// How long new runs gather before neighbours are told. Longer saves messages, shorter relays
        /// sooner. Default 4 ms.
        have_delay: Duration = Duration::from_millis(4), Duration::ZERO, Duration::from_secs(60);
        /// Time between looks at rates, slow requests and interest. Default 250 ms.
        tick: Duration = Duration::from_millis(250), Duration::from_millis(1), Duration::from_secs(60);
    }
}
