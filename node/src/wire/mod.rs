//! The wire: protocol names, frames, limits. `docs/wire.md` describes the same in words.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

pub(crate) mod control;
pub(crate) mod data;
pub(crate) mod directory;
mod frame;
pub(crate) mod hello;

use libp2p::StreamProtocol;

pub(crate) use frame::{FrameError, read_frame, read_frame_held, write_frame};

/// Control messages about one content between two peers.
pub(crate) const EXCHANGE: StreamProtocol = StreamProtocol::new("/nearcast/exchange/1");
/// Requests one way, runs the other way.
pub(crate) const DATA: StreamProtocol = StreamProtocol::new("/nearcast/data/1");
/// Metainfo and piece layers, for peers that have only a link.
pub(crate) const MANIFEST: StreamProtocol = StreamProtocol::new("/nearcast/manifest/1");
/// Which peers have this content, near me?
pub(crate) const DIRECTORY: StreamProtocol = StreamProtocol::new("/nearcast/directory/1");
