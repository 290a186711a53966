//! What a nearcast peer decides. It never does anything: no sockets, files, clocks, threads or
//! randomness of its own. The node and the simulator are two shells around it.

pub mod bucket;
mod choker;
pub mod config;
mod context;
mod discovery;
mod download;
pub mod engine;
pub mod id;
pub mod input;
pub mod layout;
pub mod magnet;
pub mod manifest;
pub mod merkle;
pub mod message;
mod origin;
pub mod output;
pub mod paths;
mod peers;
mod picker;
mod pursuit;
pub mod random;
mod ranking;
pub mod registry;
mod requests;
pub mod run_set;
pub mod scope;
pub mod stats;
pub mod swarm;
pub mod tier;
pub mod time;
pub mod timers;
mod upload;

pub use context::HaveMaps;
