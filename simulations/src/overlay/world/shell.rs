//! The shell of each node: what its machine wants done, and what comes in from others.

use std::time::Duration;

use nearcast_core::{
    id::PeerKey,
    overlay::door::{Input, Output},
};

use super::{
    World,
    message::{Event, Message, Sent},
    seconds,
};

/// How long a look-up takes.
const LOOK_UP: Duration = Duration::from_millis(200);

impl World {
    /// Does what a node's machine wants done.
    pub(super) fn perform(&mut self, me: u32, output: Output) {
        let state = self.states[me as usize];
        match output {
            Output::Attach { to, standing } => self.say(me, to, Message::Ask(standing)),
            Output::Detach { from } => self.say(me, from, Message::Detach),
            Output::Renew { parent } => self.say(me, parent, Message::Renew),
            Output::Introduce { to, contact } => self.say(me, to, Message::Introduce(contact)),
            Output::LookUp => self.agenda.push(self.now() + LOOK_UP, Event::Found { at: me, state }),
            Output::Welcome { to, standing, welcome } => {
                self.say(me, to, Message::Welcome(standing, welcome));
            }
            Output::Refuse { to, alternatives } => self.say(me, to, Message::Refuse(alternatives)),
            Output::Renewal { to, welcome } => self.say(me, to, Message::Renewal(welcome)),
            Output::Survey { children } => {
                let now = seconds(self.now());
                let age = |node: u32| now.saturating_sub(self.attached_at[node as usize]);
                let facts = |peer: PeerKey| {
                    (peer, self.census.child_facts(peer.0, Duration::from_secs(age(peer.0).into())))
                };
                let surveyed = children.into_iter().map(facts).collect();
                self.tell(me, Input::Surveyed(surveyed));
            }
            Output::Recruit { child, siblings } => self.say(me, child, Message::Recruit(siblings)),
            Output::HandOver { to, children, .. } => self.say(me, to, Message::Handed(children)),
            Output::Move { child, to } => self.say(me, child, Message::Move(to)),
            Output::Promoted { by } => {
                self.supernodes.insert(me);
                match by {
                    Some(by) => {
                        self.counts.elected += 1;
                        self.say(me, by, Message::Accept);
                    }
                    None => self.counts.self_elected += 1,
                }
            }
            Output::Decline { by } => self.say(me, by, Message::Decline),
            Output::SteppedDown { warm } => {
                self.supernodes.remove(&me);
                self.counts.stepped_down += 1;
                warm.into_iter().for_each(|child| self.say(me, child, Message::Detach));
            }
            Output::Gossip { to, ticket, leads, answer } => {
                self.say(me, to, Message::Gossip(ticket, leads, answer));
            }
            Output::AskRoom { to, children } => self.say(me, to, Message::AskRoom(children)),
            Output::GrantRoom { to, children } => self.say(me, to, Message::GrantRoom(children)),
        }
    }

    fn say(&mut self, from: u32, to: PeerKey, message: Message) {
        let states = (self.states[from as usize], self.states[to.0 as usize]);
        self.send(Sent { from, to: to.0, states, message });
    }

    /// A message arrives, or does not.
    pub(super) fn deliver(&mut self, sent: Sent) {
        let Sent { from, to, states, message } = sent;
        let there = self.is_up(to) && self.states[to as usize] == states.1;
        if !there || self.is_cut(from, to) {
            return self.lost(from, to, states.0, &message);
        }
        if self.states[from as usize] != states.0 {
            // Its sender is gone meanwhile, and the connection with it.
            if let Message::Welcome(..) = message {
                let failed = Event::Failed { at: to, state: states.1, peer: from };
                self.agenda.push(self.now(), failed);
            }
            return;
        }
        let (peer, contact) = (PeerKey(from), self.census.contact(from));
        let input = match message {
            Message::Ask(standing) => Input::Asked { caller: self.census.caller(from), standing },
            Message::Welcome(standing, welcome) => Input::Attached { parent: peer, standing, welcome },
            Message::Refuse(alternatives) => Input::Refused { parent: peer, alternatives },
            Message::Detach => Input::Lost { peer },
            Message::Renew => Input::RenewAsked { child: peer, version: self.census.version(from) },
            Message::Renewal(welcome) => Input::Renewed { parent: peer, welcome },
            Message::Introduce(contact) => Input::Introduced { by: peer, contact },
            Message::Recruit(siblings) => Input::Elected { by: contact, siblings },
            Message::Accept => Input::Accepted { child: contact },
            Message::Decline => Input::Declined { child: peer },
            Message::Gossip(ticket, leads, answer) => Input::Told { from: contact, ticket, leads, answer },
            Message::AskRoom(children) => Input::RoomAsked { from: peer, children },
            Message::GrantRoom(children) => Input::RoomGranted { from: peer, children },
            Message::Handed(children) => Input::Handed { from: peer, children },
            Message::Move(to) => Input::Moved { from: peer, to },
        };
        self.tell(to, input);
    }

    /// A message is lost: whoever waits for an answer hears so, and so does a parent whose child is not there.
    fn lost(&mut self, from: u32, to: u32, state: u8, message: &Message) {
        if message.is_question() {
            let fails = Duration::from_secs_f64(self.scenario.network.dial_fails_seconds);
            self.agenda.push(self.now() + fails, Event::Failed { at: from, state, peer: to });
        } else if let Message::Welcome(..) = message {
            let seen = Duration::from_secs_f64(self.scenario.network.missed_within_seconds);
            let seen = self.within(seen);
            self.agenda.push(self.now() + seen, Event::Closed { at: from, state, peer: to });
        }
    }
}
