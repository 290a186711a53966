//! What the task of a web seed reports.

use std::time::Duration;

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
    Passing { reason: String, after: Option<Duration> },
    /// The trouble will not pass: the seed is never asked for this content again.
    #[error("{0}")]
    Lasting(String),
}

impl Trouble {
    /// A trouble that may pass.
    pub(crate) fn passing(reason: impl Into<String>) -> Trouble {
        Trouble::Passing { reason: reason.into(), after: None }
    }

    /// A trouble that will not pass.
    pub(crate) fn lasting(reason: impl Into<String>) -> Trouble {
        Trouble::Lasting(reason.into())
    }
}
