//! What neighbours tell each other about one content, once their have-maps are exchanged.

use serde::{Deserialize, Serialize};

use crate::{content::layout::RunIndex, id::PeerKey};

/// A control message on the link of one content. Requests and runs travel on data streams beside
/// it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// The sender now holds these runs too. When received, it names only runs that were not in the
    /// sender's have-map before.
    Have(Vec<RunIndex>),
    /// The sender no longer holds these runs (they rotted on its disk). When received, it names
    /// only runs that were in the sender's have-map.
    Lost(Vec<RunIndex>),
    /// The sender has asked for these runs beyond the border of its group and will soon hold them,
    /// so other members need not ask for them. Sent to members of the group only.
    Importing(Vec<RunIndex>),
    /// Whether the receiver holds something the sender wants.
    Interested(bool),
    /// The sender serves the receiver no new requests.
    Choke,
    /// The sender serves the receiver.
    Unchoke,
    /// Whether the sender's uplink is idle: until that is taken back, the receiver may ask it for any
    /// run, whoever's turn that run is. Said to few neighbours at a time, outside of the sender's group.
    Idle(bool),
    /// Other peers in this swarm. The shell turns keys into peer ids with observed addresses, and
    /// received peers into candidates.
    Peers(Vec<PeerKey>),
}

/// Why a requested run does not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The peer that asks is choked.
    Choked,
    /// The run is not held.
    Missing,
    /// Too many requests of the peer that asks wait already.
    Busy,
    /// An origin sent this run to another peer a moment ago: ask peers, or ask again later.
    Elsewhere,
}

impl Refusal {
    /// Number of reasons.
    pub const COUNT: usize = 4;
    /// All reasons; `refusal as usize` is the index of each.
    pub const ALL: [Refusal; Refusal::COUNT] =
        [Refusal::Choked, Refusal::Missing, Refusal::Busy, Refusal::Elsewhere];

    /// The name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::Choked => "choked",
            Refusal::Missing => "missing",
            Refusal::Busy => "busy",
            Refusal::Elsewhere => "elsewhere",
        }
    }
}
