//! Sizes, rates and durations formatted for people. [`crate::units`] parses what people write.

use std::{fmt, time::Duration};

/// Formats bytes with three significant digits, in powers of a thousand as `--down 5M` is read.
#[derive(Clone, Copy, Debug)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
        if self.0 < 1000 {
            return f.pad(&format!("{} B", self.0));
        }
        let mut value = self.0 as f64 / 1000.0;
        let mut unit = 0;
        // 999.5 would round to 1000.
        while value >= 999.5 && unit + 1 < UNITS.len() {
            value /= 1000.0;
            unit += 1;
        }
        let decimals = match value {
            v if v < 9.995 => 2,
            v if v < 99.95 => 1,
            _ => 0,
        };
        f.pad(&format!("{value:.decimals$} {}", UNITS[unit]))
    }
}

/// Formats bytes a second.
#[derive(Clone, Copy, Debug)]
pub struct Rate(pub f64);

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `as` saturates, and turns NaN into 0.
        f.pad(&format!("{}/s", Bytes(self.0 as u64)))
    }
}

/// Formats a duration in its two largest units: `0.8 s`, `12 s`, `3m 05s`, `2h 10m`.
#[derive(Clone, Copy, Debug)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let text = match seconds {
            0..10 => format!("{:.1} s", self.0.as_secs_f64()),
            10..60 => format!("{seconds} s"),
            60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
            3600..86_400 => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
            _ => format!("{}d {:02}h", seconds / 86_400, seconds % 86_400 / 3600),
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_with_three_digits() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (268_435_456, "268 MB"),
            (12_340_000, "12.3 MB"),
            (999_499_999, "999 MB"),
            (999_500_000, "1.00 GB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
        assert_eq!(Rate(f64::NAN).to_string(), "0 B/s");
        assert_eq!(Rate(-1.0).to_string(), "0 B/s");
    }

    #[test]
    fn spans_are_shown_in_their_two_largest_units() {
        for (millis, text) in [
            (800, "0.8 s"),
            (12_900, "12 s"),
            (185_000, "3m 05s"),
            (7_800_000, "2h 10m"),
            (90_000_000, "1d 01h"),
        ] {
            assert_eq!(Span(Duration::from_millis(millis)).to_string(), text);
        }
    }
}
