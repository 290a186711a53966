//! The directory of the world, as a tracker is one: the code that answers is a tracker's.

use nearcast_core::{
    directory::{Asker, Question, Verdict},
    id::{ContentId, ContentKey, PeerKey, QueryId},
    input::{Candidate, Event, Via},
    registry::PeerName,
};

use super::{World, peer::Stage};

/// The port that every peer listens on.
const PORT: u16 = 4_000;
/// The peer that is the directory.
const HOST: PeerKey = PeerKey(0);

/// The name that a directory knows a peer by.
fn name(peer: PeerKey) -> PeerName {
    let mut name = [0; 32];
    name[..4].copy_from_slice(&peer.0.to_be_bytes());
    PeerName(name)
}

/// What a content is called.
fn id(content: ContentKey) -> ContentId {
    let mut id = [7; 32];
    id[..4].copy_from_slice(&content.0.to_be_bytes());
    ContentId(id)
}

/// The peer of a name.
fn key(name: &PeerName) -> PeerKey {
    let [a, b, c, d, ..] = name.0;
    PeerKey(u32::from_be_bytes([a, b, c, d]))
}

impl World {
    /// The directory answers a peer.
    pub(super) fn answer(&mut self, me: PeerKey, content: ContentKey, query: QueryId, wanted: u16) {
        let is_up = self.peer(HOST).stage != Stage::Gone;
        if !is_up || self.are_clogged(me, HOST) {
            return self.fail_unanswered(me, (content, Event::QueryFailed { query }));
        }
        if self.peer(HOST).stage == Stage::There {
            self.directory.registry_mut().add_own(id(content));
        }
        let asker = Asker { name: name(me), ip: self.places.ip(me) };
        let question = Question {
            only_asks: false,
            content: id(content),
            tcp: Some(PORT),
            udp: None,
            complete: self.peer(me).have.is_full(),
            leaving: false,
            wanted: u32::from(wanted).into(),
            atlas: None,
        };
        let mut members = Vec::new();
        let verdict = self.directory.answer(self.now, asker, &question, &self.places, &mut members);
        let Verdict::Told(told) = verdict else {
            return self.fail_unanswered(me, (content, Event::QueryFailed { query }));
        };
        // Whoever is dialled back takes the connection.
        if let Some(at) = told.to_try {
            self.directory.tried(self.now, &asker.name, at, Some(true));
        }
        let peers = members.iter().map(|member| key(&member.name)).chain(told.holds.then_some(HOST));
        let near = |peer: PeerKey| self.places.near(me, peer);
        let candidates =
            peers.map(|peer| Candidate { peer, near: near(peer), via: Via::Directory }).collect();
        // There and back.
        let at = self.now + 2 * self.latency(me, HOST);
        if !told.pause.is_zero() {
            self.schedule(at, me, (content, Event::DirectoryPause { query, pause: told.pause.into() }));
        }
        if told.census.members_in_as > 0 {
            self.schedule(at, me, (content, Event::Counted { members: told.census.members_in_as.into() }));
        }
        let event = Event::Discovered { query: Some(query), teller: Some(HOST), candidates };
        self.schedule(at, me, (content, event));
    }

    /// A peer that leaves says so.
    pub(super) fn withdraw(&mut self, me: PeerKey, content: ContentKey) {
        self.directory.registry_mut().withdraw(&id(content), &name(me), &self.places);
    }
}
