//! `nearcast-tracker`: a directory that knows from BGP where peers are.

pub mod allowed;
pub mod atlas_file;
mod cartographer;
pub mod cli;
pub mod config;
pub mod database;
mod exit;
pub mod feeds;
pub mod health;
mod metrics;
mod progress;
pub mod publishing;
pub mod run;
mod saving;
pub mod service;
pub mod setting;
mod status;
mod vitals;
