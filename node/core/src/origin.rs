//! The origin rule: when a leecher asks the operator's servers, and what the servers answer.

pub(crate) mod rule;
pub(crate) mod steering;
pub(crate) mod top_up;
