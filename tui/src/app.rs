//! The screen: `nearcast` without arguments, in a terminal.
//!
//! A pure [`model`] takes messages and says what is to be done; `draw` draws it. The [`runner`] carries
//! the one to the other. The node stands behind one trait, [`station`].

mod catalogue;
mod chart;
mod columns;
mod cursor;
mod dialog;
mod downloads;
mod draw;
pub(crate) mod effect;
mod entry;
mod field;
mod history;
pub(crate) mod in_process;
mod journal;
mod keys;
pub(crate) mod launch;
mod message;
pub(crate) mod model;
mod plan;
pub(crate) mod player;
pub(crate) mod ring;
pub(crate) mod runner;
pub(crate) mod saved;
mod scan;
pub(crate) mod state_file;
pub(crate) mod station;
pub(crate) mod terminal;
pub(crate) mod theme;
pub(crate) mod wish;
mod words;

#[cfg(test)]
mod testing;
