//! What a scenario's test asks about the world.

use nearcast_core::{engine::Engine, id::PeerKey, output::GiveUp, run_set::RunSet, time::Timestamp};

use super::{CONTENT, World};

impl World {
    /// Members of an AS, without the origin.
    pub fn members(&self, asn: u32) -> Vec<u32> {
        let is_member = |peer: &u32| {
            let role = &self.peers[*peer as usize].role;
            role.asn == asn && !role.origin
        };
        (0..self.peers.len() as u32).filter(is_member).collect()
    }

    /// How often the whole content came into an AS.
    pub fn imports(&self, asn: u32) -> f64 {
        let imported = |peer: u32| self.peers[peer as usize].moved().traffic.imported;
        let bytes: u64 = self.members(asn).into_iter().map(imported).sum();
        bytes as f64 / self.layout.bytes() as f64
    }

    /// When the last member of an AS was done, in seconds.
    pub fn finished(&self, asn: u32) -> f64 {
        let done =
            |peer: u32| self.completed(peer).unwrap_or_else(|| panic!("peer {peer} of AS {asn} is not done"));
        let last = self.members(asn).into_iter().map(done).max().expect("somebody is in it");
        last.since(Timestamp::ZERO).as_secs_f64()
    }

    /// Whether `a` ever linked to `b` of its own accord.
    pub fn has_dialled(&self, a: u32, b: u32) -> bool {
        self.peers[a as usize].dialled.contains(&PeerKey(b))
    }

    /// How many neighbours a peer's engine has.
    pub fn neighbours_of(&self, key: u32) -> usize {
        self.engine(key).swarm(CONTENT).map_or(0, nearcast_core::swarm::Swarm::neighbours)
    }

    /// Whether two peers are linked.
    pub fn linked(&self, a: u32, b: u32) -> bool {
        self.are_linked(PeerKey(a), PeerKey(b))
    }

    /// When a peer held everything. `None`: not yet.
    pub fn completed(&self, key: u32) -> Option<Timestamp> {
        self.peers[key as usize].completed
    }

    /// Why a peer gave up. `None`: it did not.
    pub fn gave_up(&self, key: u32) -> Option<GiveUp> {
        self.peers[key as usize].gave_up
    }

    /// A peer's engine.
    pub fn engine(&self, key: u32) -> &Engine {
        &self.peers[key as usize].engine
    }

    /// What a peer holds.
    pub fn have(&self, key: u32) -> &RunSet {
        &self.peers[key as usize].have
    }

    /// A hash of everything that happened so far, in order.
    pub fn trace(&self) -> u64 {
        self.trace.0
    }

    /// Whether `a` banned `b`.
    pub fn has_banned(&self, a: u32, b: u32) -> bool {
        self.peers[a as usize].banned.contains(&PeerKey(b))
    }

    /// How often the whole content left a peer.
    pub fn copies(&self, key: u32) -> f64 {
        self.peers[key as usize].uploaded_bytes as f64 / self.layout.bytes() as f64
    }

    /// Checks what must hold at any moment.
    pub fn check(&self) {
        for peer in &self.peers {
            let Some(swarm) = peer.engine.swarm(CONTENT) else { continue };
            let Some(have) = swarm.have() else { continue };
            assert_eq!(have, &peer.have, "the engine knows what its shell stored");
            assert_eq!(swarm.is_complete(), have.is_full());
        }
    }
}
