//! Where the peers of a simulated world live: the Internet around them, their addresses, their
//! access lines, and how far apart that puts any two of them.
//!
//! An [`Atlas`](nearcast_core::atlas::Atlas) says which AS has which addresses, and who buys from
//! whom. It is a table of the real Internet, or one that is made up ([`generated`]). A
//! [`Population`] is drawn from it. After that nothing moves: every answer depends on the seed
//! alone.
//!
//! ```
//! # use std::{sync::Arc, time::Duration};
//! # use nearcast_sim::topology::{Placing, Population, TopologyError, generated};
//! let atlas = Arc::new(generated(1, 100));
//! let mix = "fibre 0.3, cable 0.4, dsl 0.2, mobile 0.1".parse()?;
//! let population = Population::draw(atlas, 50, 1, Placing::Sizes(vec![30, 20]), &mix)?;
//! assert_eq!(population.members().count(), 2);
//! assert!(population.latency(0, 49) > Duration::ZERO);
//! # Ok::<(), TopologyError>(())
//! ```

mod as_links;
mod class;
mod hops;
mod internet;
mod lots;
mod mix;
mod placing;
mod population;
mod settling;

pub use as_links::{AsLinks, Limit, Which, without};
pub use class::{Access, Class};
pub use hops::{ASES_KEPT_MAX, ROUTES_BYTES_MAX};
pub use internet::{ASES_DEFAULT, ASES_MAX, ASES_MIN, generated};
pub use mix::{CLASSES_MAX, Mix, MixError};
pub use placing::{Placing, RowError, RowProblem};
pub use population::{HOP_LATENCY, HOPS_ASSUMED, Population};

use nearcast_core::asn::Asn;

/// Why peers cannot be placed as they should be. Nothing was made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TopologyError {
    /// The access lines are no mix.
    #[error("the access lines of the peers are not told rightly")]
    Mix(#[from] MixError),
    /// The ASes are told for another number of peers.
    #[error("the ASes have {placed} peers together, but there are {peers}")]
    Count {
        /// Peers of all rows or sizes.
        placed: u64,
        /// Peers that there are to be.
        peers: u32,
    },
    /// An AS has no IPv4 addresses in the atlas.
    #[error("{0} has no IPv4 addresses in this atlas")]
    NoAddresses(Asn),
    /// More peers than an AS has room for.
    #[error("{asn} has room for {room} peers, one for two of its addresses, and is to have {peers}")]
    Full {
        /// The AS.
        asn: Asn,
        /// Peers that it is to have.
        peers: u32,
        /// Peers at most.
        room: u32,
    },
    /// No stub AS is left with room for a group.
    #[error(
        "no stub AS of this atlas is left that has room for {size} peers: it takes twice as many addresses"
    )]
    NoStub {
        /// Peers of the group.
        size: u32,
    },
    /// More peers than the whole atlas has room for.
    #[error("this atlas has room for {room} peers, one for four of its addresses, and not for {peers}")]
    TooMany {
        /// Peers that there are to be.
        peers: u32,
        /// Peers at most.
        room: u64,
    },
}
