//! The tasks that move data between two peers, and the events they send to the driver.
//!
//! A link is one content exchanged with one peer: a control stream, and at most one data stream
//! each way. If any of them breaks, the whole link ends. The driver is told once.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

mod buffers;
pub(crate) mod directory;
mod due;
pub(crate) mod fetch;
mod gate;
mod keep;
mod known;
pub(crate) mod least_rate;
pub(crate) mod link;
mod load;
pub(crate) mod manifest;
pub(crate) mod serve;

pub(crate) use buffers::Buffers;
pub(crate) use gate::Gate;
pub(crate) use known::Known;

/// Runs of at most this size are small. Several small runs that are at hand are read, written,
/// verified and stored together. One by one, waking threads would cost more than all else.
const SMALL_RUN_BYTES_MAX: u32 = 16 * 1024;
/// The most small runs handled together.
const TOGETHER_MAX: usize = 16;
/// The bytes read ahead for small runs.
const TOGETHER_BYTES_MAX: usize = 128 * 1024;
