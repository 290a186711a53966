//! Sums over everything that a node does.

use nearcast_core::{asn::Asn, message::Refusal, stats::Traffic, tier::Tier};

use crate::budget::BudgetUse;

/// Sums over all contents of a node since it started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// Payload received, by source.
    pub received: Traffic,
    /// Payload sent.
    pub uploaded: u64,
    /// Payload sent, by tier of the receiver (index: `Tier as usize`).
    pub uploaded_by_tier: [u64; Tier::COUNT],
    /// Payload sent over the border of our own AS; 0 while it is not known.
    pub exported: u64,
    /// Peers connected.
    pub connections: u32,
    /// Contents open.
    pub contents: u32,
    /// Runs found rotten on disk; none of them was sent.
    pub rotten_runs: u64,
    /// Streams refused because too many waited to be taken.
    pub refused_streams: u64,
    /// Connections refused because a cap was reached.
    pub refused_connections: u64,
    /// Links that are up, all contents together.
    pub links: u32,
    /// Neighbours served at the moment.
    pub unchoked: u32,
    /// Runs sent.
    pub requests_served: u64,
    /// Requests answered with a no (index: `Refusal as usize`).
    pub requests_refused: [u64; Refusal::COUNT],
    /// Runs that a disk did not give.
    pub disk_errors: u64,
    /// Peers banned for sending corrupt data.
    pub banned: u32,
    /// What strangers hold or cause, of what they may.
    pub budget: [BudgetUse; 9],
    /// Payload received in bytes per second, over the last seconds; none as long as nothing was.
    pub rate_down: Option<f64>,
    /// Payload sent in bytes per second, over the last seconds; none as long as nothing was.
    pub rate_up: Option<f64>,
    /// Questions read by the directory a second, over the last seconds; none as long as none was.
    pub questions_per_second: Option<f64>,
    /// Of those, questions answered with peers.
    pub answers_per_second: Option<f64>,
    /// The AS we are in, as far as an atlas says so.
    pub asn: Option<Asn>,
}
