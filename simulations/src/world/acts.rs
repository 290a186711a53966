//! Carries out what engines decide.

use std::time::Duration;

use nearcast_core::{
    announce::due_to,
    id::{ContentKey, PeerKey},
    input::Event,
    layout::RunIndex,
    message::{Message, Refusal},
    output::{Action, GiveUp},
};

use super::{Fidelity, Leaves, Takes, World, event::Happening};

impl World {
    pub(super) fn act(&mut self, me: PeerKey, content: ContentKey, action: Action) {
        match action {
            Action::Dial { .. } if self.peer(me).role.intrudes.is_some() => {}
            Action::Dial { peer } => self.dial(me, peer),
            Action::Unlink { peer, .. } => self.unlink(me, peer),
            Action::Send { peer, message } => self.send(me, peer, message),
            Action::Announce { runs } => self.announce(me, content, &runs),
            Action::Request { peer, request, run, exact, why } => {
                let role = &self.peer(me).role;
                if role.takes == Takes::Freely && !role.boasts {
                    self.note_why(me, peer, request, why);
                    self.request(me, peer, request, (run, exact));
                }
            }
            Action::Cancel { peer, request } => self.cancel(me, peer, request),
            Action::Serve { peer, upload, run } if self.gives(me, peer) && self.pays(me, peer, run) => {
                self.serve(me, peer, upload, run)
            }
            Action::Serve { peer, upload, run } => {
                self.schedule(self.now, me, Happening::Ended { to: peer, run, whole: false });
                self.refuse(me, peer, upload, Refusal::Choked);
            }
            Action::Refuse { peer, upload, why } => self.refuse(me, peer, upload, why),
            Action::Completed => self.complete(me),
            Action::GaveUp(why) => self.give_up(me, why),
            Action::Ask { query, wanted, .. } => self.answer(me, content, query, wanted),
            Action::Withdraw { .. } => self.withdraw(me, content),
            Action::FetchManifest { .. } | Action::GoalReached => {}
        }
    }

    fn complete(&mut self, me: PeerKey) {
        let now = self.now;
        let peer = self.peer_mut(me);
        if peer.completed.is_some() {
            return;
        }
        peer.completed = Some(now);
        let is_served = peer.role.is_served();
        let took = now.since(peer.joined);
        let leaves = peer.role.leaves;
        self.unfinished -= u32::from(is_served);
        let stays = match leaves {
            Leaves::After(stays) => stays,
            Leaves::AsLong(most) => took.min(most),
            Leaves::Never => return,
        };
        // A node that leaves finishes what it is sending, so it does not leave in this very moment.
        self.schedule(now + stays.max(Duration::from_nanos(1)), me, Happening::Leave);
    }

    /// A program that gives up ends.
    fn give_up(&mut self, me: PeerKey, why: GiveUp) {
        self.peer_mut(me).gave_up = Some(why);
        self.schedule(self.now, me, Happening::Leave);
    }

    /// Tells each neighbour that is due to hear of it. What is told is in the peer's log.
    fn announce(&mut self, me: PeerKey, content: ContentKey, runs: &[RunIndex]) {
        let is_pulled = self.config.fidelity == Fidelity::Pulled;
        let maps = self.maps(me);
        let is_origin = |peer: PeerKey| self.peer(peer).role.origin || self.peer(peer).role.poses;
        let is_due = |&peer: &PeerKey| {
            // The others come and look.
            let is_sent = !is_pulled || is_origin(peer);
            is_sent && !due_to(&maps, content, (peer, is_origin(peer)), runs).is_empty()
        };
        let due: Vec<PeerKey> = self.peer(me).links.iter().map(|link| link.peer).filter(is_due).collect();
        let upto = self.peer(me).log_len();
        for peer in due {
            self.cross(me, peer, Happening::Have { from: me, upto });
        }
    }

    fn send(&mut self, me: PeerKey, peer: PeerKey, message: Message) {
        if !self.are_linked(me, peer) {
            return;
        }
        if message == Message::Choke {
            self.refuse_waiting(me, peer);
        }
        if self.haggles_over(me, peer, &message) {
            return;
        }
        let role = &self.peer(me).role;
        let message = match message {
            Message::Unchoke if !self.gives(me, peer) => return,
            Message::Interested(true) if role.takes == Takes::Nothing => return,
            Message::Importing(runs) => {
                let runs = self.peer(me).would_tell(runs);
                if runs.is_empty() {
                    return;
                }
                self.announcements += 1;
                Message::Importing(runs)
            }
            other => other,
        };
        self.cross(me, peer, Event::Message { peer: me, message });
    }
}
