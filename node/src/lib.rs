//! A node: the sockets, streams, disks and tasks around the policy core.

pub mod address;
pub mod atlas;
pub mod atlas_offers;
mod budget;
pub mod config;
mod dial_back;
pub mod directory;
mod driver;
pub mod durations;
pub mod error;
mod exchange;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod giving;
pub mod handle;
pub mod imports;
pub mod key;
mod lan;
mod limit;
mod nearness;
mod net;
mod open_files;
mod peer_book;
pub mod progress;
pub mod proxy;
pub mod publish;
mod pulse;
pub mod repeats;
mod resolve;
mod runtime;
mod store;
mod surroundings;
mod totals;
pub mod unfinished;
pub mod vital;
mod web_seed;
mod wire;

pub use runtime::runtime;
pub use web_seed::torrent as torrent_url;
