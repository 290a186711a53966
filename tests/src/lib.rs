//! End-to-end tests: what the real binaries do, seen from outside.
//!
//! [`cluster`] starts seeders and clients, [`operated`] a seeder as its operator does, [`probe`] reads what they say, [`content`] makes what they
//! move, [`internet`] where it moves, [`browser`] looks at pages, [`torrent`] makes metainfo that no honest tool would, [`stranger`] speaks the wire as no honest
//! peer would, and [`vitals`] looks at what that costs a process. A panic here is a failed test.

pub mod binaries;
pub mod browser;
pub mod cluster;
pub mod content;
pub mod hostile;
pub mod http;
pub mod internet;
pub mod namespace;
pub mod operated;
pub mod place;
pub mod probe;
pub mod process;
pub mod proxy;
pub mod siege;
pub mod stranger;
pub mod terminal;
pub mod torrent;
pub mod tracker;
pub mod unit;
pub mod vitals;
pub mod web;
