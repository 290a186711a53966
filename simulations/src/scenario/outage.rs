//! What fails at a moment, as text: `hosts 25% at 10 for 30`, `as #1 at 20 for 15`.

use std::{fmt, str::FromStr};

use nearcast_core::asn::Asn;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{amount::Amount, limit::as_text};

/// Something that fails, and perhaps works again later.
#[derive(Clone, Debug, PartialEq)]
pub struct OutageText {
    /// What fails.
    pub what: Fails,
    /// When, in seconds from the start.
    pub at: f64,
    /// For how many seconds. `None`: for ever.
    pub lasts: Option<f64>,
}

/// What fails.
#[derive(Clone, Debug, PartialEq)]
pub enum Fails {
    /// The machines of so many of the scenario's peers, drawn at random. As text: `hosts 3`.
    Hosts(Amount),
    /// The borders of these ASes. As text: `as #1`, `as AS64500 #2`.
    Ases(Vec<AsChoice>),
    /// The link of two ASes. As text: `link #1 AS64500`.
    Link(AsChoice, AsChoice),
    /// So many of all links between ASes, drawn at random. As text: `links 10%`.
    Links(Amount),
    /// The network between so many of the scenario's peers, drawn at random, and all others. As text:
    /// `split 50%`.
    SplitPeers(Amount),
    /// The network between the peers of these ASes and all others. As text: `split #1 #2`.
    SplitAses(Vec<AsChoice>),
}

/// An AS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsChoice {
    /// That with this number. As text: `AS64500`.
    Number(Asn),
    /// That with the k-th most of the scenario's peers, from 1; of equals the lower number. As text:
    /// `#1`.
    Rank(u32),
}

/// A text that is no outage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no outage: write `hosts 25% at 10 for 30`, `as #1 at 20 for 15`, `link #1 AS64500 at 20`, \
     `links 10% at 20`, `split 50% at 30 for 60` or `split #1 #2 at 30`"
)]
pub struct OutageError(String);

impl FromStr for AsChoice {
    type Err = ();

    fn from_str(text: &str) -> Result<AsChoice, ()> {
        match text.strip_prefix('#') {
            Some(rank) => rank.parse().ok().filter(|&rank| rank > 0).map(AsChoice::Rank).ok_or(()),
            None if text.starts_with("AS") => text.parse().map(AsChoice::Number).map_err(|_| ()),
            None => Err(()),
        }
    }
}

impl fmt::Display for AsChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AsChoice::Number(asn) => f.write_str(&as_text(*asn)),
            AsChoice::Rank(rank) => write!(f, "#{rank}"),
        }
    }
}

impl FromStr for OutageText {
    type Err = OutageError;

    fn from_str(text: &str) -> Result<OutageText, OutageError> {
        read(text).ok_or_else(|| OutageError(text.to_owned()))
    }
}

fn read(text: &str) -> Option<OutageText> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let at = words.iter().position(|&word| word == "at")?;
    let (what, when) = (&words[..at], &words[at + 1..]);
    let seconds = |text: &str| text.parse().ok().filter(|&seconds| super::is_time(seconds));
    let (at, lasts) = match when {
        [at] => (seconds(at)?, None),
        [at, "for", lasts] => (seconds(at)?, Some(seconds(lasts)?)),
        _ => return None,
    };
    let (kind, of) = what.split_first()?;
    let ases = || of.iter().map(|word| word.parse().ok()).collect::<Option<Vec<AsChoice>>>();
    let what = match (*kind, of) {
        (_, []) => return None,
        ("hosts", [amount]) => Fails::Hosts(amount.parse().ok()?),
        ("links", [amount]) => Fails::Links(amount.parse().ok()?),
        ("as", _) => Fails::Ases(ases()?),
        ("link", [a, b]) => Fails::Link(a.parse().ok()?, b.parse().ok()?),
        ("split", [amount]) if ases().is_none() => Fails::SplitPeers(amount.parse().ok()?),
        ("split", _) => Fails::SplitAses(ases()?),
        _ => return None,
    };
    Some(OutageText { what, at, lasts })
}

impl OutageText {
    /// Whether it names ASes, so that there must be some.
    pub(super) fn needs_ases(&self) -> bool {
        !matches!(self.what, Fails::Hosts(_) | Fails::SplitPeers(_))
    }
}

impl fmt::Display for OutageText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |ases: &[AsChoice]| ases.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        match &self.what {
            Fails::Hosts(amount) => write!(f, "hosts {amount}")?,
            Fails::Ases(ases) => write!(f, "as {}", list(ases))?,
            Fails::Link(a, b) => write!(f, "link {a} {b}")?,
            Fails::Links(amount) => write!(f, "links {amount}")?,
            Fails::SplitPeers(amount) => write!(f, "split {amount}")?,
            Fails::SplitAses(ases) => write!(f, "split {}", list(ases))?,
        }
        write!(f, " at {}", self.at)?;
        self.lasts.map_or(Ok(()), |lasts| write!(f, " for {lasts}"))
    }
}

impl Serialize for OutageText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OutageText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<OutageText, D::Error> {
        super::text::read(deserializer, "an outage, such as \"hosts 25% at 10 for 30\"")
            .and_then(|text| text.parse().map_err(de::Error::custom))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_shown_as_the_same() {
        for text in [
            "hosts 3 at 10",
            "hosts 12.5% at 10 for 30",
            "as #1 AS64500 at 0.5 for 15",
            "link #1 AS64500 at 20",
            "links 10% at 20 for 1",
            "split 50% at 30 for 60",
            "split #1 #2 at 30",
            "split AS64500 at 30",
        ] {
            assert_eq!(text.parse::<OutageText>().map(|outage| outage.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_no_outage_is_refused_and_told_how_to_write_one() {
        for text in [
            "",
            "hosts 3",
            "hosts at 3",
            "hosts many at 3",
            "hosts 3 at -1",
            "hosts 3 at 1 until 5",
            "as 64500 at 3",
            "as #0 at 3",
            "link #1 at 3",
            "split at 3",
            "meteor #1 at 3",
        ] {
            let error = text.parse::<OutageText>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}` is no outage: write `hosts 25% at 10")), "{error}");
        }
    }
}
