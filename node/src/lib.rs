//! What a peer does: sockets, streams, disks and tasks around the policy core.

pub mod address;
pub mod config;
pub mod error;
pub mod progress;
pub mod publish;
