//! How long peers stay.

use serde::{Deserialize, Serialize};

use super::error::{ScenarioError, check};

/// What a peer does when it has everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Done {
    /// It stays to the end.
    #[default]
    Stay,
    /// It leaves at once.
    Leave,
    /// It stays for `linger_seconds`.
    Linger,
    /// It stays for as long as its uplink needs to send the content once.
    Upload,
    /// It stays for as long as its download took, but no longer than `linger_seconds`.
    Download,
}

/// How times of lingering are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lengths {
    /// All are the same.
    #[default]
    Fixed,
    /// They have an exponential distribution.
    Exponential,
}

/// How long peers stay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionsPart {
    /// What a peer does when it has everything.
    pub done: Done,
    /// The time it stays then, or the mean of it, in seconds; for `download` the longest. Only for
    /// `linger` and `download`.
    pub linger_seconds: f64,
    /// How these times are spread. Only for `linger`.
    pub lengths: Lengths,
    /// How many of those who are there go in each second, done or not, as a share: a hazard. 0: none.
    pub abort_rate: f64,
    /// How long a peer goes on without receiving anything before it gives up, in seconds.
    pub patience_seconds: f64,
}

impl Default for SessionsPart {
    fn default() -> SessionsPart {
        SessionsPart {
            done: Done::Stay,
            linger_seconds: 60.0,
            lengths: Lengths::Fixed,
            abort_rate: 0.0,
            patience_seconds: 60.0,
        }
    }
}

impl SessionsPart {
    pub(super) fn check(&self) -> Result<(), ScenarioError> {
        const TIME: &str = "0 to 1000000000 seconds";
        check(super::is_time(self.linger_seconds), "sessions.linger_seconds", TIME)?;
        check(super::is_time(self.patience_seconds), "sessions.patience_seconds", TIME)?;
        let hazard = self.abort_rate;
        check(
            hazard == 0.0 || (1e-9..=1e3).contains(&hazard),
            "sessions.abort_rate",
            "0, or 1e-9 to 1000 a second",
        )
    }
}
