//! Web seeds (BEP 19): any HTTP server that has the files is an origin of a content.
//!
//! To the engine a web seed is a neighbour that holds everything. The engine decides what to ask
//! for, and the answers take the same way as all runs. This module is the mechanism: [`place`] says
//! under which URL a file lies, [`guard`] decides to which addresses such a URL may lead,
//! [`client`] sends requests, [`answer`] judges the answers, [`plan`] combines many runs into a few
//! large requests, [`lane`] carries out one request, [`piece`] verifies and stores, and [`task`]
//! keeps a few lanes busy. [`torrent`] fetches a `.torrent` by the same means.
//!
//! Invariants: only the user can name an address outside the Internet; the missing runs of a piece
//! are fetched together, so that no lane waits for another lane's bytes.

#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::cast_possible_truncation))]

mod answer;
mod client;
mod guard;
mod lane;
mod piece;
mod place;
mod plan;
pub(crate) mod task;
pub mod torrent;

use std::sync::Arc;

use tokio::sync::Semaphore;

pub(crate) use self::place::Place;
use crate::{proxy::Proxies, surroundings::Surroundings};

/// Larger pieces cannot be verified within [`BYTES_IN_HAND_MAX`].
pub(crate) const PIECE_BYTES_MAX: u32 = BYTES_IN_HAND_MAX;
/// Bytes asked for and not stored yet, for all web seeds together.
const BYTES_IN_HAND_MAX: u32 = 32 << 20;
/// Requests under way, for all web seeds together.
const REQUESTS_MAX: usize = 16;
/// Permits for bytes are counted in units of this many bytes, because there are only 2^32 permits.
const PERMIT_BYTES: u32 = 1024;

/// Limits and settings shared by all web seeds of a node.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    requests: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    /// The networks to which strangers' URLs must not lead.
    surroundings: Surroundings,
    proxies: Arc<Proxies>,
}

impl Budget {
    pub(crate) fn new(surroundings: Surroundings, proxies: Proxies) -> Budget {
        let bytes = BYTES_IN_HAND_MAX / PERMIT_BYTES;
        Budget {
            requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
            bytes: Arc::new(Semaphore::new(bytes as usize)),
            surroundings,
            proxies: Arc::new(proxies),
        }
    }
}
