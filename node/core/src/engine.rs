//! The engine: one door in, one door out. It routes; the policy is in the parts.
//!
//! Invariant: `agenda` holds, for each content with a wake-up pending, exactly its soonest one.

mod agenda;
mod check;

use std::{collections::BTreeSet, sync::Arc};

use self::agenda::Agenda;
use crate::{
    config::Config,
    context::Context,
    id::{ContentKey, PeerKey},
    input::{Event, Input, Join},
    output::Output,
    place::locality::Locality,
    random::Random,
    reasons::Reasons,
    strangers::strikes::Strikes,
    swarm::Swarm,
    time::Timestamp,
    timers::Wake,
    upload::slots::Slots,
    view::View,
};

/// The most banned peers remembered. Beyond that, the one with the smallest key is forgotten.
const BANNED_MAX: usize = 10_000;

/// The decisions of one peer, for all its contents.
#[derive(Debug)]
pub struct Engine {
    config: Arc<Config>,
    random: Random,
    /// Sorted by key. Not a map: a million engines have one content each, and a map's node has room
    /// for eleven.
    swarms: Vec<(ContentKey, Box<Swarm>)>,
    agenda: Agenda,
    banned: BTreeSet<PeerKey>,
    strikes: Strikes,
    unchoked: u32,
    slots: Slots,
    locality: Locality,
    reasons: Reasons,
}

impl Engine {
    /// An engine without contents. The same seed and inputs give the same outputs.
    pub fn new(config: Arc<Config>, seed: u64) -> Engine {
        Engine {
            config,
            random: Random::new(seed),
            swarms: Vec::new(),
            agenda: Agenda::default(),
            banned: BTreeSet::new(),
            strikes: Strikes::default(),
            unchoked: 0,
            slots: Slots::default(),
            locality: Locality::default(),
            reasons: Reasons::default(),
        }
    }

    /// Tells the engine what happened; appends what it wants done to `outputs`, in order.
    pub fn handle(&mut self, now: Timestamp, input: Input, maps: &dyn View, outputs: &mut Vec<Output>) {
        let first = outputs.len();
        self.deal_slots(now);
        match input {
            Input::Woken => self.wake(now, maps, outputs),
            Input::Located(locality) => self.relocate(now, locality, maps, outputs),
            Input::Event { content, event: Event::Join(join) } => {
                self.join(now, content, join, maps, outputs)
            }
            Input::Event { event: Event::Linked { peer, .. }, .. } if self.banned.contains(&peer) => {
                outputs.push(Output::Ban { peer });
            }
            Input::Event { content, mut event } => {
                if let Event::Discovered { candidates, .. } = &mut event {
                    candidates.retain(|candidate| !self.banned.contains(&candidate.peer));
                }
                let leaving = matches!(event, Event::Leave);
                self.with(now, content, maps, outputs, |swarm, ctx| swarm.handle(ctx, event));
                if leaving {
                    self.remove(content);
                }
            }
        }
        self.carry_out_bans(now, first, maps, outputs);
    }

    fn position(&self, content: ContentKey) -> Result<usize, usize> {
        self.swarms.binary_search_by_key(&content, |&(key, _)| key)
    }

    fn join(
        &mut self,
        now: Timestamp,
        content: ContentKey,
        mut join: Join,
        maps: &dyn View,
        outputs: &mut Vec<Output>,
    ) {
        let Err(place) = self.position(content) else { return };
        join.candidates.retain(|candidate| !self.banned.contains(&candidate.peer));
        join.directories.retain(|directory| !self.banned.contains(directory));
        if self.swarms.len() == self.swarms.capacity() {
            // The first content takes the room of one.
            self.swarms.reserve_exact((self.swarms.len() / 2).saturating_add(1));
        }
        self.swarms.insert(place, (content, Box::new(Swarm::new())));
        self.with(now, content, maps, outputs, |swarm, ctx| swarm.handle(ctx, Event::Join(join)));
    }

    fn relocate(&mut self, now: Timestamp, locality: Locality, maps: &dyn View, outputs: &mut Vec<Output>) {
        self.locality = locality;
        for content in self.swarms.iter().map(|&(content, _)| content).collect::<Vec<_>>() {
            self.with(now, content, maps, outputs, Swarm::on_relocated);
        }
    }

    fn wake(&mut self, now: Timestamp, maps: &dyn View, outputs: &mut Vec<Output>) {
        while let Some((at, content)) = self.agenda.first() {
            if at > now {
                break;
            }
            self.with(now, content, maps, outputs, Swarm::handle_woken);
        }
    }

    /// Lets one content's swarm decide something, and keeps the totals and the agenda up to date.
    fn with(
        &mut self,
        now: Timestamp,
        content: ContentKey,
        maps: &dyn View,
        outputs: &mut Vec<Output>,
        decide: impl FnOnce(&mut Swarm, &mut Context<'_>),
    ) {
        let Ok(place) = self.position(content) else { return };
        let swarm = &mut *self.swarms[place].1;
        let (before, unchoked, demand) = (swarm.soonest(), swarm.unchoked(), swarm.demand(&self.config));
        let mut ctx = Context {
            now,
            content,
            config: &self.config,
            random: &mut self.random,
            maps,
            outputs,
            reasons: &mut self.reasons,
            strikes: &mut self.strikes,
            locality: self.locality,
            slots_free: self.config.upload.slots_total.saturating_sub(self.unchoked),
        };
        decide(swarm, &mut ctx);
        self.unchoked = self.unchoked.saturating_add(swarm.unchoked()).saturating_sub(unchoked);
        self.slots.note_demand(demand, swarm.demand(&self.config));
        let at = |soonest: Option<(Timestamp, Wake)>| soonest.map(|(at, _)| at);
        self.agenda.change(content, at(before), at(swarm.soonest()));
    }

    /// Deals the upload slots out among the contents, when it is time for that.
    fn deal_slots(&mut self, now: Timestamp) {
        let total = self.config.upload.slots_total;
        if !self.slots.is_due(now, total) {
            return;
        }
        let demand = |(key, swarm): &(ContentKey, Box<Swarm>)| (*key, swarm.demand(&self.config));
        let demands: Vec<(ContentKey, u16)> = self.swarms.iter().map(demand).collect();
        let quotas = self.slots.deal(&demands, total, now + self.config.upload.choke_interval);
        for ((content, swarm), quota) in self.swarms.iter_mut().zip(quotas) {
            let before = swarm.soonest().map(|(at, _)| at);
            swarm.set_quota(now, quota, &self.config);
            self.agenda.change(*content, before, swarm.soonest().map(|(at, _)| at));
        }
    }

    fn remove(&mut self, content: ContentKey) {
        if let Ok(place) = self.position(content) {
            let (_, swarm) = self.swarms.remove(place);
            self.unchoked = self.unchoked.saturating_sub(swarm.unchoked());
            self.slots.note_demand(swarm.demand(&self.config), 0);
            self.agenda.change(content, swarm.soonest().map(|(at, _)| at), None);
        }
    }

    /// A ban by one content holds in all of them.
    fn carry_out_bans(&mut self, now: Timestamp, first: usize, maps: &dyn View, outputs: &mut Vec<Output>) {
        let mut at = first;
        while at < outputs.len() {
            if let Output::Ban { peer } = outputs[at]
                && self.banned.insert(peer)
            {
                self.strikes.note(now, maps, peer);
                if self.banned.len() > BANNED_MAX {
                    self.banned.pop_first();
                }
                for content in self.swarms.iter().map(|&(content, _)| content).collect::<Vec<_>>() {
                    self.with(now, content, maps, outputs, |swarm, ctx| swarm.on_banned(ctx, peer));
                }
            }
            at = at.saturating_add(1);
        }
    }

    /// When to call [`Engine::handle`] with [`Input::Woken`], and why. `None`: nothing is pending.
    pub fn poll_timeout(&self) -> Option<(Timestamp, Wake)> {
        let (_, content) = self.agenda.first()?;
        self.swarm(content)?.soonest()
    }

    /// Our part in the swarm of a content.
    pub fn swarm(&self, content: ContentKey) -> Option<&Swarm> {
        self.position(content).ok().map(|place| &*self.swarms[place].1)
    }

    /// Replaces the config, which must be valid. A neighbour above a lowered limit is let go at the
    /// next decision about it.
    pub fn set_config(&mut self, config: Arc<Config>) {
        self.config = config;
        self.slots.recount(self.swarms.iter().map(|(_, swarm)| swarm.demand(&self.config)));
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Number of neighbours served at the moment, all contents together.
    pub fn unchoked(&self) -> u32 {
        self.unchoked
    }

    /// Where we are, as told by [`Input::Located`].
    pub fn locality(&self) -> Locality {
        self.locality
    }

    /// Why requests were taken back and payload was wasted, over all contents.
    pub fn reasons(&self) -> &Reasons {
        &self.reasons
    }

    /// Number of banned peers.
    pub fn banned(&self) -> usize {
        self.banned.len()
    }
}
