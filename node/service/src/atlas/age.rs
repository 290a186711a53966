//! The age of an atlas. Its version is the time when its data was collected, in seconds since 1970,
//! unless its maker numbers atlases in another way. Signatures do not expire: without a check of
//! the age, an attacker who holds back newer atlases keeps everybody on an old one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An older atlas no longer describes the network, and is probably one that somebody holds back.
pub const ATLAS_AGE_MAX: Duration = Duration::from_secs(30 * DAY_SECONDS);
/// How far a version may be ahead of our clock. Clocks differ, and builders stamp data that they
/// collect until midnight.
const AHEAD_MAX: Duration = Duration::from_secs(2 * DAY_SECONDS);
/// Smaller versions are plain numbers and not times. This is September 2001.
const TIMES_FROM: u64 = 1_000_000_000;
/// A clock before this time, January 2026, was never set: the program is younger than that.
const CLOCK_SECONDS_MIN: u64 = 1_767_225_600;
const DAY_SECONDS: u64 = 86_400;

/// The wall clock, in seconds since 1970. `None`: the clock was never set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Today(Option<u64>);

/// The age of an atlas, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// The version is not a time, or our clock is not set.
    Unknown,
    /// The age. Zero if the version is slightly ahead of our clock.
    Old(Duration),
    /// The version is so far ahead of our clock that it cannot be true.
    Ahead(Duration),
}

impl Today {
    /// Uses the wall clock: an age is about the world and not about the length of an operation.
    pub(super) fn now() -> Today {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        Today::at(seconds)
    }

    pub(super) fn at(seconds: u64) -> Today {
        Today(Some(seconds).filter(|seconds| *seconds >= CLOCK_SECONDS_MIN))
    }

    pub(super) fn age(self, version: u64) -> Age {
        let Some(now) = self.0.filter(|_| version >= TIMES_FROM) else { return Age::Unknown };
        let ahead = Duration::from_secs(version.saturating_sub(now));
        if ahead > AHEAD_MAX {
            Age::Ahead(ahead)
        } else {
            Age::Old(Duration::from_secs(now.saturating_sub(version)))
        }
    }
}

impl Age {
    /// Why an atlas of this age must not be used. `None`: it may be used. `is_first`: no atlas is
    /// in use, so this one is not compared with another.
    pub(super) fn refusal(self, is_first: bool, age_max: Duration) -> Option<String> {
        match self {
            Age::Ahead(ahead) => Some(format!(
                "its data is {} ahead of our clock: either that is wrong, or the clock of whoever made it",
                days(ahead)
            )),
            Age::Old(age) if is_first && age > age_max => Some(format!(
                "its data is {} old, and somebody may be holding newer ones back (atlas-age-max is {}); whoever trusts it \
                 can name it as a file",
                days(age),
                days(age_max)
            )),
            Age::Unknown | Age::Old(_) => None,
        }
    }

    /// A warning to log while an atlas of this age is in use. `None`: nothing to warn about.
    pub(super) fn warning(self, age_max: Duration) -> Option<String> {
        match self {
            Age::Old(age) if age > age_max => Some(format!(
                "the atlas in use is {} old and no newer one came: look whether its tracker still publishes, and whether \
                 it can be reached",
                days(age)
            )),
            Age::Ahead(ahead) => Some(format!("the atlas in use is {} ahead of our clock", days(ahead))),
            Age::Unknown | Age::Old(_) => None,
        }
    }
}

/// The age of the data of an atlas with this version. `None`: the age is unknown.
pub fn atlas_age(version: u64) -> Option<Duration> {
    match Today::now().age(version) {
        Age::Old(age) => Some(age),
        Age::Unknown | Age::Ahead(_) => None,
    }
}

fn days(length: Duration) -> String {
    match length.as_secs() / DAY_SECONDS {
        0 => format!("{} hours", length.as_secs() / 3_600),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn age_of_days(days: u64) -> Age {
        Today::at(NOW).age(NOW - days * DAY_SECONDS)
    }

    #[test]
    fn the_first_must_not_be_old_and_what_is_newer_than_ours_may_be() {
        assert_eq!(age_of_days(30).refusal(true, ATLAS_AGE_MAX), None);
        let refused = age_of_days(31).refusal(true, ATLAS_AGE_MAX).unwrap();
        assert!(refused.contains("31 days old") && refused.contains("30 days"), "{refused}");
        assert_eq!(age_of_days(400).refusal(false, ATLAS_AGE_MAX), None);
    }

    #[test]
    fn nothing_from_the_future_is_taken_even_as_a_newer_one() {
        let today = Today::at(NOW);
        for is_first in [true, false] {
            assert_eq!(today.age(NOW + 2 * DAY_SECONDS).refusal(is_first, ATLAS_AGE_MAX), None);
            let refused = today.age(NOW + 3 * DAY_SECONDS).refusal(is_first, ATLAS_AGE_MAX).unwrap();
            assert!(refused.contains("3 days ahead"), "{refused}");
            assert!(today.age(u64::MAX).refusal(is_first, ATLAS_AGE_MAX).is_some());
        }
    }

    #[test]
    fn numbers_are_no_times_and_a_clock_that_was_never_set_says_nothing() {
        assert_eq!(Today::at(NOW).age(7), Age::Unknown);
        assert_eq!(Today::at(NOW).age(TIMES_FROM - 1), Age::Unknown);
        assert_eq!(Today::at(0).age(NOW), Age::Unknown);
        assert_eq!(Today::at(CLOCK_SECONDS_MIN - 1).age(u64::MAX), Age::Unknown);
        assert_eq!(Age::Unknown.refusal(true, Duration::ZERO), None);
    }

    #[test]
    fn an_old_one_in_use_is_said() {
        assert_eq!(age_of_days(30).warning(ATLAS_AGE_MAX), None);
        assert!(age_of_days(90).warning(ATLAS_AGE_MAX).unwrap().contains("90 days old"));
        assert!(Today::at(NOW).age(NOW * 2).warning(ATLAS_AGE_MAX).unwrap().contains("ahead of our clock"));
        assert_eq!(Age::Unknown.warning(ATLAS_AGE_MAX), None);
    }
}
