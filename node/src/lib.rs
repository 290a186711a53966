//! A node: the sockets, streams, disks and tasks around the policy core.

pub mod address;
pub mod atlas;
pub mod atlas_offers;
mod budget;
mod command;
pub mod config;
mod dial_back;
pub mod directory;
mod download;
mod driver;
pub mod durations;
pub mod error;
mod events;
mod exchange;
mod fetch;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod giving;
pub mod imports;
pub mod key;
mod lan;
mod limit;
mod nearness;
mod net;
mod node;
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

pub use address::Address;
pub use budget::BudgetUse;
pub use config::{Caps, NodeConfig, SeedGoal};
pub use download::Download;
pub use error::{DownloadError, KeyError, ShareError, StartError};
pub use fetch::{Fetch, Share, Shared, Source};
pub use nearcast_core::{id::ContentId, magnet::Magnet, manifest::Manifest};
pub use node::Node;
pub use progress::{Neighbour, Phase, Progress, Summary};
pub use runtime::runtime;
pub use totals::Totals;
pub use web_seed::torrent as torrent_url;
