//! What the task of a web seed reports.

use std::{fmt, time::Duration};

use nearcast_core::outcomes::{Outcome, Remedy};

/// What the task of a web seed reports.
#[derive(Debug)]
pub(crate) enum News {
    /// The seed has the files and may be asked for runs.
    Open,
    /// Why the seed's bytes may be false. Reported once.
    Doubt(&'static str),
    /// The seed is of no use, for now or for ever. Reported once, at the end.
    Gone(Trouble),
}

/// Why a web seed is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    /// The trouble may pass. `after`: the server asked for a pause of this length; `None`: it did
    /// not.
    #[error("{reason}")]
    Passing { reason: Why, after: Option<Duration> },
    /// The trouble will not pass: the seed is never asked for this content again.
    #[error("{0}")]
    Lasting(Why),
}

/// A reason in words, and what the user can change about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Why {
    pub(crate) text: String,
    /// `None`: nothing is known to help.
    pub(crate) remedy: Option<Remedy>,
}

impl Trouble {
    /// A trouble that may pass.
    pub(crate) fn passing(reason: impl Into<Why>) -> Trouble {
        Trouble::Passing { reason: reason.into(), after: None }
    }

    /// A trouble that will not pass.
    pub(crate) fn lasting(reason: impl Into<Why>) -> Trouble {
        Trouble::Lasting(reason.into())
    }

    /// The reason.
    pub(crate) fn why(&self) -> &Why {
        match self {
            Trouble::Passing { reason, .. } | Trouble::Lasting(reason) => reason,
        }
    }
}

impl Why {
    /// A reason that the user can change.
    pub(crate) fn curable(text: impl Into<String>, remedy: Remedy) -> Why {
        Why { text: text.into(), remedy: Some(remedy) }
    }

    /// The outcome of asking a server with this trouble.
    pub(crate) fn outcome(&self) -> Outcome {
        match self.remedy {
            Some(remedy) => Outcome::Curable { why: self.text.clone(), remedy },
            None => Outcome::Unreached(self.text.clone()),
        }
    }
}

impl From<String> for Why {
    fn from(text: String) -> Why {
        Why { text, remedy: None }
    }
}

impl From<&str> for Why {
    fn from(text: &str) -> Why {
        Why::from(text.to_owned())
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
