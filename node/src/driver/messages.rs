//! Translates messages between neighbours to frames and back.

use nearcast_core::{
    addresses::Rank,
    announce::due_to,
    id::{ContentKey, PeerKey},
    input::{Candidate, Event, Via},
    layout::RunIndex,
    message::Message,
};
use tokio::time::Instant;

use super::{Content, Driver, links::Link, view::NodeView};
use crate::{
    events::LinkId,
    peer_book::{self, Word},
    wire::{
        FrameError,
        control::{Frame, PEERS_MAX, Peers, RUNS_MAX, Runs, Said},
    },
};

impl Driver {
    /// Queues a message to a neighbour. A neighbour that takes no messages loses its link.
    pub(super) fn tell(&mut self, content: ContentKey, peer: PeerKey, message: Message) {
        // Runs beyond the maximum of one frame go into further frames.
        let (first, rest) = match message {
            Message::Have(mut runs) if runs.len() > RUNS_MAX => {
                let rest = runs.split_off(RUNS_MAX);
                (Message::Have(runs), Some(Message::Have(rest)))
            }
            Message::Lost(mut runs) if runs.len() > RUNS_MAX => {
                let rest = runs.split_off(RUNS_MAX);
                (Message::Lost(runs), Some(Message::Lost(rest)))
            }
            Message::Importing(mut runs) if runs.len() > RUNS_MAX => {
                let rest = runs.split_off(RUNS_MAX);
                (Message::Importing(runs), Some(Message::Importing(rest)))
            }
            whole => (whole, None),
        };
        let said = match first {
            Message::Have(runs) => Said::Have(Runs::new(&runs)),
            Message::Lost(runs) => Said::Lost(Runs::new(&runs)),
            Message::Importing(runs) => Said::Importing(Runs::new(&runs)),
            Message::Interested(interested) => Said::Interested(interested),
            Message::Choke => Said::Choke(true),
            Message::Unchoke => Said::Unchoke(true),
            Message::Idle(is_idle) => Said::Idle(is_idle),
            Message::Peers(peers) => {
                let peers = peers.into_iter().filter_map(|peer| self.peers.record(peer)).collect();
                Said::Peers(Peers { peers })
            }
        };
        self.note_slot(content, peer, &said);
        let up = self.links.get(&(content, peer)).and_then(Link::up);
        let Some(sent) = up.map(|up| up.frames.try_send(Frame { said: Some(said) })) else { return };
        if sent.is_err() {
            return self.on_link_gone(content, peer, "the peer takes no messages");
        }
        if let Some(rest) = rest {
            self.tell(content, peer, rest);
        }
    }

    /// Tells the neighbours that we now hold these runs too.
    pub(super) fn announce(&mut self, content: ContentKey, runs: &[RunIndex]) {
        let view = NodeView { maps: &self.maps, peers: &self.peers, nearness: &self.nearness };
        let links = self.links.range((content, PeerKey(0))..=(content, PeerKey(u32::MAX)));
        let up = links.filter_map(|(&(_, peer), link)| Some((peer, link.up()?.origin)));
        let due = up.map(|of| (of.0, due_to(&view, content, of, runs).to_vec()));
        // Telling may end a link.
        let due: Vec<(PeerKey, Vec<RunIndex>)> = due.filter(|(_, runs)| !runs.is_empty()).collect();
        for (peer, runs) in due {
            self.tell(content, peer, Message::Have(runs));
        }
    }

    pub(super) fn on_said(&mut self, id: LinkId, said: Said) {
        let (content, peer) = (id.content, id.peer);
        if self.link(id).is_none() {
            return;
        }
        let message = match said {
            Said::Have(runs) => self.note_runs(content, peer, runs, true).map(Message::Have),
            Said::Lost(runs) => self.note_runs(content, peer, runs, false).map(Message::Lost),
            Said::Importing(runs) => self.check_runs(content, runs).map(Message::Importing),
            Said::Interested(interested) => {
                if let Some(up) = self.link(id) {
                    up.slot_wait.on_wish(Instant::now(), interested);
                }
                Ok(Message::Interested(interested))
            }
            Said::Choke(_) => Ok(Message::Choke),
            Said::Unchoke(_) => Ok(Message::Unchoke),
            Said::Idle(is_idle) => Ok(Message::Idle(is_idle)),
            Said::Peers(peers) => return self.on_peers(content, peer, &peers),
            Said::Goodbye(_) => return self.on_link_gone(content, peer, "the peer ended the link"),
        };
        match message {
            Ok(message) => self.input(content, Event::Message { peer, message }),
            Err(error) => {
                self.on_breach(content, peer, &error.to_string());
                // A peer that breaks the protocol in this content would do so in others.
                if let Some(id) = self.peers.get(peer).and_then(|known| known.id) {
                    self.parts.network.disconnect(id);
                }
            }
        }
    }

    /// Measures how long a neighbour waits for an upload slot.
    fn note_slot(&mut self, content: ContentKey, peer: PeerKey, said: &Said) {
        let served = match said {
            Said::Choke(_) => false,
            Said::Unchoke(_) => true,
            _ => return,
        };
        let Some(up) = self.links.get_mut(&(content, peer)).and_then(Link::up_mut) else { return };
        if let Some(waited) = up.slot_wait.on_slot(Instant::now(), served) {
            self.parts.measured.waits().note(waited);
        }
    }

    fn check_runs(&self, content: ContentKey, runs: Runs) -> Result<Vec<RunIndex>, FrameError> {
        let manifest = self.contents.get(&content).and_then(|content| content.manifest.as_ref());
        manifest.map_or(Ok(Vec::new()), |manifest| runs.checked(manifest.layout()))
    }

    /// Updates a neighbour's have-map. Returns the runs that really changed.
    pub(super) fn note_runs(
        &mut self,
        content: ContentKey,
        peer: PeerKey,
        runs: Runs,
        held: bool,
    ) -> Result<Vec<RunIndex>, FrameError> {
        let manifest = self.contents.get(&content).and_then(|content| content.manifest.as_ref());
        let (Some(manifest), Some(map)) = (manifest, self.maps.0.get_mut(&(content, peer))) else {
            return Ok(Vec::new());
        };
        let mut runs = runs.checked(manifest.layout())?;
        let lacked_something = !map.is_full();
        runs.retain(|&run| if held { map.insert(run) } else { map.remove(run) });
        let is_complete = lacked_something && map.is_full();
        if let Some(id) = self.peers.get(peer).and_then(|known| known.id).filter(|_| is_complete) {
            self.note_completed(content, &id);
        }
        Ok(runs)
    }

    pub(super) fn on_peers(&mut self, content: ContentKey, teller: PeerKey, peers: &Peers) {
        if !self.contents.get(&content).is_some_and(Content::exchanges_peers) {
            return;
        }
        let ip = self.peers.get(teller).and_then(peer_book::Known::ip);
        let word = Word { ip, rank: Rank::Hearsay };
        let records = peers.peers.iter().take(PEERS_MAX);
        let candidates: Vec<Candidate> =
            records.filter_map(|record| self.candidate(record, word, Via::Exchange)).collect();
        self.input(content, Event::Discovered { query: None, teller: Some(teller), candidates });
    }
}
