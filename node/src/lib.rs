//! What a peer does: sockets, streams, disks and tasks around the policy core.

pub mod address;
pub mod config;
pub mod error;
// Until the driver uses them.
#[allow(dead_code)]
mod limit;
pub mod progress;
pub mod publish;
#[allow(dead_code, unused_imports)]
mod store;
