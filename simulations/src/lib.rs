//! Simulates swarms of nearcast peers: the policy code of real nodes, in a virtual world.

pub mod outcome;
pub mod scenario;
pub mod workload;
pub mod world;
