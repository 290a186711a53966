//! Simulates swarms of nearcast peers: the policy code of real nodes, in a virtual world.

pub mod agenda;
pub mod check;
pub mod clinic;
pub mod cost;
pub mod filling;
pub mod fluid;
pub mod frontier;
pub mod outcome;
pub mod overlay;
pub mod report;
pub mod run;
pub mod scenario;
pub mod topology;
pub mod transport;
pub mod workload;
pub mod world;
pub mod yardstick;
