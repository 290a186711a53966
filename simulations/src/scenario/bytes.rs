//! Sizes in bytes and rates in bytes a second, as text: `5M`, `256KiB`, `40Mbit`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Units of 1,000 and of 1,024, and of an eighth of 1,000: what each is in bytes, times eight. Of
/// two that fit, the one that stands first here is shown.
const UNITS: [(&str, u64); 11] = [
    ("TiB", 8 << 40),
    ("GiB", 8 << 30),
    ("MiB", 8 << 20),
    ("KiB", 8 << 10),
    ("T", 8_000_000_000_000),
    ("G", 8_000_000_000),
    ("M", 8_000_000),
    ("k", 8_000),
    ("Gbit", 1_000_000_000),
    ("Mbit", 1_000_000),
    ("kbit", 1_000),
];

/// Units that are shown; bits are only read.
const SHOWN: usize = 8;

/// Digits behind the point that are read.
const FRACTION_DIGITS_MAX: usize = 9;

/// A number of bytes, or of bytes a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

/// A text that is no number of bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no number of bytes, such as 50000, 50k, 1.5M, 256KiB, 4MiB or 6Mbit")]
pub struct BytesError(String);

impl FromStr for Bytes {
    type Err = BytesError;

    /// A number, perhaps with a fraction, and perhaps a unit. The result must be whole bytes.
    fn from_str(text: &str) -> Result<Bytes, BytesError> {
        read(text.trim()).map(Bytes).ok_or_else(|| BytesError(text.to_owned()))
    }
}

fn read(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = match unit.trim_start() {
        "" | "B" => 8,
        name => UNITS.iter().find(|(known, _)| *known == name)?.1,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.len() > FRACTION_DIGITS_MAX || number.ends_with('.') {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let eighths = digits.checked_mul(unit.into())?;
    (eighths % (8 * scale) == 0).then(|| u64::try_from(eighths / (8 * scale)).ok())?
}

impl fmt::Display for Bytes {
    /// The largest unit of which it is a whole number: `4MiB`, `50k`, `1001`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |&&(_, eighths): &&(&str, u64)| self.0 != 0 && self.0.is_multiple_of(eighths / 8);
        match UNITS[..SHOWN].iter().find(fits) {
            Some((unit, eighths)) => write!(f, "{}{unit}", self.0 / (eighths / 8)),
            None => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        super::text::read(deserializer, "a number of bytes, such as 50000 or \"4MiB\"")
            .and_then(|text| text.parse().map_err(de::Error::custom))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_bytes_and_of_bits_are_read() {
        let cases = [
            ("50000", 50_000),
            ("50k", 50_000),
            ("1.5M", 1_500_000),
            ("4 MiB", 4 << 20),
            ("400kbit", 50_000),
            ("6Mbit", 750_000),
            ("0", 0),
            ("0.5KiB", 512),
        ];
        for (text, bytes) in cases {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_no_whole_number_of_bytes_is_refused() {
        for text in ["", "k", "1.", ".5k", "-3", "4 mib", "0.5", "1.2.3M", "99999999999TiB", "1bit"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_read_as_the_same() {
        for bytes in [0, 1, 999, 1_000, 1_024, 50_000, 187_500, 4 << 20, 5 << 30, u64::MAX] {
            assert_eq!(Bytes(bytes).to_string().parse(), Ok(Bytes(bytes)));
        }
        assert_eq!(Bytes(4 << 20).to_string(), "4MiB");
        assert_eq!(Bytes(187_500).to_string(), "187500");
    }
}
