//! The links of one content: what each neighbour has done, and the groups that we share with
//! neighbours.
//!
//! Download, upload and swarm all read and write links, so this module depends on none of them.

pub(crate) mod availability;
pub(crate) mod conduct;
pub(crate) mod dealings;
pub(crate) mod group;
pub(crate) mod groups;
pub(crate) mod inflow;
pub(crate) mod peers;
pub(crate) mod ring;
pub(crate) mod trips;
