//! End-to-end tests: what the real binaries do, seen from outside.
//!
//! [`cluster`] starts seeders and clients. [`operated`] starts a seeder as its operator does.
//! [`probe`] reads their output. [`content`] makes the files to transfer. [`internet`] makes the
//! networks. [`browser`] looks at pages. [`torrent`] makes metainfo that no honest tool writes.
//! [`stranger`] speaks the wire protocol as no honest peer does. [`vitals`] measures what that
//! costs a process. A panic here is a failed test.

pub mod binaries;
pub mod browser;
pub mod cluster;
pub mod content;
pub mod hostile;
pub mod http;
pub mod imports;
pub mod internet;
pub mod namespace;
pub mod operated;
pub mod place;
pub mod player;
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
