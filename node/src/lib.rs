//! Peer-assisted downloads as a library.
//!
//! A [`Node`] listens, finds peers, and moves contents between them and disks. [`Node::fetch`]
//! downloads, [`Node::share`] serves, [`Node::shutdown`] ends. Everything runs in tasks of the
//! current tokio runtime; a node leaves none of them behind.
//!
//! ```
//! use std::time::Duration;
//!
//! use nearcast_node::{Fetch, Magnet, Node, NodeConfig};
//! # use nearcast_node::{Share, publish::{PublishOptions, publish}};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let place = tempfile::tempdir()?;
//! # let (film, downloads) = (place.path().join("film.bin"), place.path().join("downloads"));
//! # std::fs::write(&film, [7; 100_000])?;
//! # std::fs::create_dir(&downloads)?;
//! # let never = std::sync::atomic::AtomicBool::new(false);
//! # let published = publish(&film, &PublishOptions::default(), &|_, _| {}, &never)?;
//! # let at = |ip: &str| -> Result<NodeConfig, nearcast_node::address::AddressError> {
//! #     Ok(NodeConfig { listen: vec![ip.parse()?], ..NodeConfig::default() })
//! # };
//! # let origin = NodeConfig { origin: true, ..at("/ip4/127.84.0.1/tcp/0")? };
//! # let origin = Node::start(origin).await?;
//! # let mut magnet = Magnet::new(published.manifest.content());
//! # magnet.addresses = origin.addresses().iter().map(ToString::to_string).collect();
//! # origin.share(Share { manifest: published.manifest.into(), root: published.root }).await?;
//! # let (link, config) = (magnet.to_string(), at("/ip4/127.84.0.2/tcp/0")?);
//! // `NodeConfig::default()` suits a person's program: every interface, any port, no limits.
//! let node = Node::start(config).await?;
//!
//! let magnet: Magnet = link.parse()?;
//! let download = node.fetch(Fetch::new(magnet, &downloads)).await?;
//! let summary = download.finished().await?;
//!
//! println!("{} has {} verified bytes", summary.path.display(), summary.bytes);
//! node.shutdown(Duration::from_secs(5)).await;
//! # assert_eq!(std::fs::read(downloads.join("film.bin"))?, [7; 100_000]);
//! # origin.shutdown(Duration::ZERO).await;
//! # Ok(())
//! # }
//! ```
//!
//! # Where to look
//!
//! | to | see |
//! |---|---|
//! | choose ports, limits, an identity, an atlas | [`NodeConfig`] |
//! | choose files, peers, directories, how long to seed | [`Fetch`] |
//! | follow a download, wait for its end, leave it | [`Download`], [`Progress`], [`Summary`] |
//! | list downloads, pause them, limit them | [`Node::downloads`], [`Download::pause`], [`Download::set_limits`] |
//! | read a file while it comes | [`Download::reader`] |
//! | draw which parts are here | [`Download::holding`] |
//! | make a manifest of a file or folder | [`mod@publish`] |
//! | be a directory for others | [`mod@directory`] |
//! | know why a download ended | [`DownloadError`] |
//!
//! Three programs to begin with are in `node/examples`: `get`, `share` and `directory`.
//!
//! What a node decides (whom to dial, what to ask of whom, whom to serve) is in `nearcast-core`,
//! which does no I/O. This crate is its shell: sockets, streams, disks and tasks.

pub mod address;
pub mod atlas;
pub mod atlas_offers;
mod budget;
mod command;
pub mod config;
pub mod dht;
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
pub mod holding;
pub mod imports;
pub mod key;
mod lan;
mod limit;
pub mod listed;
mod nearness;
mod net;
mod node;
mod open_files;
mod peer_book;
pub mod progress;
pub mod proxy;
pub mod publish;
mod pulse;
pub mod reader;
mod referrals;
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
pub use config::{Caps, DownloadLimits, NodeConfig, SeedGoal};
pub use download::Download;
pub use error::{DownloadError, KeyError, ReaderError, Reasons, ShareError, StartError};
pub use fetch::{Fetch, Share, Shared, Source};
pub use holding::Holding;
pub use listed::{ContentState, Listed};
pub use nearcast_core::{id::ContentId, magnet::Magnet, manifest::Manifest};
pub use node::Node;
pub use progress::{Neighbour, Phase, Progress, Stall, Summary};
pub use reader::FileReader;
pub use runtime::runtime;
pub use totals::Totals;
pub use web_seed::torrent as torrent_url;
