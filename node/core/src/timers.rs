//! What wakes an engine. One enum; each variant says when.

use crate::time::Timestamp;

/// Why an engine asks to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Wake {
    /// Rates, slow requests and interest are checked: every tick while downloading.
    Tick,
    /// New runs have gathered long enough: neighbours are told of them.
    Have,
    /// It is time to decide again whom to serve.
    Choke,
    /// A waiting peer may get the slot of a peer that makes no use of it.
    Trial,
    /// It is time to tell neighbours of each other.
    Exchange,
    /// A candidate may be tried, or a directory asked.
    Discovery,
    /// Patience runs out.
    Patience,
    /// The time of serving ends.
    Goal,
}

const COUNT: usize = 8;
const ALL: [Wake; COUNT] = [
    Wake::Tick,
    Wake::Have,
    Wake::Choke,
    Wake::Trial,
    Wake::Exchange,
    Wake::Discovery,
    Wake::Patience,
    Wake::Goal,
];

/// The pending wake-ups of one content.
///
/// Invariants: the box exists exactly while a wake-up is pending, so that an idle content pays
/// nothing; `soonest` names the first of the soonest ones. It is kept, and not searched for, because
/// it is asked for at every input.
#[derive(Debug, Default)]
pub(crate) struct Timers(Option<Box<Pending>>);

#[derive(Debug)]
struct Pending {
    at: [Timestamp; COUNT],
    soonest: Wake,
}

impl Timers {
    fn at(&self, wake: Wake) -> Timestamp {
        self.0.as_ref().map_or(Timestamp::NEVER, |pending| pending.at[wake as usize])
    }

    pub(crate) fn set(&mut self, wake: Wake, at: Timestamp) {
        if at == Timestamp::NEVER {
            return self.stop(wake);
        }
        let none = || Box::new(Pending { at: [Timestamp::NEVER; COUNT], soonest: wake });
        let pending = self.0.get_or_insert_with(none);
        let (was, first) = (pending.at[wake as usize], pending.at[pending.soonest as usize]);
        pending.at[wake as usize] = at;
        if wake == pending.soonest && at > was {
            self.search();
        } else if (at, wake as u8) < (first, pending.soonest as u8) {
            pending.soonest = wake;
        }
    }

    /// Sets a wake-up, unless it is set to an earlier moment.
    pub(crate) fn hasten(&mut self, wake: Wake, at: Timestamp) {
        if at < self.at(wake) {
            self.set(wake, at);
        }
    }

    pub(crate) fn stop(&mut self, wake: Wake) {
        let Some(pending) = &mut self.0 else { return };
        pending.at[wake as usize] = Timestamp::NEVER;
        if wake == pending.soonest {
            self.search();
        }
    }

    /// Finds the soonest wake-up; without one, gives the box back.
    fn search(&mut self) {
        let Some(pending) = &mut self.0 else { return };
        let soonest = ALL.into_iter().min_by_key(|&wake| pending.at[wake as usize]);
        pending.soonest = soonest.unwrap_or(Wake::Tick);
        if pending.at[pending.soonest as usize] == Timestamp::NEVER {
            self.0 = None;
        }
    }

    /// Returns a wake-up that is due, and stops it.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<Wake> {
        self.soonest().filter(|&(at, _)| at <= now)?;
        let due = ALL.into_iter().find(|&wake| self.at(wake) <= now)?;
        self.stop(due);
        Some(due)
    }

    /// The moment of the next wake-up, and its reason.
    pub(crate) fn soonest(&self) -> Option<(Timestamp, Wake)> {
        self.0.as_ref().map(|pending| (pending.at[pending.soonest as usize], pending.soonest))
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |pending| size_of_val(&**pending))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is set and stopped, the soonest is what a search finds, and the box is there exactly
    /// while something is pending.
    #[test]
    fn the_soonest_is_always_known() {
        let mut random = crate::random::Random::new(7);
        let mut timers = Timers::default();
        for _ in 0..20_000 {
            let wake = ALL[random.below(8) as usize];
            let at = Timestamp::from_millis(random.below(20).into());
            match random.below(4) {
                0 => timers.set(wake, at),
                1 => timers.hasten(wake, at),
                2 => timers.stop(wake),
                _ => _ = timers.take_due(at),
            }
            let pending = ALL.into_iter().map(|wake| (timers.at(wake), wake));
            let found = pending.filter(|&(at, _)| at != Timestamp::NEVER).min_by_key(|&(at, _)| at);
            assert_eq!((timers.soonest(), timers.0.is_some()), (found, found.is_some()));
        }
    }

    #[test]
    fn the_soonest_is_named_with_its_reason_and_taken_once() {
        let mut timers = Timers::default();
        timers.set(Wake::Choke, Timestamp::from_millis(20));
        timers.hasten(Wake::Have, Timestamp::from_millis(10));
        timers.hasten(Wake::Have, Timestamp::from_millis(15));
        assert_eq!(timers.soonest(), Some((Timestamp::from_millis(10), Wake::Have)));
        assert_eq!(timers.take_due(Timestamp::from_millis(9)), None);
        assert_eq!(timers.take_due(Timestamp::from_millis(10)), Some(Wake::Have));
        assert_eq!(timers.take_due(Timestamp::from_millis(10)), None);
        assert_eq!(timers.soonest(), Some((Timestamp::from_millis(20), Wake::Choke)));
    }
}
