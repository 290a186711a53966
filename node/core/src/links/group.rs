//! One copy in: which member imports a run into our group, and which members wait for it.
//!
//! Bytes inside a group (a local network or an AS) are cheap; somebody pays for the bytes that
//! cross its border. So one member should request a run from outside, and the other members get the
//! run from that member. A hash that every member computes alike tells which member it is
//! (rendezvous hashing, Thaler and Ravishankar 1998), without a message. A member that imports a
//! run announces it, so that no other member begins. If the run does not come, the turn passes to
//! the next member after a wait, and then to the one after that: the group relies on no member for
//! long.
//!
//! The unit is a run. A larger unit would be shared less evenly in small groups (a group of twelve
//! and a content of a hundred pieces), and would save little: for each run a group keeps four bits
//! (what may be requested, and what the group has) and twelve (how long it has waited for the run,
//! and after how long it is our turn: [`waits`]). The group keeps nothing about members: it looks
//! them up at each tick, and finds all turns anew when they have changed.
//!
//! A member may claim to hold runs and serve nobody. So a run held only by members that do not
//! serve us becomes some member's turn as well, but later than a run that is only outside. It is
//! then imported and announced like any other run.
//!
//! Invariants: a run is not `open` while a member that serves us holds it, or while it is announced
//! and may still come; an announcement of a run is believed once, for [`BELIEF_TICKS`].

mod waits;

use crate::{
    content::{
        layout::{Layout, RunIndex},
        run_set::RunSet,
    },
    exact::log2_ceil,
    random::mix,
    saturate::{to_u8, to_u32},
};
use waits::{Seen, WAITS_MAX, Waits};

/// The most announced runs of one neighbour that have not come; further announcements are not
/// believed. The limit is lower while the neighbour has given us nothing. In large groups members
/// pass announcements on, so there are many of them.
pub(crate) const PROMISES_MAX: u8 = 250;
/// [`PROMISES_MAX`] of a neighbour that has given us nothing.
pub(crate) const PROMISES_MAX_OF_STRANGERS: u8 = 16;
/// How long a run held only by members that do not serve us waits for its first turn, in ticks: ten
/// seconds. In a large group honest members choke us for as long, and other members get the run
/// from them meanwhile.
const UNSERVED_TICKS: u8 = 40;
/// The same, in ticks, where there are slots for every member, or where nothing moves: one second.
const UNSERVED_TICKS_FEW: u8 = 4;
/// Ticks after which nothing moves: for two seconds no run came to us or to a member, although
/// members claim to hold runs that we lack.
const STILL_TICKS: u8 = 8;
/// A group that is behind a neighbour outside by one in so many runs of the content takes any run
/// from it, if its uplink is idle. With a fiftieth instead of a tenth the slowest group of drawn
/// layouts is 2 % faster, and a fifth of a copy more comes in.
const BEHIND_SHARE: u32 = 10;
/// A group that is not behind takes one in so many runs of the content like that, all members
/// together.
const IDLE_SHARE: u32 = 10;

/// Up to this many members among our neighbours, ourselves included, hearsay has a bound (see
/// [`HEARSAY_MAX`]). A directory names fifty members in each answer, so in a group that is as large
/// as the directory says we would soon be linked to more.
const FEW: u64 = 8;
/// Members believed for each of those few. A larger number lets a lying directory hold up our
/// imports for longer. A smaller number has more members of a large group import the same runs
/// while they know hardly any other member.
const HEARSAY_MAX: u64 = 2;

/// The most weights that a group compares in a tick to find turns: some milliseconds. In a content of
/// tens of gigabytes the turns of all runs are known after some ticks only.
const WEIGHED_MAX: usize = 1 << 20;

/// Decides our rank among the members for a run: from their tags, or from their number if we know
/// too few tags.
#[derive(Clone, Debug)]
pub(crate) struct Ranks {
    /// Our own tag.
    own: u32,
    /// The tags of the other members we know of. `None`: they are too few of all members.
    others: Option<Vec<u32>>,
    /// Some members are not our neighbours, and must hear of our imports from other members.
    is_large: bool,
    /// Number of members, ourselves included.
    size: u64,
    /// Our uplink divided by the group's mean.
    share: f32,
    /// What the turns of this content are mixed with.
    salt: u64,
}

impl Ranks {
    /// `tags`: of the members among our neighbours. `known`: of other members we have heard of.
    /// `counted`: how many members there are, as far as anybody knows.
    pub(crate) fn new(
        own: u32,
        mut tags: Vec<u32>,
        known: &[u32],
        counted: u32,
        share: f32,
        layout: &Layout,
    ) -> Ranks {
        let neighbours = (tags.len() as u64).saturating_add(1);
        // Other members and their count are hearsay: we might wait for members that do not exist.
        let believed = if neighbours > FEW { u64::MAX } else { neighbours.saturating_mul(HEARSAY_MAX) };
        tags.extend(
            known.iter().take(usize::try_from(believed.saturating_sub(neighbours)).unwrap_or(usize::MAX)),
        );
        let heard_of = (tags.len() as u64).saturating_add(1);
        let size = u64::from(counted).min(believed).max(heard_of);
        // One in ten may have come or gone since the directory counted.
        let is_large = neighbours.saturating_add(size / 10) < size;
        // If we know most members, we are rarely first of those we know but not first of all.
        let knows_most = heard_of.saturating_mul(5) >= size.saturating_mul(3);
        Ranks { own, others: knows_most.then_some(tags), is_large, size, share, salt: salt(layout) }
    }

    /// Whether every member has slots for all the other members.
    fn fits(&self, slots: u16) -> bool {
        self.size <= u64::from(slots)
    }

    /// Whether some members hear of our imports only from other members.
    pub(crate) fn is_large(&self) -> bool {
        self.is_large
    }

    /// After how many waits it is our turn to import a run. 0: at once. `None`: after more than
    /// [`WAITS_MAX`].
    fn waits(&self, run: RunIndex) -> Option<u8> {
        let own = weight(self.salt, run, self.own);
        let dice = |bits: u64| (bits >> 40) as f32 / (1 << 24) as f32;
        let rank = match &self.others {
            Some(others) => {
                // The members before us are counted no further than they matter.
                let before = others.iter().filter(|&&tag| weight(self.salt, run, tag) > own);
                let before = to_u8(to_u32(before.take(usize::from(WAITS_MAX) + 1).count()));
                // A member with a slow uplink takes fewer turns: it must pass on all that it
                // imports.
                before.saturating_add(u8::from(dice(mix(own)) >= self.share))
            }
            None => log2_ceil(dice(own) * self.size as f32 / self.share),
        };
        // Where all members know each other, turns follow at equal waits. Else each wait doubles,
        // so that news has time to spread.
        let waits = match self.is_large {
            true => 1_u8.checked_shl(rank.into()).map(|waits| waits.saturating_sub(1)),
            false => Some(rank),
        };
        waits.filter(|&waits| waits <= WAITS_MAX)
    }

    /// How many ranks may be found in a tick.
    fn affordable(&self) -> usize {
        let each = self.others.as_ref().map_or(1, |others| others.len().max(1));
        WEIGHED_MAX.checked_div(each).unwrap_or(WEIGHED_MAX)
    }

    /// A number that differs if ranks do, but for one time in billions.
    fn print(&self) -> u32 {
        let Ranks { own, others, is_large, size, share, salt } = self;
        let sum = |tags: &Vec<u32>| tags.iter().fold(1_u64, |sum, &tag| sum.wrapping_add(mix(tag.into())));
        let others = others.as_ref().map_or(0, sum);
        let parts = [(*own).into(), others, (*is_large).into(), *size, share.to_bits().into(), *salt];
        let print = parts.into_iter().fold(0, |print, part| mix(print ^ part));
        (print >> 32) as u32
    }
}

/// What the weights of a content's runs are mixed with.
fn salt(layout: &Layout) -> u64 {
    mix(layout.bytes())
}

/// The weight that decides about turns: the larger weight comes first. The weight is the same for
/// everybody who sees the same tag (docs/wire.md, "Turns").
fn weight(salt: u64, run: RunIndex, tag: u32) -> u64 {
    mix((u64::from(run.get()) << 32 | u64::from(tag)) ^ salt)
}

/// Whether the other of two members is to import a run. The pair holds our tag and the other's.
pub(crate) fn prefers(layout: &Layout, run: RunIndex, (ours, theirs): (u32, u32)) -> bool {
    let salt = salt(layout);
    weight(salt, run, theirs) > weight(salt, run, ours)
}

/// The input of a tick.
pub(crate) struct Survey<'a> {
    pub(crate) ranks: &'a Ranks,
    /// Runs that we hold.
    pub(crate) mine: &'a RunSet,
    /// Runs held by members that deliver.
    pub(crate) inside: RunSet,
    /// Runs held by members that serve us.
    pub(crate) served: &'a RunSet,
    /// Upload slots that each member is taken to have.
    pub(crate) slots: u16,
    /// Runs held by neighbours beyond the border. Origins do not count: an origin gives each run
    /// away once by itself.
    pub(crate) beyond: &'a RunSet,
    /// Runs that the average member holds.
    pub(crate) mean: u32,
    /// Runs that came to us since the last tick.
    pub(crate) came: u32,
}

/// One group that we are in: a local network, or an AS.
#[derive(Debug)]
pub(crate) struct Group {
    /// Runs we may import now.
    open: RunSet,
    /// Runs that some member holds.
    inside: RunSet,
    /// Runs in `inside` and announced runs, without the runs that became some member's turn because
    /// nobody serves them.
    here: RunSet,
    /// Runs that we lack and that are held only by members that do not serve us.
    unserved: RunSet,
    /// Ticks in which nothing moved. Once it reaches [`STILL_TICKS`], it stays.
    still: u8,
    waits: Waits,
    /// [`Ranks::print`] of the members that the turns in `waits` are of.
    ranked_by: u32,
    /// Imports that have begun and that we have not told the members of.
    untold: Vec<RunIndex>,
    /// Runs that members got since the last tick.
    heard: u32,
    is_large: bool,
    /// Members, as far as we know.
    size: u64,
    /// Runs that the average member holds.
    mean: u32,
    /// Runs that we took from idle uplinks outside.
    taken: u32,
}

impl Group {
    /// Nothing may be imported before the first survey.
    pub(crate) fn new(runs: u32) -> Group {
        Group {
            open: RunSet::empty(runs),
            inside: RunSet::empty(runs),
            here: RunSet::empty(runs),
            unserved: RunSet::empty(runs),
            still: 0,
            waits: Waits::new(runs),
            ranked_by: 0,
            untold: Vec::new(),
            heard: 0,
            is_large: false,
            size: 1,
            mean: 0,
            taken: 0,
        }
    }

    /// Runs that may be asked for beyond the border.
    pub(crate) fn open(&self) -> &RunSet {
        &self.open
    }

    /// Runs that some member holds or will hold soon.
    pub(crate) fn here(&self) -> &RunSet {
        &self.here
    }

    /// Runs that some member holds who delivers.
    pub(crate) fn inside(&self) -> &RunSet {
        &self.inside
    }

    /// Whether to take any run from a neighbour outside whose uplink is idle and which holds `theirs`
    /// runs. By random choice of runs that uplink would not be idle, and we would be done sooner: so
    /// whoever is ahead of us gives, and a small part of the content comes in like that in any case. A
    /// large group takes nothing: a few more runs for each of many members are many copies, and turns
    /// come sooner there with every wait.
    pub(crate) fn takes_from_idle(&self, theirs: u32) -> bool {
        let runs = self.open.runs();
        let is_behind = theirs > self.mean.saturating_add(runs / BEHIND_SHARE);
        let share = u64::from(runs / IDLE_SHARE).checked_div(self.size).unwrap_or(0);
        !self.is_large && (is_behind || u64::from(self.taken) < share)
    }

    /// We take a run from an idle uplink outside.
    pub(crate) fn on_taken_from_idle(&mut self) {
        self.taken = self.taken.saturating_add(1);
    }

    /// We import a run, in turn or not.
    pub(crate) fn on_import(&mut self, run: RunIndex) {
        self.open.remove(run);
        if !self.inside.contains(run) {
            self.untold.push(run);
        }
    }

    pub(crate) fn has_untold(&self) -> bool {
        !self.untold.is_empty()
    }

    /// Queues the announcement of a run that is here, or will be: some members hear of it only from
    /// us.
    pub(crate) fn pass_on(&mut self, run: RunIndex) {
        self.untold.push(run);
    }

    /// Takes the imports to be announced; they count as announced from then on.
    pub(crate) fn take_untold(&mut self) -> Vec<RunIndex> {
        std::mem::take(&mut self.untold)
    }

    /// A member announces that it imports a run. Returns whether the announcement is believed.
    pub(crate) fn on_announced(&mut self, run: RunIndex) -> bool {
        if self.inside.contains(run) || !self.waits.announce(run) {
            return false;
        }
        self.open.remove(run);
        self.here.insert(run);
        true
    }

    /// A member holds a run. Returns whether it is the first member to hold it.
    pub(crate) fn on_inside(&mut self, run: RunIndex) -> bool {
        self.open.remove(run);
        self.here.insert(run);
        self.inside.insert(run)
    }

    /// A member got this many runs.
    pub(crate) fn on_progress(&mut self, runs: usize) {
        self.heard = self.heard.saturating_add(to_u32(runs));
    }

    /// A neighbour beyond the border got runs. It may be our turn to import some of them.
    pub(crate) fn on_beyond(&mut self, runs: &[RunIndex], mine: &RunSet, ranks: impl FnOnce() -> Ranks) {
        let is_new = |run: &&RunIndex| {
            let known = self.inside.contains(**run) || self.open.contains(**run) || mine.contains(**run);
            !known && self.waits.is_fresh(**run)
        };
        let new: Vec<RunIndex> = runs.iter().filter(is_new).copied().collect();
        if new.is_empty() {
            return;
        }
        let ranks = ranks();
        for run in new.into_iter().filter(|&run| ranks.waits(run) == Some(0)) {
            self.open.insert(run);
        }
    }

    /// A tick: recounts what the group has, and advances the waits.
    pub(crate) fn survey(&mut self, survey: Survey<'_>) {
        let Survey { ranks, mine, inside, served, slots, beyond, mean, came } = survey;
        (self.is_large, self.size, self.mean) = (ranks.is_large(), ranks.size, mean);
        let moves = came > 0 || std::mem::take(&mut self.heard) > 0;
        let announced = std::mem::replace(&mut self.here, inside.clone());
        self.inside = inside;
        let was_unserved = std::mem::replace(&mut self.unserved, self.inside.clone());
        self.unserved.remove_all(served);
        self.unserved.remove_all(mine);
        self.note_standstill(moves);
        let is_short = self.still >= STILL_TICKS || ranks.fits(slots);
        let first = if is_short { UNSERVED_TICKS_FEW } else { UNSERVED_TICKS };
        self.find_turns(ranks, |group, at| {
            let waiting = beyond.words()[at] | group.unserved.words()[at];
            (waiting | announced.words()[at]) & !group.has(mine, at)
        });
        for at in 0..self.waits.words() {
            let here = self.has(mine, at);
            // A member serves these runs now. Should that end, they wait anew.
            self.waits.restart(at, was_unserved.words()[at] & here);
            let unserved = self.unserved.words()[at];
            let waiting = beyond.words()[at] | unserved;
            let open = self.open.words()[at] & !here;
            let lacking = (waiting | open | announced.words()[at]) & !here;
            let verdict = self.waits.tick(at, Seen { lacking, waiting, unserved, first });
            self.open.set_word(at, open & !verdict.shut | verdict.open);
            self.here.set_word(at, (self.here.words()[at] | verdict.announced) & !verdict.open);
        }
    }

    /// Of 64 runs, those that we hold and those that members hold who serve us.
    fn has(&self, mine: &RunSet, at: usize) -> u64 {
        mine.words()[at] | self.inside.words()[at] & !self.unserved.words()[at]
    }

    /// Finds out after how many waits runs are our turn: those of `lacking` of which that is not
    /// known, but no more than a tick has time for.
    fn find_turns(&mut self, ranks: &Ranks, lacking: impl Fn(&Group, usize) -> u64) {
        let print = ranks.print();
        if std::mem::replace(&mut self.ranked_by, print) != print {
            self.waits.forget_turns();
        }
        let (words, mut left) = (self.waits.words(), ranks.affordable());
        // Members begin at different runs, so that not all of them know the same turns first.
        let from = (print as usize).checked_rem(words).unwrap_or(0);
        for at in (from..words).chain(0..from) {
            if left == 0 {
                return;
            }
            for run in self.waits.without_turns(at, lacking(self, at)) {
                self.waits.set_turn(run, ranks.waits(run));
                left = left.saturating_sub(1);
            }
        }
    }

    fn note_standstill(&mut self, moves: bool) {
        if self.still < STILL_TICKS {
            self.still = match moves || self.unserved.is_empty() {
                true => 0,
                false => self.still.saturating_add(1),
            };
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let sets = size_of_val(self.open.words()).saturating_mul(4);
        let untold = self.untold.capacity().saturating_mul(size_of::<RunIndex>());
        [size_of::<Group>(), sets, self.waits.heap_bytes(), untold].into_iter().sum()
    }
}

#[cfg(test)]
mod tests;
