//! The plan: how much strangers may hold, by role.
//!
//! The most that a node takes besides its contents, with everything full:
//!
//! | what | how many | each | a service | a client |
//! |---|---|---|---|---|
//! | connections being made over TCP | 512 | 64 KiB | 32 MiB | 32 MiB |
//! | connections waiting to be made over TCP | 2,048 | 4 KiB | 8 MiB | 8 MiB |
//! | connections being made over QUIC | 128 | 64 KiB | 8 MiB | 8 MiB |
//! | connections | as set (4,096; client 256) | 100 KiB | 400 MiB | 25 MiB |
//! | hellos and data streams begun | 2 x 4,096 | 4 KiB | 32 MiB | 32 MiB |
//! | bytes unread or unsent | [`BYTES_MAX_SERVICE`], [`BYTES_MAX_CLIENT`] | | 128 MiB | 256 MiB |

/// The most inbound TCP handshakes at a time. More: crowds wait less. Fewer: less memory in
/// handshakes.
const HALF_OPEN_MAX: u32 = 512;
/// The most connections that wait for one of these places. More: honest peers are found in a larger
/// crowd. Fewer: fewer sockets.
const LOBBY_MAX: u32 = 2_048;
/// Inbound QUIC handshakes have places of their own: one for this many TCP places.
pub(super) const HALF_OPEN_QUIC_SHARE: u32 = 4;
/// The most streams of a kind that were opened and have not stated their purpose.
const OPENINGS_MAX: u32 = 4_096;
/// The most questions for metainfo being answered, in total. Each costs 64 KiB of buffer.
const MANIFESTS_MAX: u64 = 1_024;
/// The most streams to a directory, for each connection.
pub(crate) const DIRECTORIES_PER_CONNECTION_MAX: u32 = 2;
/// The most bytes that a service holds for strangers: received and unread, or waiting to be taken.
/// Those of honest peers are gone in milliseconds.
pub(crate) const BYTES_MAX_SERVICE: u64 = 128 << 20;
/// The same for a client. A client downloads, and a disk that is slow for a moment leaves received
/// bytes unread.
pub(crate) const BYTES_MAX_CLIENT: u64 = 256 << 20;

/// The bounds on what strangers hold or cause.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Inbound TCP handshakes.
    pub(crate) half_open_max: u32,
    /// Connections that wait for one of these.
    pub(crate) lobby_max: u32,
    /// Inbound connections, and how many of them one network may have.
    pub(crate) inbound_max: u32,
    pub(crate) per_network_max: u32,
    /// Whether loopback counts as a network like others.
    pub(crate) counts_loopback: bool,
    /// Streams that have not stated their purpose, for each of two kinds.
    pub(crate) openings_max: u32,
    pub(crate) manifests_max: u64,
    pub(crate) directories_max: u64,
    /// Bytes unread, or waiting to be taken.
    pub(crate) bytes_max: u64,
    /// Dials in progress.
    pub(crate) dials_max: u32,
}

impl Plan {
    /// The plan for this number of connections. `is_service`: others download from this node.
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
