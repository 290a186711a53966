//! A leaf: it holds on to a primary parent and two warm ones, and finds others when it loses them.
//!
//! Invariants: two tries to attach are at least `try_every` apart, and at most [`ASKED_MAX`] are under way; a leaf that
//! has a primary parent elects itself never, and one that is not fit does so neither.

use std::time::Duration;

use super::{
    contact::{Contact, Standing},
    door::{ANSWER_SECONDS_MAX, Output},
    eligible::Facts,
    host::Host,
    memory::{Memory, SLOTS},
    pace::{about, jitter, seconds},
    sketch::Print,
    ticket::{ALTERNATIVES_MAX, OTHERS_MAX, Welcome},
};
use crate::{id::PeerKey, random::Random, saturate::to_u32, time::Timestamp};

/// Supernodes that are asked at once to be the primary parent.
const ASKED_MAX: u32 = 3;
/// In the last round, an eligible leaf elects itself for certain.
const ROUNDS_MAX: u8 = 8;
/// A leaf that is not fit.
const NEVER: u32 = u32::MAX;

/// A leaf: at most 256 bytes.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    memory: Memory,
    random: Random,
    /// When to try again, or to look after parents.
    wake: Timestamp,
    /// The second from which on the leaf is fit to serve.
    fit_from: u32,
    /// What the primary parent's sketch looks like.
    print: Print,
    /// Rounds in which everybody refused.
    round: u8,
    /// Ticks in which nothing was left but to wait for answers.
    waited: u8,
    /// Supernodes of this version have their share.
    crowded: bool,
}

/// What becomes of a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It stays one.
    Stay,
    /// It serves, as somebody elected it, or as it elected itself.
    Promote(Option<PeerKey>),
}

impl Leaf {
    pub(super) fn new(now: Timestamp, host: &Host<'_>, mut random: Random, known: &[Contact]) -> Leaf {
        let mut memory = Memory::new();
        let others = known.iter().filter(|contact| contact.peer != host.me);
        others.for_each(|&contact| memory.learn(contact, &mut random));
        let wake = now + jitter(&mut random, host.config.leaf.first_jitter);
        let print = Print::default();
        Leaf { memory, random, wake, fit_from: NEVER, print, round: 0, waited: 0, crowded: false }
    }

    pub(super) fn wake(&self) -> Timestamp {
        self.wake
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    pub(super) fn into_random(self) -> Random {
        self.random
    }

    pub(super) fn is_fit(&self, now: Timestamp) -> bool {
        seconds(now) >= self.fit_from && self.fit_from != NEVER
    }

    pub(super) fn on_measured(&mut self, now: Timestamp, host: &Host<'_>, facts: &Facts) {
        self.fit_from = match facts.judge(&host.config.eligible) {
            Ok(()) => {
                let wait = host.config.eligible.up_min.saturating_sub(facts.up);
                seconds(now + wait).min(NEVER.saturating_sub(1))
            }
            Err(_) => NEVER,
        };
    }

    pub(super) fn on_woken(&mut self, now: Timestamp, host: &Host<'_>, outputs: &mut Vec<Output>) -> Next {
        if now < self.wake {
            return Next::Stay;
        }
        if self.memory.primary().is_some() {
            self.look_after_parents(now, host, outputs);
            return Next::Stay;
        }
        self.try_next(now, host, outputs)
    }

    /// Asks the next one to be the primary parent.
    fn try_next(&mut self, now: Timestamp, host: &Host<'_>, outputs: &mut Vec<Output>) -> Next {
        let config = &host.config.leaf;
        self.wake = now + config.try_every;
        if self.memory.asked() >= ASKED_MAX {
            return self.wait_for_answers(host);
        }
        if let Some(slot) = self.memory.next_try(&mut self.random) {
            self.memory.note_asked(slot);
            self.waited = 0;
            outputs.push(Output::Attach { to: self.memory.contact(slot).peer, standing: Standing::Primary });
            return Next::Stay;
        }
        if self.memory.asked() > 0 {
            return self.wait_for_answers(host);
        }
        // Everybody refused.
        let is_drawn = self.random.below(256) < 1_u32.checked_shl(self.round.into()).unwrap_or(256);
        if is_drawn && self.is_fit(now) && !self.crowded {
            return Next::Promote(None);
        }
        outputs.push(Output::LookUp);
        self.memory.new_round();
        let longest = config.first_jitter.saturating_mul(1_u32.checked_shl(self.round.into()).unwrap_or(256));
        let longest = longest.min(config.round_jitter_max);
        self.round = self.round.saturating_add(1).min(ROUNDS_MAX);
        self.wake = now + config.try_every + jitter(&mut self.random, longest);
        Next::Stay
    }

    /// A shell that never answers must not keep us waiting for ever.
    fn wait_for_answers(&mut self, host: &Host<'_>) -> Next {
        self.waited = self.waited.saturating_add(1);
        let waited = host.config.leaf.try_every.saturating_mul(self.waited.into());
        if waited > Duration::from_secs(ANSWER_SECONDS_MAX) || self.waited == u8::MAX {
            self.memory.give_up_asked();
            self.waited = 0;
        }
        Next::Stay
    }

    /// Asks somebody to be a warm parent, if one is missing; else one of the parents for a new ticket.
    fn look_after_parents(&mut self, now: Timestamp, host: &Host<'_>, outputs: &mut Vec<Output>) {
        let config = &host.config.leaf;
        let pause = if self.memory.free_place().is_some() {
            let missing = self.memory.next_warm(&mut self.random);
            if let Some(slot) = missing {
                self.memory.note_asked(slot);
                outputs.push(Output::Attach { to: self.memory.contact(slot).peer, standing: Standing::Warm });
                config.warm_every
            } else {
                self.renew(outputs);
                self.memory.new_round();
                config.renew_every
            }
        } else {
            self.renew(outputs);
            config.renew_every
        };
        // Asked long ago, and never answered.
        if pause >= Duration::from_secs(ANSWER_SECONDS_MAX) && self.memory.asked() > 1 {
            self.memory.give_up_asked();
        }
        self.wake = now + about(&mut self.random, pause);
    }

    fn renew(&mut self, outputs: &mut Vec<Output>) {
        let parents = to_u32(self.memory.parents().count());
        let which = self.random.below(parents) as usize;
        let parent = self.memory.parents().nth(which);
        outputs.extend(parent.map(|parent| Output::Renew { parent: parent.peer }));
    }

    pub(super) fn on_attached(
        &mut self,
        now: Timestamp,
        host: &Host<'_>,
        (parent, standing): (PeerKey, Standing),
        welcome: &Welcome,
        outputs: &mut Vec<Output>,
    ) {
        let asked = self.memory.slot_of(parent).filter(|&slot| self.memory.is_asked(slot));
        let Some(slot) = asked else {
            // Nobody attaches us unasked. Our own parent's words change nothing.
            let known = self.memory.slot_of(parent).is_some_and(|slot| self.memory.is_attached(slot));
            if !known {
                outputs.push(Output::Detach { from: parent });
            }
            return;
        };
        self.memory.note_answered(slot, true);
        match standing {
            Standing::Primary => {
                if let Some(before) = self.memory.primary().filter(|before| before.peer != parent) {
                    self.memory.detach(0);
                    outputs.push(Output::Detach { from: before.peer });
                }
                self.memory.attach(slot, 0);
                self.memory.new_round();
                self.round = 0;
                let pause = host.config.leaf.warm_every;
                self.wake = now + about(&mut self.random, pause);
            }
            Standing::Warm => {
                let apart = self.memory.is_apart(self.memory.contact(slot));
                match self.memory.free_place().filter(|_| apart) {
                    Some(place) => self.memory.attach(slot, place),
                    None => outputs.push(Output::Detach { from: parent }),
                }
            }
        }
        self.hear(parent, welcome, outputs);
    }

    /// What a parent says of the network.
    pub(super) fn hear(&mut self, parent: PeerKey, welcome: &Welcome, outputs: &mut Vec<Output>) {
        let Some(slot) = self.memory.slot_of(parent).filter(|&slot| self.memory.is_attached(slot)) else {
            return;
        };
        let print = welcome.ticket.sketch.print();
        if slot == 0 {
            self.print = print;
            self.crowded = welcome.crowded;
        } else if let Some(primary) = self.memory.primary().filter(|_| self.print.is_island(print)) {
            outputs.push(Output::Introduce { to: primary.peer, contact: self.memory.contact(slot) });
        }
        for &contact in welcome.others.iter().take(OTHERS_MAX) {
            self.memory.learn(contact, &mut self.random);
        }
    }

    pub(super) fn on_refused(&mut self, parent: PeerKey, alternatives: &[Contact], me: PeerKey) {
        let asked = self.memory.slot_of(parent).filter(|&slot| self.memory.is_asked(slot));
        let Some(slot) = asked else { return };
        self.memory.note_answered(slot, false);
        let others = alternatives.iter().take(ALTERNATIVES_MAX).filter(|contact| contact.peer != me);
        for &contact in others {
            self.memory.learn_told(contact, &mut self.random);
        }
    }

    /// A node did not answer, or is no parent of ours any more.
    pub(super) fn on_gone(&mut self, now: Timestamp, host: &Host<'_>, peer: PeerKey) {
        let Some(slot) = self.memory.slot_of(peer) else { return };
        self.memory.note_answered(slot, false);
        if !self.memory.is_attached(slot) {
            return;
        }
        self.memory.detach(slot);
        let soon = match slot {
            0 => jitter(&mut self.random, host.config.leaf.first_jitter),
            _ => about(&mut self.random, host.config.leaf.warm_every),
        };
        self.wake = self.wake.min(now + soon);
    }

    pub(super) fn on_moved(&mut self, from: PeerKey, to: Contact, me: PeerKey, outputs: &mut Vec<Output>) {
        let is_ours = self.memory.primary().is_some_and(|primary| primary.peer == from);
        if !is_ours || to.peer == me || to.peer == from {
            return;
        }
        let slot = self.memory.learn_surely(to, &mut self.random);
        if let Some(slot) = slot.filter(|&slot| !self.memory.is_asked(slot)) {
            self.memory.note_asked(slot);
            outputs.push(Output::Attach { to: to.peer, standing: Standing::Primary });
        }
    }

    pub(super) fn on_elected(
        &mut self,
        now: Timestamp,
        by: PeerKey,
        siblings: &[Contact],
        outputs: &mut Vec<Output>,
    ) -> Next {
        let is_ours = self.memory.primary().is_some_and(|primary| primary.peer == by);
        if !is_ours || !self.is_fit(now) {
            outputs.push(Output::Decline { by });
            return Next::Stay;
        }
        siblings.iter().take(OTHERS_MAX).for_each(|&contact| self.memory.learn(contact, &mut self.random));
        Next::Promote(Some(by))
    }

    pub(super) fn on_found(&mut self, now: Timestamp, found: &[Contact], me: PeerKey) {
        let is_lonely = self.memory.primary().is_none();
        let is_new = self.memory.everybody().next().is_none();
        for &contact in found.iter().take(SLOTS).filter(|contact| contact.peer != me) {
            match is_lonely {
                // Everybody it remembers may be gone.
                true => _ = self.memory.learn_surely(contact, &mut self.random),
                false => self.memory.learn(contact, &mut self.random),
            }
        }
        if is_lonely && is_new {
            // It need not wait for its next round.
            self.wake = self.wake.min(now);
        }
    }

    /// A node that is no supernode is asked to be one's parent: it names its own.
    pub(super) fn alternatives(&self) -> Vec<Contact> {
        self.memory.parents().take(ALTERNATIVES_MAX).collect()
    }
}
