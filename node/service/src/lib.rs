//! What nearcast's services share: the settings table and what is built from it, the admin
//! listener, messages to the service manager, signals, the log, and units.
//!
//! A service provides its own table ([`setting::Setting`]) and reports its state
//! ([`admin::Vitals`]).

pub mod admin;
pub mod atlas;
pub mod cli;
pub mod conditions;
pub mod config;
pub mod flight;
pub mod harmless;
mod journal;
pub mod lines;
pub mod links;
pub mod log;
pub mod metrics;
pub mod notify;
pub mod outlet;
pub mod output;
pub mod quantity;
pub mod reloaded;
pub mod run;
pub mod sandbox;
pub mod setting;
pub mod signals;
pub mod state;
pub mod status;
pub mod texts;
pub mod units;

pub use nearcast_manual::{completions, manual};
