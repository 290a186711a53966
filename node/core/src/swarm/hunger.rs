//! Whether neighbours have anything for us, and how often we look further while they have not.
//!
//! Invariant: however often hunger comes and goes, turns to look further are as far apart as their number says.

use std::time::Duration;

/// Without anything to ask neighbours for, we starve after this long. A swarm stops for a moment now and then: whoever
/// is about to hear of a new run, or waits for a link, need not look further.
const STARVING_AFTER: Duration = Duration::from_secs(3);
/// From the first turn to look further to the second; then twice as long each time, up to the time between questions
/// to a directory. Within such a time each of a crowd asks, at random: it begins to starve at the same moment, when the
/// last holder of a run leaves.
const PAUSE_FIRST: Duration = Duration::from_secs(8);

/// Times are in ticks, so that all of it takes four bytes of each leecher.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hunger {
    /// Ticks in a row without anything to ask for.
    hungry: u8,
    /// Turns since we last had what we needed for as long as a pause.
    turns: u8,
    /// Ticks until the next turn may come.
    wait: u16,
}

fn ticks(time: Duration, tick: Duration) -> u16 {
    let ticks = time.as_nanos().checked_div(tick.as_nanos()).unwrap_or(0);
    u16::try_from(ticks).unwrap_or(u16::MAX).max(1)
}

impl Hunger {
    /// A tick has passed. `fed`: a neighbour has something for us, and is not late. Returns the time within which to ask
    /// directories, if it is our turn to look further.
    pub(crate) fn pass_tick(
        &mut self,
        fed: bool,
        (tick, pause_max): (Duration, Duration),
    ) -> Option<Duration> {
        self.wait = self.wait.saturating_sub(1);
        if fed {
            self.hungry = 0;
            if self.wait == 0 {
                self.turns = 0;
            }
            return None;
        }
        self.hungry = self.hungry.saturating_add(1);
        if !self.is_starving(tick) || self.wait > 0 {
            return None;
        }
        let pause = PAUSE_FIRST.saturating_mul(1 << u32::from(self.turns.min(16))).min(pause_max);
        self.turns = self.turns.saturating_add(1);
        self.wait = ticks(pause, tick);
        Some(pause)
    }

    /// Whether no neighbour has had anything for us for some time.
    pub(crate) fn is_starving(self, tick: Duration) -> bool {
        u16::from(self.hungry) >= ticks(STARVING_AFTER, tick).min(u8::MAX.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(250);
    const MINUTE: Duration = Duration::from_secs(60);

    /// The seconds at which turns come, over this many seconds. `fed` tells whether there is something in a tick.
    fn turns(seconds: u64, fed: impl Fn(u64) -> bool) -> Vec<u64> {
        let mut hunger = Hunger::default();
        let mut pass = |tick: &u64| hunger.pass_tick(fed(*tick), (TICK, MINUTE)).is_some();
        (1..=seconds * 4).filter(|tick| pass(tick)).map(|tick| tick / 4).collect()
    }

    #[test]
    fn who_starves_looks_further_soon_and_then_ever_more_seldom() {
        let at = turns(1_000, |_| false);
        assert_eq!(at[0], STARVING_AFTER.as_secs());
        let pauses: Vec<u64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(pauses[..4], [8, 16, 32, 60]);
        assert!(pauses[4..].iter().all(|&pause| pause == 60), "{pauses:?}");
    }

    #[test]
    fn a_moment_without_anything_is_no_hunger_and_one_run_now_and_then_earns_no_more_turns() {
        assert_eq!(turns(1_000, |tick| tick % 11 == 0), []);
        let now_and_then = turns(1_000, |tick| tick % 40 == 0).len();
        assert!(now_and_then <= turns(1_000, |_| false).len() + 2, "{now_and_then} turns");
        let well = turns(1_000, |tick| tick > 16 && tick < 2_000);
        assert!(
            well.iter().any(|&at| (502..505).contains(&at)),
            "hunger after a long time begins anew: {well:?}"
        );
    }

    #[test]
    fn it_takes_four_bytes() {
        assert_eq!(size_of::<Hunger>(), 4);
    }
}
