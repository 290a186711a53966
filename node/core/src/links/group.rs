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
//! (what may be requested, and what the group has) and one byte (how long it has waited for the
//! run). The group keeps nothing about members: it looks them up at each tick.
//!
//! A member may claim to hold runs and serve nobody. So a run held only by members that do not
//! serve us becomes some member's turn as well, but later than a run that is only outside. It is
//! then imported and announced like any other run.
//!
//! Invariants: a run is not `open` while a member that serves us holds it, or while it is announced
//! and may still come; an announcement of a run is believed once, for [`BELIEF_TICKS`].

use crate::{
    content::{
        layout::{Layout, RunIndex},
        run_set::{RunSet, bits, first_of},
    },
    exact::log2_ceil,
    random::mix,
    saturate::{to_u8, to_u32},
};

/// The first wait for a turn, in ticks: two seconds. In a large group each further wait is twice as
/// long; elsewhere all waits are equal.
const WAIT_TICKS: u8 = 8;
/// How long the group waits for an announced run, in ticks: ten seconds. A slow uplink takes
/// seconds for a run, and a dead member must not hold up the group.
const BELIEF_TICKS: u8 = 40;
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
/// A group that is behind its neighbours outside by this share of the content takes the runs it
/// lacks wherever they are.
const BEHIND_SHARE: f32 = 0.05;
/// But it must be behind by at least this many runs.
const BEHIND_RUNS_MIN: f32 = 2.0;

/// Up to this many members among our neighbours, ourselves included, hearsay has a bound (see
/// [`HEARSAY_MAX`]). A directory names fifty members in each answer, so in a group that is as large
/// as the directory says we would soon be linked to more.
const FEW: u64 = 8;
/// Members believed for each of those few. A larger number lets a lying directory hold up our
/// imports for longer. A smaller number has more members of a large group import the same runs
/// while they know hardly any other member.
const HEARSAY_MAX: u64 = 2;

/// In the byte of a run: the run is announced, and the bits of [`AGE`] hold the ticks left.
const ANNOUNCED: u8 = 0x80;
/// In the byte of a run: the run was announced before, and did not come.
const DOUBTED: u8 = 0x40;
/// In the byte of a run: the ticks for which the run has been seen outside, and not inside.
const AGE: u8 = 0x3f;

/// Decides our rank among the members for a run: from their tags, or from their number if we know
/// too few tags.
#[derive(Clone, Debug)]
pub(crate) struct Ranks<'a> {
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
    layout: &'a Layout,
}

impl<'a> Ranks<'a> {
    /// `tags`: of the members among our neighbours. `known`: of other members we have heard of.
    /// `counted`: how many members there are, as far as anybody knows.
    pub(crate) fn new(
        own: u32,
        mut tags: Vec<u32>,
        known: &[u32],
        counted: u32,
        share: f32,
        layout: &'a Layout,
    ) -> Ranks<'a> {
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
        Ranks { own, others: knows_most.then_some(tags), is_large, size, share, layout }
    }

    /// Whether every member has slots for all the other members.
    fn fits(&self, slots: u16) -> bool {
        self.size <= u64::from(slots)
    }

    /// Whether some members hear of our imports only from other members.
    pub(crate) fn is_large(&self) -> bool {
        self.is_large
    }

    /// Whether it is our turn to import a run that has been seen outside, and not here, for `age`
    /// ticks.
    fn is_our_turn(&self, run: RunIndex, age: u8) -> bool {
        // Where all members know each other, turns follow at equal waits. Else each wait doubles,
        // so that news has time to spread.
        let waits = age / WAIT_TICKS;
        let waits = if self.is_large { to_u8(waits.saturating_add(1).ilog2()) } else { waits };
        age == AGE || self.rank(run) <= waits
    }

    fn weight(&self, run: RunIndex, tag: u32) -> u64 {
        weight(self.layout, run, tag)
    }

    /// After how many waits it is our turn to import a run. 0: at once.
    fn rank(&self, run: RunIndex) -> u8 {
        let weight = self.weight(run, self.own);
        match &self.others {
            Some(others) => {
                let before = others.iter().filter(|&&tag| self.weight(run, tag) > weight).count();
                let before = u8::try_from(before).unwrap_or(u8::MAX);
                // A member with a slow uplink takes fewer turns: it must pass on all that it
                // imports.
                let dice = (mix(weight) >> 40) as f32 / (1 << 24) as f32;
                before.saturating_add(u8::from(dice >= self.share))
            }
            None => {
                let turn = (weight >> 40) as f32 / (1 << 24) as f32 * self.size as f32 / self.share;
                log2_ceil(turn)
            }
        }
    }
}

/// The weight that decides about turns: the larger weight comes first. The weight is the same for
/// everybody who sees the same tag (docs/wire.md, "Turns").
fn weight(layout: &Layout, run: RunIndex, tag: u32) -> u64 {
    mix((u64::from(run.get()) << 32 | u64::from(tag)) ^ mix(layout.bytes()))
}

/// Whether the other of two members is to import a run. The pair holds our tag and the other's.
pub(crate) fn prefers(layout: &Layout, run: RunIndex, (ours, theirs): (u32, u32)) -> bool {
    weight(layout, run, theirs) > weight(layout, run, ours)
}

/// The input of a tick.
pub(crate) struct Survey<'a> {
    pub(crate) ranks: &'a Ranks<'a>,
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
    /// Neighbours beyond the border that are not complete.
    pub(crate) rivals: u32,
    /// Members among our neighbours that are not complete.
    pub(crate) members: u32,
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
    /// One byte a run: see the constants.
    state: Box<[u8]>,
    /// Imports that have begun and that we have not told the members of.
    untold: Vec<RunIndex>,
    /// Runs that neighbours beyond the border got since the last tick, and runs that members got.
    heard: u32,
    heard_inside: u32,
    is_large: bool,
    /// By how many runs the average member is behind the average neighbour beyond the border, since
    /// the group began; bounded.
    behind: f32,
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
            state: vec![0; runs as usize].into(),
            untold: Vec::new(),
            heard: 0,
            heard_inside: 0,
            is_large: false,
            behind: 0.0,
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

    fn slack(&self) -> f32 {
        (self.state.len() as f32 * BEHIND_SHARE).max(BEHIND_RUNS_MIN)
    }

    /// Whether we fall behind the neighbours beyond the border. By random choice of runs we would
    /// be as fast as they are. A large group is never behind: a few more runs for each of many
    /// members are many copies, and turns come sooner there with every wait.
    pub(crate) fn is_behind(&self) -> bool {
        !self.is_large && self.behind > self.slack()
    }

    /// We import a run, in turn or because we are behind.
    pub(crate) fn on_import(&mut self, run: RunIndex) {
        if !self.open.remove(run) {
            self.behind -= 1.0;
        }
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
        let state = &mut self.state[run.get() as usize];
        if self.inside.contains(run) || *state & (ANNOUNCED | DOUBTED) != 0 {
            return false;
        }
        *state = ANNOUNCED | BELIEF_TICKS;
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
        self.heard_inside = self.heard_inside.saturating_add(to_u32(runs));
    }

    /// A neighbour beyond the border got runs. It may be our turn to import some of them.
    pub(crate) fn on_beyond<'a>(
        &mut self,
        runs: &[RunIndex],
        mine: &RunSet,
        ranks: impl FnOnce() -> Ranks<'a>,
    ) {
        self.heard = self.heard.saturating_add(to_u32(runs.len()));
        let is_new = |run: &&RunIndex| {
            let known = self.inside.contains(**run) || self.open.contains(**run) || mine.contains(**run);
            !known && self.state[run.get() as usize] == 0
        };
        let new: Vec<RunIndex> = runs.iter().filter(is_new).copied().collect();
        if new.is_empty() {
            return;
        }
        let ranks = ranks();
        for run in new.into_iter().filter(|&run| ranks.rank(run) == 0) {
            self.open.insert(run);
        }
    }

    /// A tick: recounts what the group has, and advances the waits.
    pub(crate) fn survey(&mut self, survey: Survey<'_>) {
        let Survey { ranks, mine, inside, served, slots, beyond, rivals, members, came } = survey;
        let ours = self.heard_inside.saturating_add(came) as f32 / members.saturating_add(1) as f32;
        let theirs = if rivals == 0 { ours } else { self.heard as f32 / rivals as f32 };
        let bound = 2.0 * self.slack();
        self.is_large = ranks.is_large();
        self.behind = (self.behind + theirs - ours).clamp(-bound, bound);
        let moves = came > 0 || self.heard_inside > 0;
        (self.heard, self.heard_inside) = (0, 0);
        let announced = std::mem::replace(&mut self.here, inside.clone());
        self.inside = inside;
        let unserved = std::mem::replace(&mut self.unserved, self.inside.clone());
        self.unserved.remove_all(served);
        self.unserved.remove_all(mine);
        self.note_standstill(moves);
        let is_short = self.still >= STILL_TICKS || ranks.fits(slots);
        let wait = if is_short { UNSERVED_TICKS_FEW } else { UNSERVED_TICKS };
        for at in 0..mine.words().len() {
            let here = mine.words()[at] | self.inside.words()[at] & !self.unserved.words()[at];
            for run in bits(first_of(at), self.open.words()[at] & here) {
                self.open.remove(run);
            }
            // A member serves the run now. Should that end, the run waits anew.
            for run in bits(first_of(at), unserved.words()[at] & here) {
                self.state[run.get() as usize] &= !AGE;
            }
            let waiting = beyond.words()[at] | self.unserved.words()[at];
            let all = waiting | self.open.words()[at] | announced.words()[at];
            for run in bits(first_of(at), all & !here) {
                let first = if self.unserved.contains(run) { wait } else { 0 };
                self.age(run, waiting >> (run.get() % 64) & 1 == 1, first, ranks);
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

    /// Counts one more tick in which the group cannot get the run inside. `waiting`: a neighbour
    /// beyond the border, or a member that does not serve us, holds it. Its first turn comes after
    /// `first` ticks.
    fn age(&mut self, run: RunIndex, waiting: bool, first: u8, ranks: &Ranks<'_>) {
        let state = &mut self.state[run.get() as usize];
        if *state & ANNOUNCED != 0 {
            *state = state.saturating_sub(1);
            if *state == ANNOUNCED {
                // The announced run did not come.
                *state = DOUBTED | WAIT_TICKS.saturating_add(first);
            } else {
                self.here.insert(run);
                return;
            }
        } else if !waiting {
            *state &= DOUBTED;
            self.open.remove(run);
            return;
        } else if *state & AGE < AGE {
            *state = state.saturating_add(1);
        }
        let age = *state & AGE;
        let is_time = age == AGE || age >= first && ranks.is_our_turn(run, age.saturating_sub(first));
        if is_time {
            self.open.insert(run);
            self.here.remove(run);
        } else {
            self.open.remove(run);
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let sets = size_of_val(self.open.words()).saturating_mul(4);
        let untold = self.untold.capacity().saturating_mul(size_of::<RunIndex>());
        [size_of::<Group>(), sets, self.state.len(), untold].into_iter().sum()
    }
}

#[cfg(test)]
mod tests;
