//! What neighbours tell each other about one content, once their have-maps are exchanged.

use serde::{Deserialize, Serialize};

use crate::{content::layout::RunIndex, id::PeerKey};

/// A control message on the link of one content. Requests and runs travel on data streams beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// The sender now holds these runs too. Received: only those that were not in its have-map before.
    Have(Vec<RunIndex>),
    /// The sender no longer holds these runs (they rotted on its disk). Received: only those that were in its have-map.
    Lost(Vec<RunIndex>),
    /// The sender has asked for these runs beyond the border of its group, and will soon hold them: members need not.
    /// Sent to members of the group only.
    Importing(Vec<RunIndex>),
    /// The receiver holds something the sender wants, or no longer does.
    Interested(bool),
    /// The sender serves the receiver no new requests.
    Choke,
    /// The sender serves the receiver.
    Unchoke,
    /// Others in this swarm. The shell turns keys into peer ids with observed addresses, and what
    /// comes in into candidates.
    Peers(Vec<PeerKey>),
}

/// Why a requested run does not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The asker is choked.
    Choked,
    /// The run is not held.
    Missing,
    /// Too many requests of this asker wait already.
    Busy,
    /// An origin sent this run to somebody a moment ago: ask peers, or again later.
    Elsewhere,
}

impl Refusal {
    /// Number of reasons.
    pub const COUNT: usize = 4;
    /// All reasons; `refusal as usize` is the place of each.
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
