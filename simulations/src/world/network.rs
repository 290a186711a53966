//! What lies between access links: how transfers share them, and links of ASes that carry only so
//! much.
//!
//! By default uplinks and downlinks are queues (`uplink`, `downlink`), and so is each way of a limited
//! link between ASes: a sender does not slow down for a link that is full. Where rates are max-min
//! fair, the uplink only decides whose run is sent; [`Shares`] says how fast.

use std::{sync::Arc, time::Duration};

use nearcast_core::{id::PeerKey, time::Timestamp};

use super::{
    Happening, World,
    cuts::Cuts,
    downlink::Downlink,
    outages::{Outage, Struck},
    place::Places,
    role::Role,
    uplink::Upload,
};
use crate::{
    filling::Shares,
    topology::{AsLinks, Limit},
};

/// How transfers share links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// Links are queues. An uplink is shared equally among those that it sends to.
    #[default]
    Queues,
    /// Rates are max-min fair over all links, solved anew at most every so often.
    MaxMin(Duration),
}

/// The network between access links.
#[derive(Clone, Debug, Default)]
pub struct NetworkConfig {
    /// How transfers share links.
    pub sharing: Sharing,
    /// What links between ASes carry. Only where peers have homes on an Internet.
    pub limits: Vec<Limit>,
    /// What fails, and when it works again.
    pub outages: Vec<Outage>,
}

/// What a link between two ASes carried one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkUse {
    /// The AS that sends.
    pub from: u32,
    /// The AS that receives.
    pub to: u32,
    /// What the link carries, in bytes a second.
    pub rate: u64,
    /// What it carried, in bytes.
    pub bytes: u64,
}

/// The state of the network.
pub(super) struct Net {
    links: Option<AsLinks>,
    /// Each way of each limited link as a queue, and what was put into it. Where rates are max-min
    /// fair only the bytes are used.
    queues: Vec<(Downlink, u64)>,
    shares: Option<Shares>,
    /// When the shares are looked at next, and how often that was planned anew.
    planned: (Timestamp, u32),
    pub(super) outages: Vec<Outage>,
    pub(super) cuts: Cuts,
    pub(super) struck: Struck,
}

impl Net {
    pub(super) fn new(config: NetworkConfig, places: &Places, roles: &[Role]) -> Net {
        let links = match places {
            Places::Internet(homes, _) if !config.limits.is_empty() => {
                Some(AsLinks::new(homes.population.atlas().clone(), &config.limits))
            }
            _ => None,
        };
        let rates: Vec<u64> = links.as_ref().map_or(Vec::new(), |links| links.rates().to_vec());
        let shares = match config.sharing {
            Sharing::Queues => None,
            Sharing::MaxMin(pause) => {
                let up = roles.iter().map(|role| Some(role.up));
                let down = roles.iter().map(|role| role.down);
                Some(Shares::new(up.chain(down).chain(rates.iter().map(|&rate| Some(rate))), pause))
            }
        };
        Net {
            links,
            queues: rates.into_iter().map(|rate| (Downlink::new(Some(rate)), 0)).collect(),
            shares,
            planned: (Timestamp::ZERO, 0),
            struck: Struck::new(&config.outages, roles.len()),
            outages: config.outages,
            cuts: Cuts::default(),
        }
    }

    /// Whether rates are max-min fair.
    pub(super) fn is_fluid(&self) -> bool {
        self.shares.is_some()
    }
}

impl World {
    /// Whether this happened to the network, whatever becomes of peers.
    pub(super) fn happen_to_network(&mut self, me: PeerKey, what: &Happening) -> bool {
        let is_network =
            matches!(what, Happening::Flows { .. } | Happening::Outage { .. } | Happening::Returns { .. });
        if is_network {
            self.trace.note(self.now.as_nanos(), me, what);
        }
        match *what {
            Happening::Flows { plan } => self.look_at_flows(plan),
            Happening::Outage { number, ends } => self.change_outage(number, ends),
            Happening::Returns { host } => self.come_back(host),
            _ => {}
        }
        is_network
    }

    /// The limited links between the ASes of two peers.
    fn as_links(&mut self, from: PeerKey, to: PeerKey) -> Arc<[usize]> {
        let ends = (self.places.asn(from), self.places.asn(to));
        match (&mut self.net.links, ends) {
            (Some(links), (Some(from), Some(to))) => links.on_route(from, to),
            _ => Arc::new([]),
        }
    }

    /// Puts a run onto the links behind the uplink, which sent its first byte at `begun` and its last
    /// one now. Returns how long after now it is through.
    pub(super) fn pass_links(
        &mut self,
        from: PeerKey,
        to: PeerKey,
        begun: Timestamp,
        bytes: u32,
    ) -> Duration {
        let now = self.now;
        let mut out = now;
        if self.net.links.is_some() {
            for &link in self.as_links(from, to).iter() {
                let (queue, carried) = &mut self.net.queues[link];
                *carried += u64::from(bytes);
                if self.net.shares.is_none() {
                    out = queue.pass(begun, out, bytes);
                }
            }
        }
        if self.net.shares.is_none() {
            out = self.peer_mut(to).downlink.pass(begun, out, bytes);
        }
        self.net.struck.note_coming(to, out);
        out.since(now)
    }

    /// A run begins to be sent. Only where rates are max-min fair.
    pub(super) fn begin_flow(&mut self, from: PeerKey, to: PeerKey) {
        if !self.net.is_fluid() {
            return;
        }
        let Some(Upload { bytes, .. }) = self.peer(from).uplink.sends(to) else { return };
        let path = self.path(from, to);
        if let Some(shares) = &mut self.net.shares {
            shares.start(self.now, (from.0, to.0), bytes, &path);
        }
        self.plan_flows();
    }

    /// All links between two peers, as [`Net::new`] numbers them.
    fn path(&mut self, from: PeerKey, to: PeerKey) -> Box<[usize]> {
        let peers = self.peers.len();
        let between = self.as_links(from, to);
        let access = [from.0 as usize, peers + to.0 as usize];
        access.into_iter().chain(between.iter().map(|link| 2 * peers + link)).collect()
    }

    /// Nothing more is sent from one peer to another.
    pub(super) fn stop_flow(&mut self, from: PeerKey, to: PeerKey) {
        if let Some(shares) = &mut self.net.shares {
            shares.stop(self.now, (from.0, to.0));
            self.plan_flows();
        }
    }

    /// A peer has gone, and sends nothing more.
    pub(super) fn stop_flows(&mut self, from: PeerKey) {
        if let Some(shares) = &mut self.net.shares {
            shares.stop_from(self.now, from.0);
            self.plan_flows();
        }
    }

    fn plan_flows(&mut self) {
        let Some(at) = self.net.shares.as_mut().and_then(Shares::next_at) else { return };
        let (planned, number) = self.net.planned;
        if planned != at || number == 0 {
            let plan = number.wrapping_add(1).max(1);
            self.net.planned = (at, plan);
            self.schedule(at, PeerKey(0), Happening::Flows { plan });
        }
    }

    /// Runs may have been sent, and rates may have to be solved, unless that was planned anew since.
    pub(super) fn look_at_flows(&mut self, plan: u32) {
        if self.net.planned.1 != plan {
            return;
        }
        self.net.planned.0 = Timestamp::NEVER;
        let now = self.now;
        let done = self.net.shares.as_mut().map_or(Vec::new(), |shares| shares.take_done(now));
        for (from, to) in done {
            let (from, to) = (PeerKey(from), PeerKey(to));
            if let Some(out) = self.peer_mut(from).uplink.finish(now, to) {
                self.note_sent(from, out);
            }
            self.plan_sending(from);
        }
        if let Some(shares) = &mut self.net.shares {
            shares.settle(now);
        }
        self.plan_flows();
    }

    /// Traffic takes other routes from now on.
    pub(super) fn reroute(&mut self, atlas: &Arc<nearcast_core::atlas::Atlas>) {
        let Some(links) = &mut self.net.links else { return };
        links.reroute(atlas.clone());
        let Some(mut shares) = self.net.shares.take() else { return };
        shares.reroute(self.now, |(from, to)| self.path(PeerKey(from), PeerKey(to)));
        self.net.shares = Some(shares);
        self.plan_flows();
    }

    /// What links of ASes that carry only so much have carried, those first that were used most.
    pub fn as_link_use(&self) -> Vec<LinkUse> {
        let Some(links) = &self.net.links else { return Vec::new() };
        let of = |((&(_, bytes), &rate), (from, to)): ((&(Downlink, u64), &u64), _)| {
            let (from, to): (nearcast_core::asn::Asn, nearcast_core::asn::Asn) = (from, to);
            LinkUse { from: from.0, to: to.0, rate, bytes }
        };
        let mut all: Vec<LinkUse> =
            self.net.queues.iter().zip(links.rates()).zip(links.ends()).map(of).collect();
        all.retain(|link| link.bytes > 0);
        // Bytes over rate, compared crosswise.
        all.sort_by_key(|link| (link.from, link.to));
        all.sort_by(|a, b| {
            let worth = |one: &LinkUse, other: &LinkUse| u128::from(one.bytes) * u128::from(other.rate);
            worth(b, a).cmp(&worth(a, b))
        });
        all
    }

    /// Whether no link between ASes carried more than it could: a queue may still hold what was put
    /// into it.
    pub(super) fn are_links_within_rate(&self) -> bool {
        let rates = self.net.links.as_ref().map_or(&[][..], AsLinks::rates);
        let fits = |(queue, carried): &(Downlink, u64), rate: u64| {
            let time = queue.free_at().max(self.now).since(Timestamp::ZERO).as_nanos();
            u128::from(*carried) * 1_000_000_000 <= u128::from(rate) * time + 1_000_000_000
        };
        let queues_fit =
            self.net.is_fluid() || self.net.queues.iter().zip(rates).all(|(queue, &rate)| fits(queue, rate));
        queues_fit && self.net.shares.as_ref().is_none_or(Shares::is_within_capacity)
    }
}
