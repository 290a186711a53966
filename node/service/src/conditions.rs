//! What the probes of a service check.

use serde::Serialize;

/// One condition that a probe checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// The name of the condition.
    pub name: &'static str,
    /// Whether the condition holds.
    pub holds: bool,
}

/// The conditions of a service.
pub trait Probes: Send + Sync + 'static {
    /// The conditions that make the process worth keeping.
    fn live(&self) -> Vec<Condition>;

    /// The conditions that make it right to send clients here.
    fn ready(&self) -> Vec<Condition>;

    /// Whether all of [`Probes::live`] holds.
    fn is_live(&self) -> bool {
        self.live().iter().all(|condition| condition.holds)
    }

    /// Whether all of [`Probes::ready`] holds.
    fn is_ready(&self) -> bool {
        self.ready().iter().all(|condition| condition.holds)
    }
}
