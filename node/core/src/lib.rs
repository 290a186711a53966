//! What a nearcast peer decides. It never does anything: no sockets, files, clocks, threads or
//! randomness of its own. The node and the simulator are two shells around it.

pub mod bucket;
pub mod id;
pub mod layout;
pub mod magnet;
pub mod manifest;
pub mod merkle;
pub mod paths;
pub mod run_set;
pub mod stats;
pub mod tier;
pub mod time;
