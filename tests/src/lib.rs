//! End-to-end tests: what the real binaries do, seen from outside.
//!
//! [`cluster`] starts seeders and clients, [`operated`] a seeder as its operator does, [`probe`] reads what they say, [`content`] makes what they
//! move and [`torrent`] makes metainfo that no honest tool would. A panic here is a failed test.

pub mod binaries;
pub mod cluster;
pub mod content;
pub mod http;
pub mod operated;
pub mod place;
pub mod probe;
pub mod process;
pub mod torrent;
pub mod web;
