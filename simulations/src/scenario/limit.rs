//! What links between ASes carry, as text: `transit 40MiB`, `AS64500 AS64501 2MiB`.

use std::{fmt, str::FromStr};

use nearcast_core::asn::Asn;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::bytes::Bytes;
use crate::topology::Which;

/// What each of some links between ASes carries each way, in bytes a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkLimit {
    /// Which links.
    pub which: Which,
    /// Bytes a second; above 0.
    pub rate: Bytes,
}

/// A text that is no limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no limit of links: write `all 10MiB`, `peering 10MiB`, `transit 40MiB` or `AS64500 AS64501 2MiB`"
)]
pub struct LinkLimitError(String);

impl FromStr for LinkLimit {
    type Err = LinkLimitError;

    fn from_str(text: &str) -> Result<LinkLimit, LinkLimitError> {
        read(text).ok_or_else(|| LinkLimitError(text.to_owned()))
    }
}

fn read(text: &str) -> Option<LinkLimit> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (rate, which) = words.split_last()?;
    let which = match which {
        ["all"] => Which::All,
        ["peering"] => Which::Peering,
        ["transit"] => Which::Transit,
        [a, b] => Which::Between(a.parse().ok()?, b.parse().ok()?),
        _ => return None,
    };
    let rate: Bytes = rate.parse().ok()?;
    let is_link = |which| !matches!(which, Which::Between(a, b) if a == b);
    (rate.0 > 0 && is_link(which)).then_some(LinkLimit { which, rate })
}

/// An AS as people write it.
pub(super) fn as_text(asn: Asn) -> String {
    format!("AS{}", asn.0)
}

impl fmt::Display for LinkLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.which {
            Which::All => f.write_str("all")?,
            Which::Peering => f.write_str("peering")?,
            Which::Transit => f.write_str("transit")?,
            Which::Between(a, b) => write!(f, "{} {}", as_text(a), as_text(b))?,
        }
        write!(f, " {}", self.rate)
    }
}

impl Serialize for LinkLimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LinkLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LinkLimit, D::Error> {
        super::text::read(deserializer, "a limit of links, such as \"transit 40MiB\"")
            .and_then(|text| text.parse().map_err(de::Error::custom))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_shown_as_the_same() {
        for text in ["all 10MiB", "peering 1M", "transit 40MiB", "AS64500 AS4200000001 2MiB"] {
            assert_eq!(text.parse::<LinkLimit>().map(|limit| limit.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("64500 AS1 1M".parse::<LinkLimit>().unwrap().to_string(), "AS64500 AS1 1M");
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        for text in ["", "10MiB", "transit", "transit 0", "AS1 AS1 1M", "AS1 1M", "all peering 1M", "x y 1M"]
        {
            assert!(text.parse::<LinkLimit>().is_err(), "{text}");
        }
    }
}
