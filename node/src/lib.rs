//! What a peer does: sockets, streams, disks and tasks around the policy core.

pub mod address;
pub mod config;
pub mod error;
mod exchange;
mod limit;
mod nearness;
mod net;
mod peer_book;
pub mod progress;
pub mod publish;
mod store;
mod wire;
