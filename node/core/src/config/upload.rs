//! Settings of serving others.

use std::time::Duration;

use super::knobs::knobs;

knobs! {
    /// Whom we serve at a time.
    pub struct UploadConfig("upload") {
        /// Neighbours served at a time, a content. Few slots finish runs sooner and spread them faster
        /// at a flash crowd; many serve more peers slowly. More than `optimistic_slots`. Default 16.
        slots: u16 = 16, 1, u16::MAX;
        /// Of those, slots that go round among the others, so that newcomers get a start. Default 1.
        optimistic_slots: u16 = 1, 0, u16::MAX;
        /// Neighbours served at a time, all contents together. Default 512.
        slots_total: u32 = 512, 0, u32::MAX;
        /// Runs sent at a time, all contents together, however slow the uplink is. More are sent where
        /// that brings more ([`crate::rates::concurrency`]). 65535: as many as there are slots.
        /// Default 2.
        together_min: u16 = 2, 1, u16::MAX;
        /// Requests of one neighbour held for sending; more are refused. Default 128.
        queued_max: u8 = 128, 1, u8::MAX;
        /// Time between decisions whom to serve. Default 2 s.
        choke_interval: Duration = Duration::from_secs(2), Duration::from_millis(1), Duration::from_secs(3_600);
    }
}
