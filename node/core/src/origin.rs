//! The origin rule: when a leecher asks the operator's servers, and what those answer.

pub(crate) mod rule;
pub(crate) mod steering;
