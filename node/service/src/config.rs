//! Where the values of settings come from, and the problems found in them.

mod file;
mod layers;
mod sample;

/// The option that names the one file to read.
pub(crate) const CONFIG: &str = "config";

pub(crate) use self::layers::config_variable;
pub use self::{
    layers::{Given, Layers, Origin, Sources, Variables},
    sample::sample,
};

/// All problems of a configuration, one sentence a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Problems(pub Vec<String>);
