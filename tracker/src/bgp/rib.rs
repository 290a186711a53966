//! The mutable table: which routers tell of which prefix at this moment, and by which paths. An atlas is made of it from
//! time to time ([`Rib::freeze`]).
//!
//! Invariant: what a router told is counted as held until it is gone from the table, even when the router itself is
//! forgotten already; forgetting is marking, and the next [`Rib::sweep`] removes. So a router that comes and goes costs
//! no walk through the table each time, and no more memory than its share.

mod interned;
mod routes;
mod sources;

use std::collections::BTreeMap;

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use nearcast_core::{
    asn::{Asn, Relation},
    atlas::{AtlasBuilder, is_reserved},
};
use prefix_trie::{Prefix, PrefixMap};

use self::{
    interned::Interned,
    routes::{Held, Routes},
    sources::{Slot, Sources},
};
use super::paths::Path;

/// A feed from its beginning to its end: one connection of a router, or one stream. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u32);

/// Somebody whose routes come and go together: a peer of a router, in one view, in one address family. The number is the
/// session's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// Who told us of it.
    pub session: SessionId,
    /// Which of those the session tells of.
    pub number: u32,
}

/// How much is held at most. What is beyond is refused and counted, and nothing else suffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RibLimits {
    /// Routes of all sessions. One takes about 70 bytes with its share of paths and links when each
    /// prefix has but one, and 12 beside others.
    pub routes_max: usize,
    /// Routes of one session. The Internet has 1.0 M IPv4 and 0.2 M IPv6 prefixes, which a router tells once for each of
    /// its peers.
    pub routes_per_session_max: usize,
    /// Peers, views and families of all sessions, each of which is a source.
    pub sources_max: usize,
    /// Numbers on different paths that one session brought first, 4 bytes each. A full table has 0.2 M different paths
    /// of five ASes.
    pub path_words_per_session_max: usize,
    /// Links between ASes that one session brought first. The whole Internet shows 0.7 M.
    pub links_per_session_max: usize,
}

impl Default for RibLimits {
    fn default() -> RibLimits {
        RibLimits {
            routes_max: 6_000_000,
            routes_per_session_max: 2_000_000,
            sources_max: 65_536,
            path_words_per_session_max: 16_000_000,
            links_per_session_max: 1_000_000,
        }
    }
}

/// What became of a route that was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// This source did not tell of this prefix before.
    New,
    /// It did, by another path.
    Changed,
    /// It did, by the same path. Nothing is to be done.
    Same,
    /// There is no room. What the source told of the prefix before, if anything, is gone: it is not true any more.
    Refused(Full),
}

/// Which bound was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Routes of all sessions.
    Table,
    /// What one session may bring: routes, or different paths.
    Session,
    /// Sources of all sessions.
    Sources,
}

/// How much is in the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RibCounts {
    /// Routes that count.
    pub routes: usize,
    /// Routes of sources that were forgotten, not yet swept out.
    pub forgotten: usize,
    /// Prefixes with at least one route.
    pub prefixes_v4: usize,
    /// As before.
    pub prefixes_v6: usize,
    /// Different paths.
    pub paths: usize,
    /// Links between ASes on these paths.
    pub links: usize,
    /// Who tells routes.
    pub sources: usize,
    /// Announcements for which there was no room, ever.
    pub refused: u64,
    /// Paths whose links were not counted for lack of room, ever.
    pub links_refused: u64,
}

/// The table.
#[derive(Debug)]
pub struct Rib {
    limits: RibLimits,
    v4: PrefixMap<Ipv4Network, Routes>,
    v6: PrefixMap<Ipv6Network, Routes>,
    interned: Interned,
    sources: Sources,
    /// Routes in the maps, forgotten ones included.
    held: usize,
    /// Of these, how many are of forgotten sources.
    forgotten: usize,
    refused: u64,
}

/// A walk through the table for fewer forgotten routes than this share of the bound is not worth its time.
const WORTH_SWEEPING: usize = 16;

impl Rib {
    /// An empty table.
    pub fn new(limits: RibLimits) -> Rib {
        Rib {
            interned: Interned::new(limits.path_words_per_session_max, limits.links_per_session_max),
            sources: Sources::default(),
            v4: PrefixMap::new(),
            v6: PrefixMap::new(),
            held: 0,
            forgotten: 0,
            refused: 0,
            limits,
        }
    }

    /// `source` reaches `network` by `path`, in place of what it told before. `path_id` tells several paths of one source
    /// apart (RFC 7911); 0 where there is but one.
    pub fn announce(&mut self, source: Source, network: IpNetwork, path_id: u32, path: &Path) -> Announced {
        self.make_room();
        let outcome = match self.place(source, path) {
            Ok((slot, number)) => {
                let route = Held { slot, path: number, path_id };
                match network {
                    IpNetwork::V4(network) => put(&mut self.v4, &network, route),
                    IpNetwork::V6(network) => put(&mut self.v6, &network, route),
                }
            }
            Err(full) => {
                self.withdraw(source, network, path_id);
                self.refused = self.refused.saturating_add(1);
                return Announced::Refused(full);
            }
        };
        let Some(before) = outcome else { return self.count_new(source, network, path_id) };
        let same = before.path == self.interned.last();
        self.interned.release(before.path);
        if same { Announced::Same } else { Announced::Changed }
    }

    /// A route was put where none was: is there room for it?
    fn count_new(&mut self, source: Source, network: IpNetwork, path_id: u32) -> Announced {
        self.held = self.held.saturating_add(1);
        let of_session = self.sources.count(source, 1);
        let full = if self.held > self.limits.routes_max {
            Full::Table
        } else if of_session > self.limits.routes_per_session_max {
            Full::Session
        } else {
            return Announced::New;
        };
        self.withdraw(source, network, path_id);
        self.refused = self.refused.saturating_add(1);
        Announced::Refused(full)
    }

    /// The source's slot, and the number of the path, which is in use from now on.
    fn place(&mut self, source: Source, path: &Path) -> Result<(Slot, u32), Full> {
        let slot = self.sources.slot(source, self.limits.sources_max).ok_or(Full::Sources)?;
        let number = self.interned.intern(path, source.session).ok_or(Full::Session)?;
        Ok((slot, number))
    }

    /// `source` does not reach `network` any more. Whether it did before.
    pub fn withdraw(&mut self, source: Source, network: IpNetwork, path_id: u32) -> bool {
        let Some(slot) = self.sources.find(source) else { return false };
        let gone = match network {
            IpNetwork::V4(network) => take(&mut self.v4, &network, slot, path_id),
            IpNetwork::V6(network) => take(&mut self.v6, &network, slot, path_id),
        };
        let Some(gone) = gone else { return false };
        self.interned.release(gone.path);
        self.held = self.held.saturating_sub(1);
        self.sources.count(source, -1);
        true
    }

    /// Nothing that `source` told counts any more. How many routes that were.
    pub fn forget(&mut self, source: Source) -> usize {
        let routes = self.sources.forget(source);
        self.forgotten = self.forgotten.saturating_add(routes);
        routes
    }

    /// Nothing that was told in this session counts any more. How many routes that were.
    pub fn forget_session(&mut self, session: SessionId) -> usize {
        let routes = self.sources.forget_session(session);
        self.forgotten = self.forgotten.saturating_add(routes);
        routes
    }

    /// The session is over, and its routes are held for a while. They count only for prefixes that no session tells of
    /// which goes on.
    pub fn age(&mut self, session: SessionId) {
        self.sources.age(session);
    }

    /// The session goes on after all.
    pub fn revive(&mut self, session: SessionId) {
        self.sources.revive(session);
    }

    /// Routes of this session.
    pub fn routes_of(&self, session: SessionId) -> usize {
        self.sources.routes_of(session)
    }

    /// Whether the table is full of what counts, so that somebody has to go for anybody to come.
    pub fn is_full(&self) -> bool {
        self.held.saturating_sub(self.forgotten) >= self.limits.routes_max
    }

    /// Sweeps when that gives room that is needed.
    fn make_room(&mut self) {
        let full = self.held >= self.limits.routes_max || self.sources.len() >= self.limits.sources_max;
        let routes_worth = self.forgotten >= self.limits.routes_max.div_ceil(WORTH_SWEEPING);
        let sources_worth = self.sources.forgotten() >= self.limits.sources_max.div_ceil(WORTH_SWEEPING);
        if full && (routes_worth || sources_worth) {
            self.sweep();
        }
    }

    /// Removes what was forgotten: one walk through the table.
    pub fn sweep(&mut self) {
        if self.forgotten > 0 {
            for gone in [
                sweep(&mut self.v4, &self.sources, &mut self.interned),
                sweep(&mut self.v6, &self.sources, &mut self.interned),
            ] {
                self.held = self.held.saturating_sub(gone);
            }
            self.forgotten = 0;
        }
        self.sources.free_forgotten();
    }

    /// The ASes that originate exactly this prefix: those told by most sources first, lower numbers first among equals. Of
    /// sessions that are over only if no other tells of it. Empty if nobody does.
    pub fn origins(&self, network: IpNetwork) -> Vec<Asn> {
        let routes = match network {
            IpNetwork::V4(network) => self.v4.get(&network),
            IpNetwork::V6(network) => self.v6.get(&network),
        };
        let mut votes = Votes::default();
        if let Some(routes) = routes {
            votes.count(routes, &self.sources, &self.interned);
        }
        votes.order().to_vec()
    }

    /// Sweeps, and gives the builder every prefix with its origins, and every link. Addresses that belong to nobody are left out:
    /// a route to them is a leak, or of an inside that nobody else is in.
    pub fn freeze(&mut self, builder: &mut AtlasBuilder) {
        self.sweep();
        let mut votes = Votes::default();
        for (network, routes) in &self.v4 {
            if is_reserved(network.into()) {
                continue;
            }
            votes.count(routes, &self.sources, &self.interned);
            builder.prefix(network.into(), votes.order());
        }
        for (network, routes) in &self.v6 {
            if is_reserved(network.into()) {
                continue;
            }
            votes.count(routes, &self.sources, &self.interned);
            builder.prefix(network.into(), votes.order());
        }
        self.interned.links().for_each(|(ours, theirs)| builder.link(ours, theirs, Relation::Unknown));
    }

    /// Links on the paths of routes, each once, and on how many different paths it is; the lower AS first.
    pub fn links(&self) -> BTreeMap<(Asn, Asn), u32> {
        self.interned.counted_links().collect()
    }

    /// How much there is.
    pub fn counts(&self) -> RibCounts {
        RibCounts {
            routes: self.held.saturating_sub(self.forgotten),
            forgotten: self.forgotten,
            prefixes_v4: self.v4.len(),
            prefixes_v6: self.v6.len(),
            paths: self.interned.paths(),
            links: self.interned.links().count(),
            sources: self.sources.len().saturating_sub(self.sources.forgotten()),
            refused: self.refused,
            links_refused: self.interned.links_refused(),
        }
    }

    /// Bytes of memory, about: what the maps say of themselves, and what lies behind them.
    pub fn resident_bytes(&self) -> usize {
        let behind = |routes: &Routes| routes.behind_bytes();
        let routes = self.v4.values().chain(self.v6.values()).map(behind).sum();
        [self.v4.mem_size(), self.v6.mem_size(), routes, self.interned.resident_bytes()].into_iter().sum()
    }
}

/// Puts the route in the place of the same source's, which is returned.
fn put<P: Prefix>(map: &mut PrefixMap<P, Routes>, network: &P, route: Held) -> Option<Held> {
    if let Some(routes) = map.get_mut(network) {
        return routes.put(route);
    }
    map.insert(P::from_repr_len(network.mask(), network.prefix_len()), Routes::One(route));
    None
}

fn take<P: Prefix>(map: &mut PrefixMap<P, Routes>, network: &P, slot: Slot, path_id: u32) -> Option<Held> {
    let gone = map.get_mut(network)?.take(slot, path_id)?;
    if map.get(network).is_some_and(Routes::is_empty) {
        map.remove(network);
    }
    Some(gone)
}

fn sweep<P: Prefix>(map: &mut PrefixMap<P, Routes>, sources: &Sources, interned: &mut Interned) -> usize {
    let mut gone = 0_usize;
    for (_, routes) in map.iter_mut() {
        routes.keep(|route| {
            let stays = !sources.is_forgotten(route.slot);
            if !stays {
                interned.release(route.path);
                gone = gone.saturating_add(1);
            }
            stays
        });
    }
    map.retain(|_, routes| !routes.is_empty());
    gone
}

/// Votes for the origins of one prefix. Used again and again, as there are a million prefixes.
#[derive(Debug, Default)]
struct Votes {
    tally: Vec<(Asn, u32)>,
    ordered: Vec<Asn>,
}

impl Votes {
    fn count(&mut self, routes: &Routes, sources: &Sources, interned: &Interned) {
        self.tally.clear();
        let lives = routes.iter().any(|route| sources.is_live(route.slot));
        for route in routes.iter() {
            if sources.is_forgotten(route.slot) || lives && !sources.is_live(route.slot) {
                continue;
            }
            for origin in interned.origins(route.path) {
                match self.tally.iter_mut().find(|(asn, _)| *asn == origin) {
                    Some((_, votes)) => *votes = votes.saturating_add(1),
                    None => self.tally.push((origin, 1)),
                }
            }
        }
    }

    fn order(&mut self) -> &[Asn] {
        self.tally.sort_unstable_by_key(|&(asn, votes)| (std::cmp::Reverse(votes), asn));
        self.ordered.clear();
        self.ordered.extend(self.tally.iter().map(|&(asn, _)| asn));
        &self.ordered
    }
}

#[cfg(test)]
mod tests;
