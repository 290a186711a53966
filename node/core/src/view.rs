//! What decisions look up and the shell knows: what neighbours hold, and where peers are.

use serde::{Deserialize, Serialize};

use crate::{
    content::held::Held,
    id::{ContentKey, PeerKey},
    place::{prefix::Network, tier::Near},
    random::mix,
    saturate::low_half,
};

/// What the engine looks up in its shell, so that there is no second copy.
///
/// The shell keeps it current: [`View::held`] includes what a `Have` or a
/// [`crate::input::Event::Heard`] says before the engine hears of it, and nothing that the engine
/// was not told. Else counts of holders would drift: when a link ends, all that the view holds of
/// it is taken out of them. What a neighbour got and the engine was not told of is untold
/// ([`Held::new`]).
pub trait View {
    /// What `peer` holds of `content`. `None`: no link is up.
    fn held(&self, content: ContentKey, peer: PeerKey) -> Option<Held<'_>>;

    /// Where `peer` is, by its address and the current atlas.
    fn location(&self, peer: PeerKey) -> Location;

    /// Whether there is a connection to `peer`: a link to it costs nothing but a stream.
    fn is_connected(&self, peer: PeerKey) -> bool;

    /// Whether `peer` is an HTTP server. Its bytes count as such, even if the last of them are
    /// stored after its link has ended.
    fn is_web_seed(&self, peer: PeerKey) -> bool;
}

/// Where a peer is, and how to recognise other peers in the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// How near it is, and its AS. `None`: what its candidate or its link said holds.
    pub near: Option<Near>,
    /// The network it is in, as limits are kept for it.
    pub network: Network,
    /// A number for its address, the same for all peers there. `None`: the address is not known, or
    /// no other peer shares it.
    pub host: Option<u64>,
    /// A number made from its name, the same for everybody who sees the peer.
    pub tag: u32,
}

impl Location {
    /// The location of a peer of which only the key is known. Its tag is made from the key, which
    /// suits shells whose peers have the same key everywhere.
    pub fn unknown(peer: PeerKey) -> Location {
        let tag = low_half(mix(peer.0.into()));
        Location { near: None, network: Network::UNKNOWN, host: None, tag }
    }
}

/// The view of somebody who knows no peer but by its key: of a shell that has just begun, and of
/// many tests.
#[derive(Clone, Copy, Debug)]
pub struct NoPeers;

impl View for NoPeers {
    fn held(&self, _: ContentKey, _: PeerKey) -> Option<Held<'_>> {
        None
    }

    fn location(&self, peer: PeerKey) -> Location {
        Location::unknown(peer)
    }

    fn is_connected(&self, _: PeerKey) -> bool {
        false
    }

    fn is_web_seed(&self, _: PeerKey) -> bool {
        false
    }
}
