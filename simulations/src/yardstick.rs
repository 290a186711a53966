//! What can be computed without a simulation: bounds that no swarm can beat, and figures that a
//! right simulation must meet.
//!
//! Everything here is a pure function. A measured figure below a lower bound means that the
//! simulator is wrong; one above it says how far the policy is from the best.
//!
//! | file | what | source |
//! |---|---|---|
//! | `giving` | least time to give a file to all | Kumar and Ross 2006 |
//! | `pieces` | the same with pieces, and growth of one piece | Mundinger, Weber and Weiss 2008 |
//! | `schedule` | a schedule that needs no more than that | after Ganesan and Seshadri 2005 |
//! | `steady` | leechers, seeds and time in a steady state | Qiu and Srikant 2004 |
//! | `missing_piece` | when a swarm grows without end | Hajek and Zhu 2010, Zhu and Hajek 2012 |
//! | `streaming` | rate and start-up delay of a stream | Kumar, Liu and Ross 2007 |
//! | `borders` | copies that groups must import, and do by chance | derived in the file |
//! | `catalogue` | what the origin must serve of rare contents | derived in the file |

mod borders;
mod catalogue;
mod giving;
mod missing_piece;
mod pieces;
mod schedule;
mod steady;
mod streaming;

pub use borders::{Frontier, inner_share_by_chance, inner_share_max, redundancy_by_chance};
pub use catalogue::{Class, Zipf, alone_share, capacity_ceiling, origin_share_min};
pub use giving::{Access, Bound, client_server, kumar_ross};
pub use missing_piece::{Arrival, Missing, Stability};
pub use pieces::{copies_max, growth_by_slots, mundinger_rounds, mundinger_seconds, single_piece_rounds};
pub use schedule::{Breach, Schedule, Sending};
pub use steady::{Steady, Swarm, effectiveness};
pub use streaming::{diffusion_chunks, start_up_seconds, streaming_rate};
