//! The atlas that comes by itself: directories tell of newer ones, the swarm brings them, a pinned key says which are
//! to be believed, and the last good one is kept for the next run.
//!
//! Invariants: nothing is used that the key has not signed, nor anything older than what is in use; what is kept is
//! replaced as a whole; a download that fails changes nothing and fails nothing else.

mod cache;
mod follow;

pub use self::{
    cache::{Cache, CacheError},
    follow::{Follow, Following, News},
};
