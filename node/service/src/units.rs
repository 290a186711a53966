//! Parses sizes, rates and durations as people write them, for every command line of nearcast.
//!
//! Invariant: parsing is exact integer arithmetic, so `0.1M` is 100,000 bytes and never 99,999.

use std::time::Duration;

/// A text that is not a size, rate or duration. The message says what is valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not `NUMBER[UNIT]`.
    #[error("write a number and a unit, like {0}")]
    Form(&'static str),
    /// An unknown unit.
    #[error("the unit \"{unit}\" is not known; write {example}")]
    Unit {
        /// The unit as written.
        unit: String,
        /// A valid example.
        example: &'static str,
    },
    /// A small b may mean bits or bytes.
    #[error("\"{unit}\" may be bits or bytes; write 40Mbit for bits, 5MB for bytes")]
    BitsOrBytes {
        /// The unit as written.
        unit: String,
    },
    /// Zero: nothing would ever move or happen.
    #[error("zero is not possible here")]
    Zero,
    /// The number exceeds 64 bits.
    #[error("the number is too large")]
    TooLarge,
}

const SIZE_EXAMPLE: &str = "500k, 5M (5,000,000 bytes) or 5MiB";
const RATE_EXAMPLE: &str = "5M (5,000,000 bytes a second), 8MiB/s or 40Mbit";
const DURATION_EXAMPLE: &str = "30s, 5m, 2h or 1d";

/// Parses a size in bytes: `4096`, `5M` = `5MB` = 5,000,000, `5MiB` = 5,242,880.
///
/// # Errors
/// A sentence with an example, see [`UnitError`].
pub fn parse_size(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = split(text, SIZE_EXAMPLE)?;
    let bytes = byte_unit(unit).ok_or_else(|| unknown(unit, SIZE_EXAMPLE))?;
    positive(number.times(bytes, 1)?)
}

/// Parses a rate in bytes a second: a size, with or without `/s`, or bits like `40Mbit` and
/// `40Mbps`. A small `b` alone may mean either, and is refused.
///
/// # Errors
/// A sentence with an example, see [`UnitError`].
pub fn parse_rate(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = split(text, RATE_EXAMPLE)?;
    let strange = || unknown(unit, RATE_EXAMPLE);
    let per_second = ["/sec", "/s"].iter().find_map(|end| unit.strip_suffix(end));
    // Strip "ps" from Mbps, but not from other words.
    let in_one_word = || unit.strip_suffix("ps").filter(|rest| rest.ends_with(['b', 'B', 't']));
    let plain = per_second.or_else(in_one_word).unwrap_or(unit);
    let lower = plain.to_ascii_lowercase();
    if let Some(prefix) = lower.strip_suffix("bits").or_else(|| lower.strip_suffix("bit")) {
        return positive(number.times(prefix_factor(prefix).ok_or_else(strange)?, 8)?);
    }
    match plain.strip_suffix('b') {
        // Line speeds are sold in "bps", and nobody writes bytes this way.
        Some(prefix) if unit.ends_with("bps") => {
            positive(number.times(prefix_factor(prefix).ok_or_else(strange)?, 8)?)
        }
        Some(_) => Err(UnitError::BitsOrBytes { unit: unit.chars().take(UNIT_SHOWN_MAX).collect() }),
        None => positive(number.times(byte_unit(plain).ok_or_else(strange)?, 1)?),
    }
}

/// Parses a duration: `30s`, `5m`, `2h`, `1d`, `250ms`, or the words for them; a bare number is
/// seconds.
///
/// # Errors
/// A sentence with an example, see [`UnitError`].
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let (number, unit) = split(text, DURATION_EXAMPLE)?;
    let millis = match unit {
        "ms" => 1,
        "" | "s" | "sec" | "secs" | "second" | "seconds" => 1_000,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
        "h" | "hr" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        _ => return Err(unknown(unit, DURATION_EXAMPLE)),
    };
    positive(number.times(millis, 1)?).map(Duration::from_millis)
}

/// A decimal number as digits and scale, so that nothing is rounded.
#[derive(Clone, Copy)]
struct Decimal {
    digits: u64,
    scale: u64,
}

impl Decimal {
    /// `self * factor / divisor`, rounded down.
    fn times(self, factor: u64, divisor: u64) -> Result<u64, UnitError> {
        let exact =
            u128::from(self.digits) * u128::from(factor) / (u128::from(self.scale) * u128::from(divisor));
        u64::try_from(exact).map_err(|_| UnitError::TooLarge)
    }
}

/// More digits after the point do not matter to whole bytes.
const FRACTION_DIGITS_MAX: usize = 9;

fn split<'a>(text: &'a str, example: &'static str) -> Result<(Decimal, &'a str), UnitError> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let dangling = whole.is_empty() || (number.contains('.') && fraction.is_empty());
    if dangling || fraction.contains('.') || fraction.len() > FRACTION_DIGITS_MAX {
        return Err(UnitError::Form(example));
    }
    let digits = format!("{whole}{fraction}").parse().map_err(|_| UnitError::TooLarge)?;
    let scale = 10u64.pow(fraction.len() as u32);
    Ok((Decimal { digits, scale }, unit.trim_start()))
}

fn byte_unit(unit: &str) -> Option<u64> {
    prefix_factor(unit.strip_suffix(['B', 'b']).unwrap_or(unit))
}

/// The factor of a unit prefix. A small m means mega, as there are no thousandths of a byte.
fn prefix_factor(prefix: &str) -> Option<u64> {
    Some(match prefix.to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1_000,
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        "t" => 1_000_000_000_000,
        "ki" => 1 << 10,
        "mi" => 1 << 20,
        "gi" => 1 << 30,
        "ti" => 1 << 40,
        _ => return None,
    })
}

/// Letters of an unknown unit that the message shows.
const UNIT_SHOWN_MAX: usize = 16;

fn unknown(unit: &str, example: &'static str) -> UnitError {
    let unit = unit.chars().take(UNIT_SHOWN_MAX).collect();
    UnitError::Unit { unit, example }
}

fn positive(number: u64) -> Result<u64, UnitError> {
    if number == 0 { Err(UnitError::Zero) } else { Ok(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_decimal_unless_they_say_binary() {
        for (text, bytes) in [
            ("4096", 4096),
            ("5M", 5_000_000),
            ("5MB", 5_000_000),
            ("5MiB", 5 << 20),
            ("500k", 500_000),
            ("16KiB", 16 << 10),
            ("1.5G", 1_500_000_000),
            ("0.1M", 100_000),
            ("2 GiB", 2 << 30),
            ("7B", 7),
            ("5m", 5_000_000),
            ("5mb", 5_000_000),
            ("5mib", 5 << 20),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn rates_may_be_bits_and_may_say_per_second() {
        for (text, rate) in [
            ("5M", 5_000_000),
            ("8MiB/s", 8 << 20),
            ("8MiB", 8 << 20),
            ("40Mbit", 5_000_000),
            ("40Mbit/s", 5_000_000),
            ("1Gbit", 125_000_000),
            ("9bit", 1),
            ("40Mbps", 5_000_000),
            ("40mbps", 5_000_000),
            ("40mbit/s", 5_000_000),
            ("40 Mbits/s", 5_000_000),
            ("40MBit/sec", 5_000_000),
            ("5MBps", 5_000_000),
            ("8Mibit", 1 << 20),
            ("1m", 1_000_000),
            ("5MB/s", 5_000_000),
        ] {
            assert_eq!(parse_rate(text), Ok(rate), "{text}");
        }
    }

    #[test]
    fn durations_are_seconds_unless_they_say_otherwise() {
        for (text, millis) in [
            ("30s", 30_000),
            ("30", 30_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("250ms", 250),
            ("1.5s", 1500),
            ("10 seconds", 10_000),
            ("1 hour", 3_600_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_a_sentence() {
        for text in
            ["", "M", "-5M", "5X", "1.2.3M", "1.M", ".5M", "5 M B", "5mbit", "99999999999T", "5M\u{1b}"]
        {
            assert!(parse_size(text).is_err(), "{text:?}");
        }
        assert!(parse_size("40Mbit").is_err(), "bits are for rates");
        for text in ["40Mb", "40mb/s", "40kb"] {
            assert!(parse_rate(text).unwrap_err().to_string().contains("bits or bytes"), "{text}");
        }
        for text in ["40Mbp", "40ps", "40MBitps/s", "40Mx"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
        assert_eq!(parse_rate("7bit"), Err(UnitError::Zero));
        assert_eq!(parse_rate("0"), Err(UnitError::Zero));
        assert!(parse_duration("5 parsecs").unwrap_err().to_string().contains("30s"));
    }
}
