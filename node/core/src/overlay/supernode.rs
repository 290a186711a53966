//! A supernode: it serves children, and keeps in touch with siblings.
//!
//! Invariants: a child that is served is never sent away against its will. It is asked to move, and stays until it has
//! moved. Whoever is too many is refused before it is a child. A supernode steps down only when it serves nobody.

mod gossip;
mod governor;

use self::governor::Governor;
use super::{
    admission::Admission,
    children::Children,
    contact::{Caller, Contact, Standing},
    door::Output,
    eligible::Facts,
    host::Host,
    leads::Leads,
    pace::{jitter, seconds},
    room::Promises,
    siblings::Siblings,
    sketch::{Roll, mark_of},
    ticket::{OTHERS_MAX, Welcome},
    versions::may_serve,
};
use crate::{id::PeerKey, random::Random, saturate::to_u32, time::Timestamp};

/// For so many seconds a newcomer gets in touch with siblings faster.
const NEW_SECONDS: u64 = 20;

/// A supernode: at most 16 KB.
#[derive(Debug)]
pub(super) struct Supernode {
    random: Random,
    /// It belongs to an operator, and never steps down.
    anchor: bool,
    children: Children,
    siblings: Siblings,
    leads: Leads,
    roll: Roll,
    admission: Admission,
    promises: Promises,
    governor: Governor,
    gossip_at: Timestamp,
    merging_until: Timestamp,
    /// Processor, memory or connections run short.
    strained: bool,
    /// When the shell is asked to look for others.
    look_up_at: Timestamp,
}

/// What becomes of a supernode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It goes on.
    Stay,
    /// It serves nobody, and serves no longer.
    StepDown,
}

impl Supernode {
    pub(super) fn new(
        now: Timestamp,
        host: &Host<'_>,
        mut random: Random,
        anchor: bool,
        known: impl Iterator<Item = Contact>,
    ) -> Supernode {
        let mut leads = Leads::default();
        let others = known.filter(|contact| contact.peer != host.me);
        others.for_each(|contact| leads.add(seconds(now), contact));
        let gossip_at = now + jitter(&mut random, host.config.gossip.every_merging);
        let governor = Governor::new(now + jitter(&mut random, host.config.governor.look_every), now);
        Supernode {
            random,
            anchor,
            children: Children::default(),
            siblings: Siblings::default(),
            leads,
            roll: Roll::new(mark_of(host.identity)),
            admission: Admission::new(&host.config.governor),
            promises: Promises::default(),
            governor,
            gossip_at,
            merging_until: now + std::time::Duration::from_secs(NEW_SECONDS),
            strained: false,
            look_up_at: now,
        }
    }

    pub(super) fn wake(&self) -> Timestamp {
        self.gossip_at.min(self.governor.wake())
    }

    pub(super) fn children(&self) -> &Children {
        &self.children
    }

    pub(super) fn siblings(&self) -> &Siblings {
        &self.siblings
    }

    pub(super) fn is_anchor(&self) -> bool {
        self.anchor
    }

    pub(super) fn into_random(self) -> Random {
        self.random
    }

    pub(super) fn on_woken(&mut self, now: Timestamp, host: &Host<'_>, outputs: &mut Vec<Output>) -> Turn {
        if now >= self.gossip_at {
            self.gossip(now, host, outputs);
        }
        self.govern(now, host, outputs)
    }

    pub(super) fn on_measured(&mut self, host: &Host<'_>, facts: &Facts) {
        self.governor.set_willing(facts.judge(&host.config.eligible).is_ok());
    }

    pub(super) fn on_strained(&mut self, strained: bool) {
        self.strained = strained;
    }

    pub(super) fn on_found(&mut self, now: Timestamp, found: &[Contact], me: PeerKey) {
        let others = found.iter().filter(|contact| contact.peer != me && !self.siblings.has(contact.peer));
        for &contact in others.take(OTHERS_MAX) {
            self.leads.add_first(seconds(now), contact);
        }
        if self.siblings.is_empty() {
            self.gossip_at = self.gossip_at.min(now);
        }
    }

    pub(super) fn on_asked(
        &mut self,
        now: Timestamp,
        host: &Host<'_>,
        (caller, standing): (&Caller, Standing),
        outputs: &mut Vec<Output>,
    ) {
        let is_taken = match standing {
            Standing::Primary => self.takes(now, host, caller),
            Standing::Warm => self.takes_warm(now, host, caller),
        };
        if is_taken {
            let welcome = Box::new(self.welcome(now, host, caller.peer, caller.version));
            outputs.push(Output::Welcome { to: caller.peer, standing, welcome });
        } else {
            let life = to_u32(host.config.gossip.ticket_life.as_secs());
            let alternatives = self.siblings.alternatives(seconds(now), life, caller.peer, &mut self.random);
            outputs.push(Output::Refuse { to: caller.peer, alternatives });
        }
    }

    /// Takes a node as a child that is served, or does not.
    fn takes(&mut self, now: Timestamp, host: &Host<'_>, caller: &Caller) -> bool {
        let config = &host.config.governor;
        let second = seconds(now);
        if self.children.is_served(caller.peer) {
            return true;
        }
        let is_known = self.children.is_known(second, caller.peer);
        let count = self.children.len();
        if self.governor.is_leaving()
            || count >= config.children_max
            || self.children.of_network(caller.network) >= config.children_per_network_max
        {
            return false;
        }
        let life = to_u32(host.config.gossip.ticket_life.as_secs());
        let is_full = self.room(second, config.split_above) == 0 || self.strained;
        if !is_known && is_full && self.siblings.has_room(second, life) {
            return false;
        }
        if !self.admission.admit(now, config, caller.network, is_known) {
            return false;
        }
        self.children.serve(caller);
        self.governor.note_served();
        true
    }

    /// Takes a node as a child that keeps us in reserve, or does not.
    fn takes_warm(&mut self, now: Timestamp, host: &Host<'_>, caller: &Caller) -> bool {
        let config = &host.config.governor;
        if self.children.is_warm(caller.peer) {
            return true;
        }
        let is_full = self.children.warm().len() >= config.warm_max.into();
        if self.governor.is_leaving() || is_full || self.strained {
            return false;
        }
        if !self.admission.admit(now, config, caller.network, false) {
            return false;
        }
        self.children.keep_warm(caller.peer);
        true
    }

    /// Places up to `most`, without those that are kept for somebody.
    fn room(&self, second: u32, most: u16) -> u16 {
        let kept = self.children.expected(second).saturating_add(self.promises.children(second));
        most.saturating_sub(self.children.len()).saturating_sub(kept)
    }

    fn welcome(&mut self, now: Timestamp, host: &Host<'_>, to: PeerKey, version: u32) -> Welcome {
        let ticket = self.ticket(now, host);
        let others = self.siblings.others(OTHERS_MAX, to, &mut self.random);
        Welcome { ticket, others, crowded: !self.may_serve(host, version, std::iter::once(version)) }
    }

    /// Whether one more supernode of a version is within that version's share.
    fn may_serve(&self, host: &Host<'_>, version: u32, seen: impl Iterator<Item = u32>) -> bool {
        let serving = self.siblings.versions().chain(std::iter::once(host.version));
        may_serve(version, serving, seen, host.config.governor.version_share_max)
    }

    pub(super) fn on_renew_asked(
        &mut self,
        now: Timestamp,
        host: &Host<'_>,
        (child, version): (PeerKey, u32),
        outputs: &mut Vec<Output>,
    ) {
        if self.children.is_warm(child) || self.children.is_served(child) {
            let welcome = Box::new(self.welcome(now, host, child, version));
            outputs.push(Output::Renewal { to: child, welcome });
        } else {
            // It believes that it is our child.
            outputs.push(Output::Detach { from: child });
        }
    }

    /// A connection broke, or a node did not answer.
    pub(super) fn on_gone(&mut self, now: Timestamp, peer: PeerKey) {
        let second = seconds(now);
        self.children.lose(second, peer);
        self.governor.forget(peer);
        self.leads.fail(peer);
        if let Some(contact) = self.siblings.remove(peer) {
            self.leads.add(second, contact);
        }
        if self.siblings.is_empty() {
            self.look_up_at = self.look_up_at.min(now);
        }
    }

    /// The child that we elected does not serve.
    pub(super) fn on_declined(&mut self, child: PeerKey) {
        self.governor.forget(child);
    }

    /// A node that we took for a supernode is none.
    pub(super) fn on_refused(&mut self, peer: PeerKey) {
        self.siblings.remove(peer);
        self.leads.found(peer);
    }

    pub(super) fn on_handed(&mut self, now: Timestamp, host: &Host<'_>, from: PeerKey, children: &[PeerKey]) {
        // The places were promised, or there is room: nobody hands over more than that.
        self.promises.keep(from);
        let second = seconds(now);
        let most = self.room(second, host.config.governor.split_above);
        self.children.expect(second, children, most);
    }

    pub(super) fn heap_bytes(&self) -> usize {
        [
            self.children.heap_bytes(),
            self.siblings.heap_bytes(),
            self.leads.heap_bytes(),
            self.roll.heap_bytes(),
            self.admission.heap_bytes(),
            self.promises.heap_bytes(),
            self.governor.heap_bytes(),
        ]
        .into_iter()
        .fold(size_of::<Supernode>(), usize::saturating_add)
    }

    pub(super) fn check(&self, host: &Host<'_>) {
        self.children.check();
        self.siblings.check();
        let config = &host.config.governor;
        assert!(self.children.len() <= config.children_max, "too many children");
        assert!(self.children.warm().len() <= config.warm_max.into(), "too many warm children");
        assert!(!(self.anchor && self.governor.is_leaving()), "an anchor steps down");
    }
}
