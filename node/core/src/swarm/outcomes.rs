//! The outcome of each peer and directory that a download asked, so that the download can say at
//! its end why it has nothing.
//!
//! Invariant: the last outcome of each is kept, for at most sixteen of them; those that the user or
//! the link named are dropped last.

use std::fmt;

use crate::output::GiveUp;

/// The most outcomes that are kept.
const OUTCOMES_MAX: usize = 16;
/// The most outcomes that are printed.
const SAID_MAX: usize = 4;

/// The role in which a peer was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// As a directory: which peers take part?
    Directory,
    /// As a peer: for the content itself.
    Peer,
}

/// The outcome of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nobody answered at the address; the text says why.
    Unreached(String),
    /// Nobody answered at the address, or it was not asked, and the user can change that.
    Curable {
        /// The reason in words.
        why: String,
        /// What the user can change.
        remedy: Remedy,
    },
    /// It was reached, and knows no peer that has the content.
    KnowsNobody,
    /// It was reached, and is no directory for this content.
    NotForThis,
    /// It was reached, and something else stood in the way; the text says what.
    Reached(String),
}

impl Outcome {
    fn is_reached(&self) -> bool {
        !matches!(self, Outcome::Unreached(_) | Outcome::Curable { .. })
    }
}

/// What the user can change so that an outcome becomes another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Name the address as one of their own: it came from a link, and links are written by
    /// strangers, so it was not dialled.
    NamePeer,
    /// Name the URL as one of their own: a torrent, a link or a redirect led there, and those are
    /// written by strangers, so it was not asked.
    NameUrl,
    /// Name the proxy with user and password: it wants to know who asks.
    NameProxyUser,
}

impl fmt::Display for Remedy {
    /// What the remedy does, as a sentence for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Remedy::NamePeer => "an address that is named apart from the link is dialled wherever it leads",
            Remedy::NameUrl => "a URL that is named apart from torrent and link is asked wherever it leads",
            Remedy::NameProxyUser => "a proxy can be named with user and password",
        })
    }
}

/// The outcomes of a download as they are reported: the most important ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// The attempts that are reported. Chosen ones come first, then unreached before reached, then
    /// the latest first.
    pub shown: Vec<Attempt>,
    /// Number of further attempts.
    pub more: usize,
}

/// The outcome of asking one peer, directory or web seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its address or URL.
    pub at: String,
    /// Who was asked, and the outcome, in words. Not safe for a terminal.
    pub text: String,
    /// What the user can change. `None`: nothing is known to help.
    pub remedy: Option<Remedy>,
}

impl fmt::Display for Attempts {
    /// In one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, attempt) in self.shown.iter().enumerate() {
            let comma = if number > 0 { "; " } else { "" };
            write!(f, "{comma}{}", attempt.text)?;
        }
        if self.more > 0 { write!(f, "; and {} more", self.more) } else { Ok(()) }
    }
}

/// A peer or directory that was asked.
#[derive(Clone, Debug)]
struct Asked {
    role: Role,
    /// Its address.
    at: String,
    /// The user or the link named it.
    chosen: bool,
    outcome: Outcome,
}

/// The outcomes of all that were asked, latest outcome last.
#[derive(Clone, Debug, Default)]
pub struct Outcomes {
    asked: Vec<Asked>,
    /// Number of further outcomes, which are not kept.
    more: u32,
}

impl Outcomes {
    /// Notes what came of asking at this address. `chosen`: the user or the link named it.
    pub fn note(&mut self, (role, at): (Role, &str), chosen: bool, outcome: Outcome) {
        let known = self.asked.iter().position(|asked| asked.role == role && asked.at == at);
        let chosen = match known.map(|known| self.asked.remove(known)) {
            Some(known) => known.chosen || chosen,
            None => chosen,
        };
        self.asked.push(Asked { role, at: at.to_owned(), chosen, outcome });
        if self.asked.len() > OUTCOMES_MAX {
            let least = self.asked.iter().position(|asked| !asked.chosen).unwrap_or(0);
            self.asked.remove(least);
            self.more = self.more.saturating_add(1);
        }
    }

    /// As [`Outcomes::note`], unless an outcome of the address is known: what it said before says more.
    pub fn note_if_new(&mut self, (role, at): (Role, &str), chosen: bool, outcome: Outcome) {
        if self.asked.iter().all(|asked| asked.role != role || asked.at != at) {
            self.note((role, at), chosen, outcome);
        }
    }

    /// The address gave what it was asked for: there is nothing to report of it any more.
    pub fn note_good(&mut self, (role, at): (Role, &str)) {
        self.asked.retain(|asked| asked.role != role || asked.at != at);
    }

    /// Whether there is nothing to report.
    pub fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// The reason to report at the end of a download. If any address was reached,
    /// [`GiveUp::Unreachable`] becomes [`GiveUp::NotFound`].
    pub fn verdict(&self, why: GiveUp) -> GiveUp {
        let reached = self.asked.iter().any(|asked| asked.outcome.is_reached());
        if why == GiveUp::Unreachable && reached { GiveUp::NotFound } else { why }
    }

    /// The outcomes to report.
    pub fn attempts(&self) -> Attempts {
        let said_before = |one: &Asked| {
            let alike = |other: &Asked| other.role == Role::Directory && other.at == one.at;
            one.role == Role::Peer
                && self.asked.iter().any(|other| alike(other) && other.outcome == one.outcome)
        };
        let mut asked: Vec<&Asked> = self.asked.iter().rev().filter(|asked| !said_before(asked)).collect();
        asked.sort_by_key(|asked| (!asked.chosen, asked.outcome.is_reached()));
        let more = asked.len().saturating_sub(SAID_MAX).saturating_add(self.more as usize);
        Attempts { shown: asked.into_iter().take(SAID_MAX).map(Asked::attempt).collect(), more }
    }
}

impl Asked {
    fn attempt(&self) -> Attempt {
        let remedy = match &self.outcome {
            Outcome::Curable { remedy, .. } => Some(*remedy),
            _ => None,
        };
        Attempt { at: self.at.clone(), text: self.to_string(), remedy }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Asked { role, at, outcome, .. } = self;
        let who = if *role == Role::Directory { "directory " } else { "" };
        match outcome {
            // The reason why addresses of a link are not dialled names them itself.
            Outcome::Curable { why, remedy: Remedy::NamePeer } => write!(f, "{who}{why}"),
            // A reason that contains the address is printed alone: it may name further addresses.
            Outcome::Unreached(why) | Outcome::Reached(why) | Outcome::Curable { why, .. }
                if why.contains(at.as_str()) =>
            {
                write!(f, "{who}{why}")
            }
            Outcome::Unreached(why) | Outcome::Reached(why) | Outcome::Curable { why, .. } => {
                write!(f, "{who}{at}: {why}")
            }
            Outcome::KnowsNobody => write!(f, "{who}{at}: it knows nobody who has this content"),
            Outcome::NotForThis => write!(f, "{who}{at}: it is no directory for this content"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACKER: (Role, &str) = (Role::Directory, "/ip4/192.0.2.1/tcp/4810");
    const PEER: (Role, &str) = (Role::Peer, "/ip4/192.0.2.2/tcp/4800");

    fn unreached(why: &str) -> Outcome {
        Outcome::Unreached(why.to_owned())
    }

    #[test]
    fn silence_says_less_than_what_was_said_before() {
        let mut outcomes = Outcomes::default();
        outcomes.note_if_new(PEER, true, unreached("no answer"));
        assert!(outcomes.attempts().to_string().contains("no answer"));
        outcomes.note(PEER, true, unreached("it says 503"));
        outcomes.note_if_new(PEER, true, unreached("no answer"));
        assert!(outcomes.attempts().to_string().contains("503"));
    }

    #[test]
    fn the_last_outcome_of_everybody_is_said() {
        let mut outcomes = Outcomes::default();
        outcomes.note(TRACKER, true, unreached("Connection refused"));
        outcomes.note(PEER, true, unreached("no answer"));
        outcomes.note(TRACKER, true, Outcome::KnowsNobody);
        let said = outcomes.attempts().to_string();
        assert!(said.contains("directory /ip4/192.0.2.1/tcp/4810: it knows nobody"), "{said}");
        assert!(said.contains("/ip4/192.0.2.2/tcp/4800: no answer") && !said.contains("refused"), "{said}");
        outcomes.note_good(TRACKER);
        assert_eq!(outcomes.attempts().to_string(), "/ip4/192.0.2.2/tcp/4800: no answer");
    }

    #[test]
    fn an_address_is_not_said_twice() {
        let mut outcomes = Outcomes::default();
        let both = [Role::Directory, Role::Peer].map(|role| (role, PEER.1));
        both.into_iter().for_each(|asked| outcomes.note(asked, true, unreached("Connection refused")));
        assert_eq!(outcomes.attempts().to_string(), "directory /ip4/192.0.2.2/tcp/4800: Connection refused");
        let mut outcomes = Outcomes::default();
        outcomes.note(PEER, true, unreached("/ip4/192.0.2.2/tcp/4800: Connection refused"));
        assert_eq!(outcomes.attempts().to_string(), "/ip4/192.0.2.2/tcp/4800: Connection refused");
    }

    #[test]
    fn what_the_user_can_change_is_reported_apart_from_the_words() {
        let mut outcomes = Outcomes::default();
        let why = "the link names 192.0.2.2:4800, which is not dialled".to_owned();
        outcomes.note(PEER, true, Outcome::Curable { why: why.clone(), remedy: Remedy::NamePeer });
        assert_eq!(outcomes.verdict(GiveUp::Unreachable), GiveUp::Unreachable);
        let refused = Attempt { at: PEER.1.to_owned(), text: why, remedy: Some(Remedy::NamePeer) };
        assert_eq!(outcomes.attempts(), Attempts { shown: vec![refused], more: 0 });
        let seed = (Role::Peer, "http://a.example/f");
        let leads = "it leads to 127.0.0.1".to_owned();
        outcomes.note(seed, true, Outcome::Curable { why: leads, remedy: Remedy::NameUrl });
        let attempts = outcomes.attempts();
        assert_eq!(attempts.shown[0].text, "http://a.example/f: it leads to 127.0.0.1");
        assert_eq!(attempts.shown[0].remedy, Some(Remedy::NameUrl));
    }

    #[test]
    fn who_answers_and_has_nothing_is_not_out_of_reach() {
        let mut outcomes = Outcomes::default();
        outcomes.note(PEER, false, unreached("no answer"));
        assert_eq!(outcomes.verdict(GiveUp::Unreachable), GiveUp::Unreachable);
        outcomes.note(TRACKER, true, Outcome::NotForThis);
        assert_eq!(outcomes.verdict(GiveUp::Unreachable), GiveUp::NotFound);
        assert_eq!(outcomes.verdict(GiveUp::Silent), GiveUp::Silent);
    }

    #[test]
    fn a_crowd_of_others_does_not_hide_whom_the_user_chose() {
        let mut outcomes = Outcomes::default();
        outcomes.note(TRACKER, true, unreached("Connection refused"));
        (0..1_000).for_each(|n| outcomes.note((Role::Peer, &format!("peer{n}")), false, unreached("no")));
        let said = outcomes.attempts().to_string();
        assert!(said.starts_with("directory /ip4/192.0.2.1/tcp/4810: Connection refused; "), "{said}");
        assert!(said.ends_with("; and 997 more"), "{said}");
        assert!(outcomes.asked.len() <= OUTCOMES_MAX);
    }
}
