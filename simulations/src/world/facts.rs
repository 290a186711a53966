//! What a scenario's test asks about the world.

use std::{collections::BTreeMap, time::Duration};

use nearcast_core::{
    engine::Engine,
    id::{ContentKey, PeerKey},
    output::{GiveUp, Why},
    run_set::RunSet,
    stats::Traffic,
    time::Timestamp,
};

use super::{
    CONTENT, Gives, Plays, Role, Takes, Tells, World,
    peer::{Peer, Stage},
};
use crate::{outcome::PeerRow, workload::Kind};

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

    /// The number of peers.
    pub fn len(&self) -> u32 {
        self.peers.len() as u32
    }

    /// Whether there are no peers.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// How much time has passed.
    pub fn elapsed(&self) -> Duration {
        self.now.since(Timestamp::ZERO)
    }

    /// When the next thing happens, after the start. `None`: nothing will.
    pub fn next_at(&self) -> Option<Duration> {
        self.agenda.peek().map(|at| at.since(Timestamp::ZERO))
    }

    /// How a peer behaves.
    pub fn role(&self, peer: PeerKey) -> &Role {
        &self.peer(peer).role
    }

    /// What kind of peer a peer is, by its role.
    pub fn kind(&self, peer: PeerKey) -> Kind {
        match self.role(peer) {
            role if role.intrudes.is_some() => Kind::Stranger,
            role if role.boasts => Kind::Liar,
            role if role.corrupt => Kind::Poisoner,
            Role { plays: Plays::LargeView, .. } => Kind::LargeView,
            Role { plays: Plays::BitTyrant, .. } => Kind::BitTyrant,
            Role { takes: Takes::Nothing, tells: Tells::Everything, .. } => Kind::Hoarder,
            Role { gives: Gives::Nothing, tells: Tells::Nothing, .. } => Kind::SilentRider,
            Role { gives: Gives::Nothing, .. } => Kind::Rider,
            role if role.seed => Kind::Seed,
            _ => Kind::Leecher,
        }
    }

    /// Payload that a peer sent, in bytes.
    pub fn sent(&self, peer: PeerKey) -> u64 {
        self.peer(peer).uploaded_bytes
    }

    /// How long a peer took from joining to holding everything. `None`: it does not.
    pub fn took(&self, peer: PeerKey) -> Option<Duration> {
        let peer = self.peer(peer);
        Some(peer.completed?.since(peer.joined))
    }

    /// Whether a peer left without everything because its time was over.
    pub fn has_gone_half_way(&self, peer: PeerKey) -> bool {
        let peer = self.peer(peer);
        peer.stage == Stage::Gone && peer.completed.is_none() && peer.gave_up.is_none()
    }

    /// All that engines counted as received.
    pub fn traffic(&self) -> Traffic {
        let mut all = Traffic::default();
        self.peers.iter().for_each(|peer| all += peer.moved().traffic);
        all
    }

    /// What became of a peer.
    pub fn row(&self, key: PeerKey) -> PeerRow {
        let peer = self.peer(key);
        let seconds = |at: Timestamp| at.since(Timestamp::ZERO).as_secs_f64();
        let moved = peer.moved();
        PeerRow {
            peer: key.0,
            asn: self.places.asn(key).map_or(0, |asn| asn.0),
            up: peer.role.up,
            down: peer.role.down,
            joined: seconds(peer.joined),
            completed: peer.completed.map(seconds),
            received: moved.traffic.total(),
            sent: peer.uploaded_bytes,
            wasted: moved.wasted,
            imported: moved.traffic.imported,
            kind: self.kind(key),
            viewed: self.viewed(peer),
        }
    }

    /// Bytes that came over borders, by the reason for which they were asked for there. What came
    /// although it was held already is counted apart.
    pub fn imports_by_reason(&self) -> BTreeMap<String, u64> {
        let name =
            |(why, twice): (Why, bool)| format!("{}{}", why.name(), if twice { ", twice" } else { "" });
        self.imports.iter().map(|(&reason, &bytes)| (name(reason), bytes)).collect()
    }

    /// Whether every byte that was sent was received, or lost on the way and counted as that; and
    /// whether engines counted what came to them.
    pub fn is_conserved(&self) -> bool {
        let sent: u64 = self.peers.iter().map(|peer| peer.uploaded_bytes).sum();
        let received: u64 = self.peers.iter().map(|peer| peer.received_bytes).sum();
        let counts = |peer: &Peer| peer.moved().traffic.total() == peer.received_bytes;
        sent == received + self.lost_bytes + self.air_bytes && self.peers.iter().all(counts)
    }

    /// Whether no link between access links carried more than it could.
    pub fn is_network_within_rate(&self) -> bool {
        self.are_links_within_rate()
    }

    /// Whether every engine knows what its peer stored.
    pub fn is_consistent(&self) -> bool {
        let knows = |peer: &Peer| {
            let swarm = peer.engine.swarm(ContentKey(peer.role.content));
            let have = swarm.and_then(nearcast_core::swarm::Swarm::have);
            have.is_none_or(|have| *have == peer.have)
        };
        self.peers.iter().all(knows)
    }

    /// Peers that are served and still lack something, or are to come.
    pub fn unfinished(&self) -> u32 {
        self.unfinished
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
