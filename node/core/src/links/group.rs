//! One copy in: who brings a run into our group, and who waits for it to be there.
//!
//! Bytes inside a group (a local network, or an AS) are cheap, and those that cross its border are paid for by somebody.
//! So of all members one should ask for a run outside, and the others get it from there. Who that is follows from a hash
//! that everybody computes alike (rendezvous hashing, Thaler and Ravishankar 1998), without a word being said; that it is
//! under way is announced, so that nobody else begins. A run that does not come is the next one's after a wait, and one
//! after that: nobody is relied on for long.
//!
//! The unit is a run. A larger one would be handed out less evenly in small groups (a group of twelve and a content of
//! a hundred pieces), and would save little: a bit a run says what may be asked for, a bit what the group has, a byte how
//! long it has been waited for. Nothing is kept about members: who they are is looked up at each tick.
//!
//! A member may say that it holds runs and serve nobody. So a run that is here only with members who do not serve us
//! becomes somebody's turn as well, later than one that is outside only: then it is imported and announced like any other.
//!
//! Invariants: no run that a member holds who serves us, or that was announced and may still come, is `open`; an
//! announcement of a run is believed once, for [`BELIEF_TICKS`].

use crate::{
    content::{
        layout::{Layout, RunIndex},
        run_set::{RunSet, bits, first_of},
    },
    exact::log2_ceil,
    random::mix,
    saturate::{to_u8, to_u32},
};

/// The first wait, in ticks: two seconds. Each further one is twice as long.
const WAIT_TICKS: u8 = 8;
/// So long an announced run is waited for, in ticks: ten seconds. Slow uplinks take seconds for a run, and the dead must
/// not hold up the group.
const BELIEF_TICKS: u8 = 40;
/// Announced runs of one neighbour that have not come, at most; beyond it is not believed. Fewer while it has given us
/// nothing. In large groups announcements are passed on, and so there are many of them.
pub(crate) const PROMISES_MAX: u8 = 250;
/// See [`PROMISES_MAX`].
pub(crate) const PROMISES_MAX_OF_STRANGERS: u8 = 16;
/// A run that is here only with members who do not serve us waits for so long before the first turn: ten seconds. In a
/// large group honest members choke for as long, and somebody else gets the run from them meanwhile.
const UNSERVED_TICKS: u8 = 40;
/// But one second only where there are slots for everybody, or nothing moves.
const UNSERVED_TICKS_FEW: u8 = 4;
/// Nothing moves: no run came to us or to a member for two seconds, although members say that they hold what we lack.
const STILL_TICKS: u8 = 8;
/// Behind others by this share of the content, a group takes what it lacks wherever it is.
const BEHIND_SHARE: f32 = 0.05;
/// But by so many runs at least.
const BEHIND_RUNS_MIN: f32 = 2.0;

/// With so few members among our neighbours, ourselves included, hearsay has a bound: a directory names fifty members in each
/// answer, so in a group that is as large as it says we would soon be linked to more.
const FEW: u64 = 8;
/// Members believed for each of those few. A larger number lets a directory that lies hold up our imports for longer; a
/// smaller one has more members of a large group import the same runs while they know hardly anybody.
const HEARSAY_MAX: u64 = 2;

/// In the byte of a run: it was announced, and so many ticks are left.
const ANNOUNCED: u8 = 0x80;
/// It was announced before, and did not come.
const DOUBTED: u8 = 0x40;
/// Ticks it has been seen outside, and not inside.
const AGE: u8 = 0x3f;

/// What a hash is compared with: the members, or how many there are.
#[derive(Clone, Debug)]
pub(crate) struct Ranks<'a> {
    /// Our own tag.
    own: u32,
    /// Those of the members we know of, if they are most.
    others: Option<Vec<u32>>,
    /// Some members are not our neighbours: they must hear of imports from others.
    is_large: bool,
    /// Members, ourselves among them.
    size: u64,
    /// Our uplink over the group's mean.
    share: f32,
    layout: &'a Layout,
}

impl<'a> Ranks<'a> {
    /// `tags` are the members among our neighbours, `known` others we have heard of; `counted` are all there are, as far as
    /// anybody knows.
    pub(crate) fn new(
        own: u32,
        mut tags: Vec<u32>,
        known: &[u32],
        counted: u32,
        share: f32,
        layout: &'a Layout,
    ) -> Ranks<'a> {
        let neighbours = (tags.len() as u64).saturating_add(1);
        // Who is no neighbour is somebody's word, and so is the count: the few real members would wait for nobody.
        let believed = if neighbours > FEW { u64::MAX } else { neighbours.saturating_mul(HEARSAY_MAX) };
        tags.extend(
            known.iter().take(usize::try_from(believed.saturating_sub(neighbours)).unwrap_or(usize::MAX)),
        );
        let heard_of = (tags.len() as u64).saturating_add(1);
        let size = u64::from(counted).min(believed).max(heard_of);
        // One in ten may have come or gone since the directory counted.
        let is_large = neighbours.saturating_add(size / 10) < size;
        // Who knows most of them is first of those seldom enough.
        let knows_most = heard_of.saturating_mul(5) >= size.saturating_mul(3);
        Ranks { own, others: knows_most.then_some(tags), is_large, size, share, layout }
    }

    /// Whether everybody has slots for all of the others.
    fn fits(&self, slots: u16) -> bool {
        self.size <= u64::from(slots)
    }

    /// Whether some members hear of what we import only from others.
    pub(crate) fn is_large(&self) -> bool {
        self.is_large
    }

    /// Whether it is our turn to import a run that has been seen outside for so many ticks, and not here.
    fn is_our_turn(&self, run: RunIndex, age: u8) -> bool {
        // Where all know each other, one after the other; else each wait doubles, so that news have time to spread.
        let waits = age / WAIT_TICKS;
        let waits = if self.is_large { to_u8(waits.saturating_add(1).ilog2()) } else { waits };
        age == AGE || self.rank(run) <= waits
    }

    fn weight(&self, run: RunIndex, tag: u32) -> u64 {
        weight(self.layout, run, tag)
    }

    /// After how many waits it is our turn to import a run; 0 = at once.
    fn rank(&self, run: RunIndex) -> u8 {
        let weight = self.weight(run, self.own);
        match &self.others {
            Some(others) => {
                let before = others.iter().filter(|&&tag| self.weight(run, tag) > weight).count();
                let before = u8::try_from(before).unwrap_or(u8::MAX);
                // A slow uplink takes fewer turns: it would have to pass on all that it imports.
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

/// What decides about turns: the larger comes first. The same for everybody who sees the same tag (WIRE.md, "Turns").
fn weight(layout: &Layout, run: RunIndex, tag: u32) -> u64 {
    mix((u64::from(run.get()) << 32 | u64::from(tag)) ^ mix(layout.bytes()))
}

/// Whether of two members, ourselves first, the other is to import a run.
pub(crate) fn prefers(layout: &Layout, run: RunIndex, (ours, theirs): (u32, u32)) -> bool {
    weight(layout, run, theirs) > weight(layout, run, ours)
}

/// What a tick looks at.
pub(crate) struct Survey<'a> {
    pub(crate) ranks: &'a Ranks<'a>,
    /// What we hold.
    pub(crate) mine: &'a RunSet,
    /// What members hold who deliver.
    pub(crate) inside: RunSet,
    /// What of that is held by members who serve us.
    pub(crate) served: &'a RunSet,
    /// Upload slots that everybody has.
    pub(crate) slots: u16,
    /// What neighbours beyond the border hold, origins apart: those give each run away once by themselves.
    pub(crate) beyond: &'a RunSet,
    /// Neighbours beyond the border who are not complete.
    pub(crate) rivals: u32,
    /// Members among our neighbours who are not.
    pub(crate) members: u32,
    /// Runs that came to us since the last tick.
    pub(crate) came: u32,
}

/// One group that we are in: a local network, or an AS.
#[derive(Debug)]
pub(crate) struct Group {
    /// Runs we may import now.
    open: RunSet,
    /// Runs some member holds.
    inside: RunSet,
    /// Those, and the ones announced; but not those that have become somebody's turn because nobody serves them.
    here: RunSet,
    /// Runs that only members hold who do not serve us.
    unserved: RunSet,
    /// Ticks in which nothing moved; once it is [`STILL_TICKS`], it stays.
    still: u8,
    /// By run: see the constants.
    state: Box<[u8]>,
    /// Imports begun that the members have not been told of.
    untold: Vec<RunIndex>,
    /// Runs that neighbours beyond the border got since the last tick, and those that members got.
    heard: u32,
    heard_inside: u32,
    is_large: bool,
    /// How many runs a neighbour beyond the border got more than a member, since they know each other.
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

    /// Runs that some member holds or will soon.
    pub(crate) fn here(&self) -> &RunSet {
        &self.here
    }

    fn slack(&self) -> f32 {
        (self.state.len() as f32 * BEHIND_SHARE).max(BEHIND_RUNS_MIN)
    }

    /// Whether we fall behind those beyond the border, who would be as fast as we by random choice. In a large group
    /// nobody asks: a few runs more for each of many members are many copies, and turns come sooner there with every wait.
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

    /// Members who are not our neighbours are to hear of a run that is here, or will be.
    pub(crate) fn pass_on(&mut self, run: RunIndex) {
        self.untold.push(run);
    }

    /// Imports to be announced; they count as announced then.
    pub(crate) fn take_untold(&mut self) -> Vec<RunIndex> {
        std::mem::take(&mut self.untold)
    }

    /// A member announces that it imports a run. Tells whether it is believed.
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

    /// A member holds a run. Tells whether it is the first.
    pub(crate) fn on_inside(&mut self, run: RunIndex) -> bool {
        self.open.remove(run);
        self.here.insert(run);
        self.inside.insert(run)
    }

    /// A member got so many runs.
    pub(crate) fn on_progress(&mut self, runs: usize) {
        self.heard_inside = self.heard_inside.saturating_add(to_u32(runs));
    }

    /// A neighbour beyond the border got runs: some may be ours to import.
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

    /// A tick: what the group has is counted anew, and waits go on.
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
            // Somebody serves it now: it waits anew, should that end.
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

    /// One tick more in which a run is not to be had here; `waiting` = somebody has it all the same. Its first turn comes
    /// after so many ticks.
    fn age(&mut self, run: RunIndex, waiting: bool, first: u8, ranks: &Ranks<'_>) {
        let state = &mut self.state[run.get() as usize];
        if *state & ANNOUNCED != 0 {
            *state = state.saturating_sub(1);
            if *state == ANNOUNCED {
                // Whose turn it was did not bring it.
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
