//! What fails at a moment, and perhaps works again later: machines, ASes, links between them, and the
//! network between two halves of the world.
//!
//! A machine that comes back has what it held, and nothing else of its earlier life: its program
//! starts anew. It comes back once nothing that was sent to its earlier life is under way any more.

use std::{sync::Arc, time::Duration};

use nearcast_core::{asn::Asn, config::Config, engine::Engine, id::PeerKey, time::Timestamp};

use super::{
    Happening, Leaves, World,
    cuts::Lost,
    peer::{Peer, Stage},
    schemers,
};

/// A machine that comes back is away for this long at least, and three times the longest way to it.
/// All that was to happen to its earlier life is over then: failed dials take five seconds.
const AWAY_MIN: Duration = Duration::from_secs(6);
/// Ways in which all that was begun with an earlier life is over: those of a new link.
const WAYS: u32 = 3;

/// Something that fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When, from the start.
    pub at: Duration,
    /// How long it takes. `None`: for ever.
    pub lasts: Option<Duration>,
    /// What fails.
    pub what: Failing,
}

/// What fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failing {
    /// The machines of those of these peers that are there lose power.
    Hosts(Vec<PeerKey>),
    /// Nothing crosses the borders of these ASes. Inside of each all goes on.
    Ases(Vec<Asn>),
    /// Nothing crosses these links between two ASes.
    Links(Vec<(Asn, Asn)>),
    /// These peers and all others cannot reach each other.
    Split(Vec<PeerKey>),
}

/// Machines that were struck.
#[derive(Debug)]
pub(super) struct Struck {
    /// By outage: those that come back when it is over.
    hosts: Vec<Vec<PeerKey>>,
    /// By peer: when all data that was sent to it is there. Empty if no machine ever fails.
    coming: Vec<Timestamp>,
}

impl Struck {
    pub(super) fn new(outages: &[Outage], peers: usize) -> Struck {
        let any = outages.iter().any(|outage| matches!(outage.what, Failing::Hosts(_)));
        Struck {
            hosts: vec![Vec::new(); outages.len()],
            coming: vec![Timestamp::ZERO; if any { peers } else { 0 }],
        }
    }

    /// Data to a peer is through its downlink at this moment.
    pub(super) fn note_coming(&mut self, to: PeerKey, at: Timestamp) {
        if let Some(coming) = self.coming.get_mut(to.0 as usize) {
            *coming = at.max(*coming);
        }
    }
}

impl World {
    pub(super) fn schedule_outages(&mut self) {
        for (number, Outage { at, lasts, .. }) in (0_u32..).zip(self.net.outages.clone()) {
            let begins = Timestamp::ZERO + at;
            self.schedule(begins, PeerKey(0), Happening::Outage { number, ends: false });
            if let Some(lasts) = lasts {
                self.schedule(begins + lasts, PeerKey(0), Happening::Outage { number, ends: true });
            }
        }
    }

    /// An outage begins, or ends.
    pub(super) fn change_outage(&mut self, number: u32, ends: bool) {
        let Outage { what, lasts, .. } = self.net.outages[number as usize].clone();
        match (what, ends) {
            (Failing::Hosts(hosts), false) => {
                let there = hosts.into_iter().filter(|&host| self.peer(host).stage == Stage::There);
                let there: Vec<PeerKey> = there.collect();
                for &host in &there {
                    self.strike(host, lasts.is_some());
                }
                self.net.struck.hosts[number as usize] = there;
            }
            (Failing::Hosts(_), true) => {
                for host in std::mem::take(&mut self.net.struck.hosts[number as usize]) {
                    let at = self.calm_at(host);
                    self.schedule(at, PeerKey(0), Happening::Returns { host });
                }
            }
            (Failing::Split(side), false) => {
                let mut is_inside = vec![false; self.peers.len()];
                side.iter().for_each(|peer| is_inside[peer.0 as usize] = true);
                self.cut_off(number, is_inside);
            }
            (Failing::Ases(ases), false) => {
                self.cut_routes(number, Lost { ases: ases.into_iter().collect(), ..Lost::default() });
            }
            (Failing::Links(links), false) => {
                let links = links.into_iter().map(|(a, b)| (a.min(b), a.max(b))).collect();
                self.cut_routes(number, Lost { links, ..Lost::default() });
            }
            (_, true) => self.mend(number),
        }
    }

    /// A machine loses power. Whoever comes back is waited for.
    fn strike(&mut self, me: PeerKey, returns: bool) {
        let unfinished = self.unfinished;
        self.lose_held(me);
        let peer = self.peer(me);
        // Who would leave when it has everything has no reason to come back.
        let returns = returns && (peer.completed.is_none() || peer.role.leaves == Leaves::Never);
        self.kill(me.0);
        if returns {
            self.unfinished = unfinished;
            self.peer_mut(me).returns = true;
            self.peer_mut(me).resume_watching();
        }
    }

    /// When nothing that was sent to a machine that lost power is under way any more.
    fn calm_at(&self, me: PeerKey) -> Timestamp {
        let farthest = self.keys().filter(|&other| other != me).map(|other| self.latency(me, other)).max();
        let ways = farthest.unwrap_or_default() * WAYS;
        let coming = self.net.struck.coming.get(me.0 as usize).copied().unwrap_or(Timestamp::ZERO);
        self.now.max(coming.max(self.peer(me).struck_at) + AWAY_MIN + ways)
    }

    /// A machine is back, and its program starts anew.
    pub(super) fn come_back(&mut self, me: PeerKey) {
        if !std::mem::take(&mut self.peer_mut(me).returns) {
            return;
        }
        self.lose_held(me);
        let engine = self.new_engine(me);
        let peer = self.peer_mut(me);
        let joined = peer.joined;
        peer.begin_life(engine);
        self.join(me);
        self.peer_mut(me).joined = joined;
    }

    fn new_engine(&self, me: PeerKey) -> Engine {
        let (config, peer) = (&self.config, self.peer(me));
        let own = match &config.origin_config {
            Some(own) if peer.role.origin => own.clone(),
            None if peer.role.origin => Config { is_origin: true, ..config.config.clone() },
            _ => config.config.clone(),
        };
        let life = u64::from(peer.lives) << 56;
        let seed = config.seed ^ ((u64::from(me.0) + 1) << 32) ^ life;
        Engine::new(schemers::policy(peer.role.plays, &Arc::new(own)), seed)
    }
}

impl Peer {
    /// It begins anew, with what it holds.
    fn begin_life(&mut self, engine: Engine) {
        self.engine = engine;
        self.stage = Stage::Before;
        self.lives += 1;
        self.wake_at = None;
        self.open = 0;
        self.pulls = false;
        self.reasons.clear();
        self.banned.clear();
        self.bargains = None;
        self.uplink.clear();
        self.forget_asked();
    }
}
