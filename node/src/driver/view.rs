//! What the engine may look up while it decides: have-maps, and where peers are.

use std::collections::BTreeMap;

use nearcast_core::{
    HaveMaps,
    id::{ContentKey, PeerKey},
    prefix::Network,
    run_set::RunSet,
    tier::Near,
};

use crate::{
    nearness::Nearness,
    peer_book::{Known, PeerBook},
};

/// Neighbours' have-maps.
#[derive(Default)]
pub(super) struct Maps(pub(super) BTreeMap<(ContentKey, PeerKey), RunSet>);

/// The engine's view of peers.
pub(super) struct View<'a> {
    pub(super) maps: &'a Maps,
    pub(super) peers: &'a PeerBook,
    pub(super) nearness: &'a Nearness,
}

impl HaveMaps for View<'_> {
    fn have_map(&self, content: ContentKey, peer: PeerKey) -> Option<&RunSet> {
        self.maps.0.get(&(content, peer))
    }

    fn tag(&self, peer: PeerKey) -> u32 {
        self.peers.get(peer).map_or(0, Known::tag)
    }

    fn near(&self, peer: PeerKey) -> Option<Near> {
        Some(self.nearness.near(self.peers.get(peer)?.ip()?))
    }

    fn network(&self, peer: PeerKey) -> Network {
        let ip = self.peers.get(peer).and_then(Known::ip);
        ip.map_or(Network::UNKNOWN, Network::of)
    }
}
