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
/// Invariant: the box exists exactly while a wake-up is pending, so that an idle content pays
/// nothing.
#[derive(Debug, Default)]
pub(crate) struct Timers(Option<Box<[Timestamp; COUNT]>>);

impl Timers {
    fn at(&self, wake: Wake) -> Timestamp {
        self.0.as_ref().map_or(Timestamp::NEVER, |pending| pending[wake as usize])
    }

    pub(crate) fn set(&mut self, wake: Wake, at: Timestamp) {
        if at == Timestamp::NEVER {
            return self.stop(wake);
        }
        let pending = self.0.get_or_insert_with(|| Box::new([Timestamp::NEVER; COUNT]));
        pending[wake as usize] = at;
    }

    /// Sets a wake-up, unless it is set to an earlier moment.
    pub(crate) fn hasten(&mut self, wake: Wake, at: Timestamp) {
        self.set(wake, at.min(self.at(wake)));
    }

    pub(crate) fn stop(&mut self, wake: Wake) {
        let Some(pending) = &mut self.0 else { return };
        pending[wake as usize] = Timestamp::NEVER;
        if pending.iter().all(|&at| at == Timestamp::NEVER) {
            self.0 = None;
        }
    }

    /// Returns a wake-up that is due, and stops it.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<Wake> {
        let due = ALL.into_iter().find(|&wake| self.at(wake) <= now)?;
        self.stop(due);
        Some(due)
    }

    /// The moment of the next wake-up, and its reason.
    pub(crate) fn soonest(&self) -> Option<(Timestamp, Wake)> {
        let pending = ALL.into_iter().map(|wake| (self.at(wake), wake));
        pending.filter(|&(at, _)| at != Timestamp::NEVER).min_by_key(|&(at, _)| at)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |pending| size_of_val(&**pending))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
