//! Totals of a node.

use nearcast_core::{asn::Asn, message::Refusal, stats::Traffic, tier::Tier};

use crate::budget::BudgetUse;

/// Totals over all contents of a node since it started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// Payload received since the start, by source, also of contents that were left since.
    pub received: Traffic,
    /// Payload sent.
    pub uploaded: u64,
    /// Part of `uploaded`: bytes by tier of the receiver. Index: `Tier as usize`.
    pub uploaded_by_tier: [u64; Tier::COUNT],
    /// Part of `uploaded`: bytes that left our own AS. 0 while our AS is unknown.
    pub exported: u64,
    /// Peers connected.
    pub connections: u32,
    /// Contents open.
    pub contents: u32,
    /// Runs found rotten on disk. None of them was sent.
    pub rotten_runs: u64,
    /// Streams refused because too many were waiting.
    pub refused_streams: u64,
    /// Connections refused because a cap was reached.
    pub refused_connections: u64,
    /// Links that are up, over all contents.
    pub links: u32,
    /// Neighbours served at the moment.
    pub unchoked: u32,
    /// Runs sent.
    pub requests_served: u64,
    /// Requests refused, by reason. Index: `Refusal as usize`.
    pub requests_refused: [u64; Refusal::COUNT],
    /// Runs that could not be read from disk.
    pub disk_errors: u64,
    /// Peers banned for breaking the protocol or sending corrupt data.
    pub banned: u32,
    /// What strangers hold or cause, against the limits.
    pub budget: [BudgetUse; 9],
    /// Payload received, in bytes a second over the last seconds. `None`: nothing was received yet.
    pub rate_down: Option<f64>,
    /// Payload sent, in bytes a second over the last seconds. `None`: nothing was sent yet.
    pub rate_up: Option<f64>,
    /// Questions that the directory reads a second, over the last seconds. `None`: it has read none
    /// yet.
    pub questions_per_second: Option<f64>,
    /// Part of `questions_per_second`: questions answered with peers.
    pub answers_per_second: Option<f64>,
    /// The AS we are in. `None`: no atlas says it.
    pub asn: Option<Asn>,
}
