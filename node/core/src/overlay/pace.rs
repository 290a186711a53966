//! Pauses, drawn so that a crowd spreads out.

use std::time::Duration;

use crate::{random::Random, saturate::to_u32, time::Timestamp};

/// A time up to `longest`, all alike ("full jitter"), in whole milliseconds.
pub(super) fn jitter(random: &mut Random, longest: Duration) -> Duration {
    Duration::from_millis(random.below(to_u32(longest.as_millis()).saturating_add(1)).into())
}

/// From half of `pause` to half as much again: `pause` on average.
pub(super) fn about(random: &mut Random, pause: Duration) -> Duration {
    part(pause, 2).saturating_add(jitter(random, pause))
}

/// From `pause` to half as much again.
pub(super) fn stretch(random: &mut Random, pause: Duration) -> Duration {
    pause.saturating_add(jitter(random, part(pause, 2)))
}

/// One part of `pause` in so many.
pub(super) fn part(pause: Duration, parts: u32) -> Duration {
    pause.checked_div(parts).unwrap_or_default()
}

/// Whole seconds of the clock.
pub(super) fn seconds(now: Timestamp) -> u32 {
    to_u32(now.as_nanos() / 1_000_000_000)
}
