//! Web seeds (BEP 19): any HTTP server that has the files is an origin of a content.
//!
//! To the engine a web seed is a neighbour that holds everything: it decides what is asked for, and the
//! answers go the way of all runs. Here is the mechanics: [`place`] says under which URL a file lies,
//! [`guard`] to which addresses such a URL may lead, [`client`] asks, [`answer`] judges what comes,
//! [`plan`] makes few large requests of many runs, [`lane`] carries one of them out, [`piece`] verifies
//! and stores, and [`task`] keeps a handful of lanes busy. [`torrent`] fetches a `.torrent` by the same means.
//!
//! Invariants: nobody but the user names an address outside the Internet; a piece's missing runs are
//! fetched together, so that no lane waits for what another one has.

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

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

pub(crate) use self::place::Place;
use crate::{proxy::Proxies, surroundings::Surroundings};

/// Larger pieces cannot be verified within [`BYTES_IN_HAND_MAX`].
pub(crate) const PIECE_BYTES_MAX: u32 = BYTES_IN_HAND_MAX;
/// Asked for and not stored yet, all web seeds together.
const BYTES_IN_HAND_MAX: u32 = 32 << 20;
/// Requests under way, all web seeds together.
const REQUESTS_MAX: usize = 16;
/// Permits for bytes are counted in units of this many, because there are only 2^32 of them.
const PERMIT_BYTES: u32 = 1024;

/// What a web seed's task tells.
#[derive(Debug)]
pub(crate) enum News {
    /// It has the files and may be asked for runs.
    Open,
    /// Why its bytes may be false, should they be. Said once.
    Doubt(&'static str),
    /// It is of no use, for now or for ever. Said once, at the end.
    Gone(Trouble),
}

/// Why a web seed is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    /// It may be better later; not before `after`, if the server asked for patience.
    #[error("{reason}")]
    Passing { reason: String, after: Option<Duration> },
    /// It will not get better: this content is never asked of it again.
    #[error("{0}")]
    Lasting(String),
}

impl Trouble {
    fn passing(reason: impl Into<String>) -> Trouble {
        Trouble::Passing { reason: reason.into(), after: None }
    }

    fn lasting(reason: impl Into<String>) -> Trouble {
        Trouble::Lasting(reason.into())
    }
}

/// What all web seeds of a node share.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    requests: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    /// Where URLs of strangers must not lead.
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
