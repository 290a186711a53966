//! What a peer does: sockets, streams, disks and tasks around the policy core.

pub mod address;
pub mod config;
pub mod error;
#[cfg_attr(not(test), allow(dead_code, unused_imports))] // until the driver uses it
mod net;
pub mod progress;
pub mod publish;
