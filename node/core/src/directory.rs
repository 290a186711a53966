//! What a directory decides.

pub mod registry;
