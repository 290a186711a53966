//! Directories: asking them, and being one.

use std::net::IpAddr;

use libp2p::{PeerId, multiaddr::Protocol, swarm::ConnectionId};
use nearcast_core::{
    id::{ContentKey, PeerKey, QueryId},
    input::{Candidate, Event, Via},
    registry::{Announcement, Endpoint, Member, Nowhere, PeerName, Search},
};

use super::Driver;
use crate::{
    address::ip_of,
    exchange::directory,
    peer_book,
    wire::{
        control::{PeerRecord, content_id},
        directory::{PEERS_MAX, Question, Reply},
    },
};

impl Driver {
    /// Asks a connected peer who else is in a swarm.
    pub(super) fn ask(&mut self, key: ContentKey, peer: PeerKey, query: QueryId, wanted: u16) {
        let connected = self.peers.get(peer).and_then(|known| Some((known.id?, known.connection()?.id)));
        let (Some((id, connection)), Some(content)) = (connected, self.contents.get(&key)) else {
            return self.input(key, Event::QueryFailed { query });
        };
        let (tcp_port, udp_port) = self.ports();
        let question =
            Question { content: content.id.0.to_vec(), wanted: u32::from(wanted), tcp_port, udp_port };
        let (network, events) = (self.parts.network.clone(), self.services.events.clone());
        self.parts.tasks.spawn(directory::ask(network, (peer, id, connection), key, query, question, events));
    }

    pub(super) fn on_answered(
        &mut self,
        content: ContentKey,
        query: QueryId,
        directory: PeerKey,
        reply: &Reply,
    ) {
        let teller = self.peers.get(directory).and_then(peer_book::Known::ip);
        let records = reply.peers.iter().take(PEERS_MAX);
        let mut candidates: Vec<Candidate> =
            records.filter_map(|record| self.candidate(record, teller, Via::Directory)).collect();
        if reply.holds {
            let near = self.near(directory);
            candidates.push(Candidate { peer: directory, near, via: Via::Directory });
        }
        self.input(content, Event::Discovered { query: Some(query), candidates });
    }

    /// Makes a candidate of what somebody seen at `teller` told, as far as it may be dialled.
    pub(super) fn candidate(
        &mut self,
        record: &PeerRecord,
        teller: Option<IpAddr>,
        via: Via,
    ) -> Option<Candidate> {
        let id = record.peer_id().filter(|id| *id != self.parts.network.local_peer())?;
        let (ip, addresses) = peer_book::addresses(record)?;
        let port = |address: &libp2p::Multiaddr| {
            address.iter().find_map(|part| match part {
                Protocol::Tcp(port) | Protocol::Udp(port) => Some(port),
                _ => None,
            })
        };
        let may_dial = |address: &libp2p::Multiaddr| {
            port(address).is_some_and(|port| self.nearness.may_dial(ip, port, teller))
        };
        let addresses: Vec<_> = addresses.into_iter().filter(may_dial).collect();
        if addresses.is_empty() {
            return None;
        }
        let peer = self.peers.key_of(id);
        addresses.iter().for_each(|address| self.peers.learn_address(peer, address));
        Some(Candidate { peer, near: self.nearness.near(ip), via })
    }

    /// Answers as the directory of our own contents.
    pub(super) fn answer_as_directory(
        &mut self,
        id: PeerId,
        connection: ConnectionId,
        question: &Question,
    ) -> Reply {
        let unknown = Reply { unknown: true, ..Reply::default() };
        let Ok(content) = content_id(&question.content) else { return unknown };
        if !self.parts.config.origin || !self.by_id.contains_key(&content) {
            return unknown;
        }
        let peer = self.peers.key_of(id);
        let seen = self.peers.get(peer).and_then(|known| {
            let over = known.connections.iter().find(|other| other.id == connection)?;
            ip_of(&over.remote)
        });
        let Some(ip) = seen else { return unknown };
        let Some(name) = PeerName::from_id(&id.to_bytes()) else { return unknown };
        let port = |number: u32| u16::try_from(number).ok().filter(|&port| port != 0);
        let endpoint = Endpoint { ip, tcp: port(question.tcp_port), udp: port(question.udp_port) };
        let now = self.now();
        self.registry.add_own(content);
        let said = Announcement { content, name, endpoint, complete: false };
        self.registry.announce(now, &said, &Nowhere);
        let search = Search { content, name, ip, wanted: question.wanted as usize, complete: false };
        let mut members = Vec::new();
        self.registry.find(now, &search, &Nowhere, &mut members);
        let record = |member: &Member| peer_book::record(&member.name.to_id(), &member.endpoint);
        let peers = members.iter().map(record).collect();
        Reply { peers, holds: true, unknown: false }
    }
}
