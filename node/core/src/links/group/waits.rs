//! How long a group has waited for each run, and after how long it is our turn to import it.
//!
//! A large content has millions of runs, and a group looks at all of them four times a second. So
//! a word holds one bit of the numbers of 64 runs, and a tick takes some dozens of operations for
//! 64 runs ("bit slicing", Biham 1997).

use crate::content::{
    layout::RunIndex,
    run_set::{bits, first_of},
};

/// The first wait for a turn, in ticks: two seconds. In a large group each further wait is twice as
/// long; elsewhere all waits are equal.
pub(super) const WAIT_TICKS: u8 = 8;
/// A run waits for its turn for at most this many waits, and a few ticks. Then it is everybody's
/// turn.
pub(super) const WAITS_MAX: u8 = 7;
/// How long the group waits for an announced run, in ticks: ten seconds. A slow uplink takes
/// seconds for a run, and a dead member must not hold up the group.
pub(super) const BELIEF_TICKS: u8 = 40;

/// Bits of a number of ticks. The three highest are a number of waits.
const TICK_BITS: usize = 6;
/// The lowest bit of the waits.
const WAIT_BIT: usize = 3;
/// Turns of [`Word::turns`] that are no number of waits: after [`WAITS_MAX`], and not known yet.
const NEVER: u8 = 0b1111;
const UNKNOWN: u8 = 0b1000;

/// Numbers of 64 runs: in each word the same bit of all of them, the lowest bit first.
type Planes<const BITS: usize> = [u64; BITS];

/// What is known of 64 runs.
#[derive(Clone, Copy, Debug)]
struct Word {
    /// The ticks for which the run has been seen outside, and not inside. Of an announced run: the
    /// ticks for which the announcement is still believed.
    ticks: Planes<TICK_BITS>,
    /// The run is announced, and may still come.
    announced: u64,
    /// The run was announced before, and did not come.
    doubted: u64,
    /// After how many waits it is our turn, or [`NEVER`], or [`UNKNOWN`].
    turns: Planes<4>,
}

/// What a tick is told of 64 runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Runs that the group cannot get inside. The others are left as they are.
    pub(super) lacking: u64,
    /// Runs that a neighbour beyond the border holds, or a member that does not serve us.
    pub(super) waiting: u64,
    /// Runs held only by members that do not serve us. Their first turn comes `first` ticks later.
    pub(super) unserved: u64,
    pub(super) first: u8,
}

/// What becomes of the runs that the group lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// It is our turn to import them.
    pub(super) open: u64,
    /// It is not, or not any more.
    pub(super) shut: u64,
    /// They are announced, and may come.
    pub(super) announced: u64,
}

/// The waits of all runs of a content. 1.5 bytes a run.
#[derive(Debug)]
pub(super) struct Waits(Box<[Word]>);

/// Where a run is: the number of its word, and its bit there.
fn place(run: RunIndex) -> (usize, u64) {
    ((run.get() / 64) as usize, 1 << (run.get() % 64))
}

impl Waits {
    pub(super) fn new(runs: u32) -> Waits {
        let word = Word { ticks: [0; TICK_BITS], announced: 0, doubted: 0, turns: [0, 0, 0, u64::MAX] };
        Waits(vec![word; runs.div_ceil(64) as usize].into())
    }

    /// Number of words.
    pub(super) fn words(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is known of a run: it has not waited and was not announced.
    pub(super) fn is_fresh(&self, run: RunIndex) -> bool {
        let (at, bit) = place(run);
        let word = &self.0[at];
        (nonzero(&word.ticks) | word.announced | word.doubted) & bit == 0
    }

    /// A run is announced. Returns whether that is believed: it is the first time.
    pub(super) fn announce(&mut self, run: RunIndex) -> bool {
        let (at, bit) = place(run);
        let word = &mut self.0[at];
        let is_first = (word.announced | word.doubted) & bit == 0;
        if is_first {
            word.announced |= bit;
            set(&mut word.ticks, bit, BELIEF_TICKS);
        }
        is_first
    }

    /// These runs wait anew.
    pub(super) fn restart(&mut self, at: usize, runs: u64) {
        set(&mut self.0[at].ticks, runs, 0);
    }

    /// The members have changed: all turns are to be found anew.
    pub(super) fn forget_turns(&mut self) {
        self.0.iter_mut().for_each(|word| set(&mut word.turns, u64::MAX, UNKNOWN));
    }

    /// The runs of a word, of those in `among`, whose turns are not known.
    pub(super) fn without_turns(&self, at: usize, among: u64) -> impl Iterator<Item = RunIndex> + use<> {
        let [low, middle, high, other] = self.0[at].turns;
        bits(first_of(at), other & !(low | middle | high) & among)
    }

    /// It is our turn to import a run after this many waits. `None`: after more than [`WAITS_MAX`].
    pub(super) fn set_turn(&mut self, run: RunIndex, waits: Option<u8>) {
        let (at, bit) = place(run);
        set(&mut self.0[at].turns, bit, waits.filter(|&waits| waits <= WAITS_MAX).unwrap_or(NEVER));
    }

    /// One more tick for the runs of a word.
    pub(super) fn tick(&mut self, at: usize, seen: Seen) -> Verdict {
        let Seen { lacking, waiting, unserved, first } = seen;
        let word = &mut self.0[at];
        let announced = word.announced & lacking;
        decrement(&mut word.ticks, announced);
        // What was announced and did not come has waited once.
        let doubted = announced & !nonzero(&word.ticks);
        word.announced &= !doubted;
        word.doubted |= doubted;
        set(&mut word.ticks, doubted & !unserved, WAIT_TICKS);
        set(&mut word.ticks, doubted & unserved, WAIT_TICKS.saturating_add(first));
        let others = lacking & !announced;
        set(&mut word.ticks, others & !waiting, 0);
        increment(&mut word.ticks, others & waiting);
        let judged = doubted | others & waiting;
        let open = judged & word.are_our_turn(unserved, first);
        Verdict { open, shut: others & !waiting | judged & !open, announced: announced & !doubted }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.0)
    }
}

impl Word {
    /// The runs that have waited long enough. Of those in `unserved`, `first` ticks do not count.
    fn are_our_turn(&self, unserved: u64, first: u8) -> u64 {
        let everybodys = self.ticks.iter().fold(u64::MAX, |all, plane| all & plane);
        let (later, early) = minus(&self.ticks, first);
        let [low, middle, high, other] = self.turns;
        let mut short = 0;
        for (bit, turn) in (WAIT_BIT..).zip([low, middle, high]) {
            let waited = self.ticks[bit] & !unserved | later[bit] & unserved;
            // The highest bit that differs decides.
            short = turn & !waited | short & !(turn ^ waited);
        }
        everybodys | !(short | other | early & unserved)
    }
}

/// The runs whose number is not 0.
fn nonzero<const BITS: usize>(planes: &Planes<BITS>) -> u64 {
    planes.iter().fold(0, |any, plane| any | plane)
}

/// Sets the number of these runs.
fn set<const BITS: usize>(planes: &mut Planes<BITS>, runs: u64, number: u8) {
    for (bit, plane) in planes.iter_mut().enumerate() {
        *plane = if number >> bit & 1 == 1 { *plane | runs } else { *plane & !runs };
    }
}

/// Adds 1 to the number of these runs; the greatest number stays.
fn increment<const BITS: usize>(planes: &mut Planes<BITS>, runs: u64) {
    let full = planes.iter().fold(u64::MAX, |all, plane| all & plane);
    let mut carry = runs & !full;
    for plane in planes {
        (*plane, carry) = (*plane ^ carry, *plane & carry);
    }
}

/// Takes 1 from the number of these runs; 0 stays.
fn decrement<const BITS: usize>(planes: &mut Planes<BITS>, runs: u64) {
    let mut borrow = runs & nonzero(planes);
    for plane in planes {
        (*plane, borrow) = (*plane ^ borrow, !*plane & borrow);
    }
}

/// All numbers less `number`, and the runs for which that is below 0.
fn minus<const BITS: usize>(planes: &Planes<BITS>, number: u8) -> (Planes<BITS>, u64) {
    let mut borrow = 0;
    let mut result = *planes;
    for (bit, plane) in result.iter_mut().enumerate() {
        let less = if number >> bit & 1 == 1 { u64::MAX } else { 0 };
        (*plane, borrow) = (*plane ^ less ^ borrow, !*plane & (less | borrow) | less & borrow);
    }
    (result, borrow)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What [`Waits`] does, written down for a single run.
    #[derive(Clone, Copy, Debug, Default)]
    struct One {
        ticks: u8,
        announced: bool,
        doubted: bool,
        turn: Option<u8>,
    }

    impl One {
        /// Whether the run is open, shut or announced after a tick.
        fn tick(&mut self, waiting: bool, unserved: bool, first: u8) -> (bool, bool, bool) {
            let first = if unserved { first } else { 0 };
            if self.announced {
                self.ticks = self.ticks.saturating_sub(1);
                if self.ticks > 0 {
                    return (false, false, true);
                }
                (self.announced, self.doubted, self.ticks) = (false, true, WAIT_TICKS + first);
            } else if !waiting {
                self.ticks = 0;
                return (false, true, false);
            } else if self.ticks < 63 {
                self.ticks += 1;
            }
            let waits = self.ticks.checked_sub(first).map(|ticks| ticks / WAIT_TICKS);
            let open = self.ticks == 63 || self.turn.is_some_and(|turn| waits >= Some(turn));
            (open, !open, false)
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Announce(u32),
        Restart(u64),
        Turn(u32, u8),
        Forget,
        Tick(Seen),
    }

    fn step() -> impl Strategy<Value = Step> {
        let first = prop::sample::select(vec![0_u8, 4, 40]);
        let tick = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), first).prop_map(
            // Most runs are lacking and waiting, so that they grow old.
            |(lacking, waiting, unserved, rare, first)| {
                Step::Tick(Seen { lacking: lacking | rare, waiting: waiting | !rare, unserved, first })
            },
        );
        prop_oneof![
            4 => (0_u32..64).prop_map(Step::Announce),
            1 => (any::<u64>(), any::<u64>()).prop_map(|(one, two)| Step::Restart(one & two)),
            8 => (0_u32..64, 0_u8..10).prop_map(|(run, waits)| Step::Turn(run, waits)),
            1 => Just(Step::Forget),
            30 => tick,
        ]
    }

    proptest! {
        #[test]
        fn sixty_four_runs_wait_as_one_does(steps in prop::collection::vec(step(), 1..300)) {
            let mut waits = Waits::new(64);
            let mut ones = [One::default(); 64];
            for step in steps {
                match step {
                    Step::Announce(run) => {
                        let one = &mut ones[run as usize];
                        let is_first = !one.announced && !one.doubted;
                        if is_first {
                            (one.announced, one.ticks) = (true, BELIEF_TICKS);
                        }
                        prop_assert_eq!(waits.announce(RunIndex::new(run)), is_first);
                    }
                    Step::Restart(runs) => {
                        waits.restart(0, runs);
                        bits(0, runs).for_each(|run| ones[run.get() as usize].ticks = 0);
                    }
                    Step::Turn(run, turn) => {
                        waits.set_turn(RunIndex::new(run), Some(turn));
                        ones[run as usize].turn = (turn <= WAITS_MAX).then_some(turn);
                        prop_assert!(waits.without_turns(0, u64::MAX).all(|other| other.get() != run));
                    }
                    Step::Forget => {
                        waits.forget_turns();
                        ones.iter_mut().for_each(|one| one.turn = None);
                        prop_assert_eq!(waits.without_turns(0, u64::MAX).count(), 64);
                    }
                    Step::Tick(seen) => {
                        let verdict = waits.tick(0, seen);
                        for (run, one) in ones.iter_mut().enumerate() {
                            let has = |set: u64| set >> run & 1 == 1;
                            let expected = match has(seen.lacking) {
                                true => one.tick(has(seen.waiting), has(seen.unserved), seen.first),
                                false => (false, false, false),
                            };
                            let found = (has(verdict.open), has(verdict.shut), has(verdict.announced));
                            prop_assert_eq!(found, expected, "run {}: {:?}", run, one);
                        }
                    }
                }
                for (run, one) in ones.iter().enumerate() {
                    let fresh = one.ticks == 0 && !one.announced && !one.doubted;
                    prop_assert_eq!(waits.is_fresh(RunIndex::new(run as u32)), fresh);
                }
            }
        }
    }
}
