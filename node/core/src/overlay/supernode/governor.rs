//! When a supernode splits, and when it steps down: by what it sees itself, without anybody who counts the network.
//!
//! It splits as a page of a B-tree does. Above `split_above` children it elects one of them, drawn from those that are
//! fit, and hands half over, AS by AS. Below `merge_below` it steps down, if siblings promise room for all.
//!
//! Invariants: one plan at a time; an anchor never leaves; who leaves has a promise for each child, and gives none.

use std::time::Duration;

use super::{Supernode, Turn};
use crate::{
    id::PeerKey,
    overlay::{
        contact::Contact,
        door::{ANSWER_SECONDS_MAX, Output},
        eligible::ChildFacts,
        host::Host,
        pace::{jitter, seconds, stretch},
        ticket::OTHERS_MAX,
    },
    place::asn::Asn,
    saturate::{to_u16, to_u32},
    time::Timestamp,
};

/// Children that are looked at when one is to be elected.
const SURVEYED_MAX: usize = 48;
/// Siblings that are asked for room at once.
const ASKED_MAX: usize = 4;
/// Children are asked to move in portions, this far apart.
const PORTION_EVERY: Duration = Duration::from_millis(500);
/// Those that were asked to move are counted again after this time.
const SETTLE_TIME: Duration = Duration::from_secs(4);
/// A step-down that takes twice as long is called off.
const MOVE_TIME: Duration = Duration::from_secs(30);

/// What the governor is about.
#[derive(Debug)]
enum Plan {
    /// Nothing.
    Steady,
    /// A child was elected, and did not answer yet.
    Electing { child: PeerKey, until: Timestamp },
    /// Children are asked to move to the child that serves now.
    Moving { to: Contact },
    /// Those that were asked have time to move.
    Settling { until: Timestamp },
    /// Siblings are asked for room.
    Asking { asked: Vec<PeerKey>, granted: Vec<(PeerKey, u16)>, until: Timestamp },
    /// We step down once all children have moved: so many to each sibling.
    Leaving { rooms: Vec<(Contact, u16)>, until: Timestamp },
}

/// What a supernode does about its number of children.
#[derive(Debug)]
pub(super) struct Governor {
    plan: Plan,
    /// When to look again.
    look_at: Timestamp,
    /// When the next portion of children is asked to move.
    portion_at: Timestamp,
    /// Since when it serves.
    since: Timestamp,
    /// When it steps down, if it still has few children then.
    step_down_at: Option<Timestamp>,
    /// It had a child.
    used: bool,
    /// It is fit to serve, and may.
    willing: bool,
}

impl Governor {
    pub(super) fn new(look_at: Timestamp, since: Timestamp) -> Governor {
        let portion_at = Timestamp::NEVER;
        let plan = Plan::Steady;
        Governor { plan, look_at, portion_at, since, step_down_at: None, used: false, willing: true }
    }

    pub(super) fn wake(&self) -> Timestamp {
        self.look_at.min(self.portion_at)
    }

    /// It takes nobody, and promises nothing.
    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.plan, Plan::Asking { .. } | Plan::Leaving { .. })
    }

    pub(super) fn note_served(&mut self) {
        self.used = true;
    }

    pub(super) fn set_willing(&mut self, willing: bool) {
        self.willing = willing;
    }

    /// A node is gone: nothing is expected of it.
    pub(super) fn forget(&mut self, peer: PeerKey) {
        match &mut self.plan {
            Plan::Electing { child, .. } if *child == peer => self.plan = Plan::Steady,
            Plan::Moving { to } if to.peer == peer => self.plan = Plan::Steady,
            Plan::Leaving { rooms, .. } => rooms.retain(|(to, _)| to.peer != peer),
            _ => {}
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        match &self.plan {
            Plan::Asking { asked, granted, .. } => {
                let asked = asked.capacity().saturating_mul(size_of::<PeerKey>());
                asked.saturating_add(granted.capacity().saturating_mul(size_of::<(PeerKey, u16)>()))
            }
            Plan::Leaving { rooms, .. } => rooms.capacity().saturating_mul(size_of::<(Contact, u16)>()),
            _ => 0,
        }
    }
}

impl Supernode {
    pub(super) fn govern(&mut self, now: Timestamp, host: &Host<'_>, outputs: &mut Vec<Output>) -> Turn {
        if now >= self.governor.portion_at {
            self.move_portion(now, host, outputs);
        }
        if now < self.governor.look_at {
            return Turn::Stay;
        }
        let every = host.config.governor.look_every;
        self.governor.look_at = now + stretch(&mut self.random, every);
        match self.governor.plan {
            Plan::Steady => self.plan(now, host, outputs),
            Plan::Electing { until, .. } | Plan::Settling { until } if now >= until => self.be_steady(),
            Plan::Asking { until, .. } if now >= until => self.put_off_step_down(now, host),
            Plan::Leaving { .. } if self.children.len() == 0 => return Turn::StepDown,
            // Some did not move: they are served on.
            Plan::Leaving { until, .. } if now >= until => self.put_off_step_down(now, host),
            _ => {}
        }
        Turn::Stay
    }

    fn be_steady(&mut self) {
        self.governor.plan = Plan::Steady;
        self.governor.portion_at = Timestamp::NEVER;
    }

    fn put_off_step_down(&mut self, now: Timestamp, host: &Host<'_>) {
        self.be_steady();
        let wait = host.config.governor.step_down_jitter;
        self.governor.step_down_at = Some(now + MOVE_TIME + jitter(&mut self.random, wait));
    }

    fn wants_to_split(&self, host: &Host<'_>) -> bool {
        let config = &host.config.governor;
        let strained = self.strained && self.children.len() >= config.merge_below.saturating_mul(2);
        self.children.len() > config.split_above || strained
    }

    /// Splits, or steps down, if it is time for either.
    fn plan(&mut self, now: Timestamp, host: &Host<'_>, outputs: &mut Vec<Output>) {
        if self.wants_to_split(host) {
            let children = self.children.sample(SURVEYED_MAX, &mut self.random);
            outputs.push(Output::Survey { children });
            return;
        }
        if !self.may_step_down(now, host) {
            self.governor.step_down_at = None;
            return;
        }
        let random = &mut self.random;
        let wait = host.config.governor.step_down_jitter;
        let due = *self.governor.step_down_at.get_or_insert_with(|| now + jitter(random, wait));
        if now >= due {
            self.ask_for_room(now, host, outputs);
        }
    }

    fn may_step_down(&self, now: Timestamp, host: &Host<'_>) -> bool {
        let config = &host.config.governor;
        let tenure = if self.governor.used { config.tenure } else { config.tenure_unused };
        let had_its_time = now.since(self.governor.since) >= tenure;
        let few = self.children.len() < config.merge_below && had_its_time;
        !self.anchor && !self.siblings.is_empty() && (few || !self.governor.willing)
    }

    fn ask_for_room(&mut self, now: Timestamp, host: &Host<'_>, outputs: &mut Vec<Output>) {
        let count = self.children.len();
        let until = now + Duration::from_secs(ANSWER_SECONDS_MAX);
        if count == 0 {
            self.governor.plan = Plan::Leaving { rooms: Vec::new(), until };
            self.governor.look_at = now;
            return;
        }
        let life = to_u32(host.config.gossip.ticket_life.as_secs());
        let roomiest = self.siblings.roomiest(seconds(now), life, ASKED_MAX);
        let asked: Vec<PeerKey> = roomiest.iter().map(|contact| contact.peer).collect();
        outputs.extend(asked.iter().map(|&to| Output::AskRoom { to, children: count }));
        self.governor.plan = Plan::Asking { asked, granted: Vec::new(), until };
    }

    /// A sibling steps down and asks for room. What it gets keeps us below three quarters of where we split.
    pub(in crate::overlay) fn on_room_asked(
        &mut self,
        now: Timestamp,
        host: &Host<'_>,
        (from, children): (PeerKey, u16),
        outputs: &mut Vec<Output>,
    ) {
        let most = host.config.governor.split_above;
        let most = most.saturating_sub(most / 4);
        let second = seconds(now);
        let able = !self.governor.is_leaving() && !self.strained && self.siblings.has(from);
        // A sibling that asks again asks for the same children.
        self.promises.keep(from);
        let room = if able { self.room(second, most) } else { 0 };
        let children = self.promises.promise(second, from, children, room);
        outputs.push(Output::GrantRoom { to: from, children });
    }

    pub(in crate::overlay) fn on_room_granted(
        &mut self,
        now: Timestamp,
        (from, children): (PeerKey, u16),
        outputs: &mut Vec<Output>,
    ) {
        let needed = self.children.len();
        let Plan::Asking { asked, granted, .. } = &mut self.governor.plan else { return };
        let Some(at) = asked.iter().position(|&peer| peer == from) else { return };
        asked.swap_remove(at);
        granted.push((from, children.min(needed)));
        let sum = granted.iter().fold(0_u16, |sum, &(_, children)| sum.saturating_add(children));
        if sum >= needed {
            let granted = std::mem::take(granted);
            self.leave(now, &granted, outputs);
        }
    }

    /// Hands all children over to those that promised room.
    fn leave(&mut self, now: Timestamp, granted: &[(PeerKey, u16)], outputs: &mut Vec<Output>) {
        let all: Vec<(Asn, PeerKey)> = self.children.by_as().collect();
        let mut rest = all.iter().copied();
        let mut rooms = Vec::new();
        for &(to, count) in granted {
            let Some(contact) = self.siblings.contact(to) else { continue };
            let part: Vec<(Asn, PeerKey)> = rest.by_ref().take(count.into()).collect();
            if part.is_empty() {
                continue;
            }
            rooms.push((contact, to_u16(part.len())));
            let mut ases: Vec<Asn> = part.iter().map(|&(asn, _)| asn).collect();
            ases.dedup();
            let children = part.iter().map(|&(_, child)| child).collect();
            outputs.push(Output::HandOver { to, ases, children });
        }
        // Portions begin with the first of the children, and with the last room.
        rooms.reverse();
        self.children.set_going(&all.iter().map(|&(_, child)| child).collect());
        self.governor.plan = Plan::Leaving { rooms, until: now + MOVE_TIME.saturating_mul(2) };
        self.governor.portion_at = now + PORTION_EVERY;
    }

    /// What was measured of some children: one of those that are fit is elected.
    pub(in crate::overlay) fn on_surveyed(
        &mut self,
        now: Timestamp,
        host: &Host<'_>,
        surveyed: &[(PeerKey, ChildFacts)],
        outputs: &mut Vec<Output>,
    ) {
        if !matches!(self.governor.plan, Plan::Steady) || !self.wants_to_split(host) {
            return;
        }
        let seen = surveyed.iter().map(|(_, facts)| facts.version);
        let fit = |(peer, facts): &&(PeerKey, ChildFacts)| {
            let qualifies = facts.qualify(&host.config.eligible) && self.children.is_served(*peer);
            qualifies && self.may_serve(host, facts.version, seen.clone())
        };
        let fit: Vec<PeerKey> = surveyed.iter().filter(fit).map(|&(peer, _)| peer).collect();
        let at = self.random.below(to_u32(fit.len())) as usize;
        let Some(&child) = fit.get(at) else { return };
        let siblings = self.siblings.others(OTHERS_MAX, child, &mut self.random);
        outputs.push(Output::Recruit { child, siblings });
        let until = now + Duration::from_secs(ANSWER_SECONDS_MAX);
        self.governor.plan = Plan::Electing { child, until };
    }

    /// The child that we elected serves: it gets half of the others.
    pub(in crate::overlay) fn on_accepted(
        &mut self,
        now: Timestamp,
        child: Contact,
        outputs: &mut Vec<Output>,
    ) {
        let Plan::Electing { child: elected, .. } = self.governor.plan else { return };
        if elected != child.peer {
            return;
        }
        self.children.lose(seconds(now), child.peer);
        self.leads.add(seconds(now), child);
        let half = usize::from(self.children.len() / 2);
        let share = self.children.share(half, Some(child.peer));
        outputs.push(Output::HandOver { to: child.peer, ases: share.ases, children: share.children.clone() });
        self.children.set_going(&share.children.into_iter().collect());
        self.governor.plan = Plan::Moving { to: child };
        self.governor.portion_at = now + PORTION_EVERY;
    }

    /// Asks some more children to move: as many as the other lets in meanwhile.
    fn move_portion(&mut self, now: Timestamp, host: &Host<'_>, outputs: &mut Vec<Output>) {
        let portion = usize::from(host.config.governor.attaches_per_second / 2).max(1);
        self.governor.portion_at = now + PORTION_EVERY;
        match &mut self.governor.plan {
            Plan::Moving { to } => {
                let to = *to;
                let going = self.children.next_going(portion);
                if going.is_empty() {
                    self.governor.plan = Plan::Settling { until: now + SETTLE_TIME };
                    self.governor.portion_at = Timestamp::NEVER;
                }
                outputs.extend(going.into_iter().map(|child| Output::Move { child, to }));
            }
            Plan::Leaving { rooms, .. } => {
                let Some((to, room)) = rooms.last_mut() else {
                    self.governor.portion_at = Timestamp::NEVER;
                    return;
                };
                let to = *to;
                let going = self.children.next_going(portion.min((*room).into()));
                *room = room.saturating_sub(to_u16(going.len()));
                if *room == 0 || going.is_empty() {
                    rooms.pop();
                }
                outputs.extend(going.into_iter().map(|child| Output::Move { child, to }));
            }
            _ => self.governor.portion_at = Timestamp::NEVER,
        }
    }

    /// How many children it serves, for those who look at the world.
    pub(in crate::overlay) fn load(&self) -> u16 {
        to_u16(self.children.len())
    }
}
