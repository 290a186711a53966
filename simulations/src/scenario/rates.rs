//! The rates of many links: one for all, several in turn, or drawn from a range.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::bytes::Bytes;

/// Rates that a list may have.
const IN_TURN_MAX: usize = 64;

/// The rates of the peers' links, in bytes a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rates {
    /// No link limits anything. As text: `unlimited`.
    Unlimited,
    /// What each peer's access line carries, by the network's mix of access classes. As text:
    /// `access`.
    Access,
    /// Each peer takes the next one, from the first again after the last. As text: `4MiB`, or
    /// `1MiB 2MiB 8MiB`.
    InTurn(Vec<Bytes>),
    /// Each rate in the range is as likely as any other. As text: `4MiB..16MiB`.
    Between(Bytes, Bytes),
    /// Each doubling in the range is as likely as any other. As text: `log 100k..10M`.
    LogBetween(Bytes, Bytes),
}

/// A text that names no rates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names no rates: write `4MiB`, `1MiB 2MiB`, `4MiB..16MiB`, `log 100k..10M`, `access` or `unlimited`"
)]
pub struct RatesError(String);

impl Rates {
    /// The same for everybody.
    pub fn each(bytes_per_second: u64) -> Rates {
        Rates::InTurn(vec![Bytes(bytes_per_second)])
    }

    /// Whether every rate is above zero and ranges ascend.
    pub(super) fn are_valid(&self) -> bool {
        match self {
            Rates::Unlimited | Rates::Access => true,
            Rates::InTurn(rates) => {
                !rates.is_empty() && rates.len() <= IN_TURN_MAX && rates.iter().all(|rate| rate.0 > 0)
            }
            Rates::Between(least, most) | Rates::LogBetween(least, most) => least.0 > 0 && least <= most,
        }
    }
}

impl FromStr for Rates {
    type Err = RatesError;

    fn from_str(text: &str) -> Result<Rates, RatesError> {
        let wrong = || RatesError(text.to_owned());
        let text = text.trim();
        let range = |text: &str| {
            let (least, most) = text.split_once("..")?;
            Some((least.parse().ok()?, most.parse().ok()?))
        };
        match text {
            "unlimited" => return Ok(Rates::Unlimited),
            "access" => return Ok(Rates::Access),
            _ => {}
        }
        if let Some(text) = text.strip_prefix("log ") {
            return range(text).map(|(least, most)| Rates::LogBetween(least, most)).ok_or_else(wrong);
        }
        if text.contains("..") {
            return range(text).map(|(least, most)| Rates::Between(least, most)).ok_or_else(wrong);
        }
        let rates: Result<Vec<Bytes>, _> = text.split_whitespace().map(Bytes::from_str).collect();
        rates.ok().filter(|rates| !rates.is_empty()).map(Rates::InTurn).ok_or_else(wrong)
    }
}

impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rates::Unlimited => f.write_str("unlimited"),
            Rates::Access => f.write_str("access"),
            Rates::InTurn(rates) => {
                let rates: Vec<String> = rates.iter().map(ToString::to_string).collect();
                f.write_str(&rates.join(" "))
            }
            Rates::Between(least, most) => write!(f, "{least}..{most}"),
            Rates::LogBetween(least, most) => write!(f, "log {least}..{most}"),
        }
    }
}

impl Serialize for Rates {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rates, D::Error> {
        super::text::read(deserializer, "rates, such as \"4MiB\" or \"4MiB..16MiB\"")
            .and_then(|text| text.parse().map_err(de::Error::custom))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_shown_as_the_same() {
        let cases = [
            ("unlimited", Rates::Unlimited),
            ("access", Rates::Access),
            ("1MiB", Rates::each(1 << 20)),
            ("50k 2MiB", Rates::InTurn(vec![Bytes(50_000), Bytes(2 << 20)])),
            ("4MiB..16MiB", Rates::Between(Bytes(4 << 20), Bytes(16 << 20))),
            ("log 100k..10M", Rates::LogBetween(Bytes(100_000), Bytes(10_000_000))),
        ];
        for (text, rates) in cases {
            assert_eq!(text.parse(), Ok(rates.clone()), "{text}");
            assert_eq!(rates.to_string(), text);
        }
    }

    #[test]
    fn what_names_no_rates_is_refused() {
        for text in ["", "fast", "1MiB..", "log 3", "..4", "1MiB, 2MiB"] {
            assert!(text.parse::<Rates>().is_err(), "{text}");
        }
    }
}
