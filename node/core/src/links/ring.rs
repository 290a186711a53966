//! The kinds of group whose members import a content together.

/// A kind of group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ring {
    /// Our local network.
    Lan,
    /// Our AS, the local network included.
    System,
}

pub(crate) const RINGS: [Ring; 2] = [Ring::Lan, Ring::System];
