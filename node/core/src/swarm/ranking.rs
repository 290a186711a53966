//! Which peer to link to next: the nearest that is likely to answer, and a share at random.
//!
//! Nearness is a bias with a cap, never a filter. No network and no foreign AS takes more than its
//! share of our slots while another peer could have them. A peer outside our own AS is always among
//! the neighbours, if there is one.

use crate::{
    config::Config,
    id::PeerKey,
    input::Via,
    links::peers::{Link, Links},
    place::{asn::Asn, locality::Locality, prefix::Network, tier::Near},
    random::{Random, mix},
    saturate::{to_u32, whole},
    swarm::candidate::Known,
    view::View,
};

/// What a choice depends on besides the candidates.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) links: &'a Links,
    pub(crate) view: &'a dyn View,
    pub(crate) locality: Locality,
    pub(crate) config: &'a Config,
    /// No neighbour has anything for us: there are not enough of them, however many.
    pub(crate) starving: bool,
}

impl Scene<'_> {
    /// How many neighbours we look for.
    pub(crate) fn wanted(&self) -> usize {
        let links = &self.config.links;
        usize::from(if self.starving { links.most } else { links.wanted })
    }
}

/// The cost of a candidate, in named parts. The candidate with the smallest sum is tried first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cost {
    /// Nearness decides first: a tier is worth more than all steps together, a step more than the
    /// tie.
    proximity: f32,
    /// Each failed attempt makes a candidate as unattractive as two tiers more distance.
    failures: f32,
    /// Decides inside a step, so that a crowd does not run to the same peer.
    tie: f32,
}

/// The cost of a step inside a tier. A tier has 32 steps.
const STEP: f32 = 1.0 / 32.0;
/// No slots are reserved while [`Config`] `links.most` is below this.
const RESERVE_FROM: usize = 16;

impl Cost {
    fn of(candidate: &Known, scene: &Scene<'_>, random: &mut Random) -> Cost {
        let Locality { asn, tag } = scene.locality;
        let tier = f32::from(candidate.near.tier() as u8);
        // Without an atlas there are no steps, and the tie has the whole tier to itself.
        let (proximity, tie) = match asn {
            Some(_) => {
                let steps = scene.config.nearness.steps;
                let step = if steps { f32::from(candidate.near.proximity.step()) } else { 0.0 };
                (tier + step * STEP, priority(tag, scene.view.location(candidate.peer).tag) * STEP * 0.9)
            }
            None => (tier, random.unit() * 0.9),
        };
        Cost { proximity, failures: 2.0 * f32::from(candidate.failures), tie }
    }

    fn sum(self) -> f32 {
        self.proximity + self.failures + self.tie
    }
}

/// How two peers value each other beyond nearness, from 0 (most) to 1. The value is the same in
/// both directions and different for every pair, so that neighbours are spread evenly and both ends
/// agree on the links to keep (as in BEP 40).
fn priority(ours: u32, theirs: u32) -> f32 {
    let pair = u64::from(ours.min(theirs)) << 32 | u64::from(ours.max(theirs));
    (mix(pair) >> 40) as f32 / (1 << 24) as f32
}

/// Which of `ready` (positions in `known`) to link to: the cheapest, or, for a random slot, any.
/// `room` slots are free.
pub(crate) fn choose(
    known: &[Known],
    ready: &[usize],
    (room, random_slot): (usize, bool),
    scene: &Scene<'_>,
    random: &mut Random,
) -> Option<usize> {
    let shares = Shares::of(known, scene);
    let apart: Vec<usize> = match () {
        // There is room for all candidates: no choice to make.
        () if ready.len() <= room => Vec::new(),
        () if room <= 2 && shares.lacks_outsiders => {
            let is_outside = |&at: &usize| scene.locality.is_outside(known[at].near);
            ready.iter().copied().filter(is_outside).collect()
        }
        () => ready.iter().copied().filter(|&at| shares.allow(&known[at], scene)).collect(),
    };
    let ready = if apart.is_empty() { ready } else { &apart };
    if random_slot {
        return ready.get(random.below(to_u32(ready.len())) as usize).copied();
    }
    let costs: Vec<(f32, usize)> =
        ready.iter().map(|&at| (Cost::of(&known[at], scene, random).sum(), at)).collect();
    costs.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, at)| at)
}

/// Which networks and ASes have how many of our slots, attempts under way included.
struct Shares {
    networks: Vec<Network>,
    foreign: Vec<Asn>,
    /// Our AS is known, and no peer outside our group is a neighbour or being dialled.
    lacks_outsiders: bool,
}

impl Shares {
    fn of(known: &[Known], scene: &Scene<'_>) -> Shares {
        let dialing = || known.iter().filter(|known| known.is_dialing());
        let keys = || scene.links.iter().map(|link| link.peer).chain(dialing().map(|known| known.peer));
        let foreign_as = |near: Near| near.asn.filter(|_| scene.locality.is_foreign(near));
        let linked = scene.links.iter().filter_map(|link| foreign_as(scene.view.location(link.peer).near?));
        Shares {
            networks: keys().map(|peer| scene.view.location(peer).network).collect(),
            foreign: linked.chain(dialing().filter_map(|known| foreign_as(known.near))).collect(),
            lacks_outsiders: scene.locality.asn.is_some()
                && !scene.links.iter().any(Link::is_outside)
                && !dialing().any(|known| scene.locality.is_outside(known.near)),
        }
    }

    /// Whether one more neighbour like this candidate is within the caps.
    fn allow(&self, candidate: &Known, scene: &Scene<'_>) -> bool {
        let most = |share: f32| whole((f32::from(scene.config.links.wanted) * share).ceil());
        let network = scene.view.location(candidate.peer).network;
        let alike = |&&other: &&Network| other == network && network != Network::UNKNOWN;
        let of_as = |&&other: &&Asn| Some(other) == candidate.near.asn;
        self.networks.iter().filter(alike).count() < most(scene.config.links.network_share)
            && self.foreign.iter().filter(of_as).count() < most(scene.config.links.as_share)
    }
}

/// Whether a link may be added to the present ones. The last quarter of the slots is kept from
/// networks and ASes that have their share. An origin counts its own AS too, so that a far small
/// group finds room beside a near large one.
pub(crate) fn admits(scene: &Scene<'_>, peer: PeerKey, near: Near) -> bool {
    let slots = usize::from(scene.config.links.most);
    if slots < RESERVE_FROM || scene.links.len() < (slots / 4).saturating_mul(3) {
        return true;
    }
    let most = |share: f32| whole((slots as f32 * share).ceil());
    let network = scene.view.location(peer).network;
    let alike = |other: PeerKey| network != Network::UNKNOWN && scene.view.location(other).network == network;
    let capped = scene.config.is_origin || scene.locality.is_foreign(near);
    let asn = near.asn.filter(|_| capped);
    let of_as =
        |other: PeerKey| asn.is_some() && scene.view.location(other).near.and_then(|near| near.asn) == asn;
    let others = || scene.links.iter().map(|link| link.peer);
    others().filter(|&other| alike(other)).count() < most(scene.config.links.network_share)
        && others().filter(|&other| of_as(other)).count() < most(scene.config.links.as_share)
}

/// The neighbour of a full table that gives its place to a peer that came to us. It came to us too,
/// has been idle for a minute, and is of the network with the most places. It is never one that is
/// of use, nor one that was our own choice.
pub(crate) fn idlest_who_came(scene: &Scene<'_>) -> Option<PeerKey> {
    let mut networks: Vec<Network> = scene
        .links
        .iter()
        .map(|link| scene.view.location(link.peer).network)
        .filter(|&it| it != Network::UNKNOWN)
        .collect();
    networks.sort_unstable();
    let crowd = |peer: PeerKey| {
        let network = scene.view.location(peer).network;
        let (from, to) =
            (networks.partition_point(|&it| it < network), networks.partition_point(|&it| it <= network));
        to.saturating_sub(from)
    };
    let idle = |link: &&Link| link.is_idle() && !link.is_chosen() && !is_kept(scene, link);
    let idle = scene.links.iter().filter(idle);
    idle.max_by_key(|link| (crowd(link.peer), link.peer)).map(|link| link.peer)
}

/// The neighbour that gives its place to a peer we chose, while few neighbours are our own choice:
/// of those that came to us, the one that has been of least use for longest. First comes one that
/// nobody ever named and that gave nothing, however lately it came. Else a peer that is dropped and
/// comes again at once would outlast all that stay.
pub(crate) fn least_of_those_who_came(scene: &Scene<'_>) -> Option<PeerKey> {
    let came = scene.links.iter().filter(|link| !link.is_chosen() && !is_kept(scene, link));
    let worth = |link: &&Link| {
        let is_stranger = link.via() == Via::Inbound && link.given == 0;
        (is_stranger, link.idle_windows(), u16::MAX.abs_diff(link.given), link.peer)
    };
    came.max_by_key(worth).map(|link| link.peer)
}

/// The neighbour that gives its place to a peer we have heard of: it came to us, nobody ever named
/// it, and it has not been of use for a moment. Else strangers that link to everybody first would
/// keep apart peers that look for each other.
pub(crate) fn least_of_strangers(scene: &Scene<'_>) -> Option<PeerKey> {
    let is_stranger = |link: &&Link| !link.is_chosen() && link.via() == Via::Inbound && link.given == 0;
    let strangers = scene.links.iter().filter(is_stranger);
    let is_unused = |link: &&Link| link.idle_windows() > 0 || link.sent == 0 && link.uploads == 0;
    let unused = strangers.filter(is_unused).filter(|link| !is_kept(scene, link));
    unused.max_by_key(|link| (link.idle_windows(), link.peer)).map(|link| link.peer)
}

/// The neighbour to exchange for a new one, of those idle for a minute: rather one that came to us,
/// and then the one that gave least.
pub(crate) fn idlest(scene: &Scene<'_>) -> Option<PeerKey> {
    let idle = scene.links.iter().filter(|link| link.is_idle() && !is_kept(scene, link));
    idle.min_by_key(|link| (link.is_chosen(), link.given, link.peer)).map(|link| link.peer)
}

/// The neighbour that a starving peer gives up for a new one, of those that were its own choice: it has nothing for us and
/// wants nothing of us, and has been of no use for longest. One that came to us was somebody else's choice: would all who
/// starve give up those, honest peers would part, and strangers that come and want something would take their places.
pub(crate) fn most_useless(scene: &Scene<'_>) -> Option<PeerKey> {
    let is_useless = |link: &&Link| {
        let is_of_use = link.interests_us() || link.is_interested();
        link.is_chosen() && !is_of_use && !is_kept(scene, link)
    };
    let worth = |link: &&Link| (link.idle_windows(), u16::MAX.abs_diff(link.given), link.peer);
    scene.links.iter().filter(is_useless).max_by_key(worth).map(|link| link.peer)
}

/// Whether a neighbour never gives its place up: one that we dialled and the user named, a server
/// that we chose, one that was picked at random, and the only one outside our group.
fn is_kept(scene: &Scene<'_>, link: &Link) -> bool {
    let is_server = link.is_origin() || link.is_web_seed();
    let is_only_outside = scene.locality.asn.is_some()
        && link.is_outside()
        && scene.links.iter().filter(|link| link.is_outside()).nth(1).is_none();
    link.via() == Via::Named && link.is_chosen()
        || is_server && link.is_chosen()
        || link.is_random()
        || is_only_outside
}

#[cfg(test)]
mod tests;
