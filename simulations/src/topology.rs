//! The Internet around the peers of a simulated world.

mod internet;

pub use internet::{ASES_DEFAULT, ASES_MAX, ASES_MIN, generated};
