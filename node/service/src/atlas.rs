//! The atlas that updates itself. Directories announce newer atlases, the swarm delivers them, a
//! pinned key decides which to trust, and the last good atlas is kept for the next run.
//!
//! Invariants: only an atlas signed by the pinned key is used, and never an older one than the one
//! in use; the kept file is replaced as a whole; a failed download changes nothing and breaks
//! nothing else; the first atlas must not be too old.

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
