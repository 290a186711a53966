//! Origin seeder: serves every content it finds under a directory, and is a directory for them.

pub mod catalogue;
pub mod cli;
pub mod config;
pub mod log;
pub mod service;
pub mod signals;
pub mod units;
