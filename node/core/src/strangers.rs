//! What strangers may hold or cause, which of them is evicted when that is used up, and where peers
//! that lied came from.

pub mod budget;
pub(crate) mod strikes;
