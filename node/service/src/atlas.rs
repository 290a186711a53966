//! The atlas that comes by itself: directories tell of newer ones, the swarm brings them, a pinned key says which are
//! to be believed, and the last good one is kept for the next run.
//!
//! Invariants: nothing is used that the key has not signed, nor anything older than what is in use; what is kept is
//! replaced as a whole; a download that fails changes nothing and fails nothing else; the first one is not an old one.

mod age;
mod attempt;
mod cache;
mod follow;
mod judged;
mod known;

pub use self::{
    age::{ATLAS_AGE_MAX, atlas_age},
    cache::{Cache, CacheError},
    follow::{Follow, Following, News},
    known::Known,
};
