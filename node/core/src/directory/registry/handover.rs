//! Entries that go from one directory to another, as when a supernode splits.
//!
//! What comes so is hearsay: only the giver saw these addresses. So it lives for a minute, displaces nothing that this
//! directory knows by itself, and counts against the giver. Whoever gives addresses of a victim has it told of for a
//! minute, and by a bounded number of entries.

use std::{collections::BTreeMap, time::Duration};

use super::{Announced, Locator, PeerName, Registry, Saved, entry::Entry, networks::Spot, seconds};
use crate::{place::asn::Asn, time::Timestamp};

/// Hearsay lives so long at most.
pub const HEARSAY_LIFE_MAX: Duration = Duration::from_secs(60);
/// Givers whose hearsay is counted at a time. More have to wait.
const GIVERS_MAX: usize = 64;

/// What each giver gave within the life of hearsay: since which second, and how many entries.
#[derive(Debug, Default)]
pub(super) struct Givers(BTreeMap<PeerName, (u32, usize)>);

impl Givers {
    /// How many entries this giver may still give.
    fn left(&mut self, now: u32, giver: PeerName, most: usize) -> usize {
        let life = u32::try_from(HEARSAY_LIFE_MAX.as_secs()).unwrap_or(u32::MAX);
        self.0.retain(|_, (since, _)| now.saturating_sub(*since) < life);
        match self.0.get(&giver) {
            Some(&(_, given)) => most.saturating_sub(given),
            None if self.0.len() < GIVERS_MAX => most,
            None => 0,
        }
    }

    fn count(&mut self, now: u32, giver: PeerName, entries: usize) {
        let (_, given) = self.0.entry(giver).or_insert((now, 0));
        *given = given.saturating_add(entries);
    }
}

impl Registry {
    /// Takes the entries of whole ASes out: of peers that `goes` names, at most `most` entries. An AS with more entries
    /// than are left is passed over. Of addresses without an AS, the AS is 0.
    pub fn carve(
        &mut self,
        now: Timestamp,
        ases: &[Asn],
        most: usize,
        goes: &dyn Fn(&PeerName) -> bool,
        locator: &dyn Locator,
    ) -> Vec<Saved> {
        self.see(locator);
        let mut carved = Vec::new();
        for &asn in ases {
            let found = self.of_as(now, asn, goes, locator);
            if carved.len().saturating_add(found.len()) > most {
                continue;
            }
            for (number, saved) in found {
                self.forget_in(number, &saved.said.name, locator);
                self.drop_if_empty(number);
                carved.push(saved);
            }
        }
        carved
    }

    /// The entries of an AS, each with the number of its content.
    fn of_as(
        &mut self,
        now: Timestamp,
        asn: Asn,
        goes: &dyn Fn(&PeerName) -> bool,
        locator: &dyn Locator,
    ) -> Vec<(u32, Saved)> {
        let (mut found, mut from) = (Vec::new(), 0);
        let second = seconds(now);
        while let Some(number) = self.contents.next_from(from) {
            from = (number as usize).saturating_add(1);
            self.place(number, locator);
            let swarm = self.contents.get(number);
            let alive = swarm.entries()[swarm.group(asn.0)].iter().filter(|entry| entry.expires() > second);
            let all = alive.map(|entry| (number, self.saved(second, number, entry)));
            found.extend(all.filter(|(_, saved)| goes(&saved.said.name)));
        }
        found
    }

    /// Takes entries in that another directory had. How many: those that displace nobody, and for which the giver has
    /// room.
    pub fn adopt(
        &mut self,
        now: Timestamp,
        giver: PeerName,
        saved: &[Saved],
        locator: &dyn Locator,
    ) -> usize {
        let second = seconds(now);
        let left = self.givers.left(second, giver, self.config.hearsay_per_giver_max);
        let mut adopted = 0_usize;
        for saved in saved {
            if adopted >= left {
                break;
            }
            if !self.has_place(second, saved, locator) {
                continue;
            }
            let life = saved.left.min(HEARSAY_LIFE_MAX);
            if self.enter(now, &saved.said, life, locator) == Announced::Stored {
                adopted = adopted.saturating_add(1);
            }
        }
        if adopted > 0 {
            self.givers.count(second, giver, adopted);
        }
        adopted
    }

    /// Whether an entry finds a free place: nobody has to give way, and the peer has not spoken for itself.
    fn has_place(&mut self, now: u32, saved: &Saved, locator: &dyn Locator) -> bool {
        let Some(endpoint) = saved.said.endpoint.vetted() else { return false };
        if self.entries >= self.config.entries_max {
            return false;
        }
        let Some(number) = self.contents.find(&saved.said.content) else {
            return self.contents.len() < self.config.contents_max;
        };
        self.freshen(number, now, locator);
        if self.contents.get(number).len() >= self.config.peers_max {
            return false;
        }
        let hosts = self.hosts.of(&saved.said.name);
        let known = hosts.into_iter().flatten().any(|host| {
            let ip = self.hosts.get(host).ip();
            let entry = Entry::new(locator.asn(ip), ip, host, false, 0);
            self.contents.get(number).position(&entry).is_ok()
        });
        let asn = locator.asn(endpoint.ip).map_or(super::entry::NO_AS, |asn| asn.0);
        let network = self.contents.get(number).block(asn, Spot::of(endpoint.ip).near());
        !known && network.len() < self.config.peers_per_prefix_max
    }
}
