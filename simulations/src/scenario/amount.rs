//! How many of the peers are of some kind: a count, or a share of all.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How many of the peers: `3` or `25%`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// This many.
    Count(u32),
    /// This share of all, in per cent; from 0 to 100.
    Percent(f64),
}

/// A text that is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a count, such as 3, nor a share, such as 25%")]
pub struct AmountError(String);

impl Amount {
    /// None.
    pub const NONE: Amount = Amount::Count(0);

    /// How many that are of `all`: a share is rounded to the nearest, half upwards.
    pub fn of(self, all: u32) -> u32 {
        match self {
            Amount::Count(count) => count,
            Amount::Percent(percent) => (f64::from(all) * percent / 100.0 + 0.5) as u32,
        }
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Amount, AmountError> {
        let text = text.trim();
        let amount = match text.strip_suffix('%') {
            None => text.parse().ok().map(Amount::Count),
            Some(percent) => {
                let percent = percent.trim().parse().ok();
                percent.filter(|percent| (0.0..=100.0).contains(percent)).map(Amount::Percent)
            }
        };
        amount.ok_or_else(|| AmountError(text.to_owned()))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Count(count) => write!(f, "{count}"),
            Amount::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Amount, D::Error> {
        super::text::read(deserializer, "a count or a share, such as 3 or \"25%\"")
            .and_then(|text| text.parse().map_err(de::Error::custom))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_shares_are_read_and_shares_are_rounded() {
        assert_eq!("3".parse(), Ok(Amount::Count(3)));
        assert_eq!("12.5 %".parse(), Ok(Amount::Percent(12.5)));
        assert_eq!(Amount::Percent(12.5).to_string(), "12.5%");
        assert_eq!((Amount::Percent(25.0).of(40), Amount::Percent(25.0).of(2)), (10, 1));
        assert_eq!((Amount::Percent(100.0).of(7), Amount::Count(9).of(7)), (7, 9));
        for text in ["", "%", "-1", "101%", "many", "NaN%"] {
            assert!(text.parse::<Amount>().is_err(), "{text}");
        }
    }
}
