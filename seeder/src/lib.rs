//! Origin seeder: serves every content it finds under a directory, and is a directory for them.

pub mod admin;
pub mod catalogue;
pub mod cli;
pub mod config;
pub mod harmless;
pub mod health;
pub mod ingest;
mod keeper;
pub mod log;
pub mod metrics;
mod notify;
pub mod run;
pub mod service;
pub mod setting;
pub mod signals;
pub mod units;
mod watch;
