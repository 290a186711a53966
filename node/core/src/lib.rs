//! This crate makes the decisions of a nearcast peer and carries out none of them: it has no
//! sockets, files, clocks, threads or randomness of its own. The node and the simulator are two
//! shells around it.
//!
//! Both shells run the same loop: hand one input in, carry out the outputs, and sleep until the
//! engine asks to be woken.
//!
//! ```
//! # use std::{collections::BTreeMap, sync::Arc, time::Duration};
//! # use nearcast_core::{
//! #     Location, View, config::Config, engine::Engine, held::Held, layout::Layout, output::{Action, Output}, run_set::RunSet,
//! #     id::{ContentKey, PeerKey}, tier::Tier, time::Timestamp, timers::Wake,
//! #     input::{Candidate, Event, Goal, Input, Join, Material, Via},
//! # };
//! // What neighbours hold is the shell's to know. Nobody is a neighbour yet.
//! struct Maps(BTreeMap<(ContentKey, PeerKey), RunSet>);
//! impl View for Maps {
//!     fn held(&self, content: ContentKey, peer: PeerKey) -> Option<Held<'_>> {
//!         self.0.get(&(content, peer)).map(Held::from)
//!     }
//!     fn location(&self, peer: PeerKey) -> Location {
//!         Location::unknown(peer)
//!     }
//!     fn is_connected(&self, _: PeerKey) -> bool {
//!         false
//!     }
//!     fn is_web_seed(&self, _: PeerKey) -> bool {
//!         false
//!     }
//! }
//! let maps = Maps(BTreeMap::new());
//! let mut engine = Engine::new(Arc::new(Config::default()), 42);
//!
//! // One input in: take part in the swarm of a content of which nothing is here, and which one peer may have.
//! let layout = Arc::new(Layout::new(256 << 10, [10 << 20]).expect("whole pieces of 256 KiB"));
//! let have = RunSet::empty(layout.runs());
//! let somebody = Candidate { peer: PeerKey(7), near: Tier::SameAs.into(), via: Via::Named };
//! let join = Event::Join(Join {
//!     material: Some(Material { layout, have, wanted: None }),
//!     candidates: vec![somebody],
//!     directories: Vec::new(),
//!     may_be_found: true,
//!     exchange_peers: true,
//!     patience: Duration::from_secs(60),
//!     goal: Goal::Forever,
//!     paused: false,
//! });
//! let now = Timestamp::from_millis(1_000);
//! let mut outputs = Vec::new();
//! engine.handle(now, Input::Event { content: ContentKey(0), event: join }, &maps, &mut outputs);
//!
//! // What it wants done: the shell does it, and what comes of it is the next input.
//! for output in outputs.drain(..) {
//!     let dial = Action::Dial { peer: PeerKey(7) };
//!     assert_eq!(output, Output::Action { content: ContentKey(0), action: dial });
//! }
//!
//! // When to come again with `Input::Woken`, should nothing happen before, and why.
//! let (at, why) = engine.poll_timeout().expect("a download looks at its rates");
//! assert_eq!((at, why), (now + Duration::from_millis(250), Wake::Tick));
//! engine.handle(at, Input::Woken, &maps, &mut outputs);
//! assert!(engine.poll_timeout().is_some_and(|(next, _)| next > at));
//! ```
//!
//! Almost every number here comes from an untrusted source, or is computed from such a number. So
//! no sum may overflow, and no conversion may truncate.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

pub mod announce;
pub mod config;
mod content;
mod context;
pub mod directory;
mod download;
pub mod engine;
mod exact;
pub mod flight;
pub mod id;
pub mod input;
mod links;
pub mod message;
mod origin;
pub mod output;
pub mod overlay;
mod place;
pub mod random;
pub mod rates;
pub mod reasons;
pub mod saturate;
pub mod stats;
mod strangers;
pub mod swarm;
mod tally;
pub mod time;
pub mod timers;
pub mod untrusted;
mod upload;
mod view;

pub use content::{held, layout, magnet, manifest, merkle, paths, run_set, signature};
pub use directory::registry;
pub use download::web_pace;
pub use place::{addresses, asn, atlas, locality, outlook, prefix, scope, tier};
pub use rates::bucket;
pub use strangers::budget;
pub use swarm::{outcomes, slowness};
pub use upload::queue as upload_queue;
pub use view::{Location, NoPeers, View};
