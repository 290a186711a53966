//! How old an atlas is. Its version is the time at which its data was collected, in seconds since 1970, if its maker did not
//! number atlases in some other way. Signatures do not expire: without a look at the age, whoever holds newer ones back keeps
//! everybody on an old one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An atlas that is older is not what a network looks like any more, and likely one that is held back.
pub const ATLAS_AGE_MAX: Duration = Duration::from_secs(30 * DAY_SECONDS);
/// How far ahead of our clock a version may be: clocks differ, and builders stamp what they collect until midnight.
const AHEAD_MAX: Duration = Duration::from_secs(2 * DAY_SECONDS);
/// Smaller versions are numbers and no times: this is September 2001.
const TIMES_FROM: u64 = 1_000_000_000;
/// A clock before this, January 2026, was never set: this program is younger.
const CLOCK_SECONDS_MIN: u64 = 1_767_225_600;
const DAY_SECONDS: u64 = 86_400;

/// What the wall clock says; none if it was never set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Today(Option<u64>);

/// What is known of the age of an atlas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// Its version is no time, or we do not know what time it is.
    Unknown,
    /// So old. Zero if it is ahead of us a little.
    Old(Duration),
    /// So far ahead that it cannot be true.
    Ahead(Duration),
}

impl Today {
    /// This is about the world and not about how long something takes, so it is the wall clock that counts.
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
    /// Why an atlas of this age is not to be used, if it is not. `is_first`: there is none that it would be newer than.
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

    /// What to warn of while an atlas of this age is in use, if there is anything.
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

/// How old the data of an atlas of this version is now; none if that cannot be told.
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
