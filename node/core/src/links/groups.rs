//! The groups we are in, and on which side of each border a neighbour is.
//!
//! There are at most two groups, one inside the other: the members on our local network, and the
//! members in our AS. A run from outside the AS crosses both borders, and one permission is enough:
//! the member that imports it into the AS has it at hand. There is no group while our own AS is
//! unknown, while no other member is our neighbour, or if nearness is switched off.

use crate::{
    content::{
        held::Held,
        layout::{Layout, RunIndex},
        run_set::RunSet,
    },
    context::Context,
    id::PeerKey,
    links::{
        group::{Group, PROMISES_MAX, PROMISES_MAX_OF_STRANGERS, Ranks, Survey},
        peers::{Link, Links},
        ring::{RINGS, Ring},
    },
    saturate::{to_u8, to_u32},
    untrusted::Untrusted,
};

/// The other members of our AS's group, and our uplink among them, as far as anybody can tell.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// Tags of members that we have heard of and that are not our neighbours.
    pub(crate) known: Vec<u32>,
    /// Our uplink divided by the mean of the group. 1: not known.
    pub(crate) share: f32,
}

/// The groups of one download.
#[derive(Debug)]
pub(crate) struct Groups {
    lan: Option<Box<Group>>,
    system: Option<Box<Group>>,
    /// Members of our AS, as a directory last counted them. 0: no directory did.
    counted: u32,
    standing: Standing,
    /// Runs that came since the last tick.
    came: u32,
    /// Some members of our AS are not our neighbours.
    is_large: bool,
    /// Neighbours that say that their uplinks are idle.
    idle: Vec<PeerKey>,
}

/// The most members of one AS that a directory is believed to have counted. No swarm in a single AS
/// is larger.
const MEMBERS_MAX: u32 = 10_000_000;
/// Once we hold this many runs, a member that holds none takes no turns.
const MUCH: u32 = 16;

impl Default for Groups {
    fn default() -> Groups {
        let standing = Standing { known: Vec::new(), share: 1.0 };
        Groups { lan: None, system: None, counted: 0, standing, came: 0, is_large: false, idle: Vec::new() }
    }
}

fn is_on(ctx: &Context<'_>) -> bool {
    ctx.locality.asn.is_some() && ctx.config.nearness.one_copy_in
}

impl Groups {
    fn get(&self, ring: Ring) -> Option<&Group> {
        match ring {
            Ring::Lan => self.lan.as_deref(),
            Ring::System => self.system.as_deref(),
        }
    }

    fn slot(&mut self, ring: Ring) -> &mut Option<Box<Group>> {
        slot(&mut self.lan, &mut self.system, ring)
    }

    /// The group into which a run from this neighbour would be imported. `None`: the neighbour is
    /// inside every group there is.
    pub(crate) fn gate(&self, link: &Link) -> Option<&Group> {
        RINGS.into_iter().rev().find(|&ring| link.is_beyond(ring)).and_then(|ring| self.get(ring))
    }

    /// A neighbour says whether its uplink is idle. One that is gone is not.
    pub(crate) fn on_idle(&mut self, peer: PeerKey, is_idle: bool) {
        self.idle.retain(|&idle| idle != peer);
        if is_idle {
            self.idle.push(peer);
        }
    }

    /// The group into which we may take any run from this neighbour, because its uplink is idle.
    pub(crate) fn takes_from_idle(&self, link: &Link, theirs: Held<'_>) -> Option<&Group> {
        let group = self.gate(link).filter(|_| self.idle.contains(&link.peer))?;
        Some(group).filter(|group| !link.is_origin() && group.takes_from_idle(theirs.count()))
    }

    /// We take a run from an idle uplink.
    pub(crate) fn on_taken_from_idle(&mut self) {
        let groups = [&mut self.lan, &mut self.system];
        groups.into_iter().flatten().for_each(|group| group.on_taken_from_idle());
    }

    /// A directory says how many members our AS has.
    pub(crate) fn on_counted(&mut self, members: Untrusted<u32>) {
        self.counted = members.at_most(MEMBERS_MAX);
    }

    /// A run that is new to us came from this neighbour. A run that an origin gave us was not
    /// announced; in a large group many members would not hear of it, so we announce it.
    pub(crate) fn on_come(&mut self, link: Option<&Link>, run: RunIndex) {
        self.came = self.came.saturating_add(1);
        let from_outside = link.is_some_and(|link| link.is_outside() && link.is_origin());
        if let (Some(group), true) = (&mut self.system, from_outside && self.is_large) {
            group.pass_on(run);
        }
    }

    /// We request a run from this neighbour.
    pub(crate) fn on_request(&mut self, link: &Link, run: RunIndex) {
        let past_lan = link.is_beyond(Ring::Lan);
        match (&mut self.system, &mut self.lan) {
            (Some(group), _) if link.is_outside() => group.on_import(run),
            (_, Some(group)) if past_lan && !link.is_outside() => group.on_import(run),
            _ => {}
        }
    }

    /// A neighbour is new. A group begins with its first member.
    pub(crate) fn on_linked(&mut self, ctx: &Context<'_>, link: &Link, theirs: Held<'_>) {
        for ring in RINGS.into_iter().filter(|&ring| is_on(ctx) && link.is_member(ring)) {
            let fresh = || Box::new(Group::new(theirs.runs()));
            let group = self.slot(ring).get_or_insert_with(fresh);
            if !link.is_late() {
                theirs.iter().for_each(|run| _ = group.on_inside(run));
            }
        }
    }

    /// A neighbour holds more runs.
    pub(crate) fn on_have(
        &mut self,
        ctx: &Context<'_>,
        links: &mut Links,
        have: &RunSet,
        (peer, runs): (PeerKey, &[RunIndex]),
        layout: &Layout,
    ) {
        for ring in RINGS {
            let Some(link) = links.get(peer).filter(|link| !link.is_origin()) else { return };
            if link.is_late() && link.is_stranger() {
                // The next tick judges what it says it holds.
                return;
            }
            let is_member = link.is_member(ring);
            let (standing, counted) = (&self.standing, self.counted);
            let Some(group) = slot(&mut self.lan, &mut self.system, ring) else { continue };
            if is_member {
                group.on_progress(runs.len());
                let brought = runs.iter().filter(|&&run| group.on_inside(run)).count();
                if let Some(link) = links.get_mut(peer) {
                    link.promises = link.promises.saturating_sub(to_u8(brought));
                }
            } else {
                group.on_beyond(runs, have, || ranks(ctx, links, ring, (standing, counted), have, layout));
            }
        }
    }

    /// A neighbour announces that it imports runs. Returns the runs for which it is believed.
    pub(crate) fn on_importing(
        &mut self,
        links: &mut Links,
        peer: PeerKey,
        runs: &[RunIndex],
    ) -> Vec<RunIndex> {
        let is_large = self.is_large;
        let mut believed = Vec::new();
        for ring in RINGS {
            let Some(link) = links.get(peer).filter(|link| link.is_member(ring)) else { continue };
            let Some(group) = slot(&mut self.lan, &mut self.system, ring) else { continue };
            let mut promises = link.promises;
            let promises_max = if link.rate > 0.0 { PROMISES_MAX } else { PROMISES_MAX_OF_STRANGERS };
            for &run in runs {
                if promises < promises_max && group.on_announced(run) {
                    promises = promises.saturating_add((ring == Ring::System).into());
                    if is_large && ring == Ring::System {
                        group.pass_on(run);
                    }
                    believed.push(run);
                }
            }
            links.get_mut(peer).into_iter().for_each(|link| link.promises = promises);
        }
        believed
    }

    /// Takes the imports that members must hear of, by group.
    pub(crate) fn take_untold(&mut self) -> [(Ring, Vec<RunIndex>); 2] {
        RINGS.map(|ring| {
            let untold = self.slot(ring).as_mut().map(|group| group.take_untold());
            (ring, untold.unwrap_or_default())
        })
    }

    /// Whether there are imports that members must hear of.
    pub(crate) fn has_untold(&self) -> bool {
        RINGS.into_iter().filter_map(|ring| self.get(ring)).any(Group::has_untold)
    }

    /// A tick: groups begin and end with their members, and waits advance.
    pub(crate) fn survey(
        &mut self,
        ctx: &Context<'_>,
        links: &Links,
        have: &RunSet,
        layout: &Layout,
        standing: Standing,
    ) {
        self.standing = standing;
        let standing = &self.standing;
        let run_bytes = layout.bytes() as f32 / have.runs().max(1) as f32;
        let (came, counted) = (std::mem::take(&mut self.came), self.counted);
        self.is_large = false;
        for ring in RINGS {
            let group = slot(&mut self.lan, &mut self.system, ring);
            if !is_on(ctx) || !links.iter().any(|link| link.is_member(ring)) {
                *group = None;
                continue;
            }
            let ranks = ranks(ctx, links, ring, (standing, counted), have, layout);
            let ordinary = || links.iter().filter(|link| !link.is_origin());
            let beyond = || ordinary().filter(|link| link.is_beyond(ring));
            let union = |links: &mut dyn Iterator<Item = &Link>| {
                let maps: Vec<Held<'_>> = links.filter_map(|link| ctx.map(link.peer)).collect();
                if maps.iter().any(Held::is_full) {
                    return RunSet::full(have.runs());
                }
                let mut all = RunSet::empty(have.runs());
                all.insert_words(|at| maps.iter().fold(0, |word, theirs| word | theirs.word(at)));
                all
            };
            let delivers = |link: &&Link| link.is_member(ring) && !link.is_stalled(run_bytes);
            let serves = |link: &&Link| link.is_member(ring) && link.is_counted();
            // A member that serves nobody may say that it holds everything.
            let counted = ordinary().filter(|link| link.is_member(ring) && link.is_counted());
            let of_members = counted.filter_map(|link| ctx.map(link.peer));
            let held: Vec<u64> =
                of_members.map(|theirs| theirs.count()).chain([have.count()]).map(u64::from).collect();
            let mean = held.iter().sum::<u64>().checked_div(held.len() as u64).unwrap_or(0);
            let survey = Survey {
                ranks: &ranks,
                mine: have,
                inside: union(&mut ordinary().filter(delivers)),
                served: &union(&mut ordinary().filter(serves)),
                slots: ctx.config.upload.slots,
                beyond: &union(&mut beyond()),
                mean: to_u32(usize::try_from(mean).unwrap_or(usize::MAX)),
                came,
            };
            let fresh = || Box::new(Group::new(have.runs()));
            group.get_or_insert_with(fresh).survey(survey);
            self.is_large |= ranks.is_large();
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let groups = RINGS.into_iter().filter_map(|ring| self.get(ring)).map(Group::heap_bytes);
        groups.chain([self.idle.capacity().saturating_mul(size_of::<PeerKey>())]).sum()
    }
}

fn slot<'a>(
    lan: &'a mut Option<Box<Group>>,
    system: &'a mut Option<Box<Group>>,
    ring: Ring,
) -> &'a mut Option<Box<Group>> {
    match ring {
        Ring::Lan => lan,
        Ring::System => system,
    }
}

fn ranks(
    ctx: &Context<'_>,
    links: &Links,
    ring: Ring,
    (standing, counted): (&Standing, u32),
    have: &RunSet,
    layout: &Layout,
) -> Ranks {
    // A member that has nothing while we have much will not import anything.
    let began = |link: &Link| ctx.map(link.peer).is_some_and(|theirs| !theirs.is_empty());
    // Nor will a member that claims to have everything already, and gives nothing.
    let is_complete = |link: &Link| ctx.map(link.peer).is_some_and(|theirs| theirs.is_full());
    let hoards = |link: &Link| link.is_late() && link.is_stranger() && is_complete(link);
    let takes_turns = |link: &Link| !hoards(link) && (have.count() < MUCH || began(link));
    let counts = |link: &&Link| link.is_member(ring) && takes_turns(link);
    let tags: Vec<u32> = links.iter().filter(counts).map(|link| ctx.maps.location(link.peer).tag).collect();
    let (known, counted) = match ring {
        // All peers on a local network find each other.
        Ring::Lan => (&[][..], 0),
        Ring::System => (&standing.known[..], counted),
    };
    Ranks::new(ctx.locality.tag, tags, known, counted, standing.share, layout)
}
