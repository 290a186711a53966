//! The origin seeder: it serves every content it finds under a folder, and is a directory for them.

pub mod catalogue;
pub mod cli;
pub mod config;
mod folders;
pub mod health;
pub mod ingest;
mod keeper;
pub mod metrics;
mod pace;
mod root;
pub mod run;
pub mod service;
pub mod setting;
mod vitals;
mod watch;
