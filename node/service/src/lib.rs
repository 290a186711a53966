//! What nearcast's services share: a table of settings and everything made of it, the admin listener, what the
//! service manager is told, signals, the log, units.
//!
//! A service brings its own table ([`setting::Setting`]), and says how it is ([`admin::Vitals`]).

pub mod admin;
pub mod atlas;
pub mod cli;
pub mod config;
pub mod harmless;
mod journal;
pub mod lines;
pub mod links;
pub mod log;
pub mod metrics;
pub mod notify;
pub mod output;
pub mod quantity;
pub mod reloaded;
pub mod run;
pub mod sandbox;
pub mod setting;
pub mod signals;
pub mod state;
pub mod status;
pub mod units;
