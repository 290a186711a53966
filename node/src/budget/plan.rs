//! The plan: how much strangers may hold, by role.
//!
//! What a node takes at most beside its contents, with everything full:
//!
//! | what | how many | each | a service | a client |
//! |---|---|---|---|---|
//! | connections being made over TCP | 512 | 64 KiB | 32 MiB | 32 MiB |
//! | connections waiting to be made over TCP | 2,048 | 4 KiB | 8 MiB | 8 MiB |
//! | the same over QUIC | 128 | 64 KiB | 8 MiB | 8 MiB |
//! | connections | as set (4,096; client 256) | 100 KiB | 400 MiB | 25 MiB |
//! | hellos and data streams begun | 2 x 4,096 | 4 KiB | 32 MiB | 32 MiB |
//! | bytes unread or not taken | [`BYTES_MAX_SERVICE`], [`BYTES_MAX_CLIENT`] | | 128 MiB | 256 MiB |

/// Connections being made by others, at a time. More = crowds wait less, less = less memory in handshakes.
const HALF_OPEN_MAX: u32 = 512;
/// Connections that wait for one of these places. More = who is honest is told from a larger crowd, less = fewer sockets.
const LOBBY_MAX: u32 = 2_048;
/// Beside them, connections being made over QUIC have this part of as many places.
pub(super) const HALF_OPEN_QUIC_SHARE: u32 = 4;
/// Streams of a kind that were opened and have not said what they are for.
const OPENINGS_MAX: u32 = 4_096;
/// Answers to questions for metainfo, all together: 64 KiB of buffer each.
const MANIFESTS_MAX: u64 = 1_024;
/// Streams to a directory, for each connection there may be.
pub(crate) const DIRECTORIES_PER_CONNECTION_MAX: u32 = 2;
/// Bytes that strangers sent a service and it has not read, and that wait for them. Honest ones are gone in milliseconds.
pub(crate) const BYTES_MAX_SERVICE: u64 = 128 << 20;
/// The same for a client: it downloads, and a disk that is slow for a moment leaves what its neighbours sent unread.
pub(crate) const BYTES_MAX_CLIENT: u64 = 256 << 20;

/// Bounds on what strangers hold or cause.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Connections being made by others over TCP.
    pub(crate) half_open_max: u32,
    /// Connections that wait for a place among those.
    pub(crate) lobby_max: u32,
    /// Connections others made, and of those from one network.
    pub(crate) inbound_max: u32,
    pub(crate) per_network_max: u32,
    /// Whether loopback is a network like others.
    pub(crate) counts_loopback: bool,
    /// Streams that have not said what they are for, of each of two kinds.
    pub(crate) openings_max: u32,
    pub(crate) manifests_max: u64,
    pub(crate) directories_max: u64,
    /// Bytes unread or not taken.
    pub(crate) bytes_max: u64,
    /// Connections we are making.
    pub(crate) dials_max: u32,
}

impl Plan {
    /// By how many connections there may be, and whether it is others who download, not we.
    pub(crate) fn new(connections_max: u32, is_service: bool) -> Plan {
        Plan {
            half_open_max: HALF_OPEN_MAX,
            lobby_max: LOBBY_MAX,
            inbound_max: connections_max,
            per_network_max: connections_max,
            counts_loopback: false,
            openings_max: OPENINGS_MAX,
            manifests_max: MANIFESTS_MAX,
            directories_max: u64::from(connections_max) * u64::from(DIRECTORIES_PER_CONNECTION_MAX),
            bytes_max: if is_service { BYTES_MAX_SERVICE } else { BYTES_MAX_CLIENT },
            dials_max: 64,
        }
    }
}
