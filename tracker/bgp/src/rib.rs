//! The mutable routing table: which routers report which prefix now, and by which paths. An atlas
//! is made of it from time to time ([`Rib::freeze`]).
//!
//! Invariant: a route counts as held until it is out of the table, even if its source is already
//! forgotten. Forgetting only marks; the next [`Rib::sweep`] removes. So a router that comes and
//! goes neither costs a walk through the table each time, nor more memory than its share.

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

/// A feed from its beginning to its end: one connection of a router, or one stream. An id is never
/// reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u32);

/// A group of routes that come and go together: a peer of a router, in one view and one address
/// family. Each session numbers its own sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// The session that reports the source.
    pub session: SessionId,
    /// The number of the source within the session.
    pub number: u32,
}

/// The limits of the table. Routes beyond a limit are refused and counted, and nothing else
/// suffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RibLimits {
    /// Routes of all sessions. A route takes about 70 bytes, with its share of paths and links, if
    /// it is the only one of its prefix, and 12 bytes beside others.
    pub routes_max: usize,
    /// Routes of one session. The Internet has 1.0 M IPv4 and 0.2 M IPv6 prefixes, and a router
    /// reports each once for each of its peers.
    pub routes_per_session_max: usize,
    /// Sources of all sessions. Each peer, view and family is a source.
    pub sources_max: usize,
    /// Words of different paths that one session was the first to bring, 4 bytes each. A full table
    /// has 0.2 M different paths of five ASes.
    pub path_words_per_session_max: usize,
    /// Links between ASes that one session was the first to bring. The whole Internet has 0.7 M.
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

/// The outcome of an announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// The source has not reported this prefix before.
    New,
    /// The source has reported it by another path.
    Changed,
    /// The source has reported it by the same path. Nothing changes.
    Same,
    /// There is no room. The source's earlier route for the prefix, if any, is gone, as it is no
    /// longer true.
    Refused(Full),
}

/// The limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Routes of all sessions.
    Table,
    /// What one session may bring: routes, or different paths.
    Session,
    /// Sources of all sessions.
    Sources,
}

/// The size of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RibCounts {
    /// Routes that count.
    pub routes: usize,
    /// Routes of forgotten sources, not yet swept out.
    pub forgotten: usize,
    /// IPv4 prefixes with at least one route.
    pub prefixes_v4: usize,
    /// IPv6 prefixes with at least one route.
    pub prefixes_v6: usize,
    /// Different paths.
    pub paths: usize,
    /// Links between ASes on these paths.
    pub links: usize,
    /// Sources.
    pub sources: usize,
    /// Announcements without room, since the start.
    pub refused: u64,
    /// Paths whose links were not counted for lack of room, since the start.
    pub links_refused: u64,
}

/// The routing table.
#[derive(Debug)]
pub struct Rib {
    limits: RibLimits,
    v4: PrefixMap<Ipv4Network, Routes>,
    v6: PrefixMap<Ipv6Network, Routes>,
    interned: Interned,
    sources: Sources,
    /// Routes in the maps, including forgotten ones.
    held: usize,
    /// Routes in the maps whose source is forgotten.
    forgotten: usize,
    refused: u64,
}

/// A sweep is worthwhile only if the forgotten routes, or sources, make up at least one part in
/// this many of their limit.
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

    /// Notes that `source` reaches `network` by `path`, which replaces its earlier route. `path_id`
    /// distinguishes several paths of one source (RFC 7911); 0 if there is only one.
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

    /// Counts a route at a new place, and checks that there is room for it.
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

    /// The slot of the source, and the number of the path, which now has one more use.
    fn place(&mut self, source: Source, path: &Path) -> Result<(Slot, u32), Full> {
        let slot = self.sources.slot(source, self.limits.sources_max).ok_or(Full::Sources)?;
        let number = self.interned.intern(path, source.session).ok_or(Full::Session)?;
        Ok((slot, number))
    }

    /// Notes that `source` no longer reaches `network`. Returns whether it did before.
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

    /// Forgets all routes of `source`. Returns their number.
    pub fn forget(&mut self, source: Source) -> usize {
        let routes = self.sources.forget(source);
        self.forgotten = self.forgotten.saturating_add(routes);
        routes
    }

    /// Forgets all routes of this session. Returns their number.
    pub fn forget_session(&mut self, session: SessionId) -> usize {
        let routes = self.sources.forget_session(session);
        self.forgotten = self.forgotten.saturating_add(routes);
        routes
    }

    /// Notes that the session is over. Its routes are held for a while, and count only for prefixes
    /// that no live session reports.
    pub fn age(&mut self, session: SessionId) {
        self.sources.age(session);
    }

    /// Notes that the session goes on after all.
    pub fn revive(&mut self, session: SessionId) {
        self.sources.revive(session);
    }

    /// The number of routes of this session.
    pub fn routes_of(&self, session: SessionId) -> usize {
        self.sources.routes_of(session)
    }

    /// Whether the table is full of routes that count, so that a new one needs an old one to go.
    pub fn is_full(&self) -> bool {
        self.held.saturating_sub(self.forgotten) >= self.limits.routes_max
    }

    /// Sweeps if room is needed and sweeping gives enough of it.
    fn make_room(&mut self) {
        let full = self.held >= self.limits.routes_max || self.sources.len() >= self.limits.sources_max;
        let routes_worth = self.forgotten >= self.limits.routes_max.div_ceil(WORTH_SWEEPING);
        let sources_worth = self.sources.forgotten() >= self.limits.sources_max.div_ceil(WORTH_SWEEPING);
        if full && (routes_worth || sources_worth) {
            self.sweep();
        }
    }

    /// Removes forgotten routes, in one walk through the table.
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

    /// The ASes that originate exactly this prefix: the one with most sources first, and among
    /// equals the lower number. Ended sessions count only if no live session reports the prefix.
    /// Empty: nobody reports it.
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

    /// Sweeps, then gives the builder every prefix with its origins, and every link. Leaves out
    /// addresses that belong to nobody: such a route is a leak, or belongs to a private network.
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

    /// The links on the paths of routes, each once with its number of different paths; the lower AS
    /// first.
    pub fn links(&self) -> BTreeMap<(Asn, Asn), u32> {
        self.interned.counted_links().collect()
    }

    /// The size of the table.
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

    /// The memory in use, about, in bytes: the maps by their own account, and what they point to.
    pub fn resident_bytes(&self) -> usize {
        let behind = |routes: &Routes| routes.behind_bytes();
        let routes = self.v4.values().chain(self.v6.values()).map(behind).sum();
        [self.v4.mem_size(), self.v6.mem_size(), routes, self.interned.resident_bytes()].into_iter().sum()
    }
}

/// Puts the route in place of the same source's earlier route, and returns that.
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

/// Votes for the origins of one prefix. Reused, as there are a million prefixes.
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
