//! The origin rule: when a leecher asks the operator's servers, and what the servers answer.

pub(crate) mod rule;
pub(crate) mod steering;
