//! Whom a directory asks that knows too few members itself, and what it remembers of the answers.
//!
//! Peers never walk from directory to directory: their directory does it for them. It finds others
//! in the hash table, asks at most three of them, and tells the asker of the members that these
//! name, the nearest first. What others say is hearsay: it is kept apart from what peers announced
//! themselves, for a short time, and a single directory has a bounded share of it.
//!
//! Invariants: contents remembered, directories asked, members kept of each and walks begun are
//! bounded; a content is walked for once at a time; an address nobody may be told of is dropped.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use crate::{
    directory::registry::{Locator, Member, Pace, PeerName, Throttle},
    id::ContentId,
    overlay::keys::Key,
    place::{prefix::Network, scope::Scope, tier::Tier},
    random::Random,
    rates::bucket::Bucket,
    saturate::to_u32,
    time::Timestamp,
};

/// Directories asked about one content at most.
pub const DIRECTORIES_ASKED_MAX: usize = 3;
/// Members of one answer that are kept.
pub const MEMBERS_PER_DIRECTORY_MAX: usize = 30;
/// How long it counts which directories know a content.
pub const FOUND_LIFE: Duration = Duration::from_secs(600);
/// How long members count that another directory named. After that it is asked again.
pub const MEMBERS_LIFE: Duration = Duration::from_secs(60);
/// How long it counts that nobody knows a content, or that nobody answered.
pub const NOBODY_LIFE: Duration = Duration::from_secs(20);
/// How long a walk may take. An asker waits no longer.
pub const WALK_MAX: Duration = Duration::from_millis(2_500);
/// Contents remembered at most.
const CONTENTS_MAX: usize = 4_096;
/// Walks that one /24 (IPv6: /48) may cause: a question may cost others dozens of requests.
const PACE_PER_NETWORK: Pace = Pace { per_second: 0.5, burst: 20.0 };
/// Walks in all: a second, and at once.
const WALKS_PER_SECOND: u64 = 10;
const WALKS_AT_ONCE: u64 = 50;

/// What to do about a question that we cannot answer well ourselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: what is remembered is fresh, or walks are too frequent.
    Nothing,
    /// A walk for the content is under way already.
    UnderWay,
    /// Look up these keys, the best first, then call [`Referrals::found`].
    LookUp(Vec<Key>),
    /// Ask these directories again, then call [`Referrals::heard`] and [`Referrals::end`].
    Ask(Vec<PeerName>),
}

#[derive(Debug, Default)]
struct Known {
    /// Directories that stand under the content's keys.
    directories: Vec<PeerName>,
    found: Timestamp,
    /// The members that each directory named.
    members: Vec<(PeerName, Vec<Member>)>,
    /// Until when there is nothing to be asked.
    fresh_until: Timestamp,
    /// When the walk that is under way must have ended.
    walking_until: Timestamp,
    used: Timestamp,
}

/// What other directories said, by content.
#[derive(Debug)]
pub struct Referrals {
    contents: BTreeMap<ContentId, Known>,
    per_network: Throttle,
    all: Bucket,
    random: Random,
}

impl Referrals {
    /// Nothing is known. Strangers must not know the seed.
    pub fn new(seed: u64) -> Referrals {
        Referrals {
            contents: BTreeMap::new(),
            per_network: Throttle::new(PACE_PER_NETWORK, seed),
            all: Bucket::new(Some(WALKS_PER_SECOND), WALKS_AT_ONCE),
            random: Random::new(seed),
        }
    }

    /// A peer at `asker` wants more members of a content than we know. What it says next has to be
    /// done, and then [`Referrals::end`] called.
    pub fn begin(
        &mut self,
        now: Timestamp,
        content: ContentId,
        asker: IpAddr,
        locator: &dyn Locator,
    ) -> Step {
        let known = self.contents.get(&content);
        if known.is_some_and(|known| now < known.walking_until) {
            return Step::UnderWay;
        }
        if known.is_some_and(|known| now < known.fresh_until) {
            return Step::Nothing;
        }
        if self.per_network.ask(now, asker).is_err() || self.all.take(now, 1).is_some() {
            return Step::Nothing;
        }
        self.make_room(now);
        let known = self.contents.entry(content).or_default();
        known.walking_until = now + WALK_MAX;
        known.used = now;
        if !known.directories.is_empty() && now.since(known.found) < FOUND_LIFE {
            return Step::Ask(known.directories.clone());
        }
        let of_as = locator.asn(asker).map(|asn| Key::of_as(&content, asn));
        Step::LookUp(of_as.into_iter().chain([Key::of_content(&content)]).collect())
    }

    /// The look-ups found these directories, those under the best key first. Returns whom to ask.
    ///
    /// One of each /16 (IPv6: /32) at most, as long as there are others: a crowd in one network is
    /// one voice.
    pub fn found(
        &mut self,
        now: Timestamp,
        content: ContentId,
        directories: &[(PeerName, IpAddr)],
    ) -> Vec<PeerName> {
        let Some(known) = self.contents.get_mut(&content) else { return Vec::new() };
        let mut left: Vec<(PeerName, IpAddr)> = directories.to_vec();
        let mut chosen: Vec<(PeerName, IpAddr)> = Vec::new();
        while chosen.len() < DIRECTORIES_ASKED_MAX && !left.is_empty() {
            let network = |ip: IpAddr| Network::of(ip).wide();
            let is_other = |(_, ip): &&(PeerName, IpAddr)| {
                chosen.iter().all(|(_, taken)| network(*taken) != network(*ip))
            };
            let others: Vec<(PeerName, IpAddr)> = left.iter().filter(is_other).copied().collect();
            let among = if others.is_empty() { &left } else { &others };
            let drawn = self.random.below(to_u32(among.len())) as usize;
            let Some(next) = among.get(drawn).copied() else { break };
            left.retain(|(name, _)| *name != next.0);
            chosen.push(next);
        }
        known.directories = chosen.iter().map(|(name, _)| *name).collect();
        known.found = now;
        known.members.retain(|(giver, _)| chosen.iter().any(|(name, _)| name == giver));
        known.directories.clone()
    }

    /// A directory named these members of a content. They replace those that it named before.
    pub fn heard(&mut self, content: ContentId, giver: PeerName, members: Vec<Member>) {
        let Some(known) = self.contents.get_mut(&content) else { return };
        if !known.directories.contains(&giver) {
            return;
        }
        let vetted = members.into_iter().filter_map(|member| {
            let endpoint = member.endpoint.vetted()?;
            Some(Member { endpoint, ..member })
        });
        let vetted = vetted.take(MEMBERS_PER_DIRECTORY_MAX).collect();
        known.members.retain(|(other, _)| *other != giver);
        known.members.push((giver, vetted));
    }

    /// A directory did not answer: it is not asked again before the next look-up.
    pub fn silent(&mut self, content: &ContentId, directory: &PeerName) {
        if let Some(known) = self.contents.get_mut(content) {
            known.directories.retain(|name| name != directory);
            known.members.retain(|(giver, _)| giver != directory);
        }
    }

    /// The walk for a content is over.
    pub fn end(&mut self, now: Timestamp, content: &ContentId) {
        if let Some(known) = self.contents.get_mut(content) {
            let has_some = known.members.iter().any(|(_, members)| !members.is_empty());
            known.walking_until = Timestamp::ZERO;
            known.fresh_until = now + if has_some { MEMBERS_LIFE } else { NOBODY_LIFE };
        }
    }

    /// Whether a walk for a content is under way.
    pub fn walks(&self, now: Timestamp, content: &ContentId) -> bool {
        self.contents.get(content).is_some_and(|known| now < known.walking_until)
    }

    /// Appends to `members` those that other directories named, for an asker at `ip`: nobody twice,
    /// not the asker itself, the nearest first, at most `wanted`. Returns how many.
    pub fn tell(
        &mut self,
        now: Timestamp,
        (content, asker, ip): (&ContentId, &PeerName, IpAddr),
        wanted: usize,
        locator: &dyn Locator,
        members: &mut Vec<Member>,
    ) -> usize {
        let Some(known) = self.contents.get_mut(content) else { return 0 };
        // What a walk replaces counts until it is replaced.
        if now.since(known.fresh_until) > MEMBERS_LIFE {
            return 0;
        }
        known.used = now;
        let asn = locator.asn(ip);
        let tier = |member: &Member| {
            let by_prefix = Tier::by_prefix(ip, member.endpoint.ip);
            let same_as = asn.is_some() && locator.asn(member.endpoint.ip) == asn;
            if same_as { by_prefix.min(Tier::SameAs) } else { by_prefix }
        };
        let scope = Scope::of(ip);
        let mut told: Vec<(Tier, usize, &Member)> = Vec::new();
        for (_, named) in &known.members {
            // The first of each directory come first: each has ordered its own.
            told.extend(named.iter().enumerate().map(|(at, member)| (tier(member), at, member)));
        }
        told.sort_by_key(|&(tier, at, member)| (tier, at, member.name));
        let before = members.len();
        for (.., member) in told {
            if members.len().saturating_sub(before) >= wanted {
                break;
            }
            let is_new = members.iter().all(|other| other.name != member.name);
            if is_new && member.name != *asker && Scope::of(member.endpoint.ip) == scope {
                members.push(member.clone());
            }
        }
        members.len().saturating_sub(before)
    }

    /// Contents of which something is remembered.
    pub fn len(&self) -> usize {
        self.contents.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.contents.is_empty()
    }

    /// Forgets what is of no use any more, and then what was used longest ago.
    fn make_room(&mut self, now: Timestamp) {
        if self.contents.len() < CONTENTS_MAX {
            return;
        }
        self.contents.retain(|_, known| now < known.walking_until || now.since(known.used) < FOUND_LIFE);
        if self.contents.len() >= CONTENTS_MAX {
            let oldest = self.contents.iter().min_by_key(|(_, known)| known.used);
            if let Some(oldest) = oldest.map(|(content, _)| *content) {
                self.contents.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests;
